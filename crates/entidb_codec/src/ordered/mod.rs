//! Keys whose byte order is value order.
//!
//! Always: for any two elements in one direction, the order of their bytes is the order `compare`
//! gives; an element's bytes end themselves, so elements join into tuples and anything may follow.
//! Numbers are written by value: 1, 1.0 and the decimal 1.00 are one key, and −0.0 is 0.
//! Does not know: indexes, or which fields a key is made of.
//! Format: docs/spec/encoding.md, "Ordered keys".

mod bounds;
mod compare;
mod decode;
mod encode;
mod number;

pub use bounds::{Bounds, equal_bounds, prefix_bounds, range_bounds, successor, text_prefix_bounds};
pub use compare::compare;
pub use decode::{Decoded, decode_ordered, decode_tuple};
pub use encode::{encode_ordered, encode_tuple};

use crate::value::{Integer, Value};
use crate::view::ValueRef;

/// Which way the bytes of an element sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first: every byte is inverted.
    Descending,
}

/// The absence of a value, which sorts before all values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing;

/// What one place of a key holds.
#[derive(Debug, Clone, Copy)]
pub enum Element<'a> {
    /// No value at all.
    Missing,
    /// A value.
    Value(&'a Value),
    /// A value in its encoded bytes.
    View(ValueRef<'a>),
}

impl From<Missing> for Element<'_> {
    fn from(_: Missing) -> Self {
        Self::Missing
    }
}

impl<'a> From<&'a Value> for Element<'a> {
    fn from(value: &'a Value) -> Self {
        Self::Value(value)
    }
}

impl<'a> From<ValueRef<'a>> for Element<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        Self::View(value)
    }
}

impl<'a> From<Option<&'a Value>> for Element<'a> {
    fn from(value: Option<&'a Value>) -> Self {
        value.map_or(Self::Missing, Self::Value)
    }
}

impl<'a> From<Option<ValueRef<'a>>> for Element<'a> {
    fn from(value: Option<ValueRef<'a>>) -> Self {
        value.map_or(Self::Missing, Self::View)
    }
}

/// The first byte of an element: its class. Classes sort as these numbers.
pub(crate) mod class {
    pub(crate) const END: u8 = 0x00;
    pub(crate) const MISSING: u8 = 0x05;
    pub(crate) const NULL: u8 = 0x06;
    pub(crate) const FALSE: u8 = 0x08;
    pub(crate) const TRUE: u8 = 0x09;
    pub(crate) const NUMBER: u8 = 0x20;
    pub(crate) const TEXT: u8 = 0x30;
    pub(crate) const BYTES: u8 = 0x38;
    pub(crate) const TIMESTAMP: u8 = 0x40;
    pub(crate) const UUID: u8 = 0x44;
    pub(crate) const ENTITY_ID: u8 = 0x48;
    pub(crate) const ARRAY: u8 = 0x50;
    pub(crate) const MAP: u8 = 0x58;
    pub(crate) const VECTOR: u8 = 0x60;
    pub(crate) const TAGGED: u8 = 0x68;
}

/// Strings end in these two bytes, and a zero byte inside them is written as zero and `ESCAPE`.
/// With two bytes no byte that may follow the element can be taken for part of it.
pub(crate) const STRING_END: u8 = 0x01;
pub(crate) const ESCAPE: u8 = 0xff;

/// A number, of any of the three kinds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(Integer),
    Float(f64),
    Decimal(crate::Decimal),
}

/// The one view of a value that encoding and comparing share.
pub(crate) enum Part<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'a str),
    Bytes(&'a [u8]),
    Timestamp(crate::Timestamp),
    Uuid([u8; 16]),
    EntityId([u8; 16]),
    Array(Elements<'a>),
    Map(Entries<'a>),
    Vector(crate::VectorRef<'a>),
    Tagged(u64, Option<Element<'a>>),
}

/// The elements of an array, from a tree or from bytes.
pub(crate) enum Elements<'a> {
    Tree(std::slice::Iter<'a, Value>),
    View(crate::ArrayIter<'a>),
}

/// The entries of a map, from a tree or from bytes.
pub(crate) enum Entries<'a> {
    Tree(crate::value::MapTreeIter<'a>),
    View(crate::MapIter<'a>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Self::Tree(iter) => iter.next().map(Element::Value),
            Self::View(iter) => iter.next().map(Element::View),
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (crate::KeyRef<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Tree(iter) => iter.next().map(|(key, value)| (key.as_view(), Element::Value(value))),
            Self::View(iter) => iter.next().map(|(key, value)| (key, Element::View(value))),
        }
    }
}

impl<'a> Element<'a> {
    /// The value's view, or `None` for a missing one.
    pub(crate) fn part(self) -> Option<Part<'a>> {
        Some(match self {
            Self::Missing => return None,
            Self::Value(value) => match value {
                Value::Null => Part::Null,
                Value::Bool(value) => Part::Bool(*value),
                Value::Integer(value) => Part::Number(Number::Integer(*value)),
                Value::Float(value) => Part::Number(Number::Float(*value)),
                Value::Text(value) => Part::Text(value),
                Value::Bytes(value) => Part::Bytes(value),
                Value::Array(elements) => Part::Array(Elements::Tree(elements.iter())),
                Value::Map(map) => Part::Map(Entries::Tree(map.tree_iter())),
                Value::Timestamp(value) => Part::Timestamp(*value),
                Value::Uuid(id) => Part::Uuid(*id),
                Value::Decimal(value) => Part::Number(Number::Decimal(*value)),
                Value::EntityId(id) => Part::EntityId(*id),
                Value::Vector(vector) => Part::Vector(vector.as_view()),
                Value::Tagged(tagged) => Part::Tagged(tagged.tag(), Some(Element::Value(tagged.value()))),
            },
            Self::View(value) => match value {
                ValueRef::Null => Part::Null,
                ValueRef::Bool(value) => Part::Bool(value),
                ValueRef::Integer(value) => Part::Number(Number::Integer(value)),
                ValueRef::Float(value) => Part::Number(Number::Float(value)),
                ValueRef::Text(value) => Part::Text(value),
                ValueRef::Bytes(value) => Part::Bytes(value),
                ValueRef::Array(array) => Part::Array(Elements::View(array.iter())),
                ValueRef::Map(map) => Part::Map(Entries::View(map.iter())),
                ValueRef::Timestamp(value) => Part::Timestamp(value),
                ValueRef::Uuid(id) => Part::Uuid(id),
                ValueRef::Decimal(value) => Part::Number(Number::Decimal(value)),
                ValueRef::EntityId(id) => Part::EntityId(id),
                ValueRef::Vector(vector) => Part::Vector(vector),
                ValueRef::Tagged(tagged) => Part::Tagged(tagged.tag(), tagged.value().map(Element::View)),
            },
        })
    }
}

impl Part<'_> {
    pub(crate) fn class(&self) -> u8 {
        match self {
            Self::Null => class::NULL,
            Self::Bool(false) => class::FALSE,
            Self::Bool(true) => class::TRUE,
            Self::Number(_) => class::NUMBER,
            Self::Text(_) => class::TEXT,
            Self::Bytes(_) => class::BYTES,
            Self::Timestamp(_) => class::TIMESTAMP,
            Self::Uuid(_) => class::UUID,
            Self::EntityId(_) => class::ENTITY_ID,
            Self::Array(_) => class::ARRAY,
            Self::Map(_) => class::MAP,
            Self::Vector(_) => class::VECTOR,
            Self::Tagged(..) => class::TAGGED,
        }
    }
}
