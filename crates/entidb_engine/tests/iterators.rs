//! Iterators after a failure: each tells of it once and ends, so that nothing that drains an iterator runs for ever.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::{Direction, Engine, Error, Iter, KeyRange, Options};
use entidb_storage::{Backend, OpenMode};

const BOTH: [Direction; 2] = [Direction::Forward, Direction::Reverse];

fn open(backend: &Backend) -> Engine {
    Engine::open(backend.clone(), Options { background: false, ..Options::default() }).unwrap()
}

fn filled(backend: &Backend) -> Engine {
    let engine = open(backend);
    let mut transaction = engine.begin_write().unwrap();
    for number in 0..2000_u32 {
        transaction.put(&[b"key", &number.to_be_bytes()[..]].concat(), &[7; 100]).unwrap();
    }
    transaction.commit().unwrap();
    engine
}

/// A database with one segment, whose block in the middle is damaged.
fn damaged() -> Engine {
    let backend = Backend::memory();
    let engine = filled(&backend);
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    let path = format!("seg/{}", backend.directory.list("seg").unwrap().first().unwrap().name);
    let file = backend.directory.open(&path, OpenMode::Write).unwrap();
    file.write_all_at(file.len().unwrap() / 2, &[0xaa; 64]).unwrap();
    open(&backend)
}

/// More than any of these iterators has to give: one that goes on for ever is seen here and does not hang the test.
const FAR: usize = 100_000;

fn ends_after_one_error(mut iter: Iter, is_right: fn(&Error) -> bool) {
    let found: Vec<_> = iter.by_ref().take(FAR).collect();
    let errors: Vec<&Error> = found.iter().filter_map(|entry| entry.as_ref().err()).collect();
    assert!(matches!(errors.as_slice(), [error] if is_right(error)), "{} errors", errors.len());
    assert!(found.last().unwrap().is_err());
    assert!(iter.next().is_none() && iter.next().is_none());
    // Who moves it by hand is told again, and no move is made.
    for _ in 0..3 {
        assert!(iter.advance().is_err_and(|error| is_right(&error)));
        assert!(iter.seek(b"key").is_err() && iter.key().is_empty() && iter.value().is_empty());
    }
}

#[test]
fn an_iterator_over_a_damaged_block_gives_the_error_once_and_ends() {
    let engine = damaged();
    for direction in BOTH {
        let snapshot = engine.snapshot().unwrap();
        let range = || snapshot.range(KeyRange::all(), direction).unwrap();
        ends_after_one_error(range(), |error| matches!(error, Error::Corrupt { .. }));
        // What drains iterators in one call.
        assert!(range().take(FAR).count() < 2000);
        assert!(range().take(FAR).flatten().count() < 2000);
        assert!(range().collect::<Result<Vec<_>, _>>().is_err());
    }
}

#[test]
fn an_error_met_by_hand_ends_the_iterator_too() {
    let engine = damaged();
    let mut iter = engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap();
    while iter.advance().is_ok_and(|more| more) {}
    assert!(iter.next().is_none());
}

#[test]
fn an_iterator_of_a_closed_database_gives_the_error_once_and_ends() {
    for direction in BOTH {
        let engine = filled(&Backend::memory());
        let mut iter = engine.snapshot().unwrap().range(KeyRange::all(), direction).unwrap();
        assert!(iter.next().unwrap().is_ok());
        engine.close().unwrap();
        ends_after_one_error(iter, |error| matches!(error, Error::Closed));
    }
}

#[test]
fn an_iterator_of_a_transaction_that_has_ended_gives_the_error_once_and_ends() {
    for direction in BOTH {
        let engine = filled(&Backend::memory());
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(b"key", b"value").unwrap();
        let iter = transaction.range(KeyRange::all(), direction).unwrap();
        transaction.commit().unwrap();
        ends_after_one_error(iter, |error| matches!(error, Error::InvalidArgument { .. }));
    }
}
