//! The tags that have a meaning here: their numbers, what they may hold, and how it is written.
//!
//! Always: a tag with a meaning is one scalar, and there is one way to write each value of it.
//! Does not know: other tags; those are carried through unchanged.
//! Format: docs/spec/encoding.md, "Tags".

use crate::canonical::{Head, Reader, major, write_head, write_integer};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Decimal, Integer, Timestamp, VectorKind, VectorRef};

pub(crate) const POSITIVE_BIGNUM: u64 = 2;
pub(crate) const NEGATIVE_BIGNUM: u64 = 3;
pub(crate) const DECIMAL: u64 = 4;
pub(crate) const UUID: u64 = 37;
pub(crate) const ENTITY_ID: u64 = 0xe71d;
pub(crate) const TIMESTAMP: u64 = 0xe71e;
const F16_BIG_ENDIAN: u64 = 80;
const F32_BIG_ENDIAN: u64 = 81;
const F64_BIG_ENDIAN: u64 = 82;

/// A tagged value with a meaning here, borrowed from its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<'a> {
    Timestamp(Timestamp),
    Uuid([u8; 16]),
    EntityId([u8; 16]),
    Decimal(Decimal),
    Vector(VectorRef<'a>),
    /// An integer beyond 64 bits, which stays opaque; its magnitude has no leading zero.
    Bignum {
        tag: u64,
        magnitude: &'a [u8],
    },
}

/// Whether a tag's content is judged and has a meaning.
pub(crate) fn is_known(tag: u64) -> bool {
    matches!(tag, POSITIVE_BIGNUM | NEGATIVE_BIGNUM | DECIMAL | UUID | ENTITY_ID | TIMESTAMP)
        || vector_kind(tag).is_some()
        || big_endian_kind(tag).is_some()
}

pub(crate) fn vector_kind(tag: u64) -> Option<VectorKind> {
    [VectorKind::I8, VectorKind::F16, VectorKind::F32, VectorKind::F64].into_iter().find(|kind| kind.tag() == tag)
}

/// The kind of a vector tag whose elements are big-endian: well understood, never canonical.
pub(crate) fn big_endian_kind(tag: u64) -> Option<VectorKind> {
    match tag {
        F16_BIG_ENDIAN => Some(VectorKind::F16),
        F32_BIG_ENDIAN => Some(VectorKind::F32),
        F64_BIG_ENDIAN => Some(VectorKind::F64),
        _ => None,
    }
}

/// Reads the content of a tag whose head was just read, if the tag has a meaning here.
#[inline]
pub(crate) fn read<'a>(reader: &mut Reader<'a>, head: Head) -> Result<Option<Known<'a>>> {
    let tag = head.argument;
    let wrong = |detail: &str| Error::new(ErrorKind::TagContent, head.start).with_detail(detail);
    let known = match tag {
        TIMESTAMP => {
            let micros = integer(reader)?.and_then(Integer::as_i64);
            let micros = micros.ok_or_else(|| wrong("a timestamp holds an integer of 64 bits"))?;
            Known::Timestamp(Timestamp::from_micros(micros))
        }
        UUID | ENTITY_ID => {
            let bytes = byte_string(reader)?.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| wrong("an id holds a byte string of 16 bytes"))?;
            if tag == UUID { Known::Uuid(bytes) } else { Known::EntityId(bytes) }
        }
        DECIMAL => Known::Decimal(read_decimal(reader, head)?),
        POSITIVE_BIGNUM | NEGATIVE_BIGNUM => {
            let magnitude = byte_string(reader)?.ok_or_else(|| wrong("a bignum holds a byte string"))?;
            if magnitude.len() <= 8 || magnitude.first() == Some(&0) {
                return Err(Error::new(ErrorKind::TagForm, head.start)
                    .with_detail("a bignum has leading zeros or fits in 64 bits"));
            }
            Known::Bignum { tag, magnitude }
        }
        _ => {
            let big_endian = big_endian_kind(tag);
            let Some(kind) = vector_kind(tag).or(big_endian) else { return Ok(None) };
            let vector = byte_string(reader)?.and_then(|bytes| VectorRef::new(kind, bytes));
            let vector = vector.ok_or_else(|| wrong("a vector holds whole elements"))?;
            if big_endian.is_some() {
                return Err(Error::new(ErrorKind::TagForm, head.start).with_detail("vector elements are big-endian"));
            }
            Known::Vector(vector)
        }
    };
    Ok(Some(known))
}

