//! Values to bytes, always in the one canonical form.
//!
//! Always: every value has exactly one encoding, and no input of any kind makes another.
//! Does not know: Rust types (`serde`), or limits, unless asked to keep within some.
//! Format: docs/spec/encoding.md.

use std::cell::Cell;

use crate::canonical::{major, write_float, write_head, write_integer};
use crate::error::Result;
use crate::limits::Limits;
use crate::tag;
use crate::value::{KeyRef, Map, Value};

/// Writes a value as canonical CBOR.
///
/// ```
/// use entidb_codec::{doc, encode};
/// // Keys are sorted and numbers are as short as they can be, whatever the order they came in.
/// assert_eq!(encode(&doc! { "b": 1.5, "a": 1 }), b"\xa2\x61a\x01\x61b\xf9\x3e\x00");
/// ```
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = scratch();
    encode_into(value, &mut out);
    copy_out(out)
}

thread_local! {
    /// A buffer that has grown already. Documents are written into it and copied out at their exact
    /// size, which is cheaper than growing a new buffer for each, and wastes nothing in the copy.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What a thread keeps for its next document.
const SCRATCH_MAX: usize = 256 * 1024;

/// An empty buffer, grown already if this thread wrote a document before.
pub(crate) fn scratch() -> Vec<u8> {
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    buffer
}

/// The finished document in a buffer of its own, with the scratch kept for the next.
pub(crate) fn copy_out(buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() > SCRATCH_MAX {
        return buffer;
    }
    let document = buffer.as_slice().to_vec();
    // A thread that is ending has nowhere to keep it.
    let _ = SCRATCH.try_with(|spare| spare.set(buffer));
    document
}

/// Writes a value as canonical CBOR at the end of a buffer.
pub fn encode_into(value: &Value, out: &mut Vec<u8>) {
    write_value(value, out, 0);
}

/// Writes a value as canonical CBOR, if it keeps within the limits a reader will apply.
///
/// # Errors
/// `TooDeep`, `TooManyItems` or `TooLarge`.
pub fn encode_within(value: &Value, limits: &Limits) -> Result<Vec<u8>> {
    let bytes = encode(value);
    crate::validate::validate_within(&bytes, limits)?;
    Ok(bytes)
}

/// Nesting written by recursion; a value built deeper than this is finished with a stack on the heap.
const RECURSION_MAX: u16 = 300;

// The common scalars are written here, inlined into the loops below; the rest are calls.
#[inline(always)]
fn write_value(value: &Value, out: &mut Vec<u8>, depth: u16) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Integer(integer) => write_integer(out, *integer),
        Value::Float(float) => write_float(out, *float),
        Value::Text(text) => write_string(out, major::TEXT, text.as_bytes()),
        Value::Array(elements) if depth < RECURSION_MAX => write_array(elements, out, depth),
        Value::Map(map) if depth < RECURSION_MAX => write_map(map, out, depth),
        _ => write_rare(value, out, depth),
    }
}

fn write_array(elements: &[Value], out: &mut Vec<u8>, depth: u16) {
    write_head(out, major::ARRAY, elements.len() as u64);
    for element in elements {
        write_value(element, out, depth + 1);
    }
}

fn write_map(map: &Map, out: &mut Vec<u8>, depth: u16) {
    write_head(out, major::MAP, map.len() as u64);
    for (key, value) in map.tree_iter() {
        write_key(key.as_view(), out);
        write_value(value, out, depth + 1);
    }
}

#[inline(never)]
fn write_rare(value: &Value, out: &mut Vec<u8>, depth: u16) {
    match value {
        Value::Tagged(tagged) if depth < RECURSION_MAX => {
            write_head(out, major::TAG, tagged.tag());
            write_value(tagged.value(), out, depth + 1);
        }
        Value::Array(_) | Value::Map(_) | Value::Tagged(_) => write_deep(value, out),
        _ => write_scalar(value, out),
    }
}

#[cold]
fn write_deep(value: &Value, out: &mut Vec<u8>) {
    enum Step<'v> {
        Key(KeyRef<'v>),
        Value(&'v Value),
    }
    let mut steps = vec![Step::Value(value)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Key(key) => write_key(key, out),
            Step::Value(Value::Array(elements)) => {
                write_head(out, major::ARRAY, elements.len() as u64);
                steps.extend(elements.iter().rev().map(Step::Value));
            }
            Step::Value(Value::Map(map)) => {
                write_head(out, major::MAP, map.len() as u64);
                let entries = map.iter().rev();
                steps.extend(entries.flat_map(|(key, value)| [Step::Value(value), Step::Key(key)]));
            }
            Step::Value(Value::Tagged(tagged)) => {
                write_head(out, major::TAG, tagged.tag());
                steps.push(Step::Value(tagged.value()));
            }
            Step::Value(scalar) => write_scalar(scalar, out),
        }
    }
}

fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Integer(integer) => write_integer(out, *integer),
        Value::Float(float) => write_float(out, *float),
        Value::Text(text) => write_string(out, major::TEXT, text.as_bytes()),
        Value::Bytes(bytes) => write_string(out, major::BYTES, bytes),
        Value::Timestamp(timestamp) => tag::write_timestamp(out, *timestamp),
        Value::Uuid(id) => tag::write_id(out, tag::UUID, id),
        Value::EntityId(id) => tag::write_id(out, tag::ENTITY_ID, id),
        Value::Decimal(decimal) => tag::write_decimal(out, *decimal),
        Value::Vector(vector) => tag::write_vector(out, vector.as_view()),
        // Arrays, maps and tagged values are written by the callers, above.
        Value::Null | Value::Array(_) | Value::Map(_) | Value::Tagged(_) => out.push(0xf6),
    }
}

#[inline]
pub(crate) fn write_string(out: &mut Vec<u8>, major: u8, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(length @ 0..=23) => out.push(major << 5 | length),
        _ => write_head(out, major, bytes.len() as u64),
    }
    out.extend_from_slice(bytes);
}

#[inline]
pub(crate) fn write_key(key: KeyRef<'_>, out: &mut Vec<u8>) {
    match key {
        KeyRef::Integer(integer) => write_integer(out, integer),
        KeyRef::Text(text) => write_string(out, major::TEXT, text.as_bytes()),
    }
}

/// Replaces a head that announced a wrong count, moving what follows it if the new one is longer.
#[cold]
pub(crate) fn replace_head(out: &mut Vec<u8>, at: usize, major: u8, wrong: usize, right: usize) {
    let mut head = Vec::with_capacity(9);
    write_head(&mut head, major, wrong as u64);
    let end = at + head.len();
    head.clear();
    write_head(&mut head, major, right as u64);
    out.splice(at..end, head);
}
