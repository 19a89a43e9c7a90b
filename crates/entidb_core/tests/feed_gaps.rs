//! A reader of the feed who missed something is told so, whatever became of the feed meanwhile.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use entidb_core::{Database, ErrorCode, IndexDefinition, Options, Position, Sequence, Since, doc};
use entidb_storage::simulated::{Personality, Simulation};

fn open(world: &Simulation, feed_commits_max: u64) -> Database {
    Database::open_on(world.backend(), Options { feed_commits_max, ..Options::default() }).unwrap()
}

fn put(db: &Database) {
    db.collection("c").unwrap().put(&doc! { "n": 1 }).unwrap();
}

fn next(db: &Database, since: Position) -> Result<Option<Sequence>, ErrorCode> {
    let batch = db.changes(since).and_then(|mut feed| feed.next_batch(Duration::ZERO));
    batch.map(|batch| batch.map(|batch| batch.sequence)).map_err(|error| error.code())
}

/// Puts, and gives the position behind it.
fn put_at(db: &Database) -> Position {
    put(db);
    db.position().unwrap()
}

/// Commits made while the database was open without a feed left nothing in it, and a reader from before went on behind
/// them as if nothing had happened.
#[test]
fn commits_made_without_a_feed_are_a_gap() {
    let world = Simulation::new(Personality::Ext4Ordered, 1);
    let db = open(&world, 1000);
    let seen = put_at(&db);
    db.close().unwrap();

    let db = open(&world, 0);
    put(&db);
    put(&db);
    db.close().unwrap();

    let db = open(&world, 1000);
    assert_eq!(next(&db, seen), Err(ErrorCode::Gap));
    let from_here = db.position().unwrap();
    put(&db);
    assert_eq!(next(&db, seen), Err(ErrorCode::Gap));
    assert_eq!(next(&db, from_here), Ok(Some(db.last_sequence())));
    db.close().unwrap();
}

/// Trimming less than was trimmed before moved the line back, and what was gone no longer was a gap.
#[test]
fn trimming_never_brings_back_what_is_gone() {
    let db = Database::open_memory().unwrap();
    let positions: Vec<Position> = (0..10).map(|_| put_at(&db)).collect();
    db.trim_changes(positions[7].sequence()).unwrap();
    db.trim_changes(positions[2].sequence()).unwrap();
    assert_eq!(next(&db, positions[3]), Err(ErrorCode::Gap));
    assert_eq!(next(&db, positions[6]), Err(ErrorCode::Gap));
    assert_eq!(next(&db, positions[7]), Ok(Some(positions[8].sequence())));
}

/// The commit of a trim has no changes itself, and counted as one that was lost: a reader that had read everything was told
/// of a gap after the second of two trims.
#[test]
fn a_reader_that_has_read_everything_meets_no_gap_after_two_trims() {
    let db = Database::open_memory().unwrap();
    let read = put_at(&db);
    for _ in 0..3 {
        db.trim_changes(db.last_sequence()).unwrap();
        assert_eq!(next(&db, read), Ok(None));
    }
    db.compact().unwrap();
    put(&db);
    assert_eq!(next(&db, read), Ok(Some(db.last_sequence())));
    db.trim_changes(db.last_sequence()).unwrap();
    assert_eq!(next(&db, read), Err(ErrorCode::Gap));
}

/// The same without a feed: commits that change nothing leave nothing to miss.
#[test]
fn commits_without_changes_are_no_gap() {
    let world = Simulation::new(Personality::Ext4Ordered, 2);
    let db = open(&world, 1000);
    let read = put_at(&db);
    db.close().unwrap();
    let db = open(&world, 0);
    db.trim_changes(Sequence(1)).unwrap();
    db.close().unwrap();
    let db = open(&world, 1000);
    assert_eq!(next(&db, read), Ok(None));
    db.close().unwrap();
}

