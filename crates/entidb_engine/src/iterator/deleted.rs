//! The deleted ranges of the sources of a view, asked about one key after the other.
//!
//! Always: as long as keys stay in one stretch, deleted or not, a source is compared with twice and not searched. A jump
//! leads over all ranges that touch each other, however many they are.
//! Does not know: the entries.

use std::sync::Arc;

use crate::format::Sequence;
use crate::range_tombstone::{Cover, RangeMap, RangeTombstones, Stretch};

/// What a source has deleted.
pub(crate) enum Deleted {
    /// What a reader sees of a memtable.
    Map(RangeMap),
    /// What an open transaction deletes, with the sequence it will get.
    Own(RangeMap, Sequence),
    /// What is in files.
    List(Arc<RangeTombstones>),
}

impl Deleted {
    fn is_empty(&self) -> bool {
        match self {
            Self::Map(map) | Self::Own(map, _) => map.is_empty(),
            Self::List(list) => list.is_empty(),
        }
    }

    fn stretch(&self, key: &[u8], at: Sequence) -> Stretch<'_> {
        match self {
            Self::Map(map) => map.stretch(key),
            Self::Own(map, sequence) => match map.stretch(key) {
                Stretch::Deleted(cover) => Stretch::Deleted(Cover { sequence: *sequence, ..cover }),
                kept @ Stretch::Kept { .. } => kept,
            },
            Self::List(list) => list.stretch(key, at),
        }
    }

    fn reach(&self, key: &[u8], at: Sequence) -> Option<&[u8]> {
        match self {
            Self::Map(map) | Self::Own(map, _) => map.reach(key),
            Self::List(list) => list.reach(key, at),
        }
    }

    fn reach_back(&self, key: &[u8], at: Sequence) -> Option<&[u8]> {
        match self {
            Self::Map(map) | Self::Own(map, _) => map.reach_back(key),
            Self::List(list) => list.reach_back(key, at),
        }
    }
}

/// The newest tombstone over a key and the source it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyCover {
    pub(super) source: usize,
    pub(super) sequence: Sequence,
}

/// One source with deleted ranges, and the stretch it was last asked about.
struct Covering {
    source: usize,
    deleted: Deleted,
    is_known: bool,
    start: Vec<u8>,
    end: Vec<u8>,
    has_end: bool,
    sequence: Option<Sequence>,
}

impl Covering {
    #[inline]
    fn covering(&mut self, key: &[u8], at: Sequence) -> Option<Sequence> {
        let is_here = self.is_known && self.start.as_slice() <= key && (!self.has_end || key < self.end.as_slice());
        if !is_here {
            self.look(key, at);
        }
        self.sequence
    }

    #[cold]
    fn look(&mut self, key: &[u8], at: Sequence) {
        let (start, end, sequence) = match self.deleted.stretch(key, at) {
            Stretch::Deleted(cover) => (cover.start, Some(cover.end), Some(cover.sequence)),
            Stretch::Kept { start, end } => (start, end, None),
        };
        self.start.clear();
        self.start.extend_from_slice(start);
        self.end.clear();
        self.end.extend_from_slice(end.unwrap_or_default());
        (self.has_end, self.sequence, self.is_known) = (end.is_some(), sequence, true);
    }
}

/// The deleted ranges of all sources that have any, the newest source first.
pub(super) struct DeletedRanges {
    at: Sequence,
    sources: Vec<Covering>,
}

impl DeletedRanges {
    pub(super) const fn new(at: Sequence) -> Self {
        Self { at, sources: Vec::new() }
    }

    /// Adds those of a source older than all so far.
    pub(super) fn push(&mut self, source: usize, deleted: Deleted) {
        if !deleted.is_empty() {
            let (start, end) = (Vec::new(), Vec::new());
            let covering = Covering { source, deleted, is_known: false, start, end, has_end: false, sequence: None };
            self.sources.push(covering);
        }
    }

    /// Leaves those of the first `sources` sources.
    pub(super) fn truncate(&mut self, sources: usize) {
        self.sources.retain(|covering| covering.source < sources);
    }

    /// The newest tombstone the view may see over `key`.
    #[inline]
    pub(super) fn newest(&mut self, key: &[u8]) -> Option<KeyCover> {
        // Everything a source says of a key is newer than everything the sources behind it say.
        let at = self.at;
        let cover = |covering: &mut Covering| Some((covering.source, covering.covering(key, at)?));
        let (source, sequence) = self.sources.iter_mut().find_map(cover)?;
        Some(KeyCover { source, sequence })
    }

    /// The first key that is not deleted by the source of `cover` from `key` on.
    pub(super) fn reach(&self, cover: KeyCover, key: &[u8]) -> Option<&[u8]> {
        self.of(cover)?.reach(key, self.at)
    }

    /// The first of the keys up to `key` that the source of `cover` deletes without a gap.
    pub(super) fn reach_back(&self, cover: KeyCover, key: &[u8]) -> Option<&[u8]> {
        self.of(cover)?.reach_back(key, self.at)
    }

    fn of(&self, cover: KeyCover) -> Option<&Deleted> {
        self.sources.iter().find(|covering| covering.source == cover.source).map(|covering| &covering.deleted)
    }
}
