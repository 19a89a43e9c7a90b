//! The newest writes, ordered, readable without locks while more are written.
//!
//! Always: an entry that was inserted before a read began is seen by it; readers never wait for the writer. One
//! insert runs at a time; an insert that fails changes nothing a reader can see.
//! Does not know: the log, snapshots' lifetimes, or when it is full.
//!
//! Below it lie an arena that holds the entries (`arena`, the only unsafe code), their layout (`entry`), a tree of
//! atomics that orders them (`node`, `tree`) and a hash for zones that are read by whole keys (`hash`).

mod arena;
mod atomic;
mod cursor;
mod entry;
mod hash;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
mod node;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod tree;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::Mutex;
use arc_swap::ArcSwap;

use crate::compaction::LiveSnapshots;
use crate::error::{Error, Result};
use crate::format::{EntryKind, Sequence};
use crate::memory::{Charge, Memory, Use};
use crate::planted::{Mistake, makes};
use crate::prefetch;
use crate::range_tombstone::{RangeMap, RangeTombstones, RangeVersions};
use crate::value::Value;
use arena::{Address, Arena, ArenaWriter};
pub(crate) use cursor::MemtableCursor;
use entry::Entry;
use hash::Hash;
use node::Probe;
use tree::{Tree, WHOLE, Way};

/// Values from this size on are lent from the memtable rather than copied: a copy then costs more than a count, and
/// a small value that someone keeps must not keep a whole memtable in memory.
const PINNED_VALUE_BYTES_MIN: usize = 4096;

/// Cache lines of an entry that are fetched before it is read.
const ENTRY_LINES: usize = 4;

/// How a memtable is made.
#[derive(Debug, Clone)]
pub(crate) struct MemtableConfig {
    /// The first key bytes whose keys are also found by a hash.
    pub(crate) point_zones: [bool; 256],
    /// Memory is taken from the allocator in pieces of this size, a power of two larger than any key.
    pub(crate) chunk_bytes: usize,
    /// How many pieces there may be, within reason: a list of as many is made.
    pub(crate) chunk_count: usize,
    /// Makes the hash one that nobody outside can aim at.
    pub(crate) hash_seed: u64,
    /// Where memory is counted.
    pub(crate) memory: Arc<Memory>,
}

impl Default for MemtableConfig {
    fn default() -> Self {
        Self {
            point_zones: [false; 256],
            chunk_bytes: 2 << 20,
            chunk_count: usize::MAX,
            hash_seed: 0,
            memory: Memory::new(u64::MAX),
        }
    }
}

impl MemtableConfig {
    /// The same for a memtable that may become as large as there is memory.
    pub(crate) fn unbounded(self) -> Self {
        Self { chunk_count: usize::MAX, ..self }
    }
}

/// The newest writes of a database.
pub(crate) struct Memtable {
    config: MemtableConfig,
    arena: Arc<Arena>,
    tree: Tree,
    hash: Hash,
    ranges: ArcSwap<RangeVersions>,
    writer: Mutex<ArenaWriter>,
    /// What the tree and the hash take; the arena counts for itself.
    charge: Charge,
    used_bytes: AtomicUsize,
    entry_count: AtomicU64,
    has_ranges: AtomicBool,
    has_deletes: AtomicBool,
    /// Bytes of all range deletes there were, those included of which nothing is left because later ones cover them.
    range_delete_bytes: AtomicU64,
}

/// The range deletes of a log, while it is read and nobody looks at the memtable: no state but the last is made.
#[derive(Default)]
pub(crate) struct ReplayedRanges {
    ranges: RangeMap,
    bytes: u64,
}

impl ReplayedRanges {
    /// Deletes what is older than `sequence` in `start..end`.
    pub(crate) fn delete(&mut self, start: &[u8], end: &[u8], sequence: Sequence) {
        self.ranges.set(start, end, sequence);
        self.bytes = self.bytes.saturating_add(range_delete_bytes(start, end));
    }

