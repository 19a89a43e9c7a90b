//! A write transaction that nobody calls any more is aborted for a writer that waits, and no other is.
//!
//! Always: limits that must not be met are far away. Does not know: how long a wait takes.

#![expect(clippy::unwrap_used, reason = "tests panic")]
#![expect(clippy::disallowed_methods, reason = "a writer waits in a thread of its own")]

use entidb_core::{Database, ErrorCode, Options, doc};

fn database(transaction_idle_ms_max: u64, lock_timeout_ms: u64) -> Database {
    let options = Options { transaction_idle_ms_max, lock_timeout_ms, ..Options::default() };
    Database::open_memory_with(options).unwrap()
}

/// A put by a thread of its own, so that it waits for the transaction of this one.
fn put_elsewhere(db: &Database) -> Result<(), ErrorCode> {
    let db = db.clone();
    let put = move || db.collection("notes")?.put(&doc! { "by": "other" }).map(drop);
    std::thread::spawn(put).join().unwrap().map_err(|error: entidb_core::Error| error.code())
}

#[test]
fn an_idle_transaction_is_aborted_for_a_writer_that_waits_and_says_so() {
    let db = database(30, 600_000);
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    notes.put(&doc! { "by": "idle" }).unwrap();
    put_elsewhere(&db).unwrap();
    assert!(!tx.is_open());
    for error in [notes.put(&doc! {}).map(drop).unwrap_err(), tx.finish(None).map(drop).unwrap_err()] {
        assert_eq!(error.code(), ErrorCode::TransactionEnded);
        assert!(error.message().contains("transaction_idle_ms_max"), "{error}");
    }
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 1);
    assert_eq!(db.stats().unwrap().transactions_aborted, 1);
    // The next transaction is watched anew.
    let tx = db.begin_write().unwrap();
    tx.collection("notes").unwrap().put(&doc! {}).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_block_whose_transaction_was_aborted_or_failed_to_commit_never_ends_as_if_it_had_committed() {
    let db = database(30, 600_000);
    let ended = |result: entidb_core::Result<()>, why: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::TransactionEnded);
        assert!(error.message().contains(why), "{error}");
    };
    let block = |is_caught: bool| {
        db.transaction(|tx| {
            let notes = tx.collection("notes")?;
            notes.put(&doc! { "by": "idle" })?;
            put_elsewhere(&db).unwrap();
            if is_caught {
                ended(notes.put(&doc! {}).map(drop), "transaction_idle_ms_max");
                ended(tx.savepoint().map(drop), "transaction_idle_ms_max");
                ended(tx.check_open(), "transaction_idle_ms_max");
            }
            Ok(())
        })
    };
    for is_caught in [false, true] {
        ended(block(is_caught), "transaction_idle_ms_max");
    }
    let failed = db.transaction(|tx| {
        tx.collection("notes")?.put(&doc! { "by": "failed" })?;
        let cancel = entidb_core::Cancel::new();
        cancel.cancel();
        let entered = cancel.enter();
        assert_eq!(tx.finish(None).unwrap_err().code(), ErrorCode::Cancelled);
        drop(entered);
        ended(tx.check_open(), "its commit failed with CANCELLED");
        Ok(())
    });
    ended(failed, "its commit failed with CANCELLED");
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 2, "those of the other thread");
    // What the block itself ended is as the block wants it.
    db.transaction(|tx| tx.collection("notes")?.put(&doc! {}).and_then(|_| tx.finish(None).map(drop))).unwrap();
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 3);
    let cancelled = db.transaction(|tx| tx.collection("notes")?.put(&doc! {}).map(|_| tx.cancel())).unwrap();
    assert!(cancelled);
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 3);
}

#[test]
fn waiters_that_give_up_before_the_limit_add_up() {
    let db = database(60, 10);
    let tx = db.begin_write().unwrap();
    let mut busy = 0;
    while let Err(code) = put_elsewhere(&db) {
        assert_eq!(code, ErrorCode::Busy);
        busy += 1;
    }
    assert!(busy > 0 && !tx.is_open());
}

#[test]
fn a_transaction_that_is_called_stays_and_so_does_one_without_a_limit() {
    let calls = database(600_000, 20);
    let tx = calls.begin_write().unwrap();
    for _ in 0..3 {
        assert_eq!(put_elsewhere(&calls), Err(ErrorCode::Busy));
        tx.collection("notes").unwrap().put(&doc! {}).unwrap();
    }
    tx.commit().unwrap();
    let endless = database(0, 20);
    let tx = endless.begin_write().unwrap();
    for _ in 0..3 {
        assert_eq!(put_elsewhere(&endless), Err(ErrorCode::Busy));
    }
    tx.commit().unwrap();
}

#[test]
fn nobody_is_aborted_while_nobody_waits() {
    let db = database(1, 20);
    let tx = db.begin_write().unwrap();
    tx.collection("notes").unwrap().put(&doc! {}).unwrap();
    let until = std::time::Duration::from_millis(30);
    db.wait_durable(entidb_core::Sequence(u64::MAX), until).unwrap_err();
    tx.commit().unwrap();
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 1);
}

#[test]
fn closing_is_a_wait_too() {
    let db = database(30, 600_000);
    let tx = db.begin_write().unwrap();
    let other = db.clone();
    std::thread::spawn(move || other.close()).join().unwrap().unwrap();
    assert!(db.is_closed() && !tx.is_open());
}
