//! Readers that stay: what a snapshot and an iterator keep of files and memory, and what the statistics tell of it.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

mod gated;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, Options, Snapshot};
use entidb_storage::{Backend, ErrorKind, ManualClock, NoThreads, Operation};
use gated::gated;

const MEMTABLE_BYTES: u64 = 64 * 1024;

fn options() -> Options {
    Options {
        memory_bytes: 1 << 20,
        memtable_bytes: MEMTABLE_BYTES,
        wal_bytes: 1 << 20,
        segment_bytes: 16 * 1024,
        background: false,
        durability: Durability::None,
        ..Options::default()
    }
}

fn backend() -> Backend {
    Backend { threads: Arc::new(NoThreads), ..Backend::memory() }
}

fn key(number: u32) -> Vec<u8> {
    [b"k", &number.to_be_bytes()[..]].concat()
}

/// Gives 300 keys the value of a round, and writes them to segments.
fn round(engine: &Engine, round: u32) {
    for part in 0..6 {
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..50 {
            transaction.put(&key(part * 50 + number), &value(round)).unwrap();
        }
        transaction.commit().unwrap();
    }
    engine.checkpoint().unwrap();
    engine.maintain(100).unwrap();
}

fn value(round: u32) -> Vec<u8> {
    [&round.to_be_bytes()[..], &[7; 100]].concat()
}

fn files(backend: &Backend) -> u64 {
    backend.directory.list("seg").unwrap().len() as u64
}

fn shows(snapshot: &Snapshot, round: u32) {
    for direction in [Direction::Forward, Direction::Reverse] {
        let mut walk = snapshot.range(KeyRange::all(), direction).unwrap();
        let mut count = 0;
        while walk.advance().unwrap() {
            assert_eq!(walk.value(), value(round));
            count += 1;
        }
        assert_eq!(count, 300);
    }
    for number in [0, 123, 299] {
        assert_eq!(snapshot.get(&key(number)).unwrap().as_deref(), Some(value(round).as_slice()));
    }
    let keys: Vec<Vec<u8>> = (0..300).map(key).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    assert!(snapshot.multi_get(&keys).unwrap().iter().all(|found| found.as_deref() == Some(value(round).as_slice())));
}

/// One snapshot kept 58 files that were made and dropped after it.
#[test]
fn a_snapshot_keeps_no_file_and_one_version_of_each_key() {
    let backend = backend();
    let engine = Engine::open(backend.clone(), options()).unwrap();
    round(&engine, 0);
    let snapshot = engine.snapshot().unwrap();
    let mut files_max = 0;
    for number in 1..=60 {
        round(&engine, number);
        let stats = engine.stats();
        assert_eq!((stats.obsolete_files, stats.obsolete_files_held), (0, 0));
        assert_eq!(files(&backend), stats.segments);
        files_max = files_max.max(files(&backend));
    }
    // 600 versions of 100 bytes are 66 KB: of 61 rounds, those that levels hold, and not one more for each round.
    assert!(files_max <= 24, "{files_max} files");
    shows(&snapshot, 0);
    engine.compact().unwrap();
    let stats = engine.stats();
    assert_eq!(
        (stats.segment_entries, stats.segment_entries_stale),
        (600, 300),
        "the newest, and what the snapshot sees"
    );
    shows(&snapshot, 0);
    drop(snapshot);
    engine.maintain(100).unwrap();
    let stats = engine.stats();
    assert_eq!((stats.segment_entries, stats.segment_entries_stale), (300, 0));
    assert_eq!(files(&backend), stats.segments);
    shows(&engine.snapshot().unwrap(), 60);
}

