//! Work that nobody waits for, as steps: a thread drives them where there is one, callers where there is none.
//!
//! Always: one step at a time; a step is bounded; a step that fails leaves the database as it was and is tried again,
//! except where a flush failed, which stops all writing.
//! Does not know: how segments are merged (`compaction`).

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::sync::{Condvar, Mutex};
use entidb_storage::Running;

use crate::engine::Shared;
use crate::error::Result;

/// How long the thread rests when nothing is due.
const REST: Duration = Duration::from_millis(500);
/// How long it rests after a failure.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Wakes the thread, and those who wait for it.
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
    steps: u64,
}

impl Signal {
    /// Says that there may be something to do.
    pub(crate) fn wake(&self) {
        self.state.lock().wanted = true;
        self.work.notify_one();
    }

    /// True while a thread drives the steps.
    pub(crate) fn is_running(&self) -> bool {
        let state = self.state.lock();
        state.running && !state.stopping
    }

    /// Waits until the thread has made a step, or has ended, or the time is over.
    pub(crate) fn wait_for_step(&self, time: Duration) {
        let mut state = self.state.lock();
        let before = state.steps;
        if state.running && state.steps == before {
            state.wanted = true;
            self.work.notify_one();
            self.progress.wait_for(&mut state, time);
        }
    }

    /// Waits until the database is being closed, or the time is over.
    pub(crate) fn wait_for_stop(&self, time: Duration) {
        let mut state = self.state.lock();
        self.progress.wait_while_for(&mut state, |state| !state.stopping, time);
    }

    fn stop(&self) {
        self.state.lock().stopping = true;
        self.work.notify_all();
        self.progress.notify_all();
    }

    fn stepped(&self) {
        let mut state = self.state.lock();
        state.steps = state.steps.wrapping_add(1);
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

/// The thread of an open database. Dropping it, or stopping it, waits for the step it is in.
pub(crate) struct Background {
    signal: Arc<Signal>,
    thread: Mutex<Option<Box<dyn Running>>>,
}

impl Background {
    /// Starts the thread where there are threads.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self> {
        let signal = Arc::clone(&shared.signal);
        let mut thread = None;
        if shared.options.background && shared.log.is_some() && shared.backend.threads.parallelism() > 0 {
            let weak = Arc::downgrade(shared);
            let its = Arc::clone(&signal);
            signal.state.lock().running = true;
            match shared.backend.threads.spawn("entidb", Box::new(move || drive(&weak, &its))) {
                Ok(started) => thread = Some(started),
                Err(error) => {
                    signal.state.lock().running = false;
                    return Err(error.into());
                }
            }
        }
        Ok(Self { signal, thread: Mutex::new(thread) })
    }

    /// Ends the thread after the step it is in.
    pub(crate) fn stop(&self) {
        self.signal.stop();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread.join();
            self.signal.state.lock().running = false;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
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

fn drive(shared: &Weak<Shared>, signal: &Signal) {
    let _ended = Ended(signal);
    let mut time = Duration::ZERO;
    while signal.rest(time) {
        let Some(shared) = shared.upgrade() else { break };
        if shared.is_closed() {
            break;
        }
        let stepped = shared.flush_log_if_due().and_then(|()| shared.step());
        time = match &stepped {
            Ok(true) => Duration::ZERO,
            Ok(false) => shared.log.as_ref().and_then(|log| log.flush_due_in()).map_or(REST, |due| due.min(REST)),
            Err(_) => REST_AFTER_FAILURE,
        };
        shared.note_background(stepped.err());
        signal.stepped();
    }
}
