//! Serde for the types of this crate.
//!
//! Always: in this crate's own format they keep their exact form. In formats for people a timestamp
//! is microseconds, an id and a decimal are text, a vector is a list, and a tag is left out.
//! Does not know: other binary formats; there they are their canonical bytes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::RAW;
use crate::limits::Limits;
use crate::value::{Decimal, Integer, Key, Map, Timestamp, Value, Vector, VectorKind};

/// A UUID in a Rust type of your own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// An entity id in a Rust type of your own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub [u8; 16]);

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Uuid(id.0)
    }
}

impl From<EntityId> for Value {
    fn from(id: EntityId) -> Self {
        Self::EntityId(id.0)
    }
}

fn hyphenated(id: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in id.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

fn from_hyphenated(text: &str) -> Option<[u8; 16]> {
    let mut digits = text.chars().filter(|character| *character != '-').map(|c| c.to_digit(16));
    let mut id = [0; 16];
    for byte in &mut id {
        let pair = digits.next()?? * 16 + digits.next()??;
        *byte = u8::try_from(pair).ok()?;
    }
    digits.next().is_none().then_some(id)
}

/// An encoded item on its way through serde.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

fn serialize_raw<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(RAW, &Raw(&crate::encode(value)))
}

/// What a special type becomes in a format for people.
trait Special: Sized {
    const EXPECTED: &'static str;
    fn to_value(&self) -> Value;
    fn from_value(value: Value) -> Option<Self>;
    fn serialize_plainly<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// From what a format for people gave back.
    fn from_plain(value: Value) -> Option<Self>;
}

struct SpecialVisitor<T>(PhantomData<T>);

impl<'de, T: Special> Visitor<'de> for SpecialVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        let value = crate::decode_within(bytes, &Limits::JUDGED).map_err(E::custom)?;
        let found = value.type_name();
        T::from_value(value).ok_or_else(|| E::invalid_type(de::Unexpected::Other(found), &self))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        self.visit_bytes(&deserializer.deserialize_byte_buf(ByteBuf)?)
    }
}

struct ByteBuf;

impl Visitor<'_> for ByteBuf {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

macro_rules! special_serde {
    ($($special:ty),*) => { $(
        impl Serialize for $special {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    self.serialize_plainly(serializer)
                } else {
                    serialize_raw(&Special::to_value(self), serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $special {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let plain = Value::deserialize(deserializer)?;
                    let found = plain.type_name();
                    Self::from_plain(plain).ok_or_else(|| {
                        de::Error::invalid_value(de::Unexpected::Other(found), &Self::EXPECTED)
                    })
                } else {
                    deserializer.deserialize_newtype_struct(RAW, SpecialVisitor(PhantomData))
                }
            }
        }
    )* };
}
special_serde!(Timestamp, Decimal, Vector, Uuid, EntityId);

impl Special for Timestamp {
    const EXPECTED: &'static str = "a timestamp";

    fn to_value(&self) -> Value {
        Value::Timestamp(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Timestamp(timestamp) => Some(timestamp),
            _ => None,
        }
    }

    fn serialize_plainly<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.micros())
    }

    fn from_plain(value: Value) -> Option<Self> {
        value.as_i64().map(Self::from_micros)
    }
}

impl Special for Decimal {
    const EXPECTED: &'static str = "a decimal";

    fn to_value(&self) -> Value {
        Value::Decimal(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Decimal(decimal) => Some(decimal),
            _ => None,
        }
    }

    fn serialize_plainly<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }

    fn from_plain(value: Value) -> Option<Self> {
        match value {
            Value::Integer(integer) => Self::new(integer.as_i128(), 0).ok(),
            _ => value.as_text()?.parse().ok(),
        }
    }
}

impl Special for Vector {
    const EXPECTED: &'static str = "a vector";

    fn to_value(&self) -> Value {
        Value::Vector(self.clone())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Vector(vector) => Some(vector),
            _ => None,
        }
    }

    fn serialize_plainly<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.kind(), self.as_view().to_f32s()) {
            (VectorKind::F32 | VectorKind::F16, Some(elements)) => serializer.collect_seq(elements),
            _ => serializer.collect_seq(self.as_view().to_f64s()),
        }
    }

    fn from_plain(value: Value) -> Option<Self> {
        let numbers: Option<Vec<f64>> = value.as_array()?.iter().map(plain_number).collect();
        let numbers = numbers?;
        // A list of floats is f32 here.
        let singles: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
        Some(Self::from(singles))
    }
}

// A vector's elements are floats.
fn plain_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_integer().map(|integer| integer.as_i128() as f64))
}

impl Special for Uuid {
    const EXPECTED: &'static str = "a uuid";

    fn to_value(&self) -> Value {
        Value::Uuid(self.0)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Uuid(id) => Some(Self(id)),
            _ => None,
        }
    }

    fn serialize_plainly<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hyphenated(&self.0))
    }

    fn from_plain(value: Value) -> Option<Self> {
        value.as_text().and_then(from_hyphenated).map(Self)
    }
}

impl Special for EntityId {
    const EXPECTED: &'static str = "an entity id";

    fn to_value(&self) -> Value {
        Value::EntityId(self.0)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::EntityId(id) => Some(Self(id)),
            _ => None,
        }
    }

    fn serialize_plainly<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hyphenated(&self.0))
    }

    fn from_plain(value: Value) -> Option<Self> {
        value.as_text().and_then(from_hyphenated).map(Self)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(integer) => integer.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl Serialize for Integer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.as_u64(), self.as_i64()) {
            (Some(value), _) => serializer.serialize_u64(value),
            (_, Some(value)) => serializer.serialize_i64(value),
            _ => serializer.serialize_i128(self.as_i128()),
        }
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Integer(integer) => Ok(integer),
            other => Err(de::Error::invalid_type(de::Unexpected::Other(other.type_name()), &"an integer")),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.tree_iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(map) => Ok(map),
            other => Err(de::Error::invalid_type(de::Unexpected::Other(other.type_name()), &"a map")),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => value.serialize(serializer),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::Array(elements) => {
                let mut array = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    array.serialize_element(element)?;
                }
                array.end()
            }
            Self::Map(map) => map.serialize(serializer),
            Self::Timestamp(value) => value.serialize(serializer),
            Self::Uuid(id) => Uuid(*id).serialize(serializer),
            Self::Decimal(value) => value.serialize(serializer),
            Self::EntityId(id) => EntityId(*id).serialize(serializer),
            Self::Vector(value) => value.serialize(serializer),
            Self::Tagged(tagged) if serializer.is_human_readable() => tagged.value().serialize(serializer),
            Self::Tagged(_) => serialize_raw(self, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(PlainVisitor)
        } else {
            deserializer.deserialize_newtype_struct(RAW, ValueVisitor)
        }
    }
}

/// Takes the encoded item from this crate's format, or whatever another binary format gives.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        crate::decode_within(bytes, &Limits::JUDGED).map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(PlainVisitor)
    }
}

/// Takes what a self-describing format gives.
struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Integer::try_from(value).map(Value::Integer).map_err(E::custom)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = entries.next_entry::<Value, Value>()? {
            let key = match key {
                Value::Text(text) => Key::Text(text),
                Value::Integer(integer) => Key::Integer(integer),
                other => {
                    let found = de::Unexpected::Other(other.type_name());
                    return Err(de::Error::invalid_type(found, &"a text or integer key"));
                }
            };
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }
}
