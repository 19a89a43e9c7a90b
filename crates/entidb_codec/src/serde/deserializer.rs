//! Canonical CBOR to serde's calls.
//!
//! Always: as strict as `decode`, also about what the type ignores.
//! Does not know: which type is asked for; see `mod`.

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::RAW;
use super::guesses::Guesses;
use crate::canonical::{Head, major};
use crate::decode::{Decoder, Event};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::tag;
use crate::validate::KeyOrder;
use crate::value::{Integer, KeyRef};

pub(super) struct Deserializer<'de> {
    decoder: Decoder<'de>,
    /// Where the item read last begins, for errors the type reports.
    item: usize,
    guesses: Guesses,
}

impl<'de> Deserializer<'de> {
    pub(super) fn new(bytes: &'de [u8], limits: &Limits) -> Self {
        Self { decoder: Decoder::within(bytes, limits), item: 0, guesses: Guesses::recall() }
    }

    pub(super) fn finish(&self) -> Result<()> {
        self.decoder.finish()?;
        self.guesses.remember();
        Ok(())
    }

    /// An error of the type itself, at the item it was shown.
    pub(super) fn located(&self, error: Error) -> Error {
        let is_of_type = matches!(error.kind(), ErrorKind::Custom | ErrorKind::TypeMismatch | ErrorKind::OutOfRange);
        if is_of_type && error.offset() == 0 { error.moved_by(self.item) } else { error }
    }

    #[inline(always)]
    fn head(&mut self) -> Result<Head> {
        self.item = self.decoder.offset();
        self.decoder.head()
    }

    fn event(&mut self) -> Result<Event<'de>> {
        self.item = self.decoder.offset();
        self.decoder.event()
    }

    /// Hands over an item of any kind whose head was just read.
    #[inline(never)]
    fn any<V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value> {
        match self.decoder.event_of(head)? {
            Event::Null => visitor.visit_unit(),
            Event::Bool(value) => visitor.visit_bool(value),
            Event::Integer(value) => visit_integer(value, visitor),
            Event::Float(value) => visitor.visit_f64(value),
            Event::Text(value) => visitor.visit_borrowed_str(value),
            Event::Bytes(value) => visitor.visit_borrowed_bytes(value),
            Event::Array(count) => self.array(count, visitor),
            Event::Map(count) => self.map(count, &[], visitor),
            Event::Timestamp(value) => visitor.visit_i64(value.micros()),
            Event::Uuid(id) | Event::EntityId(id) => visitor.visit_bytes(&id),
            Event::Decimal(value) => visitor.visit_string(value.to_string()),
            Event::Vector(vector) => visitor.visit_seq(SeqDeserializer::<_, Error>::new(vector.to_f64s())),
            Event::Tag(tag) => self.tagged(tag, visitor),
        }
    }

    #[inline(always)]
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let head = self.head()?;
        if head.major <= major::NEGATIVE { visit_integer(head.integer(), visitor) } else { self.any(head, visitor) }
    }

    #[inline(always)]
    fn entries<V: Visitor<'de>>(&mut self, fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        let head = self.head()?;
        if head.major == major::MAP {
            let count = self.decoder.enter_counted(head)?;
            self.map(count, fields, visitor)
        } else {
            self.any(head, visitor)
        }
    }

    #[inline(always)]
    fn elements<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let head = self.head()?;
        if head.major == major::ARRAY {
            let count = self.decoder.enter_counted(head)?;
            self.array(count, visitor)
        } else {
            self.any(head, visitor)
        }
    }

    #[inline(always)]
    fn text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let head = self.head()?;
        if head.major == major::TEXT {
            visitor.visit_borrowed_str(self.decoder.text_of(head)?)
        } else {
            self.any(head, visitor)
        }
    }

    fn array<V: Visitor<'de>>(&mut self, count: usize, visitor: V) -> Result<V::Value> {
        let room = self.decoder.room(count.min(ROOM_MAX));
        let mut elements = Elements { left: count, room, deserializer: self };
        let value = visitor.visit_seq(&mut elements)?;
        let left = elements.left;
        self.end(left, "array has more elements than the type")?;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, count: usize, fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        let are_known = self.guesses.begin(fields);
        let order = KeyOrder::new();
        let room = self.decoder.room(count.min(ROOM_MAX));
        let mut entries = Entries { left: count, room, order, fields, are_known, taken: 0, deserializer: self };
        let value = visitor.visit_map(&mut entries)?;
        let left = entries.left;
        self.end(left, "map has more entries than the type")?;
        Ok(value)
    }

    fn end(&mut self, left: usize, detail: &str) -> Result<()> {
        if left > 0 {
            let error = Error::new(ErrorKind::TypeMismatch, self.decoder.offset());
            return Err(error.with_detail(detail));
        }
        self.decoder.leave();
        Ok(())
    }

    fn tagged<V: Visitor<'de>>(&mut self, tag: u64, visitor: V) -> Result<V::Value> {
        use serde::Deserializer as _;
        let value = if matches!(tag, tag::POSITIVE_BIGNUM | tag::NEGATIVE_BIGNUM) {
            match self.event()? {
                Event::Bytes(magnitude) => match tag::bignum_to_i128(tag, magnitude) {
                    Some(number) => visitor.visit_i128(number)?,
                    None => visitor.visit_borrowed_bytes(magnitude)?,
                },
                _ => return Err(Error::new(ErrorKind::TagContent, self.item)),
            }
        } else {
            // A tag without meaning here is looked through.
            self.deserialize_any(visitor)?
        };
        self.decoder.leave();
        Ok(value)
    }
}

