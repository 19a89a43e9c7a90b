//! Limits on the bytes of a database and on the time of a write transaction, and the log that a close leaves.
//!
//! Always: a refused call leaves everything as it was, and deletions are never refused. Does not know: how much space files take.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests panic")]
#![expect(clippy::disallowed_methods, reason = "a writer waits in a thread of its own")]

use std::sync::Arc;
use std::time::Duration;

use entidb_core::{Database, EntityId, ErrorCode, Expression, IndexDefinition, Options, Value, VerifyLevel, doc};
use entidb_storage::{Backend, ManualClock};

const MIB: u64 = 1 << 20;

/// A document of about 4 KiB that does not compress.
fn document(number: u64) -> Value {
    let mut noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()
    })
    .take(512)
    .flatten()
    .collect();
    doc! { "n": (number), "noise": (Value::Bytes(bytes)) }
}

/// Puts documents until one is refused; their ids, and the message.
fn fill(db: &Database) -> (Vec<EntityId>, String) {
    let notes = db.collection("notes").unwrap();
    let mut ids = Vec::new();
    for number in 0..10_000 {
        match notes.put(&document(number)) {
            Ok(id) => ids.push(id),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::LimitReached, "{error}");
                return (ids, error.message().to_owned());
            }
        }
    }
    panic!("nothing was refused");
}

fn bytes_of(db: &Database) -> u64 {
    let stats = db.stats().unwrap();
    stats.engine.segment_bytes + stats.engine.wal_bytes
}

fn limited(database_bytes_max: u64, feed_commits_max: u64) -> Options {
    Options { database_bytes_max, feed_commits_max, ..Options::default() }
}

#[test]
fn a_put_beyond_the_limit_is_refused_and_deletions_make_room_again() {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), limited(MIB, 0)).unwrap();
    let (ids, message) = fill(&db);
    assert!(message.contains("database_bytes_max is 1048576") && message.contains("compact"), "{message}");
    assert!(ids.len() > 150, "{} of about 250 documents fit", ids.len());
    assert!(bytes_of(&db) <= MIB);
    let notes = db.collection("notes").unwrap();
    let all_are_there = |db: &Database, ids: &[EntityId]| {
        let notes = db.collection("notes").unwrap();
        assert_eq!(notes.count().unwrap(), ids.len() as u64);
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(notes.get(*id).unwrap().unwrap().value().unwrap(), document(number as u64));
        }
        assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
    };
    all_are_there(&db, &ids);
    // Neither may an entity be replaced, nor several be stored of which one would fit; and nothing of it stays.
    assert_eq!(notes.replace(ids[0], &document(7)).unwrap_err().code(), ErrorCode::LimitReached);
    let tx = db.begin_write().unwrap();
    for number in 0..300 {
        tx.collection("others").unwrap().put(&document(number)).unwrap();
    }
    assert_eq!(tx.commit().unwrap_err().code(), ErrorCode::LimitReached);
    assert_eq!(db.collections().unwrap(), ["notes"]);
    db.close().unwrap();
    // The limit holds for what is there already, too.
    let db = Database::open_on(backend, limited(MIB, 0)).unwrap();
    all_are_there(&db, &ids);
    let notes = db.collection("notes").unwrap();
    let (gone, kept) = ids.split_at(ids.len() / 2);
    for id in gone {
        assert!(notes.delete(*id).unwrap());
    }
    db.compact().unwrap();
    let (again, _) = fill(&db);
    assert!(again.len() > gone.len() / 2, "{} fit where {} were", again.len(), gone.len());
    assert_eq!(notes.count().unwrap(), (kept.len() + again.len()) as u64);
    assert!(bytes_of(&db) <= MIB && db.verify(VerifyLevel::Full).unwrap().is_ok());
    notes.find(Expression::all()).delete().unwrap();
    assert!(fill(&db).0.len() > 150);
}

#[test]
fn deletions_that_become_history_are_not_refused_and_trimming_makes_room_again() {
    let db = Database::open_memory_with(limited(MIB, 1_000_000)).unwrap();
    let (ids, message) = fill(&db);
    assert!(message.contains("trim the change feed"), "{message}");
    let notes = db.collection("notes").unwrap();
    let old = db.last_sequence();
    ids.iter().for_each(|id| assert!(notes.delete(*id).unwrap()));
    assert_eq!(notes.put(&document(1)).unwrap_err().code(), ErrorCode::LimitReached, "the history has them");
    assert!(notes.get_as_of(ids[0], old).unwrap().is_some());
    db.trim_changes(db.last_sequence()).unwrap();
    db.compact().unwrap();
    assert!(fill(&db).0.len() > 150);
}

#[test]
fn an_index_beyond_the_limit_is_refused_and_nothing_of_it_stays() {
    let db = Database::open_memory_with(Options { index_build_bytes: 4096, ..limited(MIB, 0) }).unwrap();
    let (ids, _) = fill(&db);
    let notes = db.collection("notes").unwrap();
    for id in ids.iter().take(3) {
        assert!(notes.delete(*id).unwrap());
    }
    let definition = IndexDefinition::on(["noise"]).unwrap();
    assert_eq!(notes.create_index(definition).unwrap_err().code(), ErrorCode::LimitReached);
    assert!(notes.indexes().unwrap().is_empty());
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
}

