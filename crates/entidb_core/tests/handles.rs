//! A handle means the collection it was taken for, whatever that is called later.
//!
//! After a rename it read as empty, and a put through it made a second collection under the old name.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{Collection, Database, ErrorCode, IndexDefinition, doc, field};

fn dropped<T: std::fmt::Debug>(result: entidb_core::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::CollectionNotFound);
    assert!(error.message().contains("dropped"), "{error}");
}

/// Every kind of call says that the collection was dropped.
fn says_dropped(notes: &Collection) {
    let id = entidb_core::EntityId::from_bytes([7; 16]);
    dropped(notes.get(id).map(|_| ()));
    dropped(notes.get_many(&[id]).map(|_| ()));
    dropped(notes.count());
    dropped(notes.iter().map(|_| ()));
    dropped(notes.find(field("n").eq(1)).run().map(|_| ()));
    dropped(notes.find(field("n").eq(1)).count());
    dropped(notes.find(field("n").eq(1)).explain());
    dropped(notes.find(field("n").eq(1)).delete());
    dropped(notes.put(&doc! { "n": 1 }));
    dropped(notes.put_many([&doc! { "n": 1 }]));
    dropped(notes.insert(id, &doc! { "n": 1 }));
    dropped(notes.replace(id, &doc! { "n": 1 }));
    dropped(notes.update(id, &entidb_core::patch! { "n": 1 }));
    dropped(notes.delete(id));
    dropped(notes.delete_many(&[id]));
    dropped(notes.create_index(IndexDefinition::on(["n"]).unwrap()));
    dropped(notes.drop_index("n"));
    dropped(notes.indexes());
}

#[test]
fn a_handle_follows_its_collection_through_renames() {
    let db = Database::open_memory().unwrap();
    let notes = db.collection("notes").unwrap();
    let id = notes.put(&doc! { "n": 1 }).unwrap();
    let early = db.collection("notes").unwrap();
    db.rename_collection("notes", "letters").unwrap();
    for handle in [&notes, &early] {
        assert!(handle.exists(id).unwrap());
        assert_eq!(handle.find(field("n").eq(1)).count().unwrap(), 1);
        handle.put(&doc! { "n": 2 }).unwrap();
        handle.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    }
    assert_eq!(db.collections().unwrap(), ["letters"]);
    assert_eq!(db.collection("letters").unwrap().count().unwrap(), 3);
    // The old name is free, and a handle taken by it now is another collection.
    let others = db.collection("notes").unwrap();
    others.put(&doc! { "n": 9 }).unwrap();
    assert_eq!((notes.count().unwrap(), others.count().unwrap()), (3, 1));
    db.rename_collection("letters", "mail").unwrap();
    assert_eq!(notes.find(field("n").ge(0)).delete().unwrap(), 3);
    assert_eq!(db.collection("mail").unwrap().count().unwrap(), 0);
    assert_eq!(others.count().unwrap(), 1);
}

#[test]
fn a_handle_of_a_dropped_collection_says_so_and_makes_no_new_one() {
    let db = Database::open_memory().unwrap();
    let notes = db.collection("notes").unwrap();
    notes.put(&doc! { "n": 1 }).unwrap();
    db.drop_collection("notes").unwrap();
    says_dropped(&notes);
    assert!(db.collections().unwrap().is_empty());
    // Another one under the same name is not this handle's.
    let fresh = db.collection("notes").unwrap();
    fresh.put(&doc! { "n": 2 }).unwrap();
    says_dropped(&notes);
    assert_eq!(fresh.count().unwrap(), 1);
}

#[test]
fn a_handle_taken_before_its_collection_exists_finds_it_later() {
    let db = Database::open_memory().unwrap();
    let (one, two) = (db.collection("notes").unwrap(), db.collection("notes").unwrap());
    assert_eq!(one.count().unwrap(), 0);
    let id = two.put(&doc! { "n": 1 }).unwrap();
    assert!(one.exists(id).unwrap());
    db.rename_collection("notes", "letters").unwrap();
    assert!(one.exists(id).unwrap() && two.exists(id).unwrap());
}

