//! What a transaction holds in memory, counted by the allocator: lists and copies. Its changes are in memory of the system, which
//! `large_transactions` measures.
//!
//! Always: one test at a time counts, and nothing else runs meanwhile. Does not know: how the engine keeps changes.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

#[path = "../../entidb_engine/tests/allocated/mod.rs"]
mod allocated;

use entidb_core::{Collection, Database, Durability, IndexDefinition, Options, doc, field};

fn database(feed_commits_max: u64) -> (Database, Collection) {
    let options =
        Options { durability: Durability::None, memory_bytes: 8 << 20, feed_commits_max, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
    (db, c)
}

/// What holds while `run` is between its begin and the end of its commit.
fn peak_of_transaction(db: &Database, run: impl FnOnce(&Collection)) -> isize {
    let ((), peak) = allocated::peak_of(|| {
        let tx = db.begin_write().unwrap();
        run(&tx.collection("c").unwrap());
        tx.commit().unwrap();
    });
    peak
}

#[test]
fn deleting_holds_what_the_transaction_changes_and_no_list_of_answers() {
    const DOCUMENTS: u64 = 10_000;
    let filled = |feed_commits_max| {
        let (db, c) = database(feed_commits_max);
        let text = "x".repeat(300);
        let documents: Vec<_> = (0..DOCUMENTS).map(|number| doc! { "n": number, "t": text.as_str() }).collect();
        c.put_many(&documents).unwrap();
        db.checkpoint().unwrap();
        // The cache is full of them, which is not what deleting holds.
        assert_eq!(c.iter().unwrap().count() as u64, DOCUMENTS);
        (db, c)
    };
    let peak_of_delete = |feed_commits_max, filter| {
        let (db, _) = filled(feed_commits_max);
        let peak = peak_of_transaction(&db, |c| assert_eq!(c.find(filter).delete().unwrap(), DOCUMENTS));
        println!("{peak} bytes");
        peak
    };
    let everything = entidb_core::Expression::all;
    // Nothing for each where no feed is kept, and with it its id in a part, there and in the log.
    let fixed = 2 << 20;
    assert!(peak_of_delete(0, everything()) <= fixed);
    assert!(peak_of_delete(1000, everything()) <= fixed + DOCUMENTS as isize * 300);
    // By a condition, what the removal of an entity, its ordinal and its row take.
    assert!(peak_of_delete(0, field("n").ge(0)) <= fixed + DOCUMENTS as isize * 1500);
    assert!(peak_of_delete(0, field("t").ge("")) <= fixed + DOCUMENTS as isize * 1500);
}
