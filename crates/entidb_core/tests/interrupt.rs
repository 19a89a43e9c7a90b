//! Calls that end before they are done: promptly, and as if they had not been made.

mod ended;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use entidb_core::{
    BatchItem, Database, Durability, EntityId, ErrorCode, IndexDefinition, Options, Result, Since, VerifyLevel, doc,
    field,
};
use entidb_storage::Backend;

use ended::ended_at;

fn id(number: u16) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

const COUNT: u16 = 300;

fn filled() -> Result<Database> {
    let db = Database::open_memory_with(Options { durability: Durability::None, ..Options::default() })?;
    let items = db.collection("items")?;
    items.create_index(IndexDefinition::on(["even"])?)?;
    db.transaction(|tx| {
        let items = tx.collection("items")?;
        (0..COUNT).try_for_each(|n| items.put_at(id(n), &doc! { "n": (n), "even": (n % 2 == 0) }))
    })?;
    Ok(db)
}

fn contents(db: &Database) -> Result<BTreeMap<EntityId, Vec<u8>>> {
    db.collection("items")?
        .scan(entidb_core::ScanOptions::default())?
        .map(|entity| entity.map(|entity| (entity.id(), entity.bytes().to_vec())))
        .collect()
}

/// Ends a call at each of its checks in turn: it is `Cancelled` and nothing was changed, until one is done.
fn at_every_check(
    name: &str,
    call: impl Fn(&Database) -> Result<()>,
    done: impl Fn(&Database) -> Result<bool>,
) -> Result<()> {
    let db = filled()?;
    let before = contents(&db)?;
    let mut ended = 0;
    for check in 0.. {
        let (outcome, checks) = ended_at(check, || call(&db));
        match outcome {
            Ok(()) => {
                assert!(checks <= check, "{name} went on after it was told to end");
                assert!(done(&db)?, "{name} is done, and has not done it");
                break;
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Cancelled, "{name}: {error}");
                assert_eq!(contents(&db)?, before, "{name} that was ended changed something");
                assert!(!done(&db)?, "{name} that was ended is done");
                let report = db.verify(VerifyLevel::Full)?;
                assert!(report.is_ok(), "{name}: {:?}", report.problems);
                ended += 1;
            }
        }
    }
    assert!(ended > 0, "{name} never asks");
    Ok(())
}

/// For calls that change nothing: being done shows in nothing.
fn reads(name: &str, call: impl Fn(&Database) -> Result<()>) -> Result<()> {
    let finished = Cell::new(false);
    at_every_check(name, |db| call(db).inspect(|()| finished.set(true)), |_| Ok(finished.get()))
}

#[test]
fn a_call_that_is_ended_at_any_of_its_checks_changes_nothing() -> Result<()> {
    let items = |db: &Database| db.collection("items");
    reads("a count", |db| items(db)?.find(field("n").gt(5)).count().map(drop))?;
    reads("a find", |db| items(db)?.find(field("even").eq(true)).list().map(drop))?;
    reads("a sort", |db| items(db)?.find(field("n").gt(5)).order_by(entidb_core::desc("n")).list().map(drop))?;
    reads("a scan", |db| contents(db).map(drop))?;
    reads("a get of many", |db| items(db)?.get_many(&(0..COUNT).map(id).collect::<Vec<_>>()).map(drop))?;
    reads("a verification", |db| db.verify(VerifyLevel::Full).map(drop))?;
    at_every_check(
        "a delete by query",
        |db| items(db)?.find(field("n").lt(200)).delete().map(drop),
        |db| Ok(items(db)?.count()? == 100),
    )?;
    at_every_check(
        "a delete of many",
        |db| items(db)?.delete_many(&(0..200).map(id).collect::<Vec<_>>()).map(drop),
        |db| Ok(items(db)?.count()? == 100),
    )?;
    let document = entidb_core::encode(&doc! { "n": 1 });
    let batch: Vec<BatchItem<'_>> = (0..100).map(|_| BatchItem { id: None, document: &document }).collect();
    at_every_check(
        "a put of many",
        |db| items(db)?.put_batch(&batch).map(drop),
        |db| Ok(items(db)?.count()? == u64::from(COUNT) + 100),
    )?;
    at_every_check(
        "an index",
        |db| items(db)?.create_index(IndexDefinition::on(["n"])?).map(drop),
        |db| Ok(items(db)?.indexes()?.len() == 2),
    )
}

