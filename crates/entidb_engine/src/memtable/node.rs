//! The nodes of the memtable's tree, made of atomics so that readers and the writer may meet in one.
//!
//! Always: a slot is written before the `Order` that names it is published, and its key never changes after. So one
//! load of the order shows a reader a node that is whole, sorted and complete up to that moment.
//! Does not know: where a node hangs in the tree.

use std::cmp::Ordering as Compare;
use std::sync::OnceLock;

use super::arena::{Address, Arena};
use super::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, scaled_down};
use super::entry::Entry;
use crate::error::{Error, Result};
use crate::memory::MappedSlice;

/// Keys in a node at most: what 60 bits can order. Few under loom, so that nodes split in a model that ends.
pub(super) const SLOT_COUNT: usize = if cfg!(loom) { 3 } else { 15 };
/// Bytes that all keys of a node may share without being looked at again.
pub(super) const PREFIX_BYTES_MAX: usize = 32;

/// The sorted order of a node's slots: a count in the low four bits, then a slot number for each position.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Order(u64);

impl Order {
    #[inline]
    pub(super) fn count(self) -> usize {
        (self.0 & 15) as usize
    }

    #[inline]
    pub(super) fn slot(self, position: usize) -> usize {
        ((self.0 >> 4) >> (4 * position.min(SLOT_COUNT - 1)) & 15) as usize
    }

    /// The order with `slot` put at `position`. There must be room.
    fn with(self, position: usize, slot: usize) -> Self {
        let bits = self.0 >> 4;
        let low = bits & ((1 << (4 * position)) - 1);
        let moved = (bits ^ low) << 4 | (slot as u64) << (4 * position) | low;
        Self(moved << 4 | (self.count() as u64 + 1))
    }
}

/// A key on its way through the tree, with its first bytes as numbers.
pub(super) struct Probe<'a> {
    pub(super) key: &'a [u8],
    words: [u64; 5],
}

impl<'a> Probe<'a> {
    #[inline]
    pub(super) fn new(key: &'a [u8]) -> Self {
        let mut padded = [0_u8; 40];
        let len = key.len().min(40);
        if let (Some(to), Some(from)) = (padded.get_mut(..len), key.get(..len)) {
            to.copy_from_slice(from);
        }
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(padded.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        Self { key, words }
    }

    /// The eight bytes after the first `skipped`, zeros where the key ends before.
    #[inline]
    pub(super) fn head_after(&self, skipped: usize) -> u64 {
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        let shift = skipped % 8 * 8;
        let first = word(skipped / 8) << shift;
        if shift == 0 { first } else { first | word(skipped / 8 + 1) >> (64 - shift) }
    }
}

/// Where a key belongs in a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank {
    /// How many keys of the node are smaller.
    pub(super) position: usize,
    /// The key itself is there, at `position`.
    pub(super) exact: bool,
    /// The key starts as all keys of the node do, so it could be put here.
    pub(super) shares_prefix: bool,
}

/// A leaf, or the keys of an inner node. Four cache lines.
#[repr(C, align(64))]
pub(super) struct Keys {
    order: AtomicU64,
    prefix: [AtomicU64; 4],
    prefix_bytes: AtomicU32,
    _line: [u32; 5],
    heads: [AtomicU64; 16],
    entries: [AtomicU32; 16],
}

/// An inner node: position `n` leads to keys from its own up to that of position `n + 1`; the first one also to
/// everything smaller.
#[repr(C, align(64))]
pub(super) struct Inner {
    pub(super) keys: Keys,
    children: [AtomicU32; 16],
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            order: AtomicU64::new(0),
            prefix: std::array::from_fn(|_| AtomicU64::new(0)),
            prefix_bytes: AtomicU32::new(0),
            _line: [0; 5],
            heads: std::array::from_fn(|_| AtomicU64::new(0)),
            entries: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

impl Default for Inner {
    fn default() -> Self {
        Self { keys: Keys::default(), children: std::array::from_fn(|_| AtomicU32::new(0)) }
    }
}

impl Keys {
    #[inline]
    pub(super) fn order(&self) -> Order {
        Order(self.order.load(Ordering::Acquire))
    }

    #[inline]
    pub(super) fn entry(&self, slot: usize) -> Address {
        self.entries.get(slot & 15).map_or(0, |entry| entry.load(Ordering::Acquire))
    }

    pub(super) fn prefix_bytes(&self) -> usize {
        self.prefix_bytes.load(Ordering::Relaxed) as usize
    }

    pub(super) fn head(&self, slot: usize) -> u64 {
        self.heads.get(slot & 15).map_or(0, |head| head.load(Ordering::Relaxed))
    }

