//! Merges sources into new segments, in pieces.
//!
//! Always: what any live or later snapshot reads is the same before and after, but for what has expired. A rewrite that fails or is dropped
//! leaves the version as it was and removes the files it began. One that ends early, because it has written what it may,
//! is whole up to a key: sources that end before it go, and those that reach over it begin there from then on.
//! Does not know: why these sources were chosen (`plan`), or how the result is installed.

use std::sync::Arc;

use super::fold::KeyFold;
use super::live::LiveSnapshots;
use super::older::Older;
use super::output::{Allocate, Output, OutputTarget, zone_of};
use super::piece::Piece;
use super::tombstones::Tombstones;
use crate::error::Result;
use crate::iterator::{EntryCursor, Merge};
use crate::range_tombstone::{RangeTombstones, Sweep};
use crate::segment::{RunCursor, Segment, SegmentContext};
use crate::version::{Run, SegmentMeta, Version, VersionEdit};

/// What a rewrite did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RewriteStats {
    /// Segments read.
    pub(crate) segments_in: u64,
    /// Segments written.
    pub(crate) segments_out: u64,
    /// Bytes of the segments read.
    pub(crate) bytes_in: u64,
    /// Bytes of the segments written.
    pub(crate) bytes_out: u64,
    /// Entries read.
    pub(crate) entries_in: u64,
    /// Entries written.
    pub(crate) entries_out: u64,
    /// Versions that nobody could read any more.
    pub(crate) versions_removed: u64,
    /// Deletions under which nothing was left.
    pub(crate) deletes_removed: u64,
    /// Entries that had expired.
    pub(crate) entries_expired: u64,
    /// Fragments of range tombstones that were not carried on.
    pub(crate) fragments_removed: u64,
}

/// A rewrite under way.
pub(crate) struct Rewrite {
    merge: Merge<Box<dyn EntryCursor>>,
    live: LiveSnapshots,
    tombstones: Tombstones,
    /// Runs that hold older data than the sources.
    older: Older,
    output: Output,
    inputs: Vec<Arc<Run>>,
    key: Vec<u8>,
    fold: KeyFold,
    stats: RewriteStats,
    started: bool,
    /// The key before which it ended, when it ended early.
    reached: Option<Vec<u8>>,
    /// It failed because it would have taken more room than it may.
    is_over: bool,
    result: Option<VersionEdit>,
}

/// One source of a rewrite.
pub(crate) struct RewriteSource {
    /// Its entries.
    pub(crate) cursor: Box<dyn EntryCursor>,
    /// Its range tombstones, as lists in key order that do not overlap.
    pub(crate) tombstones: Box<dyn Iterator<Item = Result<Arc<RangeTombstones>>> + Send>,
}

impl RewriteSource {
    /// A source with one list of range tombstones.
    pub(crate) fn new(cursor: Box<dyn EntryCursor>, tombstones: RangeTombstones) -> Self {
        Self { cursor, tombstones: Box::new(std::iter::once(Ok(Arc::new(tombstones)))) }
    }
}

impl Rewrite {
    /// Writes memtables to level 0 of `version`. The memtables must be all that is newer than the version up to the
    /// newest of them; `target.run` is the newest sequence in them.
    pub(crate) fn flush(
        version: &Version,
        sources: Vec<RewriteSource>,
        live: LiveSnapshots,
        target: OutputTarget,
    ) -> Self {
        let older = version.levels().iter().flat_map(|level| level.runs.iter().cloned()).collect();
        Self::new(Arc::clone(version.context()), sources, live, older, target, None)
    }

    /// Merges runs of segments of `version`, newest first, into `target.level`. Everything older than them that has
    /// keys in common with them must be among them or in a deeper level.
    pub(crate) fn merge(version: &Version, inputs: &[Arc<Run>], live: LiveSnapshots, target: OutputTarget) -> Self {
        let mut sources = Vec::with_capacity(inputs.len());
        for run in inputs {
            let cursor = Box::new(RunCursor::passing_by(Arc::clone(run)));
            sources.push(RewriteSource { cursor, tombstones: Box::new(run.range_tombstones()) });
        }
        let below = usize::from(target.level) + 1;
        let levels = version.levels().get(below..).unwrap_or_default();
        let older = levels.iter().flat_map(|level| level.runs.iter().cloned()).collect();
        let grandparents = version.levels().get(below).and_then(|level| level.runs.first()).cloned();
        let context = Arc::clone(version.context());
        let mut rewrite = Self::new(context, sources, live, older, target, grandparents);
        rewrite.inputs = inputs.to_vec();
        rewrite
    }

    fn new(
        context: Arc<SegmentContext>,
        sources: Vec<RewriteSource>,
        live: LiveSnapshots,
        older: Vec<Arc<Run>>,
        target: OutputTarget,
        grandparents: Option<Arc<Run>>,
    ) -> Self {
        let output = Output::new(context, target, grandparents);
        let (cursors, tombstones): (Vec<_>, Vec<_>) =
            sources.into_iter().map(|source| (source.cursor, source.tombstones)).unzip();
        Self {
            merge: Merge::new(cursors),
            live,
            tombstones: Tombstones::new(Sweep::new(tombstones)),
            older: Older::new(older),
            output,
            inputs: Vec::new(),
            key: Vec::new(),
            fold: KeyFold::default(),
            stats: RewriteStats::default(),
            started: false,
            reached: None,
            is_over: false,
            result: None,
        }
    }

