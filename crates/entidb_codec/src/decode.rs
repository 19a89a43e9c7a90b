//! Bytes to values, refusing anything not canonical.
//!
//! Always: `Decoder` accepts exactly what `validate` accepts. A tree is built from lengths the
//! input backs, and bad input costs at most its own size twice and 64 KiB.
//! Does not know: Rust types (`serde`), or reading a part without the rest (`path`).
//! Format: docs/spec/encoding.md.

use crate::canonical::{BEYOND_SINGLE, Head, Reader, major};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::tag::{self, Known};
use crate::validate::{self, KeyOrder};
use crate::value::{Decimal, Integer, Key, KeyRef, Map, Tagged, Timestamp, Value, VectorRef};

/// One step of reading a document, borrowed from its bytes.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
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
    /// An array begins; this many items follow, then [`Decoder::leave`] is to be called.
    Array(usize),
    /// A map begins; this many entries follow, each a [`Decoder::key`] and an item, then
    /// [`Decoder::leave`] is to be called.
    Map(usize),
    /// A timestamp.
    Timestamp(Timestamp),
    /// A UUID.
    Uuid([u8; 16]),
    /// An entity id.
    EntityId([u8; 16]),
    /// A decimal.
    Decimal(Decimal),
    /// A typed vector.
    Vector(VectorRef<'a>),
    /// A tag without meaning here; one item follows, then [`Decoder::leave`] is to be called.
    Tag(u64),
}