    /// Finds a key among the slots the order names.
    #[inline]
    pub(super) fn rank(&self, order: Order, probe: &Probe<'_>, arena: &Arena) -> Rank {
        let count = order.count();
        let skipped = self.prefix_bytes();
        if skipped != 0 {
            match self.compare_prefix(probe, skipped) {
                Compare::Equal => {}
                Compare::Less => return Rank { position: 0, exact: false, shares_prefix: false },
                Compare::Greater => return Rank { position: count, exact: false, shares_prefix: false },
            }
        }
        let head = probe.head_after(skipped);
        let mut less = 0_u32;
        // From the last slot to the first, so that each answer is shifted in from below: three instructions a slot.
        for candidate in self.heads.iter().take(SLOT_COUNT).rev() {
            less = less + less + u32::from(candidate.load(Ordering::Relaxed) < head);
        }
        let named = (1_u32 << count) - 1;
        let mut low = (less & named).count_ones() as usize;
        let mut high = low;
        while high < count && self.head(order.slot(high)) == head {
            high += 1;
        }
        // Slots are filled in turn, so the first `count` are the ones named. Those with an equal head stand side by
        // side in the order, and only their whole keys can tell.
        while low < high {
            let middle = usize::midpoint(low, high);
            match Entry::key_at(arena, self.entry(order.slot(middle))).cmp(probe.key) {
                Compare::Less => low = middle + 1,
                Compare::Equal => return Rank { position: middle, exact: true, shares_prefix: true },
                Compare::Greater => high = middle,
            }
        }
        Rank { position: low, exact: false, shares_prefix: true }
    }

    #[inline]
    fn compare_prefix(&self, probe: &Probe<'_>, skipped: usize) -> Compare {
        let mut left = skipped;
        for (theirs, ours) in self.prefix.iter().zip(probe.words) {
            let masked = if left >= 8 { ours } else { ours & !(u64::MAX >> (left * 8)) };
            match masked.cmp(&theirs.load(Ordering::Relaxed)) {
                Compare::Equal if left > 8 => left -= 8,
                Compare::Equal => break,
                unequal => return unequal,
            }
        }
        // A key that ends inside the prefix is smaller than anything that has the whole of it.
        if probe.key.len() < skipped { Compare::Less } else { Compare::Equal }
    }

    /// Gives a fresh node its prefix: the first `bytes` of `key`.
    fn set_prefix(&self, probe: &Probe<'_>, bytes: usize) {
        let mut left = bytes;
        for (to, word) in self.prefix.iter().zip(probe.words) {
            let masked = if left >= 8 { word } else { word & !u64::MAX.checked_shr(left as u32 * 8).unwrap_or(0) };
            to.store(masked, Ordering::Relaxed);
            left = left.saturating_sub(8);
        }
        self.prefix_bytes.store(bytes as u32, Ordering::Relaxed);
    }

    /// Puts a key into the next free slot; seen once the new order is. The key must share the node's prefix.
    pub(super) fn insert(&self, order: Order, position: usize, probe: &Probe<'_>, entry: Address) {
        self.insert_head(order, position, probe.head_after(self.prefix_bytes()), entry);
    }

    fn insert_head(&self, order: Order, position: usize, head: u64, entry: Address) {
        let slot = order.count();
        if let (Some(to_head), Some(to_entry)) = (self.heads.get(slot & 15), self.entries.get(slot & 15)) {
            to_head.store(head, Ordering::Relaxed);
            to_entry.store(entry, Ordering::Release);
        }
        self.order.store(order.with(position, slot).0, Ordering::Release);
    }

    /// Makes a newer version the one the slot leads to.
    pub(super) fn replace_entry(&self, slot: usize, entry: Address) {
        if let Some(to) = self.entries.get(slot & 15) {
            to.store(entry, Ordering::Release);
        }
    }

    /// Fills a fresh node with sorted items whose heads were taken after `skipped` bytes.
    pub(super) fn fill(&self, arena: &Arena, items: &[Item], skipped: usize) {
        // Of the last, because the first may be the one without a key.
        let Some(last) = items.last() else { return };
        self.set_prefix(&Probe::new(Entry::key_at(arena, last.entry)), skipped);
        for (position, item) in items.iter().enumerate() {
            self.insert_head(self.order(), position, item.head, item.entry);
        }
    }
}

impl Inner {
    #[inline]
    pub(super) fn child(&self, slot: usize) -> u32 {
        self.children.get(slot & 15).map_or(0, |child| child.load(Ordering::Acquire))
    }

    pub(super) fn set_child(&self, slot: usize, child: u32) {
        if let Some(to) = self.children.get(slot & 15) {
            to.store(child, Ordering::Release);
        }
    }

