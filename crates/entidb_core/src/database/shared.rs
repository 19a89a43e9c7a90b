//! What all handles of one open database share.
//!
//! Always: a snapshot and the catalog that belongs to it are taken together. Does not know: what is done with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use entidb_engine::{Engine, Sequence, Snapshot};
use entidb_storage::{Backend, Clock, FileDirectory, Random, Threads};

use super::counters::Counters;
use super::idle::IdleWatch;
use super::size::SizeLimit;
use super::write_owner::WriteOwner;
use crate::catalog::{Catalog, CatalogHistory, CollectionRecord};
use crate::change_feed::{Session, Wakers, check_readable};
use crate::error::{Error, ErrorCode, Result};
use crate::history::catalog_at;
use crate::id::{EntityId, IdGenerator};
use crate::index::Builds;
use crate::index::memory::Watch;
use crate::keyspace;
use crate::options::Options;
use crate::transaction::{Limits, ReadInner, State, View};

/// How long work that comes last lets the others go first; waking one takes less.
const TURN: Duration = Duration::from_millis(1);

/// How long it waits for the write lock before it checks whether the database is closed.
const WAIT: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    engine: Engine,
    /// Not the directory, which would keep the folder open after the database is closed.
    location: String,
    /// The folder of the operating system it is in, from the top; none on any other backend.
    folder: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    threads: Arc<dyn Threads>,
    options: Options,
    catalogs: CatalogHistory,
    /// None when open for reading only.
    session: Option<Session>,
    ids: IdGenerator,
    counters: Counters,
    builds: Builds,
    watch: Watch,
    /// How many wait for the write lock.
    waiting: AtomicUsize,
    owner: WriteOwner,
    idle: IdleWatch,
    size: SizeLimit,
    wakers: Wakers,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(
        engine: Engine,
        backend: Backend,
        options: Options,
        catalog: Catalog,
        session: Option<Session>,
    ) -> Self {
        let from = engine.last_sequence();
        Self {
            engine,
            location: backend.directory.location().to_owned(),
            folder: None,
            clock: backend.clock,
            random: backend.random,
            threads: backend.threads,
            options,
            catalogs: CatalogHistory::new(from, Arc::new(catalog)),
            session,
            ids: IdGenerator::default(),
            counters: Counters::default(),
            builds: Builds::default(),
            watch: Watch::default(),
            waiting: AtomicUsize::new(0),
            owner: WriteOwner::default(),
            idle: IdleWatch::default(),
            size: SizeLimit::default(),
            wakers: Wakers::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn catalogs(&self) -> &CatalogHistory {
        &self.catalogs
    }

    /// What every commit goes through.
    pub(crate) fn session(&self) -> Result<&Session> {
        self.session.as_ref().ok_or_else(|| entidb_engine::Error::ReadOnly.into())
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn builds(&self) -> &Builds {
        &self.builds
    }

    /// What tells indexes of commits.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The thread of the open write transaction.
    pub(crate) fn write_owner(&self) -> &WriteOwner {
        &self.owner
    }

    /// What watches it while others wait.
    pub(crate) fn idle(&self) -> &IdleWatch {
        &self.idle
    }

    /// The readers of the feed that wait for their wakers.
    pub(crate) fn wakers(&self) -> &Wakers {
        &self.wakers
    }

    /// Refuses a commit of this many bytes that would take the database beyond its limit.
    pub(crate) fn check_size(&self, bytes: u64) -> Result<()> {
        match self.options.database_bytes_max {
            0 => Ok(()),
            max => self.size.check(&self.engine, max, bytes).map_err(|error| error.with_path(self.location())),
        }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    pub(crate) fn last_sequence(&self) -> Sequence {
        self.engine.last_sequence()
    }

    /// Says in which folder of the operating system it is.
    pub(crate) fn set_folder(&mut self, path: &Path) {
        self.folder = std::path::absolute(path).ok();
    }

    /// Refuses to write a copy into the folder of the database, where its files would be strangers.
    pub(crate) fn check_outside(&self, target: &Path) -> Result<()> {
        match &self.folder {
            Some(folder) if FileDirectory::is_within(target, folder) => {
                let problem = format!(
                    "the target {:?} lies in the folder of the database itself; give a folder outside of it",
                    target.display().to_string()
                );
                Err(Error::new(ErrorCode::InvalidArgument, problem).with_path(&target.display().to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Waits until there is a commit after this one; false when the time, or the wait, is over first.
    pub(crate) fn wait_for_commit(
        &self,
        after: Sequence,
        timeout: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> Result<bool> {
        match self.engine.wait_for_commit_unless(after, timeout, is_over) {
            Ok(_) => Ok(true),
            Err(entidb_engine::Error::Timeout { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.engine.is_forked() {
            return Err(Error::from(entidb_engine::Error::Forked).with_path(self.location()));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(
                Error::new(ErrorCode::Closed, "the database is closed; open it again").with_path(self.location())
            );
        }
        Ok(())
    }

    pub(crate) fn next_id(&self) -> Result<EntityId> {
        self.ids.next(&*self.clock, &*self.random)
    }

    /// The newest commit, with its catalog.
    pub(crate) fn begin_read(self: &Arc<Self>) -> Result<Arc<ReadInner>> {
        self.begin_read_for("read")
    }

    /// As [`begin_read`](Self::begin_read), with what it is for.
    pub(crate) fn begin_read_for(self: &Arc<Self>, holder: &'static str) -> Result<Arc<ReadInner>> {
        self.check_open()?;
        let snapshot = self.engine.snapshot_for(holder)?;
        self.watch.show(snapshot.sequence());
        let catalog = self.catalog_of(&snapshot)?;
        Ok(Arc::new(ReadInner::new(Arc::clone(self), snapshot, catalog, None)))
    }

    /// A read of the database as it was at an earlier commit.
    pub(crate) fn begin_read_at(self: &Arc<Self>, at: Sequence) -> Result<Arc<ReadInner>> {
        let now = self.begin_read_for("read of an earlier commit")?;
        let newest = now.sequence()?;
        if at == newest {
            return Ok(now);
        }
        if at > newest {
            let problem = format!("commit {at} is asked for, the newest is {newest}; give one that was made");
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
        if self.options.feed_commits_max == 0 {
            let problem = "this database keeps no history; open it with feed_commits_max above 0";
            return Err(Error::new(ErrorCode::Unsupported, problem));
        }
        let view = View::Read(Arc::clone(&now));
        check_readable(&view, at, self.options.feed_commits_max)?;
        let catalog = catalog_at(&view, now.catalog(), at)?;
        drop(view);
        let snapshot = now.snapshot()?.clone();
        Ok(Arc::new(ReadInner::new(Arc::clone(self), snapshot, Arc::new(catalog), Some(at))))
    }

    /// The write lock, with a transaction of the engine. A wait for a transaction of this caller would never end, so it is
    /// refused; without a wait the lock is busy, whichever thread has it.
    pub(crate) fn begin_engine(&self, timeout: Option<Duration>) -> Result<entidb_engine::WriteTransaction> {
        self.check_open()?;
        let timeout = timeout.unwrap_or(Duration::from_millis(self.options.lock_timeout_ms));
        if !timeout.is_zero() && self.would_wait_for_itself() {
            let problem = "this call would wait for a write transaction that its own thread has open; use a collection of \
                           that transaction, or commit or abort it first";
            return Err(Error::new(ErrorCode::Deadlock, problem).with_path(self.location()));
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let engine = self.take_lock(timeout);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(engine.inspect_err(|error| {
            if matches!(error, entidb_engine::Error::WritesStopped { .. }) {
                self.wakers.wake();
            }
        })?)
    }

    /// Whether this caller has a write transaction open whose time is not over.
    fn would_wait_for_itself(&self) -> bool {
        self.owner.is_this_caller() && !self.idle.end_late()
    }

    /// The write lock, from an idle transaction too when it was idle for too long. A thread that finds the lock free reads no clock.
    fn take_lock(
        &self,
        timeout: Duration,
    ) -> std::result::Result<entidb_engine::WriteTransaction, entidb_engine::Error> {
        let busy = match self.engine.begin_write_timeout(Duration::ZERO) {
            Err(busy @ entidb_engine::Error::Busy) => busy,
            done => return done,
        };
        let idle_max = Duration::from_millis(self.options.transaction_idle_ms_max);
        let begun = self.clock.monotonic_nanos();
        loop {
            let waited = Duration::from_nanos(self.clock.monotonic_nanos().saturating_sub(begun));
            let left = timeout.saturating_sub(waited);
            let idle = self.idle.left(&*self.clock, idle_max);
            if left.is_zero() && idle != Some(Duration::ZERO) {
                return Err(busy);
            }
            let slice = idle.map_or(left, |idle| idle.min(left));
            match self.engine.begin_write_timeout(slice) {
                Err(entidb_engine::Error::Busy) => {}
                done => return done,
            }
        }
    }

    /// The state of a new write transaction.
    pub(crate) fn begin_state(&self, timeout: Option<Duration>) -> Result<State> {
        let engine = self.begin_engine(timeout)?;
        let catalog = match self.catalogs.at(engine.sequence()) {
            Some(catalog) => catalog,
            None => return Err(Error::internal("the newest catalog is not known")),
        };
        self.counters.started();
        let limits = Limits {
            entity_bytes_max: self.options.entity_bytes_max,
            retention: self.options.retention(),
            show_unique_keys: self.options.show_unique_keys,
        };
        Ok(State::new(engine, catalog, limits))
    }

    /// The place of the one writer for work that goes on for long: it waits as long as it takes, behind everyone else.
    pub(crate) fn begin_state_behind(&self) -> Result<State> {
        // A released lock goes to the first that asks, and the thread that just had it would always be first.
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.threads.sleep(TURN);
        }
        loop {
            match self.begin_state(Some(WAIT)) {
                Err(error) if error.code() == ErrorCode::Busy => {}
                result => return result,
            }
        }
    }

    fn catalog_of(&self, snapshot: &Snapshot) -> Result<Arc<Catalog>> {
        match self.catalogs.at(snapshot.sequence()) {
            Some(catalog) => Ok(catalog),
            None => read_catalog(snapshot).map(Arc::new),
        }
    }

    pub(crate) fn close(&self) -> Result<()> {
        if self.engine.is_forked() {
            return Ok(());
        }
        if self.closed.load(Ordering::Acquire) {
            // Another call may be closing it at this moment.
            return Ok(self.engine.close()?);
        }
        if self.would_wait_for_itself() {
            let problem = "this thread has a write transaction open; commit or abort it before closing";
            return Err(Error::new(ErrorCode::InUse, problem).with_path(self.location()));
        }
        // The writer's place is taken for good, so that nobody changes anything while the end is written. Calls that are
        // under way give it back; a transaction may not.
        let writer = if self.options.read_only {
            None
        } else {
            let timeout = self.options.lock_timeout_ms;
            match self.take_lock(Duration::from_millis(timeout)) {
                Ok(writer) => Some(writer),
                Err(entidb_engine::Error::Busy) => {
                    let problem = format!(
                        "a write transaction is still open in another thread after {timeout} ms; commit or abort it before \
                         closing"
                    );
                    return Err(Error::new(ErrorCode::InUse, problem).with_path(self.location()));
                }
                Err(error) if error.is_interruption() => return Err(error.into()),
                // Writing has stopped: there is nothing to wait for.
                Err(_) => None,
            }
        };
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if let Some(writer) = writer {
            writer.abort();
            self.shorten_log();
        }
        self.close_engine()
    }

    /// Closes the engine and wakes the readers of the feed that wait for their wakers.
    fn close_engine(&self) -> Result<()> {
        let closed = self.engine.close();
        self.wakers.wake();
        Ok(closed?)
    }

    /// Writes the log to segments before a close, when the next opening would have much to read. What is in the log is safe
    /// there, so a failure, or the end of this call's time, only leaves it to that opening.
    fn shorten_log(&self) {
        let from = self.options.close_checkpoint_bytes;
        if from > 0 && self.engine.stats().wal_bytes >= from {
            let _ = self.engine.checkpoint();
        }
    }

    /// Waits for no transaction: one that is open finds the database closed at its next call, its commit among them.
    pub(crate) fn close_now(&self) -> Result<()> {
        if self.check_open().is_err() || self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.close_engine()
    }
}

impl Drop for Shared {
    /// The last handle is gone and nobody closed: what was committed with a weaker durability goes to the disk now, for the
    /// next moment may be the end of the process. A failure cannot be told to anybody, and is what a crash would leave.
    fn drop(&mut self) {
        if !self.closed.load(Ordering::Acquire) && self.session.is_some() {
            let _ = self.engine.wait_durable(self.engine.last_sequence(), Duration::ZERO);
        }
    }
}

/// The catalog as the keyspace has it.
pub(crate) fn read_catalog(snapshot: &Snapshot) -> Result<Catalog> {
    let (start, end) = keyspace::collection_records();
    let mut records = snapshot.range(start.as_slice()..end.as_slice(), entidb_engine::Direction::Forward)?;
    let mut found = Vec::new();
    while records.advance()? {
        found.push(CollectionRecord::decode(records.value())?);
    }
    Ok(Catalog::from_records(found))
}
