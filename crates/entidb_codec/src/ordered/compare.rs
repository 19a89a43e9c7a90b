//! The total order of values, without writing keys.
//!
//! Always: the same order as that of the bytes `encode_ordered` writes ascending.
//! Does not know: directions; reverse the answer for a descending one.
//! Format: docs/spec/encoding.md, "Ordered keys".

use std::cmp::Ordering;

use super::encode::{flip_element, vector_code};
use super::{Element, Number, Part, number};
use crate::value::{KeyRef, VectorRef};

/// Compares two elements in the total order of all values.
///
/// ```
/// use entidb_codec::{compare, Missing, Value};
/// use std::cmp::Ordering;
/// assert_eq!(compare(&Value::from(1), &Value::from(1.0)), Ordering::Equal);
/// assert_eq!(compare(&Value::from("a"), &Value::from(9)), Ordering::Greater);
/// assert_eq!(compare(Missing, &Value::Null), Ordering::Less);
/// ```
#[must_use]
pub fn compare<'a, 'b>(a: impl Into<Element<'a>>, b: impl Into<Element<'b>>) -> Ordering {
    compare_elements(a.into(), b.into())
}

fn compare_elements(a: Element<'_>, b: Element<'_>) -> Ordering {
    let (Some(a), Some(b)) = (a.part(), b.part()) else {
        return a.part().is_some().cmp(&b.part().is_some());
    };
    match (a, b) {
        (Part::Number(a), Part::Number(b)) => number::compare(a, b),
        (Part::Text(a), Part::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Part::Bytes(a), Part::Bytes(b)) => a.cmp(b),
        (Part::Timestamp(a), Part::Timestamp(b)) => a.cmp(&b),
        (Part::Uuid(a), Part::Uuid(b)) | (Part::EntityId(a), Part::EntityId(b)) => a.cmp(&b),
        (Part::Array(a), Part::Array(b)) => in_turn(a, b, compare_elements),
        (Part::Map(a), Part::Map(b)) => {
            in_turn(a, b, |(a_key, a), (b_key, b)| compare_keys(a_key, b_key).then_with(|| compare_elements(a, b)))
        }
        (Part::Vector(a), Part::Vector(b)) => compare_vectors(a, b),
        (Part::Tagged(a_tag, a), Part::Tagged(b_tag, b)) => a_tag
            .cmp(&b_tag)
            .then_with(|| compare_elements(a.unwrap_or(Element::Missing), b.unwrap_or(Element::Missing))),
        // Of different classes, or both null, false or true.
        (a, b) => a.class().cmp(&b.class()),
    }
}

/// Item by item; of two rows one of which begins the other, the shorter is less.
fn in_turn<T>(
    mut a: impl Iterator<Item = T>,
    mut b: impl Iterator<Item = T>,
    compare: impl Fn(T, T) -> Ordering,
) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) => match compare(a, b) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

fn compare_keys(a: KeyRef<'_>, b: KeyRef<'_>) -> Ordering {
    match (a, b) {
        (KeyRef::Integer(a), KeyRef::Integer(b)) => number::compare(Number::Integer(a), Number::Integer(b)),
        (KeyRef::Text(a), KeyRef::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (KeyRef::Integer(_), KeyRef::Text(_)) => Ordering::Less,
        (KeyRef::Text(_), KeyRef::Integer(_)) => Ordering::Greater,
    }
}

fn compare_vectors(a: VectorRef<'_>, b: VectorRef<'_>) -> Ordering {
    let by_shape = (vector_code(a.kind()), a.len()).cmp(&(vector_code(b.kind()), b.len()));
    if by_shape != Ordering::Equal {
        return by_shape;
    }
    let size = a.kind().element_bytes();
    let sorted = |chunk: &[u8]| {
        let mut element = [0; 8];
        if let Some(element) = element.get_mut(..chunk.len()) {
            element.copy_from_slice(chunk);
            flip_element(a.kind(), element, false);
        }
        element
    };
    a.le_bytes().chunks_exact(size).map(sorted).cmp(b.le_bytes().chunks_exact(size).map(sorted))
}
