//! A segment as a version lists it: its index is read at its first use.
//!
//! Always: the file is the one the manifest means before anything in it is used. A failed opening is tried again at the
//! next use, and fails again. Does not know: whether the file is open now (`file`), or how its blocks are read (`read`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::SegmentContext;
use super::file::SealedFile;
use super::index::BlockIndex;
use super::point_index::PointIndex;
use super::removals::SegmentFile;
use crate::cache::Slots;
use crate::error::Result;
use crate::format::file_header::FILE_HEADER_BYTES;
use crate::format::segment_footer::{SegmentFooter, SegmentPart};
use crate::format::{FileKind, Sequence};
use crate::iterator::Span;
use crate::range_tombstone::RangeTombstones;
use crate::sync::Mutex;
use crate::version::SegmentMeta;

/// A segment of a version.
#[derive(Debug)]
pub(crate) struct Segment {
    meta: SegmentMeta,
    context: Arc<SegmentContext>,
    opened: OnceLock<Arc<Opened>>,
    opening: Mutex<()>,
    none: Arc<RangeTombstones>,
    /// Its range tombstones, when it is cut.
    cut: OnceLock<Arc<RangeTombstones>>,
    /// Last, so that the file is closed before it may be removed: not every system removes a file that is open.
    file: Arc<SegmentFile>,
}

/// What is in memory of an open segment.
pub(super) struct Opened {
    pub(super) file: SealedFile,
    pub(super) index: BlockIndex,
    pub(super) footer: SegmentFooter,
    pub(super) tombstones: Arc<RangeTombstones>,
    pub(super) slots: Arc<Slots>,
    /// Read at the first exact-key read, when there is room for it; scans and compactions never need it.
    pub(super) points: OnceLock<Option<PointIndex>>,
    /// Set by every use, until somebody looks for indexes that nobody uses.
    used: AtomicBool,
    /// Bytes in memory but for the point index.
    bytes: usize,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("footer", &self.footer).finish_non_exhaustive()
    }
}

impl Segment {
    /// The segment a version lists. Nothing is read yet.
    pub(crate) fn new(meta: SegmentMeta, context: Arc<SegmentContext>) -> Self {
        let file = SegmentFile::new(meta.number, meta.bytes, &context.removals);
        Self::of_file(meta, context, file)
    }

    fn of_file(meta: SegmentMeta, context: Arc<SegmentContext>, file: Arc<SegmentFile>) -> Self {
        Self {
            meta,
            context,
            opened: OnceLock::new(),
            opening: Mutex::new(()),
            none: Arc::default(),
            cut: OnceLock::new(),
            file,
        }
    }

    /// The same file in another level or run; what is in memory of it stays there.
    pub(crate) fn moved(&self, meta: SegmentMeta) -> Self {
        let moved = Self::of_file(meta, Arc::clone(&self.context), Arc::clone(&self.file));
        if let Some(opened) = self.opened.get() {
            moved.opened.get_or_init(|| Arc::clone(opened));
        }
        moved
    }

    /// The same segment with nothing of it in memory.
    pub(crate) fn forgotten(&self) -> Self {
        Self::of_file(self.meta.clone(), Arc::clone(&self.context), Arc::clone(&self.file))
    }

    /// Bytes of its indexes in memory, unless they were used since this was asked last, or `used_too`.
    pub(crate) fn forgettable_bytes(&self, used_too: bool) -> Option<u64> {
        let opened = self.opened.get()?;
        let was_used = opened.used.swap(false, Ordering::Relaxed);
        let points = opened.points_in_memory().map_or(0, |_| opened.footer.points.len as usize);
        (used_too || !was_used).then_some((opened.bytes + points) as u64)
    }

    /// What the manifest says about it.
    pub(crate) fn meta(&self) -> &SegmentMeta {
        #[cfg(test)]
        crate::version::looks::note();
        &self.meta
    }

    /// The file, which other segment objects may read too.
    pub(crate) const fn file(&self) -> &Arc<SegmentFile> {
        &self.file
    }

    /// The name of the file.
    pub(crate) fn path(&self) -> String {
        FileKind::Segment.path(self.meta.number)
    }

    /// The context it was made with.
    pub(super) const fn context(&self) -> &Arc<SegmentContext> {
        &self.context
    }

    /// Its range tombstones.
    ///
    /// # Errors
    /// As opening the segment.
    pub(crate) fn range_tombstones(&self) -> Result<&Arc<RangeTombstones>> {
        if self.meta.fragment_count == 0 {
            return Ok(&self.none);
        }
        let all = &self.opened()?.tombstones;
        if !self.meta.is_cut {
            return Ok(all);
        }
        Ok(self.cut.get_or_init(|| Arc::new(all.clipped(&self.meta.smallest, None))))
    }

    /// The newest range tombstone at or before `at` that covers `key`.
    ///
    /// # Errors
    /// As opening the segment.
    #[inline]
    pub(crate) fn covering(&self, key: &[u8], at: Sequence) -> Result<Option<Sequence>> {
        if self.meta.fragment_count == 0 {
            return Ok(None);
        }
        Ok(self.opened()?.tombstones.covering(key, at))
    }

    /// About how many entries are in `span`: exact when all are, else by blocks.
    ///
    /// # Errors
    /// As opening the segment.
    pub(crate) fn approximate_count(&self, span: &Span) -> Result<u64> {
        let meta = &self.meta;
        if meta.is_before(span.start()) || span.is_past_end(&meta.smallest) {
            return Ok(0);
        }
        if span.start() <= &*meta.smallest && span.contains(&meta.largest) {
            return Ok(meta.entry_count);
        }
        let index = &self.opened()?.index;
        let (first, last) = (index.find(span.start()), span.end().map_or(index.len(), |end| index.find(end)));
        let blocks = last.saturating_sub(first).max(1) as u64;
        Ok(meta.entry_count.saturating_mul(blocks) / (index.len().max(1) as u64))
    }

