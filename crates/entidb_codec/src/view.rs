//! Values read in place: a `ValueRef` borrows from the bytes it was decoded from.
//!
//! Always: the bytes under a `ValueRef` were judged canonical when it was made, so reading on
//! cannot fail. Scalars and borrowed text cost no allocation.
//! Does not know: how to find a field without judging the rest; see `path`.
//! Format: docs/spec/encoding.md.

use crate::canonical::{Reader, major, write_head};
use crate::decode::{Decoder, Event};
use crate::encode::write_string;
use crate::error::Result;
use crate::limits::Limits;
use crate::tag;
use crate::validate;
use crate::value::{Decimal, Integer, KeyRef, Tagged, Timestamp, Value, VectorRef};

/// A value of a document, borrowed from its encoded bytes.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// Null.
    Null,
    /// A bool.
    Bool(bool),
    /// An integer.
    Integer(Integer),
    /// A float.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An array.
    Array(ArrayRef<'a>),
    /// A map.
    Map(MapRef<'a>),
    /// A timestamp.
    Timestamp(Timestamp),
    /// A UUID.
    Uuid([u8; 16]),
    /// A decimal.
    Decimal(Decimal),
    /// An entity id.
    EntityId([u8; 16]),
    /// A typed vector.
    Vector(VectorRef<'a>),
    /// A value under a tag without meaning here.
    Tagged(TaggedRef<'a>),
}

/// An array, borrowed from its encoded bytes.
#[derive(Debug, Clone, Copy)]
pub struct ArrayRef<'a> {
    count: usize,
    /// From the first element to the end of the document or beyond the array.
    content: &'a [u8],
}

/// A map, borrowed from its encoded bytes.
#[derive(Debug, Clone, Copy)]
pub struct MapRef<'a> {
    count: usize,
    /// From the first key to the end of the document or beyond the map.
    content: &'a [u8],
}

/// A tag and its value, borrowed from their encoded bytes.
#[derive(Debug, Clone, Copy)]
pub struct TaggedRef<'a> {
    tag: u64,
    content: &'a [u8],
}

/// Judges a document and gives its value in place, within the default limits.
///
/// # Errors
/// The first offence, in reading order, with its offset.
///
/// ```
/// use entidb_codec::{doc, encode, view};
/// let bytes = encode(&doc! { "title": "Hello", "stars": 5 });
/// assert_eq!(view(&bytes)?.get("title").and_then(|title| title.as_text()), Some("Hello"));
/// # Ok::<(), entidb_codec::Error>(())
/// ```
pub fn view(bytes: &[u8]) -> Result<ValueRef<'_>> {
    view_within(bytes, &Limits::DEFAULT)
}

/// Judges a document and gives its value in place, within the limits.
///
/// # Errors
/// The first offence, in reading order, with its offset.
pub fn view_within<'a>(bytes: &'a [u8], limits: &Limits) -> Result<ValueRef<'a>> {
    validate::validate_within(bytes, limits)?;
    judged(&mut Reader::new(bytes))
}

/// Judges the item at the reader and gives its value in place. Limits were for the whole document,
/// when it was put.
pub(crate) fn judge<'a>(reader: &mut Reader<'a>) -> Result<ValueRef<'a>> {
    let mut start = *reader;
    validate::check_item(reader, &Limits::JUDGED)?;
    judged(&mut start)
}

/// The item at the reader, which was judged before. The reader is left behind a scalar, and at the
/// content of anything else.
#[inline]
fn judged<'a>(reader: &mut Reader<'a>) -> Result<ValueRef<'a>> {
    let rest = reader.bytes.get(reader.position..).unwrap_or_default();
    let mut decoder = Decoder::within(rest, &Limits::JUDGED);
    let event = decoder.event()?;
    let content = rest.get(decoder.offset()..).unwrap_or_default();
    reader.position += decoder.offset();
    Ok(match event {
        Event::Null => ValueRef::Null,
        Event::Bool(value) => ValueRef::Bool(value),
        Event::Integer(value) => ValueRef::Integer(value),
        Event::Float(value) => ValueRef::Float(value),
        Event::Text(value) => ValueRef::Text(value),
        Event::Bytes(value) => ValueRef::Bytes(value),
        Event::Array(count) => ValueRef::Array(ArrayRef { count, content }),
        Event::Map(count) => ValueRef::Map(MapRef { count, content }),
        Event::Timestamp(value) => ValueRef::Timestamp(value),
        Event::Uuid(id) => ValueRef::Uuid(id),
        Event::Decimal(value) => ValueRef::Decimal(value),
        Event::EntityId(id) => ValueRef::EntityId(id),
        Event::Vector(value) => ValueRef::Vector(value),
        Event::Tag(tag) => ValueRef::Tagged(TaggedRef { tag, content }),
    })
}

