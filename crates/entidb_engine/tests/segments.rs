//! The database when its data has left the log for segments.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeMap;

use entidb_engine::{Direction, Durability, Engine, KeyRange, KeySource, Options};
use entidb_storage::simulated::{Personality, Simulation, Variant};
use entidb_storage::{Backend, SeededRandom};

fn small() -> Options {
    Options { memtable_bytes: 64 * 1024, durability: Durability::None, ..Options::default() }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn assert_same(engine: &Engine, model: &Model, what: &str) {
    let snapshot = engine.snapshot().unwrap();
    let found: Vec<(Vec<u8>, Vec<u8>)> = snapshot
        .range(KeyRange::all(), Direction::Forward)
        .unwrap()
        .map(|entry| entry.map(|(key, value)| (key, value.to_vec())).unwrap())
        .collect();
    let expected: Vec<(Vec<u8>, Vec<u8>)> = model.clone().into_iter().collect();
    assert!(found == expected, "{what}: {} keys found, {} expected", found.len(), expected.len());
    let mut backward: Vec<Vec<u8>> =
        snapshot.range(KeyRange::all(), Direction::Reverse).unwrap().map(|entry| entry.unwrap().0).collect();
    backward.reverse();
    assert!(backward.iter().eq(model.keys()), "{what}: backward");
    for (key, value) in model {
        assert_eq!(snapshot.get(key).unwrap().as_deref(), Some(value.as_slice()), "{what}: {key:?}");
    }
}

/// A random transaction on the engine and the model.
fn transact(engine: &Engine, model: &mut Model, random: &SeededRandom) {
    let mut transaction = engine.begin_write().unwrap();
    for _ in 0..=random.below(20) {
        let key = [u8::try_from(1 + random.below(3)).unwrap(), u8::try_from(random.below(256)).unwrap(), 7].to_vec();
        match random.below(10) {
            0 => {
                transaction.delete(&key).unwrap();
                model.remove(&key);
            }
            1 => {
                let mut end = key.clone();
                if let Some(byte) = end.get_mut(1) {
                    *byte = byte.saturating_add(5);
                }
                if key < end {
                    transaction.delete_range(&key, &end).unwrap();
                    model.retain(|held, _| !(*held >= key && *held < end));
                }
            }
            2 => {
                let counter = [9, u8::try_from(random.below(8)).unwrap()].to_vec();
                transaction.add(&counter, 3).unwrap();
                let before =
                    model.get(&counter).map_or(0, |value| i64::from_le_bytes(value.as_slice().try_into().unwrap()));
                model.insert(counter, (before + 3).to_le_bytes().to_vec());
            }
            _ => {
                let value = vec![u8::try_from(random.below(256)).unwrap(); usize::try_from(random.below(300)).unwrap()];
                transaction.put(&key, &value).unwrap();
                model.insert(key, value);
            }
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn a_database_equals_its_model_through_flushes_and_reopens() {
    for (seed, key) in [(1, None), (2, Some([3; 32]))] {
        let backend = Backend::memory();
        let random = SeededRandom::new(seed);
        let mut model = Model::new();
        let options = || Options { key: key.map(KeySource::raw), background: seed == 1, ..small() };
        let mut engine = Engine::open(backend.clone(), options()).unwrap();
        for round in 0..1500 {
            transact(&engine, &mut model, &random);
            match random.below(150) {
                0 => {
                    engine.checkpoint().unwrap();
                }
                4 => engine.compact().unwrap(),
                5 => engine.compact_range([2].as_slice()..[3].as_slice()).unwrap(),
                1 => {
                    engine.close().unwrap();
                    engine = Engine::open(backend.clone(), options()).unwrap();
                    assert!(engine.open_report().clean);
                }
                2 => {
                    engine.flush().unwrap();
                    drop(engine);
                    engine = Engine::open(backend.clone(), options()).unwrap();
                }
                3 => assert_same(&engine, &model, &format!("seed {seed} round {round}")),
                _ => {}
            }
        }
        assert_same(&engine, &model, &format!("seed {seed} at the end"));
        let stats = engine.stats();
        assert!(stats.segments > 0 && stats.compactions > 0, "{stats:?}");
        engine.compact().unwrap();
        assert_same(&engine, &model, &format!("seed {seed} after the last compaction"));
        engine.close().unwrap();
        let engine = Engine::open(backend.clone(), options()).unwrap();
        let files = backend.directory.list("seg").unwrap().len() as u64;
        assert_eq!((files, engine.open_report().orphans_removed), (engine.stats().segments, 0));
    }
}

#[test]
fn a_checkpoint_empties_the_log_and_gives_its_files_back() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), small()).unwrap();
    for number in 0..200_u8 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&[1, number], &[number; 5000]).unwrap();
        transaction.commit().unwrap();
    }
    engine.checkpoint().unwrap();
    let stats = engine.stats();
    assert_eq!((stats.wal_files, stats.wal_bytes, stats.memtables_frozen), (1, 0, 0), "{stats:?}");
    drop(engine);
    let engine = Engine::open(backend, small()).unwrap();
    assert_eq!(engine.open_report().commits_replayed, 0);
    assert_eq!(engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap(), 200);
}

