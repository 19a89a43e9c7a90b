//! Ending a call of a thread before it is done.
//!
//! Always: a thread looks at the tokens it has entered whenever it checks, and asks its function at most every 10 ms, while
//! it works and while it waits; a call that is to end ends with `Cancelled` or `DeadlineExceeded`, on the way any other failure
//! of it takes. A check is under no lock but those of a transaction and of a large commit. Where there is neither token nor
//! function a check is one load, and waits are as long as ever. What must not be cut off is shielded.
//! Does not know: who wants a call to end, and why (`cancel`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use entidb_storage::{Clock, SystemClock};

use crate::cancel::Cancel;
use crate::error::{Error, Result};

/// How often a thread asks at most, and how long it sleeps at most without asking.
pub const ASK_EVERY: Duration = Duration::from_millis(10);

/// Answers whether the call under way is to end.
pub type Ask = Box<dyn Fn() -> bool>;

struct Asked {
    ask: Ask,
    clock: Box<dyn Clock>,
    /// When it was asked last; none before the first time.
    last: Cell<Option<u64>>,
}

thread_local! {
    static ASKED: RefCell<Option<Rc<Asked>>> = const { RefCell::new(None) };
    /// The tokens this thread is in, the outermost first.
    static ENTERED: RefCell<Vec<Cancel>> = const { RefCell::new(Vec::new()) };
    /// Whether this thread has a function or a token to look at, and may: what a check looks at first.
    static MAY_ASK: Cell<bool> = const { Cell::new(false) };
}

fn has_something() -> bool {
    ASKED.try_with(|asked| asked.borrow().is_some()).unwrap_or(false) || depth() > 0
}

/// What this thread asks from now on, in calls on any database; none takes it away. It must not call the database.
///
/// ```
/// # let folder = std::sync::Arc::new(entidb_storage::MemoryDirectory::new());
/// # let backend = entidb_storage::Backend { directory: folder, ..entidb_storage::Backend::memory() };
/// use entidb_engine::{Engine, Error, Options, Sequence, interrupt};
/// use std::time::Duration;
/// let engine = Engine::open(backend, Options::default())?;
/// interrupt::ask(Some(Box::new(|| true)));
/// let waited = engine.wait_for_commit(engine.last_sequence(), Duration::from_secs(60));
/// assert!(matches!(waited, Err(Error::Cancelled)));
/// interrupt::ask(None);
/// # Ok::<(), entidb_engine::Error>(())
/// ```
pub fn ask(ask: Option<Ask>) {
    ask_by(Box::new(SystemClock), ask);
}

/// As [`ask`], by a clock of one's own. By one that moves on whenever it is looked at, every check asks: so a test can end a
/// call at each of its checks in turn.
pub fn ask_by(clock: Box<dyn Clock>, ask: Option<Ask>) {
    let asked = ask.map(|ask| Rc::new(Asked { ask, clock, last: Cell::new(None) }));
    // A thread that is ending has nothing left to ask.
    if let Ok(before) = ASKED.try_with(|place| place.replace(asked)) {
        MAY_ASK.set(has_something());
        drop(before);
    }
}

/// From now on calls of this thread end when the token says so, until [`leave`]; [`Cancel::enter`] does both in order.
pub fn enter(cancel: &Cancel) {
    // A thread that is ending makes no calls any more.
    let entered = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        // Those whose owner has gone cannot be left any more.
        entered.retain(|other| !other.is_retired());
        entered.push(cancel.clone());
    });
    if entered.is_ok() {
        MAY_ASK.set(true);
    }
}

/// Takes back the last [`enter`] of this token on this thread; false when the thread is not in it.
pub fn leave(cancel: &Cancel) -> bool {
    let left = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let place = entered.iter().rposition(|other| other.is(cancel))?;
        Some(entered.remove(place))
    });
    MAY_ASK.set(has_something());
    matches!(left, Ok(Some(_)))
}

/// How many tokens this thread is in, those that were retired not counted.
#[must_use]
pub fn depth() -> usize {
    let live = |entered: &RefCell<Vec<Cancel>>| entered.borrow().iter().filter(|cancel| !cancel.is_retired()).count();
    ENTERED.try_with(live).unwrap_or(0)
}

/// Looks at the tokens of this thread, and asks its function unless that was done a moment ago.
///
/// # Errors
/// `Cancelled` or `DeadlineExceeded` when the call is to end.
#[inline]
pub fn check() -> Result<()> {
    if MAY_ASK.get() { asked() } else { Ok(()) }
}

#[cold]
fn asked() -> Result<()> {
    let ended = ENTERED.try_with(|entered| entered.borrow().iter().find_map(Cancel::ended));
    if let Ok(Some(error)) = ended {
        return Err(error);
    }
    let Ok(Some(asked)) = ASKED.try_with(|place| place.borrow().clone()) else { return Ok(()) };
    let now = asked.clock.monotonic_nanos();
    let is_early = |last: u64| u128::from(now.saturating_sub(last)) < ASK_EVERY.as_nanos();
    if asked.last.get().is_some_and(is_early) {
        return Ok(());
    }
    asked.last.set(Some(now));
    if (asked.ask)() { Err(Error::Cancelled) } else { Ok(()) }
}

/// How long to sleep of a wait before the next [`check`].
#[must_use]
pub fn slice(wait: Duration) -> Duration {
    if MAY_ASK.get() { wait.min(ASK_EVERY) } else { wait }
}

/// Whether this thread has something to look at now.
pub(crate) fn is_asking() -> bool {
    MAY_ASK.get()
}

/// Does what has to be done to its end: nothing in it is cancelled.
pub fn shielded<R>(work: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            MAY_ASK.set(self.0);
        }
    }
    let _before = Before(MAY_ASK.replace(false));
    work()
}

#[cfg(test)]
mod tests {
    use super::*;
    use entidb_storage::ManualClock;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Lent(Arc<ManualClock>);

    impl Clock for Lent {
        fn wall_micros(&self) -> i64 {
            self.0.wall_micros()
        }

        fn monotonic_nanos(&self) -> u64 {
            self.0.monotonic_nanos()
        }
    }

    #[test]
    fn a_thread_asks_at_most_every_ten_milliseconds() {
        let clock = Arc::new(ManualClock::new(0));
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        ask_by(
            Box::new(Lent(Arc::clone(&clock))),
            Some(Box::new(move || counted.fetch_add(1, Ordering::Relaxed) >= 2)),
        );
        let outcomes: Vec<_> = (0..30)
            .map(|_| {
                clock.advance(Duration::from_millis(1));
                check().is_err()
            })
            .collect();
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        assert_eq!(outcomes.iter().filter(|ended| **ended).count(), 1, "only the answer that says so ends a call");
        ask(None);
        assert!(check().is_ok());
    }

    #[test]
    fn what_is_shielded_asks_nothing_and_waits_whole() {
        ask(Some(Box::new(|| true)));
        assert_eq!(slice(Duration::from_secs(1)), ASK_EVERY);
        shielded(|| {
            assert!(check().is_ok());
            assert_eq!(slice(Duration::from_secs(1)), Duration::from_secs(1));
        });
        assert!(matches!(check(), Err(Error::Cancelled)));
        ask(None);
        assert_eq!(slice(Duration::from_secs(1)), Duration::from_secs(1));
    }

    #[test]
    fn threads_ask_for_themselves() {
        ask(Some(Box::new(|| true)));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| check().is_ok());
            assert!(other.join().is_ok_and(|went_on| went_on));
        });
        assert!(check().is_err());
        ask(None);
    }
}