/// Sixty snapshots held sixty memtables, 248 MB with a budget of 4 MB, and the statistics said 0.
#[test]
fn snapshots_keep_no_memtable() {
    let engine = Engine::open(backend(), options()).unwrap();
    let mut snapshots = Vec::new();
    for number in 0..60 {
        round(&engine, number);
        snapshots.push((engine.snapshot().unwrap(), number));
        let stats = engine.stats();
        assert_eq!((stats.memtable_bytes_held, stats.iterators), (0, 0));
        assert!(stats.memtable_reserved_bytes <= 8 * MEMTABLE_BYTES, "{stats:?}");
    }
    for (snapshot, number) in &snapshots {
        shows(snapshot, *number);
    }
    assert_eq!(engine.stats().snapshots, 60);
}

/// A key that is written over and over has, in segments, one version for each of the states somebody sees.
#[test]
fn a_flush_writes_one_version_for_each_snapshot() {
    let engine = Engine::open(backend(), options()).unwrap();
    let mut snapshots = Vec::new();
    for number in 0..300_u32 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(b"key", &value(number)).unwrap();
        transaction.add(b"sum", 1).unwrap();
        transaction.commit().unwrap();
        if number % 100 == 50 {
            snapshots.push((engine.snapshot().unwrap(), number));
        }
    }
    engine.checkpoint().unwrap();
    assert_eq!(engine.stats().memtable_flushes, 1);
    assert_eq!(engine.stats().segment_entries, 8, "of each key one for each of three snapshots and the newest");
    for (snapshot, number) in &snapshots {
        assert_eq!(snapshot.get(b"key").unwrap().as_deref(), Some(value(*number).as_slice()));
        assert_eq!(snapshot.counter(b"sum").unwrap(), i64::from(*number) + 1);
    }
    snapshots.remove(1);
    engine.compact().unwrap();
    assert_eq!(engine.stats().segment_entries, 6);
}

#[test]
fn an_iterator_goes_on_in_the_newest_files_and_shows_its_own_commit() {
    for direction in [Direction::Forward, Direction::Reverse] {
        let backend = backend();
        let engine = Engine::open(backend.clone(), options()).unwrap();
        round(&engine, 0);
        let snapshot = engine.snapshot().unwrap();
        let mut walk = snapshot.range(KeyRange::all(), direction).unwrap();
        let order: Vec<u32> =
            if direction == Direction::Forward { (0..300).collect() } else { (0..300).rev().collect() };
        let mut times_held = 0;
        for (step, number) in order.iter().enumerate() {
            assert!(walk.advance().unwrap());
            assert_eq!((walk.key(), walk.value()), (key(*number).as_slice(), value(0).as_slice()));
            if step % 10 == 0 {
                round(&engine, 1 + step as u32);
                // Those it stands in are kept, and go when it moves.
                let stats = engine.stats();
                times_held += u32::from(stats.obsolete_bytes_held > 0);
                assert!(stats.obsolete_files == stats.obsolete_files_held && stats.iterators == 1, "{stats:?}");
                assert!(
                    stats.obsolete_files_held <= 24 && stats.memtable_bytes_held <= 8 * MEMTABLE_BYTES,
                    "{stats:?}"
                );
                assert_eq!(files(&backend), stats.segments + stats.obsolete_files);
            }
        }
        assert!(!walk.advance().unwrap() && times_held > 5);
        engine.maintain(100).unwrap();
        let stats = engine.stats();
        assert_eq!((stats.obsolete_files, stats.iterators, stats.memtable_bytes_held), (0, 0, 0));
        assert_eq!(files(&backend), stats.segments);
        // One that has ended can be sent somewhere else.
        walk.seek(&key(200)).unwrap();
        assert!(walk.advance().unwrap());
        assert_eq!((walk.key(), walk.value()), (key(200).as_slice(), value(0).as_slice()));
    }
}

