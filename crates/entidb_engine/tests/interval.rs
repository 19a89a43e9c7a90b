//! How long a grouped commit waits for its flush, at a clock that only the test moves.
//!
//! Always: the test is the thread of the log, and looks whether a flush is due as often as that is woken; other commits
//! come while a flush is under way, and make the log go on in its next file.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

mod gated;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use entidb_engine::{Durability, Engine, Options, Sequence};
use entidb_storage::{Backend, Clock, ManualClock, Operation, Result, Running, Threads};
use gated::gated;

const INTERVAL_MS: u32 = 10;
/// The longest flush of a file.
const FLUSH_MS: u64 = 26;

/// Threads that never come to run: the test does their work.
struct NeverRun;

impl Threads for NeverRun {
    fn parallelism(&self) -> usize {
        1
    }

    fn spawn(&self, _name: &str, _body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Running>> {
        Ok(Box::new(Self))
    }

    fn sleep(&self, _time: Duration) {}
}

impl Running for NeverRun {
    fn join(&self) -> bool {
        true
    }
}

/// Commits, each with the moment it was made at.
#[derive(Default)]
struct Made {
    engine: OnceLock<Engine>,
    unflushed: Mutex<Vec<(Sequence, u64)>>,
    count: Mutex<u64>,
}

impl Made {
    /// A commit every other time.
    fn commit(&self, clock: &ManualClock) {
        let Some(engine) = self.engine.get() else { return };
        let number = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count
        };
        if number % 3 == 0 {
            return;
        }
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&number.to_be_bytes(), &[number as u8; 2_000]).unwrap();
        let sequence = transaction.commit_with(Durability::Grouped { interval_ms: INTERVAL_MS }).unwrap();
        self.unflushed.lock().unwrap().push((sequence, clock.monotonic_nanos()));
    }
}

/// A flush begins when the interval of the first commit is over that it is to cover, or at the end of the one under way if
/// that is later; and what is under way began after all that are older. So a commit waits for its interval or for one
/// flush, whichever is longer, and for its own flush.
#[test]
fn a_grouped_commit_waits_no_longer_than_its_interval_or_a_flush_and_its_own_flush() {
    let (clock, made) = (Arc::new(ManualClock::new(0)), Arc::new(Made::default()));
    let (moved, making) = (Arc::clone(&clock), Arc::clone(&made));
    let turns = Mutex::new(0_u64);
    let backend = gated(&Backend::memory(), move |operation, name| {
        if operation == Operation::FlushData && name.starts_with("wal/") {
            let mut turns = turns.lock().unwrap();
            *turns += 1;
            for _ in 0..*turns * 7 % FLUSH_MS + 1 {
                moved.advance(Duration::from_millis(1));
                making.commit(&moved);
            }
        }
        None
    });
    let backend = Backend { clock: Arc::clone(&clock) as _, threads: Arc::new(NeverRun), ..backend };
    let engine = Engine::open(backend, Options::default()).unwrap();
    assert!(made.engine.set(engine.clone()).is_ok());
    let nanos = |millis: u64| millis * 1_000_000;
    let (mut longest_flush, mut longest_lag) = (0, 0);
    for _ in 0..1_500 {
        clock.advance(Duration::from_millis(1));
        made.commit(&clock);
        let begun = clock.monotonic_nanos();
        engine.maintain(0).unwrap();
        let now = clock.monotonic_nanos();
        longest_flush = longest_flush.max(now - begun);
        let durable = engine.durable_sequence();
        made.unflushed.lock().unwrap().retain(|(sequence, at)| {
            if *sequence <= durable {
                longest_lag = longest_lag.max(now - at);
            }
            *sequence > durable
        });
    }
    let stats = engine.stats();
    assert!(stats.wal_files > 4 && stats.wal_flushes > 50 && longest_flush >= nanos(FLUSH_MS), "{stats:?}");
    let bound = nanos(u64::from(INTERVAL_MS)).max(longest_flush) + longest_flush + nanos(1);
    assert!(longest_lag <= bound, "{longest_lag} ns, the longest flush took {longest_flush} ns");
    assert!(longest_lag > nanos(u64::from(INTERVAL_MS)), "the test shows nothing");
}
