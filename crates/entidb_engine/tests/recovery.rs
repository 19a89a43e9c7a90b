//! What a reopened database has, after an orderly close, a crash, and damage.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::{Damage, Durability, Engine, Error, KeyRange, Options, Sequence};
use entidb_storage::simulated::{Personality, Simulation, Variant};
use entidb_storage::{Backend, OpenMode};

/// Where the units of a log file begin.
const WAL_UNITS_AT: usize = 4096;

fn put(engine: &Engine, key: &[u8], value: &[u8], durability: Durability) -> Sequence {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, value).unwrap();
    transaction.commit_with(durability).unwrap()
}

fn count(engine: &Engine) -> u64 {
    engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap()
}

fn read(backend: &Backend, path: &str) -> Vec<u8> {
    let file = backend.directory.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn write(backend: &Backend, path: &str, offset: u64, bytes: &[u8]) {
    backend.directory.open(path, OpenMode::Write).unwrap().write_all_at(offset, bytes).unwrap();
}

/// The paths and bytes of every file but the lock.
fn image(backend: &Backend) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["", "wal", "manifest", "seg"] {
        for entry in backend.directory.list(folder).unwrap() {
            if !entry.is_folder && entry.name != "LOCK" {
                let path = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
                let bytes = read(backend, &path);
                files.push((path, bytes));
            }
        }
    }
    files
}

/// The newest log file that holds commits: the background may have prepared another, which nobody would miss.
fn newest_wal(backend: &Backend) -> String {
    let mut numbers: Vec<u64> =
        backend.directory.list("wal").unwrap().into_iter().map(|entry| entry.name.parse().unwrap()).collect();
    numbers.sort_unstable();
    let paths = numbers.into_iter().rev().map(|number| format!("wal/{number}"));
    let has_units = |path: &String| read(backend, path).iter().skip(WAL_UNITS_AT).any(|byte| *byte != 0);
    paths.into_iter().find(has_units).unwrap()
}

#[test]
fn an_orderly_close_keeps_everything_and_says_so() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    assert!(engine.open_report().created);
    for number in 0..50_u8 {
        put(&engine, &[1, number], &[number; 10], Durability::None);
    }
    engine.close().unwrap();
    for round in 0..3 {
        let engine = Engine::open(backend.clone(), Options::default()).unwrap();
        let report = engine.open_report();
        assert!(report.clean && !report.created, "round {round}: {report:?}");
        assert_eq!(report.last_sequence, Sequence(50));
        assert_eq!(count(&engine), 50);
        engine.close().unwrap();
    }
}

#[test]
fn dropping_the_handle_loses_nothing_durable() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    put(&engine, b"k", b"v", Durability::Durable);
    drop(engine);
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    assert!(!engine.open_report().clean);
    assert_eq!(engine.open_report().commits_replayed, 1);
    assert_eq!(count(&engine), 1);
    put(&engine, b"l", b"w", Durability::Durable);
    drop(engine);
    assert_eq!(count(&Engine::open(backend, Options::default()).unwrap()), 2);
}

#[test]
fn a_commit_survives_a_crash_after_its_flush_under_every_law() {
    for personality in Personality::ALL {
        for seed in 0..16 {
            let world = Simulation::new(personality, seed);
            let engine = Engine::open(world.backend(), Options::default()).unwrap();
            put(&engine, b"durable", b"1", Durability::Durable);
            put(&engine, b"maybe", b"2", Durability::None);
            let crashed = world.crash(Variant(u32::try_from(seed).unwrap()));
            drop(engine);
            let engine = Engine::open(crashed.backend(), Options::default())
                .unwrap_or_else(|error| panic!("{personality:?} seed {seed}: {error}"));
            let snapshot = engine.snapshot().unwrap();
            assert!(snapshot.exists(b"durable").unwrap(), "{personality:?} seed {seed}");
        }
    }
}

#[test]
fn a_torn_tail_is_dropped_counted_and_never_appended_to() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    put(&engine, b"a", b"1", Durability::Durable);
    let wal = newest_wal(&backend);
    let before = read(&backend, &wal);
    put(&engine, b"b", b"2", Durability::Durable);
    drop(engine);
    // The last unit loses its second half, as a torn write would leave it.
    let after = read(&backend, &wal);
    let first = before.iter().zip(&after).position(|(a, b)| a != b).unwrap();
    let last = before.iter().zip(&after).rposition(|(a, b)| a != b).unwrap();
    let torn = first + (last - first) / 2;
    write(&backend, &wal, torn as u64, &vec![0; last + 1 - torn]);
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    assert!(engine.open_report().bytes_dropped > 0);
    assert_eq!(count(&engine), 1);
    assert!(!backend.directory.list("wal").unwrap().iter().any(|entry| wal.ends_with(&format!("/{}", entry.name))));
    put(&engine, b"c", b"3", Durability::Durable);
    drop(engine);
    assert_eq!(count(&Engine::open(backend, Options::default()).unwrap()), 2);
}

