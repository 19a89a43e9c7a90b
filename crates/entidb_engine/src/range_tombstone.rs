//! Ranges of keys that were deleted at once.
//!
//! Always: fragments are sorted and never overlap, each lists the sequences that deleted it, newest first; a list never
//! changes once made. A tombstone at sequence S covers entries older than S, never those written at S itself.
//! Does not know: which entries exist.
//! Format: docs/spec/file-format.md, "Range tombstone block".

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::format::{Reader, Sequence, put_bytes, put_varint};

/// One stretch of keys and the commits that deleted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The first key of the stretch.
    pub(crate) start: Arc<[u8]>,
    /// The first key after the stretch.
    pub(crate) end: Arc<[u8]>,
    /// The commits that deleted it, newest first, never empty.
    pub(crate) sequences: Arc<[Sequence]>,
}

/// A stretch of keys seen deleted from one sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cover<'a> {
    /// The first key of the stretch.
    pub(crate) start: &'a Arc<[u8]>,
    /// The first key after the stretch.
    pub(crate) end: &'a Arc<[u8]>,
    /// The newest commit that deleted it, as far as the reader may see.
    pub(crate) sequence: Sequence,
}

impl Fragment {
    fn newest_at(&self, at: Sequence) -> Option<Sequence> {
        self.sequences.iter().copied().find(|sequence| *sequence <= at)
    }
}

/// An immutable list of deleted ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeTombstones {
    fragments: Vec<Fragment>,
}

impl RangeTombstones {
    /// True when nothing is deleted.
    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// How many fragments there are.
    pub(crate) fn fragment_count(&self) -> usize {
        self.fragments.len()
    }

    /// The fragments, in key order.
    pub(crate) fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    /// The oldest and the newest sequence of all, when there are any.
    pub(crate) fn sequence_range(&self) -> Option<(Sequence, Sequence)> {
        let all = || self.fragments.iter().flat_map(|fragment| fragment.sequences.iter().copied());
        Some((all().min()?, all().max()?))
    }

    /// A rough size in memory, for budgets.
    pub(crate) fn bytes(&self) -> usize {
        self.fragments
            .iter()
            .map(|fragment| 96 + fragment.start.len() + fragment.end.len() + fragment.sequences.len() * 8)
            .sum()
    }

    /// The newest tombstone at or before `at` that covers `key`.
    pub(crate) fn covering(&self, key: &[u8], at: Sequence) -> Option<Sequence> {
        self.cover(key, at).map(|cover| cover.sequence)
    }

