//! What going back to a savepoint brings back, beyond the entities themselves.

use entidb_core::{Database, IndexDefinition, VerifyLevel, doc, field};

/// A transaction hands out the numbers that keep equal index rows apart. Dropping the collection forgot the numbers
/// already handed out, going back brought only the entities back, and the next entity got a number twice: its index row
/// took the place of the other's.
#[test]
fn a_dropped_collection_that_comes_back_gives_no_ordinal_twice() {
    let db = Database::open_memory().unwrap();
    db.collection("c").unwrap().create_index(IndexDefinition::on(["kind"]).unwrap()).unwrap();
    let tx = db.begin_write().unwrap();
    let collection = tx.collection("c").unwrap();
    let first = collection.put(&doc! { "kind": "same" }).unwrap();
    let savepoint = tx.savepoint().unwrap();
    tx.drop_collection("c").unwrap();
    tx.rollback_to(savepoint).unwrap();
    let second = collection.put(&doc! { "kind": "same" }).unwrap();
    tx.commit().unwrap();

    let found = db.collection("c").unwrap().find(field("kind").eq("same")).list().unwrap();
    let mut ids: Vec<_> = found.iter().map(entidb_core::Entity::id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [first, second]);
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.problems.is_empty(), "{report:?}");
}
