//! A database of many more segments than the process may have files open.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use entidb_engine::{
    Compression, Damage, Direction, Durability, Engine, Error, KeyRange, KeySource, Options, VerifyLevel, ZonePolicies,
    ZonePolicy,
};
use entidb_storage::simulated::{Personality, Simulation};
use entidb_storage::{Backend, ErrorKind, Operation};

/// What is open beside segments, at most: the lock, the newest file of the log and the next, the manifest, one segment
/// being written for a flush and one for a merge, what a check or a copy reads and writes, and ROOT or the keyring.
const OTHERS_MAX: usize = 12;

fn options(open_files_max: u64, encrypted: bool) -> Options {
    let policy = ZonePolicy { compression: Compression::None, ..ZonePolicy::default() };
    Options {
        segment_bytes: 16 * 1024,
        open_files_max,
        background: false,
        durability: Durability::None,
        zones: ZonePolicies::uniform(policy),
        key: encrypted.then(|| KeySource::raw([5; 32])),
        ..Options::default()
    }
}

fn key(number: u32) -> [u8; 5] {
    let [a, b, c, d] = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
    [1, a, b, c, d]
}

fn value(number: u32) -> Vec<u8> {
    let byte = u8::try_from(number % 251).unwrap();
    vec![byte; 2000]
}

/// A closed database with many segments. Returns the number of its keys.
fn filled(backend: &Backend, segments: u32, encrypted: bool) -> u32 {
    let engine = Engine::open(backend.clone(), options(0, encrypted)).unwrap();
    let count = segments * 10;
    for first in (0..count).step_by(160) {
        let mut transaction = engine.begin_write().unwrap();
        for number in first..count.min(first + 160) {
            transaction.put(&key(number), &value(number)).unwrap();
        }
        transaction.commit().unwrap();
    }
    engine.compact().unwrap();
    assert!(engine.stats().segments >= u64::from(segments), "{}", engine.stats().segments);
    engine.close().unwrap();
    count
}

/// Reads, scans, writes, merges, checks and copies everything.
fn use_all(engine: &Engine, count: u32, copy: &Backend) {
    let snapshot = engine.snapshot().unwrap();
    for number in 0..count {
        assert_eq!(snapshot.get(&key(number)).unwrap().as_deref(), Some(value(number).as_slice()), "{number}");
    }
    for direction in [Direction::Forward, Direction::Reverse] {
        let all = snapshot.range(KeyRange::all(), direction).unwrap();
        assert_eq!(all.map(|entry| entry.map(drop).unwrap()).count(), count as usize);
    }
    drop(snapshot);
    assert!(engine.verify(VerifyLevel::Full).unwrap().is_clean());
    engine.backup(copy).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    for number in (0..count).step_by(3) {
        transaction.put(&key(number), &value(number + 1)).unwrap();
    }
    transaction.commit().unwrap();
    engine.compact().unwrap();
    let snapshot = engine.snapshot().unwrap();
    for number in 0..count {
        let expected = value(number + u32::from(number % 3 == 0));
        assert_eq!(snapshot.get(&key(number)).unwrap().as_deref(), Some(expected.as_slice()), "{number}");
    }
}

#[test]
fn a_database_of_400_segments_is_opened_read_merged_checked_and_copied_with_128_files() {
    for encrypted in [false, true] {
        let simulation = Simulation::new(Personality::Ext4Ordered, 1);
        let count = filled(&simulation.backend(), 400, encrypted);
        simulation.set_open_files_max(Some(128));
        let engine = Engine::open(simulation.backend(), options(0, encrypted)).unwrap();
        use_all(&engine, count, &Backend::memory());
        let stats = engine.stats();
        assert!(stats.segments >= 400 && stats.open_files <= 32, "{} open", stats.open_files);
        engine.close().unwrap();
    }
}

#[test]
fn the_files_that_are_open_are_those_of_the_bound_and_a_dozen_others() {
    let simulation = Simulation::new(Personality::Ext4Ordered, 1);
    let count = filled(&simulation.backend(), 100, false);
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    simulation.observe(move |point| {
        seen.fetch_max(point.open_files(), Ordering::Relaxed);
    });
    let engine = Engine::open(simulation.backend(), options(8, false)).unwrap();
    use_all(&engine, count, &Backend::memory());
    engine.close().unwrap();
    drop(engine);
    simulation.stop_observing();
    let most = most.load(Ordering::Relaxed);
    assert!(most > 8 && most <= 8 + OTHERS_MAX, "{most} files were open at once");
    assert_eq!(simulation.open_files(), 0, "a file stays open");
}

#[test]
fn a_read_opens_one_file_at_most_and_none_where_its_block_is_in_memory() {
    let simulation = Simulation::new(Personality::Ext4Ordered, 1);
    let count = filled(&simulation.backend(), 60, false);
    let opens = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&opens);
    simulation.observe(move |point| {
        counter.fetch_add(u64::from(point.operation() == Operation::Open), Ordering::Relaxed);
    });
    let engine = Engine::open(simulation.backend(), options(4, false)).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let opened_by = |number: u32| {
        let before = opens.load(Ordering::Relaxed);
        assert!(snapshot.get(&key(number)).unwrap().is_some());
        opens.load(Ordering::Relaxed) - before
    };
    let cold: Vec<u64> = (0..count).map(opened_by).collect();
    assert!(cold.iter().all(|opens| *opens <= 1) && cold.iter().sum::<u64>() > 60, "{cold:?}");
    assert!((0..count).all(|number| opened_by(number) == 0));
}

