//! Keys of an open database: changed, added, removed, rotated and forgotten, with the data in place.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;

use entidb_engine::{Engine, Error, KdfParameters, KeySource, Options, Result, VerifyLevel};
use entidb_storage::simulated::{Personality, Simulation, Variant};
use entidb_storage::{Backend, Random, SeededRandom};

fn raw(byte: u8) -> KeySource {
    KeySource::raw([byte; 32])
}

fn open(world: &Simulation, key: KeySource) -> Result<Engine> {
    open_with(world, Some(key), 0)
}

fn open_with(world: &Simulation, key: Option<KeySource>, seed: u64) -> Result<Engine> {
    let kdf = KdfParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    let options = Options { key, kdf, allow_weak_kdf: true, background: false, ..Options::default() };
    // New randomness at every open, as on a real machine.
    let random = Arc::new(SeededRandom::new(world.calls() * 31 + seed));
    Engine::open(Backend { random, ..world.backend() }, options)
}

fn fill(engine: &Engine, session: u8) {
    for number in 0..20_u8 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&[b'e', session, number], &[number; 300]).unwrap();
        transaction.commit().unwrap();
    }
    engine.checkpoint().unwrap();
}

fn count(engine: &Engine) -> usize {
    let snapshot = engine.snapshot().unwrap();
    let found = snapshot.range(entidb_engine::KeyRange::all(), entidb_engine::Direction::Forward).unwrap().count();
    let report = engine.verify(VerifyLevel::Full).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    found
}

#[test]
fn a_changed_key_opens_and_the_old_one_does_not() {
    let world = Simulation::new(Personality::PosixStrict, 1);
    let engine = open(&world, raw(1)).unwrap();
    fill(&engine, 0);
    engine.change_key(&raw(1), &KeySource::password("new")).unwrap();
    engine.add_key(&KeySource::password("new"), &raw(2)).unwrap();
    engine.close().unwrap();
    assert!(matches!(open(&world, raw(1)), Err(Error::WrongKey)));
    for key in [KeySource::password("new"), raw(2)] {
        let engine = open(&world, key).unwrap();
        assert_eq!(count(&engine), 20);
        engine.close().unwrap();
    }
    let engine = open(&world, raw(2)).unwrap();
    engine.remove_key(&KeySource::password("new")).unwrap();
    assert!(matches!(engine.remove_key(&raw(2)), Err(Error::InvalidArgument { .. })));
    engine.close().unwrap();
    assert!(matches!(open(&world, KeySource::password("new")), Err(Error::WrongKey)));
}

#[test]
fn a_database_under_a_new_data_key_holds_what_it_held() {
    let world = Simulation::new(Personality::PosixStrict, 2);
    let engine = open(&world, raw(1)).unwrap();
    fill(&engine, 0);
    engine.rotate_key().unwrap();
    fill(&engine, 1);
    engine.checkpoint().unwrap();
    let snapshot = engine.snapshot().unwrap();
    let mut walk = snapshot.range(entidb_engine::KeyRange::all(), entidb_engine::Direction::Forward).unwrap();
    assert!(walk.advance().unwrap());
    assert!(!engine.rekey().unwrap(), "an iterator still reads files under the old key");
    assert_eq!(walk.count(), 39);
    assert!(engine.rekey().unwrap(), "a snapshot reads files under whichever key");
    assert_eq!(snapshot.range(entidb_engine::KeyRange::all(), entidb_engine::Direction::Forward).unwrap().count(), 40);
    assert_eq!(count(&engine), 40);
    engine.close().unwrap();
    let engine = open(&world, raw(1)).unwrap();
    assert_eq!(count(&engine), 40);
}

/// A file that had been made ahead of need under the old key was taken as the next one of the log: the newest commits went
/// on under the old key, which then could not be erased.
#[test]
fn the_log_goes_on_under_the_new_data_key_though_a_next_file_was_there() {
    let world = Simulation::new(Personality::PosixStrict, 4);
    let engine = open(&world, raw(1)).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"e", &[1; 200 * 1024]).unwrap();
    transaction.commit().unwrap();
    engine.maintain(100).unwrap();
    let files = || world.backend().directory.list("wal").unwrap().len();
    assert_eq!(files(), 2, "the current file and the next one");
    assert!(engine.rekey().unwrap(), "the old key is still needed");
    assert_eq!(count(&engine), 1);
    engine.close().unwrap();
    let engine = open(&world, raw(1)).unwrap();
    assert_eq!(count(&engine), 1);
}

/// After a crash at any call of rewriting everything under a new key, the database opens and has everything.
#[test]
fn a_new_data_key_survives_a_crash_at_every_call() {
    let world = Simulation::new(Personality::PosixStrict, 3);
    let engine = open(&world, raw(1)).unwrap();
    fill(&engine, 0);
    let moments = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = Arc::clone(&moments);
    world.observe(move |point| seen.lock().push(point.freeze()));
    engine.rekey().unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"e", b"after").unwrap();
    transaction.commit().unwrap();
    world.stop_observing();
    let moments = moments.lock();
    assert!(moments.len() > 5);
    for (moment, frozen) in moments.iter().enumerate() {
        for variant in 0..12 {
            let after = frozen.crash(Variant(variant));
            let engine = open_with(&after, Some(raw(1)), moment as u64 * 100 + u64::from(variant))
                .unwrap_or_else(|error| panic!("moment {moment} variant {variant}: {error}"));
            let found = count(&engine);
            assert!((20..=21).contains(&found), "moment {moment} variant {variant}: {found}");
        }
    }
}

