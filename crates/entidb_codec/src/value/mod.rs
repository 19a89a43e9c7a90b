//! The value model: what a document can hold.
//!
//! Always: two values are equal exactly when their canonical bytes are equal, so NaN equals NaN,
//! −0.0 differs from 0.0, and the integer 1 differs from the float 1.0.
//! Does not know: the order of values (`ordered`), or how they are written (`encode`).
//! Format: docs/spec/encoding.md, "Values".

mod convert;
mod decimal;
mod integer;
mod map;
mod timestamp;
mod vector;

use std::hash::{Hash, Hasher};

pub use decimal::Decimal;
pub use integer::Integer;
pub(crate) use map::MapTreeIter;
pub use map::{Key, KeyRef, Map};
pub use timestamp::Timestamp;
pub use vector::{Vector, VectorKind, VectorRef};

use crate::error::Result;
use crate::tag;

/// A value of a document, owning all it holds.
///
/// Build one with the [`doc!`](crate::doc) macro, from Rust values, or with [`decode`](crate::decode).
///
/// ```
/// use entidb_codec::{doc, Value};
/// let note = doc! { "title": "Hello", "tags": ["first"], "stars": 5 };
/// assert_eq!(note.get("stars").and_then(Value::as_i64), Some(5));
/// ```
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Nothing, said explicitly.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer from −2^64 to 2^64 − 1.
    Integer(Integer),
    /// A float; written in the shortest of the three widths that holds it exactly.
    Float(f64),
    /// Text, always UTF-8.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in a row.
    Array(Vec<Value>),
    /// Values under text or integer keys.
    Map(Map),
    /// A moment in microseconds.
    Timestamp(Timestamp),
    /// A UUID of any version.
    Uuid([u8; 16]),
    /// An exact decimal fraction.
    Decimal(Decimal),
    /// The id of an entity of this database.
    EntityId([u8; 16]),
    /// A typed vector of numbers.
    Vector(Vector),
    /// A value under a tag this crate gives no meaning to.
    Tagged(Box<Tagged>),
}

/// A value under a CBOR tag that has no meaning here, carried through unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tagged {
    tag: u64,
    value: Value,
}

impl Tagged {
    pub(crate) fn new_opaque(tag: u64, value: Value) -> Self {
        Self { tag, value }
    }

    /// The tag's number.
    #[must_use]
    pub fn tag(&self) -> u64 {
        self.tag
    }

    /// The value under the tag.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value under the tag, without the tag.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }
}

impl Value {
    /// A value under a tag. A tag with a meaning here gives the value it means.
    ///
    /// # Errors
    /// `TagContent` or `TagForm` when a tag with a meaning holds something else.
    ///
    /// ```
    /// use entidb_codec::Value;
    /// assert_eq!(Value::tagged(37, Value::Bytes(vec![7; 16]))?, Value::Uuid([7; 16]));
    /// assert!(Value::tagged(37, Value::Null).is_err());
    /// assert_eq!(Value::tagged(99, Value::Null)?.type_name(), "tagged");
    /// # Ok::<(), entidb_codec::Error>(())
    /// ```
    pub fn tagged(tag: u64, value: Value) -> Result<Value> {
        if !tag::is_known(tag) {
            return Ok(Self::Tagged(Box::new(Tagged::new_opaque(tag, value))));
        }
        let mut bytes = Vec::new();
        crate::canonical::write_head(&mut bytes, 6, tag);
        crate::encode::encode_into(&value, &mut bytes);
        crate::decode(&bytes)
    }

    /// The name of its type, as messages use it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
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

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The bool, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    #[must_use]
    pub fn as_integer(&self) -> Option<Integer> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.as_integer()?.as_i64()
    }

    /// The integer, if it is one and fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.as_integer()?.as_u64()
    }

    /// The float, if it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, if it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    /// The bytes, if it is a byte string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(value) => Some(value),
            _ => None,
        }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(value) => Some(value),
            _ => None,
        }
    }

    /// The map, to change it, if it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match self {
            Self::Map(value) => Some(value),
            _ => None,
        }
    }

    /// The value under a key, if this is a map that has it.
    #[must_use]
    pub fn get<'k>(&self, key: impl Into<KeyRef<'k>>) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// The element at a position, if this is an array that has it.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Value> {
        self.as_array()?.get(index)
    }
}

/// The bits a float is compared by: all NaNs are one.
fn float_bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => float_bits(*a) == float_bits(*b),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) | (Self::EntityId(a), Self::EntityId(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Vector(a), Self::Vector(b)) => a == b,
            (Self::Tagged(a), Self::Tagged(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::Integer(value) => value.hash(state),
            Self::Float(value) => float_bits(*value).hash(state),
            Self::Text(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Array(value) => value.hash(state),
            Self::Map(value) => value.hash(state),
            Self::Timestamp(value) => value.hash(state),
            Self::Uuid(value) | Self::EntityId(value) => value.hash(state),
            Self::Decimal(value) => value.hash(state),
            Self::Vector(value) => value.hash(state),
            Self::Tagged(value) => value.hash(state),
        }
    }
}
