//! One transaction over thousands of collections: the work grows with their number and not with its square.
//!
//! Each new collection copied the catalog, and each change looked through the names of all: 8,000 took as long as the
//! square of them. What is copied is counted in `transaction::catalog_edit`; here it only has to end.

use entidb_core::{Database, Durability, IndexDefinition, Options, Since, VerifyLevel, doc};

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
