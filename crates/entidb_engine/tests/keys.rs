//! Keys of an open database: changed, added, removed, rotated and forgotten, with the data in place.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;

use entidb_engine::{Engine, Error, KdfParameters, KeySource, Options, Result, VerifyLevel};
use entidb_storage::simulated::{Personality, Simulation};
use entidb_storage::{Backend, SeededRandom};

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
            let after = frozen.crash(entidb_storage::simulated::Variant(variant));
            let engine = open_with(&after, Some(raw(1)), moment as u64 * 100 + u64::from(variant))
                .unwrap_or_else(|error| panic!("moment {moment} variant {variant}: {error}"));
            let found = count(&engine);
            assert!((20..=21).contains(&found), "moment {moment} variant {variant}: {found}");
        }
    }
}
