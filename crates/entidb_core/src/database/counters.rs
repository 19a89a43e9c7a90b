//! What the database counted since it was opened.
//!
//! Always: counting never blocks and never fails. Does not know: what is slow.

use std::sync::atomic::{AtomicU64, Ordering};

use entidb_codec::Value;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    reads: AtomicU64,
    writes: AtomicU64,
    deletes: AtomicU64,
    index_finds: AtomicU64,
    scan_finds: AtomicU64,
    started: AtomicU64,
    committed: AtomicU64,
    aborted: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self, count: u64) {
        self.reads.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, count: u64) {
        self.writes.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn delete(&self, count: u64) {
        self.deletes.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn find(&self, is_scan: bool) {
        let counter = if is_scan { &self.scan_finds } else { &self.index_finds };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self) {
        self.committed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn aborted(&self) {
        self.aborted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, entities: u64, collections: u64, engine: entidb_engine::Stats) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            reads: load(&self.reads),
            writes: load(&self.writes),
            deletes: load(&self.deletes),
            index_finds: load(&self.index_finds),
            scan_finds: load(&self.scan_finds),
            transactions_started: load(&self.started),
            transactions_committed: load(&self.committed),
            transactions_aborted: load(&self.aborted),
            entities,
            collections,
            engine,
        }
    }
}

/// Counters since opening, and sizes of this moment.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// let stats = db.stats()?;
/// assert_eq!((stats.entities, stats.collections, stats.writes), (1, 1, 1));
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Entities asked for by id.
    pub reads: u64,
    /// Entities stored or changed.
    pub writes: u64,
    /// Entities removed.
    pub deletes: u64,
    /// Queries an index served.
    pub index_finds: u64,
    /// Queries that looked at every entity or at every row of an index.
    pub scan_finds: u64,
    /// Write transactions begun, those of single changes included.
    pub transactions_started: u64,
    /// Write transactions committed.
    pub transactions_committed: u64,
    /// Write transactions aborted by their holder.
    pub transactions_aborted: u64,
    /// Entities there are.
    pub entities: u64,
    /// Collections there are.
    pub collections: u64,
    /// What the engine counted.
    pub engine: entidb_engine::Stats,
}

impl Stats {
    /// The figures under their names, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(db.stats()?.to_value().as_map().and_then(|map| map.get("entities")), Some(&1.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_value(&self) -> Value {
        let engine = &self.engine;
        let fields = [
            ("reads", self.reads),
            ("writes", self.writes),
            ("deletes", self.deletes),
            ("index_finds", self.index_finds),
            ("scan_finds", self.scan_finds),
            ("transactions_started", self.transactions_started),
            ("transactions_committed", self.transactions_committed),
            ("transactions_aborted", self.transactions_aborted),
            ("entities", self.entities),
            ("collections", self.collections),
            ("last_sequence", engine.last_sequence.0),
            ("durable_sequence", engine.durable_sequence.0),
            ("wal_bytes", engine.wal_bytes),
            ("wal_files", engine.wal_files),
            ("wal_flushes", engine.wal_flushes),
            ("memtable_bytes", engine.memtable_bytes),
            ("segments", engine.segments),
            ("segment_bytes", engine.segment_bytes),
            ("compactions", engine.compactions),
            ("compaction_failures", engine.compaction_failures),
            ("write_stalls", engine.write_stalls),
            ("write_rests_ms", engine.write_rests_ms),
            ("segment_entries", engine.segment_entries),
            ("segment_entries_stale", engine.segment_entries_stale),
            ("snapshots", engine.snapshots),
            ("oldest_snapshot", engine.oldest_snapshot.unwrap_or(engine.last_sequence).0),
            ("oldest_snapshot_ms", engine.oldest_snapshot_ms),
            ("iterators", engine.iterators),
            ("memtable_bytes_held", engine.memtable_bytes_held),
            ("obsolete_files", engine.obsolete_files),
            ("obsolete_bytes", engine.obsolete_bytes),
            ("obsolete_files_held", engine.obsolete_files_held),
            ("obsolete_bytes_held", engine.obsolete_bytes_held),
            ("removal_failures", engine.removal_failures),
            ("open_files", engine.open_files),
            ("cache_hits", engine.cache_hits),
            ("cache_misses", engine.cache_misses),
            ("cache_bytes", engine.cache_bytes),
            ("memory_bytes", engine.memory.total()),
            ("memory_blocks_bytes", engine.memory.blocks),
            ("memory_memtables_bytes", engine.memory.memtables),
            ("memory_indexes_bytes", engine.memory.indexes),
            ("memory_writing_bytes", engine.memory.writing),
        ];
        Value::Map(fields.into_iter().map(|(name, value)| (name, Value::from(value))).collect())
    }
}