    /// About what they take, in memory as in the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What a range delete takes in the log, about.
fn range_delete_bytes(start: &[u8], end: &[u8]) -> u64 {
    (start.len() as u64).saturating_add(end.len() as u64).saturating_add(16)
}

/// A version of a key that a read found.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    /// The commit that wrote it.
    pub(crate) sequence: Sequence,
    /// What it says: `Put`, `Delete` or `Add`.
    pub(crate) kind: EntryKind,
    /// Its value; empty for a delete, the change for an add.
    pub(crate) value: &'a [u8],
    memtable: &'a Memtable,
    address: Address,
}

/// Inserts one key after the other: each begins to look for its place where the one before went.
pub(crate) struct Inserter<'a> {
    memtable: &'a Memtable,
    trail: Trail,
}

impl Inserter<'_> {
    /// Adds a version of a key. Of one key, each must be newer than the one before.
    ///
    /// # Errors
    /// `OutOfMemory`, `TooLarge`; `InvalidArgument` for an empty key, a range delete, or an add whose value is no
    /// number;
    /// `Internal` when the version is not newer than the newest.
    pub(crate) fn insert(&mut self, key: &[u8], sequence: Sequence, kind: EntryKind, value: &[u8]) -> Result<()> {
        if kind == EntryKind::DeleteRange {
            let problem = "is a range delete, which goes to the range tombstones".to_owned();
            return Err(Error::InvalidArgument { what: "the entry", problem });
        }
        self.memtable.insert_at(&mut self.trail, key, sequence, kind, value).map(drop)
    }
}

/// Where the insert before went.
#[derive(Default)]
struct Trail {
    way: Way,
    /// The entry that was inserted; nowhere when the way leads nowhere any more.
    entry: Address,
    /// How many entries there were then: when there are more, another insert came between.
    entry_count: u64,
}

/// Adds on top of each other, already summed.
#[derive(Clone, Copy)]
pub(crate) struct AddRun<'a> {
    /// Their sum, wrapping.
    pub(crate) sum: i64,
    /// The sequence of the oldest of them: a range tombstone at or before it has no say in them.
    pub(crate) oldest: Sequence,
    /// The version below them in this memtable, a `Put` or a `Delete`, when there is one.
    #[cfg_attr(not(test), expect(dead_code, reason = "reads outside of tests go on below `oldest` by themselves"))]
    pub(crate) base: Option<Found<'a>>,
}

/// The memory of a memtable, without a hold on it.
pub(crate) struct MemoryWatch {
    arena: Weak<Arena>,
    reserved_bytes: usize,
}

impl MemoryWatch {
    /// The bytes that a cursor or a value still holds; nothing when they were given back.
    pub(crate) fn held_bytes(&self) -> Option<usize> {
        (self.arena.strong_count() > 0).then_some(self.reserved_bytes)
    }
}

