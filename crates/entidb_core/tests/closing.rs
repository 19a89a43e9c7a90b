//! Closing beside other threads.
//!
//! Always: a close waits for what is being written, for a bounded time; a forced one waits for nobody; what was committed is
//! there afterwards, and nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking and waits for threads"
)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use entidb_core::{Database, ErrorCode, Options, Since, doc};
use entidb_storage::Backend;

fn open(backend: &Backend, lock_timeout_ms: u64) -> Database {
    Database::open_on(backend.clone(), Options { lock_timeout_ms, ..Options::default() }).unwrap()
}

/// It answered IN_USE for any call that was writing at that moment.
#[test]
fn a_close_waits_for_calls_that_are_under_way() {
    let backend = Backend::memory();
    for round in 0..20 {
        let db = open(&backend, 60_000);
        let acknowledged = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|_| {
                    let notes = db.collection("notes").unwrap();
                    scope.spawn(move || {
                        let mut count = 0;
                        loop {
                            match notes.put(&doc! { "n": 1 }) {
                                Ok(_) => count += 1,
                                Err(error) if error.code() == ErrorCode::Closed => break count,
                                Err(error) => panic!("{error}"),
                            }
                        }
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(3));
            db.close().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum::<u64>()
        });
        let db = open(&backend, 60_000);
        let notes = db.collection("notes").unwrap();
        assert_eq!(notes.count().unwrap(), acknowledged, "round {round}");
        notes.find(entidb_core::Expression::all()).delete().unwrap();
        db.close().unwrap();
    }
}

#[test]
fn a_close_waits_for_a_transaction_that_ends_in_time() {
    let backend = Backend::memory();
    let db = open(&backend, 60_000);
    let (begun, wait) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let tx = db.begin_write().unwrap();
            tx.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
            begun.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(30));
            tx.commit().unwrap();
        });
        wait.recv().unwrap();
        db.close().unwrap();
    });
    assert_eq!(open(&backend, 0).collection("notes").unwrap().count().unwrap(), 1);
}

#[test]
fn a_transaction_that_stays_open_is_named_and_stays_as_it_is() {
    let db = open(&Backend::memory(), 60_000);
    let tx = db.begin_write().unwrap();
    let begun = Instant::now();
    let own = db.close().unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(30), "this thread would wait for itself");
    assert!(own.code() == ErrorCode::InUse && own.message().contains("this thread"), "{own}");
    tx.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    tx.commit().unwrap();

    let db = open(&Backend::memory(), 20);
    let (begun, wait) = mpsc::channel();
    let (closed, end) = mpsc::channel();
    std::thread::scope(|scope| {
        let db = &db;
        let other = scope.spawn(move || {
            let tx = db.begin_write().unwrap();
            begun.send(()).unwrap();
            end.recv().unwrap();
            tx.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
            tx.commit()
        });
        wait.recv().unwrap();
        let refused = db.close().unwrap_err();
        assert!(refused.code() == ErrorCode::InUse && refused.message().contains("another thread"), "{refused}");
        closed.send(()).unwrap();
        other.join().unwrap().unwrap();
    });
    db.close().unwrap();
}

#[test]
fn a_forced_close_waits_for_nobody_and_nothing_of_a_transaction_stays() {
    let backend = Backend::memory();
    let db = open(&backend, 60_000);
    db.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    let (begun, wait) = mpsc::channel();
    let (closed, end) = mpsc::channel();
    std::thread::scope(|scope| {
        let db = &db;
        let sent = begun.clone();
        let writer = scope.spawn(move || {
            let tx = db.begin_write().unwrap();
            let notes = tx.collection("notes").unwrap();
            notes.put(&doc! { "n": 2 }).unwrap();
            sent.send(()).unwrap();
            end.recv().unwrap();
            (notes.put(&doc! { "n": 3 }).unwrap_err().code(), tx.commit().unwrap_err().code())
        });
        let reader = scope.spawn(move || {
            let mut feed = db.changes(Since::Now).unwrap();
            begun.send(()).unwrap();
            feed.next_batch(Duration::from_secs(600)).unwrap_err().code()
        });
        wait.recv().unwrap();
        wait.recv().unwrap();
        db.close_now().unwrap();
        closed.send(()).unwrap();
        assert_eq!(writer.join().unwrap(), (ErrorCode::Closed, ErrorCode::Closed));
        assert_eq!(reader.join().unwrap(), ErrorCode::Closed);
    });
    db.close_now().unwrap();
    assert_eq!(open(&backend, 0).collection("notes").unwrap().count().unwrap(), 1);
}