#[inline(always)]
fn visit_integer<'de, V: Visitor<'de>>(value: Integer, visitor: V) -> Result<V::Value> {
    match (value.as_u64(), value.as_i64()) {
        (Some(value), _) => visitor.visit_u64(value),
        (_, Some(value)) => visitor.visit_i64(value),
        _ => visitor.visit_i128(value.as_i128()),
    }
}

/// The methods of serde that hint at one kind of item, which is then read without looking further.
macro_rules! fn_by_kind {
    ($($kind:ident: $($method:ident)*;)*) => { $($(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$kind(visitor)
        }
    )*)* };
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let head = self.head()?;
        self.any(head, visitor)
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if let Some(float) = self.decoder.double() {
            return visitor.visit_f64(float);
        }
        let head = self.head()?;
        if head.major == major::SIMPLE && (25..=27).contains(&head.info) {
            visitor.visit_f64(head.float())
        } else {
            self.any(head, visitor)
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_f64(visitor)
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let head = self.head()?;
        match (head.major, head.info) {
            (major::SIMPLE, 20) => visitor.visit_bool(false),
            (major::SIMPLE, 21) => visitor.visit_bool(true),
            _ => self.any(head, visitor),
        }
    }

    fn_by_kind! {
        integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
            deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64;
        text: deserialize_str deserialize_string deserialize_identifier;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.decoder.peek() == Some(0xf6) {
            self.event()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.entries(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.entries(fields, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.elements(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.elements(visitor)
    }

    /// A list of bytes may be read from a byte string.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let first = self.decoder.peek().unwrap_or_default();
        if first >> 5 == major::BYTES
            && let Event::Bytes(bytes) = self.event()?
        {
            let bytes = bytes.iter().copied();
            return visitor.visit_seq(SeqDeserializer::<_, Error>::new(bytes));
        }
        self.elements(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value> {
        if name == RAW {
            self.item = self.decoder.offset();
            let raw = self.decoder.raw_item()?;
            // What follows the document is reported before the document is paid for.
            if self.item == 0 {
                self.decoder.finish()?;
            }
            return visitor.visit_borrowed_bytes(raw);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.event()? {
            Event::Text(variant) => visitor.visit_enum(StrDeserializer::<Error>::new(variant)),
            Event::Map(1) => {
                let variant = self.decoder.key(&mut KeyOrder::new())?;
                let value = visitor.visit_enum(Variant { variant, deserializer: self })?;
                self.decoder.leave();
                Ok(value)
            }
            _ => Err(Error::new(ErrorKind::TypeMismatch, self.item)
                .with_detail("an enum is its variant's name, or a map of one entry")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.decoder.raw_item()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct
    }
}

/// The most elements that a collection is told to make room for before they are read: how large each is, is not known here.
const ROOM_MAX: usize = 4096;

struct Elements<'a, 'de> {
    left: usize,
    room: usize,
    deserializer: &'a mut Deserializer<'de>,
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.deserializer).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.room))
    }
}

struct Entries<'a, 'de> {
    left: usize,
    room: usize,
    order: KeyOrder,
    fields: &'static [&'static str],
    /// Whether keys are worth recognising among the fields.
    are_known: bool,
    /// How many keys were read.
    taken: usize,
    deserializer: &'a mut Deserializer<'de>,
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let Deserializer { decoder, item, guesses } = &mut *self.deserializer;
        *item = decoder.offset();
        let key = decoder.key_known(&mut self.order, |key| {
            if self.are_known { guesses.recognise(self.fields, self.taken, key) } else { None }
        })?;
        self.taken = self.taken.wrapping_add(1);
        seed.deserialize(KeyDeserializer(key)).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.deserializer)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.room))
    }
}

struct KeyDeserializer<'de>(KeyRef<'de>);

impl<'de> de::Deserializer<'de> for KeyDeserializer<'de> {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            KeyRef::Text(text) => visitor.visit_borrowed_str(text),
            KeyRef::Integer(value) => visit_integer(value, visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            KeyRef::Text(variant) => visitor.visit_enum(StrDeserializer::<Error>::new(variant)),
            KeyRef::Integer(_) => {
                Err(Error::new(ErrorKind::TypeMismatch, 0).with_detail("an enum key is its variant's name"))
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Variant<'a, 'de> {
    variant: KeyRef<'de>,
    deserializer: &'a mut Deserializer<'de>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        let name = seed.deserialize(KeyDeserializer(self.variant))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        match self.deserializer.event()? {
            Event::Null => Ok(()),
            _ => Err(Error::new(ErrorKind::TypeMismatch, self.deserializer.item)
                .with_detail("a variant without content holds null")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.deserializer)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.deserializer, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_any(self.deserializer, visitor)
    }
}