impl<'a> ValueRef<'a> {
    /// The name of its type, as messages use it.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Timestamp(_) => "timestamp",
            Self::Uuid(_) => "uuid",
            Self::Decimal(_) => "decimal",
            Self::EntityId(_) => "entity id",
            Self::Vector(_) => "vector",
            Self::Tagged(_) => "tagged",
        }
    }

    /// The bool, if it is one.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if it is one and fits.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Integer(value) => value.as_i64(),
            _ => None,
        }
    }

    /// The integer, if it is one and fits.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::Integer(value) => value.as_u64(),
            _ => None,
        }
    }

    /// The float, if it is one.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The text, if it is text.
    #[must_use]
    pub fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    /// The bytes, if it is a byte string.
    #[must_use]
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// The array, if it is one.
    #[must_use]
    pub fn as_array(self) -> Option<ArrayRef<'a>> {
        match self {
            Self::Array(value) => Some(value),
            _ => None,
        }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(self) -> Option<MapRef<'a>> {
        match self {
            Self::Map(value) => Some(value),
            _ => None,
        }
    }

    /// The value under a key, if this is a map that has it.
    #[must_use]
    pub fn get<'k>(self, key: impl Into<KeyRef<'k>>) -> Option<ValueRef<'a>> {
        self.as_map()?.get(key)
    }

    /// A copy that owns all it holds.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Float(value) => Value::Float(value),
            Self::Text(value) => Value::Text(value.to_owned()),
            Self::Bytes(value) => Value::Bytes(value.to_vec()),
            Self::Timestamp(value) => Value::Timestamp(value),
            Self::Uuid(id) => Value::Uuid(id),
            Self::Decimal(value) => Value::Decimal(value),
            Self::EntityId(id) => Value::EntityId(id),
            Self::Vector(value) => Value::Vector(value.to_vector()),
            Self::Array(array) => array.iter().map(Self::to_value).collect(),
            Self::Map(map) => Value::Map(map.iter().map(|(key, value)| (key, value.to_value())).collect()),
            Self::Tagged(tagged) => {
                let value = tagged.value().map_or(Value::Null, Self::to_value);
                Value::Tagged(Box::new(Tagged::new_opaque(tagged.tag, value)))
            }
        }
    }

    /// The bytes that `write_into` copies, beside a head and numbers.
    pub(crate) fn content_bytes(self) -> usize {
        match self {
            Self::Array(array) => extent(array.content, array.count).len(),
            Self::Map(map) => extent(map.content, map.count.saturating_mul(2)).len(),
            Self::Tagged(tagged) => extent(tagged.content, 1).len(),
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Vector(vector) => vector.le_bytes().len(),
            _ => 0,
        }
    }

    /// Writes the value's canonical bytes at the end of a buffer.
    pub fn write_into(self, out: &mut Vec<u8>) {
        match self {
            Self::Array(array) => {
                write_head(out, major::ARRAY, array.count as u64);
                out.extend_from_slice(extent(array.content, array.count));
            }
            Self::Map(map) => {
                write_head(out, major::MAP, map.count as u64);
                out.extend_from_slice(extent(map.content, map.count.saturating_mul(2)));
            }
            Self::Tagged(tagged) => {
                write_head(out, major::TAG, tagged.tag);
                out.extend_from_slice(extent(tagged.content, 1));
            }
            Self::Text(text) => write_string(out, major::TEXT, text.as_bytes()),
            Self::Bytes(bytes) => write_string(out, major::BYTES, bytes),
            Self::Vector(vector) => tag::write_vector(out, vector),
            // The rest owns nothing, so a copy costs nothing.
            scalar => crate::encode::encode_into(&scalar.to_value(), out),
        }
    }
}

