//! The end of a read transaction, which core knows: every language has it from here.
//!
//! Always: nothing taken from a transaction reads after its end. Does not know: the C ABI.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_core::{
    Database, ErrorCode, IndexDefinition, KeyRange, ReadTransaction, Result, ScanOptions, WriteMode, doc, encode, field,
};

fn filled() -> (Database, ReadTransaction) {
    let db = Database::open_memory().unwrap();
    let notes = db.collection("notes").unwrap();
    notes.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    notes.create_index(IndexDefinition::manual("tags")).unwrap();
    let tags = notes.manual_index("tags").unwrap();
    for n in 0..300 {
        let id = notes.put(&doc! { "n": n }).unwrap();
        tags.insert(n, id).unwrap();
    }
    let read = db.begin_read().unwrap();
    (db, read)
}

fn refused<T>(result: Result<T>) {
    assert_eq!(result.map(drop).unwrap_err().code(), ErrorCode::TransactionEnded);
}

#[test]
fn nothing_of_an_ended_read_transaction_reads() {
    let (db, read) = filled();
    let other = read.clone();
    let notes = read.collection("notes").unwrap();
    let tags = notes.manual_index("tags").unwrap();
    let id = notes.iter().unwrap().next().unwrap().unwrap().id();

    assert!(read.end());
    assert!(!other.end(), "a clone is the same transaction");
    assert!(!read.is_open() && !other.is_open());

    refused(other.sequence());
    refused(other.position());
    refused(other.collections());
    refused(other.collection("notes"));
    refused(notes.get(id));
    refused(notes.get_many(&[id]));
    refused(notes.exists(id));
    refused(notes.count());
    refused(notes.indexes());
    refused(notes.stats());
    refused(notes.scan(ScanOptions::default()));
    refused(notes.find(field("n").eq(1)).run());
    refused(notes.find(field("n").eq(1)).explain());
    refused(tags.lookup(1));
    refused(tags.len());
    refused(tags.range(KeyRange::default()));
    refused(notes.write(Some(id), &encode(&doc! {}), WriteMode::Put));
    refused(notes.delete(id));
    assert_eq!(db.collection("notes").unwrap().count().unwrap(), 300);
}

#[test]
fn a_cursor_of_an_ended_read_transaction_says_so_once_and_has_ended() {
    let (_db, read) = filled();
    let notes = read.collection("notes").unwrap();
    let mut entities = notes.scan(ScanOptions::default()).unwrap();
    let mut found = notes.find(field("n").ge(0)).run().unwrap();
    let mut sorted = notes.find(field("n").ge(0)).order_by(entidb_core::desc("m")).run().unwrap();
    let mut keys = notes.manual_index("tags").unwrap().range(KeyRange::default()).unwrap();
    assert!(entities.next().is_some() && found.next().is_some() && sorted.next().is_some() && keys.next().is_some());
    read.end();
    refused(found.token());
    assert!(found.next().is_none(), "a refused token ends the cursor");
    refused(sorted.next().unwrap());
    refused(entities.next().unwrap());
    refused(keys.next().unwrap());
    assert!(entities.next().is_none() && sorted.next().is_none() && keys.next().is_none());
}
