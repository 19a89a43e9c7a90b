//! Reads one value of a document without decoding the rest.
//!
//! Always: keys are sorted, so the search in a map ends where the key would stand. What is passed
//! over is checked only as far as passing over needs; what is found is judged whole.
//! Does not know: changes; see `apply`.

use std::cmp::Ordering;

use super::{Path, Segment};
use crate::canonical::{Head, Reader, major};
use crate::error::{Error, ErrorKind, Result};
use crate::value::Key;
use crate::view::{self, ValueRef};

/// The value a path leads to, or `None` where it leads to nothing.
///
/// A path through a value of another type, such as a field of a number, leads to nothing.
///
/// # Errors
/// What is wrong with the bytes on the way, or in the value found.
///
/// ```
/// use entidb_codec::{doc, encode, lookup, Path};
/// let bytes = encode(&doc! { "lines": [{ "price": 3 }, { "price": 5 }] });
/// let found = lookup(&bytes, &Path::field("lines").at(1).child("price"))?;
/// assert_eq!(found.and_then(|price| price.as_i64()), Some(5));
/// assert!(lookup(&bytes, &Path::field("total"))?.is_none());
/// # Ok::<(), entidb_codec::Error>(())
/// ```
pub fn lookup<'a>(bytes: &'a [u8], path: &Path) -> Result<Option<ValueRef<'a>>> {
    let mut reader = Reader::new(bytes);
    if walk(&mut reader, path)? { view::judge(&mut reader).map(Some) } else { Ok(None) }
}

/// The encoded bytes of the value a path leads to, or `None` where it leads to nothing.
///
/// # Errors
/// What is wrong with the bytes on the way, or in the value found.
pub fn lookup_raw<'a>(bytes: &'a [u8], path: &Path) -> Result<Option<&'a [u8]>> {
    let mut reader = Reader::new(bytes);
    if !walk(&mut reader, path)? {
        return Ok(None);
    }
    let start = reader.position;
    view::judge(&mut reader)?;
    Ok(Some(reader.between(start, reader.position)))
}

/// The value a path leads to with its encoded bytes, as [`lookup`] and [`lookup_raw`] return them.
///
/// # Errors
/// What is wrong with the bytes on the way, or in the value found.
///
/// ```
/// use entidb_codec::{doc, encode, lookup_both, Path};
/// let bytes = encode(&doc! { "price": 3 });
/// let (value, raw) = lookup_both(&bytes, &Path::field("price"))?.expect("it is there");
/// assert_eq!((value.as_i64(), raw), (Some(3), &[3][..]));
/// # Ok::<(), entidb_codec::Error>(())
/// ```
pub fn lookup_both<'a>(bytes: &'a [u8], path: &Path) -> Result<Option<(ValueRef<'a>, &'a [u8])>> {
    let mut reader = Reader::new(bytes);
    if !walk(&mut reader, path)? {
        return Ok(None);
    }
    let start = reader.position;
    let value = view::judge(&mut reader)?;
    Ok(Some((value, reader.between(start, reader.position))))
}

/// Moves the reader to where the path leads; false where that is nowhere.
fn walk(reader: &mut Reader<'_>, path: &Path) -> Result<bool> {
    for segment in path.segments() {
        let found = match segment {
            Segment::Key(key) => enter_key(reader, key)?,
            Segment::Position(position) => enter_position(reader, *position)?,
        };
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn enter_position(reader: &mut Reader<'_>, position: usize) -> Result<bool> {
    let head = reader.head()?;
    match head.major {
        major::ARRAY if position < reader.count(head)? => {
            reader.skip_items(position)?;
            Ok(true)
        }
        // Who writes `years.2024` need not know whether the years are in an array or in a map.
        major::MAP => {
            let digits = position.to_string();
            find_key(reader, head, (major::TEXT, digits.len() as u64), digits.as_bytes())
        }
        _ => Ok(false),
    }
}

fn enter_key(reader: &mut Reader<'_>, wanted: &Key) -> Result<bool> {
    let head = reader.head()?;
    if head.major != major::MAP {
        return Ok(false);
    }
    // Heads in shortest form sort by type and then by argument.
    let (wanted_head, wanted_text): (_, &[u8]) = match wanted {
        Key::Integer(integer) if integer.is_negative() => ((major::NEGATIVE, integer.argument()), &[]),
        Key::Integer(integer) => ((major::UNSIGNED, integer.argument()), &[]),
        Key::Text(text) => ((major::TEXT, text.len() as u64), text.as_bytes()),
    };
    find_key(reader, head, wanted_head, wanted_text)
}

/// Moves the reader behind a key of the map whose head was read; false where the map has no such key.
fn find_key(reader: &mut Reader<'_>, head: Head, wanted_head: (u8, u64), wanted_text: &[u8]) -> Result<bool> {
    for _ in 0..reader.count(head)? {
        let key = reader.head()?;
        let text: &[u8] = match key.major {
            major::TEXT => reader.string(key)?,
            major::UNSIGNED | major::NEGATIVE => &[],
            _ => return Err(Error::new(ErrorKind::KeyType, key.start)),
        };
        match (key.major, key.argument).cmp(&wanted_head).then_with(|| text.cmp(wanted_text)) {
            Ordering::Less => reader.skip()?,
            Ordering::Equal => return Ok(true),
            Ordering::Greater => return Ok(false),
        }
    }
    Ok(false)
}
