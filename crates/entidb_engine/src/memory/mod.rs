//! What the memory of a database is used for, against its budget.
//!
//! Always: every use is counted where its memory is taken and given back, so the counts add up to what is there. Blocks
//! have what the other uses leave, and give it up when these grow; a sixteenth of the budget is theirs in any case.
//! Does not know: what gives memory up (`cache`), or how an index is done without (`segment`).

mod mapped;
mod pages;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

pub(crate) use mapped::{Mapped, MappedSlice, ask_for_huge_pages};
pub(crate) use pages::{PageBuffer, Pages};

use crate::error::Result;
use crate::planted::{Mistake, makes};
use crate::stats::MemoryUse;

/// Blocks have this part of the budget at least: with none at all every read goes to the storage.
const BLOCKS_PART: u64 = 16;
/// This part of the budget is left to what is too small to be counted one by one: what leads to blocks, and what the
/// allocator loses.
const UNCOUNTED_PART: u64 = 32;
/// Of what blocks may have, this part is kept free for the next ones, up to this number of bytes.
const KEPT_PART: u64 = 16;
const KEPT_BYTES_MAX: u64 = 2 << 20;
/// Indexes stay in memory up to this number of sixteenths of the budget.
const INDEX_SIXTEENTHS: u64 = 5;
/// When they have more, this part of what they may have goes at once: doing it costs a pass over the list of segments.
const INDEXES_FORGOTTEN_PART: u64 = 4;

/// What memory is for, but for blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The newest writes, those that are being written to segments, and those that readers still hold.
    Memtables,
    /// Indexes, places of blocks and range tombstones of open segments.
    Indexes,
    /// What is gathered of segments that are being written.
    Writing,
}

/// Gives up memory of blocks.
pub(crate) trait GivesUp: Send + Sync {
    /// Gives up blocks until they have no more than [`Memory::blocks_max`].
    fn give_up(&self);
}

/// The budget and the uses.
pub(crate) struct Memory {
    bytes_max: u64,
    uses: [AtomicU64; 3],
    pages: Arc<Pages>,
    /// Of point indexes, which are most of what indexes take.
    index_pages: Arc<Pages>,
    blocks: OnceLock<Weak<dyn GivesUp>>,
    /// Set when indexes have more than they may, and until somebody has done something about it.
    indexes_are_over: AtomicBool,
    /// Counted up when that is set.
    alarms: Arc<AtomicU64>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("bytes_max", &self.bytes_max).field("uses", &self.uses).finish_non_exhaustive()
    }
}