#[test]
fn an_iterator_that_stands_still_keeps_what_it_stands_in_and_nothing_newer() {
    let backend = backend();
    let engine = Engine::open(backend.clone(), options()).unwrap();
    round(&engine, 0);
    let mut walk = engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap();
    assert_eq!(engine.stats().iterators, 0, "nothing is held before the first move");
    assert!(walk.advance().unwrap());
    let held = engine.stats().segments;
    for number in 1..60 {
        round(&engine, number);
        let stats = engine.stats();
        assert!(stats.obsolete_files <= held, "{stats:?}");
        assert_eq!(files(&backend), stats.segments + stats.obsolete_files);
    }
    assert!(engine.stats().obsolete_files_held > 0);
    drop(walk);
    let stats = engine.stats();
    assert_eq!(stats.obsolete_files_held, 0, "the files wait for the next step");
    engine.maintain(1).unwrap();
    assert_eq!(files(&backend), engine.stats().segments);
}

#[test]
fn the_memory_an_iterator_holds_is_told() {
    let engine = Engine::open(backend(), options()).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"key", &[1; 10_000]).unwrap();
    transaction.commit().unwrap();
    let mut walk = engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap();
    assert!(walk.advance().unwrap());
    engine.checkpoint().unwrap();
    let stats = engine.stats();
    assert!(stats.memtable_bytes_held > 10_000, "{stats:?}");
    let value = walk.value_owned();
    drop(walk);
    assert!(engine.stats().memtable_bytes_held > 10_000, "a long value is lent, not copied");
    assert_eq!(value.len(), 10_000);
    drop(value);
    assert_eq!(engine.stats().memtable_bytes_held, 0);
}

#[test]
fn the_oldest_snapshot_is_told_with_its_age_and_its_holder() {
    let clock = Arc::new(ManualClock::new(5));
    let engine = Engine::open(Backend { clock: Arc::clone(&clock) as _, ..backend() }, options()).unwrap();
    round(&engine, 0);
    assert_eq!((engine.stats().oldest_snapshot, engine.stats().oldest_snapshot_holder), (None, None));
    let report = engine.snapshot_for("report").unwrap();
    assert_eq!(engine.stats().oldest_snapshot_ms, 0);
    clock.advance(Duration::from_millis(1500));
    round(&engine, 1);
    let other = engine.snapshot().unwrap();
    let stats = engine.stats();
    assert_eq!((stats.oldest_snapshot, stats.oldest_snapshot_ms), (Some(report.sequence()), 1500));
    assert_eq!((stats.oldest_snapshot_holder, stats.snapshots), (Some("report"), 2));
    // An iterator keeps the place of its snapshot.
    let walk = report.range(KeyRange::all(), Direction::Forward).unwrap();
    drop(report);
    assert_eq!(engine.stats().oldest_snapshot_holder, Some("report"));
    drop(walk);
    let stats = engine.stats();
    assert_eq!((stats.oldest_snapshot, stats.oldest_snapshot_holder), (Some(other.sequence()), Some("snapshot")));
    drop(other);
    let transaction = engine.begin_write().unwrap();
    assert_eq!(engine.stats().oldest_snapshot_holder, Some("write transaction"));
    drop(transaction);
}

/// What a transaction showed at the sequence it was to get, the next transaction got: a walk over the first, given up,
/// went on among the changes of the second.
#[test]
fn what_a_transaction_gave_out_ends_with_it_however_it_ends() {
    let engine = Engine::open(backend(), options()).unwrap();
    round(&engine, 0);
    for end in 0..3 {
        let mut transaction = engine.begin_write().unwrap();
        let savepoint = transaction.savepoint().unwrap();
        transaction.put(b"a", b"mine").unwrap();
        let mut walk = transaction.range(KeyRange::all(), Direction::Forward).unwrap();
        let snapshot = transaction.snapshot();
        assert!(walk.advance().unwrap());
        match end {
            0 => transaction.abort(),
            1 => drop(transaction.commit().unwrap()),
            _ => {
                transaction.rollback_to(&savepoint).unwrap();
                transaction.commit().unwrap();
            }
        }
        let mut next = engine.begin_write().unwrap();
        next.put(&key(1), b"of another").unwrap();
        next.commit().unwrap();
        assert!(matches!(walk.advance(), Err(Error::InvalidArgument { .. })), "{end}");
        assert!(snapshot.get(b"a").is_err() && snapshot.range(KeyRange::all(), Direction::Forward).is_err());
    }
}

