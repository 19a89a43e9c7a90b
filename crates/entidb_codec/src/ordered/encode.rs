//! Elements and tuples to ordered bytes.
//!
//! Always: appends only; cannot fail.
//! Does not know: how to read them back; see `decode`.
//! Format: docs/spec/encoding.md, "Ordered keys".

use super::number::{self, Place};
use super::{Direction, ESCAPE, Element, Number, Part, STRING_END, class};
use crate::value::{Decimal, KeyRef, VectorKind, VectorRef};

/// Writes one element of a key at the end of a buffer.
///
/// ```
/// use entidb_codec::{encode_ordered, Direction, Missing, Value};
/// let key = |value: &Value| {
///     let mut out = Vec::new();
///     encode_ordered(value, Direction::Ascending, &mut out);
///     out
/// };
/// assert!(key(&Value::from(9_007_199_254_740_993_i64)) > key(&Value::from(9_007_199_254_740_992.0)));
/// assert!(key(&Value::from("a")) < key(&Value::from("a\0")));
/// let mut missing = Vec::new();
/// encode_ordered(Missing, Direction::Ascending, &mut missing);
/// assert!(missing < key(&Value::Null));
/// ```
pub fn encode_ordered<'a>(element: impl Into<Element<'a>>, direction: Direction, out: &mut Vec<u8>) {
    let start = out.len();
    write_element(element.into(), out);
    if direction == Direction::Descending {
        for byte in out.get_mut(start..).unwrap_or_default() {
            *byte = !*byte;
        }
    }
}

/// Writes the elements of a key one after the other.
pub fn encode_tuple<'a>(elements: impl IntoIterator<Item = (Element<'a>, Direction)>, out: &mut Vec<u8>) {
    for (element, direction) in elements {
        encode_ordered(element, direction, out);
    }
}

pub(super) fn write_element(element: Element<'_>, out: &mut Vec<u8>) {
    let Some(part) = element.part() else {
        out.push(class::MISSING);
        return;
    };
    out.push(part.class());
    match part {
        Part::Null | Part::Bool(_) => {}
        Part::Number(value) => write_number(value, out),
        Part::Text(text) => write_string(text.as_bytes(), out),
        Part::Bytes(bytes) => write_string(bytes, out),
        Part::Timestamp(value) => out.extend_from_slice(&sortable(value.micros())),
        Part::Uuid(id) | Part::EntityId(id) => out.extend_from_slice(&id),
        Part::Array(elements) => {
            elements.for_each(|element| write_element(element, out));
            out.push(class::END);
        }
        Part::Map(entries) => {
            for (key, value) in entries {
                write_map_key(key, out);
                write_element(value, out);
            }
            out.push(class::END);
        }
        Part::Vector(vector) => write_vector(vector, out),
        Part::Tagged(tag, value) => {
            out.extend_from_slice(&tag.to_be_bytes());
            write_element(value.unwrap_or(Element::Missing), out);
        }
    }
}

/// Map keys are ordered like the values they are, integers before text.
fn write_map_key(key: KeyRef<'_>, out: &mut Vec<u8>) {
    match key {
        KeyRef::Integer(integer) => {
            out.push(class::NUMBER);
            write_number(Number::Integer(integer), out);
        }
        KeyRef::Text(text) => {
            out.push(class::TEXT);
            write_string(text.as_bytes(), out);
        }
    }
}

/// The place of a number, and what lies beyond it.
pub(super) fn write_number(value: Number, out: &mut Vec<u8>) {
    let place = Place::of(value);
    number::write(&place, out);
    match place.beyond {
        None => out.push(number::EXACT),
        Some(decimal) => {
            out.push(number::BEYOND);
            write_decimal(decimal, out);
        }
    }
}

/// A signed integer in bytes whose unsigned order is its own.
pub(super) fn sortable(value: i64) -> [u8; 8] {
    (value.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The bytes with zeros escaped, without the end.
pub(super) fn write_string_start(bytes: &[u8], out: &mut Vec<u8>) {
    for (index, piece) in bytes.split(|byte| *byte == 0).enumerate() {
        if index > 0 {
            out.extend_from_slice(&[0, ESCAPE]);
        }
        out.extend_from_slice(piece);
    }
}

fn write_string(bytes: &[u8], out: &mut Vec<u8>) {
    write_string_start(bytes, out);
    out.extend_from_slice(&[0, STRING_END]);
}

pub(super) const DECIMAL_NEGATIVE: u8 = 0x40;
pub(super) const DECIMAL_POSITIVE: u8 = 0xc0;

/// Of a decimal that is not zero: sign, power of ten of the first digit, and the digits in pairs; all
/// but the sign is inverted for negative numbers.
fn write_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    let decimal = decimal.normalised();
    let mantissa = decimal.mantissa();
    out.push(if mantissa < 0 { DECIMAL_NEGATIVE } else { DECIMAL_POSITIVE });
    let start = out.len();
    out.extend_from_slice(&sortable(decimal.leading_exponent()));
    let mut digits = mantissa.unsigned_abs().to_string().into_bytes();
    if !digits.len().is_multiple_of(2) {
        digits.push(b'0');
    }
    for pair in digits.chunks_exact(2) {
        if let [tens, ones] = pair {
            // One more than the pair's number, so that no pair looks like the end.
            out.push((tens - b'0') * 10 + (ones - b'0') + 1);
        }
    }
    out.push(class::END);
    if mantissa < 0 {
        for byte in out.get_mut(start..).unwrap_or_default() {
            *byte = !*byte;
        }
    }
}

pub(super) fn vector_code(kind: VectorKind) -> u8 {
    match kind {
        VectorKind::F16 => 1,
        VectorKind::F32 => 2,
        VectorKind::F64 => 3,
        VectorKind::I8 => 4,
    }
}

/// One element of a vector, little-endian, turned into big-endian bytes that sort, or back.
pub(super) fn flip_element(kind: VectorKind, bytes: &mut [u8], is_sorted_form: bool) {
    if !is_sorted_form {
        bytes.reverse();
    }
    let Some(first) = bytes.first().copied() else {
        return;
    };
    let was_negative = if is_sorted_form { first & 0x80 == 0 } else { first & 0x80 != 0 };
    if was_negative && kind != VectorKind::I8 {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    } else if let Some(first) = bytes.first_mut() {
        *first ^= 0x80;
    }
    if is_sorted_form {
        bytes.reverse();
    }
}

fn write_vector(vector: VectorRef<'_>, out: &mut Vec<u8>) {
    out.push(vector_code(vector.kind()));
    out.extend_from_slice(&(vector.len() as u64).to_be_bytes());
    let start = out.len();
    out.extend_from_slice(vector.le_bytes());
    let size = vector.kind().element_bytes();
    for element in out.get_mut(start..).unwrap_or_default().chunks_exact_mut(size) {
        flip_element(vector.kind(), element, false);
    }
}
