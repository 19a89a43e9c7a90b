//! Looking: what a database is, what it counted, what it holds, whether it is whole.
//!
//! Always: changes nothing. Does not know: single entities.

use entidb_core::{CollectionStats, ErrorCode, Problem, VerifyLevel, VerifyReport};
use serde_json::json;

use super::index::described;
use super::{Use, open};
use crate::args::Target;
use crate::failure::{Failure, NO, Result};
use crate::json::from_value;
use crate::output::{Output, table};

pub(super) fn inspect(target: &Target, output: &Output) -> Result<u8> {
    let db = open(target, Use::Read)?;
    let report = from_value(&db.open_report_value());
    let mut collections = Vec::new();
    for name in db.collections()? {
        let collection = db.collection(&name)?;
        let (stats, indexes) = (collection.stats()?, collection.indexes()?);
        let indexes: Vec<_> =
            indexes.iter().zip(&stats.indexes).map(|(index, stats)| described(index, stats)).collect();
        let id = stats.id.map(|id| id.0);
        collections.push(json!({ "name": name, "id": id, "entities": stats.entities, "indexes": indexes }));
    }
    let stats = db.stats()?;
    output.result(
        || {
            let mut lines = vec![
                format!("database         {}", db.location()),
                format!("library          {}", env!("CARGO_PKG_VERSION")),
                format!("file format      {}", entidb_core::FORMAT_VERSION),
                format!("encrypted        {}", if db.options().key.is_some() { "yes" } else { "no" }),
                format!("last sequence    {}", db.last_sequence()),
                format!("clean close      {}", if db.open_report().clean { "yes" } else { "no" }),
                format!("replayed commits {}", db.open_report().commits_replayed),
                format!("dropped bytes    {}", db.open_report().bytes_dropped),
                format!("segments         {} ({} bytes)", stats.engine.segments, stats.engine.segment_bytes),
                format!("log              {} files ({} bytes)", stats.engine.wal_files, stats.engine.wal_bytes),
                format!("collections      {}", collections.len()),
            ];
            lines.extend(ignored(&db.open_report().ignored, db.open_report().ignored_count));
            for collection in &collections {
                lines.push(format!("  {} ({} entities)", text(&collection["name"]), collection["entities"]));
                for index in collection["indexes"].as_array().into_iter().flatten() {
                    let mark = |name: &str| if index[name] == true { format!(" {name}") } else { String::new() };
                    let (name, kind, rows) = (text(&index["name"]), text(&index["kind"]), &index["rows"]);
                    let about = if index["exact"] == true { "" } else { "about " };
                    lines.push(format!("    index {name} {kind}{}{} ({about}{rows} rows)", mark("unique"), mark("multi")));
                }
            }
            lines.join("\n")
        },
        || {
            json!({
                "path": db.location(), "library": env!("CARGO_PKG_VERSION"), "format": entidb_core::FORMAT_VERSION,
                "last_sequence": db.last_sequence().0, "open": report, "collections": collections, "stats": from_value(&stats.to_value()),
            })
        },
    )?;
    Ok(0)
}

/// A line about names in the folder that are none of the database's, where there are any.
fn ignored(names: &[String], count: u64) -> Option<String> {
    let more = count.saturating_sub(names.len() as u64);
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (count > 0).then(|| format!("ignored          {}{more}: not files of the database", names.join(", ")))
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("")
}

pub(super) fn stats(target: &Target, output: &Output) -> Result<u8> {
    let db = open(target, Use::Read)?;
    let stats = from_value(&db.stats()?.to_value());
    output.result(
        || {
            let rows: Vec<Vec<String>> = stats
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| vec![name.clone(), value.to_string()])
                .collect();
            table(&["figure", "value"], &rows)
        },
        || stats.clone(),
    )?;
    Ok(0)
}

pub(super) fn collections(target: &Target, output: &Output) -> Result<u8> {
    let db = open(target, Use::Read)?;
    let mut found = Vec::new();
    for name in db.collections()? {
        found.push(db.collection(&name)?.stats()?);
    }
    output.result(
        || {
            let id = |found: &CollectionStats| found.id.map_or_else(String::new, |id| id.0.to_string());
            let rows: Vec<_> =
                found.iter().map(|found| vec![found.name.clone(), id(found), found.entities.to_string()]).collect();
            table(&["collection", "id", "entities"], &rows)
        },
        || {
            let described = |found: &CollectionStats| {
                json!({ "name": found.name, "id": found.id.map(|id| id.0), "entities": found.entities })
            };
            found.iter().map(described).collect()
        },
    )?;
    Ok(0)
}

fn is_damage(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Corrupt | ErrorCode::Tampered)
}

/// The report about a database that does not open: why, and that nothing else was looked at.
fn unopened(error: &entidb_core::Error) -> VerifyReport {
    let mut report = VerifyReport::default();
    report.problems.push(Problem::from(error));
    let rest = "the database cannot be opened because of this; nothing else was checked".to_owned();
    let mut note = Problem::default();
    note.what = rest;
    report.problems.push(note);
    report
}

pub(super) fn verify(target: &Target, full: bool, output: &Output) -> Result<u8> {
    let report = match open(target, Use::Read) {
        Ok(db) => db.verify(if full { VerifyLevel::Full } else { VerifyLevel::Quick })?,
        // What cannot be opened because of damage gets a report too: it is what was asked for.
        Err(Failure::Database(error)) if is_damage(error.code()) => unopened(&error),
        Err(failure) => return Err(failure),
    };
    output.result(
        || {
            let mut lines: Vec<String> = report
                .problems
                .iter()
                .map(|problem| {
                    let mut line = problem.what.clone();
                    for (name, place) in
                        [("file", &problem.file), ("collection", &problem.collection), ("index", &problem.index)]
                    {
                        if let Some(place) = place {
                            line.push_str(&format!(" [{name} {place}]"));
                        }
                    }
                    line
                })
                .collect();
            lines.extend_from_slice(&report.unverified);
            lines.extend(ignored(&report.ignored, report.ignored_count));
            if report.bytes_dropped > 0 {
                let bytes = report.bytes_dropped;
                lines.push(format!("the last {bytes} bytes of the log are an incomplete commit, as after a crash"));
            }
            let result =
                if report.is_ok() { "no problem".to_owned() } else { format!("{} problems", report.problems.len()) };
            let (segments, units) = (report.segments, report.units);
            lines.push(if full {
                let (entities, rows) = (report.entities, report.index_rows);
                format!("{segments} segments, {units} units, {entities} entities, {rows} index rows checked: {result}")
            } else {
                format!(
                    "{segments} segments, {units} units and the counts checked: {result} \
                     (--full reads every entity and index row too)"
                )
            });
            lines.join("\n")
        },
        || from_value(&report.to_value()),
    )?;
    Ok(if report.is_ok() { 0 } else { NO })
}
