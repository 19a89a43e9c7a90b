//! Log files are made of log files that are done with: what that saves, and that nothing of their former life is seen.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

mod counting;
mod gated;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use counting::{Counts, counted};
use entidb_engine::{Durability, Engine, KeyRange, KeySource, Options, VerifyLevel};
use entidb_storage::simulated::{Personality, Simulation};
use entidb_storage::{Backend, Entry, ErrorKind, OpenMode, Operation};
use gated::gated;

/// A database whose log files end soon, with its counts.
fn counting(rename: bool, options: Options) -> (Engine, Backend, Arc<Counts>) {
    let (backend, counts) = counted(&Backend::memory(), rename);
    (Engine::open(backend.clone(), options).unwrap(), backend, counts)
}

fn small() -> Options {
    Options { background: false, memtable_bytes: 1 << 20, ..Options::default() }
}

/// Commits `rounds` transactions of about 64 KB.
fn load(engine: &Engine, rounds: u32) {
    for round in 0..rounds {
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..64_u32 {
            let key = [b"k".as_slice(), &(round * 64 + number).to_be_bytes()].concat();
            transaction.put(&key, &[7; 1000]).unwrap();
        }
        transaction.commit_with(Durability::Durable).unwrap();
    }
}

fn count(engine: &Engine) -> u64 {
    engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap()
}

#[test]
fn a_long_load_writes_the_log_once_and_not_twice() {
    let zeroed = |rename: bool| {
        let (engine, _, counts) = counting(rename, small());
        load(&engine, 500);
        engine.close().unwrap();
        (counts.log_bytes.load(Ordering::Relaxed), counts.log_zeros.load(Ordering::Relaxed))
    };
    let (written, fresh) = zeroed(false);
    let (_, recycled) = zeroed(true);
    println!(
        "{written} bytes of log; zero-written: {fresh} when every file is new, {recycled} when files are recycled"
    );
    assert!(written > 32_000_000 && fresh >= written, "{written} {fresh}");
    assert!(recycled < written / 4, "{recycled} of {written}");
}

#[test]
fn nothing_of_the_former_life_of_a_log_file_is_replayed_or_counted() {
    for key in [None, Some(KeySource::raw([3; 32]))] {
        let encrypted = key.is_some();
        let options = || Options { key: encrypted.then(|| KeySource::raw([3; 32])), ..small() };
        let (engine, backend, counts) = counting(true, Options { key, ..small() });
        load(&engine, 192);
        let zeroed = counts.log_zeros.load(Ordering::Relaxed);
        for round in 192..224 {
            load(&engine, 1);
            assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty(), "round {round}");
        }
        assert_eq!(counts.log_zeros.load(Ordering::Relaxed), zeroed, "by now every file is a recycled one");
        let before = (count(&engine), engine.last_sequence());
        drop(engine);
        let engine = Engine::open(backend, options()).unwrap();
        let report = engine.open_report();
        assert!(!report.clean && report.bytes_dropped == 0, "{report:?}");
        assert_eq!((count(&engine), report.last_sequence), before);
    }
}

#[test]
fn a_torn_end_in_a_recycled_file_is_dropped_and_counted() {
    let (engine, backend, _) = counting(true, small());
    load(&engine, 96);
    let files = || -> Vec<(String, Vec<u8>)> {
        let list = backend.directory.list("wal").unwrap();
        let read = |entry: Entry| {
            let path = format!("wal/{}", entry.name);
            let file = backend.directory.open(&path, OpenMode::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(0, &mut bytes).unwrap();
            (path, bytes)
        };
        list.into_iter().map(read).collect()
    };
    let before = files();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"torn", &[9; 5000]).unwrap();
    transaction.commit().unwrap();
    let last = engine.last_sequence();
    let after = files();
    drop(engine);
    // Which file a name stands for may have changed with the commit; the file it went to kept its name.
    let pairs = after.iter().filter_map(|(path, other)| {
        let (_, one) = before.iter().find(|(before, _)| before == path)?;
        Some((path, one, other))
    });
    let (path, one, other) = pairs.into_iter().find(|(_, one, other)| one != other).unwrap();
    let first = one.iter().zip(other).position(|(a, b)| a != b).unwrap();
    // The second half of the unit is again what it was before: bytes of the file's former life.
    let torn = first + 2500;
    backend.directory.open(path, OpenMode::Write).unwrap().write_all_at(torn as u64, &one[torn..]).unwrap();
    let engine = Engine::open(backend, Options::default()).unwrap();
    let report = engine.open_report();
    assert_eq!(report.last_sequence.0, last.0 - 1);
    assert!((5000..6000).contains(&report.bytes_dropped), "{report:?}");
    assert!(!engine.snapshot().unwrap().exists(b"torn").unwrap());
}

#[test]
fn a_close_and_a_checkpoint_leave_no_spent_file() {
    let world = Simulation::new(Personality::PosixStrict, 1);
    let backend = world.backend();
    let engine = Engine::open(backend.clone(), small()).unwrap();
    load(&engine, 64);
    engine.checkpoint().unwrap();
    let list = || backend.directory.list("wal").unwrap();
    let bytes: u64 = list()
        .into_iter()
        .map(|entry| backend.directory.open(&format!("wal/{}", entry.name), OpenMode::Read).unwrap().len().unwrap())
        .sum();
    assert!(bytes <= 4 * 256 * 1024, "{bytes} bytes of log after a checkpoint");
    engine.close().unwrap();
    assert_eq!(list().len(), 1);
}

/// What was spent is a help and no need: a commit that finds it unusable gets a fresh file, as if there had been none.
#[test]
fn a_spent_file_that_cannot_be_used_again_costs_no_commit() {
    let renamed = |operation: Operation, name: &str| operation == Operation::Rename && name.starts_with("wal/");
    for refused in ["the rename", "the file under its new name"] {
        let turns = Arc::new(AtomicU64::new(0));
        let (seen, last) = (Arc::clone(&turns), Arc::new(std::sync::Mutex::new(String::new())));
        let hook = move |operation: Operation, name: &str| {
            let is_rename = renamed(operation, name);
            if is_rename {
                *last.lock().unwrap() = name.to_owned();
            }
            let refuses = match refused {
                "the rename" => is_rename,
                _ => operation == Operation::Open && *last.lock().unwrap() == name,
            };
            seen.fetch_add(u64::from(refuses), Ordering::Relaxed);
            refuses.then_some(ErrorKind::PermissionDenied)
        };
        let inner = Backend::memory();
        let backend = gated(&inner, hook);
        let engine = Engine::open(backend.clone(), small()).unwrap();
        // A checkpoint after little leaves a small spent file, and the last commit of a round needs the next file at once.
        for round in 0..8_u32 {
            for (number, bytes) in [(0, 1000), (1, 1000), (2, 100_000), (3, 200_000)] {
                let mut transaction = engine.begin_write().unwrap();
                transaction.put(&[round.to_be_bytes(), u32::to_be_bytes(number)].concat(), &vec![7; bytes]).unwrap();
                transaction.commit_with(Durability::Durable).unwrap();
                if number < 2 {
                    engine.checkpoint().unwrap();
                }
            }
        }
        load(&engine, 128);
        assert_eq!(count(&engine), 128 * 64 + 32);
        assert!(turns.load(Ordering::Relaxed) > 2, "{refused}: {turns:?}");
        let files = inner.directory.list("wal").unwrap().len();
        assert!(files <= 4, "{refused}: {files} log files");
        drop(engine);
        let engine = Engine::open(backend, small()).unwrap();
        assert_eq!(count(&engine), 128 * 64 + 32, "{refused}");
    }
}
