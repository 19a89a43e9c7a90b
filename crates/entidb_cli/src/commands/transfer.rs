//! Collections out to JSON lines and back in: entities, the definitions of indexes, and the keys of manual ones.
//!
//! Always: what `dump` writes, `load` reads back exactly, ids included. Loading the same lines again changes nothing more.
//! Does not know: versions, the change feed, and how rows of an index are kept; an index is built anew.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use entidb_core::{BatchItem, Collection, Database, EntityId, IndexDefinition, KeyRange, Value};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};

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
pub(super) fn dump(
    target: &Target,
    only: &[String],
    file: Option<&Path>,
    entities_only: bool,
    output: &Output,
) -> Result<u8> {
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
    let mut counts = Counts::default();
    for name in names {
        let collection = read.collection(&name)?;
        let count = collection.count()?;
        let entities = collection.iter()?.map(|entity| {
            let entity = entity?;
            let document = from_value(&entity.value()?);
            bar.inc(1);
            Ok(json!({ "collection": name, "id": entity.id().to_string(), "document": document }))
        });
        let declared = if entities_only { Vec::new() } else { collection.indexes()? };
        let indexes = declared.iter().map(|index| index_lines(&collection, index)).collect::<Result<Vec<_>>>()?;
        counts.entities += count;
        counts.indexes += declared.len() as u64;
        // A collection of which no other line tells.
        let alone = (count == 0 && declared.is_empty() && !entities_only).then(|| Ok(json!({ "collection": name })));
        for line in alone.into_iter().chain(entities).chain(indexes.into_iter().flatten()) {
            match writeln!(writer, "{}", line?) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(0),
                result => result.map_err(|error| failed(&error))?,
            }
        }
    }
    writer.flush().map_err(|error| failed(&error))?;
    bar.finish_and_clear();
    if file.is_some() {
        output.result(|| format!("wrote {}", counts.text()), || counts.json())?;
    }
    Ok(0)
}

/// What a dump or a load moved.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    entities: u64,
    indexes: u64,
}

impl Counts {
    fn text(self) -> String {
        let Self { entities, indexes } = self;
        format!("{entities} entities and the definitions of {indexes} indexes")
    }

    fn json(self) -> Json {
        json!({ "entities": self.entities, "indexes": self.indexes })
    }
}

/// The definition of an index, and then its keys where those are no part of documents.
fn index_lines<'a>(
    collection: &Collection,
    index: &'a IndexDefinition,
) -> Result<impl Iterator<Item = entidb_core::Result<Json>> + use<'a>> {
    let name = collection.name().to_owned();
    let definition = json!({ "collection": name, "index": from_value(&index.to_value()) });
    let is_manual = index.kind == IndexDefinition::manual("").kind;
    let keys = is_manual.then(|| collection.manual_index(&index.name)?.range(KeyRange::default())).transpose()?;
    let keys = keys.into_iter().flatten().map(move |found| {
        let (key, id) = found?;
        Ok(json!({ "collection": name, "index": index.name, "key": from_value(&key), "id": id.to_string() }))
    });
    Ok(std::iter::once(Ok(definition)).chain(keys))
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
    content: Content,
}

enum Content {
    /// An entity; a plain document has no id.
    Entity(Option<EntityId>, Vec<u8>),
    /// A key of a manual index.
    Key { index: String, key: Value, id: EntityId },
    /// An index to be there.
    Index(Box<IndexDefinition>),
    /// The collection itself.
    Nothing,
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
    let mut loaded = Loaded { target, making, db: None, indexes: 0 };
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
        // An index is built in transactions of its own, over what is there before it.
        let is_index = matches!(line.content, Content::Index(_));
        batch.push(line);
        if batch.len() == BATCH || is_index {
            bar.inc(loaded.store(&batch)?);
            batch.clear();
        }
    }
    bar.inc(loaded.store(&batch)?);
    let counts = Counts { entities: bar.position(), indexes: loaded.indexes };
    bar.finish_and_clear();
    if let Some(db) = loaded.db {
        db.close()?;
    }
    output.result(|| format!("loaded {}", counts.text()), || counts.json())?;
    Ok(0)
}

/// Where lines go. It is opened with the first batch, so that a file whose beginning is wrong makes no database.
struct Loaded<'a> {
    target: &'a Target,
    making: Making,
    db: Option<Database>,
    /// Indexes that are there as the lines say.
    indexes: u64,
}

impl Loaded<'_> {
    /// Stores these lines, of which an index is the last; returns how many are entities.
    fn store(&mut self, lines: &[Line]) -> Result<u64> {
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
        let entities = lines.iter().filter(|line| matches!(line.content, Content::Entity(..))).count();
        let (lines, index) = match lines.split_last() {
            Some((Line { collection, content: Content::Index(index) }, before)) => (before, Some((collection, index))),
            _ => (lines, None),
        };
        store(db, lines)?;
        if let Some((collection, index)) = index {
            db.collection(collection)?.create_index(index.as_ref().clone())?;
            self.indexes += 1;
        }
        Ok(entities as u64)
    }
}

fn parse(text: &str, into: Option<&str>) -> std::result::Result<Line, String> {
    let parsed = read(text)?;
    if let Some(collection) = into {
        let document = entidb_core::encode(&to_value(&parsed)?);
        return Ok(Line { collection: collection.to_owned(), content: Content::Entity(None, document) });
    }
    let said = |error: entidb_core::Error| error.message().to_owned();
    let text = |name| parsed.get(name).and_then(Json::as_str);
    let id = text("id").map(str::parse::<EntityId>).transpose().map_err(said)?;
    let fields = parsed.as_object().map_or(0, serde_json::Map::len);
    let content = match (fields, id, parsed.get("document"), parsed.get("index"), parsed.get("key")) {
        (3, Some(id), Some(document), None, None) => {
            Content::Entity(Some(id), entidb_core::encode(&to_value(document)?))
        }
        (4, Some(id), None, Some(Json::String(index)), Some(key)) => {
            Content::Key { index: index.clone(), key: to_value(key)?, id }
        }
        (2, None, None, Some(index), None) => {
            let definition = IndexDefinition::from_value(&to_value(index)?).map_err(said)?;
            Content::Index(Box::new(definition))
        }
        (1, None, None, None, None) => Content::Nothing,
        _ => return Err(NO_LINE.to_owned()),
    };
    let collection = text("collection").ok_or(NO_LINE)?.to_owned();
    Ok(Line { collection, content })
}

const NO_LINE: &str =
    "it is no line of a dump, which has collection, id and document; for plain documents pass --into COLLECTION";

fn store<'a>(db: &Database, lines: &'a [Line]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    Ok(db.transaction(|tx| {
        for group in lines.chunk_by(|a, b| a.collection == b.collection) {
            let Some(first) = group.first() else { continue };
            let collection = tx.collection(&first.collection)?;
            let item = |line: &'a Line| match &line.content {
                Content::Entity(id, document) => Some(BatchItem { id: *id, document }),
                _ => None,
            };
            let items: Vec<BatchItem<'_>> = group.iter().filter_map(item).collect();
            if !items.is_empty() {
                collection.put_batch(&items)?;
            }
            for line in group {
                match &line.content {
                    Content::Key { index, key, id } => {
                        collection.manual_index(index)?.insert(key.clone(), *id)?;
                    }
                    Content::Nothing if !tx.collections()?.contains(&line.collection) => {
                        tx.create_collection(&line.collection)?;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    })?)
}
