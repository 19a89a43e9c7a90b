//! The leader: the one thread that writes and flushes for all waiting commits.
//!
//! Always: writes are in order, one group each; what a flush reached was written before it began; a commit is shown only
//! when all before it may be. Who goes on in the next file flushes nothing for it: the next flush begins with the file
//! that ended.
//! Does not know: who waits for it (`wait`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::sync::MutexGuard;
use entidb_storage::File;

use crate::error::{Error, Result};
use crate::format::{Sequence, WAL_UNIT_HEADER_BYTES};
use crate::planted::{Mistake, makes};
use crate::version::WalRef;
use crate::wal::group::pending::Group;
use crate::wal::group::{Log, Retired, State};
use crate::wal::writer::WalFile;

/// Files that ended and are not flushed yet, at most: each is open until it is.
const UNFLUSHED_FILES_MAX: usize = 2;

impl Log {
    /// Does one write of what is pending, and with `flush` one flush; or waits for whoever does it now. Returns with
    /// the lock held again; the caller looks whether it got what it needs, or whether the log was stopped.
    pub(super) fn write_pending<'a>(&'a self, mut state: MutexGuard<'a, State>, flush: bool) -> MutexGuard<'a, State> {
        if state.stopped.is_some() {
            return state;
        }
        let too_many_files = state.does_not_fit() && state.unflushed_files() >= UNFLUSHED_FILES_MAX;
        let flush = flush || too_many_files;
        if flush && state.flushing {
            self.flushed.wait(state, None);
            return self.state.lock();
        }
        if state.writing {
            self.changed.wait(&mut state);
            return state;
        }
        let group = if too_many_files { None } else { state.take_group() };
        if group.is_none() && !flush {
            return state;
        }
        state.writing = group.is_some();
        if flush {
            state.flushing = true;
        }
        if let Some(group) = group {
            drop(state);
            let written = self.unwinding_stops(|| self.write_group(group));
            state = self.state.lock();
            state.writing = false;
            match written {
                Ok((last, spent)) => {
                    state.recycled = spent;
                    self.written(&mut state, last);
                }
                Err(error) => state.stop(&error),
            }
        }
        if !flush {
            if state.stopped.is_none() {
                self.changed.notify_all();
                return state;
            }
            drop(state);
            self.wake_all();
            return self.state.lock();
        }
        if state.stopped.is_none() {
            state = self.flush_written(state);
        }
        state.flushing = false;
        drop(state);
        self.wake_all();
        self.state.lock()
    }

