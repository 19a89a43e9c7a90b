//! Steps about keys, reports and backups.
//!
//! Always: a report is written as tests/conformance/README.md says. Does not know: entities.

use std::path::Path;

use entidb_core::{CollectionStats, Database, Key, Result, Value};
use serde_json::Value as Json;

use crate::diagnostic::from_json;

/// A report as the transcript has it.
pub(crate) fn report(report: &Value) -> String {
    let fields = report.as_map().unwrap().iter().map(|(name, value)| {
        let (name, number) = (name.as_text().unwrap().to_owned(), value.as_u64().unwrap());
        let shown =
            if name == "sequence" { number.to_string() } else { ["0", "+"][usize::from(number > 0)].to_owned() };
        format!("{name} {shown}")
    });
    let mut fields: Vec<String> = fields.collect();
    fields.sort();
    fields.join(", ")
}

pub(crate) fn stats(stats: &CollectionStats) -> String {
    let id = stats.id.map_or_else(|| "none".to_owned(), |id| id.0.to_string());
    let indexes = stats.indexes.iter().map(|index| format!("; {} {} {}", index.index, index.kind, index.rows));
    format!("{id} {} {}{}", stats.name, stats.entities, indexes.collect::<String>())
}

fn key(json: &Json) -> Result<Key> {
    match from_json(json) {
        Value::Text(password) => Ok(Key::Password(password.into())),
        // As the other languages refuse it: by the option of this name.
        bytes => {
            let named = Value::Map([("key", bytes)].into_iter().collect());
            Ok(entidb_core::Options::from_value(&named)?.key.unwrap())
        }
    }
}

pub(crate) fn keys(db: &Database, what: &str, step: &Json) -> Result<String> {
    let (old, new) = (|| key(&step["key"]), || key(&step["new"]));
    match what {
        "key_list" => {
            let kind = |is_password| if is_password { "password" } else { "key" };
            let slots = db.keys()?;
            let slots = slots.iter().map(|slot| format!("{} {}", slot.slot, kind(slot.password_memory_kib.is_some())));
            return Ok(slots.collect::<Vec<_>>().join(", "));
        }
        "key_add" => db.add_key(&old()?, &new()?)?,
        "key_change" => db.change_key(&old()?, &new()?)?,
        "key_remove" => db.remove_key(&old()?)?,
        "key_rotate" => db.rotate_key()?,
        _ => return Ok(db.rekey()?.to_string()),
    }
    Ok("ok".to_owned())
}

/// Changes the byte in the middle of the largest segment.
pub(crate) fn damage(place: &Path) {
    let files = std::fs::read_dir(place.join("seg")).unwrap().map(|entry| entry.unwrap());
    let largest = files.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap().path();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(largest, bytes).unwrap();
}