/// Reads a canonical document item by item, without allocating.
///
/// ```
/// use entidb_codec::{doc, encode, Decoder, Event};
/// let bytes = encode(&doc! { "stars": 5 });
/// let mut decoder = Decoder::new(&bytes);
/// assert!(matches!(decoder.event()?, Event::Map(1)));
/// let mut order = entidb_codec::KeyOrder::new();
/// assert_eq!(decoder.key(&mut order)?.as_text(), Some("stars"));
/// assert!(matches!(decoder.event()?, Event::Integer(five) if five.as_i64() == Some(5)));
/// decoder.leave();
/// decoder.finish()?;
/// # Ok::<(), entidb_codec::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    reader: Reader<'a>,
    depth_left: u8,
    items_left: u64,
    bytes_max: usize,
    /// Places that may still be made ready for announced items.
    room_left: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of a document, with the default limits.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::within(bytes, &Limits::DEFAULT)
    }

    /// A decoder at the start of a document, with other limits.
    #[must_use]
    pub fn within(bytes: &'a [u8], limits: &Limits) -> Self {
        Self {
            reader: Reader::new(bytes),
            depth_left: limits.depth_max,
            // No item is given of a document that is too large; the first attempt says so.
            items_left: if bytes.len() > limits.bytes_max { 0 } else { limits.item_count_max },
            bytes_max: limits.bytes_max,
            room_left: bytes.len(),
        }
    }

    /// For how many of the items that an array or map announces to make room before they are read.
    ///
    /// All of them, in a document that keeps its word: each item has a byte at least. Heads inside each other that all
    /// announce the same bytes get room for those bytes once, so memory follows the input and not its claims.
    ///
    /// ```
    /// use entidb_codec::{Decoder, Event};
    /// let mut decoder = Decoder::new(b"\x82\x82\x01\x02\x03");
    /// assert!(matches!(decoder.event()?, Event::Array(2)));
    /// assert_eq!(decoder.room(2), 2);
    /// # Ok::<(), entidb_codec::Error>(())
    /// ```
    pub fn room(&mut self, count: usize) -> usize {
        let room = count.min(self.room_left);
        self.room_left -= room;
        room
    }

    /// The byte offset of the next item.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.reader.position
    }

    /// How many bytes are not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.reader.remaining()
    }

    #[inline(always)]
    pub(crate) fn head(&mut self) -> Result<Head> {
        let head = self.reader.head()?;
        match self.items_left.checked_sub(1) {
            Some(left) => {
                self.items_left = left;
                Ok(head)
            }
            None => Err(self.no_items_left(head)),
        }
    }

    #[cold]
    fn no_items_left(&self, head: Head) -> Error {
        if self.reader.bytes.len() > self.bytes_max {
            return self.too_large();
        }
        Error::new(ErrorKind::TooManyItems, head.start)
    }

    #[cold]
    fn too_large(&self) -> Error {
        validate::too_large(self.reader.bytes.len(), self.bytes_max)
    }

    /// Reads the next item, or the beginning of it.
    ///
    /// # Errors
    /// What is wrong with the item, at its offset.
    #[inline]
    pub fn event(&mut self) -> Result<Event<'a>> {
        let head = self.head()?;
        self.event_of(head)
    }

    /// The event of an item whose head was just read.
    pub(crate) fn event_of(&mut self, head: Head) -> Result<Event<'a>> {
        match head.major {
            major::UNSIGNED | major::NEGATIVE => Ok(Event::Integer(head.integer())),
            major::TEXT => self.reader.text(head).map(Event::Text),
            major::BYTES => self.reader.string(head).map(Event::Bytes),
            major::ARRAY => self.enter_counted(head).map(Event::Array),
            major::MAP => self.enter_counted(head).map(Event::Map),
            major::TAG => self.tag_event(head),
            _ => match head.info {
                20 => Ok(Event::Bool(false)),
                21 => Ok(Event::Bool(true)),
                22 => Ok(Event::Null),
                25..=27 => Ok(Event::Float(head.float())),
                _ => Err(Error::new(ErrorKind::UnsupportedSimple, head.start)),
            },
        }
    }

    fn tag_event(&mut self, head: Head) -> Result<Event<'a>> {
        let after_head = self.reader.position;
        Ok(match tag::read(&mut self.reader, head)? {
            Some(Known::Timestamp(timestamp)) => Event::Timestamp(timestamp),
            Some(Known::Uuid(id)) => Event::Uuid(id),
            Some(Known::EntityId(id)) => Event::EntityId(id),
            Some(Known::Decimal(decimal)) => Event::Decimal(decimal),
            Some(Known::Vector(vector)) => Event::Vector(vector),
            Some(Known::Bignum { tag, .. }) => {
                // Judged as a whole, then given as the tag and its byte string, like any opaque tag.
                self.enter(head)?;
                self.reader.position = after_head;
                Event::Tag(tag)
            }
            None => {
                self.enter(head)?;
                Event::Tag(head.argument)
            }
        })
    }

    /// Enters an array or map whose head was just read, and gives its count.
    #[inline]
    pub(crate) fn enter_counted(&mut self, head: Head) -> Result<usize> {
        self.enter(head)?;
        self.reader.count(head)
    }

    #[inline]
    fn enter(&mut self, head: Head) -> Result<()> {
        self.depth_left = validate::descend(self.depth_left, head.start)?;
        Ok(())
    }

    /// Says that the last item of an array, map or tag has been read.
    #[inline]
    pub fn leave(&mut self) {
        self.depth_left = self.depth_left.saturating_add(1);
    }

    /// Reads the next key of a map. `order` belongs to that map.
    ///
    /// # Errors
    /// `KeyType`, `KeyOrder`, `DuplicateKey`, or what else is wrong with the key.
    #[inline(always)]
    pub fn key(&mut self, order: &mut KeyOrder) -> Result<KeyRef<'a>> {
        self.key_known(order, |_| None)
    }

    /// Reads the next key of a map. What `recognise` gives for the bytes of a text is taken for that
    /// text without judging them.
    #[inline(always)]
    pub(crate) fn key_known(
        &mut self,
        order: &mut KeyOrder,
        recognise: impl FnOnce(&[u8]) -> Option<&'static str>,
    ) -> Result<KeyRef<'a>> {
        let head = self.head()?;
        let key = match head.major {
            major::TEXT => {
                let bytes = self.reader.string(head)?;
                match recognise(bytes) {
                    Some(text) => KeyRef::Text(text),
                    None => KeyRef::Text(self.reader.judged_text(bytes)?),
                }
            }
            major::UNSIGNED | major::NEGATIVE => KeyRef::Integer(head.integer()),
            _ => return Err(Error::new(ErrorKind::KeyType, head.start)),
        };
        order.check(&self.reader, head.start)?;
        Ok(key)
    }

    /// The next item, if it is a float that no shorter form holds, which most are: without the
    /// questions that any other item asks.
    #[inline(always)]
    pub(crate) fn double(&mut self) -> Option<f64> {
        let rest = self.reader.bytes.get(self.reader.position..)?;
        let [0xfb, bits @ ..] = *rest.first_chunk::<9>()? else { return None };
        let bits = u64::from_be_bytes(bits);
        let float = f64::from_bits(bits);
        if bits & BEYOND_SINGLE == 0 || float.is_nan() {
            return None;
        }
        self.items_left = self.items_left.checked_sub(1)?;
        self.reader.position += 9;
        Some(float)
    }

    /// The text of an item whose head was just read.
    #[inline(always)]
    pub(crate) fn text_of(&mut self, head: Head) -> Result<&'a str> {
        self.reader.text(head)
    }

    /// Reads the next item whole, judging all of it, and gives its bytes.
    ///
    /// # Errors
    /// What is wrong with the item, at its offset.
    pub fn raw_item(&mut self) -> Result<&'a [u8]> {
        let start = self.reader.position;
        if self.reader.bytes.len() > self.bytes_max {
            return Err(self.too_large());
        }
        let limits = Limits { depth_max: self.depth_left, bytes_max: self.bytes_max, item_count_max: self.items_left };
        self.items_left = validate::check_item(&mut self.reader, &limits)?;
        Ok(self.reader.between(start, self.reader.position))
    }

    /// The first byte of the next item, without reading it.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.reader.bytes.get(self.reader.position).copied()
    }

    /// Checks that nothing follows the document.
    ///
    /// # Errors
    /// `TrailingBytes` where something does.
    pub fn finish(&self) -> Result<()> {
        validate::check_end(&self.reader)
    }
}

