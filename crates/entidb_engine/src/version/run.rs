//! One run: segments that are sorted and do not overlap, so a key is in one of them at most.
//!
//! Always: finding the segment of a key touches one array of numbers, not the segments.
//! Does not know: other runs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::builder::overlapping;
use super::{BadEdit, SegmentMeta};
use crate::error::Result;
use crate::format::{FileNumber, Sequence};
use crate::iterator::{Span, just_after};
use crate::range_tombstone::RangeTombstones;
use crate::segment::{Fences, Segment};

/// Segments that are sorted and do not overlap.
#[derive(Debug)]
pub(crate) struct Run {
    number: u64,
    segments: Vec<Arc<Segment>>,
    starts: Fences,
    /// The numbers of the segments, in the same order, so that looking for one touches no segment.
    numbers: Vec<FileNumber>,
    totals: Totals,
    /// Places of segments with deletions or many older versions, which cleaning looks at.
    stale: Vec<usize>,
}

/// Sums over the segments of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    /// Bytes of the files.
    pub(crate) bytes: u64,
    /// Fragments of range tombstones.
    pub(crate) fragments: u64,
    /// Entries.
    pub(crate) entries: u64,
    /// Deletions, and all but the newest version of a key in its segment.
    pub(crate) stale: u64,
}

impl Run {
    /// A run of these segments, in any order.
    ///
    /// # Errors
    /// `BadEdit` when they overlap.
    pub(crate) fn of(number: u64, mut segments: Vec<Arc<Segment>>) -> std::result::Result<Arc<Self>, BadEdit> {
        segments.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
        Self::sorted(number, segments)
    }

    /// A run of these segments, in the order of their keys.
    ///
    /// # Errors
    /// `BadEdit` when they overlap.
    pub(super) fn sorted(number: u64, segments: Vec<Arc<Segment>>) -> std::result::Result<Arc<Self>, BadEdit> {
        let mut starts: Vec<&[u8]> = Vec::with_capacity(segments.len());
        let mut numbers = Vec::with_capacity(segments.len());
        let (mut totals, mut stale) = (Totals::default(), Vec::new());
        let mut before: Option<&SegmentMeta> = None;
        for (place, segment) in segments.iter().enumerate() {
            let meta = segment.meta();
            if let Some(before) = before.filter(|before| !before.is_before(&meta.smallest)) {
                return Err(overlapping(before, meta));
            }
            before = Some(meta);
            starts.push(&meta.smallest);
            numbers.push(meta.number);
            totals.bytes = totals.bytes.saturating_add(meta.bytes);
            totals.fragments = totals.fragments.saturating_add(u64::from(meta.fragment_count));
            totals.entries = totals.entries.saturating_add(meta.entry_count);
            totals.stale = totals.stale.saturating_add(meta.stale_count);
            if meta.fragment_count > 0 || meta.is_worth_cleaning() {
                stale.push(place);
            }
        }
        let starts = Fences::new(&starts).ok_or_else(|| BadEdit("the keys of a run are out of order".to_owned()))?;
        Ok(Arc::new(Self { number, segments, starts, numbers, totals, stale }))
    }

    /// This run with these in the place of the segments that have their numbers, and are the same otherwise.
    pub(super) fn with(&self, others: &BTreeMap<FileNumber, Arc<Segment>>) -> Arc<Self> {
        let one = |(segment, number)| Arc::clone(others.get(number).unwrap_or(segment));
        Arc::new(Self {
            number: self.number,
            segments: self.segments.iter().zip(&self.numbers).map(one).collect(),
            starts: self.starts.clone(),
            numbers: self.numbers.clone(),
            totals: self.totals,
            stale: self.stale.clone(),
        })
    }

    /// The numbers of the segments, in key order.
    pub(super) fn numbers(&self) -> &[FileNumber] {
        &self.numbers
    }

    /// Sums over all segments.
    pub(crate) const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The segments with range tombstones, deletions or many older versions, in key order.
    pub(crate) fn stale(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.stale.iter().filter_map(|place| self.segments.get(*place))
    }

