//! The handle of an open database, shared by every clone, snapshot and transaction.
//!
//! Always: one handle per folder writes; readers are never blocked by it; what was closed says so.
//! Does not know: layouts of files (`format`), or entities.

mod close;
mod compact;
mod create;
mod damage;
mod flush;
mod full_disk;
mod indexes;
mod ingest;
mod keys;
mod maintain;
mod obsolete;
mod open;
mod pace;
mod read_point;
mod readers;
pub(crate) mod recover;
mod replayed;
mod room;
mod shared;
mod source;
mod super_version;
mod token;
mod upkeep;
mod verify;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use entidb_storage::Backend;

use crate::background::Background;
use crate::backup::{self, BackupReport};
use crate::error::{Error, Result};
use crate::format::{DatabaseId, Sequence};
use crate::interrupt;
use crate::iterator::{KeyRange, Span};
use crate::options::Options;
use crate::stats::{OpenReport, Stats};
use crate::transaction::{Snapshot, WriteTransaction};
use crate::verify::{VerifyLevel, VerifyReport};
pub(crate) use open::LOCK;
pub(crate) use read_point::ReadPoint;
pub(crate) use shared::Shared;
pub(crate) use source::SourceCursor;
pub(crate) use token::{Less, WriterToken};
pub(crate) use upkeep::InOtherHands;

/// An open database. Clones are the same database, and a write transaction keeps it open; the last of them to go leaves it
/// as a crash would, which loses nothing that was durable. [`close`](Engine::close) is the orderly end.
///
/// ```
/// # use entidb_engine::{Engine, Options};
/// # use entidb_storage::Backend;
/// # fn main() -> entidb_engine::Result<()> {
/// let engine = Engine::open(Backend::memory(), Options::default())?;
/// let mut transaction = engine.begin_write()?;
/// transaction.put(b"key", b"value")?;
/// let savepoint = transaction.savepoint()?;
/// transaction.delete(b"key")?;
/// transaction.rollback_to(&savepoint)?;
/// let sequence = transaction.commit()?;
///
/// let snapshot = engine.snapshot()?;
/// assert_eq!(snapshot.sequence(), sequence);
/// assert_eq!(snapshot.get(b"key")?.as_deref(), Some(b"value".as_slice()));
/// engine.close()
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    background: Arc<Background>,
}

impl Engine {
    /// Opens the database in the backend's directory, making or recovering it as needed.
    ///
    /// # Errors
    /// `InvalidArgument` for options that make no sense; `NoDatabase`, `NotADatabase`, `FormatTooNew`, `Corrupt`,
    /// `WrongKey`, `EncryptionRequired`, `NotEncrypted`; `DatabaseExists` when `create_new` finds one; `Storage` with
    /// `Locked` when another handle has it.
    pub fn open(backend: Backend, options: Options) -> Result<Self> {
        let shared = open::open(backend, options)?;
        let background = Arc::new(Background::start(&shared)?);
        Ok(Self { shared, background })
    }

