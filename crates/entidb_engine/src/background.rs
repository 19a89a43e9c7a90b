//! The threads of an open database, one for each kind of work: the log, memtables, and merges.
//!
//! Always: work of one kind never waits for a piece of another kind. The log has its thread wherever there are threads,
//! so the interval of grouped commits is kept, whichever thread does the rest. A piece that fails leaves the database as it was
//! and is tried again, except where a flush failed, which stops all writing.
//! Does not know: what a piece does (`engine::upkeep`).

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::sync::{Condvar, Mutex};
use entidb_storage::{Process, Running};

use crate::engine::{InOtherHands, Shared};
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::wal::Log;

/// How long a thread rests when nothing is due.
const REST: Duration = Duration::from_millis(500);
/// How often readers that are new are noticed, so that it is known since when they have been there.
const NOTICE_NANOS: u64 = 100_000_000;
/// How often it is looked whether the database is still this session's, where commits came since the last time: what is
/// committed into a folder that was removed is gone with it.
const LOOK_NANOS: u64 = 1_000_000_000;
/// How long it rests after a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(200);
/// How long the thread of the log rests when no commit waits for a flush; the next commit wakes it.
const LOG_REST: Duration = Duration::from_secs(3600);

/// A kind of background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    /// Flushes commits whose interval is over.
    Log,
    /// Makes the next log file ahead of need, and writes memtables to segments.
    Memtables,
    /// Removes files nobody reads, and merges segments.
    Merges,
}

impl Worker {
    const ALL: [Self; 3] = [Self::Log, Self::Memtables, Self::Merges];

    fn thread_name(self) -> &'static str {
        match self {
            Self::Log => "entidb-log",
            Self::Memtables => "entidb-memtables",
            Self::Merges => "entidb-merges",
        }
    }
}

/// One signal for each kind of work.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) log: Signal,
    pub(crate) memtables: Signal,
    pub(crate) merges: Signal,
}

impl Signals {
    fn of(&self, worker: Worker) -> &Signal {
        match worker {
            Worker::Log => &self.log,
            Worker::Memtables => &self.memtables,
            Worker::Merges => &self.merges,
        }
    }
}

/// Wakes a thread, and those who wait for it.
#[derive(Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
    work: Condvar,
    progress: Condvar,
}

#[derive(Default)]
struct SignalState {
    wanted: bool,
    stopping: bool,
    running: bool,
    failure: Option<Error>,
    /// Pieces that have ended so far.
    pieces: u64,
}

impl Signal {
    /// Says that there may be something to do.
    pub(crate) fn wake(&self) {
        self.state.lock().wanted = true;
        self.work.notify_one();
    }

    /// True while a thread does the work.
    pub(crate) fn is_running(&self) -> bool {
        let state = self.state.lock();
        state.running && !state.stopping
    }

    /// Remembers how the last piece of the work ended, for writers that wait for it.
    pub(crate) fn note(&self, failure: Option<Error>) {
        let mut state = self.state.lock();
        state.failure = failure;
        state.pieces = state.pieces.wrapping_add(1);
        drop(state);
        self.progress.notify_all();
    }

    /// Waits until a piece is done, or the thread has ended, or the time is over. Returns why that piece failed: a failure
    /// of one before it says nothing about the one that is under way.
    pub(crate) fn wait_for_piece(&self, time: Duration) -> Option<Error> {
        let mut state = self.state.lock();
        let before = state.pieces;
        if state.running && !state.stopping {
            state.wanted = true;
            self.work.notify_one();
            self.progress.wait_for(&mut state, time);
        }
        state.failure.clone().filter(|_| state.pieces != before)
    }

    /// Waits until the database is being closed, the caller no longer wants to, or the time is over.
    pub(crate) fn wait_for_stop(&self, time: Duration, is_over: &dyn Fn() -> bool) {
        let mut state = self.state.lock();
        self.progress.wait_while_for(&mut state, |state| !state.stopping && !is_over(), time);
    }

    /// Lets those who wait look again whether they still want to.
    pub(crate) fn wake_waiters(&self) {
        drop(self.state.lock());
        self.progress.notify_all();
    }

