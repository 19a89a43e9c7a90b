//! What `verify` finds where the feed and the history do not agree.

use entidb_engine::{Sequence, WriteTransaction};

use crate::id::StorageId;
use crate::{Collection, Database, EntityId, Expression, Problem, VerifyLevel, doc, keyspace};

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

/// Commits of every sort. Entity 1 was updated with the commit that is given, and entity 2 deleted with the next.
fn filled() -> (Database, Collection, StorageId, Sequence) {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    (0..30).for_each(|n| c.put_at(id(n), &doc! { "n": n }).unwrap());
    c.put_at(id(1), &doc! { "n": 100 }).unwrap();
    let updated = db.last_sequence();
    c.delete(id(2)).unwrap();
    let storage = c.open().unwrap().1.unwrap().storage;
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    within.put_at(id(3), &doc! { "n": 3 }).unwrap();
    within.delete(id(4)).unwrap();
    within.put_at(id(4), &doc! { "n": 4 }).unwrap();
    within.put_at(id(50), &doc! { "n": 5 }).unwrap();
    within.delete(id(50)).unwrap();
    tx.commit().unwrap();
    // Emptied at once, and dropped after a change in the same commit.
    let d = db.collection("d").unwrap();
    (0..30).for_each(|n| d.put_at(id(n), &doc! { "n": n }).unwrap());
    let tx = db.begin_write().unwrap();
    let within = tx.collection("d").unwrap();
    within.put_at(id(3), &doc! { "n": 3 }).unwrap();
    within.delete(id(4)).unwrap();
    assert_eq!(within.find(Expression::all()).delete().unwrap(), 29);
    within.put_at(id(4), &doc! { "n": 4 }).unwrap();
    tx.commit().unwrap();
    let tx = db.begin_write().unwrap();
    tx.collection("d").unwrap().put_at(id(4), &doc! { "n": 5 }).unwrap();
    tx.drop_collection("d").unwrap();
    tx.commit().unwrap();
    (db, c, storage, updated)
}

fn problems(db: &Database) -> Vec<Problem> {
    db.verify(VerifyLevel::Full).unwrap().problems
}

fn tamper(c: &Collection, run: impl FnOnce(&mut WriteTransaction)) {
    let shared = c.scope().shared().clone();
    let mut tx = shared.begin_engine(None).unwrap();
    run(&mut tx);
    shared.session().unwrap().commit(tx, None).unwrap();
}

#[test]
fn a_row_of_the_history_that_is_missing_is_found() {
    for (number, later) in [(1, 0), (2, 1)] {
        let (db, c, storage, updated) = filled();
        assert!(problems(&db).is_empty(), "{:?}", problems(&db));
        let at = Sequence(updated.0 + later);
        tamper(&c, |tx| tx.delete(&keyspace::history(storage, &id(number), at)).unwrap());
        let found = problems(&db);
        // Of an entity that was inserted and updated, the document after its insert is missing too.
        assert_eq!(found.len(), 2, "{found:?}");
        for problem in found {
            assert_eq!((problem.id, problem.collection.as_deref()), (Some(id(number)), Some("c")), "{problem:?}");
        }
    }
}

#[test]
fn a_row_of_the_history_that_no_change_left_is_found() {
    let (db, c, storage, updated) = filled();
    let stored =
        c.scope().shared().engine().snapshot().unwrap().get(&keyspace::entity(storage, &id(9))).unwrap().unwrap();
    tamper(&c, |tx| tx.put(&keyspace::history(storage, &id(9), updated), &stored).unwrap());
    let found = problems(&db);
    assert_eq!((found.len(), found[0].id), (1, Some(id(9))), "{found:?}");
    assert!(found[0].what.contains("the feed does not tell"), "{found:?}");
    // Many are named in part, and counted.
    tamper(&c, |tx| {
        for n in 10..30 {
            tx.put(&keyspace::history(storage, &id(n), updated), &stored).unwrap();
        }
    });
    let found = problems(&db);
    assert!(found.len() == 9 && found[8].what.contains("rows"), "{found:?}");
}

#[test]
fn a_row_of_the_history_of_another_version_is_found() {
    let (db, c, storage, updated) = filled();
    let key = keyspace::history(storage, &id(1), updated);
    let mut stored = c.scope().shared().engine().snapshot().unwrap().get(&key).unwrap().unwrap().to_vec();
    stored[..8].copy_from_slice(&(updated.0 + 5).to_le_bytes());
    tamper(&c, |tx| tx.put(&key, &stored).unwrap());
    let found = problems(&db);
    assert!(found.iter().any(|problem| problem.what.contains("version")) && found.len() >= 2, "{found:?}");
}

#[test]
fn a_commit_that_the_feed_lacks_or_cannot_read_is_found_and_the_others_are_checked() {
    let (db, c, storage, updated) = filled();
    tamper(&c, |tx| tx.delete(&keyspace::feed(updated, 0)).unwrap());
    let found = problems(&db);
    assert_eq!((found.len(), found[0].id), (1, Some(id(1))), "{found:?}");

    let (db, c, _, updated) = filled();
    tamper(&c, |tx| {
        tx.put(&keyspace::feed(updated, 0), &[9; 40]).unwrap();
        tx.delete(&keyspace::history(storage, &id(2), updated.next())).unwrap();
    });
    let found = problems(&db);
    assert!(found.len() >= 2 && found.iter().any(|problem| problem.id == Some(id(2))), "{found:?}");
}

#[test]
fn what_is_trimmed_is_not_missed() {
    let (db, c, storage, updated) = filled();
    tamper(&c, |tx| tx.delete(&keyspace::history(storage, &id(1), updated)).unwrap());
    assert!(!problems(&db).is_empty());
    db.trim_changes(updated).unwrap();
    assert!(problems(&db).is_empty(), "{:?}", problems(&db));
    db.compact().unwrap();
    db.trim_changes(db.last_sequence()).unwrap();
    assert!(problems(&db).is_empty(), "{:?}", problems(&db));
}