#[test]
fn damage_before_a_durable_mark_is_refused_with_its_place_and_nothing_is_touched() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    for key in [b"a", b"b", b"c"] {
        put(&engine, key, b"value", Durability::Durable);
    }
    drop(engine);
    let wal = newest_wal(&backend);
    let mut byte = read(&backend, &wal)[4096 + 50..][..1].to_vec();
    byte[0] ^= 1;
    write(&backend, &wal, 4096 + 50, &byte);
    let before = image(&backend);
    let error = Engine::open(backend.clone(), Options::default()).unwrap_err();
    let Error::Corrupt { damage: Damage::Damaged, file, offset: 4096, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*file, wal);
    assert!(image(&backend) == before, "a refused open must change nothing");
}

#[test]
fn any_damage_of_the_log_after_an_orderly_close_is_refused() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    put(&engine, b"a", b"value", Durability::Durable);
    engine.close().unwrap();
    let wal = newest_wal(&backend);
    let good = read(&backend, &wal);
    let end = good.iter().rposition(|byte| *byte != 0).unwrap();
    for offset in (4096..=end).step_by(5) {
        write(&backend, &wal, offset as u64, &[good[offset] ^ 0x40]);
        match Engine::open(backend.clone(), Options { read_only: true, ..Options::default() }) {
            Err(Error::Corrupt { file, .. }) => assert_eq!(file, wal),
            // Padding between units carries nothing.
            Ok(engine) => assert!(good[offset] == 0 && count(&engine) == 1, "byte {offset}"),
            Err(error) => panic!("byte {offset}: {error}"),
        }
        write(&backend, &wal, offset as u64, &[good[offset]]);
    }
}

#[test]
fn reading_only_replays_in_memory_and_writes_nothing() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    put(&engine, b"a", b"1", Durability::Durable);
    drop(engine);
    let before = image(&backend);
    let reader = Engine::open(backend.clone(), Options { read_only: true, ..Options::default() }).unwrap();
    let another = Engine::open(backend.clone(), Options { read_only: true, ..Options::default() }).unwrap();
    assert_eq!((count(&reader), count(&another)), (1, 1));
    assert!(matches!(reader.begin_write(), Err(Error::ReadOnly)));
    assert!(
        matches!(Engine::open(backend.clone(), Options::default()), Err(Error::Storage(_))),
        "readers hold the lock"
    );
    reader.close().unwrap();
    drop(another);
    assert!(image(&backend) == before);
    Engine::open(backend, Options::default()).unwrap();
}

#[test]
fn the_log_goes_on_over_many_files_and_comes_back_whole() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    for number in 0..60_u8 {
        put(&engine, &[1, number], &vec![number; 20_000], Durability::Durable);
    }
    put(&engine, b"\x02large", &vec![7; 3 << 20], Durability::Durable);
    assert!(engine.stats().wal_files > 2, "{:?}", engine.stats());
    drop(engine);
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    assert_eq!(engine.open_report().commits_replayed, 61);
    assert_eq!(count(&engine), 61);
    assert_eq!(engine.snapshot().unwrap().get(&[1, 59]).unwrap().unwrap().len(), 20_000);
    engine.close().unwrap();
    let engine = Engine::open(backend, Options::default()).unwrap();
    assert!(engine.open_report().clean);
    assert_eq!(count(&engine), 61);
}

#[test]
fn a_missing_file_of_the_log_is_named() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    for number in 0..60_u8 {
        put(&engine, &[1, number], &vec![number; 20_000], Durability::Durable);
    }
    drop(engine);
    let wal = newest_wal(&backend);
    backend.directory.remove(&wal).unwrap();
    let error = Engine::open(backend, Options::default()).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { damage: Damage::Missing, file, .. } if *file == wal), "{error:?}");
}