fn integer(reader: &mut Reader<'_>) -> Result<Option<Integer>> {
    let head = reader.head()?;
    Ok((head.major <= major::NEGATIVE).then(|| head.integer()))
}

fn byte_string<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>> {
    let head = reader.head()?;
    if head.major == major::BYTES { reader.string(head).map(Some) } else { Ok(None) }
}

fn read_decimal(reader: &mut Reader<'_>, head: Head) -> Result<Decimal> {
    let wrong = || {
        Error::new(ErrorKind::TagContent, head.start)
            .with_detail("a decimal holds an exponent within 10^18 and a mantissa within 128 bits")
    };
    let pair = reader.head()?;
    if pair.major != major::ARRAY || pair.argument != 2 {
        return Err(wrong());
    }
    let exponent = integer(reader)?.and_then(Integer::as_i64).ok_or_else(wrong)?;
    let part = reader.head()?;
    let mantissa = match part.major {
        major::UNSIGNED | major::NEGATIVE => part.integer().as_i128(),
        major::TAG => match read(reader, part)? {
            Some(Known::Bignum { tag, magnitude }) => bignum_to_i128(tag, magnitude).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    Decimal::new(mantissa, exponent).map_err(|_| wrong())
}

/// The number of a bignum, if 128 bits hold it. Leading zeros are passed over.
pub(crate) fn bignum_to_i128(tag: u64, magnitude: &[u8]) -> Option<i128> {
    let mut number: i128 = 0;
    for byte in magnitude {
        number = number.checked_mul(256)?.checked_add(i128::from(*byte))?;
    }
    Some(if tag == NEGATIVE_BIGNUM { !number } else { number })
}

pub(crate) fn write_timestamp(out: &mut Vec<u8>, timestamp: Timestamp) {
    write_head(out, major::TAG, TIMESTAMP);
    write_integer(out, Integer::from(timestamp.micros()));
}

pub(crate) fn write_id(out: &mut Vec<u8>, tag: u64, id: &[u8; 16]) {
    write_head(out, major::TAG, tag);
    write_head(out, major::BYTES, 16);
    out.extend_from_slice(id);
}

pub(crate) fn write_decimal(out: &mut Vec<u8>, decimal: Decimal) {
    write_head(out, major::TAG, DECIMAL);
    write_head(out, major::ARRAY, 2);
    write_integer(out, Integer::from(decimal.exponent()));
    write_wide_integer(out, decimal.mantissa());
}

/// Writes an integer of up to 128 bits: as itself where 64 suffice, else as a bignum.
pub(crate) fn write_wide_integer(out: &mut Vec<u8>, number: i128) {
    match Integer::try_from(number) {
        Ok(integer) => write_integer(out, integer),
        Err(_) => {
            let (tag, magnitude) = if number < 0 { (NEGATIVE_BIGNUM, !number) } else { (POSITIVE_BIGNUM, number) };
            let bytes = magnitude.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let significant = bytes.get(zeros..).unwrap_or_default();
            write_head(out, major::TAG, tag);
            write_head(out, major::BYTES, significant.len() as u64);
            out.extend_from_slice(significant);
        }
    }
}

pub(crate) fn write_vector(out: &mut Vec<u8>, vector: VectorRef<'_>) {
    write_head(out, major::TAG, vector.kind().tag());
    write_head(out, major::BYTES, vector.le_bytes().len() as u64);
    out.extend_from_slice(vector.le_bytes());
}
