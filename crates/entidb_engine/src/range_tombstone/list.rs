//! Deleted ranges as files have them: a list that never changes.
//!
//! Always: fragments are sorted and never overlap, each lists the sequences that deleted it, newest first. All keys lie
//! in one piece of memory, so that a million fragments are a handful of allocations. Finding a fragment, cutting the
//! list and finding the end of fragments that touch cost the logarithm of its length.
//! Does not know: which entries exist.
//! Format: docs/spec/file-format.md, "Range tombstone block".

#[cfg(test)]
use std::sync::Arc;

use super::{Cover, RangeMap, Stretch};
use crate::format::{Reader, Sequence, put_bytes, put_varint};

/// Fragments that are looked at one by one for a reader who may not see all of them.
const WALK_MAX: usize = 64;

/// One stretch of keys and the commits that deleted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// The first key of the stretch.
    pub(crate) start: &'a [u8],
    /// The first key after the stretch.
    pub(crate) end: &'a [u8],
    /// The commits that deleted it, newest first, never empty.
    pub(crate) sequences: &'a [Sequence],
}

impl Fragment<'_> {
    fn newest_at(&self, at: Sequence) -> Option<Sequence> {
        let newer = self.sequences.partition_point(|sequence| *sequence > at);
        self.sequences.get(newer).copied()
    }
}

/// An immutable list of deleted ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeTombstones {
    keys: Vec<u8>,
    places: Vec<Place>,
    sequences: Vec<Sequence>,
    /// The fragments that do not touch the one before.
    hulls: Vec<u32>,
    oldest: Sequence,
    newest: Sequence,
}

/// Where a fragment is; it begins where the one before ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Where its first key ends, and the first key after it begins.
    middle: usize,
    /// Where that ends.
    end: usize,
    /// Where its sequences end.
    sequences: usize,
}

impl Default for RangeTombstones {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            places: Vec::new(),
            sequences: Vec::new(),
            hulls: Vec::new(),
            oldest: Sequence::MAX,
            newest: Sequence::ZERO,
        }
    }
}

impl RangeTombstones {
    /// The ranges of a map, or only those deleted after `than`.
    pub(crate) fn of_map(map: &RangeMap, than: Option<Sequence>) -> Self {
        Self::of_map_at(map, than, |sequence| sequence)
    }

    /// The ranges of a map as deleted by one commit.
    pub(crate) fn of_map_by(map: &RangeMap, sequence: Sequence) -> Self {
        Self::of_map_at(map, None, |_| sequence)
    }

    fn of_map_at(map: &RangeMap, than: Option<Sequence>, by: impl Fn(Sequence) -> Sequence) -> Self {
        let mut list = Self::default();
        map.for_each(than, |cover| {
            list.push(Fragment { start: cover.start, end: cover.end, sequences: &[by(cover.sequence)] });
        });
        list.shrink();
        list
    }

    /// True when nothing is deleted.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many fragments there are.
    pub(crate) fn fragment_count(&self) -> usize {
        self.places.len()
    }

