//! The segments a rewrite makes: where one ends and the next begins, and which range tombstones each carries.
//!
//! Always: a segment stays in one zone and all versions of a key stay in one segment. Every kept tombstone is in the
//! outputs exactly once, cut at their bounds; zones with tombstones alone get a segment of them.
//! Does not know: which entries are kept.

use std::sync::Arc;

use super::fold::Sink;
use super::piece::Piece;
use crate::error::Result;
use crate::format::{EntryKind, FileKind, FileNumber, Sequence};
use crate::options::ZonePolicies;
use crate::planted::{Mistake, makes};
use crate::range_tombstone::RangeTombstones;
use crate::segment::{SegmentContext, SegmentWriter};
use crate::version::{Run, SegmentMeta};

/// Segments of the level after the next that one output may overlap, so that compacting it later stays small.
const GRANDPARENTS_MAX: usize = 10;

/// Gives out numbers for new files, none of them twice.
pub(crate) type Allocate<'a> = &'a dyn Fn() -> FileNumber;

/// Where a rewrite puts its segments and how large they get.
#[derive(Debug, Clone)]
pub(crate) struct OutputTarget {
    /// The level.
    pub(crate) level: u8,
    /// The run of that level.
    pub(crate) run: u64,
    /// The size at which a segment ends.
    pub(crate) segment_bytes: u64,
    /// How much is written before the rewrite ends, between two keys, and leaves the rest of its sources as they are.
    pub(crate) bytes_max: u64,
    /// How the entries of each zone are stored.
    pub(crate) zones: ZonePolicies,
}

/// The segments being made.
pub(super) struct Output {
    context: Arc<SegmentContext>,
    target: OutputTarget,
    /// The range tombstones to be carried on.
    tombstones: RangeTombstones,
    /// Tombstones before this key are in outputs already; `None` when all are.
    covered_to: Option<Vec<u8>>,
    writer: Option<SegmentWriter>,
    /// Files begun and not given to the caller; they go when the rewrite fails.
    begun: Vec<FileNumber>,
    /// Segments that are sealed, and their bytes.
    sealed: Vec<SegmentMeta>,
    sealed_bytes: u64,
    grandparents: Option<Arc<Run>>,
    grandparents_before: usize,
}

impl Output {
    pub(super) fn new(context: Arc<SegmentContext>, target: OutputTarget, grandparents: Option<Arc<Run>>) -> Self {
        Self {
            context,
            target,
            tombstones: RangeTombstones::default(),
            covered_to: Some(vec![0]),
            writer: None,
            begun: Vec::new(),
            sealed: Vec::new(),
            sealed_bytes: 0,
            grandparents,
            grandparents_before: 0,
        }
    }

    /// Gives the outputs the range tombstones to carry on. Comes before the first entry.
    pub(super) fn set_tombstones(&mut self, tombstones: RangeTombstones) {
        self.tombstones = tombstones;
    }

    /// A sink that takes numbers for new files from `allocate`, and counts what it takes in `piece`.
    pub(super) fn sink<'a, 'p>(&'a mut self, allocate: Allocate<'a>, piece: &'a mut Piece<'p>) -> OutputSink<'a, 'p> {
        OutputSink { output: self, allocate, piece }
    }

