//! A reader of the feed who missed something is told so, whatever became of the feed meanwhile.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::time::Duration;

use entidb_core::{Database, ErrorCode, Options, Sequence, doc};
use entidb_storage::simulated::{Personality, Simulation};

fn open(world: &Simulation, feed_commits_max: u64) -> Database {
    Database::open_on(world.backend(), Options { feed_commits_max, ..Options::default() }).unwrap()
}

fn put(db: &Database) {
    db.collection("c").unwrap().put(&doc! { "n": 1 }).unwrap();
}

fn next(db: &Database, since: Sequence) -> Result<Option<Sequence>, ErrorCode> {
    let commit = db.changes(since).next_commit(Duration::ZERO);
    commit.map(|commit| commit.map(|commit| commit.sequence)).map_err(|error| error.code())
}

/// Commits made while the database was open without a feed left nothing in it, and a reader from before went on behind
/// them as if nothing had happened.
#[test]
fn commits_made_without_a_feed_are_a_gap() {
    let world = Simulation::new(Personality::Ext4Ordered, 1);
    let db = open(&world, 1000);
    put(&db);
    let seen = db.last_sequence();
    db.close().unwrap();

    let db = open(&world, 0);
    put(&db);
    put(&db);
    db.close().unwrap();

    let db = open(&world, 1000);
    assert_eq!(next(&db, seen), Err(ErrorCode::Gap));
    let from_here = db.last_sequence();
    put(&db);
    assert_eq!(next(&db, seen), Err(ErrorCode::Gap));
    assert_eq!(next(&db, from_here), Ok(Some(db.last_sequence())));
    db.close().unwrap();
}

/// Trimming less than was trimmed before moved the line back, and what was gone no longer was a gap.
#[test]
fn trimming_never_brings_back_what_is_gone() {
    let db = Database::open_memory().unwrap();
    for _ in 0..10 {
        put(&db);
    }
    db.trim_changes(Sequence(8)).unwrap();
    db.trim_changes(Sequence(3)).unwrap();
    assert_eq!(next(&db, Sequence(4)), Err(ErrorCode::Gap));
    assert_eq!(next(&db, Sequence(8)), Ok(Some(Sequence(9))));
}

/// The commit of a trim has no changes itself, and counted as one that was lost: a reader that had read everything was told
/// of a gap after the second of two trims.
#[test]
fn a_reader_that_has_read_everything_meets_no_gap_after_two_trims() {
    let db = Database::open_memory().unwrap();
    put(&db);
    let read = db.last_sequence();
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
    put(&db);
    let read = db.last_sequence();
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
        for _ in 0..commits_max * 2 + 5 {
            put(&db);
            let newest = db.last_sequence().0;
            let Some(oldest) = newest.checked_sub(commits_max).filter(|expired| *expired > 1) else { continue };
            assert_eq!(next(&db, Sequence(oldest)), Ok(Some(Sequence(oldest + 1))), "{commits_max} {newest}");
            assert_eq!(next(&db, Sequence(oldest - 1)), Err(ErrorCode::Gap), "{commits_max} {newest}");
        }
        db.close().unwrap();
    }
}