    /// Flushes what is written, files that ended first; the caller has the flushing role, and nobody writes.
    pub(super) fn flush_written<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let unflushed = |it: &Retired| it.unflushed.clone().map(|file| (it.wal.number, file));
        let ended: Vec<_> = state.retired.iter().filter_map(unflushed).collect();
        let current = state.file.clone().filter(|_| !state.holds_nothing());
        let reached = state.written;
        let bytes_before = state.unflushed_bytes;
        // Whoever held it back may be served by it, and then begins none.
        if !makes(Mistake::HeldFlushForgotten) {
            state.gather.begun();
        }
        // Nobody writes now, so this covers all that is written. What is pending keeps its own time.
        state.written_due_nanos = None;
        drop(state);
        // Those who only write may go on meanwhile.
        self.changed.notify_all();
        let clock = &self.context.backend.clock;
        let begun = clock.monotonic_nanos();
        let flushed = self.unwinding_stops(|| {
            if makes(Mistake::LogNotFlushed) {
                return Ok(());
            }
            let flush = |file: &Arc<dyn File>| match file.flush_data() {
                Err(_) if makes(Mistake::LogFlushRetried) => file.flush_data(),
                flushed => flushed,
            };
            let ended = ended.iter().filter(|_| !makes(Mistake::LogEndNotFlushed)).map(|(_, file)| file);
            ended.chain(&current).try_for_each(flush)
        });
        let took = clock.monotonic_nanos().saturating_sub(begun);
        self.longest_flush_nanos.fetch_max(took, Ordering::Relaxed);
        self.flushes.fetch_add((ended.len() + usize::from(current.is_some())) as u64, Ordering::Relaxed);
        let mut state = self.state.lock();
        match flushed {
            Ok(()) => {
                state.unflushed_bytes = state.unflushed_bytes.saturating_sub(bytes_before);
                let waited = state.durable_waits.len();
                self.reached(&mut state, reached);
                let came = state.durable_waits.len();
                state.gather.flushed(took, waited.saturating_sub(came), came);
                for it in &mut state.retired {
                    it.unflushed.take_if(|_| ended.iter().any(|(number, _)| *number == it.wal.number));
                }
            }
            Err(error) => state.stop(&error.into()),
        }
        if !ended.is_empty() {
            // They are closed here, and closing a file takes its time.
            drop(state);
            drop(ended);
            state = self.state.lock();
        }
        state
    }

    /// Does what a role is for. Should that panic, as a function of the program around us may, the log stops and the roles
    /// are free: nobody waits for a thread that is gone.
    pub(super) fn unwinding_stops<T>(&self, act: impl FnOnce() -> T) -> T {
        struct Role<'a>(&'a Log);
        impl Drop for Role<'_> {
            fn drop(&mut self) {
                let mut state = self.0.state.lock();
                state.writing = false;
                state.flushing = false;
                state.stop_after_panic();
                drop(state);
                self.0.wake_all();
            }
        }
        let role = Role(self);
        let done = act();
        std::mem::forget(role);
        done
    }

    /// Writes a group, going on in the next file first when it must. Returns the last commit and the spent buffer.
    fn write_group(&self, group: Group) -> Result<(Sequence, Vec<u8>)> {
        if let Some(next) = group.next {
            self.go_on_in(next, Sequence(group.first.0.saturating_sub(1)))?;
        }
        let mut place = self.current.lock();
        let current = place.as_mut().ok_or(Error::Closed)?;
        let before = current.len();
        let durable = if makes(Mistake::DurableMarkTooHigh) { group.last } else { self.durable() };
        let mut spent = current.write_commits(group.body, group.first, group.last, durable)?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        let len = current.len().saturating_sub(before);
        self.bytes_written.fetch_add(len, Ordering::Relaxed);
        drop(place);
        let mut state = self.state.lock();
        state.unflushed_bytes = state.unflushed_bytes.saturating_add(len);
        drop(state);
        spent.clear();
        spent.resize(WAL_UNIT_HEADER_BYTES, 0);
        Ok((group.last, spent))
    }

    /// Ends the current file after `last` and goes on in `next`. The caller writes. Nothing is flushed: no commit waits for
    /// that which did not ask for it.
    pub(super) fn go_on_in(&self, next: WalFile, last: Sequence) -> Result<()> {
        let mut place = self.current.lock();
        let current = place.as_mut().ok_or(Error::Closed)?;
        let (ended, capacity) = (current.number(), current.capacity());
        let seal = current.end(Some(&next.successor_mark()), last, self.durable())?;
        let unflushed = Some(current.file());
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.file = Some(next.file());
        state.current_number = next.number();
        state.current_capacity = next.capacity();
        let wal = WalRef { number: ended, seal: Some(seal) };
        state.retired.push(Retired { wal, capacity: Some(capacity), unflushed });
        drop(state);
        *place = Some(next);
        Ok(())
    }

    /// Commits up to `sequence` are on stable storage now.
    pub(super) fn reached(&self, state: &mut State, sequence: Sequence) {
        self.durable.fetch_max(sequence.0, Ordering::AcqRel);
        while state.durable_waits.front().is_some_and(|first| *first <= sequence) {
            state.durable_waits.pop_front();
        }
        self.publish(state);
    }

    /// Commits up to `sequence` are with the system now.
    pub(super) fn written(&self, state: &mut State, sequence: Sequence) {
        state.written = sequence;
        if state.written_waits.is_empty() {
            return;
        }
        while state.written_waits.front().is_some_and(|first| *first <= sequence) {
            state.written_waits.pop_front();
        }
        self.publish(state);
    }

    /// Shows the commits that nothing holds back. A commit whose write or flush is still to come may yet be refused, and
    /// what was refused must never have been seen.
    pub(super) fn publish(&self, state: &State) {
        let durable = state.durable_waits.front().filter(|_| !makes(Mistake::VisibleBeforeDurable));
        let last = match durable.into_iter().chain(state.written_waits.front()).min() {
            Some(first) => Sequence(first.0.saturating_sub(1)),
            None => state.appended,
        };
        if self.visible.fetch_max(last.0, Ordering::AcqRel) < last.0 {
            self.changed.notify_all();
        }
    }
}
