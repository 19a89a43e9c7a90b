//! What `verify` finds in the keys of a manual index.

use super::Manual;
use crate::{Collection, Database, EntityId, IndexDefinition, Value, VerifyLevel, doc, keyspace};

fn filled() -> (Database, Collection, Vec<EntityId>) {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    c.create_index(IndexDefinition::manual("m").unique()).unwrap();
    let index = c.manual_index("m").unwrap();
    let ids: Vec<_> = (0..3).map(|number| c.put(&doc! { "n": number }).unwrap()).collect();
    for (key, id) in ids.iter().enumerate() {
        index.insert(key as u64, *id).unwrap();
    }
    (db, c, ids)
}

/// Changes keys of the engine behind the index.
fn break_it(c: &Collection, run: impl FnOnce(&Manual, &mut entidb_engine::WriteTransaction)) {
    let record = c.open().unwrap().1.unwrap();
    let shared = c.scope().shared().clone();
    let mut tx = shared.begin_engine(None).unwrap();
    run(record.indexes[0].of_kind().unwrap(), &mut tx);
    shared.session().unwrap().commit(tx, None).unwrap();
}

fn problems(db: &Database) -> Vec<String> {
    let problems = db.verify(VerifyLevel::Full).unwrap().problems;
    assert!(problems.iter().all(|problem| problem.index.as_deref() == Some("m")), "{problems:?}");
    problems.into_iter().map(|problem| problem.what).collect()
}

fn tuple(index: &Manual, key: u64) -> Vec<u8> {
    index.tuple(&Value::from(key)).unwrap()
}

#[test]
fn a_key_of_an_entity_that_is_gone_is_found() {
    let (db, c, _) = filled();
    assert!(problems(&db).is_empty());
    let gone = EntityId::from_bytes([9; 16]);
    break_it(&c, |index, tx| {
        tx.put(&index.row(&tuple(index, 7), gone), &[]).unwrap();
        tx.put(&index.entity_row(&tuple(index, 7), gone), &[]).unwrap();
        tx.add(&keyspace::count(index.id.0), 1).unwrap();
    });
    let found = problems(&db);
    assert!(found[0].contains("does not exist") && found.len() == 2, "{found:?}");
}

#[test]
fn a_key_with_one_of_its_rows_is_found_and_so_is_a_wrong_count() {
    let (db, c, ids) = filled();
    break_it(&c, |index, tx| tx.delete(&index.row(&tuple(index, 0), ids[0])).unwrap());
    let found = problems(&db);
    assert!(found[0].contains("does not lead to it") && found.len() == 2, "{found:?}");

    let (db, c, ids) = filled();
    break_it(&c, |index, tx| tx.delete(&index.entity_row(&tuple(index, 0), ids[0])).unwrap());
    assert_eq!(problems(&db).len(), 1);

    let (db, c, _) = filled();
    break_it(&c, |index, tx| tx.add(&keyspace::count(index.id.0), 1).unwrap());
    assert_eq!(problems(&db).len(), 1);
}

#[test]
fn a_unique_key_of_two_entities_is_found() {
    let (db, c, ids) = filled();
    break_it(&c, |index, tx| {
        tx.put(&index.row(&tuple(index, 0), ids[1]), &[]).unwrap();
        tx.put(&index.entity_row(&tuple(index, 0), ids[1]), &[]).unwrap();
        tx.add(&keyspace::count(index.id.0), 1).unwrap();
    });
    let found = problems(&db);
    assert!(found[0].contains("two entities") && found.len() == 1, "{found:?}");
}