    /// The open segment, opened if it was not.
    ///
    /// # Errors
    /// `Corrupt` (missing, damaged or tampered with) and those of the storage.
    #[inline]
    pub(super) fn opened(&self) -> Result<&Opened> {
        match self.opened.get() {
            Some(opened) => {
                // A store only when it changes something: the line of a segment in use stays shared between cores.
                if !opened.used.load(Ordering::Relaxed) {
                    opened.used.store(true, Ordering::Relaxed);
                }
                Ok(opened)
            }
            None => self.open(),
        }
    }

    #[cold]
    fn open(&self) -> Result<&Opened> {
        let _one_at_a_time = self.opening.lock();
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = self.read_parts()?;
        self.context.cache.memory().watch_indexes();
        Ok(self.opened.get_or_init(|| Arc::new(opened)))
    }

    /// Opens the file and reads what every use needs.
    fn read_parts(&self) -> Result<Opened> {
        let file = self.open_file()?;
        let (body, footer_at) = file.read_footer()?;
        let footer = SegmentFooter::decode(&body)
            .filter(|footer| footer.block_count == 0 || footer.entry_count > 0)
            .ok_or_else(|| file.wrong(footer_at, "the footer makes no sense"))?;
        let blocks = footer.block_count as usize;
        let tombstones_number = u64::from(footer.block_count);
        let index_number = tombstones_number + u64::from(footer.tombstones.len > 0);
        let (body, _) = file.read_whole(index_number, footer.index, SegmentPart::Index)?;
        let index = BlockIndex::decode(&body, FILE_HEADER_BYTES as u64, blocks)
            .ok_or_else(|| file.wrong(footer.index.offset, "the block index makes no sense"))?;
        let parts = [footer.tombstones, footer.index, footer.points];
        let mut end = index.end();
        for part in parts.into_iter().filter(|part| part.len > 0) {
            if part.offset != end {
                return Err(file.wrong(part.offset, format!("a part begins here, the one before ends at {end}")));
            }
            end = part.end();
        }
        if end != footer_at {
            return Err(file.wrong(footer_at, format!("the footer begins here, the part before ends at {end}")));
        }
        let mut tombstones = RangeTombstones::default();
        if footer.tombstones.len > 0 {
            let place = footer.tombstones;
            let (body, _) = file.read_whole(tombstones_number, place, SegmentPart::Tombstones)?;
            tombstones = RangeTombstones::decode(&body)
                .ok_or_else(|| file.wrong(place.offset, "the range tombstones make no sense"))?;
        }
        let meta = &self.meta;
        if tombstones.fragment_count() != meta.fragment_count as usize || footer.entry_count != meta.entry_count {
            return Err(file.wrong(footer_at, "the counts are not the ones the manifest lists"));
        }
        let slots = self.context.cache.slots(blocks);
        let bytes = index.memory_bytes() + Slots::bytes_of(blocks) + tombstones.bytes();
        slots.pin(bytes);
        Ok(Opened {
            file,
            index,
            footer,
            tombstones: Arc::new(tombstones),
            slots,
            points: OnceLock::new(),
            used: AtomicBool::new(true),
            bytes,
        })
    }

    /// Opens the file and checks that it is the one the manifest means.
    pub(super) fn open_file(&self) -> Result<SealedFile> {
        SealedFile::open(&self.context, &self.meta)
    }

    /// The point index, when the segment has one and it is in memory, or there is room for it: keys are found by the block
    /// index as well.
    #[inline]
    pub(super) fn points<'a>(&self, opened: &'a Opened) -> Result<Option<&'a PointIndex>> {
        match opened.points.get() {
            Some(points) => Ok(points.as_ref()),
            None if self.context.cache.memory().has_room_for_index(u64::from(opened.footer.points.len)) => {
                self.read_points(opened)
            }
            None => Ok(None),
        }
    }

    /// The open segment, unless it was never used.
    #[inline]
    pub(super) fn opened_already(&self) -> Option<&Opened> {
        self.opened.get().map(AsRef::as_ref)
    }

    /// The point index, when the segment has one.
    #[cold]
    pub(super) fn read_points<'a>(&self, opened: &'a Opened) -> Result<Option<&'a PointIndex>> {
        let _one_at_a_time = self.opening.lock();
        if let Some(points) = opened.points.get() {
            return Ok(points.as_ref());
        }
        let place = opened.footer.points;
        let mut points = None;
        if place.len > 0 {
            let (memory, file) = (self.context.cache.memory(), &opened.file);
            let mut unit = memory.take(place.len as usize)?;
            let body = file.read_unit(opened.points_number(), place, SegmentPart::Points, &mut unit)?;
            let decoded = PointIndex::decode(body, memory.take_for_index(body.len())?);
            points = Some(decoded.ok_or_else(|| file.wrong(place.offset, "the point index makes no sense"))?);
        }
        Ok(opened.points.get_or_init(|| points).as_ref())
    }
}

impl Opened {
    /// The point index, when it is in memory already.
    #[inline]
    pub(super) fn points_in_memory(&self) -> Option<&PointIndex> {
        self.points.get()?.as_ref()
    }

    /// True when keys are found by a point index.
    #[inline]
    pub(super) const fn has_points(&self) -> bool {
        self.footer.points.len > 0
    }
    /// The number of the unit with the point index.
    pub(super) fn points_number(&self) -> u64 {
        u64::from(self.footer.block_count) + u64::from(self.footer.tombstones.len > 0) + 1
    }
}
