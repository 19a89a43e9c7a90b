//! Finds the newest version of a key in one step, for zones that are read by whole keys.
//!
//! Always: a cell is written whole, so a reader sees the key's entry as it was before or after, never between.
//! A grown table is filled before it is published; the smaller one stays for readers that still use it.
//! Does not know: order, versions or snapshots.

use std::sync::OnceLock;

use super::arena::{Address, Arena};
use super::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, scaled_down};
use super::entry::Entry;
use crate::error::{Error, Result};
use crate::prefetch;

/// Parts of the table that grow on their own, so that no insert waits for the whole of it to be moved.
const SHARD_BITS: u32 = if cfg!(loom) { 0 } else { 6 };
const FIRST_TABLE_BITS: u32 = if cfg!(loom) { 1 } else { 4 };
const TABLE_BITS_MAX: usize = 26;

/// Cells of `tag << 32 | address`, with linear probing. The tag is the upper half of the hash; its upper bits say
/// where to look, the rest keeps strangers from being compared.
struct Shard {
    tables: [OnceLock<Box<[AtomicU64]>>; scaled_down(TABLE_BITS_MAX)],
    /// The number of bits of the table in use; 0 before the first.
    bits: AtomicU32,
    used: AtomicU32,
}

pub(super) struct Hash {
    shards: Box<[Shard]>,
    seed: u64,
    /// Bytes of all tables ever made.
    table_bytes: AtomicUsize,
}

impl Hash {
    /// A hash, or one that never finds anything where no zone is `used`.
    pub(super) fn new(seed: u64, used: bool) -> Self {
        let shard = |_| Shard {
            tables: std::array::from_fn(|_| OnceLock::new()),
            bits: AtomicU32::new(0),
            used: AtomicU32::new(0),
        };
        let count = if used { 1 << SHARD_BITS } else { 0 };
        Self { shards: (0..count).map(shard).collect(), seed, table_bytes: AtomicUsize::new(0) }
    }

    /// What a key is found by.
    #[inline]
    pub(super) fn tag(&self, key: &[u8]) -> u32 {
        (xxhash_rust::xxh3::xxh3_64_with_seed(key, self.seed) >> 32) as u32
    }

    #[inline]
    fn shard(&self, tag: u32) -> Option<&Shard> {
        self.shards.get(tag.unbounded_shr(32 - SHARD_BITS) as usize)
    }

    /// The newest version of a key, or nowhere.
    #[inline]
    pub(super) fn find(&self, arena: &Arena, tag: u32, key: &[u8]) -> Address {
        let Some(table) = self.shard(tag).and_then(Shard::table) else { return 0 };
        for index in probes(table.len(), tag) {
            let cell = table.get(index).map_or(0, |cell| cell.load(Ordering::Acquire));
            if cell == 0 {
                return 0;
            }
            let address = cell as u32;
            if (cell >> 32) as u32 == tag && Entry::key_at(arena, address) == key {
                return address;
            }
        }
        0
    }

    /// Fetches the cell where looking for a tag begins.
    #[inline]
    pub(super) fn fetch(&self, tag: u32) {
        if let Some(cell) = self.first_cell(tag) {
            prefetch::whole(cell);
        }
    }

    /// What may be the newest version of the key with this tag: only the first cell is looked at.
    #[inline]
    pub(super) fn first(&self, tag: u32) -> Address {
        let cell = self.first_cell(tag).map_or(0, |cell| cell.load(Ordering::Acquire));
        if (cell >> 32) as u32 == tag { cell as u32 } else { 0 }
    }

    #[inline]
    fn first_cell(&self, tag: u32) -> Option<&AtomicU64> {
        let table = self.shard(tag)?.table()?;
        table.get(probes(table.len(), tag).next()?)
    }

    /// Makes room for one more key. For the one writer.
    pub(super) fn reserve(&self, tag: u32) -> Result<()> {
        let added = self.shard(tag).map_or(Ok(0), Shard::reserve)?;
        if added != 0 {
            self.table_bytes.store(self.table_bytes().saturating_add(added), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Leads the key from version `before` (or nowhere, when it is new) to `after`. Room was reserved.
    pub(super) fn insert(&self, tag: u32, before: Address, after: Address) {
        let Some(shard) = self.shard(tag) else { return };
        let Some(table) = shard.table() else { return };
        let old = if before == 0 { 0 } else { u64::from(tag) << 32 | u64::from(before) };
        place(table, tag, old, u64::from(tag) << 32 | u64::from(after));
        if before == 0 {
            shard.used.store(shard.used.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        }
    }

    pub(super) fn table_bytes(&self) -> usize {
        self.table_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn reserved_bytes(&self) -> usize {
        self.table_bytes() + size_of_val::<[_]>(&self.shards)
    }
}

impl Shard {
    #[inline]
    fn table(&self) -> Option<&[AtomicU64]> {
        let bits = self.bits.load(Ordering::Acquire);
        self.tables.get(bits as usize)?.get().map(|table| &**table)
    }

    /// Makes room for one more and returns the bytes that took.
    fn reserve(&self) -> Result<usize> {
        let used = self.used.load(Ordering::Relaxed) as usize;
        let old = self.table();
        // At most two thirds full: about two cells are looked at for a key that is there.
        if old.is_some_and(|table| used < table.len() / 3 * 2) {
            return Ok(0);
        }
        let bits = if old.is_some() { self.bits.load(Ordering::Relaxed) + 1 } else { FIRST_TABLE_BITS };
        let bytes = size_of::<AtomicU64>() << bits;
        let out_of_memory = || Error::OutOfMemory { what: "the memtable's hash", bytes: bytes as u64 };
        let slot = self.tables.get(bits as usize).ok_or_else(out_of_memory)?;
        let mut table = Vec::new();
        table.try_reserve_exact(1 << bits).map_err(|_| out_of_memory())?;
        table.resize_with(1 << bits, || AtomicU64::new(0));
        for cell in old.into_iter().flatten().map(|cell| cell.load(Ordering::Relaxed)).filter(|cell| *cell != 0) {
            place(&table, (cell >> 32) as u32, 0, cell);
        }
        slot.get_or_init(|| table.into_boxed_slice());
        self.bits.store(bits, Ordering::Release);
        Ok(bytes)
    }
}

/// Writes `new` into the first cell on the tag's path that holds `old`.
fn place(table: &[AtomicU64], tag: u32, old: u64, new: u64) {
    for index in probes(table.len(), tag) {
        if let Some(cell) = table.get(index)
            && cell.load(Ordering::Relaxed) == old
        {
            cell.store(new, Ordering::Release);
            return;
        }
    }
}

/// The cells a tag may be in, in order. The length is a power of two.
#[inline]
fn probes(len: usize, tag: u32) -> impl Iterator<Item = usize> {
    let mask = len.wrapping_sub(1);
    // The shard's bits are shifted out: they are the same for everything in the table.
    let start = ((u64::from(tag << SHARD_BITS) * len as u64) >> 32) as usize;
    (0..len).map(move |step| start.wrapping_add(step) & mask)
}
