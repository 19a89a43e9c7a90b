//! What the engine counted, and what opening it found.
//!
//! Always: counters only grow while a handle is open; sizes are of this moment.
//! Does not know: how they are shown.

use crate::format::Sequence;

/// What opening a database found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// True when the database was made by this open.
    pub created: bool,
    /// True when the last writer closed it in order.
    pub clean: bool,
    /// Commits read back from the log.
    pub commits_replayed: u64,
    /// Bytes at the end of the log that were no whole commit group and were dropped: at most the last group that
    /// nobody was told is durable.
    pub bytes_dropped: u64,
    /// Log files read.
    pub wal_files: u64,
    /// Files no manifest knows of that were removed.
    pub orphans_removed: u64,
    /// Names in the folders of the database that cannot be its files, with their folder; they were left alone. Of very
    /// many, some.
    pub ignored: Vec<String>,
    /// How many such names there are.
    pub ignored_count: u64,
    /// The last commit found.
    pub last_sequence: Sequence,
}

/// What the memory of an open database is used for, in bytes. Together these are what it takes of `memory_bytes`; beside
/// them are transactions that are not committed yet, and what threads need while they read or write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Decoded blocks: cached, read ahead by iterators, lent to values, and memory for the next ones.
    pub blocks: u64,
    /// The newest writes, those being written to segments, and those that iterators or values still hold.
    pub memtables: u64,
    /// Indexes of open segments.
    pub indexes: u64,
    /// What is gathered of segments that are being written.
    pub writing: u64,
}

impl MemoryUse {
    /// All of it.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.blocks + self.memtables + self.indexes + self.writing
    }
}

/// Counters and sizes of an open engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Commits made by this handle.
    pub commits: u64,
    /// Writes to the log by this handle.
    pub wal_writes: u64,
    /// Flushes of the log by this handle.
    pub wal_flushes: u64,
    /// The longest flush of the log, in microseconds: one or more files of it.
    pub wal_flush_longest_micros: u64,
    /// Bytes written to the log by this handle.
    pub wal_bytes_written: u64,
    /// Bytes of commits the log holds that are not in segments yet.
    pub wal_bytes: u64,
    /// Log files.
    pub wal_files: u64,
    /// Bytes in the newest writes, frozen ones included.
    pub memtable_bytes: u64,
    /// Bytes memtables have from the allocator, which comes in larger pieces.
    pub memtable_reserved_bytes: u64,
    /// Frozen memtables waiting to be written.
    pub memtables_frozen: u64,
    /// Memtables written to segments by this handle.
    pub memtable_flushes: u64,
    /// Segments of the current version.
    pub segments: u64,
    /// Bytes in the segments of the current version.
    pub segment_bytes: u64,
    /// Segments per level, from level 0 on.
    pub level_segments: Vec<u64>,
    /// Compactions run by this handle.
    pub compactions: u64,
    /// Bytes compactions read.
    pub compaction_bytes_in: u64,
    /// Bytes compactions wrote.
    pub compaction_bytes_out: u64,
    /// Old versions compactions removed.
    pub versions_removed: u64,
    /// Deletions compactions removed because nothing was left under them.
    pub deletes_removed: u64,
    /// Entries that merging removed because they had expired.
    pub entries_expired: u64,
    /// Compactions that failed in this handle. A damaged segment, and what would be merged with it, is tried again after
    /// 200 ms, and each time after twice as long, up to a minute; everything else is merged meanwhile.
    pub compaction_failures: u64,
    /// Why the last compaction failed, when none has ended well since, or a damaged segment is still there.
    pub compaction_failure: Option<String>,
    /// Bytes that lie above their level's target and are still to be merged down.
    pub compaction_debt_bytes: u64,
    /// Bytes kept on the disk for deletions, flushes and merges on a full one.
    pub reserve_bytes: u64,
    /// Times a writer had to wait for background work.
    pub write_stalls: u64,
    /// How long writers rested, in milliseconds, so that background work could keep up with them.
    pub write_rests_ms: u64,
    /// Open snapshots, an open write transaction among them.
    pub snapshots: u64,
    /// The oldest sequence some snapshot still sees. Merging keeps, of each key, what was newest at that sequence.
    pub oldest_snapshot: Option<Sequence>,
    /// How long that sequence has been held, in milliseconds; up to half a second less than it has been.
    pub oldest_snapshot_ms: u64,
    /// What it is held for: the name given to `snapshot_for`, `snapshot`, or `write transaction`.
    pub oldest_snapshot_holder: Option<&'static str>,
    /// Iterators that hold memtables and segments: from their first move to their end.
    pub iterators: u64,
    /// Bytes of memtables that are in segments by now and that iterators or values still hold in memory.
    pub memtable_bytes_held: u64,
    /// Entries in segments.
    pub segment_entries: u64,
    /// Of these, deletions and versions that are not the newest of their segment: some snapshot needs them, or they go
    /// with a later merge.
    pub segment_entries_stale: u64,
    /// The last commit readers see.
    pub last_sequence: Sequence,
    /// The last commit known to be on stable storage.
    pub durable_sequence: Sequence,
    /// Segment files that no longer belong to the database and are still there.
    pub obsolete_files: u64,
    /// Bytes of these.
    pub obsolete_bytes: u64,
    /// Of these, files that an iterator, a backup or a verification still reads; the others go with the next steps.
    pub obsolete_files_held: u64,
    /// Bytes of those.
    pub obsolete_bytes_held: u64,
    /// Segment files removed by this handle.
    pub files_removed: u64,
    /// Tries to remove one that failed. A file is tried again after a second, and each time after twice as long, up to a
    /// minute; the next open removes what is left.
    pub removal_failures: u64,
    /// Why the last of these failed, as long as such a file is left.
    pub removal_failure: Option<String>,
    /// Files of segments that are open.
    pub open_files: u64,
    /// Reads of decoded blocks that were in memory.
    pub cache_hits: u64,
    /// Reads of blocks that went to the storage.
    pub cache_misses: u64,
    /// Bytes of decoded blocks in the cache.
    pub cache_bytes: u64,
    /// What memory is used for.
    pub memory: MemoryUse,
}