    fn stop(&self) {
        self.state.lock().stopping = true;
        self.work.notify_all();
        self.progress.notify_all();
    }

    /// Rests until woken; false when the thread is to end.
    fn rest(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.wanted && !state.stopping && !time.is_zero() {
            self.work.wait_for(&mut state, time);
        }
        state.wanted = false;
        !state.stopping
    }
}

/// The threads of an open database. Dropping it, or stopping it, waits for the pieces they are in.
pub(crate) struct Background {
    process: Process,
    signals: Arc<Signals>,
    threads: Mutex<Vec<Box<dyn Running>>>,
}

impl Background {
    /// Starts the threads where there are any: all of them, or that of the log alone.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self> {
        let started =
            Self { process: Process::current(), signals: Arc::clone(&shared.signals), threads: Mutex::new(Vec::new()) };
        if shared.log.is_none() || shared.backend.threads.parallelism() == 0 {
            return Ok(started);
        }
        for worker in Worker::ALL {
            if shared.options.background || worker == Worker::Log {
                started.start_one(shared, worker)?;
            }
        }
        Ok(started)
    }

    fn start_one(&self, shared: &Arc<Shared>, worker: Worker) -> Result<()> {
        let signal = shared.signals.of(worker);
        let (weak, signals) = (Arc::downgrade(shared), Arc::clone(&shared.signals));
        signal.state.lock().running = true;
        let body = Box::new(move || drive(worker, &weak, signals.of(worker)));
        match shared.backend.threads.spawn(worker.thread_name(), body) {
            Ok(thread) => {
                self.threads.lock().push(thread);
                Ok(())
            }
            Err(error) => {
                signal.state.lock().running = false;
                Err(error.into())
            }
        }
    }

    /// Ends the threads, each after the piece it is in.
    pub(crate) fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        Worker::ALL.iter().for_each(|worker| self.signals.of(*worker).stop());
        for thread in threads {
            thread.join();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.process.is_current() {
            self.stop();
        } else {
            // A child made by `fork` has none of these threads: waiting for one would take for ever.
            std::mem::forget(std::mem::take(self.threads.get_mut()));
        }
    }
}

/// Says that the thread has ended, however it ends: writers must not wait for one that is gone.
struct Ended<'a>(&'a Signal);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.state.lock().running = false;
        self.0.progress.notify_all();
    }
}

fn drive(worker: Worker, shared: &Weak<Shared>, signal: &Signal) {
    let _ended = Ended(signal);
    let (mut time, mut noticed_nanos) = (Duration::ZERO, 0);
    let (mut looked_nanos, mut looked_at) = (0, Sequence::ZERO);
    while signal.rest(time) {
        let Some(shared) = shared.upgrade() else { break };
        if shared.is_closed() {
            break;
        }
        let now_nanos = shared.backend.clock.monotonic_nanos();
        if worker == Worker::Merges && now_nanos.saturating_sub(noticed_nanos) >= NOTICE_NANOS {
            noticed_nanos = now_nanos;
            shared.readers.notice(now_nanos);
        }
        if worker == Worker::Merges && now_nanos.saturating_sub(looked_nanos) >= LOOK_NANOS {
            looked_nanos = now_nanos;
            let newest = shared.visible();
            if looked_at < newest {
                // A failure of the storage leaves it open; the next look is soon.
                let _ = shared.log.as_ref().map(Log::check_owner);
                looked_at = newest;
            }
        }
        let done = match worker {
            Worker::Log => shared.flush_log_if_due().map(|()| false),
            Worker::Memtables => shared.memtable_piece(InOtherHands::Wait),
            Worker::Merges => shared.merge_piece(InOtherHands::Wait),
        };
        time = match done {
            Ok(true) => Duration::ZERO,
            Ok(false) if worker == Worker::Log => {
                shared.log.as_ref().and_then(|log| log.flush_due_in()).unwrap_or(LOG_REST)
            }
            Ok(false) => REST,
            Err(_) => REST_AFTER_FAILURE,
        };
    }
}
