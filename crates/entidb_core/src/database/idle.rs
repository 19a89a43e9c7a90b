//! A write transaction that nobody calls any more gives its lock to a writer that waits.
//!
//! Always: a transaction is ended only by a writer that waits, and only when no call on it began, ran or ended for the whole
//! limit. A call costs it one count: those who wait look at the clock, and what one of them saw the next one knows.
//! Does not know: what the transaction changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use entidb_storage::Clock;
use entidb_storage::sync::Mutex;

use crate::transaction::WriteInner;

/// Watches the one transaction that may have the write lock.
#[derive(Default)]
pub(crate) struct IdleWatch(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    transaction: Weak<WriteInner>,
    /// How many calls it had when a waiter looked, and when that was.
    seen: Option<(u64, u64)>,
}

impl IdleWatch {
    /// This transaction has the lock from here on.
    pub(crate) fn begun(&self, transaction: &Arc<WriteInner>) {
        *self.0.lock() = Watched { transaction: Arc::downgrade(transaction), seen: None };
    }

    /// How long the transaction that has the lock may still be idle: nothing when it was just ended. None when there is no
    /// limit, or when the lock is not that of a transaction.
    pub(crate) fn left(&self, clock: &dyn Clock, limit: Duration) -> Option<Duration> {
        if limit.is_zero() {
            return None;
        }
        // Not under the lock: this may be the last handle when it is dropped.
        let transaction = self.0.lock().transaction.upgrade()?;
        let mut watched = self.0.lock();
        if !std::ptr::eq(watched.transaction.as_ptr(), Arc::as_ptr(&transaction)) {
            return Some(limit);
        }
        let (calls, now) = (transaction.calls(), clock.monotonic_nanos());
        let since = match watched.seen {
            Some((seen, since)) if seen == calls => since,
            _ => {
                watched.seen = Some((calls, now));
                return Some(limit);
            }
        };
        let idle = Duration::from_nanos(now.saturating_sub(since));
        if idle < limit {
            return Some(limit.saturating_sub(idle));
        }
        watched.seen = None;
        if transaction.end_idle(calls) {
            watched.transaction = Weak::new();
            return Some(Duration::ZERO);
        }
        // It is in a call, or has ended.
        Some(limit)
    }
}
