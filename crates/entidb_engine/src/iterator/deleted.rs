//! The deleted ranges of the sources of a view, asked about one key after the other.
//!
//! Always: as long as keys stay in one stretch, deleted or not, a source is compared with twice and not searched. A jump
//! leads over all ranges that touch each other, however many they are.
//! Does not know: the entries.

use std::sync::Arc;

use crate::error::Result;
use crate::format::Sequence;
use crate::range_tombstone::{RangeMap, RangeTombstones, Stretch};
use crate::version::Run;

/// What a source has deleted.
pub(crate) enum Deleted {
    /// What a reader sees of a memtable.
    Map(RangeMap),
    /// What an open transaction deletes, with the sequence it will get.
    Own(RangeMap, Sequence),
    /// What one list says.
    #[cfg_attr(not(test), expect(dead_code, reason = "outside of tests lists are those of segments"))]
    List(Arc<RangeTombstones>),
    /// What the segments of a run say; each is opened when a key in its bounds is asked about.
    Run(Arc<Run>),
}

/// Which way a jump leads.
#[derive(Clone, Copy)]
enum Way {
    Onward,
    Back,
}

impl Deleted {
    fn is_empty(&self) -> bool {
        match self {
            Self::Map(map) | Self::Own(map, _) => map.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Run(run) => run.totals().fragments == 0,
        }
    }

    /// Finds the stretch around `key` in which a reader at `at` sees the same deletion, or none.
    fn look(&self, key: &[u8], at: Sequence, known: &mut Known) -> Result<()> {
        match self {
            Self::Map(map) => known.take(map.stretch(key), None),
            Self::Own(map, sequence) => known.take(map.stretch(key), Some(*sequence)),
            Self::List(list) => known.take(list.stretch(key, at), None),
            Self::Run(run) => {
                let number = run.not_before(key);
                let here = run.segments().get(number).filter(|segment| &*segment.meta().smallest <= key);
                let next = run.segments().get(number + usize::from(here.is_some())).map(|next| &*next.meta().smallest);
                let before = match here {
                    Some(here) => here.meta().smallest.to_vec(),
                    None => number.checked_sub(1).and_then(|before| run.end_of(before)).unwrap_or_default(),
                };
                known.take(Stretch::Kept { start: &before, end: next }, None);
                if let Some(here) = here.filter(|here| here.meta().fragment_count > 0) {
                    match here.range_tombstones()?.stretch(key, at) {
                        Stretch::Kept { start, end } => known.narrow(start, end),
                        deleted @ Stretch::Deleted(_) => known.take(deleted, None),
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts into `to` how far, from `key` on, a reader at `at` sees everything deleted; false when not even `key` is.
    fn reach(&self, way: Way, key: &[u8], at: Sequence, to: &mut Vec<u8>) -> Result<bool> {
        let of_map = |map: &RangeMap, to: &mut Vec<u8>| {
            let reached = match way {
                Way::Onward => map.reach(key),
                Way::Back => map.reach_back(key),
            };
            reached.map(|reached| reached.clone_into(to)).is_some()
        };
        let of_list = |list: &RangeTombstones, to: &mut Vec<u8>| {
            let reached = match way {
                Way::Onward => list.reach(key, at),
                Way::Back => list.reach_back(key, at),
            };
            reached.map(|reached| reached.clone_into(to)).is_some()
        };
        Ok(match self {
            Self::Map(map) | Self::Own(map, _) => of_map(map, to),
            Self::List(list) => of_list(list, to),
            Self::Run(run) => match run.holding(key) {
                Some(segment) => of_list(segment.range_tombstones()?, to),
                None => false,
            },
        })
    }
}

/// A stretch of keys, and the commit that deleted it.
#[derive(Default)]
struct Known {
    is_known: bool,
    start: Vec<u8>,
    end: Vec<u8>,
    has_end: bool,
    sequence: Option<Sequence>,
}

impl Known {
    #[inline]
    fn has(&self, key: &[u8]) -> bool {
        self.is_known && self.start.as_slice() <= key && (!self.has_end || key < self.end.as_slice())
    }

    fn take(&mut self, stretch: Stretch<'_>, by: Option<Sequence>) {
        let (start, end, sequence) = match stretch {
            Stretch::Deleted(cover) => (cover.start, Some(cover.end), Some(by.unwrap_or(cover.sequence))),
            Stretch::Kept { start, end } => (start, end, None),
        };
        start.clone_into(&mut self.start);
        end.unwrap_or_default().clone_into(&mut self.end);
        (self.has_end, self.sequence, self.is_known) = (end.is_some(), sequence, true);
    }

    /// Leaves of the stretch what lies in another.
    fn narrow(&mut self, start: &[u8], end: Option<&[u8]>) {
        if start > self.start.as_slice() {
            start.clone_into(&mut self.start);
        }
        if let Some(end) = end.filter(|end| !self.has_end || *end < self.end.as_slice()) {
            end.clone_into(&mut self.end);
            self.has_end = true;
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
    known: Known,
}

impl Covering {
    #[inline]
    fn covering(&mut self, key: &[u8], at: Sequence) -> Result<Option<Sequence>> {
        if !self.known.has(key) {
            self.look(key, at)?;
        }
        Ok(self.known.sequence)
    }

    #[cold]
    fn look(&mut self, key: &[u8], at: Sequence) -> Result<()> {
        self.known.is_known = false;
        self.deleted.look(key, at, &mut self.known).inspect_err(|_| self.known.is_known = false)
    }
}

/// The deleted ranges of all sources that have any, the newest source first.
pub(super) struct DeletedRanges {
    at: Sequence,
    sources: Vec<Covering>,
    /// Where the last jump leads.
    reached: Vec<u8>,
}

impl DeletedRanges {
    pub(super) const fn new(at: Sequence) -> Self {
        Self { at, sources: Vec::new(), reached: Vec::new() }
    }

    /// Adds those of a source older than all so far.
    pub(super) fn push(&mut self, source: usize, deleted: Deleted) {
        if !deleted.is_empty() {
            self.sources.push(Covering { source, deleted, known: Known::default() });
        }
    }

    /// Leaves those of the first `sources` sources.
    pub(super) fn truncate(&mut self, sources: usize) {
        self.sources.retain(|covering| covering.source < sources);
    }

    /// The newest tombstone the view may see over `key`.
    #[inline]
    pub(super) fn newest(&mut self, key: &[u8]) -> Result<Option<KeyCover>> {
        // Everything a source says of a key is newer than everything the sources behind it say.
        for covering in &mut self.sources {
            if let Some(sequence) = covering.covering(key, self.at)? {
                return Ok(Some(KeyCover { source: covering.source, sequence }));
            }
        }
        Ok(None)
    }

    /// The first key that the source of `cover` may not delete, from `key` on.
    pub(super) fn reach(&mut self, cover: KeyCover, key: &[u8]) -> Result<Option<&[u8]>> {
        self.jump(Way::Onward, cover, key)
    }

    /// A key from which up to `key` the source of `cover` deletes all.
    pub(super) fn reach_back(&mut self, cover: KeyCover, key: &[u8]) -> Result<Option<&[u8]>> {
        self.jump(Way::Back, cover, key)
    }

    fn jump(&mut self, way: Way, cover: KeyCover, key: &[u8]) -> Result<Option<&[u8]>> {
        let Some(covering) = self.sources.iter().find(|covering| covering.source == cover.source) else {
            return Ok(None);
        };
        let found = covering.deleted.reach(way, key, self.at, &mut self.reached)?;
        Ok(found.then_some(&self.reached))
    }
}