#[test]
fn threads_that_read_at_once_get_what_was_written_within_the_bound() {
    let backend = Backend::memory();
    let count = filled(&backend, 60, false);
    // A cache that holds a third of it, so that files are read all the time.
    let engine = Engine::open(backend, Options { memory_bytes: 1 << 20, ..options(4, false) }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                let snapshot = engine.snapshot().unwrap();
                for step in 0..2000_u32 {
                    let number = (step.wrapping_mul(7919) ^ thread) % count;
                    assert_eq!(snapshot.get(&key(number)).unwrap().as_deref(), Some(value(number).as_slice()));
                    assert!(engine.stats().open_files <= 4 + 8);
                }
            });
        }
    });
    assert!(engine.stats().open_files <= 4);
}

/// Reads the first key of a segment, then keys of others until its file is closed, changes the file and reads a key of
/// another of its blocks. Returns what that read fails with.
fn read_after(encrypted: bool, change: impl FnOnce(&Simulation, &str, &str)) -> Error {
    let simulation = Simulation::new(Personality::Ext4Ordered, 1);
    let count = filled(&simulation.backend(), 40, encrypted);
    let engine = Engine::open(simulation.backend(), options(4, encrypted)).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let keys: BTreeMap<[u8; 5], u32> = (0..count).map(|number| (key(number), number)).collect();
    let sorted: Vec<[u8; 5]> = keys.into_keys().collect();
    // Which file a read opened, and that a later key is in the same one.
    let opened = |key: &[u8]| {
        let before = simulation.trace().len();
        snapshot.get(key).map(|found| {
            assert!(found.is_some());
            let trace = simulation.trace();
            let read = trace.iter().skip(before).find(|call| call.path.starts_with("seg/"));
            read.map(|call| call.path.to_string())
        })
    };
    let first = opened(sorted.first().unwrap()).unwrap().unwrap();
    let others: Vec<String> = sorted.iter().skip(40).filter_map(|key| opened(key).unwrap()).collect();
    assert!(others.iter().all(|other| *other != first) && simulation.open_files() < 4 + OTHERS_MAX);
    change(&simulation, &first, others.first().unwrap());
    // A block holds four of these; a segment eight.
    opened(sorted.get(5).unwrap()).unwrap_err()
}

#[test]
fn a_file_that_was_exchanged_while_it_was_closed_is_noticed() {
    for encrypted in [false, true] {
        let damage = |error: Error| match error {
            Error::Corrupt { damage, file, .. } => {
                assert!(file.starts_with("seg/"), "{file}");
                damage
            }
            other => panic!("{other}"),
        };
        let gone = read_after(encrypted, |simulation, file, _| assert!(simulation.lose_file(file)));
        assert_eq!(damage(gone), Damage::Missing);
        let shorter = read_after(encrypted, |simulation, file, _| {
            let mut bytes = simulation.file_bytes(file).unwrap();
            bytes.pop();
            simulation.put_file(file, &bytes);
        });
        assert_eq!(damage(shorter), Damage::Damaged);
        // Another segment of the same database under its name, of the same length.
        let other = read_after(encrypted, |simulation, file, other| {
            let len = simulation.file_bytes(file).unwrap().len();
            let mut bytes = simulation.file_bytes(other).unwrap();
            bytes.resize(len, 0);
            simulation.put_file(file, &bytes);
        });
        assert_eq!(damage(other), Damage::Tampered);
        // The same header with another end.
        let end = read_after(encrypted, |simulation, file, _| {
            let mut bytes = simulation.file_bytes(file).unwrap();
            let at = bytes.len() - 100;
            bytes[at] ^= 1;
            simulation.put_file(file, &bytes);
        });
        assert_eq!(damage(end), Damage::Damaged);
    }
}

#[test]
fn with_no_file_to_be_had_a_read_fails_and_says_so_and_the_next_one_goes_well() {
    let simulation = Simulation::new(Personality::Ext4Ordered, 1);
    filled(&simulation.backend(), 40, false);
    let engine = Engine::open(simulation.backend(), options(4, false)).unwrap();
    simulation.set_open_files_max(Some(0));
    let error = engine.snapshot().unwrap().get(&key(1)).unwrap_err();
    assert!(matches!(&error, Error::Storage(it) if it.kind == ErrorKind::TooManyOpenFiles), "{error}");
    assert!(error.to_string().contains("raise the limit"), "{error}");
    simulation.set_open_files_max(None);
    assert!(engine.snapshot().unwrap().get(&key(1)).unwrap().is_some());
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"\x01new", b"value").unwrap();
    transaction.commit_with(Durability::Durable).unwrap();
    engine.close().unwrap();
}
