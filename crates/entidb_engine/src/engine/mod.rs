//! The handle of an open database, shared by every clone, snapshot and transaction.
//!
//! Always: one handle per folder writes; readers are never blocked by it; what was closed says so.
//! Does not know: layouts of files (`format`), or entities.

mod interim;
mod read_point;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entidb_storage::Backend;
use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::options::Options;
use crate::stats::{OpenReport, Stats};
use crate::transaction::{Snapshot, WriteTransaction};
use interim::Interim;
pub(crate) use read_point::ReadPoint;
pub(crate) use token::WriterToken;

pub(crate) struct Shared {
    backend: Backend,
    options: Options,
    report: OpenReport,
    closed: AtomicBool,
    visible: AtomicU64,
    commits: AtomicU64,
    commit_waiters: (Mutex<()>, Condvar),
    writer: token::Writer,
    interim: Interim,
}

/// An open database. Clones are the same database; the last one to go leaves it as a crash would, which loses
/// nothing that was durable. [`close`](Engine::close) is the orderly end.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Opens the database in the backend's directory, making or recovering it as needed.
    ///
    /// # Errors
    /// `InvalidArgument` for options that make no sense; `NoDatabase`, `NotADatabase`, `FormatTooNew`, `Corrupt`,
    /// `WrongKey`, `EncryptionRequired`, `NotEncrypted`; `Storage` with `Locked` when another handle has it.
    pub fn open(backend: Backend, options: Options) -> Result<Self> {
        options.validate()?;
        let shared = Shared {
            backend,
            options,
            report: OpenReport { created: true, clean: true, ..OpenReport::default() },
            closed: AtomicBool::new(false),
            visible: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            commit_waiters: (Mutex::new(()), Condvar::new()),
            writer: token::Writer::default(),
            interim: Interim::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What opening found and did.
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        &self.shared.report
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
        if self.shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        let timeout = if self.shared.backend.threads.parallelism() == 0 { Some(Duration::ZERO) } else { timeout };
        let token = WriterToken::take(&self.shared, timeout)?;
        let point = ReadPoint::new(&self.shared, self.last_sequence());
        Ok(WriteTransaction::new(token, point, self.shared.options.transaction_bytes_max))
    }

    /// The database as it is now.
    ///
    /// # Errors
    /// `Closed`.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.shared.check_open()?;
        Ok(Snapshot::new(ReadPoint::new(&self.shared, self.last_sequence())))
    }

    /// The last commit readers see.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        Sequence(self.shared.visible.load(Ordering::Acquire))
    }

    /// The last commit known to be on stable storage.
    #[must_use]
    pub fn durable_sequence(&self) -> Sequence {
        self.last_sequence()
    }

    /// Waits until the commit is on stable storage.
    ///
    /// # Errors
    /// `Timeout`, `Closed`, `WritesStopped`.
    pub fn wait_durable(&self, sequence: Sequence, timeout: Duration) -> Result<()> {
        if sequence <= self.durable_sequence() { Ok(()) } else { self.wait_for_commit(sequence, timeout).map(|_| ()) }
    }

    /// Waits until a commit after `after` is visible and returns the last visible one.
    ///
    /// # Errors
    /// `Timeout`, `Closed`.
    pub fn wait_for_commit(&self, after: Sequence, timeout: Duration) -> Result<Sequence> {
        let mut guard = self.shared.commit_waiters.0.lock();
        loop {
            self.shared.check_open()?;
            let last = self.last_sequence();
            if last > after {
                return Ok(last);
            }
            if self.shared.commit_waiters.1.wait_for(&mut guard, timeout).timed_out() && self.last_sequence() <= after {
                let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                return Err(Error::Timeout { what: "waiting for a commit", timeout_ms });
            }
        }
    }

    /// Makes every commit so far durable.
    ///
    /// # Errors
    /// `WritesStopped`, `Closed`.
    pub fn flush(&self) -> Result<()> {
        self.shared.check_open()
    }

    /// Counters and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.shared.commits.load(Ordering::Relaxed),
            last_sequence: self.last_sequence(),
            durable_sequence: self.durable_sequence(),
            ..Stats::default()
        }
    }

    /// Ends the use of the database in order. Safe to call twice. A write transaction still open can no longer
    /// commit; snapshots and iterators fail with `Closed` from here on.
    ///
    /// # Errors
    /// A failure of the storage; the database is closed all the same, as after a crash.
    pub fn close(&self) -> Result<()> {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.commit_waiters.1.notify_all();
        Ok(())
    }

    /// True after [`close`](Engine::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }
}

impl Shared {
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Engine({:?} at {})", self.shared.backend.directory.location(), self.last_sequence())
    }
}
