//! A write transaction that nobody calls any more, or that is open for too long, gives its lock to a writer that waits.
//!
//! Always: a transaction is ended by a writer that waits between two of its calls: when none began, ran or ended for the whole
//! idle limit, or its time is over. A call costs it one count: waiters look at the clock, and each one sees the
//! observation of the one before.
//! Does not know: what the transaction changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use entidb_storage::Clock;
use entidb_storage::sync::Mutex;

use crate::transaction::WriteInner;

/// How often a waiter looks whether a transaction whose time is over is still in a call.
const LOOK: Duration = Duration::from_millis(10);

/// Watches the one transaction that may have the write lock.
#[derive(Default)]
pub(crate) struct IdleWatch(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    transaction: Weak<WriteInner>,
    /// The count of its calls when a waiter looked, and when that was.
    seen: Option<(u64, u64)>,
}

impl IdleWatch {
    /// This transaction has the lock from here on.
    pub(crate) fn begun(&self, transaction: &Arc<WriteInner>) {
        *self.0.lock() = Watched { transaction: Arc::downgrade(transaction), seen: None };
    }

    /// How long the transaction that has the lock may still have it without a call: nothing when it was just ended. None when
    /// there is no limit, or when the lock is not that of a transaction.
    pub(crate) fn left(&self, clock: &dyn Clock, idle_max: Duration) -> Option<Duration> {
        // Not under the lock: this may be the last handle when it is dropped.
        let transaction = self.0.lock().transaction.upgrade()?;
        let of_all = transaction.time_left().map(|left| match left {
            Duration::ZERO if transaction.end_if_late() => Duration::ZERO,
            left => left.max(LOOK),
        });
        if of_all == Some(Duration::ZERO) || idle_max.is_zero() {
            return of_all;
        }
        let idle = self.idle_left(&transaction, clock, idle_max);
        Some(of_all.map_or(idle, |of_all| of_all.min(idle)))
    }

    /// Ends the transaction when its time is over; true when that was done.
    pub(crate) fn end_late(&self) -> bool {
        let transaction = self.0.lock().transaction.upgrade();
        transaction.is_some_and(|transaction| transaction.end_if_late())
    }

    fn idle_left(&self, transaction: &Arc<WriteInner>, clock: &dyn Clock, limit: Duration) -> Duration {
        let mut watched = self.0.lock();
        if !std::ptr::eq(watched.transaction.as_ptr(), Arc::as_ptr(transaction)) {
            return limit;
        }
        let (calls, now) = (transaction.calls(), clock.monotonic_nanos());
        let since = match watched.seen {
            Some((seen, since)) if seen == calls => since,
            _ => {
                watched.seen = Some((calls, now));
                return limit;
            }
        };
        let idle = Duration::from_nanos(now.saturating_sub(since));
        if idle < limit {
            return limit.saturating_sub(idle);
        }
        watched.seen = None;
        if transaction.end_idle(calls) {
            watched.transaction = Weak::new();
            return Duration::ZERO;
        }
        // It is in a call, or has ended.
        limit
    }
}
