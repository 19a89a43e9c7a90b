//! Ends a call at one of its checks.
//!
//! Always: every check of the call asks, and the one with the given number is told to end it. Does not know: what the call does.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_core::interrupt;
use entidb_storage::Clock;

/// A clock that moves on whenever it is looked at, so that every check asks.
#[derive(Default)]
struct Restless(AtomicU64);

impl Clock for Restless {
    fn wall_micros(&self) -> i64 {
        0
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.fetch_add(1_000_000_000, Ordering::Relaxed)
    }
}

/// Ends what `work` does at its check of this number, from 0; the number of checks there were otherwise.
pub(crate) fn ended_at<R>(check: u64, work: impl FnOnce() -> R) -> (R, u64) {
    let checks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&checks);
    let ask = move || counted.replace(counted.get() + 1) == check;
    interrupt::ask_by(Box::new(Restless::default()), Some(Box::new(ask)));
    let result = work();
    interrupt::ask(None);
    (result, checks.get())
}