#[test]
fn what_readers_held_when_the_database_was_closed_is_gone_after_the_next_open() {
    let backend = backend();
    let engine = Engine::open(backend.clone(), options()).unwrap();
    round(&engine, 0);
    let mut walk = engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap();
    assert!(walk.advance().unwrap());
    (1..9).for_each(|number| round(&engine, number));
    engine.close().unwrap();
    assert!(files(&backend) > engine.stats().segments);
    let again = Engine::open(backend.clone(), options()).unwrap();
    // A reader of the closed handle removes nothing under the open one.
    assert!(matches!(walk.advance(), Err(Error::Closed)));
    drop((walk, engine));
    again.maintain(100).unwrap();
    assert_eq!((files(&backend), again.stats().obsolete_files), (again.stats().segments, 0));
    shows(&again.snapshot().unwrap(), 8);
}

/// Files were removed under a lock that a commit takes when its memtable is full.
#[test]
fn a_commit_does_not_wait_for_a_removal() {
    let engine = Arc::new(OnceLock::<Engine>::new());
    let (opened, times) = (Arc::clone(&engine), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&times);
    let slow = gated(&backend(), move |operation, name| {
        let first = operation == Operation::Remove && name.starts_with("seg/") && seen.fetch_add(1, Relaxed) == 0;
        // While the file is being removed: a lock that is held meanwhile would be waited for without end.
        if let Some(engine) = opened.get().filter(|_| first) {
            round(engine, 77);
            shows(&engine.snapshot().unwrap(), 77);
        }
        None
    });
    let engine = engine.get_or_init(|| Engine::open(slow, options()).unwrap());
    (0..9).for_each(|number| round(engine, number));
    assert!(times.load(Relaxed) > 1 && engine.stats().files_removed > 1);
}

#[test]
fn a_file_that_cannot_be_removed_is_tried_again_and_told_of() {
    let clock = Arc::new(ManualClock::new(0));
    let backend = Backend { clock: Arc::clone(&clock) as _, ..backend() };
    let (refusing, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (refuses, counted) = (Arc::clone(&refusing), Arc::clone(&tries));
    let stubborn = gated(&backend, move |operation, name| {
        let seen = operation == Operation::Remove && name.starts_with("seg/");
        counted.fetch_add(u64::from(seen), Relaxed);
        (seen && refuses.load(Relaxed)).then_some(ErrorKind::PermissionDenied)
    });
    let engine = Engine::open(stubborn, options()).unwrap();
    (0..9).for_each(|number| round(&engine, number));
    let stats = engine.stats();
    assert!(stats.obsolete_files > 0 && stats.obsolete_files_held == 0 && stats.removal_failure.is_some(), "{stats:?}");
    assert_eq!((stats.removal_failures, stats.files_removed), (stats.obsolete_files, 0));
    assert_eq!(files(&backend), stats.segments + stats.obsolete_files);
    // Half an hour, with a look every second: after 1, 2, 4 … 32 s, and from then on every minute.
    for _ in 0..1800 {
        clock.advance(Duration::from_secs(1));
        engine.maintain(1000).unwrap();
    }
    let tries_each = tries.load(Relaxed) / stats.obsolete_files;
    assert!((30..=38).contains(&tries_each), "{tries_each}");
    refusing.store(false, Relaxed);
    clock.advance(Duration::from_secs(60));
    engine.maintain(1000).unwrap();
    let stats = engine.stats();
    assert!(stats.obsolete_files == 0 && stats.removal_failure.is_none() && stats.files_removed > 0, "{stats:?}");
    assert_eq!(files(&backend), stats.segments);
    shows(&engine.snapshot().unwrap(), 8);
}
