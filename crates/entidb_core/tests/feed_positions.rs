//! A position in the feed is good exactly as far as the history it is of goes: in a backup, in another database and after a
//! crash it leads on to the commits that come next, or it is told as a gap.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::time::Duration;

use entidb_core::{Database, Durability, ErrorCode, Options, Position, Sequence, Since, doc};
use entidb_storage::Backend;
use entidb_storage::simulated::{Personality, Simulation, Variant};

fn open(backend: Backend) -> Database {
    Database::open_on(backend, Options::default()).unwrap()
}

fn put(db: &Database, n: i64) -> Position {
    db.collection("c").unwrap().put(&doc! { "n": n }).unwrap();
    db.position().unwrap()
}

/// The commits after a position, or that it is a gap.
fn after(db: &Database, position: Position) -> Option<Vec<Sequence>> {
    // What a reader keeps is the text.
    let position: Position = position.to_string().parse().unwrap();
    let mut feed = match db.changes(position) {
        Ok(feed) => feed,
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::Gap, "{error}");
            assert!(error.message().contains("read the data anew"), "{error}");
            return None;
        }
    };
    let batches = std::iter::from_fn(|| feed.next_batch(Duration::ZERO).unwrap());
    Some(batches.map(|batch| batch.sequence).collect())
}

fn sequences(positions: &[Position]) -> Vec<Sequence> {
    positions.iter().map(Position::sequence).collect()
}

/// After a backup was restored, a reader at commit 6 saw none of three new commits, and no error.
#[test]
fn a_position_beyond_a_restored_backup_is_a_gap_and_one_before_it_goes_on() {
    let db = Database::open_memory().unwrap();
    let before = put(&db, 1);
    let at = put(&db, 2);
    let backup = Backend::memory();
    db.backup_to(&backup).unwrap();
    let beyond = [put(&db, 3), put(&db, 4)];

    let copy = open(backup);
    for position in beyond {
        assert_eq!(after(&copy, position), None, "before the copy has commits of its own");
    }
    assert_eq!(after(&copy, at), Some(vec![]));
    let other = [put(&copy, 30), put(&copy, 40), put(&copy, 50)];
    for position in beyond {
        assert_eq!(after(&copy, position), None, "its commits have the same sequences");
        assert_eq!(after(&db, position).unwrap().len(), if position == beyond[0] { 1 } else { 0 });
    }
    for position in other {
        assert_eq!(after(&db, position), None);
    }
    assert_eq!(after(&copy, at), Some(sequences(&other)));
    assert_eq!(after(&copy, before).unwrap().len(), 4);
    assert_eq!(after(&db, at), Some(sequences(&beyond)));
}

/// Two copies of one folder, each opened for writing, part where they were copied.
#[test]
fn copies_of_a_folder_part_where_they_were_copied() {
    let db = Database::open_memory().unwrap();
    let common = put(&db, 1);
    let (one, two) = (Backend::memory(), Backend::memory());
    db.backup_to(&one).unwrap();
    db.backup_to(&two).unwrap();
    let (one, two) = (open(one), open(two));
    let (mine, yours) = (put(&one, 2), put(&two, 2));
    assert_eq!(mine.sequence(), yours.sequence());
    assert_eq!((after(&one, mine), after(&one, yours)), (Some(vec![]), None));
    assert_eq!((after(&two, yours), after(&two, mine)), (Some(vec![]), None));
    assert_eq!(after(&one, common), Some(vec![mine.sequence()]));
}

#[test]
fn a_position_of_another_database_or_of_the_future_is_a_gap() {
    let (one, two) = (Database::open_memory().unwrap(), Database::open_memory().unwrap());
    let (mine, yours) = (put(&one, 1), put(&two, 1));
    assert_eq!(mine.sequence(), yours.sequence());
    assert_eq!(after(&one, yours), None);
    let session = mine.to_string().split_once('@').unwrap().1.to_owned();
    for text in [format!("{}@{session}", mine.sequence().0 + 1), format!("{}:7@{session}", mine.sequence())] {
        assert_eq!(after(&one, text.parse().unwrap()), None, "{text}");
    }
}