impl Memory {
    /// A budget of `bytes_max` bytes, and nothing used.
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            uses: Default::default(),
            pages: Pages::new(),
            index_pages: Pages::new(),
            blocks: OnceLock::new(),
            indexes_are_over: AtomicBool::new(false),
            alarms: Arc::default(),
        })
    }

    /// A count that is greater after indexes came to have more than they may.
    pub(crate) const fn alarms(&self) -> &Arc<AtomicU64> {
        &self.alarms
    }

    /// Says so when indexes have more than they may, after one was read.
    pub(crate) fn watch_indexes(&self) {
        if self.used(Use::Indexes) > self.indexes_max() && !self.indexes_are_over.swap(true, Ordering::AcqRel) {
            self.alarms.fetch_add(1, Ordering::Release);
        }
    }

    /// True from when indexes have more than they may until [`indexes_to_forget`](Self::indexes_to_forget) is asked.
    #[inline]
    pub(crate) fn indexes_are_over(&self) -> bool {
        self.indexes_are_over.load(Ordering::Relaxed)
    }

    /// As many bytes of indexes as somebody who makes room for more lets go of.
    pub(crate) fn indexes_to_forget(&self) -> u64 {
        self.indexes_are_over.store(false, Ordering::Release);
        let kept = self.indexes_max() - self.indexes_max() / INDEXES_FORGOTTEN_PART;
        self.used(Use::Indexes).saturating_sub(kept)
    }

    /// Says who gives up blocks.
    pub(crate) fn set_blocks(&self, blocks: Weak<dyn GivesUp>) {
        // One cache has the budget: a second one is never made.
        let _first = self.blocks.set(blocks);
    }

    fn counter(&self, what: Use) -> &AtomicU64 {
        let [memtables, indexes, writing] = &self.uses;
        match what {
            Use::Memtables => memtables,
            Use::Indexes => indexes,
            Use::Writing => writing,
        }
    }

    /// Bytes of a use.
    pub(crate) fn used(&self, what: Use) -> u64 {
        let pages = if what == Use::Indexes { self.index_pages.resident_bytes() as u64 } else { 0 };
        self.counter(what).load(Ordering::Relaxed).saturating_add(pages)
    }

    /// The budget divided by a number.
    pub(crate) const fn part(&self, parts: u64) -> u64 {
        self.bytes_max / parts
    }

    /// What blocks may have: cached, read ahead, lent to readers, or being read.
    pub(crate) fn blocks_max(&self) -> u64 {
        let others = self.used(Use::Memtables).saturating_add(self.used(Use::Indexes));
        let others = others.saturating_add(self.used(Use::Writing)).saturating_add(self.part(UNCOUNTED_PART));
        self.bytes_max.saturating_sub(others).max(self.bytes_max / BLOCKS_PART)
    }

    /// True when blocks have no more than they may, but for what is kept free: a buffer that is given up serves the next
    /// one, which costs nothing, and is given back to the system only when there are more of them.
    pub(crate) fn blocks_fit(&self) -> bool {
        let blocks_max = self.blocks_max();
        self.pages.used_bytes() as u64 <= blocks_max.saturating_sub((blocks_max / KEPT_PART).min(KEPT_BYTES_MAX))
    }

    /// True when an index of `bytes` may stay in memory beside those that are there.
    pub(crate) fn has_room_for_index(&self, bytes: u64) -> bool {
        self.used(Use::Indexes).saturating_add(bytes) <= self.indexes_max()
    }

    /// What indexes may have.
    pub(crate) fn indexes_max(&self) -> u64 {
        self.bytes_max / 16 * INDEX_SIXTEENTHS
    }

    /// A buffer for a block.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn take(&self, len: usize) -> Result<PageBuffer> {
        if let Some(buffer) = self.pages.take_resident(len) {
            return Ok(buffer);
        }
        // Buffers of another size that nobody has make room for it, and then blocks that are only cached.
        let bytes = Pages::bytes_for(len) as u64;
        self.trim(bytes);
        if (self.pages.resident_bytes() as u64).saturating_add(bytes) > self.blocks_max() {
            self.give_up_blocks();
        }
        self.pages.take(len)
    }

    /// A buffer for a point index.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn take_for_index(&self, len: usize) -> Result<PageBuffer> {
        if let Some(buffer) = self.index_pages.take_resident(len) {
            return Ok(buffer);
        }
        self.index_pages.give_back(usize::MAX);
        let buffer = self.index_pages.take(len)?;
        self.make_room();
        Ok(buffer)
    }

    /// Gives back to the system what no buffer has and is more than blocks may have, with so many bytes beside it.
    pub(crate) fn trim(&self, beside: u64) {
        let resident = (self.pages.resident_bytes() as u64).saturating_add(beside);
        let over = resident.saturating_sub(self.blocks_max());
        if over > 0 {
            self.pages.give_back(usize::try_from(over).unwrap_or(usize::MAX));
        }
    }

    /// Counts bytes of a use; blocks make room for them.
    fn add(&self, what: Use, bytes: u64) {
        self.counter(what).fetch_add(bytes, Ordering::Relaxed);
        self.make_room();
    }

    fn make_room(&self) {
        if self.pages.resident_bytes() as u64 > self.blocks_max() {
            self.give_up_blocks();
        }
    }

    #[cold]
    fn give_up_blocks(&self) {
        if makes(Mistake::BlocksKept) {
            return;
        }
        if let Some(blocks) = self.blocks.get().and_then(Weak::upgrade) {
            blocks.give_up();
        }
    }

    fn subtract(&self, what: Use, bytes: u64) {
        self.counter(what).fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A count of bytes of a use, 0 at first.
    pub(crate) fn charge(self: &Arc<Self>, what: Use) -> Charge {
        Charge { memory: Arc::clone(self), what, bytes: AtomicU64::new(0) }
    }

    /// What memory is used for now.
    pub(crate) fn stats(&self) -> MemoryUse {
        MemoryUse {
            blocks: self.pages.resident_bytes() as u64,
            memtables: self.used(Use::Memtables),
            indexes: self.used(Use::Indexes),
            writing: self.used(Use::Writing),
        }
    }
}

/// Bytes that somebody uses. Not counted any more once it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    memory: Arc<Memory>,
    what: Use,
    bytes: AtomicU64,
}

impl Charge {
    /// Adds to the counted bytes.
    pub(crate) fn add(&self, bytes: u64) {
        if bytes > 0 {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.memory.add(self.what, bytes);
        }
    }

    /// Replaces the counted bytes. For one thread at a time.
    #[inline]
    pub(crate) fn set(&self, bytes: u64) {
        let before = self.bytes.load(Ordering::Relaxed);
        if bytes > before {
            self.add(bytes - before);
        } else if bytes < before {
            self.bytes.fetch_sub(before - bytes, Ordering::Relaxed);
            self.memory.subtract(self.what, before - bytes);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.subtract(self.what, self.bytes.load(Ordering::Relaxed));
    }
}
