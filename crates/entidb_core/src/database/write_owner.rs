//! Which caller has the open write transaction, so that it is never made to wait for itself. A caller is a thread, or what a host says that
//! the thread acts for.
//!
//! Always: it is the caller that began the transaction or called it last, for a transaction may move between threads. Changed
//! only by the holder of the write lock. Does not know: waiters for that lock.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// No thread has this number.
const NONE: u64 = 0;

static THREADS: AtomicU64 = AtomicU64::new(NONE + 1);

thread_local! {
    /// A number no other thread of the process has or had.
    static THREAD: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
    /// What this thread acts for; `NONE` for itself.
    static CALLER: Cell<u64> = const { Cell::new(NONE) };
}

/// Added to the numbers of callers, which are then never those of threads.
const OF_HOST: u64 = 1 << 63;

/// Says what this thread acts for from now on, when a host moves its tasks between threads: `Deadlock` is then for a transaction of the same
/// caller, whichever thread made its last call, and not for one of this thread. Numbers are the host's own, below 2^63; 0 is the
/// thread itself.
///
/// ```
/// use std::time::Duration;
/// use entidb_core::{Database, ErrorCode, set_caller};
///
/// let db = Database::open_memory()?;
/// set_caller(1);
/// let transaction = db.begin_write()?;
/// set_caller(2); // another task, on the same thread
/// assert_eq!(db.begin_write_within(Some(Duration::from_millis(1))).err().map(|it| it.code()), Some(ErrorCode::Busy));
/// set_caller(1);
/// assert_eq!(db.begin_write().err().map(|it| it.code()), Some(ErrorCode::Deadlock));
/// drop(transaction);
/// set_caller(0);
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub fn set_caller(number: u64) {
    // A thread that is ending acts for nothing any more.
    let _ = CALLER.try_with(|caller| caller.set(number & !OF_HOST));
}

/// `NONE` in a thread that is ending, which then is not known as an owner.
fn this_caller() -> u64 {
    match CALLER.try_with(Cell::get).unwrap_or(NONE) {
        NONE => THREAD.try_with(|number| *number).unwrap_or(NONE),
        caller => caller | OF_HOST,
    }
}

/// The owner of the write lock of one database. Calls of a database outside a transaction own nothing here: they end before
/// their caller can make another.
#[derive(Debug, Default)]
pub(crate) struct WriteOwner(AtomicU64);

impl WriteOwner {
    /// From here on it is this caller.
    pub(crate) fn set(&self) {
        self.0.store(this_caller(), Ordering::Relaxed);
    }

    /// From here on it is none.
    pub(crate) fn clear(&self) {
        self.0.store(NONE, Ordering::Relaxed);
    }

    /// Whether this caller would wait for itself. Numbers that other callers write meanwhile are never that of this one, so
    /// no order of memory is needed.
    pub(crate) fn is_this_caller(&self) -> bool {
        let owner = self.0.load(Ordering::Relaxed);
        owner != NONE && owner == this_caller()
    }
}
