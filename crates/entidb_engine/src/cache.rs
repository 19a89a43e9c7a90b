//! Decoded blocks in memory, shared by all segments under one budget.
//!
//! Always: a cached block costs its reader one atomic load from its segment's own slot; nothing is hashed or locked.
//! Only a miss takes the lock, to make room. A clock over all blocks takes the ones not read since it last passed.
//! Does not know: what is in a block, or how to read one.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::Mutex;
use arc_swap::{ArcSwapOption, Guard};

use crate::prefetch;
use crate::segment::Block;

/// How a block that was just read enters the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entering {
    /// As one that will be read again.
    Warm,
    /// Only where there is room, and first to leave: a scan must not drive out what others use.
    Cold,
    /// Not at all.
    Never,
}

/// The budget and the clock.
#[derive(Debug)]
pub(crate) struct BlockCache {
    bytes_max: u64,
    bytes: AtomicU64,
    /// Bytes of indexes, which stay as long as their segment is open and leave blocks that much less.
    pinned: AtomicU64,
    misses: AtomicU64,
    hits: Box<[Counter]>,
    ring: Mutex<VecDeque<Frame>>,
}

/// A counter on a line of its own, so that threads counting at once do not wait for each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

const COUNTERS: usize = 16;
/// Hits a thread counts before it hands them in.
const HITS_AT_ONCE: u64 = 64;

#[derive(Debug)]
struct Frame {
    slots: Weak<Slots>,
    block: u32,
}

#[derive(Debug)]
struct Slot {
    block: ArcSwapOption<Block>,
    /// Where the block and its bytes are, as numbers to fetch them by before anything is read: a block that has left is
    /// fetched for nothing. Otherwise a reader waits for the block to learn where its bytes are, and then for these.
    places: [AtomicUsize; 2],
}

/// The slots of one segment: one for each of its blocks, empty or with the block.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Box<[Slot]>,
    pinned: AtomicU64,
    cache: Arc<BlockCache>,
}

impl BlockCache {
    /// A cache that keeps about `bytes_max` bytes of decoded blocks.
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            bytes: AtomicU64::new(0),
            pinned: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            hits: (0..COUNTERS).map(|_| Counter::default()).collect(),
            ring: Mutex::new(VecDeque::new()),
        })
    }

    /// Bytes of decoded blocks in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of indexes in memory.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.pinned.load(Ordering::Relaxed)
    }

    /// What blocks may take. Indexes never take all of the budget: with no blocks at all every read goes to storage.
    fn room(&self) -> u64 {
        self.bytes_max.saturating_sub(self.pinned_bytes().min(self.bytes_max / 4 * 3))
    }

    /// Reads that found their block in memory, but for the last few of each thread.
    pub(crate) fn hits(&self) -> u64 {
        self.hits.iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum()
    }

    /// Reads that went to the storage.
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Slots for the `count` blocks of a segment.
    pub(crate) fn slots(self: &Arc<Self>, count: usize) -> Arc<Slots> {
        let empty = || Slot { block: ArcSwapOption::const_empty(), places: [const { AtomicUsize::new(0) }; 2] };
        let slots = (0..count).map(|_| empty()).collect();
        Arc::new(Slots { slots, pinned: AtomicU64::new(0), cache: Arc::clone(self) })
    }

    /// Counts a hit. Threads hand in their counts in lots, so that counting costs no atomic operation on the way; what
    /// is not handed in yet is not seen.
    #[inline]
    fn count_hit(&self) {
        thread_local! {
            static PENDING: Cell<u64> = const { Cell::new(0) };
        }
        PENDING.with(|pending| {
            let count = pending.get() + 1;
            pending.set(if count == HITS_AT_ONCE { 0 } else { count });
            if count == HITS_AT_ONCE {
                self.add_hits(count);
            }
        });
    }

    #[cold]
    fn add_hits(&self, count: u64) {
        thread_local! {
            static SHARD: usize = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                NEXT.fetch_add(1, Ordering::Relaxed) % COUNTERS
            };
        }
        if let Some(counter) = SHARD.with(|shard| self.hits.get(*shard)) {
            counter.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Takes blocks out until the budget holds. Each turn of the clock forgets one read of a block; one without goes.
    fn make_room(&self, ring: &mut VecDeque<Frame>) {
        // Four turns forget every read, so this ends also when all blocks are in use all the time.
        let mut steps = ring.len() * 4;
        while self.bytes() > self.room() && steps > 0 {
            steps -= 1;
            let Some(frame) = ring.pop_front() else { return };
            let Some(slots) = frame.slots.upgrade() else { continue };
            let Some(slot) = slots.slots.get(frame.block as usize) else { continue };
            let in_use = slot.block.load().as_ref().is_some_and(|block| block.take_touch());
            if in_use {
                ring.push_back(frame);
            } else {
                slots.take(frame.block as usize);
            }
        }
    }
}

