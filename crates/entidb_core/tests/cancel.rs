//! Tokens that end calls: from another thread, at a deadline, in the middle of a large commit and of an opening.
//!
//! Always: a call that was ended has changed nothing. Does not know: the function a thread asks (`interrupt`).

#![expect(clippy::disallowed_methods, reason = "the test is about real threads")]

mod ended;

use std::sync::Arc;
use std::time::Duration;

use entidb_core::{
    Cancel, Database, Durability, EntityId, ErrorCode, IndexDefinition, Options, Result, Since, VerifyLevel, doc,
    field, patch,
};
use entidb_storage::{Backend, Clock, ManualClock};

use ended::ended_at;

/// As long as a test waits for what should end at once.
const LONG: Duration = Duration::from_secs(600);

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

const COUNT: u64 = 300;

fn fill(db: &Database) -> Result<()> {
    let items = db.collection("items")?;
    items.create_index(IndexDefinition::on(["even"])?)?;
    db.transaction(|tx| {
        let items = tx.collection("items")?;
        (0..COUNT).try_for_each(|n| items.put_at(id(n), &doc! { "n": n, "even": (n % 2 == 0) }))
    })
}

#[track_caller]
fn ends<T>(code: ErrorCode, outcome: Result<T>) {
    assert_eq!(outcome.map(drop).map_err(|error| error.code()), Err(code));
}

/// Every call that may take long, each ended by `cancel`: they fail with `code`, and change nothing.
fn every_long_call_ends(db: &Database, cancel: &Cancel, code: ErrorCode) -> Result<()> {
    let items = db.collection("items")?;
    let mut feed = db.changes(Since::Now)?;
    let waiting = db.begin_read()?;
    let held = Cancel::new();
    let entered = cancel.enter();
    let _also = held.enter();
    ends(code, items.find(field("n").gt(5)).count());
    ends(code, items.find(field("even").eq(true)).list());
    ends(code, items.find(field("n").ge(0)).order_by(entidb_core::desc("n")).list());
    ends(code, items.find(field("n").lt(200)).delete());
    ends(code, items.find(entidb_core::field("n").exists()).delete());
    ends(code, items.put(&doc! { "n": 1 }));
    ends(code, items.update(id(1), &patch! { "n": 9 }));
    ends(code, items.delete(id(1)));
    ends(code, items.delete_many(&[id(1), id(2)]));
    ends(code, items.put_many([&doc! { "n": 1 }]));
    ends(code, items.create_index(IndexDefinition::on(["n"])?));
    ends(code, items.drop_index("even"));
    ends(code, db.create_collection("others"));
    ends(code, db.drop_collection("items"));
    ends(code, db.rename_collection("items", "others"));
    ends(code, db.trim_changes(db.last_sequence()));
    ends(code, db.verify(VerifyLevel::Full));
    ends(code, db.backup_to(&Backend::memory()));
    ends(code, db.compact());
    ends(code, feed.next_batch(LONG));
    ends(code, db.wait_durable(entidb_core::Sequence(db.last_sequence().0 + 9), LONG));
    ends(code, db.transaction(|tx| tx.create_collection("others")));
    drop(entered);
    assert_eq!((items.count()?, db.collections()?, items.indexes()?.len()), (COUNT, vec!["items".to_owned()], 1));
    assert_eq!(waiting.collection("items")?.find(field("n").ge(0)).count()?, COUNT);
    assert_eq!(feed.next_batch(Duration::ZERO)?, None, "something was committed");
    let report = db.verify(VerifyLevel::Full)?;
    assert!(report.is_ok(), "{:?}", report.problems);
    Ok(())
}

#[test]
fn every_call_that_may_take_long_obeys_the_token_of_its_thread() -> Result<()> {
    let db = Database::open_memory()?;
    fill(&db)?;
    let cancelled = Cancel::new();
    cancelled.cancel();
    every_long_call_ends(&db, &cancelled, ErrorCode::Cancelled)?;
    let clock = Arc::new(ManualClock::new(0));
    let late = Cancel::by(Arc::clone(&clock) as Arc<dyn Clock>, Some(Duration::from_secs(3)));
    let entered = late.enter();
    assert_eq!(db.collection("items")?.find(field("n").ge(0)).count()?, COUNT, "there was time");
    drop(entered);
    clock.advance(Duration::from_secs(3));
    every_long_call_ends(&db, &late, ErrorCode::Timeout)?;
    db.close()
}

#[test]
fn a_commit_under_a_token_that_ended_is_not_made() -> Result<()> {
    let db = Database::open_memory()?;
    let tx = db.begin_write()?;
    tx.collection("items")?.put(&doc! { "n": 1 })?;
    let savepoint = tx.savepoint()?;
    let cancel = Cancel::new();
    let entered = cancel.enter();
    cancel.cancel();
    ends(ErrorCode::Cancelled, tx.collection("items")?.put(&doc! { "n": 2 }));
    tx.rollback_to(savepoint)?;
    ends(ErrorCode::Cancelled, tx.finish(None));
    assert!(!tx.is_open(), "a commit that fails ends its transaction");
    drop(entered);
    assert_eq!(db.collection("items")?.count()?, 0);
    db.collection("items")?.put(&doc! { "n": 3 }).map(drop)
}