/// The bytes of this many items in a row.
fn extent(content: &[u8], items: usize) -> &[u8] {
    let mut reader = Reader::new(content);
    // Judged before, so passing over cannot fail.
    let passed = reader.skip_items(items);
    debug_assert!(passed.is_ok(), "the items were judged");
    reader.between(0, reader.position)
}

impl<'a> ArrayRef<'a> {
    /// How many elements it has.
    #[must_use]
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The elements in order.
    pub fn iter(self) -> ArrayIter<'a> {
        ArrayIter { left: self.count, items: Items::new(self.content) }
    }

    /// The element at a position. Elements before it are passed over.
    #[must_use]
    pub fn at(self, index: usize) -> Option<ValueRef<'a>> {
        if index >= self.count {
            return None;
        }
        let mut reader = Reader::new(self.content);
        reader.skip_items(index).ok()?;
        judged(&mut reader).ok()
    }
}

impl<'a> MapRef<'a> {
    /// How many entries it has.
    #[must_use]
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The entries in canonical order.
    pub fn iter(self) -> MapIter<'a> {
        MapIter { left: self.count, items: Items::new(self.content) }
    }

    /// The value under a key. Entries are sorted, so the search ends where the key would stand.
    #[must_use]
    pub fn get<'k>(self, key: impl Into<KeyRef<'k>>) -> Option<ValueRef<'a>> {
        let key = key.into();
        let mut reader = Reader::new(self.content);
        for _ in 0..self.count {
            match read_key(&mut reader)?.cmp(&key) {
                std::cmp::Ordering::Less => reader.skip().ok()?,
                std::cmp::Ordering::Equal => return judged(&mut reader).ok(),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }
}

impl<'a> TaggedRef<'a> {
    /// The tag's number.
    #[must_use]
    pub fn tag(self) -> u64 {
        self.tag
    }

    /// The value under the tag.
    #[must_use]
    pub fn value(self) -> Option<ValueRef<'a>> {
        judged(&mut Reader::new(self.content)).ok()
    }
}

fn read_key<'a>(reader: &mut Reader<'a>) -> Option<KeyRef<'a>> {
    let head = reader.head().ok()?;
    match head.major {
        major::TEXT => reader.text(head).ok().map(KeyRef::Text),
        _ => Some(KeyRef::Integer(head.integer())),
    }
}

/// Items in a row. A container is passed over only when something after it is asked for.
#[derive(Debug, Clone)]
struct Items<'a> {
    reader: Reader<'a>,
    unskipped: bool,
}

impl<'a> Items<'a> {
    fn new(content: &'a [u8]) -> Self {
        Self { reader: Reader::new(content), unskipped: false }
    }

    #[inline]
    fn settle(&mut self) -> Option<()> {
        if std::mem::take(&mut self.unskipped) {
            self.reader.skip().ok()?;
        }
        Some(())
    }

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        let start = self.reader;
        let value = judged(&mut self.reader).ok()?;
        if matches!(value, ValueRef::Array(_) | ValueRef::Map(_) | ValueRef::Tagged(_)) {
            self.reader = start;
            self.unskipped = true;
        }
        Some(value)
    }
}

/// The elements of an array.
#[derive(Debug, Clone)]
pub struct ArrayIter<'a> {
    left: usize,
    items: Items<'a>,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = ValueRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.items.settle()?;
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// The entries of a map.
#[derive(Debug, Clone)]
pub struct MapIter<'a> {
    left: usize,
    items: Items<'a>,
}

impl<'a> Iterator for MapIter<'a> {
    type Item = (KeyRef<'a>, ValueRef<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.items.settle()?;
        let key = read_key(&mut self.items.reader)?;
        Some((key, self.items.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> IntoIterator for ArrayRef<'a> {
    type Item = ValueRef<'a>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for MapRef<'a> {
    type Item = (KeyRef<'a>, ValueRef<'a>);
    type IntoIter = MapIter<'a>;

    fn into_iter(self) -> MapIter<'a> {
        self.iter()
    }
}

impl PartialEq<Value> for ValueRef<'_> {
    fn eq(&self, other: &Value) -> bool {
        self.to_value() == *other
    }
}
