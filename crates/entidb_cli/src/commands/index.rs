//! Listing, creating and dropping indexes, and the keys of manual ones.
//!
//! Always: dropping asks first. Does not know: how rows are kept.

use std::ops::Bound;

use entidb_core::{EntityId, ErrorCode, IndexDefinition, IndexStats, KeyRange, ManualIndex, Value};
use serde_json::{Value as Json, json};

use super::{Use, existing, open, writable};
use crate::args::{EntityKey, IndexAction};
use crate::failure::{Failure, NO, Result};
use crate::filter::parse;
use crate::json::from_value;
use crate::output::{Output, table};

/// The rows of an index, with `about` where they are an estimate.
pub(super) fn rows(stats: &IndexStats) -> String {
    if stats.exact { stats.rows.to_string() } else { format!("about {}", stats.rows) }
}

/// An index as JSON: its definition and its rows.
pub(super) fn described(index: &IndexDefinition, stats: &IndexStats) -> Json {
    let mut described = from_value(&index.to_value());
    if let Some(fields) = described.as_object_mut() {
        fields.insert("rows".into(), stats.rows.into());
        fields.insert("exact".into(), stats.exact.into());
    }
    described
}

pub(super) fn run(action: IndexAction, output: &Output) -> Result<u8> {
    match action {
        IndexAction::List { target, collection } => {
            let collection = existing(&open(&target, Use::Read)?, &collection)?;
            let (indexes, stats) = (collection.indexes()?, collection.stats()?.indexes);
            output.result(
                || {
                    let rows: Vec<Vec<String>> = indexes
                        .iter()
                        .zip(&stats)
                        .map(|(index, stats)| {
                            let columns: Vec<String> = index.columns.iter().map(ToString::to_string).collect();
                            let mark = |set: bool| if set { "yes" } else { "no" }.to_owned();
                            vec![
                                index.name.clone(),
                                index.kind.clone(),
                                columns.join(", "),
                                mark(index.unique),
                                mark(index.multi),
                                rows(stats),
                            ]
                        })
                        .collect();
                    table(&["index", "kind", "fields", "unique", "multi", "rows"], &rows)
                },
                || indexes.iter().zip(&stats).map(|(index, stats)| described(index, stats)).collect(),
            )?;
            Ok(0)
        }
        IndexAction::Create { target, collection, fields, manual, name, unique, multi, create } => {
            let mut definition = match manual {
                true => IndexDefinition::manual(""),
                false => IndexDefinition::on(fields.iter().map(String::as_str))?,
            };
            if let Some(name) = name {
                definition = definition.named(name);
            }
            definition.unique = unique;
            definition.multi = multi;
            let name = definition.name.clone();
            let db = open(&target, Use::Change)?;
            let created = writable(&db, &collection, create)?.create_index(definition)?;
            db.close()?;
            let text = if created { format!("created index {name}") } else { format!("index {name} exists already") };
            output.result(|| text, || json!({ "index": name, "created": created }))?;
            Ok(0)
        }
        IndexAction::Keys { target, collection, name, key, from, to, reverse, limit } => {
            let db = open(&target, Use::Read)?;
            let parsed = |text: &Option<String>| text.as_deref().map(parse).transpose();
            let bound =
                |text: &Option<String>| Ok::<_, Failure>(parsed(text)?.map_or(Bound::Unbounded, Bound::Included));
            let (from, to) = if key.is_some() { (&key, &key) } else { (&from, &to) };
            let (from, to) = (bound(from)?, bound(to)?);
            let range = KeyRange { from, to, reverse, limit, ..KeyRange::default() };
            for found in existing(&db, &collection)?.manual_index(&name)?.range(range)? {
                let (key, id) = found?;
                let key = from_value(&key);
                output.result(|| format!("{key} {id}"), || json!({ "key": key, "id": id.to_string() }))?;
            }
            Ok(0)
        }
        IndexAction::InsertKey(key) => {
            let inserted = change_key(key, ManualIndex::insert)?;
            let text = if inserted { "inserted" } else { "the entity has the key already" };
            output.result(|| text.to_owned(), || json!({ "inserted": inserted }))?;
            Ok(0)
        }
        IndexAction::RemoveKey(key) => {
            let removed = change_key(key, ManualIndex::remove)?;
            let text = if removed { "removed" } else { "the entity does not have the key" };
            output.result(|| text.to_owned(), || json!({ "removed": removed }))?;
            Ok(if removed { 0 } else { NO })
        }
        IndexAction::Drop { target, collection, name, yes } => {
            let db = open(&target, Use::Change)?;
            // Before asking: there is nothing to be asked about where the name is misspelt.
            let indexes = existing(&db, &collection)?.indexes()?;
            if !indexes.iter().any(|index| index.name == name) {
                let problem = format!("there is no index {name} on {collection}");
                return Err(Failure::Missing(ErrorCode::IndexNotFound, problem));
            }
            if !output.confirm(&format!("drop the index {name} of {collection}"), yes)? {
                return Ok(NO);
            }
            db.collection(&collection)?.drop_index(&name)?;
            db.close()?;
            output.result(|| format!("dropped index {name}"), || json!({ "index": name, "dropped": true }))?;
            Ok(0)
        }
    }
}

/// Changes a key of an entity; true when that made a difference.
fn change_key(
    given: EntityKey,
    change: impl FnOnce(&ManualIndex, Value, EntityId) -> entidb_core::Result<bool>,
) -> Result<bool> {
    let (key, id) = (parse(&given.key)?, given.id.parse::<EntityId>()?);
    let db = open(&given.target, Use::Change)?;
    let changed = change(&existing(&db, &given.collection)?.manual_index(&given.name)?, key, id)?;
    db.close()?;
    Ok(changed)
}