impl Slots {
    /// Bytes of the slots of so many blocks.
    pub(crate) const fn bytes_of(count: usize) -> usize {
        count.saturating_mul(size_of::<Slot>())
    }

    /// Counts an index of the segment against the budget, until the segment goes.
    pub(crate) fn pin(&self, bytes: usize) {
        self.pinned.fetch_add(bytes as u64, Ordering::Relaxed);
        self.cache.pinned.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Begins to fetch the block from memory, when it is there.
    #[inline]
    pub(crate) fn fetch(&self, block: usize) {
        if let Some(slot) = self.slots.get(block) {
            let [block, bytes] = &slot.places;
            prefetch::remembered(block.load(Ordering::Relaxed), 2);
            prefetch::remembered(bytes.load(Ordering::Relaxed), 3);
        }
    }

    /// The block, when it is in memory, for a look that is no read of it.
    #[inline]
    pub(crate) fn peek(&self, block: usize) -> Option<Guard<Option<Arc<Block>>>> {
        Some(self.slots.get(block)?.block.load())
    }

    /// The block, when it is in memory.
    #[inline]
    pub(crate) fn get(&self, block: usize) -> Option<Guard<Option<Arc<Block>>>> {
        let guard = self.slots.get(block)?.block.load();
        guard.as_ref()?.touch();
        self.cache.count_hit();
        Some(guard)
    }

    /// Puts in a block that was read. When two readers read the same block at once, both may go on with their own.
    pub(crate) fn put(self: &Arc<Self>, block: usize, decoded: &Arc<Block>, entering: Entering) {
        self.cache.misses.fetch_add(1, Ordering::Relaxed);
        let size = decoded.memory_bytes() as u64;
        let fits = self.cache.bytes().saturating_add(size) <= self.cache.room();
        if entering == Entering::Never || (entering == Entering::Cold && !fits) {
            return;
        }
        let (Some(slot), Ok(number)) = (self.slots.get(block), u32::try_from(block)) else { return };
        if entering == Entering::Warm {
            decoded.touch();
        }
        let mut ring = self.cache.ring.lock();
        let before = slot.block.swap(Some(Arc::clone(decoded)));
        for (place, now) in slot.places.iter().zip(decoded.places()) {
            place.store(now, Ordering::Relaxed);
        }
        self.cache.bytes.fetch_add(size, Ordering::Relaxed);
        if let Some(before) = before {
            // Its frame is in the ring already.
            self.cache.bytes.fetch_sub(before.memory_bytes() as u64, Ordering::Relaxed);
        } else {
            ring.push_back(Frame { slots: Arc::downgrade(self), block: number });
        }
        if !fits {
            self.cache.make_room(&mut ring);
        }
    }

    fn take(&self, block: usize) {
        if let Some(gone) = self.slots.get(block).and_then(|slot| slot.block.swap(None)) {
            self.cache.bytes.fetch_sub(gone.memory_bytes() as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // Only counted: each slot lets go of its block as it is dropped, and emptying it before costs as much again.
        let blocks =
            self.slots.iter().filter_map(|slot| slot.block.load().as_ref().map(|block| block.memory_bytes() as u64));
        self.cache.bytes.fetch_sub(blocks.sum(), Ordering::Relaxed);
        self.cache.pinned.fetch_sub(self.pinned.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
