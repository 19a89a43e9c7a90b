//! Ranges of keys: equality on a prefix, ranges of one element, and texts that start alike.
//!
//! Always: a range holds exactly the keys whose leading elements match, whatever follows them.
//! Does not know: indexes; the caller supplies the bytes that come before.
//! Format: docs/spec/encoding.md, "Bounds".

use std::ops::Bound;

use super::encode::write_string_start;
use super::{Direction, Element, class, encode_ordered};

/// A range of keys: from `start` on, and below `end` where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    /// The least key in the range.
    pub start: Vec<u8>,
    /// The least key after the range; `None` where the range has no end.
    pub end: Option<Vec<u8>>,
}

impl Bounds {
    /// Whether a key is in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }

    /// Whether no key can be in the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// The least bytes greater than everything that begins with `prefix`; `None` if there are none.
#[must_use]
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = prefix.get(..=keep)?.to_vec();
    if let Some(last) = next.last_mut() {
        *last += 1;
    }
    Some(next)
}

/// All keys that begin with these bytes.
#[must_use]
pub fn prefix_bounds(prefix: &[u8]) -> Bounds {
    Bounds { start: prefix.to_vec(), end: successor(prefix) }
}

/// All keys that begin with `prefix` and then these elements.
#[must_use]
pub fn equal_bounds<'a>(prefix: &[u8], elements: impl IntoIterator<Item = (Element<'a>, Direction)>) -> Bounds {
    let mut key = prefix.to_vec();
    super::encode_tuple(elements, &mut key);
    prefix_bounds(&key)
}

/// All keys that begin with `prefix` and then an element between two bounds, in value order.
///
/// An open side of the range ends where the other side's class of values ends, so that `> 5` finds
/// numbers and nothing else; false and true are one class. With both sides open, every element is in
/// range, missing ones too.
#[must_use]
pub fn range_bounds(prefix: &[u8], from: Bound<Element<'_>>, to: Bound<Element<'_>>, direction: Direction) -> Bounds {
    let with = |element: Element<'_>| {
        let mut key = prefix.to_vec();
        encode_ordered(element, direction, &mut key);
        key
    };
    // The least key of a class and the least key after it, in value order.
    let class_edges = |element: Element<'_>| {
        let (first, last) = class_range(element);
        let mut edges = prefix.to_vec();
        match direction {
            Direction::Ascending => {
                edges.push(first);
                let start = edges.clone();
                edges.pop();
                edges.push(last + 1);
                (Some(start), Some(edges))
            }
            Direction::Descending => {
                edges.push(!last);
                let start = edges.clone();
                edges.pop();
                edges.push(!first);
                (Some(start), successor(&edges))
            }
        }
    };
    let after = |element: Element<'_>| successor(&with(element));
    let (low, high) = match direction {
        Direction::Ascending => (from, to),
        Direction::Descending => (to, from),
    };
    let start = match (low, high) {
        (Bound::Included(element), _) => Some(with(element)),
        (Bound::Excluded(element), _) => after(element),
        (Bound::Unbounded, Bound::Included(other) | Bound::Excluded(other)) => class_edges(other).0,
        (Bound::Unbounded, Bound::Unbounded) => Some(prefix.to_vec()),
    };
    let end = match (high, low) {
        (Bound::Included(element), _) => after(element),
        (Bound::Excluded(element), _) => Some(with(element)),
        (Bound::Unbounded, Bound::Included(other) | Bound::Excluded(other)) => class_edges(other).1,
        (Bound::Unbounded, Bound::Unbounded) => successor(prefix),
    };
    match start {
        Some(start) => Bounds { start, end },
        // Nothing is greater than an excluded bound of all ones, so nothing is in range.
        None => Bounds { start: prefix.to_vec(), end: Some(prefix.to_vec()) },
    }
}

fn class_range(element: Element<'_>) -> (u8, u8) {
    match element.part().map_or(class::MISSING, |part| part.class()) {
        class::FALSE | class::TRUE => (class::FALSE, class::TRUE),
        class => (class, class),
    }
}

/// All keys that begin with `prefix` and then a text that begins with `start`.
#[must_use]
pub fn text_prefix_bounds(prefix: &[u8], start: &str, direction: Direction) -> Bounds {
    let mut key = prefix.to_vec();
    let element = key.len();
    key.push(class::TEXT);
    write_string_start(start.as_bytes(), &mut key);
    if direction == Direction::Descending {
        for byte in key.get_mut(element..).unwrap_or_default() {
            *byte = !*byte;
        }
    }
    prefix_bounds(&key)
}
