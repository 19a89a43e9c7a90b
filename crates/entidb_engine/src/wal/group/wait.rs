//! Those who wait for a commit to be durable, or to be seen.
//!
//! Always: a wait ends with what was promised, or with why that will never come.
//! Does not know: how commits get into a file (`leader`).

use std::time::Duration;

use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::interrupt;
use crate::options::Durability;
use crate::wal::group::pending::PENDING_BYTES_MAX;
use crate::wal::group::{Log, State};

/// Unflushed bytes that are flushed without waiting for the interval.
pub(super) const UNFLUSHED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Unflushed bytes from which on commits wait for the flush, where a thread does it: a flush takes as long as the device is
/// busy with what others write, seconds at times.
const UNFLUSHED_BYTES_WAITED_FOR: u64 = 32 * 1024 * 1024;

impl Log {
    /// Waits for what the commit's durability promises, and until readers see it.
    pub(crate) fn wait(&self, sequence: Sequence, durability: Durability) -> Result<()> {
        match durability {
            Durability::Durable => self.share_flush(sequence),
            Durability::Grouped { .. } => {
                let mut state = self.state.lock();
                while state.written < sequence {
                    state.check(Some(sequence))?;
                    state = self.write_pending(state, false);
                }
                let over = state.unflushed_bytes >= self.unflushed_bytes_max();
                drop(state);
                self.wait_visible(sequence)?;
                self.outcome_of(sequence, self.flush_if_due(over))
            }
            Durability::None => {
                let mut state = self.state.lock();
                if self.visible() < sequence {
                    state.check(Some(sequence))?;
                }
                if state.pending.len() >= PENDING_BYTES_MAX && !state.writing {
                    state = self.write_pending(state, false);
                }
                let over = state.unflushed_bytes >= self.unflushed_bytes_max();
                drop(state);
                self.wait_visible(sequence)?;
                self.outcome_of(sequence, self.flush_if_due(over))
            }
        }
    }

    /// True where a thread flushes what is due.
    pub(super) fn has_thread(&self) -> bool {
        self.context.backend.threads.parallelism() > 0
    }

    /// Unflushed bytes from which on a commit that waits for no flush flushes all the same.
    fn unflushed_bytes_max(&self) -> u64 {
        if self.has_thread() { UNFLUSHED_BYTES_WAITED_FOR } else { UNFLUSHED_BYTES_MAX }
    }

    /// What a flush that did not come about means for one commit, whose owner asked for it: none, where another flush covered
    /// it, as that of `close` does.
    fn outcome_of(&self, sequence: Sequence, flushed: Result<()>) -> Result<()> {
        match flushed {
            Err(Error::WritesStopped { .. } | Error::Closed) if self.durable() >= sequence => Ok(()),
            Err(error @ Error::WritesStopped { .. }) => self.state.lock().check(Some(sequence)).and(Err(error)),
            flushed => flushed,
        }
    }

    /// Makes a commit durable, in one flush with those that are about to come if that is worth it.
    fn share_flush(&self, sequence: Sequence) -> Result<()> {
        // Without the lock one may be seen to be reached a moment before the other.
        let is_reached = || self.durable() >= sequence && self.visible() >= sequence;
        let mut held = false;
        while !is_reached() {
            let mut state = self.state.lock();
            if is_reached() {
                break;
            }
            state.check(Some(sequence))?;
            if state.flushing {
                self.flushed.wait(state, None);
                continue;
            }
            let waiting = state.durable_waits.len();
            let patience = if held { None } else { state.gather.patience(waiting) };
            let Some(patience) = patience else {
                drop(self.write_pending(state, true));
                continue;
            };
            if state.gather.is_held() {
                self.flushed.wait(state, None);
                continue;
            }
            // The last expected commit begins the flush, and the end of the flush ends this wait.
            held = true;
            state.gather.hold();
            self.flushed.wait(state, Some(patience));
            let mut state = self.state.lock();
            let came = self.durable() >= sequence || state.flushing || state.durable_waits.len() > waiting;
            state.gather.learn(came);
        }
        Ok(())
    }

