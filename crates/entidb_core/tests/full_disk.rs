//! A full disk and the documents on it: deletions work whatever they hold, and make room.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::time::Duration;

use entidb_core::{Database, EntityId, ErrorCode, Options, Value, VerifyLevel, doc, field};
use entidb_storage::simulated::{Personality, Simulation};

const DISK: u64 = 5 << 20;

fn open(world: &Simulation) -> Database {
    open_with(world, Options::default().feed_commits_max)
}

fn open_with(world: &Simulation, feed_commits_max: u64) -> Database {
    let options = Options { memory_bytes: 2 << 20, feed_commits_max, ..Options::default() };
    Database::open_on(world.backend(), options).unwrap()
}

/// Bytes that no compression makes smaller.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// Puts documents of this size until the disk is full, and gives their ids.
fn fill(db: &Database, len: usize) -> Vec<EntityId> {
    let notes = db.collection("notes").unwrap();
    let mut ids = Vec::new();
    loop {
        let n = ids.len() as u64;
        match notes.put(&doc! { "n": n, "bytes": Value::Bytes(noise(n, len)) }) {
            Ok(id) => ids.push(id),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::NoSpace);
                return ids;
            }
        }
    }
}

fn full(seed: u64) -> Simulation {
    let world = Simulation::new(Personality::Ext4Ordered, seed);
    world.set_capacity_bytes(Some(DISK));
    world
}

/// The history kept what was deleted, so on a full disk documents of some kilobytes could not be deleted one by one at all.
#[test]
fn documents_of_every_size_are_deleted_one_by_one() {
    for (seed, len) in [(1, 300), (2, 3_000), (3, 30_000)] {
        let world = full(seed);
        let db = open(&world);
        let ids = fill(&db, len);
        assert!(ids.len() >= 10, "{len}: {}", ids.len());
        let notes = db.collection("notes").unwrap();
        let (gone, kept) = ids.split_at(ids.len() / 2);
        for (n, id) in gone.iter().enumerate() {
            assert!(notes.delete(*id).unwrap_or_else(|error| panic!("{len} bytes, deletion {n}: {error}")));
        }
        assert_eq!(notes.count().unwrap(), kept.len() as u64);
        let again = fill(&db, len);
        assert!(!again.is_empty(), "{len} bytes: {} deleted, none put again", gone.len());
        db.close().unwrap();
        let db = open(&world);
        let notes = db.collection("notes").unwrap();
        assert!(kept.iter().chain(&again).all(|id| notes.exists(*id).unwrap()));
        assert!(!gone.iter().any(|id| notes.exists(*id).unwrap()));
        assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
        db.close().unwrap();
    }
}

/// The same as one transaction, by a condition.
#[test]
fn documents_are_deleted_by_a_condition() {
    for (seed, len) in [(5, 3_000), (6, 30_000)] {
        let world = full(seed);
        let db = open(&world);
        let count = fill(&db, len).len() as u64;
        let notes = db.collection("notes").unwrap();
        assert_eq!(notes.find(field("n").lt(count / 2)).delete().unwrap(), count / 2);
        assert!(!fill(&db, len).is_empty());
        assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
        db.close().unwrap();
    }
}

/// What the history gave up is a gap for those who read it, and nothing else is.
#[test]
fn readers_are_told_of_what_the_history_gave_up() {
    let world = full(7);
    let db = open(&world);
    let ids = fill(&db, 3_000);
    let notes = db.collection("notes").unwrap();
    let position = db.position().unwrap();
    let past = db.begin_read_at(position.sequence()).unwrap();
    let seen = notes.get(ids[0]).unwrap().unwrap();
    notes.delete(ids[0]).unwrap();
    let followed = db.changes(position).and_then(|mut feed| feed.next_batch(Duration::ZERO));
    assert_eq!(followed.unwrap_err().code(), ErrorCode::Gap);
    assert!(notes.get_as_of(ids[0], position.sequence()).is_err());
    // A reader that was there before reads on.
    let then = past.collection("notes").unwrap().get(ids[0]).unwrap().unwrap();
    assert_eq!(then.bytes(), seen.bytes());
    drop(past);

    // With room again everything is kept as before.
    world.set_capacity_bytes(Some(4 * DISK));
    let position = db.position().unwrap();
    notes.delete(ids[1]).unwrap();
    let mut feed = db.changes(position).unwrap();
    assert_eq!(feed.next_batch(Duration::ZERO).unwrap().unwrap().changes.len(), 1);
    assert!(notes.get_as_of(ids[1], position.sequence()).unwrap().is_some());
    db.close().unwrap();
}

/// A change that adds is refused as before, and takes nothing of the history.
#[test]
fn puts_take_nothing_of_the_history() {
    let world = full(8);
    let db = open(&world);
    let ids = fill(&db, 3_000);
    let position = db.position().unwrap();
    let notes = db.collection("notes").unwrap();
    let refused = db.transaction(|tx| {
        tx.collection("notes")?.delete(ids[0])?;
        tx.collection("notes")?.put(&doc! { "bytes": Value::Bytes(noise(9, 300_000)) })
    });
    assert_eq!(refused.unwrap_err().code(), ErrorCode::NoSpace);
    assert!(notes.exists(ids[0]).unwrap());
    assert!(notes.get_as_of(ids[0], position.sequence()).unwrap().is_some());
    assert!(db.changes(position).unwrap().next_batch(Duration::ZERO).unwrap().is_none());
    db.close().unwrap();
}

/// Without a feed a compaction of a full disk, of which half was deleted, wrote the same segments again and again, and never
/// ended.
#[test]
fn a_compaction_of_a_full_disk_ends() {
    for (seed, feed_commits_max) in [(9, 0), (10, 1_000)] {
        let world = full(seed);
        let db = open_with(&world, feed_commits_max);
        let ids = fill(&db, 300);
        let notes = db.collection("notes").unwrap();
        for id in &ids[..ids.len() / 2] {
            notes.delete(*id).unwrap();
        }
        let calls = world.calls();
        let compacted = db.compact();
        assert!(compacted.is_ok() || compacted.unwrap_err().code() == ErrorCode::NoSpace);
        // Each segment is written once or twice, in pieces of some KiB.
        let calls = world.calls() - calls;
        assert!(calls < 20_000, "{calls} calls of the disk");
        db.close().unwrap();
    }
}
