//! One run: segments that are sorted and do not overlap, so a key is in one of them at most.
//!
//! Always: finding the segment of a key touches one array of numbers, not the segments.
//! Does not know: other runs.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::BadEdit;
use crate::error::Result;
use crate::format::FileNumber;
use crate::iterator::Span;
use crate::range_tombstone::RangeTombstones;
use crate::segment::{Fences, Segment};

/// Segments that are sorted and do not overlap.
#[derive(Debug)]
pub(crate) struct Run {
    number: u64,
    segments: Vec<Arc<Segment>>,
    starts: Fences,
    checked: bool,
    tombstones: OnceLock<Arc<RangeTombstones>>,
}

impl Run {
    /// A run without segments.
    pub(super) fn new(number: u64) -> Self {
        Self { number, segments: Vec::new(), starts: Fences::default(), checked: false, tombstones: OnceLock::new() }
    }

    /// A run of these segments, in any order.
    ///
    /// # Errors
    /// `BadEdit` when they overlap.
    pub(crate) fn of(number: u64, mut segments: Vec<Arc<Segment>>) -> std::result::Result<Arc<Self>, BadEdit> {
        segments.sort_by(|a, b| a.meta().smallest.cmp(&b.meta().smallest));
        Self::checked(&Arc::new(Self { segments, ..Self::new(number) }))
    }

    /// The run with another segment; not to be read before it is `checked`.
    pub(super) fn with(&self, segment: Arc<Segment>) -> Self {
        let mut segments = self.segments.clone();
        let place = segments.partition_point(|other| other.meta().smallest <= segment.meta().smallest);
        segments.insert(place, segment);
        Self { segments, ..Self::new(self.number) }
    }

    /// The run without a segment; not to be read before it is `checked`.
    pub(super) fn without(&self, number: FileNumber) -> Self {
        let segments = self.segments.iter().filter(|segment| segment.meta().number != number).cloned().collect();
        Self { segments, ..Self::new(self.number) }
    }

    /// The run made ready for reading.
    ///
    /// # Errors
    /// `BadEdit` when segments overlap.
    pub(super) fn checked(run: &Arc<Self>) -> std::result::Result<Arc<Self>, BadEdit> {
        if run.checked {
            return Ok(Arc::clone(run));
        }
        for (one, next) in run.segments.iter().zip(run.segments.iter().skip(1)) {
            if !one.meta().is_before(&next.meta().smallest) {
                let (one, next) = (one.meta(), next.meta());
                let detail = format!("segments {} and {} of level {} overlap", one.number, next.number, one.level);
                return Err(BadEdit(detail));
            }
        }
        let starts: Vec<&[u8]> = run.segments.iter().map(|segment| &*segment.meta().smallest).collect();
        let starts = Fences::new(&starts).ok_or_else(|| BadEdit("the keys of a run are out of order".to_owned()))?;
        let segments = run.segments.clone();
        Ok(Arc::new(Self { segments, starts, checked: true, ..Self::new(run.number) }))
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

    /// True when something may be in `start..end`.
    pub(crate) fn overlaps(&self, start: &[u8], end: &[u8]) -> bool {
        self.not_before(start) < self.beginning_before(end)
    }

    /// The segments that may hold something of `first..=last`.
    pub(crate) fn touching(&self, first: &[u8], last: &[u8]) -> &[Arc<Segment>] {
        let start = self.not_before(first);
        self.segments.get(start..self.beginning_at_or_before(last).max(start)).unwrap_or_default()
    }

    /// The range tombstones of all segments.
    ///
    /// # Errors
    /// As opening a segment that has some.
    pub(crate) fn range_tombstones(&self) -> Result<&Arc<RangeTombstones>> {
        if let Some(tombstones) = self.tombstones.get() {
            return Ok(tombstones);
        }
        let mut lists = Vec::new();
        for segment in &self.segments {
            let list = segment.range_tombstones()?;
            if !list.is_empty() {
                lists.push(Arc::clone(list));
            }
        }
        let merged = match lists.as_slice() {
            [] => Arc::default(),
            [only] => Arc::clone(only),
            _ => Arc::new(RangeTombstones::merged(lists.iter().map(AsRef::as_ref))),
        };
        Ok(self.tombstones.get_or_init(|| merged))
    }
}
