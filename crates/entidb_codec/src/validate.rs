//! Judges whether bytes are one canonical document, and says where they are not.
//!
//! Always: allocates nothing but the error, and recurses no deeper than the depth limit.
//! Does not know: values; what it accepts, every other reader of this crate accepts.
//! Format: docs/spec/encoding.md, "Errors".

use crate::canonical::{Reader, major};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::tag::{self, Known};

/// Checks that the bytes are exactly one canonical document within the default limits.
///
/// # Errors
/// The first offence, in reading order, with its offset.
///
/// ```
/// use entidb_codec::{validate, ErrorKind};
/// assert!(validate(b"\x82\x01\x02").is_ok());
/// let error = validate(b"\x82\x01\x18\x02").unwrap_err();
/// assert_eq!((error.kind(), error.offset()), (ErrorKind::NotShortest, 2));
/// ```
pub fn validate(bytes: &[u8]) -> Result<()> {
    validate_within(bytes, &Limits::DEFAULT)
}

/// Checks that the bytes are exactly one canonical document within the limits.
///
/// # Errors
/// The first offence, in reading order, with its offset.
pub fn validate_within(bytes: &[u8], limits: &Limits) -> Result<()> {
    check_size(bytes, limits)?;
    let mut check = Check { reader: Reader::new(bytes), items_left: limits.item_count_max };
    check.item(limits.depth_max)?;
    check_end(&check.reader)
}

pub(crate) fn check_size(bytes: &[u8], limits: &Limits) -> Result<()> {
    if bytes.len() > limits.bytes_max { Err(too_large(bytes.len(), limits.bytes_max)) } else { Ok(()) }
}

pub(crate) fn too_large(found: usize, allowed: usize) -> Error {
    Error::new(ErrorKind::TooLarge, 0).with_detail(format!("{found} bytes are given and {allowed} are allowed"))
}

pub(crate) fn check_end(reader: &Reader<'_>) -> Result<()> {
    if reader.remaining() > 0 {
        return Err(Error::new(ErrorKind::TrailingBytes, reader.position)
            .with_detail(format!("{} bytes follow", reader.remaining())));
    }
    Ok(())
}

/// Checks one item at the reader, leaves the reader behind it, and says how many items are left.
pub(crate) fn check_item(reader: &mut Reader<'_>, limits: &Limits) -> Result<u64> {
    let mut check = Check { reader: *reader, items_left: limits.item_count_max };
    check.item(limits.depth_max)?;
    *reader = check.reader;
    Ok(check.items_left)
}

struct Check<'a> {
    reader: Reader<'a>,
    items_left: u64,
}

impl Check<'_> {
    #[inline]
    fn count_item(&mut self, start: usize) -> Result<()> {
        match self.items_left.checked_sub(1) {
            Some(left) => {
                self.items_left = left;
                Ok(())
            }
            None => Err(Error::new(ErrorKind::TooManyItems, start)),
        }
    }

    fn item(&mut self, depth_left: u8) -> Result<()> {
        let head = self.reader.head()?;
        self.count_item(head.start)?;
        match head.major {
            major::UNSIGNED | major::NEGATIVE => Ok(()),
            major::BYTES => self.reader.string(head).map(drop),
            major::TEXT => self.reader.check_text(head),
            major::ARRAY => {
                let depth_left = descend(depth_left, head.start)?;
                for _ in 0..self.reader.count(head)? {
                    self.item(depth_left)?;
                }
                Ok(())
            }
            major::MAP => {
                let depth_left = descend(depth_left, head.start)?;
                let mut order = KeyOrder::new();
                for _ in 0..self.reader.count(head)? {
                    self.key(&mut order)?;
                    self.item(depth_left)?;
                }
                Ok(())
            }
            major::TAG => {
                let content = self.reader.position;
                match tag::read(&mut self.reader, head)? {
                    None => {
                        let depth_left = descend(depth_left, head.start)?;
                        self.item(depth_left)
                    }
                    // An integer beyond 64 bits is read as an opaque tag and its byte string.
                    Some(Known::Bignum { .. }) => {
                        descend(depth_left, head.start)?;
                        self.count_item(content)
                    }
                    Some(_) => Ok(()),
                }
            }
            _ => check_simple_value(head.info, head.start),
        }
    }

    #[inline]
    fn key(&mut self, order: &mut KeyOrder) -> Result<()> {
        let head = self.reader.head()?;
        self.count_item(head.start)?;
        match head.major {
            major::UNSIGNED | major::NEGATIVE => {}
            major::TEXT => self.reader.check_text(head)?,
            _ => return Err(Error::new(ErrorKind::KeyType, head.start)),
        }
        order.check(&self.reader, head.start)
    }
}

#[inline]
pub(crate) fn descend(depth_left: u8, start: usize) -> Result<u8> {
    depth_left.checked_sub(1).ok_or_else(|| Error::new(ErrorKind::TooDeep, start))
}

/// Accepts floats, false, true and null, and refuses all other simple values.
#[inline]
pub(crate) fn check_simple_value(info: u8, start: usize) -> Result<()> {
    if matches!(info, 20..=22 | 25..=27) { Ok(()) } else { Err(Error::new(ErrorKind::UnsupportedSimple, start)) }
}

/// Checks that the keys of one map come in ascending order of their bytes, none of them twice.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyOrder {
    previous: (usize, usize),
}

impl KeyOrder {
    /// A check for one map, before its first key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges the key from `start` to where the reader stands.
    #[inline(always)]
    pub(crate) fn check(&mut self, reader: &Reader<'_>, start: usize) -> Result<()> {
        let key = reader.between(start, reader.position);
        let previous = reader.between(self.previous.0, self.previous.1);
        self.previous = (start, reader.position);
        // The first bytes hold the type and length, and settle most pairs without a call. A key has
        // at least one byte, so the empty range before the first key sorts below it.
        if previous.first() < key.first() { Ok(()) } else { compare_keys(previous, key, start) }
    }
}

fn compare_keys(previous: &[u8], key: &[u8], start: usize) -> Result<()> {
    match previous.cmp(key) {
        std::cmp::Ordering::Less => Ok(()),
        std::cmp::Ordering::Equal => Err(Error::new(ErrorKind::DuplicateKey, start)),
        std::cmp::Ordering::Greater => Err(Error::new(ErrorKind::KeyOrder, start)),
    }
}
