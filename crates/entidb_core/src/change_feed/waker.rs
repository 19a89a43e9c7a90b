//! Wakes readers of the feed that have no thread to wait in.
//!
//! Always: a reader that found nothing is woken once, by the first commit, close or stop of writing after it looked; then not
//! before it has looked again. A commit reads one number where no reader waits. A waker that was removed does not run any
//! more. Does not know: what there is to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use entidb_storage::sync::Mutex;

/// The function that wakes a reader. It runs on any thread, in the call that committed, closed or stopped writing, and must not
/// block or call the database.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The waker of one reader.
#[derive(Default)]
pub(crate) struct WakerSlot(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    wake: Option<Wake>,
    /// Whether the reader found nothing since it was woken last.
    is_armed: bool,
}

impl WakerSlot {
    /// Replaces the waker. A run of the one before has ended when this returns.
    pub(crate) fn set(&self, wake: Option<Wake>) {
        let mut slot = self.0.lock();
        slot.is_armed = false;
        let before = std::mem::replace(&mut slot.wake, wake);
        drop(slot);
        // It may hold what belongs to its owner.
        drop(before);
    }

    /// Wakes the reader if it waits.
    pub(crate) fn fire(&self) {
        let mut slot = self.0.lock();
        if std::mem::take(&mut slot.is_armed)
            && let Some(wake) = &slot.wake
        {
            // Under the lock, so that it does not run when `set` has returned.
            wake();
        }
    }
}

/// The readers of one database that wait for their wakers.
#[derive(Default)]
pub(crate) struct Wakers {
    /// How many there are. A commit reads this alone.
    armed: AtomicUsize,
    slots: Mutex<Vec<Arc<WakerSlot>>>,
}

impl Wakers {
    /// The reader of this slot found nothing, and is woken from here on; false where it has no waker. What came before this
    /// call may have been missed, so the reader looks once more.
    pub(crate) fn arm(&self, slot: &Arc<WakerSlot>) -> bool {
        let mut inner = slot.0.lock();
        if inner.wake.is_none() {
            return false;
        }
        if !std::mem::replace(&mut inner.is_armed, true) {
            drop(inner);
            let mut slots = self.slots.lock();
            if !slots.iter().any(|other| Arc::ptr_eq(other, slot)) {
                slots.push(Arc::clone(slot));
            }
            self.armed.store(slots.len(), Ordering::Relaxed);
        }
        // The reader looks at the newest commit after this, and a commit at the count after it is visible.
        fence(Ordering::SeqCst);
        true
    }

    /// Wakes every reader that waits.
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.armed.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut slots = self.slots.lock();
        let woken = std::mem::take(&mut *slots);
        self.armed.store(0, Ordering::Relaxed);
        drop(slots);
        for slot in woken {
            slot.fire();
        }
    }

    /// Removes a reader that ends.
    pub(crate) fn forget(&self, slot: &Arc<WakerSlot>) {
        slot.set(None);
        let mut slots = self.slots.lock();
        slots.retain(|other| !Arc::ptr_eq(other, slot));
        self.armed.store(slots.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> (Arc<WakerSlot>, Arc<AtomicUsize>) {
        let (slot, count) = (Arc::<WakerSlot>::default(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&count);
        slot.set(Some(Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        })));
        (slot, count)
    }

    #[test]
    fn a_reader_is_told_once_for_each_time_it_found_nothing() {
        let (wakers, (slot, count)) = (Wakers::default(), counted());
        wakers.wake();
        assert_eq!(count.load(Ordering::Relaxed), 0, "it had not looked yet");
        for expected in 1..3 {
            assert!(wakers.arm(&slot) && wakers.arm(&slot));
            wakers.wake();
            wakers.wake();
            assert_eq!(count.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn a_waker_that_was_taken_away_or_whose_reader_is_gone_is_not_called() {
        let (wakers, (slot, count)) = (Wakers::default(), counted());
        assert!(wakers.arm(&slot));
        slot.set(None);
        wakers.wake();
        assert!(!wakers.arm(&slot), "without a waker nobody is told");
        let (other, _) = counted();
        assert!(wakers.arm(&other));
        wakers.forget(&other);
        assert_eq!(wakers.armed.load(Ordering::Relaxed), 0);
        assert_eq!(Arc::strong_count(&other), 1, "nothing of it is kept");
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn no_news_between_a_look_and_the_arming_is_lost() {
        // Commits are a counter here, which readers look at before and after arming.
        let wakers = Arc::new(Wakers::default());
        let newest = Arc::new(AtomicUsize::new(0));
        let told = Arc::new((std::sync::Mutex::new(0_usize), std::sync::Condvar::new()));
        let slot = Arc::<WakerSlot>::default();
        let bell = Arc::clone(&told);
        slot.set(Some(Box::new(move || {
            *bell.0.lock().unwrap() += 1;
            bell.1.notify_all();
        })));
        const COMMITS: usize = 2_000;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..COMMITS {
                    newest.fetch_add(1, Ordering::AcqRel);
                    wakers.wake();
                }
            });
            let mut seen = 0;
            while seen < COMMITS {
                let now = newest.load(Ordering::Acquire);
                if now > seen {
                    seen = now;
                    continue;
                }
                let rings = *told.0.lock().unwrap();
                assert!(wakers.arm(&slot));
                if newest.load(Ordering::Acquire) > seen {
                    continue;
                }
                let mut count = told.0.lock().unwrap();
                while *count == rings {
                    let (guard, wait) = told.1.wait_timeout(count, std::time::Duration::from_secs(30)).unwrap();
                    count = guard;
                    assert!(
                        !wait.timed_out(),
                        "a reader at {seen} was never told of {}",
                        newest.load(Ordering::Acquire)
                    );
                }
            }
        });
    }
}
