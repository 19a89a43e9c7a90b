//! Pairs of keys, one behind the other in one piece of memory.
//!
//! Always: copying the pairs copies bytes and counts no references, however many they are.
//! Does not know: what the pairs are the bounds of.

use std::ops::{Range, RangeInclusive};

use super::change::GROWTH;

/// The first and the last bound of each of several ranges.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    bytes: Vec<u8>,
    /// Where the two keys of each pair end.
    ends: Vec<(u32, u32)>,
}

impl Clone for Pairs {
    /// A copy is made to be changed, so it has room for another pair of the usual length.
    fn clone(&self) -> Self {
        let pair_bytes = self.bytes.len() / self.ends.len().max(1);
        let mut bytes = Vec::with_capacity(self.bytes.len() + pair_bytes + pair_bytes / 4);
        bytes.extend_from_slice(&self.bytes);
        let mut ends = Vec::with_capacity(self.ends.len() + 1);
        ends.extend_from_slice(&self.ends);
        Self { bytes, ends }
    }
}

impl Pairs {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all keys.
    pub(super) fn key_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes taken from the allocator.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity().saturating_add(self.ends.capacity().saturating_mul(size_of::<(u32, u32)>()))
    }

    /// Where the bytes of pair `index` begin.
    fn offset(&self, index: usize) -> usize {
        let before = index.checked_sub(1).and_then(|before| self.ends.get(before));
        before.map_or(0, |(_, end)| *end as usize)
    }

    /// The start of a range; `None` behind the last.
    #[inline]
    pub(super) fn start(&self, index: usize) -> Option<&[u8]> {
        let (middle, _) = self.ends.get(index)?;
        self.bytes.get(self.offset(index)..*middle as usize)
    }

    /// The end of a range; `None` behind the last.
    #[inline]
    pub(super) fn end(&self, index: usize) -> Option<&[u8]> {
        let (middle, end) = self.ends.get(index)?;
        self.bytes.get(*middle as usize..*end as usize)
    }

    /// How many ranges start at `key` or before it.
    #[inline]
    pub(super) fn starting_at_or_before(&self, key: &[u8]) -> usize {
        self.count_while(|index| self.start(index).is_some_and(|start| start <= key))
    }

    /// How many ranges start before `key`.
    pub(super) fn starting_before(&self, key: &[u8]) -> usize {
        self.count_while(|index| self.start(index).is_some_and(|start| start < key))
    }

    /// How many ranges end at `key` or before it.
    pub(super) fn ending_at_or_before(&self, key: &[u8]) -> usize {
        self.count_while(|index| self.end(index).is_some_and(|end| end <= key))
    }

    /// The first index for which `holds` is false, when it is true up to there and false from there on.
    #[inline]
    fn count_while(&self, holds: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if holds(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// How many of the ranges with these numbers do not start where the one before them ends.
    pub(super) fn gaps(&self, numbers: RangeInclusive<usize>) -> usize {
        let (from, to) = (*numbers.start().max(&1), (*numbers.end()).min(self.len().saturating_sub(1)));
        (from..=to).filter(|index| self.start(*index) != self.end(*index - 1)).count()
    }

    /// Puts `pairs` in the place of those in `range`.
    pub(super) fn splice(&mut self, range: Range<usize>, pairs: &[(&[u8], &[u8])]) {
        let (from, to) = (self.offset(range.start), self.offset(range.end));
        let added: usize = pairs.iter().map(|(start, end)| start.len() + end.len()).sum();
        let (old_len, new_to) = (self.bytes.len(), from + added);
        // Makes room of the right size, then fills it.
        if new_to > to {
            self.bytes.resize(old_len + (new_to - to), 0);
        }
        self.bytes.copy_within(to..old_len, new_to);
        self.bytes.truncate(old_len + added - (to - from));
        let mut at = from;
        let bytes = &mut self.bytes;
        let mut put = |key: &[u8]| {
            if let Some(room) = bytes.get_mut(at..at + key.len()) {
                room.copy_from_slice(key);
            }
            at += key.len();
            at as u32
        };
        self.ends.splice(range.clone(), pairs.iter().map(|(start, end)| (put(start), put(end))));
        if new_to != to {
            let (grown, shrunk) = (new_to.saturating_sub(to) as u32, to.saturating_sub(new_to) as u32);
            for (middle, end) in self.ends.iter_mut().skip(range.start + pairs.len()) {
                *middle = *middle + grown - shrunk;
                *end = *end + grown - shrunk;
            }
        }
    }

    /// Puts a pair before the one with this index.
    pub(super) fn insert(&mut self, index: usize, (start, end): (&[u8], &[u8])) {
        let from = self.offset(index);
        let (added, old_len) = (start.len() + end.len(), self.bytes.len());
        if old_len + added > self.bytes.capacity() {
            self.bytes.reserve_exact(added * GROWTH);
        }
        if self.ends.len() == self.ends.capacity() {
            self.ends.reserve_exact(GROWTH);
        }
        self.bytes.resize(old_len + added, 0);
        self.bytes.copy_within(from..old_len, from + added);
        let room = self.bytes.get_mut(from..from + added).unwrap_or_default();
        if let Some((first, second)) = room.split_at_mut_checked(start.len()) {
            first.copy_from_slice(start);
            second.copy_from_slice(end);
        }
        let (middle, added) = ((from + start.len()) as u32, added as u32);
        for (middle, end) in self.ends.get_mut(index..).unwrap_or_default() {
            *middle += added;
            *end += added;
        }
        self.ends.insert(index, (middle, from as u32 + added));
    }

    /// These pairs, with `pairs` in the place of those in `range`, in memory of exactly that size.
    pub(super) fn replaced(&self, range: Range<usize>, pairs: &[(&[u8], &[u8])]) -> Self {
        let (from, to) = (self.offset(range.start), self.offset(range.end));
        let added: usize = pairs.iter().map(|(start, end)| start.len() + end.len()).sum();
        let mut bytes = Vec::with_capacity(self.bytes.len() + added - (to - from));
        let mut ends = Vec::with_capacity(self.ends.len() + pairs.len() - range.len());
        bytes.extend_from_slice(self.bytes.get(..from).unwrap_or_default());
        ends.extend_from_slice(self.ends.get(..range.start).unwrap_or_default());
        for (start, end) in pairs {
            bytes.extend_from_slice(start);
            let middle = bytes.len() as u32;
            bytes.extend_from_slice(end);
            ends.push((middle, bytes.len() as u32));
        }
        let (old, new) = (to as u32, bytes.len() as u32);
        bytes.extend_from_slice(self.bytes.get(to..).unwrap_or_default());
        let rest = self.ends.get(range.end..).unwrap_or_default();
        ends.extend(rest.iter().map(|(middle, end)| (middle - old + new, end - old + new)));
        Self { bytes, ends }
    }

    /// Takes the pairs from `index` on away and returns them.
    pub(super) fn split_off(&mut self, index: usize) -> Self {
        let offset = self.offset(index);
        let bytes = self.bytes.split_off(offset);
        let mut ends = self.ends.split_off(index);
        for (middle, end) in &mut ends {
            *middle -= offset as u32;
            *end -= offset as u32;
        }
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
        Self { bytes, ends }
    }

    /// Appends the pairs of another.
    pub(super) fn append(&mut self, other: &Self) {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|(middle, end)| (middle + offset, end + offset)));
    }
}
