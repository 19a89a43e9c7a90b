//! Plain indexes keep arrays whole, and comparisons hold for their elements: a query finds them whatever is known of the index.

use entidb_core::{Database, EntityId, IndexDefinition, Options, Value, doc, field};
use entidb_storage::Backend;

fn id(number: u8) -> EntityId {
    EntityId::from_bytes([number; 16])
}

/// Every way to ask that an index with arrays answers differently from one without.
fn found(collection: &entidb_core::Collection) -> entidb_core::Result<[u64; 4]> {
    let explain = collection.find(field("a").eq(1)).explain()?;
    assert_eq!(explain.index.as_deref(), Some("a"));
    Ok([
        collection.find(field("a").eq(1)).count()?,
        collection.find(field("a").between(0, 5)).run()?.count() as u64,
        collection.find(field("b").eq(1) & field("c").eq(2)).count()?,
        collection.find(field("b").eq(1) & field("c").gt(0)).run()?.count() as u64,
    ])
}

fn array(number: u64) -> Value {
    Value::Array(vec![number.into()])
}

#[test]
fn arrays_are_found_from_their_commit_on_and_by_older_readers_after_they_went() {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let collection = db.collection("c").unwrap();
    collection.create_index(IndexDefinition::on(["a"]).unwrap()).unwrap();
    collection.create_index(IndexDefinition::on(["b", "c"]).unwrap()).unwrap();
    collection.put_at(id(1), &doc! { "a": 1, "b": 1, "c": 2 }).unwrap();
    assert_eq!(found(&collection).unwrap(), [1; 4]);
    let before = db.begin_read().unwrap();

    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    within.put_at(id(2), &doc! { "a": (array(1)), "b": 1, "c": (array(2)) }).unwrap();
    assert_eq!(found(&within).unwrap(), [2; 4]);
    assert_eq!(found(&collection).unwrap(), [1; 4]);
    tx.commit().unwrap();
    assert_eq!(found(&collection).unwrap(), [2; 4]);
    assert_eq!(found(&before.collection("c").unwrap()).unwrap(), [1; 4]);

    // What is known of the index is not stored: the next opening knows nothing.
    db.close().unwrap();
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let collection = db.collection("c").unwrap();
    assert_eq!(found(&collection).unwrap(), [2; 4]);
    db.close().unwrap();

    // A reader that sees no array any more must not speak for one that began before it.
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let collection = db.collection("c").unwrap();
    let older = db.begin_read().unwrap();
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    within.update(id(2), &entidb_core::patch! { "b": (array(1)), "c": 2 }).unwrap();
    within.delete(id(2)).unwrap();
    assert_eq!(found(&within).unwrap(), [1; 4]);
    assert_eq!(found(&collection).unwrap(), [2; 4], "the transaction has not committed");
    tx.commit().unwrap();
    assert_eq!(found(&collection).unwrap(), [1; 4]);
    assert_eq!(found(&older.collection("c").unwrap()).unwrap(), [2; 4]);
    db.close().unwrap();

    // The first who looks finds none, and from then on a writer tells of the one it makes.
    let db = Database::open_on(backend, Options::default()).unwrap();
    let collection = db.collection("c").unwrap();
    assert_eq!(found(&collection).unwrap(), [1; 4]);
    collection.put_at(id(3), &doc! { "a": (array(1)), "b": (array(1)), "c": (array(2)) }).unwrap();
    assert_eq!(found(&collection).unwrap(), [2; 4]);
    assert!(collection.create_index(IndexDefinition::on(["a", "b"]).unwrap()).unwrap());
    assert_eq!(collection.find(field("a").eq(1) & field("b").eq(1)).count().unwrap(), 2);
    collection.delete(id(3)).unwrap();
    assert_eq!(found(&collection).unwrap(), [1; 4]);
}

#[test]
fn a_reader_never_misses_an_array_beside_writers() {
    let db = Database::open_memory().unwrap();
    let collection = db.collection("c").unwrap();
    collection.put_at(id(1), &doc! { "a": 1 }).unwrap();
    for round in 0..200_u64 {
        let name = format!("a{round}");
        let index = IndexDefinition::on(["a"]).unwrap().named(&name);
        collection.create_index(index).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| collection.put_at(id(2), &doc! { "a": (array(1)) }).unwrap());
            for _ in 0..4 {
                let view = db.begin_read().unwrap();
                let there = view.collection("c").unwrap();
                let counted = there.find(field("a").eq(1)).count().unwrap();
                assert_eq!(counted, 1 + u64::from(there.exists(id(2)).unwrap()), "round {round}");
            }
        });
        collection.delete(id(2)).unwrap();
        collection.drop_index(&name).unwrap();
    }
}
