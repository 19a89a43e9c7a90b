//! A stretch of keys in the one form cursors work with: `start <= key < end`.
//!
//! Always: the same keys as the range it was made from, whatever form its bounds had.
//! Does not know: what keys mean.

use std::ops::Bound;

use super::bounds::KeyRange;

/// A stretch of keys: from `start` on, up to but without `end`; no `end` means to the last key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl Span {
    /// Every key.
    #[cfg(test)]
    pub(crate) fn all() -> Self {
        Self::default()
    }

    /// The keys from `start` up to `end`.
    pub(crate) fn new(start: impl Into<Vec<u8>>, end: Option<Vec<u8>>) -> Self {
        Self { start: start.into(), end }
    }

    /// The first key that can be inside.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// The first key after it, when it has one.
    pub(crate) fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// True when the key is inside.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && !self.is_past_end(key)
    }

    /// True when the key and every later one lie after the stretch.
    #[inline]
    pub(crate) fn is_past_end(&self, key: &[u8]) -> bool {
        self.end.as_deref().is_some_and(|end| key >= end)
    }

    /// True when no key can be inside.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.end.as_deref().is_some_and(|end| self.start.as_slice() >= end)
    }
}

impl From<KeyRange> for Span {
    fn from(range: KeyRange) -> Self {
        let just_after = |mut key: Vec<u8>| {
            key.push(0);
            key
        };
        let start = match range.start {
            Bound::Included(key) => key,
            Bound::Excluded(key) => just_after(key),
            Bound::Unbounded => Vec::new(),
        };
        let end = match range.end {
            Bound::Included(key) => Some(just_after(key)),
            Bound::Excluded(key) => Some(key),
            Bound::Unbounded => None,
        };
        Self { start, end }
    }
}

impl From<&KeyRange> for Span {
    fn from(range: &KeyRange) -> Self {
        Self::from(range.clone())
    }
}

/// The first key after `key`.
pub(crate) fn just_after(key: &[u8]) -> Vec<u8> {
    let mut after = Vec::with_capacity(key.len() + 1);
    after.extend_from_slice(key);
    after.push(0);
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_bound_means_the_same_keys() {
        let keys: [&[u8]; 7] = [b"", b"a", b"a\0", b"a\0\0", b"b", b"b\0", b"c"];
        let bounds = |key: &[u8]| [Bound::Included(key.to_vec()), Bound::Excluded(key.to_vec()), Bound::Unbounded];
        for start in bounds(b"a") {
            for end in bounds(b"b") {
                let range = KeyRange { start: start.clone(), end };
                let span = Span::from(&range);
                for key in keys {
                    assert_eq!(span.contains(key), range.contains(key), "{range:?} {key:?}");
                }
                assert!(!span.is_empty());
            }
        }
        assert!(Span::new(b"b".as_slice(), Some(b"a".to_vec())).is_empty());
    }
}
