//! Whether a short call keeps the interpreter to itself.
//!
//! Always: a call that can wait, flush or walk over many entities releases the GIL (`error::call`). One that reads or
//! buffers a single entity keeps it while such calls are short, and releases it as soon as they are not. No call waits with
//! the GIL for a transaction that another thread is using: while one is, every call on it releases the GIL.
//! Does not know: what is called.
//!
//! Giving the GIL away and taking it back costs 400 of the 4,300 instructions of a `get_bytes` from memory (callgrind,
//! 2026-11, Python 3.11), and a switch of threads where another one waits for it. A read of the disk, on the other hand,
//! must not stop every thread. How long a call takes is only known afterwards, so the last ones say it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use entidb_abi as abi;
use pyo3::prelude::*;

use crate::cancel;
use crate::error::raise;
use crate::signals;

/// A call that took longer than this went to the disk, or waited.
const SHORT: Duration = Duration::from_micros(20);
/// One in this number of calls is timed, because the clock costs as much as the GIL.
const TIMED_EVERY: u32 = 16;
/// After a long call this number of calls release the GIL.
const RELEASING: u32 = 256;

/// How many calls on a transaction, its collections among them, run without the GIL at this moment. It grows before the GIL
/// is released, so that a thread that has the GIL and reads 0 finds the transaction free.
#[derive(Clone, Default)]
pub(crate) struct Busy(Arc<AtomicU32>);

impl Busy {
    /// Whether another thread may be using the transaction.
    pub(crate) fn is_used(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Runs a call of the library without the GIL.
    pub(crate) fn call<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> abi::Result<T> + Send) -> PyResult<T> {
        self.detach(py, run).map_err(|error| raise(py, &error))
    }

    /// Runs something without the GIL.
    pub(crate) fn detach<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> T + Send) -> T {
        signals::watch(py);
        let _inside = cancel::inside(py);
        let _counted = Counted::new(self);
        py.detach(run)
    }

    /// Runs something short, with the GIL unless it may have to wait.
    pub(crate) fn short<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> T + Send) -> T {
        if self.is_used() { self.detach(py, run) } else { run() }
    }
}

/// Counts a call, however it ends.
struct Counted<'a>(&'a Busy);

impl<'a> Counted<'a> {
    fn new(busy: &'a Busy) -> Self {
        busy.0.fetch_add(1, Ordering::Relaxed);
        Self(busy)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long the calls of one handle took lately.
#[derive(Default)]
pub(crate) struct Pace {
    /// How many of the next calls release the GIL. Written under the GIL, or by a thread that has just had it: a lost update
    /// makes a call more or less.
    releasing: AtomicU32,
    calls: AtomicU32,
    /// Of the transaction, for a handle that belongs to one.
    busy: Option<Busy>,
}

impl Pace {
    /// For a handle that belongs to a transaction.
    pub(crate) fn within(busy: Busy) -> Self {
        Self { busy: Some(busy), ..Self::default() }
    }

    /// Whether the handle belongs to a transaction.
    pub(crate) fn is_within(&self) -> bool {
        self.busy.is_some()
    }

    /// Runs something without the GIL.
    pub(crate) fn detach<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> T + Send) -> T {
        match &self.busy {
            Some(busy) => busy.detach(py, run),
            None => {
                signals::watch(py);
                let _inside = cancel::inside(py);
                py.detach(run)
            }
        }
    }

    /// Runs a call of the library that may take long, without the GIL.
    pub(crate) fn long<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> abi::Result<T> + Send) -> PyResult<T> {
        if cancel::is_used() {
            cancel::inside(py).check(py)?;
        }
        self.detach(py, run).map_err(|error| raise(py, &error))
    }

    /// Runs a call of the library that is short unless the disk is asked.
    #[inline]
    pub(crate) fn call<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> abi::Result<T> + Send) -> PyResult<T> {
        if cancel::is_used() {
            return self.long(py, run);
        }
        if let Some(busy) = &self.busy
            && busy.is_used()
        {
            return busy.call(py, run);
        }
        let left = self.releasing.load(Ordering::Relaxed);
        if left > 0 {
            return self.release(py, left, run);
        }
        let calls = self.calls.load(Ordering::Relaxed);
        self.calls.store(calls.wrapping_add(1), Ordering::Relaxed);
        let done = if calls.is_multiple_of(TIMED_EVERY) { self.timed(run) } else { run() };
        done.map_err(|error| raise(py, &error))
    }

    #[cold]
    fn release<T: Send>(&self, py: Python<'_>, left: u32, run: impl FnOnce() -> abi::Result<T> + Send) -> PyResult<T> {
        self.releasing.store(left - 1, Ordering::Relaxed);
        self.long(py, || if left.is_multiple_of(TIMED_EVERY) { self.timed(run) } else { run() })
    }

    #[expect(clippy::disallowed_methods, reason = "this asks how long a call takes, and nothing a database keeps")]
    fn timed<T>(&self, run: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = run();
        if begun.elapsed() > SHORT {
            self.releasing.store(RELEASING, Ordering::Relaxed);
        }
        done
    }
}