    /// Makes every commit up to `sequence` durable.
    ///
    /// # Errors
    /// `WritesStopped`, never `CommitUnknown`: the caller may have no commit of its own among them, and would take it for
    /// an answer about what it is doing.
    pub(crate) fn flush_to(&self, sequence: Sequence) -> Result<()> {
        let mut state = self.state.lock();
        let sequence = sequence.min(state.appended.max(self.durable()));
        loop {
            if self.durable() >= sequence {
                return Ok(());
            }
            state.check(None)?;
            state = self.write_pending(state, true);
        }
    }

    /// Makes every commit so far durable.
    pub(crate) fn flush_all(&self) -> Result<()> {
        self.check()?;
        let appended = self.appended();
        self.flush_to(appended)
    }

    /// Flushes when the interval of some commit that did not wait is over (or `now` says so). With threads the
    /// background does this; without, the commits themselves.
    pub(crate) fn flush_if_due(&self, over: bool) -> Result<()> {
        if self.context.backend.threads.parallelism() > 0 && !over {
            return Ok(());
        }
        if over || self.flush_due_in().is_some_and(|time| time.is_zero()) {
            return self.flush_all();
        }
        Ok(())
    }

    /// How long until some commit that did not wait must be flushed.
    pub(crate) fn flush_due_in(&self) -> Option<Duration> {
        let due = self.state.lock().flush_due_nanos()?;
        Some(Duration::from_nanos(due.saturating_sub(self.context.backend.clock.monotonic_nanos())))
    }

    /// Waits until `visible` has passed `after`; false when the time is over, or no commit will come any more.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(crate) fn wait_visible_after(
        &self,
        after: Sequence,
        timeout: Duration,
        closed: &dyn Fn() -> bool,
    ) -> Result<bool> {
        self.wait_visible_or(after, timeout, &|state| closed() || state.stopped.is_some())
    }

    /// As above; also false when the state says that no commit will come.
    fn wait_visible_or(&self, after: Sequence, timeout: Duration, is_over: &dyn Fn(&State) -> bool) -> Result<bool> {
        let clock = &self.context.backend.clock;
        let until = clock.monotonic_nanos().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        let mut state = self.state.lock();
        loop {
            if self.visible() > after {
                return Ok(true);
            }
            let left = until.saturating_sub(clock.monotonic_nanos());
            if is_over(&state) || left == 0 || self.context.backend.threads.parallelism() == 0 {
                return Ok(false);
            }
            self.changed.wait_for(&mut state, interrupt::slice(Duration::from_nanos(left)));
            if interrupt::is_asking() {
                drop(state);
                interrupt::check()?;
                state = self.state.lock();
            }
        }
    }

    /// Makes a commit durable, waiting for it to be made first if need be; false when nobody made it in time.
    ///
    /// # Errors
    /// `Closed` and `WritesStopped`, also when nobody will make it any more; `Cancelled`.
    pub(crate) fn wait_durable(
        &self,
        sequence: Sequence,
        timeout: Duration,
        closed: &dyn Fn() -> bool,
    ) -> Result<bool> {
        if self.durable() >= sequence {
            return Ok(true);
        }
        let before = Sequence(sequence.0.saturating_sub(1));
        let is_over = |state: &State| closed() || state.stopped.is_some();
        if sequence > self.appended() && !self.wait_visible_or(before, timeout, &is_over)? {
            return if closed() { Err(Error::Closed) } else { self.check().map(|()| false) };
        }
        self.outcome_of(sequence, self.flush_to(sequence)).map(|()| true)
    }

    /// Wakes all waiters; each checks its condition again.
    pub(crate) fn wake(&self) {
        let guard = self.state.lock();
        drop(guard);
        self.wake_all();
    }

    /// As [`wake`](Self::wake), for a thread that has changed the state under its lock and released the lock.
    pub(super) fn wake_all(&self) {
        self.changed.notify_all();
        self.flushed.announce();
    }

    fn wait_visible(&self, sequence: Sequence) -> Result<()> {
        if self.visible() >= sequence {
            return Ok(());
        }
        let mut state = self.state.lock();
        while self.visible() < sequence {
            // A durable commit is ahead; its thread is about to flush or waits for the leader.
            if self.context.backend.threads.parallelism() == 0 {
                drop(state);
                return self.outcome_of(sequence, self.flush_to(sequence));
            }
            state.check(Some(sequence))?;
            self.changed.wait(&mut state);
        }
        Ok(())
    }
}