    /// The fragment of this number.
    #[inline]
    pub(crate) fn fragment(&self, index: usize) -> Option<Fragment<'_>> {
        let place = self.places.get(index)?;
        let before = index.checked_sub(1).and_then(|before| self.places.get(before));
        let (start, first) = before.map_or((0, 0), |before| (before.end, before.sequences));
        Some(Fragment {
            start: self.keys.get(start..place.middle)?,
            end: self.keys.get(place.middle..place.end)?,
            sequences: self.sequences.get(first..place.sequences)?,
        })
    }

    /// The fragments, in key order.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = Fragment<'_>> {
        (0..self.places.len()).filter_map(|index| self.fragment(index))
    }

    /// The first key of the first fragment and the first key after the last, when there are any.
    pub(crate) fn bounds(&self) -> Option<(&[u8], &[u8])> {
        let last = self.places.len().checked_sub(1)?;
        Some((self.fragment(0)?.start, self.fragment(last)?.end))
    }

    /// The oldest and the newest sequence of all, when there are any.
    pub(crate) fn sequence_range(&self) -> Option<(Sequence, Sequence)> {
        (!self.is_empty()).then_some((self.oldest, self.newest))
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let places = self.places.capacity().saturating_mul(size_of::<Place>());
        let sequences = self.sequences.capacity().saturating_mul(size_of::<Sequence>());
        let hulls = self.hulls.capacity().saturating_mul(size_of::<u32>());
        self.keys.capacity().saturating_add(places).saturating_add(sequences).saturating_add(hulls)
    }

    /// How many fragments start at `key` or before it.
    #[inline]
    fn starting_at_or_before(&self, key: &[u8]) -> usize {
        self.count_while(|fragment| fragment.start <= key)
    }

    /// How many fragments end at `key` or before it.
    pub(crate) fn ending_at_or_before(&self, key: &[u8]) -> usize {
        self.count_while(|fragment| fragment.end <= key)
    }

    /// The number of the first fragment for which `holds` is false, when it is true up to there and false from there on.
    #[inline]
    fn count_while(&self, holds: impl Fn(&Fragment<'_>) -> bool) -> usize {
        let (mut low, mut high) = (0, self.places.len());
        while low < high {
            let middle = low.midpoint(high);
            #[cfg(test)]
            super::count_node();
            if self.fragment(middle).is_some_and(|fragment| holds(&fragment)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The fragment with `key`, and its number.
    #[inline]
    fn holding(&self, key: &[u8]) -> Option<(usize, Fragment<'_>)> {
        let index = self.starting_at_or_before(key).checked_sub(1)?;
        Some((index, self.fragment(index).filter(|fragment| key < fragment.end)?))
    }

    /// The newest tombstone at or before `at` that covers `key`.
    #[inline]
    pub(crate) fn covering(&self, key: &[u8], at: Sequence) -> Option<Sequence> {
        self.holding(key)?.1.newest_at(at)
    }

    /// The stretch of keys around `key` in which a reader at `at` sees the same deletion, or none.
    pub(crate) fn stretch(&self, key: &[u8], at: Sequence) -> Stretch<'_> {
        let after = self.starting_at_or_before(key);
        let next = self.fragment(after).map(|fragment| fragment.start);
        let Some(fragment) = after.checked_sub(1).and_then(|index| self.fragment(index)) else {
            return Stretch::Kept { start: &[], end: next };
        };
        if key >= fragment.end {
            return Stretch::Kept { start: fragment.end, end: next };
        }
        match fragment.newest_at(at) {
            Some(sequence) => Stretch::Deleted(Cover { start: fragment.start, end: fragment.end, sequence }),
            None => Stretch::Kept { start: fragment.start, end: Some(fragment.end) },
        }
    }

    /// A key up to which, from `key` on, a reader at `at` sees everything deleted: the end of the fragments that touch
    /// each other, or of the first of them when the reader does not see them all.
    pub(crate) fn reach(&self, key: &[u8], at: Sequence) -> Option<&[u8]> {
        let (index, fragment) = self.holding(key)?;
        fragment.newest_at(at)?;
        if at >= self.newest {
            let next_hull = self.hulls.partition_point(|first| *first as usize <= index);
            let last = self.hulls.get(next_hull).map_or(self.places.len(), |first| *first as usize);
            return self.fragment(last.saturating_sub(1)).map(|last| last.end);
        }
        let mut reached = fragment.end;
        for next in (index + 1..self.places.len()).take(WALK_MAX).map_while(|index| self.fragment(index)) {
            if next.start != reached || next.newest_at(at).is_none() {
                break;
            }
            reached = next.end;
        }
        Some(reached)
    }

    /// As [`reach`](Self::reach), the other way: a key from which up to `key` everything is deleted.
    pub(crate) fn reach_back(&self, key: &[u8], at: Sequence) -> Option<&[u8]> {
        let (index, fragment) = self.holding(key)?;
        fragment.newest_at(at)?;
        if at >= self.newest {
            let hull = self.hulls.partition_point(|first| *first as usize <= index).saturating_sub(1);
            return self.hulls.get(hull).and_then(|first| self.fragment(*first as usize)).map(|first| first.start);
        }
        let mut reached = fragment.start;
        for previous in (0..index).rev().take(WALK_MAX).map_while(|index| self.fragment(index)) {
            if previous.end != reached || previous.newest_at(at).is_none() {
                break;
            }
            reached = previous.start;
        }
        Some(reached)
    }

    /// Where the keys end that, from `from` on without a gap, are deleted at or before `at` by a commit newer than `than`;
    /// looked for up to `last` and no further. `None` when that is before `last` and before the end of the list.
    pub(crate) fn covered_from(&self, from: &[u8], last: &[u8], at: Sequence, than: Sequence) -> Option<&[u8]> {
        let (index, _) = self.holding(from).filter(|_| at > than && self.newest > than)?;
        // Without a look at the fragments between, when they do not even touch each other.
        if at >= self.newest {
            let reached = self.reach(from, at)?;
            if reached <= last && self.bounds().is_some_and(|(_, end)| reached < end) {
                return None;
            }
        }
        let mut reached = None;
        for fragment in (index..self.places.len()).filter_map(|index| self.fragment(index)) {
            let touches = reached.is_none_or(|reached| fragment.start <= reached);
            if !touches || fragment.newest_at(at).is_none_or(|newest| newest <= than) {
                return None;
            }
            reached = Some(fragment.end);
            if fragment.end > last {
                break;
            }
        }
        reached
    }

    /// Appends a fragment behind the last. One that touches it and has the same sequences becomes one with it.
    pub(crate) fn push(&mut self, fragment: Fragment<'_>) {
        let joins = self.places.len().checked_sub(1).and_then(|last| self.fragment(last)).is_some_and(|last| {
            debug_assert!(last.end <= fragment.start, "fragments come in order");
            last.end == fragment.start && last.sequences == fragment.sequences
        });
        if joins && let Some(last) = self.places.last_mut() {
            self.keys.truncate(last.middle);
            self.keys.extend_from_slice(fragment.end);
            last.end = self.keys.len();
            return;
        }
        self.push_apart(fragment);
    }

    /// As [`push`](Self::push), as a fragment of its own in any case.
    fn push_apart(&mut self, fragment: Fragment<'_>) {
        let last = self.places.len().checked_sub(1).and_then(|last| self.fragment(last));
        if last.is_none_or(|last| last.end != fragment.start) {
            self.hulls.push(self.places.len() as u32);
        }
        if let (Some(newest), Some(oldest)) = (fragment.sequences.first(), fragment.sequences.last()) {
            self.newest = self.newest.max(*newest);
            self.oldest = self.oldest.min(*oldest);
        }
        self.keys.extend_from_slice(fragment.start);
        let middle = self.keys.len();
        self.keys.extend_from_slice(fragment.end);
        self.sequences.extend_from_slice(fragment.sequences);
        self.places.push(Place { middle, end: self.keys.len(), sequences: self.sequences.len() });
    }

    /// What of this list lies in `start..end` (`None`: to the last key). Costs what it returns.
    pub(crate) fn clipped(&self, start: &[u8], end: Option<&[u8]>) -> Self {
        let mut clipped = Self::default();
        let from = self.ending_at_or_before(start);
        for fragment in (from..self.places.len()).filter_map(|index| self.fragment(index)) {
            if end.is_some_and(|end| fragment.start >= end) {
                break;
            }
            let end = end.map_or(fragment.end, |end| fragment.end.min(end));
            clipped.push(Fragment { start: fragment.start.max(start), end, ..fragment });
        }
        clipped
    }

    /// Appends the list's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.keys.len() + self.places.len() * 4);
        put_varint(out, self.places.len() as u64);
        for fragment in self.fragments() {
            put_bytes(out, fragment.start);
            put_bytes(out, fragment.end);
            put_varint(out, fragment.sequences.len() as u64);
            for sequence in fragment.sequences {
                put_varint(out, sequence.0);
            }
        }
    }

    /// The list in `bytes`, all of them; `None` when they are not a list we would have written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let count = reader.size()?;
        let mut list = Self::default();
        let mut sequences: Vec<Sequence> = Vec::new();
        let mut before: &[u8] = &[];
        for _ in 0..count {
            let (start, end) = (reader.bytes()?, reader.bytes()?);
            if start >= end || start < before {
                return None;
            }
            before = end;
            sequences.clear();
            for _ in 0..reader.size()? {
                let sequence = Sequence(reader.varint()?);
                if sequences.last().is_some_and(|before| *before <= sequence) {
                    return None;
                }
                sequences.push(sequence);
            }
            if sequences.is_empty() {
                return None;
            }
            list.push_apart(Fragment { start, end, sequences: &sequences });
        }
        list.shrink();
        reader.is_done().then_some(list)
    }

    /// This list with one more deleted range.
    #[cfg(test)]
    pub(crate) fn with(&self, start: &[u8], end: &[u8], sequence: Sequence) -> Self {
        let mut one = Self::default();
        if start < end {
            one.push(Fragment { start, end, sequences: &[sequence] });
        }
        Self::merged([self.clone(), one].map(Arc::new))
    }

    /// Gives back what growing took too much.
    pub(crate) fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.places.shrink_to_fit();
        self.sequences.shrink_to_fit();
        self.hulls.shrink_to_fit();
    }
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
