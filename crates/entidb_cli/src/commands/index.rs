//! Listing, declaring and dropping indexes.
//!
//! Always: dropping asks first. Does not know: how rows are kept.

use entidb_core::{ErrorCode, IndexDefinition};
use serde_json::json;

use super::{Use, existing, open, writable};
use crate::args::IndexAction;
use crate::failure::{Failure, NO, Result};
use crate::json::from_value;
use crate::output::{Output, table};

pub(super) fn run(action: IndexAction, output: &Output) -> Result<u8> {
    match action {
        IndexAction::List { target, collection } => {
            let indexes = existing(&open(&target, Use::Read)?, &collection)?.indexes()?;
            output.result(
                || {
                    let rows: Vec<Vec<String>> = indexes
                        .iter()
                        .map(|index| {
                            let columns: Vec<String> = index.columns.iter().map(ToString::to_string).collect();
                            let mark = |set: bool| if set { "yes" } else { "no" }.to_owned();
                            vec![
                                index.name.clone(),
                                index.kind.clone(),
                                columns.join(", "),
                                mark(index.unique),
                                mark(index.multi),
                            ]
                        })
                        .collect();
                    table(&["index", "kind", "fields", "unique", "multi"], &rows)
                },
                || indexes.iter().map(|index| from_value(&index.to_value())).collect(),
            )?;
            Ok(0)
        }
        IndexAction::Create { target, collection, fields, name, unique, multi, create } => {
            let mut definition = IndexDefinition::on(fields.iter().map(String::as_str))?;
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
