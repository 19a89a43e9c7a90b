//! Transactions that are too large for the log and become segments.
//!
//! Always: through the public API alone, on memory or on the simulated file system.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, KeySource, Options};
use entidb_storage::Backend;

/// From 4 KiB on a transaction is large.
fn small() -> Options {
    Options { memtable_bytes: 16 * 1024, wal_bytes: 64 * 1024, background: false, ..Options::default() }
}

fn key(number: u32) -> Vec<u8> {
    format!("k{number:06}").into_bytes()
}

fn load(engine: &Engine, numbers: std::ops::Range<u32>, byte: u8) {
    let mut transaction = engine.begin_write().unwrap();
    for number in numbers {
        transaction.put(&key(number), &[byte; 40]).unwrap();
    }
    transaction.commit().unwrap();
}

fn count(engine: &Engine) -> usize {
    engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap().count()
}

#[test]
fn a_large_transaction_is_written_once() {
    let engine = Engine::open(Backend::memory(), small()).unwrap();
    let before = engine.stats();
    load(&engine, 0..1000, 1);
    let stats = engine.stats();
    assert_eq!(stats.wal_bytes_written, before.wal_bytes_written);
    assert_eq!(stats.commits, before.commits + 1);
    assert!(stats.segments > 0 && stats.memtable_bytes == 0);
    assert_eq!(count(&engine), 1000);
}

#[test]
fn it_is_newer_than_all_before_and_older_than_all_after() {
    let engine = Engine::open(Backend::memory(), small()).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&key(7), b"before").unwrap();
    transaction.add(b"n", 5).unwrap();
    transaction.commit().unwrap();
    let old = engine.snapshot().unwrap();
    load(&engine, 0..500, 2);
    let middle = engine.snapshot().unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&key(7), b"after").unwrap();
    transaction.commit().unwrap();
    assert_eq!(old.get(&key(7)).unwrap().as_deref(), Some(b"before".as_slice()));
    assert_eq!(old.get(&key(8)).unwrap(), None);
    assert_eq!(middle.get(&key(7)).unwrap().as_deref(), Some([2; 40].as_slice()));
    assert_eq!(engine.snapshot().unwrap().get(&key(7)).unwrap().as_deref(), Some(b"after".as_slice()));
    assert_eq!(engine.snapshot().unwrap().counter(b"n").unwrap(), 5);
}

#[test]
fn range_deletes_and_counters_of_it_hold_after_a_crash() {
    for key_source in [None, Some([3; 32])] {
        let options = || Options { key: key_source.map(KeySource::raw), ..small() };
        let backend = Backend::memory();
        let engine = Engine::open(backend.clone(), options()).unwrap();
        load(&engine, 0..300, 1);
        let mut transaction = engine.begin_write().unwrap();
        transaction.add(b"n", 2).unwrap();
        transaction.commit_with(Durability::None).unwrap();
        let mut transaction = engine.begin_write().unwrap();
        transaction.delete_range(&key(100), &key(200)).unwrap();
        transaction.add(b"n", 40).unwrap();
        for number in 150..160 {
            transaction.put(&key(number), &[9; 1000]).unwrap();
        }
        let sequence = transaction.commit_with(Durability::None).unwrap();
        assert_eq!(engine.durable_sequence(), sequence);
        load(&engine, 1000..1001, 5);
        // Dropped and not closed: what a crash leaves on a storage that loses nothing.
        drop(engine);
        let engine = Engine::open(backend, options()).unwrap();
        assert_eq!(engine.last_sequence().0, sequence.0 + 1);
        assert_eq!(count(&engine), 300 - 100 + 10 + 1 + 1);
        assert_eq!(engine.snapshot().unwrap().counter(b"n").unwrap(), 42);
    }
}

#[test]
fn a_transaction_that_only_deletes_what_is_not_there_is_a_commit_too() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), small()).unwrap();
    load(&engine, 0..1, 1);
    let mut transaction = engine.begin_write().unwrap();
    for number in 1000..2000 {
        transaction.delete(&key(number)).unwrap();
    }
    let sequence = transaction.commit().unwrap();
    assert_eq!(engine.last_sequence(), sequence);
    load(&engine, 1..2, 1);
    drop(engine);
    let engine = Engine::open(backend, small()).unwrap();
    assert_eq!(engine.last_sequence().0, sequence.0 + 1);
    assert_eq!(count(&engine), 2);
}

#[test]
fn iterators_of_the_transaction_end_with_it() {
    let engine = Engine::open(Backend::memory(), small()).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    for number in 0..1000 {
        transaction.put(&key(number), &[1; 40]).unwrap();
    }
    let mut iter = transaction.range(KeyRange::all(), Direction::Forward).unwrap();
    assert!(iter.advance().unwrap());
    transaction.delete_range(&key(0), &key(900)).unwrap();
    assert!(iter.advance().unwrap());
    assert_eq!(iter.key(), key(1));
    assert_eq!(transaction.range(KeyRange::all(), Direction::Reverse).unwrap().count(), 100);
    transaction.commit().unwrap();
    assert!(matches!(iter.advance(), Err(Error::InvalidArgument { .. })));
    assert_eq!(count(&engine), 100);
}

#[test]
fn large_transactions_from_several_threads_all_arrive() {
    let engine = Engine::open(Backend::memory(), Options { background: true, ..small() }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let engine = &engine;
            scope.spawn(move || {
                for round in 0..10 {
                    let from = thread * 10_000 + round * 200;
                    load(engine, from..from + if round % 2 == 0 { 200 } else { 3 }, 1);
                }
            });
        }
    });
    assert_eq!(count(&engine), 4 * 5 * 203);
    engine.close().unwrap();
}
