//! A query inside a write transaction sees the state at which it began, whatever the loop over its answers changes.
//!
//! An update of the indexed field moved the row of an entity ahead of the walk, and the entity came again: 10 entities
//! gave 16 answers by index and 10 by scan.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{
    Collection, Database, EntityId, Expression, IndexDefinition, Query, Value, WriteTransaction, asc, desc, doc, field,
    patch,
};

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

/// Ten entities with `n` and `t`, in a database with these indexes, most of them written in the transaction itself.
fn begun(definitions: &[IndexDefinition]) -> (Database, WriteTransaction, Collection) {
    let db = Database::open_memory().unwrap();
    let outside = db.collection("c").unwrap();
    for definition in definitions {
        outside.create_index(definition.clone()).unwrap();
    }
    for number in 0..3 {
        outside.put_at(id(number), &doc! { "n": number, "m": 0, "t": [number, number + 1, number + 2] }).unwrap();
    }
    let tx = db.begin_write().unwrap();
    let inside = tx.collection("c").unwrap();
    for number in 3..10 {
        inside.put_at(id(number), &doc! { "n": number % 5, "m": 0, "t": [number, number + 1, number + 2] }).unwrap();
    }
    (db, tx, inside)
}

/// Every way to answer: by scan, by index, by an index that spreads arrays, sorted afterwards, in the order of an index.
fn ways() -> Vec<(Vec<IndexDefinition>, Query)> {
    let on = |path| vec![IndexDefinition::on([path]).unwrap()];
    let multi = || vec![IndexDefinition::on(["t"]).unwrap().multi()];
    let few = || field("n").is_in([0, 1, 2, 3, 4]);
    let query = |filter: Expression| Query { filter, ..Query::default() };
    let ordered = |filter, column| Query { filter, order: vec![column], ..Query::default() };
    vec![
        (vec![], query(few())),
        (on("n"), query(few())),
        (on("n"), query(field("n").ge(0))),
        (on("n"), ordered(field("n").ge(0), asc("n"))),
        (on("n"), ordered(field("n").ge(0), desc("n"))),
        (on("n"), ordered(few(), asc("m"))),
        (vec![], ordered(few(), asc("n"))),
        (vec![], ordered(Expression::all(), desc("n"))),
        (multi(), query(field("t").ge(0))),
        (multi(), query(field("t").is_in([2, 3, 4, 5]))),
        (multi(), ordered(field("t").ge(0), desc("n"))),
    ]
}

fn ids(collection: &Collection, query: &Query) -> Vec<(EntityId, Vec<u8>)> {
    let found = collection.query(query.clone()).run().unwrap();
    found.map(|entity| entity.map(|entity| (entity.id(), entity.bytes().to_vec())).unwrap()).collect()
}

/// What the query gives while the loop body runs, against what it gave before the first change.
fn loops(body: impl Fn(&WriteTransaction, &Collection, EntityId, u64)) {
    for (definitions, query) in ways() {
        let (_db, tx, inside) = begun(&definitions);
        let before = ids(&inside, &query);
        let mut given = Vec::new();
        for entity in inside.query(query.clone()).run().unwrap() {
            let entity = entity.unwrap();
            given.push((entity.id(), entity.bytes().to_vec()));
            assert!(given.len() <= 100, "{query:?} does not end");
            body(&tx, &inside, entity.id(), given.len() as u64);
        }
        assert_eq!(given, before, "{query:?} with {definitions:?}");
    }
}

#[test]
fn an_update_of_the_indexed_field_gives_no_entity_twice() {
    loops(|_, inside, id, _| inside.update(id, &patch! { "n": 4, "t": [50, 60, 2] }).unwrap());
    loops(|_, inside, id, _| {
        let Some(Value::Integer(n)) = inside.get(id).unwrap().unwrap().field("n").unwrap() else { panic!("no n") };
        let n = i64::try_from(n.as_i128()).unwrap() + 1;
        inside.update(id, &patch! { "n": n, "t": [n, n + 1, n + 2, n + 3] }).unwrap();
    });
}

#[test]
fn a_delete_takes_no_answer_away() {
    loops(|_, inside, given, _| {
        inside.delete(given).unwrap();
    });
    loops(|_, inside, _, _| {
        inside.find(Expression::all()).delete().unwrap();
    });
}

#[test]
fn an_entity_put_meanwhile_is_no_answer() {
    loops(|_, inside, _, count| {
        inside.put_at(id(100 + count), &doc! { "n": 2, "m": 1, "t": [count, 3] }).unwrap();
        inside.put_at(id(count % 10), &doc! { "n": 7, "m": 3, "t": [1, 2, 3, 4, 5] }).unwrap();
    });
}

#[test]
fn dropping_the_index_or_the_collection_changes_no_answer() {
    loops(|_, inside, _, _| {
        for index in inside.indexes().unwrap() {
            inside.drop_index(&index.name).unwrap();
        }
    });
    loops(|tx, _, _, count| {
        if count == 1 {
            tx.drop_collection("c").unwrap();
        }
    });
}

#[test]
fn a_rollback_to_a_savepoint_changes_no_answer() {
    for (definitions, query) in ways() {
        let (_db, tx, inside) = begun(&definitions);
        let savepoint = tx.savepoint().unwrap();
        for number in 0..5 {
            inside.put_at(id(number), &doc! { "n": 1, "m": number, "t": [9, number] }).unwrap();
            inside.put_at(id(200 + number), &doc! { "n": 1, "m": 9, "t": [number] }).unwrap();
        }
        let before = ids(&inside, &query);
        let mut given = Vec::new();
        for entity in inside.query(query.clone()).run().unwrap() {
            let entity = entity.unwrap();
            given.push((entity.id(), entity.bytes().to_vec()));
            tx.rollback_to(savepoint).unwrap();
            inside.put_at(id(300), &doc! { "n": 1, "m": 1, "t": [4] }).unwrap();
        }
        assert_eq!(given, before, "{query:?} with {definitions:?}");
    }
}

#[test]
fn a_large_transaction_is_seen_as_fixed_as_a_small_one() {
    // Beyond a few hundred kilobytes the engine keeps changes in another way.
    let db = Database::open_memory().unwrap();
    let outside = db.collection("c").unwrap();
    outside.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    let tx = db.begin_write().unwrap();
    let inside = tx.collection("c").unwrap();
    for number in 0..3000 {
        inside.put_at(id(number), &doc! { "n": number, "filler": "x".repeat(200) }).unwrap();
    }
    let mut count = 0;
    for entity in inside.find(field("n").ge(0)).run().unwrap() {
        let entity = entity.unwrap();
        assert_eq!(entity.id(), id(count));
        count += 1;
        inside.put_at(entity.id(), &doc! { "n": 10_000 + count }).unwrap();
        inside.delete(id(count + 500)).unwrap();
    }
    assert_eq!(count, 3000);
}
