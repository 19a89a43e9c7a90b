//! Single entities and finds.
//!
//! Always: answers are printed as they come, never gathered. Does not know: files.

use std::io::Read;

use entidb_core::{Entity, EntityId, ErrorCode, Sequence, WriteMode};
use serde_json::json;

use super::{Use, existing, open, open_to_write, without_mark, writable};
use crate::args::{Making, Selection, Target};
use crate::failure::{Failure, NO, Result};
use crate::json::{from_value, read, to_value};
use crate::output::Output;

/// What `find` is asked for.
pub(super) enum Want {
    Entities,
    Count,
    Explain,
    Delete { yes: bool },
}

pub(super) fn get(target: &Target, collection: &str, id: &str, at: Option<u64>, output: &Output) -> Result<u8> {
    let db = open(target, Use::Read)?;
    let id: EntityId = id.parse()?;
    let found = match at {
        None => existing(&db, collection)?.get(id)?,
        // The collection may have another name now, or none.
        Some(at) => db.begin_read_at(Sequence(at))?.collection(collection)?.get(id)?,
    };
    match found {
        Some(entity) => {
            print(&entity, output)?;
            Ok(0)
        }
        None => {
            let problem = format!("there is no entity {id} in {collection}");
            Err(Failure::Missing(ErrorCode::EntityNotFound, problem))
        }
    }
}

pub(super) fn put(
    target: &Target,
    collection: &str,
    document: &str,
    id: Option<&str>,
    making: Making,
    output: &Output,
) -> Result<u8> {
    let text = if document == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| Failure::system("read standard input", &error))?;
        text
    } else {
        document.to_owned()
    };
    let parsed = read(without_mark(&text)).map_err(|problem| Failure::Usage(format!("the document: {problem}")))?;
    let value = to_value(&parsed).map_err(Failure::Usage)?;
    let id = id.map(str::parse::<EntityId>).transpose()?;
    let db = open_to_write(target, making)?;
    let id = writable(&db, collection, making.create)?.write(id, &entidb_core::encode(&value), WriteMode::Put)?;
    db.close()?;
    output.result(|| id.to_string(), || json!({ "id": id.to_string() }))?;
    Ok(0)
}

pub(super) fn find(
    target: &Target,
    collection: &str,
    selection: &Selection,
    want: Want,
    output: &Output,
) -> Result<u8> {
    let query = selection.query()?;
    let usage = if matches!(want, Want::Delete { .. }) { Use::Change } else { Use::Read };
    let db = open(target, usage)?;
    let find = existing(&db, collection)?.query(query);
    match want {
        Want::Entities => {
            for entity in find.run()? {
                print(&entity?, output)?;
            }
            Ok(0)
        }
        Want::Count => {
            let count = find.count()?;
            output.result(|| count.to_string(), || json!({ "count": count }))?;
            Ok(0)
        }
        Want::Explain => {
            let explanation = find.explain()?;
            output.result(|| explanation.to_string(), || from_value(&explanation.to_value()))?;
            Ok(0)
        }
        Want::Delete { yes } => {
            let count = find.clone().count()?;
            if !output.confirm(&format!("delete {count} entities of {collection}"), yes)? {
                return Ok(NO);
            }
            let deleted = find.delete()?;
            db.close()?;
            output.result(|| format!("deleted {deleted} entities"), || json!({ "deleted": deleted }))?;
            Ok(0)
        }
    }
}

fn print(entity: &Entity, output: &Output) -> Result<()> {
    let document = from_value(&entity.value()?);
    output.result(
        || format!("{} {document}", entity.id()),
        || json!({ "id": entity.id().to_string(), "version": entity.version(), "document": document }),
    )
}
