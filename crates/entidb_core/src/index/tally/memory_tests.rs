//! What a kind that keeps something in memory learns: each commit once, when it can be seen, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entidb_storage::simulated::{Fault, FaultKind, Personality, Simulation};

use super::tests::{filled, tally};
use super::{Commit, Tally};
use crate::catalog::IndexRecord;
use crate::{Collection, Database, Durability, Expression, Options, doc};

fn index(c: &Collection) -> Arc<IndexRecord> {
    let record = c.open().unwrap().1.unwrap();
    Arc::clone(record.indexes.iter().find(|index| index.definition.kind == "tally").unwrap())
}

/// What the index has heard since this was asked last.
fn heard(c: &Collection) -> Vec<Commit> {
    std::mem::take(&mut *index(c).of_kind::<Tally>().unwrap().heard.0.lock())
}

fn commit(db: &Database, added: usize, removed: usize) -> Commit {
    Commit { sequence: db.last_sequence(), is_emptied: false, added, removed }
}

#[test]
fn an_index_hears_of_each_commit_once_and_never_of_what_was_taken_back() {
    let db = Database::open_memory().unwrap();
    let c = filled(&db);
    c.create_index(tally()).unwrap();
    assert_eq!(heard(&c), [commit(&db, 40, 0)], "its build");
    let id = c.put(&doc! { "n": 1 }).unwrap();
    assert_eq!(heard(&c), [commit(&db, 1, 0)]);
    // One that does not concern it.
    db.collection("d").unwrap().put(&doc! { "n": 1 }).unwrap();
    assert!(heard(&c).is_empty());

    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    within.put(&doc! { "n": 2 }).unwrap();
    let savepoint = tx.savepoint().unwrap();
    within.put_many([&doc! { "n": 3 }, &doc! { "n": 4 }]).unwrap();
    within.clear().unwrap();
    tx.rollback_to(savepoint).unwrap();
    assert!(heard(&c).is_empty(), "nothing is committed yet");
    tx.commit().unwrap();
    assert_eq!(heard(&c), [commit(&db, 1, 0)], "what was taken back is not of it");

    let tx = db.begin_write().unwrap();
    tx.collection("c").unwrap().put(&doc! { "n": 5 }).unwrap();
    tx.abort();
    let tx = db.begin_write().unwrap();
    tx.collection("c").unwrap().delete(id).unwrap();
    drop(tx);
    assert!(c.insert(id, &doc! { "n": 5 }).is_err());
    assert!(heard(&c).is_empty());

    c.find(Expression::all()).delete().unwrap();
    let commits = heard(&c);
    assert!(commits.len() == 1 && commits[0].is_emptied && commits[0].added == 0, "{commits:?}");
    // Rows of the commit that emptied it come after that.
    filled(&db);
    heard(&c);
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    within.clear().unwrap();
    within.put(&doc! { "n": 6 }).unwrap();
    tx.commit().unwrap();
    let commits = heard(&c);
    assert!(commits.len() == 1 && commits[0].is_emptied && commits[0].added == 1, "{commits:?}");
    assert_eq!(c.index_stats().unwrap()[0].rows, 1);
}

/// A commit that is too large for the log goes another way.
#[test]
fn an_index_hears_of_a_large_commit_like_of_any_other() {
    let db = Database::open_memory_with(Options { memtable_bytes: 32 << 10, ..Options::default() }).unwrap();
    let c = db.collection("c").unwrap();
    c.create_index(tally()).unwrap();
    heard(&c);
    let documents: Vec<_> = (0..500).map(|n| doc! { "n": n }).collect();
    c.put_many(&documents).unwrap();
    assert_eq!(heard(&c), [commit(&db, 500, 0)]);
}

/// Each call of the disk fails once: what a commit that was refused has told nobody hears, and one that was made is heard.
#[test]
fn an_index_hears_nothing_of_a_commit_that_the_disk_refused() {
    let (mut refused, mut made) = (0, 0);
    for bulk in [false, true] {
        for kind in [FaultKind::NoSpace, FaultKind::Device] {
            for at in 0..12 {
                let world = Simulation::new(Personality::PosixStrict, 7);
                let options = Options { memtable_bytes: 32 << 10, ..Options::default() };
                let db = Database::open_on(world.backend(), options).unwrap();
                let c = db.collection("c").unwrap();
                c.create_index(tally()).unwrap();
                c.put(&doc! { "n": 0 }).unwrap();
                heard(&c);
                let documents: Vec<_> = (0..if bulk { 400 } else { 1 }).map(|n| doc! { "n": n }).collect();
                world.inject(Fault::onward(kind, world.calls() + at));
                let tx = db.begin_write().unwrap();
                let within = tx.collection("c").unwrap();
                within.put_many(&documents).unwrap();
                tx.create_collection("other").unwrap();
                let before = db.last_sequence();
                let result = tx.commit();
                assert_eq!(result.is_ok(), db.last_sequence() > before, "{kind:?} at {at}");
                // A read is what could show it too early, or too late.
                let (count, told) = (c.count().unwrap(), heard(&c));
                assert_eq!(db.collections().unwrap().len(), if result.is_ok() { 2 } else { 1 });
                if result.is_ok() {
                    made += 1;
                    assert_eq!((count, told), (1 + documents.len() as u64, vec![commit(&db, documents.len(), 0)]));
                } else {
                    refused += 1;
                    assert!(count == 1 && told.is_empty(), "{kind:?} at {at}: {told:?}");
                }
            }
        }
    }
    assert!(refused >= 8 && made >= 8, "{refused} refused, {made} made");
}

/// Readers beside writers: whoever sees a commit finds it in memory, and nothing that cannot be seen yet is there.
#[test]
fn whoever_reads_at_a_commit_finds_it_in_memory() {
    let db = Database::open_memory_with(Options { durability: Durability::None, ..Options::default() }).unwrap();
    let c = db.collection("c").unwrap();
    c.create_index(tally()).unwrap();
    let index = index(&c);
    heard(&c);
    let first = db.last_sequence();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for n in 0..150 {
                        let tx = db.begin_write().unwrap();
                        tx.collection("c").unwrap().put(&doc! { "n": n }).unwrap();
                        if n % 3 == 0 {
                            tx.abort();
                        } else {
                            tx.commit().unwrap();
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let read = db.begin_read().unwrap();
                let (at, rows) = (read.sequence().unwrap(), read.collection("c").unwrap().count().unwrap());
                let heard = index.of_kind::<Tally>().unwrap().heard.0.lock().clone();
                assert!(heard.last().is_none_or(|last| last.sequence <= db.last_sequence()));
                let known = heard.iter().filter(|commit| commit.sequence <= at);
                assert_eq!(known.map(|commit| commit.added).sum::<usize>() as u64, rows, "at {at}");
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    let sequences: Vec<_> = heard(&c).iter().map(|commit| commit.sequence.0).collect();
    assert_eq!(sequences, (first.0 + 1..=first.0 + 200).collect::<Vec<_>>(), "in order, each once");
}