    /// As [`covering`](Self::covering), with the stretch around the key that is deleted by the same commit.
    pub(crate) fn cover(&self, key: &[u8], at: Sequence) -> Option<Cover<'_>> {
        let after = self.fragments.partition_point(|fragment| &*fragment.start <= key);
        let fragment = self.fragments.get(after.checked_sub(1)?)?;
        if key >= &*fragment.end {
            return None;
        }
        let sequence = fragment.newest_at(at)?;
        Some(Cover { start: &fragment.start, end: &fragment.end, sequence })
    }

    /// The oldest tombstone over `key` that is newer than `sequence`.
    pub(crate) fn oldest_after(&self, key: &[u8], sequence: Sequence) -> Option<Sequence> {
        let after = self.fragments.partition_point(|fragment| &*fragment.start <= key);
        let fragment = self.fragments.get(after.checked_sub(1)?).filter(|fragment| key < &*fragment.end)?;
        fragment.sequences.iter().copied().take_while(|tombstone| *tombstone > sequence).last()
    }

    /// The newest sequence at or before `at` with which every key of `first..=last` is deleted, gaps forbidden.
    pub(crate) fn covering_all(&self, first: &[u8], last: &[u8], at: Sequence) -> Option<Sequence> {
        let after = self.fragments.partition_point(|fragment| &*fragment.start <= first);
        let from = after.checked_sub(1)?;
        let mut newest = Sequence::MAX;
        let mut reached: &[u8] = first;
        for fragment in self.fragments.get(from..)? {
            if &*fragment.start > reached {
                return None;
            }
            newest = newest.min(fragment.newest_at(at)?);
            reached = &fragment.end;
            if reached > last {
                return Some(newest);
            }
        }
        None
    }

    /// This list with one more deleted range. An empty range changes nothing.
    pub(crate) fn with(&self, start: &[u8], end: &[u8], sequence: Sequence) -> Self {
        if start >= end {
            return self.clone();
        }
        // Only what overlaps or touches the new range is fragmented again; the rest is copied by pointer.
        let from = self.fragments.partition_point(|fragment| &*fragment.end < start);
        let to = self.fragments.partition_point(|fragment| &*fragment.start <= end).max(from);
        let (before, rest) = self.fragments.split_at(from.min(self.fragments.len()));
        let (middle, after) = rest.split_at((to - from).min(rest.len()));
        let mut pieces: Vec<Fragment> = middle.to_vec();
        pieces.push(Fragment { start: start.into(), end: end.into(), sequences: [sequence].into() });
        let mut fragments = Vec::with_capacity(self.fragments.len() + 2);
        fragments.extend_from_slice(before);
        fragments.extend(fragmented(pieces));
        fragments.extend_from_slice(after);
        Self { fragments }
    }

    /// One list that deletes what any of `lists` deletes.
    pub(crate) fn merged<'a>(lists: impl IntoIterator<Item = &'a Self>) -> Self {
        let pieces: Vec<Fragment> = lists.into_iter().flat_map(|list| list.fragments.iter().cloned()).collect();
        Self { fragments: fragmented(pieces) }
    }

    /// What of this list lies in `start..end` (`None`: to the last key).
    pub(crate) fn clipped(&self, start: &[u8], end: Option<&[u8]>) -> Self {
        let mut fragments = Vec::new();
        for fragment in &self.fragments {
            let from = if &*fragment.start < start { Arc::from(start) } else { Arc::clone(&fragment.start) };
            let to = match end {
                Some(end) if end < &*fragment.end => Arc::from(end),
                _ => Arc::clone(&fragment.end),
            };
            if from < to {
                fragments.push(Fragment { start: from, end: to, sequences: Arc::clone(&fragment.sequences) });
            }
        }
        Self { fragments }
    }

    /// This list with every fragment that reaches over the end of a zone (the first byte of a key) cut there.
    pub(crate) fn cut_at_zones(&self) -> Self {
        let mut fragments = Vec::with_capacity(self.fragments.len());
        for fragment in &self.fragments {
            let mut rest = fragment.clone();
            while let Some(next) = rest.start.first().map_or(Some(1), |zone| zone.checked_add(1)) {
                if *rest.end <= [next][..] {
                    break;
                }
                let bound: Arc<[u8]> = [next].into();
                fragments.push(Fragment { end: Arc::clone(&bound), ..rest.clone() });
                rest.start = bound;
            }
            fragments.push(rest);
        }
        Self { fragments }
    }

    /// This list keeping of each fragment the sequences `keep` returns (newest first in, newest first out).
    pub(crate) fn retained<E>(
        &self,
        mut keep: impl FnMut(&Fragment) -> std::result::Result<Vec<Sequence>, E>,
    ) -> std::result::Result<Self, E> {
        let mut pieces = Vec::new();
        for fragment in &self.fragments {
            let sequences = keep(fragment)?;
            if !sequences.is_empty() {
                pieces.push(Fragment {
                    start: Arc::clone(&fragment.start),
                    end: Arc::clone(&fragment.end),
                    sequences: sequences.into(),
                });
            }
        }
        Ok(Self { fragments: joined(pieces) })
    }

    /// Appends the list's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.fragments.len() as u64);
        for fragment in &self.fragments {
            put_bytes(out, &fragment.start);
            put_bytes(out, &fragment.end);
            put_varint(out, fragment.sequences.len() as u64);
            for sequence in fragment.sequences.iter() {
                put_varint(out, sequence.0);
            }
        }
    }

    /// The list in `bytes`, all of them; `None` when they are not a list we would have written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let count = reader.size()?;
        let mut fragments: Vec<Fragment> = Vec::new();
        for _ in 0..count {
            let start = reader.bytes()?;
            let end = reader.bytes()?;
            let in_order = fragments.last().is_none_or(|before| &*before.end <= start);
            if start >= end || !in_order {
                return None;
            }
            let sequence_count = reader.size()?;
            let mut sequences: Vec<Sequence> = Vec::new();
            for _ in 0..sequence_count {
                let sequence = Sequence(reader.varint()?);
                if sequences.last().is_some_and(|before| *before <= sequence) {
                    return None;
                }
                sequences.push(sequence);
            }
            if sequences.is_empty() {
                return None;
            }
            fragments.push(Fragment { start: start.into(), end: end.into(), sequences: sequences.into() });
        }
        reader.is_done().then_some(Self { fragments })
    }
}

/// Cuts overlapping pieces at each other's ends, so that what comes out never overlaps.
fn fragmented(pieces: Vec<Fragment>) -> Vec<Fragment> {
    let mut bounds: Vec<Arc<[u8]>> = Vec::with_capacity(pieces.len() * 2);
    let mut starts = pieces;
    starts.sort_by(|a, b| a.start.cmp(&b.start));
    for piece in &starts {
        bounds.push(Arc::clone(&piece.start));
        bounds.push(Arc::clone(&piece.end));
    }
    bounds.sort();
    bounds.dedup();
    let mut ends: Vec<&Fragment> = starts.iter().collect();
    ends.sort_by(|a, b| a.end.cmp(&b.end));
    let mut open: BTreeMap<Reverse<Sequence>, usize> = BTreeMap::new();
    let mut out: Vec<Fragment> = Vec::new();
    let mut starting = starts.iter().peekable();
    let mut ending = ends.into_iter().peekable();
    for (bound, next) in bounds.iter().zip(bounds.iter().skip(1)) {
        while let Some(piece) = ending.next_if(|piece| piece.end <= *bound) {
            for sequence in piece.sequences.iter() {
                if let Some(count) = open.get_mut(&Reverse(*sequence)) {
                    *count -= 1;
                    if *count == 0 {
                        open.remove(&Reverse(*sequence));
                    }
                }
            }
        }
        while let Some(piece) = starting.next_if(|piece| piece.start <= *bound) {
            for sequence in piece.sequences.iter() {
                *open.entry(Reverse(*sequence)).or_insert(0) += 1;
            }
        }
        if !open.is_empty() {
            let sequences = open.keys().map(|Reverse(sequence)| *sequence).collect();
            out.push(Fragment { start: Arc::clone(bound), end: Arc::clone(next), sequences });
        }
    }
    joined(out)
}

/// Joins neighbours deleted by the same commits.
fn joined(fragments: Vec<Fragment>) -> Vec<Fragment> {
    let mut out: Vec<Fragment> = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        match out.last_mut() {
            Some(last) if last.end == fragment.start && last.sequences == fragment.sequences => last.end = fragment.end,
            _ => out.push(fragment),
        }
    }
    out
}

#[cfg(test)]
#[path = "range_tombstone_tests.rs"]
mod tests;
