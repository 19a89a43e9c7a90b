//! Ordered bytes back to values.
//!
//! Always: accepts exactly what `encode_ordered` writes of values within any limits.
//! A number comes back by value: as an integer wherever an integer has it, else as a float wherever a
//! double has it, else as a decimal without trailing zeros.
//! Does not know: which directions a key was written in; the caller does.
//! Format: docs/spec/encoding.md, "Ordered keys".

use super::encode::{DECIMAL_NEGATIVE, DECIMAL_POSITIVE, flip_element, vector_code};
use super::{Direction, ESCAPE, Number, STRING_END, class, number};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::value::{Decimal, Key, Map, Tagged, Timestamp, Value, Vector, VectorKind};

/// One element read from a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The value, or `None` for a missing one.
    pub value: Option<Value>,
    /// How many bytes of the key it takes.
    pub len: usize,
}

/// Reads the element at the start of a key; what follows it is not looked at.
///
/// # Errors
/// `OrderedKey` with the offset in the key, or `TooDeep`.
///
/// ```
/// use entidb_codec::{decode_ordered, encode_ordered, Direction, Value};
/// let mut key = Vec::new();
/// encode_ordered(&Value::from("a\0b"), Direction::Descending, &mut key);
/// key.extend_from_slice(b"whatever follows");
/// assert_eq!(decode_ordered(&key, Direction::Descending)?.value, Some(Value::from("a\0b")));
/// # Ok::<(), entidb_codec::Error>(())
/// ```
pub fn decode_ordered(bytes: &[u8], direction: Direction) -> Result<Decoded> {
    let mask = if direction == Direction::Descending { 0xff } else { 0 };
    let mut reader = KeyReader { bytes, position: 0, mask };
    let value = reader.element(Limits::JUDGED.depth_max)?;
    Ok(Decoded { value, len: reader.position })
}

/// Reads one element per direction from the start of a key, and gives the bytes that follow them.
///
/// # Errors
/// As [`decode_ordered`].
pub fn decode_tuple<'a>(bytes: &'a [u8], directions: &[Direction]) -> Result<(Vec<Option<Value>>, &'a [u8])> {
    let mut rest = bytes;
    let mut values = Vec::with_capacity(directions.len());
    for direction in directions {
        let before = bytes.len() - rest.len();
        let decoded = decode_ordered(rest, *direction).map_err(|error| error.moved_by(before))?;
        rest = rest.get(decoded.len..).unwrap_or_default();
        values.push(decoded.value);
    }
    Ok((values, rest))
}

struct KeyReader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// All ones where the bytes are inverted.
    mask: u8,
}