#[test]
fn a_snapshot_keeps_what_it_sees_through_flushes() {
    let engine = Engine::open(Backend::memory(), small()).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"k", b"old").unwrap();
    transaction.commit().unwrap();
    let snapshot = engine.snapshot().unwrap();
    for round in 0..3_u8 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(b"k", &[round]).unwrap();
        transaction.delete_range(b"k", b"l").unwrap();
        transaction.commit().unwrap();
        engine.checkpoint().unwrap();
    }
    assert_eq!(snapshot.get(b"k").unwrap().as_deref(), Some(b"old".as_slice()));
    assert!(!engine.snapshot().unwrap().exists(b"k").unwrap());
}

#[test]
fn a_crash_at_any_time_leaves_a_prefix_of_commits() {
    for seed in 0..60 {
        let personality = Personality::ALL.into_iter().cycle().nth(usize::try_from(seed).unwrap()).unwrap();
        let world = Simulation::new(personality, seed);
        let random = SeededRandom::new(seed);
        let engine = Engine::open(world.backend(), small()).unwrap();
        let mut models = vec![Model::new()];
        let mut durable = 0;
        for _ in 0..=random.below(120) {
            let mut model = models.last().unwrap().clone();
            transact(&engine, &mut model, &random);
            models.push(model);
            match random.below(20) {
                0 => {
                    engine.checkpoint().unwrap();
                }
                1 => {
                    engine.maintain(3).unwrap();
                }
                3 => engine.compact().unwrap(),
                2 => engine.flush().unwrap(),
                _ => {}
            }
            durable = engine.durable_sequence().0;
        }
        let crashed = world.crash(Variant(u32::try_from(seed).unwrap()));
        drop(engine);
        let engine = Engine::open(crashed.backend(), small()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = engine.last_sequence().0;
        assert!(found >= durable, "seed {seed}: durable {durable}, found {found}");
        let model = models.get(usize::try_from(found).unwrap()).unwrap();
        assert_same(&engine, model, &format!("seed {seed} {personality:?} at {found}"));
    }
}

#[test]
fn compaction_removes_what_nobody_can_read_and_nothing_else() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options { background: false, ..small() }).unwrap();
    let write = |value: u8| {
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..200_u8 {
            transaction.put(&[1, number], &[value; 400]).unwrap();
        }
        transaction.commit().unwrap();
    };
    write(1);
    engine.checkpoint().unwrap();
    let snapshot = engine.snapshot().unwrap();
    for value in 2..10 {
        write(value);
        engine.checkpoint().unwrap();
    }
    engine.compact().unwrap();
    let kept = engine.stats();
    assert!(kept.versions_removed >= 200 * 7, "{kept:?}");
    assert_eq!(snapshot.get(&[1, 7]).unwrap().as_deref(), Some([1; 400].as_slice()));
    drop(snapshot);
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&[1], &[2]).unwrap();
    transaction.commit().unwrap();
    engine.compact().unwrap();
    assert_eq!(engine.stats().segments, 0, "{:?}", engine.stats());
    engine.maintain(10).unwrap();
    assert!(backend.directory.list("seg").unwrap().is_empty());
    assert_eq!(engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap(), 0);
}

#[test]
fn many_zones_with_few_runs_each_never_make_a_writer_wait_for_ever() {
    for background in [false, true] {
        let engine = Engine::open(Backend::memory(), Options { background, ..small() }).unwrap();
        for zone in 1..=120_u8 {
            let mut transaction = engine.begin_write().unwrap();
            transaction.put(&[zone, 1], &[zone; 300]).unwrap();
            transaction.commit().unwrap();
            engine.checkpoint().unwrap();
        }
        assert_eq!(engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap(), 120);
    }
}
