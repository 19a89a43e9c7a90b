//! Earlier versions of an entity, and the changes of the database.
//!
//! Always: what is printed was committed; results are printed as they come. Does not know: what retention removed.

use std::time::Duration;

use entidb_core::{Change, ChangeBatch, ChangeKind, EntityId, ErrorCode, Since, decode};
use serde_json::{Value as Json, json};

use super::{Use, existing, open};
use crate::args::Target;
use crate::failure::{Failure, Result};
use crate::json::from_value;
use crate::output::Output;

pub(super) fn history(target: &Target, collection: &str, id: &str, output: &Output) -> Result<u8> {
    let db = open(target, Use::Read)?;
    let id: EntityId = id.parse()?;
    let mut found = 0_u64;
    for version in existing(&db, collection)?.history(id)? {
        let version = version?;
        found += 1;
        let document = from_value(&version.entity.value()?);
        let (from, until) = (version.entity.version(), version.until.map(|until| until.0));
        output.result(
            || format!("{from} {} {document}", until.map_or_else(|| "now".to_owned(), |until| until.to_string())),
            || json!({ "version": from, "until": until, "document": document }),
        )?;
    }
    if found == 0 {
        let problem = format!("there is no version of an entity {id} in {collection}");
        return Err(Failure::Missing(ErrorCode::EntityNotFound, problem));
    }
    Ok(0)
}

pub(super) fn changes(
    target: &Target,
    since: Option<String>,
    collection: Option<&str>,
    before: bool,
    output: &Output,
) -> Result<u8> {
    let db = open(target, Use::Read)?;
    let since = match since {
        None => Since::Oldest,
        Some(text) => Since::After(text.parse()?),
    };
    let mut feed = db.changes(since)?;
    if before {
        feed.give_before();
    }
    while let Some(batch) = feed.next_batch(Duration::ZERO)? {
        for change in batch.changes.iter().filter(|change| collection.is_none_or(|name| *change.collection == *name)) {
            print(&batch, change, output)?;
        }
    }
    Ok(0)
}

fn document(bytes: &[u8]) -> Result<Json> {
    Ok(from_value(&decode(bytes).map_err(entidb_core::Error::from)?))
}

fn print(batch: &ChangeBatch, change: &Change, output: &Output) -> Result<()> {
    let id = change.kind.is_entity().then(|| change.id.to_string());
    let detail = match change.kind {
        ChangeKind::Insert | ChangeKind::Update | ChangeKind::IndexCreated => Some(document(&change.payload)?),
        ChangeKind::CollectionRenamed | ChangeKind::IndexDropped => {
            Some(Json::from(String::from_utf8_lossy(&change.payload).into_owned()))
        }
        _ => None,
    };
    let before = change.before.as_deref().map(document).transpose()?;
    output.result(
        || {
            let mut line = format!("{} {} {}", batch.sequence, change.kind.name(), change.collection);
            for part in [id.clone(), detail.as_ref().map(Json::to_string)].into_iter().flatten() {
                line.push(' ');
                line.push_str(&part);
            }
            if let Some(before) = &before {
                line.push_str(&format!(" before {before}"));
            }
            line
        },
        || {
            let mut fields = json!({
                "sequence": batch.sequence.0, "time_micros": batch.time_micros, "kind": change.kind.name(),
                "collection": &*change.collection, "position": batch.position.to_string(),
            });
            let named = [
                ("id", id.clone().map(Json::from)),
                (detail_name(change.kind), detail.clone()),
                ("before", before.clone()),
            ];
            if let Some(object) = fields.as_object_mut() {
                for (name, value) in named {
                    if let Some(value) = value {
                        object.insert(name.to_owned(), value);
                    }
                }
            }
            fields
        },
    )
}

const fn detail_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::CollectionRenamed => "new_name",
        ChangeKind::IndexDropped => "index",
        ChangeKind::IndexCreated => "definition",
        _ => "document",
    }
}