    /// The report of the opening: what was recovered, and what was removed.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.shared.report
    }

    /// The random name the database got when it was made.
    #[must_use]
    pub fn database_id(&self) -> DatabaseId {
        self.shared.keys.database_id()
    }

    /// Begins a write transaction, waiting for the one before it to end. Where the backend has no threads there
    /// is nobody to wait for, and a second one is `Busy` at once.
    ///
    /// # Errors
    /// `Closed`, `ReadOnly`, `WritesStopped`, `Busy`.
    pub fn begin_write(&self) -> Result<WriteTransaction> {
        self.begin(None)
    }

    /// As [`begin_write`](Engine::begin_write), waiting no longer than `timeout`.
    ///
    /// # Errors
    /// `Busy` when the time is over, otherwise as [`begin_write`](Engine::begin_write).
    pub fn begin_write_timeout(&self, timeout: Duration) -> Result<WriteTransaction> {
        self.begin(Some(timeout))
    }

    fn begin(&self, timeout: Option<Duration>) -> Result<WriteTransaction> {
        self.shared.check_open()?;
        self.shared.log()?.check()?;
        let timeout = if self.shared.backend.threads.parallelism() == 0 { Some(Duration::ZERO) } else { timeout };
        let token = WriterToken::take(&self.shared, timeout)?;
        let point = ReadPoint::applied(&self.shared, "write transaction");
        let options = &self.shared.options;
        let background = Arc::clone(&self.background);
        Ok(WriteTransaction::new(token, point, background, options.transaction_bytes_max, options.memtable_bytes))
    }

    /// The database as it is now.
    ///
    /// # Errors
    /// `Closed`.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.snapshot_for("snapshot")
    }

    /// As [`snapshot`](Engine::snapshot), with a name for what it is used for: [`Stats::oldest_snapshot_holder`] tells
    /// who keeps old versions from being removed.
    ///
    /// # Errors
    /// `Closed`.
    pub fn snapshot_for(&self, holder: &'static str) -> Result<Snapshot> {
        self.shared.check_open()?;
        Ok(Snapshot::new(ReadPoint::newest(&self.shared, holder)))
    }

    /// The last commit readers see.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.shared.visible()
    }

    /// The last commit known to be on stable storage.
    #[must_use]
    pub fn durable_sequence(&self) -> Sequence {
        self.shared.log.as_ref().map_or_else(|| self.last_sequence(), |log| log.durable())
    }

    /// Makes the commit durable, waiting for it to be made first if need be.
    ///
    /// # Errors
    /// `Timeout` when nobody made that commit in time; `Closed` and `WritesStopped`, also when that happens meanwhile.
    pub fn wait_durable(&self, sequence: Sequence, timeout: Duration) -> Result<()> {
        self.shared.check_open()?;
        let reached = match &self.shared.log {
            Some(log) => log.wait_durable(sequence, timeout, &|| self.shared.is_closed())?,
            None => sequence <= self.last_sequence(),
        };
        if reached { Ok(()) } else { Err(timed_out("waiting for a durable commit", timeout)) }
    }

    /// Waits until a commit after `after` is visible and returns the last visible one.
    ///
    /// # Errors
    /// `Timeout`; `Closed` and `WritesStopped`, also when that happens meanwhile.
    pub fn wait_for_commit(&self, after: Sequence, timeout: Duration) -> Result<Sequence> {
        self.wait_for_commit_unless(after, timeout, &|| false)
    }

    /// As [`wait_for_commit`](Engine::wait_for_commit), and over as if the time were when `is_over` says so; it is asked when
    /// [`wake_waiters`](Engine::wake_waiters) was called, and must not call the engine.
    ///
    /// # Errors
    /// As [`wait_for_commit`](Engine::wait_for_commit).
    pub fn wait_for_commit_unless(
        &self,
        after: Sequence,
        timeout: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Sequence> {
        self.shared.check_open()?;
        let closed = || self.shared.is_closed() || is_over();
        let came = match &self.shared.log {
            Some(log) => log.wait_visible_after(after, timeout, &closed)?,
            None => {
                // Nobody commits where there is no log, so the only thing to come is the end.
                if self.shared.backend.threads.parallelism() > 0 {
                    self.wait_for_the_end(timeout, is_over)?;
                }
                self.last_sequence() > after
            }
        };
        self.shared.check_open()?;
        if came {
            return Ok(self.last_sequence());
        }
        self.shared.log.as_ref().map_or(Ok(()), |log| log.check())?;
        Err(timed_out("waiting for a commit", timeout))
    }

    /// Lets those who wait for a commit look again whether they still want to.
    pub fn wake_waiters(&self) {
        if self.is_forked() {
            return;
        }
        match &self.shared.log {
            Some(log) => log.wake(),
            None => self.shared.signals.merges.wake_waiters(),
        }
    }

    fn wait_for_the_end(&self, timeout: Duration, is_over: &dyn Fn() -> bool) -> Result<()> {
        let clock = &self.shared.backend.clock;
        let until = clock.monotonic_nanos().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        loop {
            let left = Duration::from_nanos(until.saturating_sub(clock.monotonic_nanos()));
            if left.is_zero() || self.shared.is_closed() || is_over() {
                return Ok(());
            }
            self.shared.signals.merges.wait_for_stop(interrupt::slice(left), is_over);
            interrupt::check()?;
        }
    }

    /// Makes every commit so far durable.
    ///
    /// # Errors
    /// `WritesStopped`, `Closed`.
    pub fn flush(&self) -> Result<()> {
        self.shared.check_open()?;
        self.shared.log.as_ref().map_or(Ok(()), |log| log.flush_all())
    }

    /// Writes every commit so far to segments and lets the log begin anew. Returns the last of them.
    ///
    /// # Errors
    /// `Storage` with `NoSpace` when there is no room, and then nothing is lost; `WritesStopped`, `ReadOnly`, `Closed`.
    pub fn checkpoint(&self) -> Result<Sequence> {
        self.shared.check_open()?;
        self.shared.checkpoint()
    }

    /// Merges everything into as few segments as possible: old versions and deletions that no snapshot needs go.
    /// Takes as long as rewriting the database takes; commits, reads and `close` go on meanwhile, and `close` gives it up.
    ///
    /// # Errors
    /// As [`checkpoint`](Engine::checkpoint); `Corrupt` when a segment is not what was written; `Closed` when the database
    /// is closed before it is done.
    pub fn compact(&self) -> Result<()> {
        self.compact_range(KeyRange::all())
    }

    /// As [`compact`](Engine::compact), for the segments that overlap a range.
    ///
    /// # Errors
    /// As [`compact`](Engine::compact).
    pub fn compact_range(&self, range: impl Into<KeyRange>) -> Result<()> {
        self.shared.check_open()?;
        self.shared.compact_span(&Span::from(&range.into()))
    }

    /// Copies the database as it is after its last commit into an empty folder, while reads and writes go on; one that is
    /// open for reading only file by file. The copy opens with the keys the database has when this returns. Every byte of it is read back and checked before that; a
    /// backup that fails leaves the folder empty.
    ///
    /// # Errors
    /// `Storage` with `FolderNotEmpty` when the target has anything in it; `Corrupt` when a file is not what the
    /// manifest says; `BadCopy` when the target gives back other bytes than it was given; `WritesStopped`, `ReadOnly`,
    /// `Closed`; a failure of either storage.
    pub fn backup(&self, target: &Backend) -> Result<BackupReport> {
        self.shared.check_open()?;
        backup::backup(&self.shared, target)
    }

    /// Checks the files of the database and lists everything that is not what was written, with file and offset.
    ///
    /// # Errors
    /// `Closed`. What is wrong with the files is in the report.
    pub fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        self.shared.check_open()?;
        verify::verify(&self.shared, level)
    }

    /// Does up to `steps_max` pieces of background work, the most urgent first; true when more is waiting. Where the
    /// backend has no threads this is who does it; elsewhere threads do it unasked.
    ///
    /// # Errors
    /// What the step failed with; it is tried again by the next call. `Cancelled` between two steps.
    pub fn maintain(&self, steps_max: usize) -> Result<bool> {
        self.shared.check_open()?;
        self.shared.flush_log_if_due()?;
        for _ in 0..steps_max {
            interrupt::check()?;
            if !self.shared.step(InOtherHands::Wait)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Counters and sizes; none in a child made by `fork`.
    #[must_use]
    pub fn stats(&self) -> Stats {
        if self.is_forked() {
            return Stats::default();
        }
        self.shared.stats()
    }

    /// Ends the use of the database in order: flushes the log, and gives up merges that are under way. Safe to call twice. A
    /// write transaction that is still open can no longer commit; snapshots and iterators fail with `Closed` from here on.
    ///
    /// # Errors
    /// A failure of the storage; the database is closed all the same, as after a crash. `Forked` in a child made by `fork`,
    /// and nothing was done.
    pub fn close(&self) -> Result<()> {
        if self.is_forked() {
            return Err(Error::Forked);
        }
        self.background.stop();
        close::close(&self.shared)
    }

    /// True in a child made by `fork` from the process that opened it. There every call says `Forked`, and dropping it does
    /// nothing.
    #[must_use]
    #[inline]
    pub fn is_forked(&self) -> bool {
        !self.shared.process.is_current()
    }

    /// True after [`close`](Engine::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }
}

fn timed_out(what: &'static str, timeout: Duration) -> Error {
    Error::Timeout { what, timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX) }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.stays_as_it_is();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({:?} at {})", self.shared.backend.directory.location(), self.last_sequence())
    }
}