/// Reads one canonical document into a value, within the default limits.
///
/// # Errors
/// The first offence, in reading order, with its offset.
///
/// ```
/// use entidb_codec::{decode, Value};
/// assert_eq!(decode(b"\x83\x01\x02\x03")?, Value::from(vec![1, 2, 3]));
/// # Ok::<(), entidb_codec::Error>(())
/// ```
pub fn decode(bytes: &[u8]) -> Result<Value> {
    decode_within(bytes, &Limits::DEFAULT)
}

/// Reads one canonical document into a value, within the limits.
///
/// # Errors
/// The first offence, in reading order, with its offset.
pub fn decode_within(bytes: &[u8], limits: &Limits) -> Result<Value> {
    validate::check_size(bytes, limits)?;
    let mut tree = Tree {
        decoder: Decoder::within(bytes, limits),
        limits,
        unproven_left: bytes.len().saturating_mul(2).saturating_add(FREE_BYTES),
        is_proven: false,
    };
    let value = tree.value()?;
    tree.decoder.finish()?;
    Ok(value)
}

/// What a tree may take beyond twice the size of its input before the whole input must have been
/// judged. The rest of 64 KiB is for the error.
const FREE_BYTES: usize = 63 * 1024;

/// Builds a tree in one pass while it is small; before it grows past the budget, the whole input is
/// judged once, so that input found bad at its end has not been paid for in memory.
struct Tree<'a, 'l> {
    decoder: Decoder<'a>,
    limits: &'l Limits,
    unproven_left: usize,
    is_proven: bool,
}

impl Tree<'_, '_> {
    #[inline]
    fn spend(&mut self, bytes: usize) -> Result<()> {
        if !self.is_proven {
            match self.unproven_left.checked_sub(bytes) {
                Some(left) => self.unproven_left = left,
                None => self.prove()?,
            }
        }
        Ok(())
    }

    #[cold]
    fn prove(&mut self) -> Result<()> {
        validate::validate_within(self.decoder.reader.bytes, self.limits)?;
        self.is_proven = true;
        Ok(())
    }

    // Straight from the head and inlined into the loops below: going through `Event` costs a third more.
    #[inline(always)]
    fn value(&mut self) -> Result<Value> {
        let head = self.decoder.head()?;
        Ok(match head.major {
            major::UNSIGNED | major::NEGATIVE => Value::Integer(head.integer()),
            major::TEXT => {
                let text = self.decoder.reader.text(head)?;
                self.spend(text.len())?;
                Value::Text(text.to_owned())
            }
            major::BYTES => {
                let bytes = self.decoder.reader.string(head)?;
                self.spend(bytes.len())?;
                Value::Bytes(bytes.to_vec())
            }
            major::ARRAY => self.array(head)?,
            major::MAP => self.map(head)?,
            major::TAG => self.tagged(head)?,
            _ => match head.info {
                20 => Value::Bool(false),
                21 => Value::Bool(true),
                22 => Value::Null,
                25..=27 => Value::Float(head.float()),
                _ => return Err(Error::new(ErrorKind::UnsupportedSimple, head.start)),
            },
        })
    }

    fn array(&mut self, head: Head) -> Result<Value> {
        let count = self.decoder.enter_counted(head)?;
        self.spend(count.saturating_mul(size_of::<Value>()))?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(self.value()?);
        }
        self.decoder.leave();
        Ok(Value::Array(elements))
    }

    fn map(&mut self, head: Head) -> Result<Value> {
        let count = self.decoder.enter_counted(head)?;
        self.spend(count.saturating_mul(size_of::<(Key, Value)>()))?;
        let mut map = Map::with_capacity(count);
        let mut order = KeyOrder::new();
        for _ in 0..count {
            let key = self.decoder.key(&mut order)?;
            self.spend(key.as_text().map_or(0, str::len))?;
            let key = key.to_key();
            map.push_in_order(key, self.value()?);
        }
        self.decoder.leave();
        Ok(Value::Map(map))
    }

    fn tagged(&mut self, head: Head) -> Result<Value> {
        Ok(match self.decoder.tag_event(head)? {
            Event::Timestamp(value) => Value::Timestamp(value),
            Event::Uuid(id) => Value::Uuid(id),
            Event::EntityId(id) => Value::EntityId(id),
            Event::Decimal(value) => Value::Decimal(value),
            Event::Vector(vector) => {
                self.spend(vector.le_bytes().len())?;
                Value::Vector(vector.to_vector())
            }
            _ => {
                self.spend(size_of::<Tagged>())?;
                let value = self.value()?;
                self.decoder.leave();
                Value::Tagged(Box::new(Tagged::new_opaque(head.argument, value)))
            }
        })
    }
}