#[test]
fn a_transaction_goes_on_after_a_call_of_it_that_was_ended() -> Result<()> {
    let db = filled()?;
    let tx = db.begin_write()?;
    let items = tx.collection("items")?;
    items.put_at(id(1000), &doc! { "n": 1000 })?;
    let (outcome, _) = ended_at(3, || items.find(field("n").lt(200)).delete());
    assert_eq!(outcome.map_err(|error| error.code()), Err(ErrorCode::Cancelled));
    assert_eq!(items.count()?, u64::from(COUNT) + 1);
    let mut walk = items.find(field("n").lt(200)).run()?;
    let (outcome, _) = ended_at(0, || walk.by_ref().collect::<Result<Vec<_>>>());
    assert_eq!(outcome.map_err(|error| error.code()).map(drop), Err(ErrorCode::Cancelled));
    assert!(walk.next().is_none(), "a walk that was ended is over");
    items.delete(id(0))?;
    tx.commit()?;
    assert_eq!(db.collection("items")?.count()?, u64::from(COUNT));
    Ok(())
}

#[test]
fn waits_end_at_the_next_question() -> Result<()> {
    let long = Duration::from_secs(3600);
    let db = filled()?;
    let mut feed = db.changes(Since::Now)?;
    let place = feed.position();
    let tx = db.begin_write()?;
    let sequence = db.last_sequence();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let cancelled =
                |outcome: Result<()>| assert_eq!(outcome.map_err(|error| error.code()), Err(ErrorCode::Cancelled));
            cancelled(ended_at(2, || db.begin_write_within(Some(long)).map(drop)).0);
            cancelled(ended_at(0, || db.collection("items")?.delete(id(1)).map(drop)).0);
            cancelled(ended_at(2, || feed.next_batch(long).map(drop)).0);
            cancelled(ended_at(2, || db.wait_durable(entidb_core::Sequence(sequence.0 + 10), long)).0);
        });
        assert!(other.join().is_ok());
    });
    assert_eq!(feed.position(), place);
    tx.collection("items")?.delete(id(1))?;
    tx.commit()?;
    // Who was ended while it waited for the lock does not keep it from others.
    db.collection("items")?.delete(id(2))?;
    assert_eq!(feed.next_batch(Duration::ZERO)?.map(|batch| batch.changes.len()), Some(1));
    Ok(())
}

#[test]
fn a_copy_and_upkeep_that_are_ended_leave_nothing_half_done() -> Result<()> {
    let db = filled()?;
    db.checkpoint()?;
    for check in 0.. {
        let target = Backend::memory();
        match ended_at(check, || db.backup_to(&target)).0 {
            Ok(_) => {
                assert_eq!(
                    Database::open_on(target, Options::default())?.collection("items")?.count()?,
                    u64::from(COUNT)
                );
                assert!(check > 0, "a backup never asks");
                break;
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Cancelled);
                assert!(target.directory.list("")?.is_empty(), "a backup that was ended left something");
            }
        }
    }
    let mut ended = 0;
    for check in 0..1000 {
        db.collection("items")?.delete(id(check))?;
        match ended_at(u64::from(check), || db.compact()).0 {
            Ok(_) => break,
            Err(error) => assert_eq!(error.code(), ErrorCode::Cancelled),
        }
        ended += 1;
    }
    assert!(ended > 0, "compaction never asks");
    let report = db.verify(VerifyLevel::Full)?;
    assert!(report.is_ok(), "{:?}", report.problems);
    db.close()
}
