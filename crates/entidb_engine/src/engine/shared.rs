//! What every handle of an open database shares, and how a commit gets in.
//!
//! Always: a commit is given room in the log before anything of it is applied, is applied whole before it is handed to
//! the log, and is seen by nobody before the log says so.
//! Does not know: who holds the right to write (`token`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sync::{FairMutex, Mutex};
use arc_swap::ArcSwap;
use entidb_storage::{Backend, Lock, Process};

use crate::background::Signals;
use crate::compaction::{LiveSnapshots, debt_bytes};
use crate::crypto::{Keyring, Keys};
use crate::engine::compact::{CompactionCounts, Merging};
use crate::engine::flush::MemtableFlush;
use crate::engine::full_disk::Tries;
use crate::engine::obsolete::RetiredMemtables;
use crate::engine::pace::Pace;
use crate::engine::readers::Readers;
use crate::engine::super_version::SuperVersion;
use crate::engine::token::Writer;
use crate::error::{Error, Result};
use crate::format::{EntryKind, FileKind, FileNumber, Sequence, decode_commit, encode_commit};
use crate::memtable::{Memtable, MemtableConfig, ReplayedRanges};
use crate::options::{Durability, Options};
use crate::planted::{Mistake, makes};
use crate::segment::Removals;
use crate::space::{Space, no_space};
use crate::stats::{OpenReport, Stats};
use crate::transaction::WriteBuffer;
use crate::version::{FileNumbers, InstallContext, Installer};
use crate::wal::Log;

pub(crate) struct Shared {
    // The order in which these are taken, and what each protects, is in `upkeep`. They come before the folder's lock,
    // because files of unfinished work are removed when they are dropped, and by then the folder must still be ours.
    /// The merge under way, and the requests for compaction.
    pub(crate) merging: FairMutex<Merging>,
    /// Held while a large transaction becomes segments.
    pub(crate) ingesting: FairMutex<()>,
    /// The memtable being written to segments.
    pub(crate) flushing: FairMutex<Option<MemtableFlush>>,
    pub(crate) backend: Backend,
    /// The process that opened the database. A child of it leaves everything alone: it has none of the threads, a lock may
    /// be held by one of them for ever, and files and nonces are the parent's.
    pub(crate) process: Process,
    pub(crate) options: Options,
    pub(crate) report: OpenReport,
    pub(crate) keys: Arc<Keys>,
    pub(crate) keyring: Mutex<Option<Keyring>>,
    pub(crate) numbers: Arc<FileNumbers>,
    pub(crate) space: Arc<Space>,
    pub(crate) closed: AtomicBool,
    /// Given back by close, so that the next handle need not wait for the last snapshot to go.
    pub(crate) folder_lock: Mutex<Option<Box<dyn Lock>>>,
    /// None when open for reading only.
    pub(crate) log: Option<Log>,
    /// None when open for reading only, and after close.
    pub(crate) installer: Mutex<Option<Installer>>,
    pub(crate) current: ArcSwap<SuperVersion>,
    pub(crate) commit: Mutex<CommitState>,
    pub(crate) readers: Readers,
    pub(crate) writer: Writer,
    pub(crate) memtable_config: MemtableConfig,
    pub(crate) last_found: Sequence,
    pub(crate) commits: AtomicU64,
    pub(crate) signals: Arc<Signals>,
    /// True when the last step found nothing to do and nothing has changed since.
    pub(crate) idle: AtomicBool,
    /// Files that no version lists any more.
    pub(crate) removals: Arc<Removals>,
    /// Files of the log, manifests and segments that nothing names since the last switches, to be removed under no lock.
    pub(crate) unneeded: Mutex<Vec<(FileKind, FileNumber)>>,
    pub(crate) retired_memtables: RetiredMemtables,
    /// How often the newest view has let go of memtables, files or indexes, or is to let go of indexes.
    pub(crate) view_changes: Arc<AtomicU64>,
    pub(crate) compactions: CompactionCounts,
    pub(crate) stalls: AtomicU64,
    pub(crate) pace: Pace,
    pub(crate) memtable_flushes: AtomicU64,
}

/// What the one writer changes.
pub(crate) struct CommitState {
    /// The last commit applied to the memtable.
    pub(crate) applied: Sequence,
    scratch: Vec<u8>,
}