/// A database whose clock is moved by the test.
fn timed(transaction_ms_max: u64) -> (Database, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(0));
    let backend = Backend { clock: clock.clone(), ..Backend::memory() };
    (Database::open_on(backend, Options { transaction_ms_max, ..Options::default() }).unwrap(), clock)
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted_and_says_so() {
    let (db, clock) = timed(1_000);
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    notes.put(&doc! { "n": 1 }).unwrap();
    clock.advance(Duration::from_millis(999));
    notes.put(&doc! { "n": 2 }).unwrap();
    clock.advance(Duration::from_millis(1));
    for error in [notes.put(&doc! {}).map(drop).unwrap_err(), tx.finish(None).map(drop).unwrap_err()] {
        assert_eq!(error.code(), ErrorCode::TransactionEnded);
        assert!(error.message().contains("1000 ms (transaction_ms_max)"), "{error}");
    }
    assert!(!tx.is_open());
    assert_eq!(db.collections().unwrap().len(), 0);
    assert_eq!(db.stats().unwrap().transactions_aborted, 1);
    // A commit alone is refused too, and the next transaction has its time anew.
    let late = db.begin_write().unwrap();
    clock.advance(Duration::from_millis(1_000));
    assert_eq!(late.commit().unwrap_err().code(), ErrorCode::TransactionEnded);
    let tx = db.begin_write().unwrap();
    tx.collection("notes").unwrap().put(&doc! {}).unwrap();
    clock.advance(Duration::from_millis(999));
    tx.commit().unwrap();
    let (db, clock) = timed(0);
    let tx = db.begin_write().unwrap();
    clock.advance(Duration::from_secs(1_000_000));
    tx.collection("notes").unwrap().put(&doc! {}).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_thread_does_not_wait_for_its_own_transaction_whose_time_is_over() {
    let (db, clock) = timed(1_000);
    let tx = db.begin_write().unwrap();
    assert_eq!(db.create_collection("notes").unwrap_err().code(), ErrorCode::Deadlock);
    assert_eq!(db.close().unwrap_err().code(), ErrorCode::InUse);
    clock.advance(Duration::from_secs(1));
    db.create_collection("notes").unwrap();
    assert!(!tx.is_open());
    let _tx = db.begin_write().unwrap();
    clock.advance(Duration::from_secs(1));
    db.close().unwrap();
}

#[test]
fn a_transaction_that_is_called_all_the_time_gives_way_when_its_time_is_over() {
    let options = Options { transaction_ms_max: 50, lock_timeout_ms: 600_000, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let tx = db.begin_write().unwrap();
    let other = db.clone();
    let waiter = std::thread::spawn(move || other.create_collection("others"));
    let notes = tx.collection("notes").unwrap();
    let error = loop {
        if let Err(error) = notes.put_at(EntityId::from_bytes([1; 16]), &doc! { "n": 1 }) {
            break error;
        }
    };
    assert_eq!(error.code(), ErrorCode::TransactionEnded);
    waiter.join().unwrap().unwrap();
    assert_eq!(db.collections().unwrap(), ["others"]);
}

#[test]
fn a_close_leaves_less_log_than_its_option_says() {
    let replayed = |close_checkpoint_bytes: u64, documents: u64| {
        let backend = Backend::memory();
        let options = || Options { close_checkpoint_bytes, ..Options::default() };
        let db = Database::open_on(backend.clone(), options()).unwrap();
        let notes = db.collection("notes").unwrap();
        for number in 0..documents {
            notes.put(&document(number)).unwrap();
        }
        db.close().unwrap();
        let db = Database::open_on(backend, options()).unwrap();
        assert!(db.open_report().clean);
        assert_eq!(db.collection("notes").unwrap().count().unwrap(), documents);
        assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
        db.open_report().commits_replayed
    };
    assert_eq!(replayed(100_000, 50), 0);
    assert!(replayed(1_000_000, 50) >= 50, "a small log is cheaper to read than to write");
    assert!(replayed(0, 50) >= 50);
    assert_eq!(replayed(1, 1), 0);
}

#[test]
fn a_close_whose_checkpoint_fails_closes_all_the_same() {
    let backend = Backend::memory();
    let options = || Options { close_checkpoint_bytes: 1, ..Options::default() };
    let db = Database::open_on(backend.clone(), options()).unwrap();
    let notes = db.collection("notes").unwrap();
    for number in 0..20 {
        notes.put(&document(number)).unwrap();
    }
    let cancel = entidb_core::Cancel::new();
    cancel.cancel();
    let entered = cancel.enter();
    let closed = db.close();
    drop(entered);
    if closed.is_err() {
        // The wait for the write lock says so first, and nothing has happened.
        db.close().unwrap();
    }
    assert!(db.is_closed());
    let db = Database::open_on(backend, options()).unwrap();
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 20);
}