    fn keep(
        &mut self,
        allocate: Allocate<'_>,
        key: &[u8],
        sequence: Sequence,
        kind: EntryKind,
        value: &[u8],
    ) -> Result<()> {
        let ends = self.writer.as_ref().is_some_and(|writer| self.ends_before(writer, key));
        if ends || self.writer.is_none() {
            self.seal_up_to(allocate, Some(key))?;
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let number = allocate();
                self.begun.push(number);
                let policy = self.target.zones.policy(zone_of(key));
                none.insert(SegmentWriter::create(&self.context, number, policy)?)
            }
        };
        writer.add(key, sequence, kind, value)
    }

    fn ends_before(&self, writer: &SegmentWriter, key: &[u8]) -> bool {
        let Some(last) = writer.last_key().filter(|last| *last != key) else { return false };
        if zone_of(last) != zone_of(key) || writer.bytes() >= self.target.segment_bytes || writer.is_full() {
            return true;
        }
        self.grandparents.as_ref().is_some_and(|run| {
            run.beginning_before(key).saturating_sub(self.grandparents_before) > GRANDPARENTS_MAX
                && writer.bytes() >= self.target.segment_bytes / 8
        })
    }

    /// Seals the present segment, with the tombstones up to `key` (`None`: all), and segments of the tombstones alone in
    /// zones that come before the key's.
    fn seal_up_to(&mut self, allocate: Allocate<'_>, key: Option<&[u8]>) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            let zone = writer.last_key().map_or(0, zone_of);
            self.seal(writer, zone, key)?;
        }
        while let Some(start) = self.next_tombstone() {
            let zone = zone_of(&start);
            if key.is_some_and(|key| key <= start.as_slice() || zone_of(key) == zone) {
                break;
            }
            self.seal_tombstones(allocate, zone, key)?;
        }
        if let (Some(key), Some(run)) = (key, &self.grandparents) {
            self.grandparents_before = run.beginning_before(key);
        }
        Ok(())
    }

    /// Makes a segment of the zone's tombstones alone, up to `key` (`None`: all).
    fn seal_tombstones(&mut self, allocate: Allocate<'_>, zone: u8, key: Option<&[u8]>) -> Result<()> {
        let number = allocate();
        self.begun.push(number);
        let writer = SegmentWriter::create(&self.context, number, self.target.zones.policy(zone))?;
        self.seal(writer, zone, key)
    }

    fn seal(&mut self, mut writer: SegmentWriter, zone: u8, key: Option<&[u8]>) -> Result<()> {
        let zone_end = zone.checked_add(1).map(|next| vec![next]);
        let end = match (key, zone_end) {
            (Some(key), Some(end)) if key < end.as_slice() => Some(key.to_vec()),
            (Some(key), None) => Some(key.to_vec()),
            (_, end) => end,
        };
        if let Some(start) = &self.covered_to {
            writer.set_tombstones(self.tombstones.clipped(start, end.as_deref()));
        }
        self.covered_to = end;
        let sealed = writer.finish(self.target.level, self.target.run)?;
        self.sealed_bytes = self.sealed_bytes.saturating_add(sealed.bytes);
        self.sealed.push(sealed);
        Ok(())
    }

    /// True when the rewrite is to end before the next key.
    pub(super) fn is_full(&self) -> bool {
        let writing = self.writer.as_ref().map_or(0, SegmentWriter::bytes);
        self.sealed_bytes.saturating_add(writing) >= self.target.bytes_max
    }

    /// The first key that is deleted by a tombstone not yet in an output.
    fn next_tombstone(&self) -> Option<Vec<u8>> {
        let from = self.covered_to.as_ref()?;
        let fragment = self.tombstones.fragment(self.tombstones.ending_at_or_before(from))?;
        Some(fragment.start.max(from).to_vec())
    }

    /// Seals what is left and makes the names of all outputs durable.
    pub(super) fn finish(&mut self, allocate: Allocate<'_>) -> Result<Vec<SegmentMeta>> {
        self.seal_up_to(allocate, None)?;
        self.flush_names()
    }

    /// Seals all that lies before `key`, and no more.
    pub(super) fn finish_before(&mut self, allocate: Allocate<'_>, key: &[u8]) -> Result<Vec<SegmentMeta>> {
        self.seal_up_to(allocate, Some(key))?;
        // Of the key's own zone these would have gone into the segment that its next entry begins.
        if let Some(start) = self.next_tombstone().filter(|start| start.as_slice() < key) {
            self.seal_tombstones(allocate, zone_of(&start), Some(key))?;
        }
        self.flush_names()
    }

    fn flush_names(&mut self) -> Result<Vec<SegmentMeta>> {
        if !self.sealed.is_empty() && !makes(Mistake::SegmentNamesNotFlushed) {
            self.context.directory.flush_names(FileKind::Segment.folder())?;
        }
        Ok(std::mem::take(&mut self.sealed))
    }

    /// Leaves the files to the caller.
    pub(super) fn release(&mut self) {
        self.begun.clear();
    }

    /// Removes what was begun, as far as the storage lets us; what it does not is an orphan for the next open.
    pub(super) fn discard(&mut self) {
        self.writer = None;
        for number in self.begun.drain(..) {
            let _ = self.context.directory.remove(&FileKind::Segment.path(number));
        }
    }
}

/// An [`Output`] with a source of file numbers.
pub(super) struct OutputSink<'a, 'p> {
    output: &'a mut Output,
    allocate: Allocate<'a>,
    piece: &'a mut Piece<'p>,
}

impl Sink for OutputSink<'_, '_> {
    fn keep(&mut self, key: &[u8], sequence: Sequence, kind: EntryKind, value: &[u8]) -> Result<()> {
        self.piece.spend(key, value);
        self.output.keep(self.allocate, key, sequence, kind, value)
    }
}

/// The zone of a key: its first byte.
pub(super) fn zone_of(key: &[u8]) -> u8 {
    key.first().copied().unwrap_or(0)
}