/// An encrypted database that has filled its disk, and how many entries it has.
fn full() -> (Simulation, Engine, u64) {
    let world = Simulation::new(Personality::Ext4Ordered, 5);
    world.set_capacity_bytes(Some(4 << 20));
    let engine = open_small(&world, raw(1), false).unwrap();
    let mut kept = 0;
    for number in 0_u64.. {
        let mut transaction = engine.begin_write().unwrap();
        let mut value = [0; 1000];
        SeededRandom::new(number).fill(&mut value).unwrap();
        transaction.put(&[&[1][..], &number.to_be_bytes()].concat(), &value).unwrap();
        match transaction.commit() {
            Ok(_) => kept += 1,
            Err(error) => {
                assert!(error.is_no_space(), "{error}");
                break;
            }
        }
    }
    (world, engine, kept)
}

fn open_small(world: &Simulation, key: KeySource, read_only: bool) -> Result<Engine> {
    let kdf = KdfParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    let options = Options {
        key: Some(key),
        kdf,
        allow_weak_kdf: true,
        background: false,
        memory_bytes: 1 << 20,
        memtable_bytes: 64 * 1024,
        wal_bytes: 256 * 1024,
        segment_bytes: 64 * 1024,
        read_only,
        ..Options::default()
    };
    let random = Arc::new(SeededRandom::new(world.calls() * 31));
    Engine::open(Backend { random, ..world.backend() }, options)
}

/// There an overwrite needs room, and the keyring did not ask the reserve for it.
#[test]
fn keys_change_on_a_full_disk_that_copies_overwrites_with_room_from_the_reserve() {
    let (world, engine, kept) = full();
    world.set_copies_overwrites(true);
    world.set_capacity_bytes(Some(world.used_bytes()));
    let reserve = engine.stats().reserve_bytes;
    engine.add_key(&raw(1), &raw(2)).unwrap();
    engine.change_key(&raw(1), &raw(3)).unwrap();
    engine.remove_key(&raw(2)).unwrap();
    assert!(engine.stats().reserve_bytes < reserve);
    assert_eq!(engine.keys().unwrap().len(), 1);
    assert_eq!(count(&engine), kept as usize);
    drop(engine);
    assert!(matches!(open_small(&world, raw(1), true), Err(Error::WrongKey)));
    assert_eq!(count(&open_small(&world, raw(3), true).unwrap()), kept as usize);
}

/// What finds no room is refused as such, and the keys of before open what they opened.
#[test]
fn a_change_of_keys_without_any_room_is_refused_and_leaves_the_keys_as_they_were() {
    let (world, engine, kept) = full();
    let changes: [fn(&Engine) -> Result<()>; 4] = [
        |engine| engine.add_key(&raw(1), &raw(2)),
        |engine| engine.change_key(&raw(1), &raw(2)),
        |engine| engine.remove_key(&raw(4)),
        |engine| engine.rotate_key(),
    ];
    engine.add_key(&raw(1), &raw(4)).unwrap();
    world.lose_file("RESERVE");
    world.set_copies_overwrites(true);
    world.set_capacity_bytes(Some(world.used_bytes()));
    for (number, change) in changes.into_iter().enumerate() {
        let error = change(&engine).unwrap_err();
        assert!(error.is_no_space(), "{number}: {error}");
        assert_eq!(engine.keys().unwrap().len(), 2);
        for variant in 0..3 {
            let after = world.crash(Variant(variant));
            for key in [raw(1), raw(4)] {
                assert_eq!(count(&open_small(&after, key, true).unwrap()), kept as usize);
            }
            assert!(matches!(open_small(&after, raw(2), true), Err(Error::WrongKey)), "{number}, {variant}");
        }
    }
    world.set_capacity_bytes(Some(8 << 20));
    changes.into_iter().for_each(|change| change(&engine).or_else(allow_wrong_key).unwrap());
}

/// The key was changed just before.
fn allow_wrong_key(error: Error) -> Result<()> {
    if matches!(error, Error::WrongKey | Error::InvalidArgument { .. }) { Ok(()) } else { Err(error) }
}

/// The log found no room to go on under the new key, and each call that was refused for that left a data key: after 180 the
/// keyring was full.
#[test]
fn a_rotation_that_is_refused_on_a_full_disk_leaves_no_data_key() {
    let (world, engine, kept) = full();
    world.lose_file("RESERVE");
    world.set_capacity_bytes(Some(world.used_bytes()));
    for overstated in [0, 64 << 20] {
        // As the quota of a user: then the room shows to be missing only when the key is made.
        world.set_overstated_bytes(overstated);
        for _ in 0..200 {
            let error = engine.rotate_key().unwrap_err();
            assert!(error.is_no_space(), "{error}");
        }
    }
    assert_eq!(count(&engine), kept as usize);
    world.set_overstated_bytes(0);
    world.set_capacity_bytes(Some(8 << 20));
    engine.rotate_key().unwrap();
    drop(engine);
    assert_eq!(count(&open_small(&world, raw(1), false).unwrap()), kept as usize);
}
