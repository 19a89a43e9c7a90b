//! Entities out to JSON lines and back in.
//!
//! Always: what `dump` writes, `load` reads back exactly, ids included. Loading the same lines again changes nothing more.
//! Does not know: indexes; they are declared, not carried.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use entidb_core::{BatchItem, Database, EntityId};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Use, existing, open, open_to_write, without_mark, writable};
use crate::args::{Making, Target};
use crate::failure::{Failure, Result};
use crate::json::{from_value, read, to_value};
use crate::output::Output;

/// Lines stored in one transaction.
const BATCH: usize = 1000;

fn progress(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} {msg} ({per_sec})") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

#[expect(clippy::disallowed_methods, reason = "the file is the user's, not the database's")]
pub(super) fn dump(target: &Target, only: &[String], file: Option<&Path>, output: &Output) -> Result<u8> {
    let db = open(target, Use::Read)?;
    for name in only {
        existing(&db, name)?;
    }
    say_what_was_dropped(&db);
    let read = db.begin_read()?;
    let names = if only.is_empty() { read.collections()? } else { only.to_vec() };
    let failed = |error: &std::io::Error| Failure::system("write the dump", error);
    let mut writer: Box<dyn Write> = match file {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(|error| failed(&error))?)),
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let bar = progress("entities");
    for name in names {
        for entity in read.collection(&name)?.iter()? {
            let entity = entity?;
            let document = from_value(&entity.value()?);
            let line = json!({ "collection": name, "id": entity.id().to_string(), "document": document });
            match writeln!(writer, "{line}") {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(0),
                result => result.map_err(|error| failed(&error))?,
            }
            bar.inc(1);
        }
    }
    writer.flush().map_err(|error| failed(&error))?;
    let written = bar.position();
    bar.finish_and_clear();
    if file.is_some() {
        output.result(|| format!("wrote {written} entities"), || json!({ "entities": written }))?;
    }
    Ok(0)
}

/// What a crash left at the end of the log is not in the dump, and the user should know.
fn say_what_was_dropped(db: &Database) {
    let bytes = db.open_report().bytes_dropped;
    if bytes > 0 {
        let text = format!(
            "note: the last {bytes} bytes of the log are an incomplete commit, as after a crash; they are not exported"
        );
        // There is nowhere left to report that standard error cannot be written.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// One line, ready to be stored.
struct Line {
    collection: String,
    id: Option<EntityId>,
    document: Vec<u8>,
}

#[expect(clippy::disallowed_methods, reason = "the file is the user's, not the database's")]
pub(super) fn load(target: &Target, input: &Path, into: Option<&str>, making: Making, output: &Output) -> Result<u8> {
    let failed = |error: &std::io::Error| Failure::system(&format!("read {}", input.display()), error);
    let reader: Box<dyn BufRead> = if input == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(input).map_err(|error| failed(&error))?))
    };
    let bar = progress("entities");
    let mut loaded = Loaded { target, making, db: None };
    let mut batch = Vec::with_capacity(BATCH);
    for (number, text) in reader.lines().enumerate() {
        let text = text.map_err(|error| failed(&error))?;
        let text = if number == 0 { without_mark(&text) } else { &text };
        if text.trim().is_empty() {
            continue;
        }
        // A user who repairs the file must know where to continue: with new ids a second load would put everything twice.
        let stopped = |problem: &str| {
            format!("line {}: {problem}; {} entities were imported, the rest was not", number + 1, bar.position())
        };
        let line = parse(text, into).map_err(|problem| Failure::Usage(stopped(&problem)))?;
        batch.push(line);
        if batch.len() == BATCH {
            loaded.store(&batch)?;
            bar.inc(BATCH as u64);
            batch.clear();
        }
    }
    loaded.store(&batch)?;
    bar.inc(batch.len() as u64);
    let entities = bar.position();
    bar.finish_and_clear();
    if let Some(db) = loaded.db {
        db.close()?;
    }
    output.result(|| format!("loaded {entities} entities"), || json!({ "entities": entities }))?;
    Ok(0)
}

/// Where lines go. It is opened with the first batch, so that a file whose beginning is wrong makes no database.
struct Loaded<'a> {
    target: &'a Target,
    making: Making,
    db: Option<Database>,
}

impl Loaded<'_> {
    fn store(&mut self, lines: &[Line]) -> Result<()> {
        let db = match &self.db {
            Some(db) => db,
            None => self.db.insert(open_to_write(self.target, self.making)?),
        };
        if !self.making.create {
            let mut names: Vec<&str> = lines.iter().map(|line| line.collection.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                writable(db, name, false)?;
            }
        }
        store(db, lines)
    }
}

fn parse(text: &str, into: Option<&str>) -> std::result::Result<Line, String> {
    let parsed = read(text)?;
    if let Some(collection) = into {
        let document = entidb_core::encode(&to_value(&parsed)?);
        return Ok(Line { collection: collection.to_owned(), id: None, document });
    }
    let collection = parsed.get("collection").and_then(|name| name.as_str());
    let id = parsed.get("id").and_then(|id| id.as_str());
    match (collection, id, parsed.get("document")) {
        (Some(collection), Some(id), Some(document)) => Ok(Line {
            collection: collection.to_owned(),
            id: Some(id.parse().map_err(|error: entidb_core::Error| error.message().to_owned())?),
            document: entidb_core::encode(&to_value(document)?),
        }),
        _ => Err("it has no collection, id and document; for plain documents pass --into COLLECTION".to_owned()),
    }
}

fn store(db: &Database, lines: &[Line]) -> Result<()> {
    Ok(db.transaction(|tx| {
        for group in lines.chunk_by(|a, b| a.collection == b.collection) {
            let Some(first) = group.first() else { continue };
            let items: Vec<BatchItem<'_>> =
                group.iter().map(|line| BatchItem { id: line.id, document: &line.document }).collect();
            tx.collection(&first.collection)?.put_batch(&items)?;
        }
        Ok(())
    })?)
}
