//! Which keys a range covers.
//!
//! Always: a range whose start lies behind its end is empty, not an error.
//! Does not know: what the keys mean.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

/// The keys between two bounds.
///
/// ```
/// use entidb_engine::KeyRange;
/// let range = KeyRange::prefix(b"ab");
/// assert!(range.contains(b"abc") && !range.contains(b"ac"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it starts.
    pub start: Bound<Vec<u8>>,
    /// Where it ends.
    pub end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// Every key that starts with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let end = successor_of_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
        Self { start: Bound::Included(prefix.to_vec()), end }
    }

    /// True when `key` is in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.is_after_start(key) && self.is_before_end(key)
    }

    /// True when `key` does not lie before the range.
    #[must_use]
    pub fn is_after_start(&self, key: &[u8]) -> bool {
        match &self.start {
            Bound::Included(start) => key >= start.as_slice(),
            Bound::Excluded(start) => key > start.as_slice(),
            Bound::Unbounded => true,
        }
    }

    /// True when `key` does not lie behind the range.
    #[must_use]
    pub fn is_before_end(&self, key: &[u8]) -> bool {
        match &self.end {
            Bound::Included(end) => key <= end.as_slice(),
            Bound::Excluded(end) => key < end.as_slice(),
            Bound::Unbounded => true,
        }
    }
}

/// The smallest key that is greater than every key with this prefix, if there is one.
#[must_use]
pub fn successor_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.wrapping_add(1);
    }
    Some(end)
}

impl From<RangeFull> for KeyRange {
    fn from(_: RangeFull) -> Self {
        Self::all()
    }
}

impl<K: AsRef<[u8]>> From<Range<K>> for KeyRange {
    fn from(range: Range<K>) -> Self {
        Self {
            start: Bound::Included(range.start.as_ref().to_vec()),
            end: Bound::Excluded(range.end.as_ref().to_vec()),
        }
    }
}

impl<K: AsRef<[u8]>> From<RangeInclusive<K>> for KeyRange {
    fn from(range: RangeInclusive<K>) -> Self {
        Self {
            start: Bound::Included(range.start().as_ref().to_vec()),
            end: Bound::Included(range.end().as_ref().to_vec()),
        }
    }
}

impl<K: AsRef<[u8]>> From<RangeFrom<K>> for KeyRange {
    fn from(range: RangeFrom<K>) -> Self {
        Self { start: Bound::Included(range.start.as_ref().to_vec()), end: Bound::Unbounded }
    }
}

impl<K: AsRef<[u8]>> From<RangeTo<K>> for KeyRange {
    fn from(range: RangeTo<K>) -> Self {
        Self { start: Bound::Unbounded, end: Bound::Excluded(range.end.as_ref().to_vec()) }
    }
}

impl From<(Bound<&[u8]>, Bound<&[u8]>)> for KeyRange {
    fn from((start, end): (Bound<&[u8]>, Bound<&[u8]>)) -> Self {
        Self { start: start.map(<[u8]>::to_vec), end: end.map(<[u8]>::to_vec) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_all_ones_reaches_to_the_end() {
        assert_eq!(successor_of_prefix(&[0xff, 0xff]), None);
        assert_eq!(successor_of_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(successor_of_prefix(&[]), None);
        assert!(KeyRange::prefix(&[0xff]).contains(&[0xff, 0xff, 0xff]));
    }

    #[test]
    fn bounds_include_and_exclude_as_written() {
        let range = KeyRange::from(b"b".as_slice()..b"d".as_slice());
        assert!(range.contains(b"b") && range.contains(b"c") && !range.contains(b"d"));
        let range = KeyRange::from(b"b".as_slice()..=b"d".as_slice());
        assert!(range.contains(b"d") && !range.contains(b"d\0"));
    }
}