impl Memtable {
    /// An empty memtable.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn new(config: MemtableConfig) -> Result<Self> {
        let (arena, mut writer) =
            Arena::create(config.chunk_bytes, config.chunk_count, config.memory.charge(Use::Memtables))?;
        let nothing = (&[][..], Sequence::ZERO, EntryKind::Delete, &[][..]);
        let smallest = entry::append(&mut writer, &arena, 0, nothing)?;
        let hash = Hash::new(config.hash_seed, config.point_zones.contains(&true));
        let tree = Tree::new(smallest)?;
        let memtable = Self {
            charge: config.memory.charge(Use::Memtables),
            config,
            arena,
            tree,
            hash,
            ranges: ArcSwap::from_pointee(RangeVersions::default()),
            writer: Mutex::new(writer),
            used_bytes: AtomicUsize::new(0),
            entry_count: AtomicU64::new(0),
            has_ranges: AtomicBool::new(false),
            has_deletes: AtomicBool::new(false),
            range_delete_bytes: AtomicU64::new(0),
        };
        memtable.count_index_bytes();
        Ok(memtable)
    }

    /// Adds one version of a key.
    #[cfg(test)]
    pub(crate) fn insert(&self, key: &[u8], sequence: Sequence, kind: EntryKind, value: &[u8]) -> Result<()> {
        self.inserter().insert(key, sequence, kind, value)
    }

    /// Inserts that are made one after the other. Those in the order of their keys find their places faster.
    pub(crate) fn inserter(&self) -> Inserter<'_> {
        Inserter { memtable: self, trail: Trail::default() }
    }

    /// Makes room for entries that take no more than `bytes` together, given with the lengths of their keys and values in the
    /// order they will be inserted, so that inserting them asks for nothing large. They are not looked at where there is
    /// room for all.
    ///
    /// # Errors
    /// `OutOfMemory`; then nothing has changed.
    pub(crate) fn reserve(
        &self,
        bytes: u64,
        mut entries: impl FnMut(&mut dyn FnMut(usize, usize) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let mut writer = self.writer.lock();
        if writer.room() as u64 >= bytes {
            return Ok(());
        }
        let mut sizes =
            |size: &mut dyn FnMut(usize) -> Result<()>| entries(&mut |key, value| size(entry::bytes_max(key, value)));
        writer.reserve(&mut sizes)
    }

    /// As [`Inserter::insert`], of any kind: what a `DeleteRange` under a key means is the caller's to say. Returns
    /// the version that was the newest so far.
    pub(crate) fn insert_any(
        &self,
        key: &[u8],
        sequence: Sequence,
        kind: EntryKind,
        value: &[u8],
    ) -> Result<Option<Found<'_>>> {
        self.insert_at(&mut Trail::default(), key, sequence, kind, value)
    }

    fn insert_at(
        &self,
        trail: &mut Trail,
        key: &[u8],
        sequence: Sequence,
        kind: EntryKind,
        value: &[u8],
    ) -> Result<Option<Found<'_>>> {
        if key.is_empty() {
            let problem = "is empty; a key has at least one byte".to_owned();
            return Err(Error::InvalidArgument { what: "the key", problem });
        }
        let mut writer = self.writer.lock();
        let probe = Probe::new(key);
        let tag = self.is_hashed(key).then(|| self.hash.tag(key));
        if !self.leads_on(trail, &probe) {
            self.tree.find_way(&self.arena, &probe, &mut trail.way)?;
        }
        let way = &trail.way;
        self.tree.reserve(way)?;
        if let Some(tag) = tag {
            self.hash.reserve(tag)?;
        }
        let address = entry::append(&mut writer, &self.arena, way.found, (key, sequence, kind, value))?;
        let leads_there = self.tree.insert(&self.arena, way, &probe, address);
        let before = way.found;
        if let Some(tag) = tag {
            self.hash.insert(tag, before, address);
        }
        self.used_bytes.store(writer.used_bytes(), Ordering::Relaxed);
        self.count_index_bytes();
        let entry_count = self.entry_count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if kind == EntryKind::Delete {
            self.has_deletes.store(true, Ordering::Relaxed);
        }
        let is_way_kept = leads_there || makes(Mistake::InsertedByOldWay);
        (trail.entry, trail.entry_count) = (if is_way_kept { address } else { 0 }, entry_count);
        Ok((before != 0).then(|| self.found(before, &Entry::at(&self.arena, before))))
    }

    /// Leads the way of the insert before on to a key, when that is behind it in the same leaf. For the one writer.
    fn leads_on(&self, trail: &mut Trail, probe: &Probe<'_>) -> bool {
        let entry = std::mem::take(&mut trail.entry);
        entry != 0
            && trail.entry_count == self.entry_count()
            && Entry::key_at(&self.arena, entry) < probe.key
            && self.tree.lead_on(&self.arena, probe, &mut trail.way)
    }

    /// The newest version of a key at or before `at`.
    #[inline]
    pub(crate) fn get(&self, key: &[u8], at: Sequence) -> Option<Found<'_>> {
        let (address, entry) = entry::visible(&self.arena, self.newest(key), at)?;
        Some(self.found(address, &entry))
    }

    /// Fetches what `get` reads for these keys, the first thing of all of them before the second of any.
    pub(crate) fn fetch(&self, keys: &[&[u8]]) {
        for key in keys.iter().filter(|key| self.is_hashed(key)) {
            self.hash.fetch(self.hash.tag(key));
        }
        for key in keys.iter().filter(|key| self.is_hashed(key)) {
            let address = self.hash.first(self.hash.tag(key));
            if address != 0 {
                prefetch::lines(self.arena.tail(address), ENTRY_LINES);
            }
        }
    }

    /// The versions of a key at or before `at`, newest first.
    #[cfg(test)]
    pub(crate) fn versions(&self, key: &[u8], at: Sequence) -> impl Iterator<Item = Found<'_>> + use<'_> {
        let first = entry::visible(&self.arena, self.newest(key), at).map_or(0, |(address, _)| address);
        let mut next = first;
        std::iter::from_fn(move || {
            if next == 0 {
                return None;
            }
            let entry = Entry::at(&self.arena, next);
            let found = self.found(next, &entry);
            next = entry.links.older;
            Some(found)
        })
    }

    /// A cursor over all entries.
    pub(crate) fn cursor(self: &Arc<Self>) -> MemtableCursor {
        MemtableCursor::new(Arc::clone(self))
    }

    /// Deletes what is older than `sequence` in these ranges. `live` says who may read at which sequence.
    pub(crate) fn delete_ranges(&self, ranges: &RangeMap, sequence: Sequence, live: impl FnOnce() -> LiveSnapshots) {
        if ranges.is_empty() {
            return;
        }
        let _writer = self.writer.lock();
        let mut bytes = 0_u64;
        ranges.for_each(None, |range| bytes = bytes.saturating_add(range_delete_bytes(range.start, range.end)));
        self.range_delete_bytes.fetch_add(bytes, Ordering::Relaxed);
        let next = self.ranges.load().after(ranges, sequence, live);
        self.ranges.store(Arc::new(next));
        self.has_ranges.store(true, Ordering::Release);
    }

    /// Takes the ranges that were deleted up to `last`, before anybody reads.
    pub(crate) fn take_ranges(&self, replayed: ReplayedRanges, last: Sequence) {
        let ReplayedRanges { ranges, bytes } = replayed;
        if ranges.is_empty() {
            return;
        }
        let _writer = self.writer.lock();
        self.range_delete_bytes.store(bytes, Ordering::Relaxed);
        self.ranges.store(Arc::new(RangeVersions::of(last, ranges)));
        self.has_ranges.store(true, Ordering::Release);
    }

    /// What a reader at `at` sees deleted, which does not change; `None` when that is nothing.
    pub(crate) fn ranges_at(&self, at: Sequence) -> Option<RangeMap> {
        if self.has_no_range_tombstones() {
            return None;
        }
        self.ranges.load().at(at).cloned()
    }

    /// The newest commit at or before `at` that deleted `key` in a range.
    pub(crate) fn covering(&self, key: &[u8], at: Sequence) -> Option<Sequence> {
        self.ranges.load().at(at)?.covering(key)
    }

    /// The deleted ranges of all who can read, as files have them. Made anew with each call.
    pub(crate) fn range_tombstones(&self) -> RangeTombstones {
        self.ranges.load().list()
    }

    /// True when no range was deleted, at the cost of one load.
    #[inline]
    pub(crate) fn has_no_range_tombstones(&self) -> bool {
        !self.has_ranges.load(Ordering::Acquire)
    }

    /// True when a key or a range was deleted.
    pub(crate) fn has_deletions(&self) -> bool {
        self.has_deletes.load(Ordering::Relaxed) || !self.has_no_range_tombstones()
    }

    /// About how many bytes it takes to write: its entries, and the range deletes.
    pub(crate) fn written_bytes(&self) -> u64 {
        let entries = if self.entry_count() == 0 { 0 } else { self.used_bytes.load(Ordering::Relaxed) as u64 };
        entries.saturating_add(self.range_delete_bytes.load(Ordering::Relaxed))
    }

    /// Bytes in use, by which a memtable is judged full: entries, nodes, hash and range tombstones.
    pub(crate) fn bytes(&self) -> usize {
        let tombstones = if self.has_no_range_tombstones() { 0 } else { self.ranges.load().bytes() };
        self.entry_bytes().saturating_add(tombstones)
    }

    /// Bytes of entries, nodes and hash.
    fn entry_bytes(&self) -> usize {
        let nodes_and_hash =
            if self.entry_count() == 0 { 0 } else { self.tree.used_bytes().saturating_add(self.hash.table_bytes()) };
        self.used_bytes.load(Ordering::Relaxed).saturating_add(nodes_and_hash)
    }

    /// About how much of the log it stands for: as its bytes, but with all range deletes there were. A range that is deleted
    /// again and again leaves nothing here and something in the log each time.
    pub(crate) fn logged_bytes(&self) -> u64 {
        (self.entry_bytes() as u64).saturating_add(self.range_delete_bytes.load(Ordering::Relaxed))
    }

    /// Bytes of memory it has, which come in larger pieces.
    pub(crate) fn reserved_bytes(&self) -> usize {
        self.writer.lock().reserved_bytes().saturating_add(self.index_bytes())
    }

    /// Bytes of memory of the tree and the hash.
    fn index_bytes(&self) -> usize {
        self.tree.reserved_bytes().saturating_add(self.hash.reserved_bytes())
    }

    fn count_index_bytes(&self) {
        self.charge.set(self.index_bytes() as u64);
    }

    /// Sees whether the memory is given back, when the memtable is no longer needed.
    pub(crate) fn watch(&self) -> MemoryWatch {
        MemoryWatch { arena: Arc::downgrade(&self.arena), reserved_bytes: self.reserved_bytes() }
    }

    /// About how many entries have keys from `start` up to `end`, which is excluded: two ways down the tree.
    pub(crate) fn approximate_count(&self, start: &[u8], end: Option<&[u8]>) -> u64 {
        let before = |key| self.tree.part_before(&self.arena, &Probe::new(key));
        let part = end.map_or(WHOLE, before).saturating_sub(before(start));
        let count = u128::from(self.entry_count()) * u128::from(part) / u128::from(WHOLE);
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// How many versions were inserted.
    pub(crate) fn entry_count(&self) -> u64 {
        self.entry_count.load(Ordering::Relaxed)
    }

    /// True when there is neither an entry nor a range tombstone.
    pub(crate) fn is_empty(&self) -> bool {
        self.entry_count() == 0 && self.has_no_range_tombstones()
    }

    #[inline]
    fn is_hashed(&self, key: &[u8]) -> bool {
        let zone = key.first().copied().unwrap_or(0);
        self.config.point_zones.get(usize::from(zone)).copied().unwrap_or(false)
    }

    #[inline]
    fn newest(&self, key: &[u8]) -> Address {
        if self.is_hashed(key) {
            self.hash.find(&self.arena, self.hash.tag(key), key)
        } else {
            self.tree.find(&self.arena, &Probe::new(key))
        }
    }

    fn found<'a>(&'a self, address: Address, entry: &Entry<'a>) -> Found<'a> {
        Found { sequence: entry.sequence, kind: entry.kind, value: entry.value, memtable: self, address }
    }

    fn pin(&self, address: Address, entry: &Entry<'_>) -> Value {
        if entry.value.len() < PINNED_VALUE_BYTES_MIN {
            return Value::owned(entry.value);
        }
        let memory: Arc<Arena> = Arc::clone(&self.arena);
        Value::pinned(memory, entry::value_offset(address, entry), entry.value.len())
    }
}

impl<'a> Found<'a> {
    /// The value as one that outlives the memtable's lock-free read: lent when large, copied when small.
    pub(crate) fn pin(&self) -> Value {
        self.memtable.pin(self.address, &Entry::at(&self.memtable.arena, self.address))
    }

    /// When this is an add: what it and the adds right below it amount to, without walking them. They all lie in
    /// `oldest..=sequence`; a range tombstone newer than `oldest` splits the run, and only walking it is right then.
    pub(crate) fn add_run(&self) -> Option<AddRun<'a>> {
        let adds = Entry::at(&self.memtable.arena, self.address).adds()?;
        let base = (adds.base != 0).then(|| {
            let entry = Entry::at(&self.memtable.arena, adds.base);
            self.memtable.found(adds.base, &entry)
        });
        Some(AddRun { sum: adds.sum, oldest: adds.oldest, base })
    }
}
