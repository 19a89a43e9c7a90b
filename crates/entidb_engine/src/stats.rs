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
    /// The last commit found.
    pub last_sequence: Sequence,
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
    /// Compactions that failed in this handle. A damaged segment, and what would be merged with it, is tried again after
    /// 200 ms, and each time after twice as long, up to a minute; everything else is merged meanwhile.
    pub compaction_failures: u64,
    /// Why the last compaction failed, when none has ended well since, or a damaged segment is still there.
    pub compaction_failure: Option<String>,
    /// Bytes that lie above their level's target and are still to be merged down.
    pub compaction_debt_bytes: u64,
    /// Times a writer had to wait for background work.
    pub write_stalls: u64,
    /// Open snapshots.
    pub snapshots: u64,
    /// The oldest sequence some snapshot still sees.
    pub oldest_snapshot: Option<Sequence>,
    /// The last commit readers see.
    pub last_sequence: Sequence,
    /// The last commit known to be on stable storage.
    pub durable_sequence: Sequence,
    /// Files waiting for their last reader before they go.
    pub obsolete_files: u64,
    /// Reads of decoded blocks that were in memory.
    pub cache_hits: u64,
    /// Reads of blocks that went to the storage.
    pub cache_misses: u64,
    /// Bytes of decoded blocks in memory.
    pub cache_bytes: u64,
}