#[test]
fn a_handle_of_a_transaction_follows_too() {
    let db = Database::open_memory().unwrap();
    let id = db.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    let tx = db.begin_write().unwrap();
    let (notes, fresh) = (tx.collection("notes").unwrap(), tx.collection("fresh").unwrap());
    tx.rename_collection("notes", "letters").unwrap();
    assert!(notes.exists(id).unwrap());
    notes.put(&doc! { "n": 2 }).unwrap();
    fresh.put(&doc! { "n": 3 }).unwrap();
    tx.rename_collection("fresh", "stale").unwrap();
    fresh.put(&doc! { "n": 4 }).unwrap();
    assert_eq!((notes.count().unwrap(), fresh.count().unwrap()), (2, 2));
    assert_eq!(tx.collections().unwrap(), ["letters", "stale"]);
    tx.drop_collection("stale").unwrap();
    says_dropped(&fresh);
    tx.drop_collection("letters").unwrap();
    says_dropped(&notes);
}

#[test]
fn what_a_rollback_took_back_was_never_there() {
    let db = Database::open_memory().unwrap();
    let tx = db.begin_write().unwrap();
    let notes = tx.collection("notes").unwrap();
    let savepoint = tx.savepoint().unwrap();
    notes.put(&doc! { "n": 1 }).unwrap();
    tx.rollback_to(savepoint).unwrap();
    assert_eq!(notes.count().unwrap(), 0);
    // The number of the one that was taken back must not lead the handle to another collection.
    tx.create_collection("letters").unwrap();
    assert_eq!(notes.count().unwrap(), 0);
    notes.put(&doc! { "n": 2 }).unwrap();
    assert_eq!(notes.count().unwrap(), 1);
    assert_eq!(tx.collection("letters").unwrap().count().unwrap(), 0);
    // A drop that is taken back was none.
    let savepoint = tx.savepoint().unwrap();
    tx.drop_collection("notes").unwrap();
    says_dropped(&notes);
    tx.rollback_to(savepoint).unwrap();
    assert_eq!(notes.count().unwrap(), 1);
    tx.commit().unwrap();
    assert_eq!(db.collections().unwrap(), ["letters", "notes"]);
}

#[test]
fn an_aborted_transaction_leaves_outer_handles_as_they_were() {
    let db = Database::open_memory().unwrap();
    let notes = db.collection("notes").unwrap();
    let tx = db.begin_write().unwrap();
    tx.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    tx.abort();
    assert_eq!(notes.count().unwrap(), 0);
    db.collection("other").unwrap().put(&doc! { "n": 1 }).unwrap();
    assert_eq!(notes.count().unwrap(), 0);
    notes.put(&doc! { "n": 1 }).unwrap();
    assert_eq!(notes.count().unwrap(), 1);
}

#[test]
fn an_older_read_does_not_take_a_new_collection_for_a_dropped_one() {
    let db = Database::open_memory().unwrap();
    let read = db.begin_read().unwrap();
    let before = read.collection("notes").unwrap();
    let notes = db.collection("notes").unwrap();
    notes.put(&doc! { "n": 1 }).unwrap();
    assert_eq!((before.count().unwrap(), notes.count().unwrap()), (0, 1));
    let read = db.begin_read().unwrap();
    let then = read.collection("notes").unwrap();
    db.drop_collection("notes").unwrap();
    assert_eq!(then.count().unwrap(), 1);
    says_dropped(&notes);
}

#[test]
fn handles_on_many_threads_never_see_a_collection_dropped_that_is_being_made() {
    let db = Database::open_memory().unwrap();
    for round in 0..200 {
        let notes = db.collection(&format!("c{round}")).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        notes.count().unwrap();
                        notes.find(field("n").eq(1)).count().unwrap();
                    }
                });
            }
            scope.spawn(|| notes.put(&doc! { "n": 1 }).unwrap());
        });
        assert_eq!(notes.count().unwrap(), 1);
    }
}
