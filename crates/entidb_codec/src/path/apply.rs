//! Changes documents by patches.
//!
//! Always: the result is canonical and within the limits, or there is none and the error says which
//! path failed.
//! Does not know: how a patch came about; see `patch`.

use super::{Operation, Patch, Path, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::value::{Integer, Key, Map, Value};

/// The document with a patch applied, within the default limits.
///
/// # Errors
/// What is wrong with the bytes; `PathMissing` where a path leads past the end of an array;
/// `TypeMismatch` where it leads through, or to, a value of the wrong type; `OutOfRange` where a sum
/// does not fit; a limit the result would pass.
pub fn apply(bytes: &[u8], patch: &Patch) -> Result<Vec<u8>> {
    apply_within(bytes, patch, &Limits::DEFAULT)
}

/// The document with a patch applied, within the limits.
///
/// # Errors
/// As [`apply`].
pub fn apply_within(bytes: &[u8], patch: &Patch, limits: &Limits) -> Result<Vec<u8>> {
    let mut value = crate::decode_within(bytes, limits)?;
    apply_to_value(&mut value, patch)?;
    crate::encode::encode_within(&value, limits)
}

/// Applies a patch to a value. On an error the value may be changed in part.
///
/// # Errors
/// As [`apply`], save those about bytes.
pub fn apply_to_value(value: &mut Value, patch: &Patch) -> Result<()> {
    for operation in patch.operations() {
        match operation {
            Operation::Set(path, new) => *place(value, path)? = new.clone(),
            Operation::Remove(path) => remove(value, path),
            Operation::Increment(path, by) => {
                let held = place(value, path)?;
                *held = add(held, by).map_err(|(kind, detail)| failed(kind, path, &detail))?;
            }
            Operation::Append(path, new) => match place(value, path)? {
                Value::Array(elements) => elements.push(new.clone()),
                held @ Value::Null => *held = Value::Array(vec![new.clone()]),
                other => {
                    let detail = format!("cannot append to {}", other.type_name());
                    return Err(failed(ErrorKind::TypeMismatch, path, &detail));
                }
            },
        }
    }
    Ok(())
}

fn failed(kind: ErrorKind, path: &Path, detail: &str) -> Error {
    Error::new(kind, 0).with_detail(format!("at path {:?}: {detail}", path.to_string()))
}

/// Where a path leads, with null put where it leads to nothing yet.
fn place<'v>(root: &'v mut Value, path: &Path) -> Result<&'v mut Value> {
    let mut here = root;
    for segment in path.segments() {
        here = match (segment, here) {
            (Segment::Key(key), Value::Map(map)) => map.entry_or_null(key.as_view()),
            (Segment::Position(position), Value::Map(map)) => map.entry_or_null(text_key(*position).as_view()),
            (Segment::Key(key), held @ Value::Null) => {
                *held = Value::Map(Map::new());
                held.as_map_mut().and_then(|map| map.entry_or_null(key.as_view()))
            }
            (Segment::Position(position), Value::Array(elements)) => {
                // One past the end is where an array grows; farther would leave a hole.
                if *position == elements.len() {
                    elements.push(Value::Null);
                }
                elements.get_mut(*position)
            }
            (_, other) => {
                let detail = format!("the path leads through {}", other.type_name());
                return Err(failed(ErrorKind::TypeMismatch, path, &detail));
            }
        }
        .ok_or_else(|| failed(ErrorKind::PathMissing, path, "a position is past the end"))?;
    }
    Ok(here)
}

fn remove(root: &mut Value, path: &Path) {
    let Some((last, parents)) = path.segments().split_last() else {
        *root = Value::Null;
        return;
    };
    let mut here = root;
    for segment in parents {
        let next = match (segment, here) {
            (Segment::Key(key), Value::Map(map)) => map.get_mut(key),
            (Segment::Position(position), Value::Map(map)) => map.get_mut(&text_key(*position)),
            (Segment::Position(position), Value::Array(elements)) => elements.get_mut(*position),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => return,
        }
    }
    match (last, here) {
        (Segment::Key(key), Value::Map(map)) => {
            map.remove(key);
        }
        (Segment::Position(position), Value::Map(map)) => {
            map.remove(&text_key(*position));
        }
        (Segment::Position(position), Value::Array(elements)) if *position < elements.len() => {
            elements.remove(*position);
        }
        _ => {}
    }
}

/// What a position means in a map.
fn text_key(position: usize) -> Key {
    Key::Text(position.to_string())
}

fn add(held: &Value, by: &Value) -> Result<Value, (ErrorKind, String)> {
    // What a document holds is nobody's to read in a log of errors, so its type has to do.
    let overflow = || (ErrorKind::OutOfRange, format!("the sum would be no {} in range", held.type_name()));
    match (held, by) {
        (Value::Null, Value::Integer(_) | Value::Float(_) | Value::Decimal(_)) => Ok(by.clone()),
        (Value::Integer(a), Value::Integer(b)) => a.checked_add(*b).map(Value::Integer).ok_or_else(overflow),
        (Value::Decimal(a), Value::Decimal(b)) => a.checked_add(*b).map(Value::Decimal).ok_or_else(overflow),
        (Value::Float(a), Value::Float(b)) => Ok(Value::Float(a + b)),
        (Value::Float(a), Value::Integer(b)) => Ok(Value::Float(a + to_float(*b))),
        (Value::Integer(a), Value::Float(b)) => Ok(Value::Float(to_float(*a) + b)),
        _ => Err((ErrorKind::TypeMismatch, format!("cannot add {} to {}", by.type_name(), held.type_name()))),
    }
}

// A sum with a float is a float.
fn to_float(integer: Integer) -> f64 {
    integer.as_i128() as f64
}