/// Sessions that follow each other, closed in order or killed, are one history as long as nothing is lost.
#[test]
fn positions_outlive_sessions_that_lose_nothing() {
    let world = Simulation::new(Personality::Ext4Ordered, 1);
    let mut db = open(world.backend());
    let mut positions = vec![put(&db, 0)];
    for n in 1..8 {
        if n % 3 == 0 {
            // As a killed process leaves it: nothing is closed, everything durable is there.
            drop(db);
        } else {
            db.close().unwrap();
        }
        db = open(world.backend());
        if n % 4 != 0 {
            positions.push(put(&db, n));
        }
        for (place, position) in positions.iter().enumerate() {
            let later = positions.get(place + 1..).unwrap();
            assert_eq!(after(&db, *position), Some(sequences(later)), "{n} {place}");
        }
    }
    db.close().unwrap();
    let options = Options { read_only: true, ..Options::default() };
    let reader = Database::open_on(world.backend(), options).unwrap();
    assert_eq!(reader.position().unwrap(), *positions.last().unwrap());
    assert_eq!(after(&reader, *positions.first().unwrap()), Some(sequences(positions.get(1..).unwrap())));
}

/// Without a flush a crash may take commits that a reader has seen; commits with the same sequences follow.
#[test]
fn a_reader_that_saw_commits_which_a_crash_took_is_told_of_it() {
    let mut lost = 0;
    for variant in 0..32 {
        let world = Simulation::new(Personality::Ext4Ordered, u64::from(variant));
        let unsafe_options = || Options { durability: Durability::None, ..Options::default() };
        let db = Database::open_on(world.backend(), unsafe_options()).unwrap();
        let mut positions: Vec<Position> = (0..6).map(|n| put(&db, n)).collect();
        let durable = if variant % 2 == 0 {
            db.wait_durable(db.last_sequence(), Duration::from_secs(1)).unwrap();
            positions.len()
        } else {
            0
        };
        positions.extend((6..12).map(|n| put(&db, n)));
        let world = world.crash(Variant(variant));
        drop(db);
        let db = Database::open_on(world.backend(), unsafe_options()).unwrap();
        let kept = db.open_report().last_sequence;
        assert!(positions.iter().filter(|position| position.sequence() <= kept).count() >= durable);
        let mut following = Vec::new();
        // Before there are new commits, and after there are as many as were lost, and more.
        for n in 0..14 {
            for position in &positions {
                let found = after(&db, *position);
                if position.sequence() > kept {
                    assert_eq!(found, None, "variant {variant}, {position} of {kept}, {n} new commits");
                    lost += 1;
                } else {
                    let left = positions.iter().map(Position::sequence);
                    let left = left.filter(|sequence| *sequence > position.sequence() && *sequence <= kept);
                    assert_eq!(found, Some(left.chain(following.iter().copied()).collect()), "variant {variant}, {n}");
                }
            }
            following.push(put(&db, 100 + n).sequence());
        }
    }
    assert!(lost > 100, "only {lost} positions were lost");
}

/// What is noted of sessions goes with the changes it is for.
#[test]
fn sessions_are_remembered_only_as_far_back_as_changes_are_kept() {
    let world = Simulation::new(Personality::Ext4Ordered, 9);
    let mut last = None;
    for n in 0..30 {
        let options = Options { feed_commits_max: 5, ..Options::default() };
        let db = Database::open_on(world.backend(), options).unwrap();
        if let Some(position) = last {
            assert_eq!(after(&db, position), Some(vec![]));
        }
        last = Some(put(&db, n));
        db.trim_changes(Sequence(db.last_sequence().0.saturating_sub(5))).unwrap();
        db.close().unwrap();
    }
    let engine = entidb_engine::Engine::open(world.backend(), entidb_engine::Options::default()).unwrap();
    let mut noted = engine.snapshot().unwrap().range(&[1, 9][..]..&[1, 10][..], Default::default()).unwrap();
    let mut count = 0;
    while noted.advance().unwrap() {
        count += 1;
    }
    assert!((1..=8).contains(&count), "{count} sessions for 5 commits");
}

#[test]
fn a_copy_of_the_data_and_the_feed_from_there_miss_nothing() {
    let db = Database::open_memory().unwrap();
    put(&db, 1);
    let read = db.begin_read().unwrap();
    put(&db, 2);
    put(&db, 3);
    assert_eq!(read.collection("c").unwrap().count().unwrap(), 1);
    assert_eq!(after(&db, read.position().unwrap()).unwrap().len(), 2);
    assert_eq!(db.changes(Since::Now).unwrap().position(), db.position().unwrap());
}
