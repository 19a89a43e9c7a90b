//! One transaction over thousands of collections: the work grows with their number and not with its square.
//!
//! Each new collection copied the catalog, and each change looked through the names of all: 8,000 took as long as the
//! square of them. What is copied is counted in `transaction::catalog_edit`; here it only has to end.

use entidb_core::{Database, Durability, IndexDefinition, Options, Since, VerifyLevel, doc};

/// Names of collections in the feed were counted as many as there were collections with new or deleted entities. A
/// transaction that only updated was accepted, and its commit was too large.
#[test]
fn updates_in_many_collections_that_were_accepted_are_committed() {
    let options = Options { transaction_bytes_max: 40_000, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let names: Vec<String> = (0..200).map(|number| format!("{number:0>240}")).collect();
    let id = db.new_id().unwrap();
    for name in &names {
        db.collection(name).unwrap().put_at(id, &doc! { "n": 0 }).unwrap();
    }
    let tx = db.begin_write().unwrap();
    let updated = names.iter().map(|name| tx.collection(name).unwrap().put_at(id, &doc! { "n": 1 }));
    let updated = updated.take_while(|updated| updated.is_ok()).count();
    assert!((20..200).contains(&updated), "{updated} updates fit");
    tx.commit().unwrap();
    assert_eq!(db.collection(&names[updated - 1]).unwrap().get(id).unwrap().unwrap().value().unwrap(), doc! { "n": 1 });
}

#[test]
fn thousands_of_collections_fit_one_transaction() {
    const COUNT: u64 = 8_000;
    let db = Database::open_memory_with(Options { durability: Durability::None, ..Options::default() }).unwrap();
    let tx = db.begin_write().unwrap();
    tx.savepoint().unwrap();
    for number in 0..COUNT {
        let collection = tx.collection(&format!("c{number}")).unwrap();
        collection.put(&doc! { "n": number }).unwrap();
        if number % 8 == 0 {
            collection.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
            let savepoint = tx.savepoint().unwrap();
            tx.rename_collection(&format!("c{number}"), "renamed").unwrap();
            tx.rollback_to(savepoint).unwrap();
        }
        collection.put_many([&doc! { "n": 1 }, &doc! { "n": 2 }]).unwrap();
        assert_eq!(collection.count().unwrap(), 3);
    }
    tx.commit().unwrap();
    assert_eq!(db.collections().unwrap().len() as u64, COUNT);
    assert_eq!(db.stats().unwrap().entities, 3 * COUNT);
    let mut feed = db.changes(Since::Oldest).unwrap();
    let batches = std::iter::from_fn(|| feed.next_batch(std::time::Duration::ZERO).unwrap());
    assert_eq!(batches.map(|batch| batch.changes.len() as u64).sum::<u64>(), 4 * COUNT + COUNT / 8);
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
}