    /// Lets it end before the next key, once it has written this much.
    pub(crate) fn make_way(&mut self, bytes: u64) {
        self.output.end_at(bytes);
    }

    /// Fails, as on a full disk, before it has written more than this.
    pub(crate) fn limit(&mut self, room: u64) {
        self.output.limit(room);
    }

    /// Goes on for a piece. Returns true when the rewrite is done; then call [`finish`](Self::finish).
    ///
    /// # Errors
    /// `Corrupt` and those of the storage. The files begun are removed as far as that is possible.
    pub(crate) fn step(&mut self, allocate: Allocate<'_>, piece: &mut Piece<'_>) -> Result<bool> {
        if self.result.is_some() {
            return Ok(true);
        }
        self.advance(allocate, piece).inspect_err(|_| {
            self.is_over = self.output.is_over();
            self.output.discard();
        })
    }

    fn advance(&mut self, allocate: Allocate<'_>, piece: &mut Piece<'_>) -> Result<bool> {
        if !self.started {
            self.merge.seek_first()?;
            self.started = true;
        }
        while self.merge.is_valid() {
            // Between versions of a key as well: one key may have any number of them.
            if piece.is_over() {
                return Ok(false);
            }
            if self.merge.key() != self.key {
                self.end_key(allocate, piece)?;
                if !self.tombstones_to_entry(allocate, piece)? {
                    return Ok(false);
                }
                if self.output.is_full() {
                    return self.end_early(allocate);
                }
                self.key.clear();
                self.key.extend_from_slice(self.merge.key());
            }
            let sequence = self.merge.sequence();
            let version = (sequence, self.merge.kind(), self.merge.value());
            let covered = self.tombstones.cover(&self.live, &self.key, sequence);
            piece.spend(&self.key, version.2);
            if self.live.is_expired(zone_of(&self.key), sequence) {
                self.merge.next()?;
                self.stats.entries_in += 1;
                self.stats.entries_expired += 1;
                continue;
            }
            self.fold.offer(&self.live, covered, &self.key, version, &mut self.output.sink(allocate, piece))?;
            self.merge.next()?;
            self.stats.entries_in += 1;
        }
        self.end_key(allocate, piece)?;
        if !self.tombstones_to_entry(allocate, piece)? {
            return Ok(false);
        }
        let added = self.output.finish(allocate)?;
        self.end(added);
        Ok(true)
    }

    /// Ends before the key that comes next.
    fn end_early(&mut self, allocate: Allocate<'_>) -> Result<bool> {
        let key = self.merge.key().to_vec();
        let added = self.output.finish_before(allocate, &key)?;
        self.reached = Some(key);
        self.end(added);
        Ok(true)
    }

    fn end(&mut self, added: Vec<SegmentMeta>) {
        let stats = &mut self.stats;
        stats.segments_out = added.len() as u64;
        stats.bytes_out = added.iter().map(|meta| meta.bytes).sum();
        stats.entries_out = added.iter().map(|meta| meta.entry_count).sum();
        stats.versions_removed = self.fold.versions_removed;
        stats.deletes_removed = self.fold.deletes_removed;
        stats.fragments_removed = self.tombstones.dropped;
        let mut edit = VersionEdit { added, removed: Vec::new() };
        for meta in self.inputs.iter().flat_map(|run| run.segments()).map(|segment| segment.meta()) {
            match &self.reached {
                Some(key) if *meta.smallest >= **key => continue,
                Some(key) if !meta.is_before(key) => edit.added.push(meta.cut_at(key)),
                _ => {
                    stats.segments_in += 1;
                    stats.bytes_in += meta.bytes;
                }
            }
            edit.removed.push(meta.number);
        }
        self.result = Some(edit);
    }

    /// Goes over the range tombstones up to the merge's entry, or all when there is none.
    #[inline]
    fn tombstones_to_entry(&mut self, allocate: Allocate<'_>, piece: &mut Piece<'_>) -> Result<bool> {
        if self.tombstones.is_ended() {
            return Ok(true);
        }
        let key = self.merge.is_valid().then(|| self.merge.key());
        let mut sink = self.output.tombstone_sink(allocate);
        self.tombstones.advance_to(key, &self.live, &mut self.older, piece, &mut sink)
    }

    fn end_key(&mut self, allocate: Allocate<'_>, piece: &mut Piece<'_>) -> Result<()> {
        let older = &self.older;
        let key = &self.key;
        self.fold.end(key, || older.has_nothing_of(key), &mut self.output.sink(allocate, piece))
    }

    /// Bytes of the segments so far.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.output.written_bytes()
    }

    /// True when it failed because it would have taken more room than it may, whatever the disk has.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The key from which on the sources are as they were, when the rewrite ended early.
    pub(crate) fn reached(&self) -> Option<&[u8]> {
        self.reached.as_deref()
    }

    /// The change to install and what was done, once a step returned true. The files stay from here on.
    pub(crate) fn finish(mut self) -> Option<(VersionEdit, RewriteStats)> {
        let edit = self.result.take()?;
        self.output.release();
        Some((edit, self.stats))
    }
}

impl Drop for Rewrite {
    fn drop(&mut self) {
        self.output.discard();
    }
}

/// A run made of some segments of another, for reading them alone.
///
/// # Errors
/// `Internal` when they overlap, which segments of one run never do.
pub(super) fn run_of<'a>(segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> Result<Arc<Run>> {
    Run::of(0, segments.into_iter().cloned().collect())
        .map_err(|bad| crate::error::Error::Internal { detail: format!("choosing segments to merge: {bad}") })
}