#[test]
fn another_thread_ends_a_wait() -> Result<()> {
    let db = Database::open_memory()?;
    let _held = db.begin_write()?;
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        let (of_writer, of_reader) = (cancel.clone(), cancel.clone());
        let writer = scope.spawn({
            let db = &db;
            move || {
                let _entered = of_writer.enter();
                db.begin_write_within(Some(LONG)).map(drop).map_err(|error| error.code())
            }
        });
        let reader = scope.spawn({
            let db = &db;
            move || {
                let _entered = of_reader.enter();
                db.changes(Since::Now)?.next_batch(LONG).map(drop)
            }
        });
        std::thread::sleep(Duration::from_millis(30));
        assert!(!writer.is_finished() && !reader.is_finished());
        cancel.cancel();
        assert_eq!(writer.join().ok(), Some(Err(ErrorCode::Cancelled)));
        assert!(matches!(reader.join(), Ok(Err(error)) if error.code() == ErrorCode::Cancelled));
    });
    Ok(())
}

/// Every file of a database, with its bytes.
fn files(backend: &Backend) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for folder in ["", "wal", "seg", "manifest"] {
        for entry in backend.directory.list(folder).unwrap_or_default() {
            let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            if let Ok(file) = backend.directory.open(&path, entidb_storage::OpenMode::Read) {
                let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
                file.read_exact_at(0, &mut bytes)?;
                found.push((path, bytes));
            }
        }
    }
    Ok(found)
}

#[test]
fn a_commit_that_goes_to_segments_ends_at_any_of_its_checks_and_leaves_no_file() -> Result<()> {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options { memtable_bytes: 1 << 20, ..Options::default() })?;
    db.create_collection("items")?;
    // More than one piece of writing.
    let text = "x".repeat(100_000);
    let segments = || Ok::<_, entidb_core::Error>(backend.directory.list("seg")?.len());
    // What is in memory goes to segments first, and stays there.
    db.checkpoint()?;
    for check in 0.. {
        let before = segments()?;
        let tx = db.begin_write()?;
        let items = tx.collection("items")?;
        (0..100).try_for_each(|n| items.put_at(id(n), &doc! { "text": text.as_str() }))?;
        match ended_at(check, || tx.finish(None)).0 {
            Ok(_) => {
                assert!(check >= 3, "a large commit asked {check} times");
                break;
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Cancelled);
                assert_eq!(db.collection("items")?.count()?, 0);
                assert!(segments()? == before, "a commit that was ended left files");
            }
        }
    }
    assert_eq!(db.collection("items")?.count()?, 100);
    assert!(db.verify(VerifyLevel::Full)?.is_ok());
    db.close()
}

#[test]
fn an_opening_that_is_ended_while_it_replays_leaves_the_files_as_they_were() -> Result<()> {
    let options = || Options {
        durability: Durability::None,
        memory_bytes: 1 << 20,
        memtable_bytes: 64 << 20,
        ..Options::default()
    };
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), options())?;
    let text = "x".repeat(40_000);
    let items = db.collection("items")?;
    // More than replaying may hold in memory, so that it is read twice and goes to segments.
    (0..100).try_for_each(|n| items.put_at(id(n), &doc! { "text": text.as_str() }))?;
    drop((db, items));
    let before = files(&backend)?;
    let options = || Options { memory_bytes: 1 << 20, ..Options::default() };
    let mut ended = 0;
    for check in 0.. {
        // By more than one each time: there are many, and each opening replays.
        match ended_at(check * 7, || Database::open_on(backend.clone(), options())).0 {
            Ok(db) => {
                assert_eq!(db.collection("items")?.count()?, 100);
                db.close()?;
                break;
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Cancelled, "{error}");
                ended += 1;
                if check == 0 {
                    assert!(files(&backend)? == before, "an opening that was ended wrote something");
                }
            }
        }
    }
    assert!(ended > 1, "replaying asked {ended} times");
    Ok(())
}

#[test]
fn a_reader_of_the_feed_that_waits_ends_when_it_is_closed() -> Result<()> {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options::default())?;
    db.create_collection("items")?;
    db.close()?;
    for read_only in [false, true] {
        let db = Database::open_on(backend.clone(), Options { read_only, ..Options::default() })?;
        let mut feed = db.changes(Since::Now)?;
        let (closer, place) = (feed.closer(), feed.position());
        let waiter = std::thread::spawn(move || feed.next_batch(LONG).map(drop).map_err(|error| error.code()));
        std::thread::sleep(Duration::from_millis(30));
        assert!(!waiter.is_finished());
        closer.close();
        assert_eq!(waiter.join().ok(), Some(Err(ErrorCode::Closed)), "read_only: {read_only}");
        closer.close();
        db.changes(place)?.next_batch(Duration::ZERO)?;
        db.close()?;
    }
    Ok(())
}
