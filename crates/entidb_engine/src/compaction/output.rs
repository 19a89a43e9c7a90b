//! The segments a rewrite makes: where one ends and the next begins, and which range tombstones each carries.
//!
//! Always: a segment stays in one zone and all versions of a key stay in one segment. Every kept tombstone is in the
//! outputs exactly once, cut at their bounds; where tombstones alone are many, or a zone has nothing else, they get
//! segments of their own.
//! Does not know: which entries and tombstones are kept.

use std::sync::Arc;

use super::fold::Sink;
use super::piece::Piece;
use super::tombstones::TombstoneSink;
use crate::error::Result;
use crate::format::{EntryKind, FileKind, FileNumber, Sequence};
use crate::options::ZonePolicies;
use crate::planted::{Mistake, makes};
use crate::range_tombstone::{Fragment, RangeTombstones};
use crate::segment::{SegmentContext, SegmentWriter};
use crate::space::no_space;
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
    /// Range tombstones that are not in a segment yet. They come in key order, each before the first entry in it.
    tombstones: RangeTombstones,
    writer: Option<SegmentWriter>,
    /// Files begun and not given to the caller; they go when the rewrite fails.
    begun: Vec<FileNumber>,
    /// Segments that are sealed, and their bytes.
    sealed: Vec<SegmentMeta>,
    sealed_bytes: u64,
    /// There is no room for more than this.
    room: u64,
    grandparents: Option<Arc<Run>>,
    grandparents_before: usize,
}

impl Output {
    pub(super) fn new(context: Arc<SegmentContext>, target: OutputTarget, grandparents: Option<Arc<Run>>) -> Self {
        Self {
            context,
            target,
            tombstones: RangeTombstones::default(),
            writer: None,
            begun: Vec::new(),
            sealed: Vec::new(),
            sealed_bytes: 0,
            room: u64::MAX,
            grandparents,
            grandparents_before: 0,
        }
    }

    /// A sink that takes numbers for new files from `allocate`, and counts what it takes in `piece`.
    pub(super) fn sink<'a, 'p>(&'a mut self, allocate: Allocate<'a>, piece: &'a mut Piece<'p>) -> OutputSink<'a, 'p> {
        OutputSink { output: self, allocate, piece }
    }

    /// A sink for range tombstones.
    pub(super) fn tombstone_sink<'a>(&'a mut self, allocate: Allocate<'a>) -> OutputTombstoneSink<'a> {
        OutputTombstoneSink { output: self, allocate }
    }

    /// Takes a range tombstone, when all entries before it are there and none in it is.
    fn keep_tombstone(&mut self, allocate: Allocate<'_>, fragment: Fragment<'_>) -> Result<()> {
        let bytes = self.tombstones.bytes() as u64;
        if bytes >= self.target.segment_bytes {
            self.seal_before(allocate, fragment.start)?;
        }
        self.tombstones.push(fragment);
        Ok(())
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
            self.seal_before(allocate, key)?;
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
        writer.add(key, sequence, kind, value)?;
        if self.is_over() { Err(no_space(FileKind::Segment.folder())) } else { Ok(()) }
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

    /// Seals the present segment with the tombstones before `key`. Those in zones that come before that of the key get
    /// segments of their own, and so do those right before the key when there is no present segment and they are many.
    fn seal_before(&mut self, allocate: Allocate<'_>, key: &[u8]) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.seal(writer, Some(key))?;
        }
        while let Some((first, _)) = self.tombstones.bounds().filter(|(first, _)| *first < key) {
            let is_few = (self.tombstones.bytes() as u64) < self.target.segment_bytes;
            if is_few && zone_of(first) == zone_of(key) {
                break;
            }
            let writer = self.begin(allocate, zone_of(first))?;
            self.seal(writer, Some(key))?;
        }
        if let Some(run) = &self.grandparents {
            self.grandparents_before = run.beginning_before(key);
        }
        Ok(())
    }

    fn begin(&mut self, allocate: Allocate<'_>, zone: u8) -> Result<SegmentWriter> {
        let number = allocate();
        self.begun.push(number);
        SegmentWriter::create(&self.context, number, self.target.zones.policy(zone))
    }

    /// Seals a segment with the tombstones of its zone that lie before `key` (`None`: all).
    fn seal(&mut self, mut writer: SegmentWriter, key: Option<&[u8]>) -> Result<()> {
        let zone = writer.last_key().map(zone_of).or_else(|| self.tombstones.bounds().map(|(first, _)| zone_of(first)));
        let zone_end = zone.and_then(|zone| zone.checked_add(1)).map(|next| [next]);
        let zone_end = zone_end.as_ref().map(<[u8; 1]>::as_slice);
        let end = [key, zone_end].into_iter().flatten().min();
        writer.set_tombstones(self.tombstones.clipped(&[], end));
        self.tombstones = end.map_or_else(RangeTombstones::default, |end| self.tombstones.clipped(end, None));
        let sealed = writer.finish(self.target.level, self.target.run)?;
        self.sealed_bytes = self.sealed_bytes.saturating_add(sealed.bytes);
        self.sealed.push(sealed);
        Ok(())
    }

    /// Lets the rewrite end once this much is written, if it was to write more.
    pub(super) fn end_at(&mut self, bytes: u64) {
        self.target.bytes_max = self.target.bytes_max.min(bytes);
    }

    /// Fails the rewrite before it takes more room than this.
    pub(super) fn limit(&mut self, room: u64) {
        self.room = room;
    }

    /// True when it has taken more room than there is for it.
    pub(super) fn is_over(&self) -> bool {
        self.written_bytes() > self.room
    }

    /// Bytes of the segments so far.
    pub(super) fn written_bytes(&self) -> u64 {
        self.sealed_bytes.saturating_add(self.writer.as_ref().map_or(0, SegmentWriter::bytes))
    }

    /// True when the rewrite is to end before the next key. Only what is written counts, so that each rewrite makes progress.
    pub(super) fn is_full(&self) -> bool {
        self.written_bytes() >= self.target.bytes_max
    }

    /// Seals what is left and makes the names of all outputs durable.
    pub(super) fn finish(&mut self, allocate: Allocate<'_>) -> Result<Vec<SegmentMeta>> {
        if let Some(writer) = self.writer.take() {
            self.seal(writer, None)?;
        }
        while let Some((first, _)) = self.tombstones.bounds() {
            let writer = self.begin(allocate, zone_of(first))?;
            self.seal(writer, None)?;
        }
        self.flush_names()
    }

    /// Seals all that lies before `key`, and no more.
    pub(super) fn finish_before(&mut self, allocate: Allocate<'_>, key: &[u8]) -> Result<Vec<SegmentMeta>> {
        self.seal_before(allocate, key)?;
        // Of the key's own zone these would have gone into the segment that its next entry begins.
        if let Some((first, _)) = self.tombstones.bounds().filter(|(first, _)| *first < key) {
            let writer = self.begin(allocate, zone_of(first))?;
            self.seal(writer, Some(key))?;
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

/// An [`Output`] that takes range tombstones.
pub(super) struct OutputTombstoneSink<'a> {
    output: &'a mut Output,
    allocate: Allocate<'a>,
}

impl TombstoneSink for OutputTombstoneSink<'_> {
    fn keep_tombstone(&mut self, fragment: Fragment<'_>) -> Result<()> {
        self.output.keep_tombstone(self.allocate, fragment)
    }
}

/// The zone of a key: its first byte.
pub(super) fn zone_of(key: &[u8]) -> u8 {
    key.first().copied().unwrap_or(0)
}
