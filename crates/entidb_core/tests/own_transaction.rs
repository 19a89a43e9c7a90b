//! A thread never waits for a write transaction of its own: it is told at once.
//!
//! Always: the lock may be waited for without end here, so a call that waits for itself hangs instead of passing late.
//! Does not know: how the other languages say it; they have tests of their own.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::mpsc;
use std::thread;

use entidb_core::{Collection, Database, ErrorCode, IndexDefinition, Options, Result, doc, field};

fn patient() -> Database {
    Database::open_memory_with(Options { lock_timeout_ms: 86_400_000, ..Options::default() }).unwrap()
}

fn refused<T>(result: Result<T>) {
    assert_eq!(result.map(drop).unwrap_err().code(), ErrorCode::Deadlock);
}

fn every_write(db: &Database, notes: &Collection) {
    refused(notes.put(&doc! { "n": 1 }));
    refused(notes.put_many([&doc! { "n": 1 }]));
    refused(notes.find(field("n").gt(0)).delete());
    refused(notes.create_index(IndexDefinition::on(["n"]).unwrap()));
    refused(db.create_collection("other"));
    refused(db.begin_write());
    refused(db.trim_changes(db.last_sequence()));
}

#[test]
fn a_call_that_would_wait_for_a_transaction_of_its_thread_is_refused() {
    let db = patient();
    let notes = db.collection("notes").unwrap();
    let id = notes.put(&doc! { "n": 0 }).unwrap();
    let tx = db.begin_write().unwrap();
    every_write(&db, &notes);
    refused(notes.delete(id));
    // Nobody waits, so this is no deadlock.
    let once = db.begin_write_within(Some(std::time::Duration::ZERO)).map(drop).unwrap_err();
    assert_eq!(once.code(), ErrorCode::Busy);
    // Neither reads nor the transaction itself are touched by it.
    assert_eq!(notes.count().unwrap(), 1);
    tx.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    tx.commit().unwrap();
    assert_eq!(notes.count().unwrap(), 2);
    notes.put(&doc! { "n": 2 }).unwrap();
}

#[test]
fn the_end_of_a_transaction_in_any_way_lets_its_thread_write_again() {
    let db = patient();
    let notes = db.collection("notes").unwrap();
    db.begin_write().unwrap().abort();
    notes.put(&doc! {}).unwrap();
    drop(db.begin_write().unwrap());
    notes.put(&doc! {}).unwrap();
    let tx = db.begin_write().unwrap();
    assert!(tx.cancel() && tx.finish(None).is_err());
    notes.put(&doc! {}).unwrap();
    db.transaction(|_| Err::<(), _>(notes.put(&doc! {}).unwrap_err())).unwrap_err();
    notes.put(&doc! {}).unwrap();
    assert_eq!(notes.count().unwrap(), 4);
}

#[test]
fn a_transaction_belongs_to_the_thread_that_called_it_last() {
    let db = patient();
    let notes = db.collection("notes").unwrap();
    let tx = db.begin_write().unwrap();
    let (give, take) = mpsc::channel();
    let (say, hear) = mpsc::channel();
    thread::scope(|scope| {
        let (db, notes) = (&db, &notes);
        let other = scope.spawn(move || {
            let tx: entidb_core::WriteTransaction = take.recv().unwrap();
            tx.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
            every_write(db, notes);
            say.send(()).unwrap();
            tx.commit().unwrap();
        });
        give.send(tx).unwrap();
        hear.recv().unwrap();
        // It began the transaction and waits for the one that has it now.
        notes.put(&doc! { "n": 2 }).unwrap();
        other.join().unwrap();
    });
    assert_eq!(notes.count().unwrap(), 2);
}