    /// As [`Keys::fill`], with the children.
    pub(super) fn fill(&self, arena: &Arena, items: &[Item], skipped: usize) {
        for (slot, item) in items.iter().enumerate() {
            self.set_child(slot, item.child);
        }
        self.keys.fill(arena, items, skipped);
    }
}

/// One key of a node while the node is rebuilt.
#[derive(Clone, Copy, Default)]
pub(super) struct Item {
    pub(super) head: u64,
    pub(super) entry: Address,
    pub(super) child: u32,
}

/// The number of bytes after which heads are best taken, given where they are taken now.
///
/// A longer prefix means that every key must be read again for its new head, so it is only taken when the old heads
/// have fewer than five telling bytes left.
pub(super) fn best_prefix(arena: &Arena, items: &[Item], now: usize) -> usize {
    let mut keys = items.iter().map(|item| Entry::key_at(arena, item.entry)).filter(|key| !key.is_empty());
    let (Some(first), Some(last)) = (keys.next(), keys.next_back()) else { return now };
    let shared = shared_bytes(first, last);
    if shared >= now && shared - now <= 3 { now } else { shared }
}

/// How many leading bytes two keys share, as far as a node can use.
pub(super) fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take(PREFIX_BYTES_MAX).take_while(|(a, b)| a == b).count()
}

/// Takes every head anew after `skipped` bytes.
pub(super) fn retake_heads(arena: &Arena, items: &mut [Item], skipped: usize) {
    for item in items {
        item.head = Probe::new(Entry::key_at(arena, item.entry)).head_after(skipped);
    }
}

/// The first chunk of a pool holds this many nodes (as a power of two), each after it twice as many, until a chunk holds
/// the usual number. So an empty memtable costs little, and a large one few chunks.
const FIRST_CHUNK_BITS: u32 = if cfg!(loom) { 1 } else { 4 };
const USUAL_CHUNK_BITS: u32 = if cfg!(loom) { 1 } else { 12 };
const POOL_CHUNK_COUNT_MAX: usize = 520;

/// Where a node is: its chunk, and its place in that.
#[inline]
const fn place_of(number: u32) -> (usize, usize) {
    let shifted = number as usize + (1 << FIRST_CHUNK_BITS);
    if shifted < 1 << USUAL_CHUNK_BITS {
        let bits = shifted.ilog2();
        ((bits - FIRST_CHUNK_BITS) as usize, shifted - (1 << bits))
    } else {
        let doubled = (USUAL_CHUNK_BITS - FIRST_CHUNK_BITS) as usize;
        (doubled + (shifted >> USUAL_CHUNK_BITS) - 1, shifted & ((1 << USUAL_CHUNK_BITS) - 1))
    }
}

/// Nodes by number. They live as long as the tree, so a number stays good; a replaced node stays as it was for
/// readers that still use it.
pub(super) struct Pool<T> {
    chunks: Box<[OnceLock<MappedSlice<T>>]>,
    used: AtomicU32,
    /// Bytes of all chunks.
    reserved: AtomicUsize,
}

impl<T: Default> Pool<T> {
    pub(super) fn new() -> Result<Self> {
        let count = scaled_down(POOL_CHUNK_COUNT_MAX);
        let mut chunks = Vec::new();
        chunks.try_reserve_exact(count).map_err(|_| Self::out_of_memory(count))?;
        chunks.resize_with(count, OnceLock::new);
        let reserved = AtomicUsize::new(count * size_of::<OnceLock<MappedSlice<T>>>());
        Ok(Self { chunks: chunks.into_boxed_slice(), used: AtomicU32::new(0), reserved })
    }

    #[inline]
    pub(super) fn node(&self, number: u32) -> &T {
        let (chunk, place) = place_of(number);
        match self.chunks.get(chunk).and_then(OnceLock::get).and_then(|chunk| chunk.get(place)) {
            Some(node) => node,
            None => broken_number(number),
        }
    }

    /// Makes sure that `count` nodes can be taken without failing. For the one writer.
    pub(super) fn reserve(&self, count: u32) -> Result<()> {
        let used = self.used.load(Ordering::Relaxed);
        let (first, _) = place_of(used);
        let (last, _) = place_of(used.saturating_add(count));
        for index in first..=last {
            let nodes_in = 1 << (FIRST_CHUNK_BITS as usize + index).min(USUAL_CHUNK_BITS as usize);
            let chunk = self.chunks.get(index).ok_or_else(|| Self::out_of_memory(nodes_in))?;
            if chunk.get().is_none() {
                let nodes = MappedSlice::new(nodes_in, T::default).ok_or_else(|| Self::out_of_memory(nodes_in))?;
                chunk.get_or_init(|| nodes);
                let reserved = self.reserved_bytes().saturating_add(nodes_in * size_of::<T>());
                self.reserved.store(reserved, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// The number of a fresh node; reserved before.
    pub(super) fn take(&self) -> u32 {
        let number = self.used.load(Ordering::Relaxed);
        self.used.store(number.saturating_add(1), Ordering::Relaxed);
        number
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed) as usize * size_of::<T>()
    }

    pub(super) fn reserved_bytes(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    fn out_of_memory(count: usize) -> Error {
        Error::OutOfMemory { what: "the nodes of the memtable", bytes: (count * size_of::<T>()) as u64 }
    }
}

#[cold]
fn broken_number(number: u32) -> ! {
    unreachable!("the memtable's tree leads to node {number}, which was never made")
}
