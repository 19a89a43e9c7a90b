//! Why an index refuses a key that another entity has, and why an index that is being built cannot be finished: a change that
//! the index would refuse.
//!
//! Always: a message shows what a document holds only where that was asked for. While an index is built the change is made all the same, and this is written in its transaction, so a change that is aborted or taken back
//! does not end the build. The next step of the build finds it and fails with it.
//! Format: docs/spec/keyspace.md, "Indexes being built": `u32 code | 16 bytes id | message`, little-endian.

use entidb_codec::{Value, decode_ordered};

use crate::catalog::Column;
use crate::error::{Error, ErrorCode, Result};
use crate::id::EntityId;

/// Letters of a text that a message shows.
const SHOWN_MAX: usize = 100;

/// The refusal of a key that another entity has. `tuple` is the key, where the message may show it.
pub(super) fn of_key(name: &str, columns: &[Column], holder: EntityId, tuple: Option<&[u8]>) -> Error {
    let mut rest = tuple;
    let columns: Vec<String> = columns
        .iter()
        .map(|column| match rest.and_then(|bytes| decode_ordered(bytes, column.direction).ok().zip(Some(bytes))) {
            Some((decoded, bytes)) => {
                rest = bytes.get(decoded.len..);
                format!("{} = {}", column.path, shown(decoded.value.as_ref()))
            }
            None => column.path.to_string(),
        })
        .collect();
    let what = if tuple.is_some() { "the key" } else { "this key of" };
    let problem = format!(
        "the unique index {name:?} has {what} {} already, for the entity {holder}; change the value or that entity",
        columns.join(", ")
    );
    Error::new(ErrorCode::UniqueViolation, problem).with_index(name).with_id(holder)
}

/// The refusal of a key of a manual index that another entity has, with the key where the message may show it.
pub(super) fn of_manual_key(name: &str, holder: EntityId, key: Option<&Value>) -> Error {
    let key = key.map_or_else(String::new, |key| format!(" {}", shown(Some(key))));
    let problem = format!(
        "the unique index {name:?} has this key{key} already, for the entity {holder}; give another key, or remove that one"
    );
    Error::new(ErrorCode::UniqueViolation, problem).with_index(name).with_id(holder)
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Integer(value)) => value.to_string(),
        Some(Value::Float(value)) => value.to_string(),
        Some(Value::Decimal(value)) => value.to_string(),
        Some(Value::Timestamp(value)) => value.to_string(),
        Some(Value::EntityId(bytes) | Value::Uuid(bytes)) => EntityId::from_bytes(*bytes).to_string(),
        Some(Value::Text(text)) if text.chars().nth(SHOWN_MAX).is_some() => {
            let start: String = text.chars().take(SHOWN_MAX).collect();
            format!("{start:?}…")
        }
        Some(Value::Text(text)) => format!("{text:?}"),
        Some(other) => format!("({})", other.type_name()),
    }
}

/// A refusal as it is stored. `id` is the entity whose change it was.
pub(super) fn encode(error: &Error, id: EntityId) -> Vec<u8> {
    let mut out = error.code().number().to_le_bytes().to_vec();
    out.extend_from_slice(error.context().id.unwrap_or(id).as_bytes());
    let problem = format!("a change of {id} while the index was being built cannot be in it: {}", error.message());
    out.extend_from_slice(problem.as_bytes());
    out
}

/// The error that a build fails with.
pub(super) fn decode(bytes: &[u8]) -> Error {
    let read = || -> Option<Error> {
        let (code, rest) = bytes.split_first_chunk::<4>()?;
        let (id, message) = rest.split_first_chunk::<16>()?;
        let code = ErrorCode::from_number(i32::from_le_bytes(*code))?;
        let message = std::str::from_utf8(message).ok()?;
        Some(Error::new(code, message).with_id(EntityId::from_bytes(*id)))
    };
    read().unwrap_or_else(|| Error::corrupt("why an index cannot be finished"))
}

/// True for what an index refuses a document for; anything else is a failure of the change itself.
pub(super) fn is_of_index(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::UniqueViolation | ErrorCode::TooLarge | ErrorCode::InvalidArgument)
}

/// What a build that may go on has found.
pub(super) fn judge(stored: Option<&[u8]>) -> Result<()> {
    stored.map_or(Ok(()), |bytes| Err(decode(bytes)))
}