#[test]
fn a_long_log_goes_to_segments_once_it_is_recovered() {
    let backend = Backend::memory();
    let options = || Options { background: false, ..Options::default() };
    let engine = Engine::open(backend.clone(), options()).unwrap();
    for number in 0..120_u8 {
        put(&engine, &[1, number], &vec![number; 100_000], Durability::None);
    }
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&[1, 100], &[1, 110]).unwrap();
    transaction.add(b"\x02count", 7).unwrap();
    transaction.commit().unwrap();
    drop(engine);
    let engine = Engine::open(backend.clone(), options()).unwrap();
    assert_eq!(engine.open_report().commits_replayed, 121);
    // Not before the database is open, but before anything else.
    assert_eq!((engine.stats().memtables_frozen, engine.stats().segments), (1, 0));
    assert!(engine.maintain(20).is_ok() && engine.stats().segments > 0 && engine.stats().memtables_frozen == 0);
    assert_eq!(count(&engine), 111);
    put(&engine, b"\x03after", b"1", Durability::Durable);
    drop(engine);
    let engine = Engine::open(backend, options()).unwrap();
    assert_eq!((engine.open_report().commits_replayed, engine.open_report().wal_files), (1, 1));
    let snapshot = engine.snapshot().unwrap();
    assert_eq!((count(&engine), snapshot.counter(b"\x02count").unwrap()), (112, 7));
    assert_eq!(snapshot.sequence(), Sequence(122));
}

#[test]
fn without_a_thread_commits_keep_the_database_in_shape_themselves() {
    let options = Options { background: false, memtable_bytes: 32 * 1024, ..Options::default() };
    let engine = Engine::open(Backend::memory(), options).unwrap();
    for round in 0..3000_u32 {
        put(&engine, &(round.wrapping_mul(2_654_435_761)).to_be_bytes(), &[1; 200], Durability::None);
    }
    let stats = engine.stats();
    assert!(stats.compactions > 0 && stats.memtables_frozen <= 1, "{stats:?}");
    assert!(stats.level_segments.first().is_none_or(|level_0| *level_0 < 600), "{stats:?}");
}

/// Commits that were with the system and never flushed when their process ended, then a commit of the next process that
/// is durable, then the power fails. What no flush had vouched for must have been written again before.
#[test]
fn what_the_process_before_left_unflushed_is_not_relied_on() {
    let lazily = Durability::Grouped { interval_ms: 60_000 };
    let options = || Options { background: false, ..Options::default() };
    for personality in Personality::ALL {
        for variant in 0..24 {
            let world = Simulation::new(personality, 7);
            let engine = Engine::open(world.backend(), options()).unwrap();
            for number in 0..8_u8 {
                put(&engine, &[1, number], &[number; 300], if number % 3 == 0 { Durability::Durable } else { lazily });
            }
            drop(engine);
            let engine = Engine::open(world.backend(), options()).unwrap();
            assert_eq!(engine.last_sequence(), Sequence(8), "{personality:?}");
            put(&engine, &[2], b"durable", Durability::Durable);
            let crashed = world.crash(Variant(variant));
            drop(engine);
            let engine = Engine::open(crashed.backend(), options())
                .unwrap_or_else(|error| panic!("{personality:?} variant {variant}: {error}"));
            assert_eq!(engine.last_sequence(), Sequence(9), "{personality:?} variant {variant}");
            assert_eq!(count(&engine), 9);
            // And once more, from files of three sessions.
            put(&engine, &[3], b"durable", Durability::Durable);
            let crashed = crashed.crash(Variant(variant + 1));
            drop(engine);
            let engine = Engine::open(crashed.backend(), options()).unwrap();
            assert_eq!((engine.last_sequence(), count(&engine)), (Sequence(10), 10));
        }
    }
}

/// Opening after the end of a process costs what is not vouched for, and not what the log holds.
#[test]
fn what_was_flushed_before_the_process_ended_is_not_copied() {
    let backend = Backend::memory();
    let options = || Options { background: false, ..Options::default() };
    let engine = Engine::open(backend.clone(), options()).unwrap();
    for number in 0..100_u8 {
        put(&engine, &[1, number], &[number; 20_000], Durability::Durable);
    }
    drop(engine);
    for round in 0..3_u8 {
        let engine = Engine::open(backend.clone(), options()).unwrap();
        assert_eq!(count(&engine), 100 + u64::from(round));
        let units = read(&backend, &newest_wal(&backend));
        let copied = units.iter().skip(WAL_UNITS_AT).filter(|byte| **byte != 0).count();
        assert!(copied < 50_000, "round {round}: {copied} bytes were copied");
        put(&engine, &[2, round], b"more", Durability::Durable);
        drop(engine);
    }
    // The files of the sessions before go when their commits are in segments.
    let engine = Engine::open(backend.clone(), options()).unwrap();
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    assert_eq!(backend.directory.list("wal").unwrap().len(), 1);
    assert_eq!(count(&Engine::open(backend, options()).unwrap()), 103);
}
