//! Which thread has the open write transaction, so that it is never made to wait for itself.
//!
//! Always: it is the thread that began the transaction or called it last, for a transaction may move between threads. Changed
//! only by who holds the write lock. Does not know: the waiters for that lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// No thread has this number.
const NONE: u64 = 0;

static THREADS: AtomicU64 = AtomicU64::new(NONE + 1);

thread_local! {
    /// A number no other thread of the process has or had.
    static THREAD: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// `NONE` in a thread that is ending, which then is not known as an owner.
fn this_thread() -> u64 {
    THREAD.try_with(|number| *number).unwrap_or(NONE)
}

/// The owner of the write lock of one database. Calls of a database outside a transaction own nothing here: they end before
/// their thread can make another.
#[derive(Debug, Default)]
pub(crate) struct WriteOwner(AtomicU64);

impl WriteOwner {
    /// From here on it is this thread.
    pub(crate) fn set(&self) {
        self.0.store(this_thread(), Ordering::Relaxed);
    }

    /// From here on it is none.
    pub(crate) fn clear(&self) {
        self.0.store(NONE, Ordering::Relaxed);
    }

    /// Whether this thread would wait for itself. What other threads write meanwhile is never the number of this one, so
    /// no order of memory is needed.
    pub(crate) fn is_this_thread(&self) -> bool {
        let owner = self.0.load(Ordering::Relaxed);
        owner != NONE && owner == this_thread()
    }
}
