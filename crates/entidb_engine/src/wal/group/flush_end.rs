//! The end of a flush, and those who wait for it.
//!
//! Always: who begins to wait while the log is locked misses no end that comes after.
//! Does not know: what was flushed.

use std::time::Duration;

#[cfg(shuttle)]
use crate::sync::{Condvar, Mutex};
#[cfg(not(shuttle))]
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A condition of its own and of the standard library: it wakes all at once, and none of them needs the lock of the log
/// to see that its commit is durable. Woken one by one, each by the one before when that gave the lock back, eight writers
/// made 2.6 calls to sleep or wake for each commit instead of 1.7 (2026-11-27).
#[derive(Debug, Default)]
pub(super) struct FlushEnd {
    count: Mutex<u64>,
    over: Condvar,
}

impl FlushEnd {
    /// Waits for the next end, or until the time is over; `locked` is given back as soon as none can be missed.
    #[cfg(not(shuttle))]
    pub(super) fn wait<Locked>(&self, locked: Locked, time: Option<Duration>) {
        let mut count = self.lock();
        drop(locked);
        let before = *count;
        match time {
            Some(time) => {
                let waited = self.over.wait_timeout_while(count, time, |count| *count == before);
                drop(waited);
            }
            None => {
                while *count == before {
                    count = self.over.wait(count).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// As above, with the locks of the scheduler.
    #[cfg(shuttle)]
    pub(super) fn wait<Locked>(&self, locked: Locked, time: Option<Duration>) {
        let mut count = self.count.lock();
        drop(locked);
        let before = *count;
        match time {
            Some(time) => {
                self.over.wait_for(&mut count, time);
            }
            None => {
                while *count == before {
                    self.over.wait(&mut count);
                }
            }
        }
    }

    /// Ends every wait. To be called without the lock of the log, which those who wake up want next.
    pub(super) fn announce(&self) {
        #[cfg(not(shuttle))]
        let mut count = self.lock();
        #[cfg(shuttle)]
        let mut count = self.count.lock();
        *count = count.wrapping_add(1);
        drop(count);
        self.over.notify_all();
    }

    #[cfg(not(shuttle))]
    fn lock(&self) -> MutexGuard<'_, u64> {
        // Nothing that could panic happens under it.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