    /// The number of the run; a larger one holds newer data.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The segments, in key order.
    pub(crate) fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The segment that may hold `key`.
    #[inline]
    pub(crate) fn holding(&self, key: &[u8]) -> Option<&Arc<Segment>> {
        let segment = self.segments.get(self.beginning_at_or_before(key).checked_sub(1)?)?;
        (!segment.meta().is_before(key)).then_some(segment)
    }

    /// As [`holding`](Self::holding), for one key after the other: `near` is where the one before was, and then where this
    /// one is. Keys that are read together are often in one segment, which is found by two comparisons then.
    #[inline]
    pub(crate) fn holding_near(&self, key: &[u8], near: &mut usize) -> Option<&Arc<Segment>> {
        *near = match self.segments.as_slice() {
            [_] => self.beginning_at_or_before(key),
            _ => self.starts.not_above_near(key, *near),
        };
        let segment = self.segments.get(near.checked_sub(1)?)?;
        (!segment.meta().is_before(key)).then_some(segment)
    }

    /// How many segments begin at `key` or before it.
    #[inline]
    fn beginning_at_or_before(&self, key: &[u8]) -> usize {
        match self.segments.as_slice() {
            [only] => usize::from(&*only.meta().smallest <= key),
            _ => self.starts.not_above(key),
        }
    }

    /// How many segments begin before `key`.
    pub(crate) fn beginning_before(&self, key: &[u8]) -> usize {
        self.starts.below(key)
    }

    /// The number of the first segment that may hold `key` or a later one.
    pub(crate) fn not_before(&self, key: &[u8]) -> usize {
        let after = self.beginning_at_or_before(key);
        let Some(number) = after.checked_sub(1) else { return 0 };
        let ends_before = self.segments.get(number).is_some_and(|segment| segment.meta().is_before(key));
        if ends_before { after } else { number }
    }

    /// The numbers of the segments that overlap `span`.
    pub(crate) fn overlapping(&self, span: &Span) -> Range<usize> {
        let start = self.not_before(span.start());
        let end = span.end().map_or(self.segments.len(), |end| self.beginning_before(end));
        start..end.max(start)
    }

    /// The segments that may hold something of `first..=last`.
    pub(crate) fn touching(&self, first: &[u8], last: &[u8]) -> &[Arc<Segment>] {
        let start = self.not_before(first);
        self.segments.get(start..self.beginning_at_or_before(last).max(start)).unwrap_or_default()
    }

    /// The range tombstones of the segments that have some, in key order; a segment is opened when it is its turn.
    pub(crate) fn range_tombstones(
        self: &Arc<Self>,
    ) -> impl Iterator<Item = Result<Arc<RangeTombstones>>> + Send + use<> {
        let (run, mut place) = (Arc::clone(self), 0);
        std::iter::from_fn(move || {
            loop {
                let segment = run.segments.get(*run.stale.get(place)?)?;
                place += 1;
                if segment.meta().fragment_count > 0 {
                    return Some(segment.range_tombstones().cloned());
                }
            }
        })
    }

    /// True when every key of `first..=last` is deleted by range tombstones of this run, at or before `at` and by a commit
    /// newer than `than`.
    ///
    /// # Errors
    /// As opening a segment that has some.
    pub(crate) fn covers_all(&self, first: &[u8], last: &[u8], at: Sequence, than: Sequence) -> Result<bool> {
        let mut reached = first.to_vec();
        for segment in self.touching(first, last) {
            if segment.meta().fragment_count == 0 {
                return Ok(false);
            }
            match segment.range_tombstones()?.covered_from(&reached, last, at, than) {
                Some(end) if end > last => return Ok(true),
                Some(end) => end.clone_into(&mut reached),
                None => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The first key after segment `number`.
    pub(crate) fn end_of(&self, number: usize) -> Option<Vec<u8>> {
        let meta = self.segments.get(number)?.meta();
        Some(if meta.largest_is_excluded { meta.largest.to_vec() } else { just_after(&meta.largest) })
    }
}
