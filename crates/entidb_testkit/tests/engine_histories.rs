//! Layers 9, 10 and 11: long histories against the model, readers beside writers, and the same under random options.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use entidb_engine::{Durability, Engine, Options, Snapshot};
use entidb_storage::simulated::Dice;
use entidb_storage::{Backend, SystemThreads, Threads as _};
use entidb_testkit::history::History;
use entidb_testkit::workload::Profile;
use entidb_testkit::{Row, Tier, seed_from_environment};

fn histories(layer: &str, count: u64, make: impl Fn(u64) -> History) {
    let clock = entidb_storage::SystemClock;
    let start = entidb_storage::Clock::monotonic_nanos(&clock);
    let mut row = Row { layer: layer.to_owned(), ..Row::default() };
    let (mut segments, mut compactions) = (0, 0);
    for seed in (0..count).map(|index| seed_from_environment().wrapping_add(index)) {
        let summary = make(seed).run().unwrap_or_else(|wrong| panic!("{wrong}; replay with ENTIDB_SEED={seed}"));
        row.cases += 1;
        row.states += summary.reads;
        segments += summary.segments;
        compactions += summary.compactions;
    }
    row.seconds = std::time::Duration::from_nanos(entidb_storage::Clock::monotonic_nanos(&clock) - start).as_secs_f64();
    row.print();
    assert!(segments > 0 && compactions > 0, "the histories never reached segments: {segments}, {compactions}");
}

#[test]
fn every_history_agrees_with_the_model() {
    let count = Tier::from_environment().pick(60, 4_000, 100_000);
    histories("9 model histories", count, |seed| History::new(seed, Profile::LONG));
}

#[test]
fn every_history_agrees_with_the_model_under_random_options() {
    let count = Tier::from_environment().pick(40, 2_000, 50_000);
    histories("11 random options", count, |seed| History::new(seed, Profile::LONG).with_random_options());
}

#[test]
fn every_history_agrees_with_the_model_while_the_keys_change() {
    let count = Tier::from_environment().pick(20, 1_000, 20_000);
    let profile = Profile { keys_change: true, ..Profile::LONG };
    histories("9 histories, new keys", count, |seed| History::new(seed, profile).with_random_options());
}

#[test]
fn every_history_with_readers_that_stay_agrees_with_the_model() {
    let count = Tier::from_environment().pick(30, 2_000, 50_000);
    histories("9 histories with long readers", count, |seed| History::new(seed, Profile::LONG).with_long_readers());
}

#[test]
fn every_history_of_range_deletes_agrees_with_the_model() {
    let count = Tier::from_environment().pick(40, 2_000, 50_000);
    histories("9 range deletes", count, |seed| History::new(seed, Profile::LONG_RANGES));
    histories("11 range deletes, random options", count / 2, |seed| {
        History::new(seed, Profile::LONG_RANGES).with_random_options()
    });
}

/// How many lists the transactions append to.
const LISTS: u64 = 6;

/// What a reader sees: each list's numbers, in order.
fn lists(snapshot: &Snapshot) -> Vec<Vec<u64>> {
    let read = |list: u64| {
        let bytes = snapshot.get(&[b'l', u8::try_from(list).unwrap()]).unwrap();
        let bytes = bytes.map(|value| value.to_vec()).unwrap_or_default();
        bytes.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number)).collect()
    };
    (0..LISTS).map(read).collect()
}

/// Which lists a transaction appends to: known from its sequence, so a reader can tell what it should see.
fn targets(sequence: u64) -> Vec<u64> {
    let mut dice = Dice::new(sequence);
    let mut lists: Vec<u64> = (0..2 + dice.below(2)).map(|_| dice.below(LISTS)).collect();
    lists.sort_unstable();
    lists.dedup();
    lists
}

/// Several writers append their sequence to several lists; a reader must see exactly the transactions up to one
/// sequence, all of each, in order, and never fewer than were acknowledged before it began: strict serialisability
/// with the order known, which is more than the absence of cycles.
#[test]
fn readers_beside_writers_see_whole_transactions_in_order() {
    let rounds = Tier::from_environment().pick(6, 60, 1_000);
    let mut row = Row { layer: "10 isolation".to_owned(), ..Row::default() };
    for round in 0..rounds {
        let options =
            Options { memtable_bytes: 64 * 1024, wal_bytes: 64 * 1024, segment_bytes: 64 * 1024, ..Options::default() };
        let engine = Engine::open(Backend::memory(), options).unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let reads = Arc::new(AtomicU64::new(0));
        let mut running = Vec::new();
        for writer in 0..2_u64 {
            let (engine, acknowledged) = (engine.clone(), Arc::clone(&acknowledged));
            let body = move || {
                let mut dice = Dice::new(round * 2 + writer);
                for _ in 0..80 {
                    let mut transaction = engine.begin_write().unwrap();
                    let sequence = transaction.next_sequence().0;
                    for list in targets(sequence) {
                        let key = [b'l', u8::try_from(list).unwrap()];
                        let mut bytes = transaction.get(&key).unwrap().map(|value| value.to_vec()).unwrap_or_default();
                        bytes.extend_from_slice(&sequence.to_le_bytes());
                        transaction.put(&key, &bytes).unwrap();
                    }
                    let durability = if dice.coin() { Durability::Durable } else { Durability::None };
                    assert_eq!(transaction.commit_with(durability).unwrap().0, sequence);
                    acknowledged.fetch_max(sequence, Ordering::SeqCst);
                }
            };
            running.push(SystemThreads.spawn("writer", Box::new(body)).unwrap());
        }
        let mut readers = Vec::new();
        for _ in 0..2 {
            let (engine, acknowledged) = (engine.clone(), Arc::clone(&acknowledged));
            let (done, reads) = (Arc::clone(&done), Arc::clone(&reads));
            let body = move || {
                let mut before = 0;
                while !done.load(Ordering::SeqCst) {
                    let least = acknowledged.load(Ordering::SeqCst);
                    let snapshot = engine.snapshot().unwrap();
                    let at = snapshot.sequence().0;
                    assert!(at >= least && at >= before, "a reader at {at} after {least} and {before}");
                    before = at;
                    let expected: Vec<Vec<u64>> = (0..LISTS)
                        .map(|list| (1..=at).filter(|sequence| targets(*sequence).contains(&list)).collect())
                        .collect();
                    assert_eq!(lists(&snapshot), expected, "at {at}");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            };
            readers.push(SystemThreads.spawn("reader", Box::new(body)).unwrap());
        }
        assert!(running.iter().all(|thread| thread.join()), "a writer failed");
        done.store(true, Ordering::SeqCst);
        assert!(readers.iter().all(|thread| thread.join()), "a reader saw something wrong");
        assert_eq!(engine.last_sequence().0, 160);
        engine.close().unwrap();
        row.cases += 1;
        row.states += reads.load(Ordering::Relaxed);
    }
    row.print();
    assert!(row.states > 0);
}
