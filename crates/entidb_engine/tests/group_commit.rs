//! What a commit costs in writes and flushes, and how many share them.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking and waits for the background"
)]

mod counting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use counting::{Counts, counted};
use entidb_engine::{Durability, Engine, Options};
use entidb_storage::Backend;

fn counting() -> (Engine, Arc<Counts>) {
    let (backend, counts) = counted(&Backend::memory(), true);
    let options = Options { background: false, ..Options::default() };
    (Engine::open(backend, options).unwrap(), counts)
}

fn commit(engine: &Engine, key: &[u8], durability: Durability) {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, &[5; 100]).unwrap();
    transaction.commit_with(durability).unwrap();
}

#[test]
fn a_durable_commit_is_one_write_and_one_flush_and_nothing_else() {
    let (engine, counts) = counting();
    let read = || {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&counts.writes), load(&counts.flushes), load(&counts.others))
    };
    let (writes, flushes, others) = read();
    for number in 0..100_u8 {
        commit(&engine, &[1, number], Durability::Durable);
    }
    assert_eq!(read(), (writes + 100, flushes + 100, others));
}

#[test]
fn commits_without_durability_cost_no_flush() {
    let (engine, counts) = counting();
    let (writes, flushes) = (counts.writes.load(Ordering::Relaxed), counts.flushes.load(Ordering::Relaxed));
    for number in 0..100_u8 {
        commit(&engine, &[1, number], Durability::None);
    }
    assert_eq!(counts.writes.load(Ordering::Relaxed), writes);
    for number in 0..100_u8 {
        commit(&engine, &[2, number], Durability::Grouped { interval_ms: 60_000 });
    }
    assert!(counts.writes.load(Ordering::Relaxed) <= writes + 100);
    assert_eq!(counts.flushes.load(Ordering::Relaxed), flushes);
}

/// The flushes that 8 writers with 50 durable commits each need together.
fn flushes_of_eight_writers() -> u64 {
    let (engine, counts) = counting();
    counts.flush_micros.store(4_000, Ordering::Relaxed);
    let flushes = counts.flushes.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let engine = engine.clone();
            scope.spawn(move || {
                (0..50_u8).for_each(|number| commit(&engine, &[1, thread, number], Durability::Durable))
            });
        }
    });
    assert_eq!(engine.durable_sequence(), engine.last_sequence());
    counts.flushes.load(Ordering::Relaxed) - flushes
}

/// The first writer back after a flush began the next one for itself alone, so that every other flush had one commit and
/// the rest had half of what they could have: 100 flushes for 400 commits.
#[test]
fn writers_who_were_woken_together_share_the_next_flush() {
    // A machine that is busy with other tests may keep a writer from coming back in time.
    let least = (0..3).map(|_| flushes_of_eight_writers()).find(|flushes| flushes * 5 <= 400);
    assert!(least.is_some(), "more than 80 flushes for 400 commits, three times");
}

#[test]
fn writers_of_every_durability_end_while_the_log_goes_on_in_new_files() {
    let (engine, counts) = counting();
    counts.flush_micros.store(300, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let engine = engine.clone();
            let durability = match thread {
                0..4 => Durability::Durable,
                4 => Durability::Grouped { interval_ms: 1 },
                _ => Durability::None,
            };
            scope.spawn(move || (0..200_u8).for_each(|number| commit(&engine, &[1, thread, number], durability)));
        }
        let engine = engine.clone();
        scope.spawn(move || (0..40).for_each(|_| assert!(engine.checkpoint().is_ok())));
    });
    engine.flush().unwrap();
    assert_eq!((engine.durable_sequence(), engine.last_sequence().0), (engine.last_sequence(), 8 * 200));
}

#[test]
fn a_grouped_commit_is_flushed_when_its_interval_is_over() {
    let engine = Engine::open(Backend::memory(), Options::default()).unwrap();
    // The thread has found nothing to do and rests.
    std::thread::sleep(Duration::from_millis(100));
    commit(&engine, b"k", Durability::Grouped { interval_ms: 5 });
    let waited = (0..400).take_while(|_| {
        std::thread::sleep(Duration::from_millis(1));
        engine.durable_sequence() < engine.last_sequence()
    });
    let waited = waited.count();
    assert!(waited < 300, "flushed after {waited} ms or more");
}
