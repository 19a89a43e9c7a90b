//! Decoded blocks in memory, shared by all segments under one budget.
//!
//! Always: a cached block costs its reader one atomic load from its segment's own slot; nothing is hashed or locked.
//! Only a miss takes the lock, to make room. A clock over all blocks takes the ones not read since it last passed.
//! Blocks that readers hold beside the cache count as well, so the cache is smaller by what they hold.
//! Does not know: what is in a block, how to read one, or what else takes memory (`memory`).

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::Mutex;
use arc_swap::{ArcSwapOption, Guard};

use crate::memory::{Charge, GivesUp, Memory, Use};
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

/// The blocks and the clock.
#[derive(Debug)]
pub(crate) struct BlockCache {
    memory: Arc<Memory>,
    bytes: AtomicU64,
    /// How many blocks there are.
    count: AtomicUsize,
    misses: AtomicU64,
    hits: Box<[Counter]>,
    ring: Mutex<VecDeque<Frame>>,
}

/// A counter on a line of its own, so that threads counting at once do not wait for each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

const COUNTERS: usize = 16;
/// Frames of the ring beyond twice the blocks there are: of more, those whose segment is gone leave it.
const FRAMES_BEYOND: usize = 256;
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
    pinned: Charge,
    cache: Arc<BlockCache>,
}

impl BlockCache {
    /// A cache with what is left of a budget of `bytes_max` bytes.
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        let memory = Memory::new(bytes_max);
        let cache = Arc::new(Self {
            memory: Arc::clone(&memory),
            bytes: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            misses: AtomicU64::new(0),
            hits: (0..COUNTERS).map(|_| Counter::default()).collect(),
            ring: Mutex::new(VecDeque::new()),
        });
        let weak: Weak<Self> = Arc::downgrade(&cache);
        memory.set_blocks(weak);
        cache
    }

    /// The budget.
    pub(crate) const fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Bytes of decoded blocks in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Frames of the clock.
    #[cfg(test)]
    pub(crate) fn frames(&self) -> usize {
        self.ring.lock().len()
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
        Arc::new(Slots { slots, pinned: self.memory.charge(Use::Indexes), cache: Arc::clone(self) })
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

    /// Takes blocks out until they have no more memory than they may. Each turn of the clock forgets one read of a block;
    /// one without goes.
    fn make_room(&self, ring: &mut VecDeque<Frame>) {
        // Four turns forget every read, so this ends also when all blocks are in use all the time.
        let mut steps = ring.len() * 4;
        while !self.memory.blocks_fit() && steps > 0 {
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
        self.memory.trim(0);
    }

    /// Takes the frames out whose segment is gone, when there are more than blocks: a cache that is never full has no clock
    /// that would come by.
    fn sweep(&self, ring: &mut VecDeque<Frame>) {
        if ring.len() > self.count.load(Ordering::Relaxed).saturating_mul(2).saturating_add(FRAMES_BEYOND) {
            ring.retain(|frame| frame.slots.strong_count() > 0);
        }
    }
}

impl GivesUp for BlockCache {
    fn give_up(&self) {
        self.make_room(&mut self.ring.lock());
    }
}

impl Slots {
    /// Bytes of the slots of `count` blocks.
    pub(crate) const fn bytes_of(count: usize) -> usize {
        count.saturating_mul(size_of::<Slot>())
    }

    /// Counts an index of the segment against the budget, until the segment goes.
    pub(crate) fn pin(&self, bytes: usize) {
        self.pinned.add(bytes as u64);
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
        let fits = self.cache.memory.blocks_fit();
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
            self.cache.count.fetch_add(1, Ordering::Relaxed);
            ring.push_back(Frame { slots: Arc::downgrade(self), block: number });
            self.cache.sweep(&mut ring);
        }
        if !fits {
            self.cache.make_room(&mut ring);
        }
    }

    fn take(&self, block: usize) {
        if let Some(gone) = self.slots.get(block).and_then(|slot| slot.block.swap(None)) {
            self.cache.bytes.fetch_sub(gone.memory_bytes() as u64, Ordering::Relaxed);
            self.cache.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // Only counted: each slot lets go of its block as it is dropped, and emptying it before costs as much again.
        let (mut count, mut bytes) = (0, 0);
        for block in self.slots.iter().filter_map(|slot| slot.block.load().as_ref().map(|block| block.memory_bytes())) {
            count += 1;
            bytes += block as u64;
        }
        self.cache.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.cache.count.fetch_sub(count, Ordering::Relaxed);
    }
}