impl CommitState {
    pub(crate) fn after(applied: Sequence) -> Self {
        Self { applied, scratch: Vec::new() }
    }
}

impl Shared {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if !self.process.is_current() {
            return Err(Error::Forked);
        }
        if self.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// True in a child made by `fork`; then the shared state is never dropped, not even with its last reference.
    pub(crate) fn stays_as_it_is(self: &Arc<Self>) -> bool {
        let forked = !self.process.is_current();
        if forked {
            std::mem::forget(Arc::clone(self));
        }
        forked
    }

    /// The log, unless the database is open for reading only.
    pub(crate) fn log(&self) -> Result<&Log> {
        self.log.as_ref().ok_or(Error::ReadOnly)
    }

    /// What a switch is recorded with.
    pub(crate) fn install_context(&self, log: &Log) -> InstallContext<'_> {
        let (backend, keys, space) = (&self.backend, self.keys.as_ref(), Some(self.space.as_ref()));
        InstallContext { backend, keys, numbers: &self.numbers, owner: log.owner(), space }
    }

    /// The last commit readers see.
    pub(crate) fn visible(&self) -> Sequence {
        self.log.as_ref().map_or(self.last_found, Log::visible)
    }

    /// Applies the changes as the next commit and hands them to the log. The caller waits for durability.
    pub(crate) fn apply(
        &self,
        buffer: &WriteBuffer,
        durability: Durability,
        before: impl FnOnce(Sequence),
    ) -> Result<Sequence> {
        let log = self.log()?;
        let mut tries = Tries::default();
        let (mut commit, bytes) = loop {
            self.make_room(buffer)?;
            let mut commit = self.commit.lock();
            self.check_open()?;
            let mut bytes = std::mem::take(&mut commit.scratch);
            bytes.clear();
            encode_commit(buffer, &mut bytes)?;
            let no_room = self.is_overdrawn_for(buffer) || !self.space.may_overwrite(tries.purpose(), bytes.len());
            let reserved = if no_room {
                Err(no_space(FileKind::Wal.folder()))
            } else {
                log.reserve(bytes.len(), tries.purpose(), &|| self.unflushed_bytes())
            };
            match reserved {
                Ok(()) => break (commit, bytes),
                Err(error) => {
                    drop(commit);
                    self.when_the_log_is_full(&mut tries, buffer, error)?;
                }
            }
        };
        let view = self.current.load();
        // Large memory is asked for while the commit can still be refused.
        let reserved = view
            .active
            .reserve(buffer.live_bytes(), |size| buffer.visit_points(|key, _, value| size(key.len(), value.len())));
        if let Err(error) = reserved {
            log.release();
            if view.active.bytes() as u64 >= self.options.memtable_bytes {
                // It is full, and there was no memory for a fresh one: the next commit may find that.
                let _ = self.freeze_under(commit.applied);
            }
            return Err(error);
        }
        let sequence = commit.applied.next();
        before(sequence);
        if let Err(error) = apply_buffer(&view.active, buffer, sequence, || self.live()) {
            // Half of it is in the memtable, where nobody sees it: no later commit may take its sequence.
            log.stop(&error);
            return Err(error);
        }
        commit.applied = sequence;
        let flush_due = log.append(sequence, &bytes, durability);
        if bytes.capacity() <= 1 << 20 {
            commit.scratch = bytes;
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        if view.active.bytes() as u64 >= self.options.memtable_bytes {
            // No memory for a fresh one is no reason to fail a commit that is made: the next commit tries again.
            let _ = self.freeze_under(sequence);
        } else if log.wants_spare() {
            self.signals.memtables.wake();
        }
        if flush_due {
            self.signals.log.wake();
        }
        Ok(sequence)
    }

    pub(crate) fn stats(&self) -> Stats {
        let (wal_writes, wal_flushes, wal_bytes_written) = self.log.as_ref().map_or((0, 0, 0), Log::counts);
        let view = self.current.load();
        let waiting = self.files_waiting();
        let oldest = self.readers.oldest(self.backend.clock.monotonic_nanos());
        Stats {
            commits: self.commits.load(Ordering::Relaxed),
            wal_writes,
            wal_flushes,
            wal_flush_longest_micros: self.log.as_ref().map_or(0, |log| log.longest_flush_nanos() / 1_000),
            wal_bytes_written,
            wal_bytes: self.log.as_ref().map_or(0, Log::bytes),
            wal_files: self.log.as_ref().map_or(0, |log| log.file_count() as u64),
            memtable_bytes: view.memtable_bytes(),
            memtable_reserved_bytes: view.memtables().map(|memtable| memtable.reserved_bytes() as u64).sum(),
            memtables_frozen: view.frozen.len() as u64,
            memtable_flushes: self.memtable_flushes.load(Ordering::Relaxed),
            segments: view.version.len() as u64,
            segment_bytes: view.version.bytes(),
            level_segments: view.version.levels().iter().map(|level| level.len() as u64).collect(),
            compactions: self.compactions.runs.load(Ordering::Relaxed),
            compaction_bytes_in: self.compactions.bytes_in.load(Ordering::Relaxed),
            compaction_bytes_out: self.compactions.bytes_out.load(Ordering::Relaxed),
            versions_removed: self.compactions.versions_removed.load(Ordering::Relaxed),
            deletes_removed: self.compactions.deletes_removed.load(Ordering::Relaxed),
            entries_expired: self.compactions.entries_expired.load(Ordering::Relaxed),
            compaction_failures: self.compactions.failures.load(Ordering::Relaxed),
            compaction_failure: self.compactions.failure().map(|error| error.to_string()),
            compaction_debt_bytes: debt_bytes(&view.version, self.plan_options()),
            reserve_bytes: self.space.held(),
            write_stalls: self.stalls.load(Ordering::Relaxed),
            write_rests_ms: u64::try_from(self.pace.rested().as_millis()).unwrap_or(u64::MAX),
            obsolete_files: waiting.files,
            obsolete_bytes: waiting.bytes,
            obsolete_files_held: waiting.files_held,
            obsolete_bytes_held: waiting.bytes_held,
            files_removed: waiting.removed,
            removal_failures: waiting.failures,
            removal_failure: waiting.failure.map(|error| error.to_string()),
            memtable_bytes_held: self.retired_memtables.held_bytes(),
            open_files: view.version.context().open_files.count() as u64,
            cache_hits: view.version.context().cache.hits(),
            cache_misses: view.version.context().cache.misses(),
            cache_bytes: view.version.context().cache.bytes(),
            memory: view.version.context().cache.memory().stats(),
            snapshots: self.readers.count(),
            oldest_snapshot: oldest.map(|oldest| oldest.at),
            oldest_snapshot_ms: oldest.map_or(0, |oldest| oldest.age_nanos / 1_000_000),
            oldest_snapshot_holder: oldest.map(|oldest| oldest.holder),
            iterators: self.readers.iterator_count(),
            segment_entries: view.version.runs().map(|run| run.totals().entries).sum(),
            segment_entries_stale: view.version.runs().map(|run| run.totals().stale).sum(),
            last_sequence: self.visible(),
            durable_sequence: self.log.as_ref().map_or(self.last_found, Log::durable),
            ..Stats::default()
        }
    }
}

/// Applies the changes of a transaction to a memtable.
fn apply_buffer(
    memtable: &Memtable,
    buffer: &WriteBuffer,
    sequence: Sequence,
    live: impl FnOnce() -> LiveSnapshots,
) -> Result<()> {
    memtable.delete_ranges(buffer.ranges(), sequence, live);
    let mut inserter = memtable.inserter();
    buffer.visit_points(|key, kind, value| inserter.insert(key, sequence, kind, value))
}

/// Applies a commit as the log has it to a memtable, and its range deletes to the ranges the memtable is to get.
pub(crate) fn apply_encoded(
    memtable: &Memtable,
    ranges: &mut ReplayedRanges,
    commit: &[u8],
    sequence: Sequence,
) -> Result<()> {
    let mut inserter = memtable.inserter();
    decode_commit(commit, |kind, key, value| match kind {
        EntryKind::DeleteRange if makes(Mistake::RangeDeleteNotReplayed) => Ok(()),
        EntryKind::DeleteRange => {
            ranges.delete(key, value, sequence);
            Ok(())
        }
        _ => inserter.insert(key, sequence, kind, value),
    })
}
