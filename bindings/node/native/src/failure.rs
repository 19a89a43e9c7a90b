//! Failures on their way to JavaScript.
//!
//! Always: everything the error says crosses. Does not know: classes.

use std::fmt::Write;

use entidb_abi::{Id, code};
use napi::{Error, Result, Status};

use crate::ending;

/// The failure as JavaScript gets it: its message is a JSON object.
pub(crate) fn thrown(error: &entidb_abi::Error) -> Error {
    ending::ends();
    Error::new(Status::GenericFailure, json(error))
}

/// What an error says, as a JSON object.
pub(crate) fn json(error: &entidb_abi::Error) -> String {
    let mut json = format!("{{\"code\":{},\"message\":{}", error.code, quoted(&error.message));
    let texts = [("path", &error.path), ("collection", &error.collection), ("index", &error.index)];
    for (name, text) in texts {
        if let Some(text) = text {
            let _ = write!(json, ",\"{name}\":{}", quoted(text));
        }
    }
    if let Some(id) = &error.id {
        let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = write!(json, ",\"id\":\"{digits}\"");
    }
    if let Some(offset) = error.offset {
        let _ = write!(json, ",\"offset\":{offset}");
    }
    if let Some(number) = error.os_code {
        let _ = write!(json, ",\"osCode\":{number}");
    }
    json.push('}');
    json
}

/// Gives a result of the library to JavaScript.
pub(crate) fn given<T>(result: entidb_abi::Result<T>) -> Result<T> {
    result.map_err(|error| thrown(&error))
}

/// Refuses an argument.
pub(crate) fn refused(message: &str) -> Error {
    thrown(&entidb_abi::Error::new(code::INVALID_ARGUMENT, message))
}

/// The id at the start of a buffer.
pub(crate) fn id_at(buffer: &[u8]) -> Result<Id> {
    buffer.first_chunk().copied().ok_or_else(|| refused("the buffer is shorter than an id"))
}

/// Ids from their bytes, 16 each.
pub(crate) fn ids(bytes: &[u8]) -> Result<Vec<Id>> {
    match bytes.as_chunks::<16>() {
        (ids, []) => Ok(ids.to_vec()),
        _ => Err(refused("ids have 16 bytes each")),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