impl KeyReader<'_> {
    fn wrong(&self, at: usize, detail: &str) -> Error {
        Error::new(ErrorKind::OrderedKey, at).with_detail(detail)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).map(|byte| byte ^ self.mask)
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = self.peek().ok_or_else(|| self.wrong(self.position, "the key is cut short"))?;
        self.position += 1;
        Ok(byte)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N]> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let chunk = rest.first_chunk::<N>();
        let chunk = chunk.ok_or_else(|| self.wrong(self.position, "the key is cut short"))?;
        self.position += N;
        Ok(chunk.map(|byte| byte ^ self.mask))
    }

    fn element(&mut self, depth_left: u8) -> Result<Option<Value>> {
        if self.peek() == Some(class::MISSING) {
            self.position += 1;
            return Ok(None);
        }
        self.value(depth_left).map(Some)
    }

    fn value(&mut self, depth_left: u8) -> Result<Value> {
        let start = self.position;
        let deeper = || crate::validate::descend(depth_left, start);
        Ok(match self.byte()? {
            class::NULL => Value::Null,
            class::FALSE => Value::Bool(false),
            class::TRUE => Value::Bool(true),
            class::NUMBER => match self.number()? {
                Number::Integer(integer) => Value::Integer(integer),
                Number::Float(float) => Value::Float(float),
                Number::Decimal(decimal) => Value::Decimal(decimal),
            },
            class::TEXT => Value::Text(self.text()?),
            class::BYTES => Value::Bytes(self.string()?),
            class::TIMESTAMP => Value::Timestamp(Timestamp::from_micros(self.sortable()?)),
            class::UUID => Value::Uuid(self.chunk()?),
            class::ENTITY_ID => Value::EntityId(self.chunk()?),
            class::ARRAY => {
                let deeper = deeper()?;
                let mut elements = Vec::new();
                while self.peek() != Some(class::END) {
                    elements.push(self.value(deeper)?);
                }
                self.position += 1;
                Value::Array(elements)
            }
            class::MAP => Value::Map(self.map(deeper()?)?),
            class::VECTOR => Value::Vector(self.vector()?),
            class::TAGGED => {
                let tag = u64::from_be_bytes(self.chunk()?);
                let value = self.value(deeper()?)?;
                if crate::tag::is_known(tag) && !is_bignum(tag, &value) {
                    return Err(self.wrong(start, "a tag with a class of its own is opaque"));
                }
                Value::Tagged(Box::new(Tagged::new_opaque(tag, value)))
            }
            _ => return Err(self.wrong(start, "no class has this byte")),
        })
    }

    fn number(&mut self) -> Result<Number> {
        let mut window = [0; 10];
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let size = rest.len().min(window.len());
        for (to, from) in window.iter_mut().zip(rest) {
            *to = from ^ self.mask;
        }
        let start = self.position;
        let wrong = |detail: &str| Error::new(ErrorKind::OrderedKey, start).with_detail(detail);
        let (place, read) = number::read(window.get(..size).unwrap_or_default()).map_err(wrong)?;
        self.position += read;
        match self.byte()? {
            number::EXACT => number::at(&place).map_err(wrong),
            number::BEYOND => number::beyond(&place, self.decimal()?).map_err(wrong),
            _ => Err(self.wrong(self.position - 1, "a number neither ends nor goes on as a decimal")),
        }
    }

    fn sortable(&mut self) -> Result<i64> {
        Ok((u64::from_be_bytes(self.chunk()?) ^ (1 << 63)).cast_signed())
    }

    fn string(&mut self) -> Result<Vec<u8>> {
        let mut string = Vec::new();
        loop {
            match self.byte()? {
                0 => match self.byte()? {
                    STRING_END => return Ok(string),
                    ESCAPE => string.push(0),
                    _ => return Err(self.wrong(self.position - 1, "a zero byte is not escaped")),
                },
                byte => string.push(byte),
            }
        }
    }

    fn text(&mut self) -> Result<String> {
        let start = self.position;
        String::from_utf8(self.string()?).map_err(|_| self.wrong(start, "text is not utf-8"))
    }

    /// The entries of a map. Keys come in canonical order, integers before text.
    fn map(&mut self, depth_left: u8) -> Result<Map> {
        let mut map = Map::new();
        let mut last: Option<Key> = None;
        while self.peek() != Some(class::END) {
            let start = self.position;
            let key = match self.byte()? {
                class::NUMBER => match self.number()? {
                    Number::Integer(integer) => Key::Integer(integer),
                    Number::Float(_) | Number::Decimal(_) => return Err(self.wrong(start, "a map key is no integer")),
                },
                class::TEXT => Key::Text(self.text()?),
                _ => return Err(self.wrong(start, "a map key is neither text nor an integer")),
            };
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(self.wrong(start, "map keys are not in canonical order"));
            }
            last = Some(key.clone());
            map.push_in_order(key, self.value(depth_left)?);
        }
        self.position += 1;
        Ok(map)
    }

    fn decimal(&mut self) -> Result<Decimal> {
        let start = self.position;
        let sign = self.byte()?;
        let outer = self.mask;
        match sign {
            DECIMAL_POSITIVE => {}
            DECIMAL_NEGATIVE => self.mask = !outer,
            _ => return Err(self.wrong(start, "a decimal has no such sign")),
        }
        let leading = self.sortable()?;
        let mut digits: i128 = 0;
        let mut count: i64 = 0;
        let mut last = 0;
        let overlong = |this: &Self| this.wrong(start, "a decimal is beyond its bounds");
        loop {
            match self.byte()? {
                0 => break,
                pair @ 1..=100 => {
                    last = pair - 1;
                    // The last pair of an odd number of digits ends in a zero that is not a digit.
                    let is_half = last.is_multiple_of(10) && self.peek() == Some(class::END);
                    let (factor, part) = if is_half { (10, last / 10) } else { (100, last) };
                    let signed = if sign == DECIMAL_NEGATIVE { -i128::from(part) } else { i128::from(part) };
                    digits = digits
                        .checked_mul(factor)
                        .and_then(|digits| digits.checked_add(signed))
                        .ok_or_else(|| overlong(self))?;
                    count += if is_half { 1 } else { 2 };
                    if count <= 2 && last < 10 {
                        return Err(self.wrong(start, "a decimal begins with zero"));
                    }
                }
                _ => return Err(self.wrong(self.position - 1, "a decimal has no such digits")),
            }
        }
        self.mask = outer;
        if count == 0 || last == 0 {
            return Err(self.wrong(start, "a decimal has no digits, or ends in zeros"));
        }
        let mut exponent = leading.checked_sub(count - 1).ok_or_else(|| overlong(self))?;
        // Stripped zeros may have raised the exponent past its bound; then they are put back.
        while exponent > Decimal::EXPONENT_MAX {
            digits = digits.checked_mul(10).ok_or_else(|| overlong(self))?;
            exponent -= 1;
        }
        Decimal::new(digits, exponent).map_err(|_| overlong(self))
    }

    fn vector(&mut self) -> Result<Vector> {
        let start = self.position;
        let code = self.byte()?;
        let kind = [VectorKind::F16, VectorKind::F32, VectorKind::F64, VectorKind::I8]
            .into_iter()
            .find(|kind| vector_code(*kind) == code)
            .ok_or_else(|| self.wrong(start, "a vector has no such element type"))?;
        let count = u64::from_be_bytes(self.chunk()?);
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let size = usize::try_from(count).ok().and_then(|count| count.checked_mul(kind.element_bytes()));
        let elements = size.and_then(|size| rest.get(..size));
        let elements = elements.ok_or_else(|| self.wrong(start, "the key is cut short"))?;
        self.position += elements.len();
        let mut bytes: Vec<u8> = elements.iter().map(|byte| byte ^ self.mask).collect();
        for element in bytes.chunks_exact_mut(kind.element_bytes()) {
            flip_element(kind, element, true);
        }
        Vector::from_le_bytes(kind, bytes).ok_or_else(|| self.wrong(start, "a vector has part of an element"))
    }
}

fn is_bignum(tag: u64, value: &Value) -> bool {
    matches!(tag, crate::tag::POSITIVE_BIGNUM | crate::tag::NEGATIVE_BIGNUM)
        && value.as_bytes().is_some_and(|bytes| bytes.len() > 8 && bytes.first() != Some(&0))
}