/// The limit was kept every 1,024 commits: with 3 to keep, readers were given up to 1,026.
#[test]
fn the_limit_of_commits_holds_for_readers_at_once() {
    for commits_max in [1, 3, 100] {
        let world = Simulation::new(Personality::Ext4Ordered, 3);
        let db = open(&world, commits_max);
        let mut positions = vec![db.position().unwrap()];
        for made in 1..commits_max as usize * 2 + 5 {
            positions.push(put_at(&db));
            let Some(oldest) = made.checked_sub(commits_max as usize) else { continue };
            let following = positions[oldest].sequence().next();
            assert_eq!(next(&db, positions[oldest]), Ok(Some(following)), "{commits_max} {made}");
            if oldest > 0 {
                assert_eq!(next(&db, positions[oldest - 1]), Err(ErrorCode::Gap), "{commits_max} {made}");
            }
            let mut from_oldest = db.changes(Since::Oldest).unwrap();
            assert_eq!(from_oldest.next_batch(Duration::ZERO).unwrap().unwrap().sequence, following);
        }
        db.close().unwrap();
    }
}

/// The steps of an index build counted as commits: with 3 to keep, a reader lost all three behind the build of one index.
#[test]
fn the_limit_of_commits_counts_those_with_changes() {
    for commits_max in [3, 40] {
        let world = Simulation::new(Personality::Ext4Ordered, 4);
        let options = Options { feed_commits_max: commits_max, index_build_bytes: 64, ..Options::default() };
        let db = Database::open_on(world.backend(), options.clone()).unwrap();
        let c = db.collection("c").unwrap();
        let documents: Vec<_> = (0..200).map(|n| doc! { "n": n }).collect();
        c.put_many(&documents).unwrap();
        let mut positions = vec![db.position().unwrap()];
        positions.extend((1..commits_max).map(|_| put_at(&db)));
        let before = db.last_sequence();
        c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
        assert!(db.last_sequence().0 > before.0 + 50, "the build has many steps");
        // The build is one commit with changes, so all after the first position are kept.
        let count = |db: &Database, since: Position| {
            let mut feed = db.changes(since).unwrap();
            let mut sequences = BTreeSet::new();
            while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
                sequences.insert(batch.sequence);
            }
            sequences.len() as u64
        };
        assert_eq!(count(&db, positions[0]), commits_max);
        let read = |db: &Database, at: Position| db.begin_read_at(at.sequence()).map(drop);
        read(&db, positions[0]).unwrap();
        db.close().unwrap();
        let db = Database::open_on(world.backend(), options.clone()).unwrap();
        assert_eq!(count(&db, positions[0]), commits_max, "after another opening, whose first commit has no changes");
        put(&db);
        assert_eq!(next(&db, positions[0]), Err(ErrorCode::Gap));
        assert_eq!(read(&db, positions[0]).unwrap_err().code(), ErrorCode::SnapshotExpired);
        assert_eq!(count(&db, positions[1]), commits_max);
        let mut oldest = db.changes(Since::Oldest).unwrap();
        assert_eq!(oldest.next_batch(Duration::ZERO).unwrap().unwrap().sequence, positions[1].sequence().next());
        db.close().unwrap();
    }
}

/// Reading from the oldest change was reading from the first that ever was, and a gap once anything was trimmed.
#[test]
fn reading_from_the_oldest_change_begins_at_the_oldest_that_is_kept() {
    let db = Database::open_memory().unwrap();
    let positions: Vec<Position> = (0..10).map(|_| put_at(&db)).collect();
    db.trim_changes(positions[4].sequence()).unwrap();
    let mut feed = db.changes(Since::Oldest).unwrap();
    assert_eq!(feed.next_batch(Duration::ZERO).unwrap().unwrap().sequence, positions[5].sequence());
    db.trim_changes(db.last_sequence()).unwrap();
    assert_eq!(feed.next_batch(Duration::ZERO).unwrap().unwrap().sequence, positions[6].sequence(), "read already");
    assert_eq!(db.changes(Since::Oldest).unwrap().next_batch(Duration::ZERO).unwrap(), None);
}
