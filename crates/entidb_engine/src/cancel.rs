//! A token that ends calls: cancelled from any thread, or over at its deadline.
//!
//! Always: a token that has ended stays so; calls of the threads that are in it end at their next check. Does not know: which
//! calls those are (`interrupt`).

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use entidb_storage::{Clock, SystemClock};

use crate::error::{Error, Result};
use crate::interrupt;

const LIVE: u8 = 0;
const CANCELLED: u8 = 1;
/// Nobody can cancel it any more, and its deadline does not count.
const RETIRED: u8 = 2;

struct Inner {
    state: AtomicU8,
    clock: Arc<dyn Clock>,
    /// The moment of its deadline by that clock.
    until: Option<u64>,
    timeout_ms: u64,
}

/// Ends calls before they are done: [`cancel`](Cancel::cancel) does, from any thread, and so does a deadline. A thread enters it
/// for as long as its calls are to obey; several may at once, and a thread may be in several. Clones are the same token.
///
/// A call that ends so has changed nothing, and fails with `Cancelled`, or for a deadline with `DeadlineExceeded` (code `TIMEOUT`).
/// Short calls that are done before they look are done. A commit that is applied is never cut off.
///
/// ```
/// # let folder = std::sync::Arc::new(entidb_storage::MemoryDirectory::new());
/// # let backend = entidb_storage::Backend { directory: folder, ..entidb_storage::Backend::memory() };
/// use entidb_engine::{Cancel, Engine, Error, Options};
/// use std::time::Duration;
/// let engine = Engine::open(backend, Options::default())?;
/// let cancel = Cancel::new();
/// let other = cancel.clone();
/// std::thread::spawn(move || other.cancel());
/// let entered = cancel.enter();
/// let waited = engine.wait_for_commit(engine.last_sequence(), Duration::from_secs(60));
/// assert!(matches!(waited, Err(Error::Cancelled)));
/// drop(entered);
///
/// let _entered = Cancel::within(Duration::from_millis(20)).enter();
/// let waited = engine.wait_for_commit(engine.last_sequence(), Duration::from_secs(60));
/// assert!(matches!(waited, Err(Error::DeadlineExceeded { timeout_ms: 20 })));
/// # Ok::<(), entidb_engine::Error>(())
/// ```
#[derive(Clone)]
pub struct Cancel(Arc<Inner>);

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

impl Cancel {
    /// A token without a deadline.
    #[must_use]
    pub fn new() -> Self {
        Self::by(Arc::new(SystemClock), None)
    }

    /// A token that ends by itself after this time, counted from now.
    #[must_use]
    pub fn within(timeout: Duration) -> Self {
        Self::by(Arc::new(SystemClock), Some(timeout))
    }

    /// As the others, by a clock of one's own.
    #[must_use]
    pub fn by(clock: Arc<dyn Clock>, timeout: Option<Duration>) -> Self {
        let nanos = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        let until = nanos.map(|nanos| clock.monotonic_nanos().saturating_add(nanos));
        let timeout_ms = timeout.map_or(0, |timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        Self(Arc::new(Inner { state: AtomicU8::new(LIVE), clock, until, timeout_ms }))
    }

    /// Ends the calls of every thread that is in it, now and later. From any thread; again is fine.
    pub fn cancel(&self) {
        let _ = self.0.state.compare_exchange(LIVE, CANCELLED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// True once it was cancelled or its deadline has passed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended().is_some()
    }

    /// Fails as a call of a thread in it would.
    ///
    /// # Errors
    /// `Cancelled`, `DeadlineExceeded`.
    pub fn check(&self) -> Result<()> {
        self.ended().map_or(Ok(()), Err)
    }

    /// From now on it ends nothing: for an owner that goes away while threads may still be in it.
    pub fn retire(&self) {
        self.0.state.store(RETIRED, Ordering::Release);
    }

    /// Lets it end calls of this thread, until what is returned is dropped.
    #[must_use = "the thread is in the token for as long as this lives"]
    pub fn enter(&self) -> Entered {
        interrupt::enter(self);
        Entered { cancel: self.clone(), of_thread: PhantomData }
    }

    /// True when it ends nothing any more.
    pub(crate) fn is_retired(&self) -> bool {
        self.0.state.load(Ordering::Acquire) == RETIRED
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What a call of a thread that is in it fails with, once it is to.
    pub(crate) fn ended(&self) -> Option<Error> {
        match self.0.state.load(Ordering::Acquire) {
            CANCELLED => Some(Error::Cancelled),
            LIVE if self.0.until.is_some_and(|until| self.0.clock.monotonic_nanos() >= until) => {
                Some(Error::DeadlineExceeded { timeout_ms: self.0.timeout_ms })
            }
            _ => None,
        }
    }
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cancel({})", if self.has_ended() { "ended" } else { "live" })
    }
}

/// A thread in a [`Cancel`]; dropping it leaves.
#[derive(Debug)]
pub struct Entered {
    cancel: Cancel,
    /// It belongs to the thread that entered.
    of_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        interrupt::leave(&self.cancel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::{check, depth, shielded, slice};
    use entidb_storage::ManualClock;

    #[test]
    fn the_nearest_deadline_of_those_entered_ends_a_call() {
        let clock = Arc::new(ManualClock::new(0));
        let token = |ms| Cancel::by(Arc::clone(&clock) as Arc<dyn Clock>, Some(Duration::from_millis(ms)));
        let (outer, inner) = (token(5), token(50));
        let outside = outer.enter();
        let inside = inner.enter();
        assert!(check().is_ok());
        clock.advance(Duration::from_millis(5));
        assert!(matches!(check(), Err(Error::DeadlineExceeded { timeout_ms: 5 })));
        assert!(shielded(|| check().is_ok()), "what must be done to its end is");
        drop(outside);
        assert!(check().is_ok(), "one that was left ends nothing");
        clock.advance(Duration::from_millis(50));
        assert!(check().is_err() && inner.has_ended());
        drop(inside);
        assert!(check().is_ok());
        assert_eq!((depth(), slice(Duration::from_secs(9))), (0, Duration::from_secs(9)));
    }

    #[test]
    fn a_token_ends_the_calls_of_every_thread_in_it_and_of_no_other() {
        let cancel = Cancel::new();
        let _here = cancel.enter();
        assert!(check().is_ok());
        std::thread::scope(|scope| {
            scope.spawn(|| cancel.cancel());
        });
        assert!(matches!(check(), Err(Error::Cancelled)));
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let _there = cancel.enter();
                check().is_err()
            });
            assert!(inside.join().is_ok_and(|ended| ended));
            let outside = scope.spawn(|| check().is_ok());
            assert!(outside.join().is_ok_and(|went_on| went_on));
        });
    }

    #[test]
    fn a_token_beside_a_function_leaves_it_what_it_asks() {
        interrupt::ask(Some(Box::new(|| true)));
        let entered = Cancel::new().enter();
        assert!(matches!(check(), Err(Error::Cancelled)));
        interrupt::ask(None);
        assert!(check().is_ok());
        assert!(slice(Duration::from_secs(1)) < Duration::from_secs(1), "the token is still looked at");
        drop(entered);
        assert_eq!(slice(Duration::from_secs(1)), Duration::from_secs(1));
    }

    #[test]
    fn a_retired_token_ends_nothing_and_leaving_it_twice_is_told() {
        let cancel = Cancel::within(Duration::ZERO);
        interrupt::enter(&cancel);
        assert!(check().is_err());
        cancel.retire();
        cancel.cancel();
        assert!(check().is_ok());
        assert!(interrupt::leave(&cancel));
        assert!(!interrupt::leave(&cancel));
    }
}
