//! From Rust values to `Value`.
//!
//! Always: lossless; nothing here can fail.
//! Does not know: types with serde implementations; see `to_value`.

use super::{Decimal, Integer, Key, Map, Timestamp, Value, Vector};

macro_rules! value_from {
    ($($from:ty => |$name:ident| $value:expr),* $(,)?) => { $(
        impl From<$from> for Value {
            fn from($name: $from) -> Self {
                $value
            }
        }
    )* };
}

value_from! {
    () => |_nothing| Self::Null,
    bool => |value| Self::Bool(value),
    i8 => |value| Self::Integer(value.into()),
    i16 => |value| Self::Integer(value.into()),
    i32 => |value| Self::Integer(value.into()),
    i64 => |value| Self::Integer(value.into()),
    isize => |value| Self::Integer(value.into()),
    u8 => |value| Self::Integer(value.into()),
    u16 => |value| Self::Integer(value.into()),
    u32 => |value| Self::Integer(value.into()),
    u64 => |value| Self::Integer(value.into()),
    usize => |value| Self::Integer(value.into()),
    Integer => |value| Self::Integer(value),
    f32 => |value| Self::Float(f64::from(value)),
    f64 => |value| Self::Float(value),
    char => |value| Self::Text(value.to_string()),
    String => |value| Self::Text(value),
    &str => |value| Self::Text(value.to_owned()),
    &String => |value| Self::Text(value.clone()),
    &[u8] => |value| Self::Bytes(value.to_vec()),
    Timestamp => |value| Self::Timestamp(value),
    Decimal => |value| Self::Decimal(value),
    Vector => |value| Self::Vector(value),
    Map => |value| Self::Map(value),
    &Value => |value| value.clone(),
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Self {
        Self::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(elements: [T; N]) -> Self {
        Self::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Integer(integer) => Self::Integer(integer),
            Key::Text(text) => Self::Text(text),
        }
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self::Array(elements.into_iter().map(Into::into).collect())
    }
}
