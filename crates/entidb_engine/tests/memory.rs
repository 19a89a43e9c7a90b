//! The memory of a database has its bound, whatever is done with it, and is used for what the statistics say.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeMap;

use entidb_engine::{
    Compression, Direction, Durability, Engine, Error, KeyRange, MemoryUse, Options, Snapshot, VerifyLevel,
    ZonePolicies, ZonePolicy, successor_of_prefix,
};
use entidb_storage::Backend;

const BUDGET: u64 = 4 << 20;
const ENTRIES: u32 = 45_000;

/// Small blocks, so that a little data has many of them and large indexes.
fn options() -> Options {
    let policy = ZonePolicy { point_index: true, block_bytes: 4096, compression: Compression::None, expires: false };
    Options {
        memory_bytes: BUDGET,
        durability: Durability::None,
        zones: ZonePolicies::uniform(policy),
        segment_bytes: 256 << 10,
        ..Options::default()
    }
}

fn key(number: u32) -> [u8; 12] {
    let mut key = [1; 12];
    key[4..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

fn value(number: u32) -> [u8; 100] {
    let mut value = [number as u8; 100];
    value[..4].copy_from_slice(&number.to_be_bytes());
    value
}

fn load(engine: &Engine) {
    for batch in 0..ENTRIES / 100 {
        let mut transaction = engine.begin_write().unwrap();
        for number in batch * 100..(batch + 1) * 100 {
            transaction.put(&key(number), &value(number)).unwrap();
        }
        transaction.commit().unwrap();
        within_budget(engine, "load");
    }
}

/// The counts add up to no more than the budget and what the threads of a test hold at a moment.
fn within_budget(engine: &Engine, when: &str) -> MemoryUse {
    let used = engine.stats().memory;
    assert!(used.total() <= BUDGET + BUDGET / 10, "{when}: {used:?} is {} of {BUDGET} bytes", used.total());
    used
}

fn get(snapshot: &Snapshot, number: u32) {
    assert_eq!(snapshot.get(&key(number)).unwrap().as_deref(), Some(&value(number)[..]), "key {number}");
}

#[test]
fn memory_stays_in_its_budget_through_loads_reads_of_threads_scans_and_compaction() {
    let engine = Engine::open(Backend::memory(), options()).unwrap();
    load(&engine);
    let used = within_budget(&engine, "after the load");
    assert!(used.memtables > 0, "{used:?}");
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let engine = engine.clone();
            scope.spawn(move || {
                let snapshot = engine.snapshot().unwrap();
                for step in 0..3000_u32 {
                    get(&snapshot, (step * 7919 + thread * 31) % ENTRIES);
                    if step % 500 == 0 {
                        within_budget(&engine, "reads");
                    }
                }
            });
        }
    });
    let used = within_budget(&engine, "after the reads");
    assert!(used.blocks > BUDGET / 4 && used.indexes > 0, "{used:?}");
    for direction in [Direction::Forward, Direction::Reverse] {
        let snapshot = engine.snapshot().unwrap();
        let mut iter = snapshot.range(KeyRange::all(), direction).unwrap();
        let mut count = 0;
        while iter.advance().unwrap() {
            count += 1;
            if count % 5000 == 0 {
                within_budget(&engine, "a scan");
            }
        }
        assert_eq!(count, ENTRIES);
    }
    // The cache is full: what is written makes it smaller.
    load(&engine);
    engine.compact().unwrap();
    let used = within_budget(&engine, "after the compaction");
    assert_eq!(engine.stats().memtables_frozen, 0);
    assert!(used.memtables <= BUDGET / 2 && engine.stats().cache_bytes <= used.blocks, "{used:?}");
    assert!(engine.verify(VerifyLevel::Full).unwrap().is_clean());
    within_budget(&engine, "after the verification");
}

#[test]
fn values_that_are_kept_take_their_memory_from_the_cache() {
    let engine = Engine::open(Backend::memory(), options()).unwrap();
    load(&engine);
    let large = |number: u32| [&[1, 9][..], &number.to_be_bytes()].concat();
    let mut transaction = engine.begin_write().unwrap();
    for number in 0..100_u32 {
        transaction.put(&large(number), &[7; 3000]).unwrap();
    }
    transaction.commit().unwrap();
    engine.compact().unwrap();
    let snapshot = engine.snapshot().unwrap();
    let read_many = || (0..ENTRIES).step_by(11).for_each(|number| get(&snapshot, number));
    read_many();
    let before = engine.stats().cache_bytes;
    let held: Vec<_> = (0..100).map(|number| snapshot.get(&large(number)).unwrap().unwrap()).collect();
    // Pushed out of the cache, the blocks of these values are still in memory.
    read_many();
    let after = engine.stats().cache_bytes;
    assert!(after + 200_000 < before, "{after} bytes are cached beside the values, {before} without");
    within_budget(&engine, "with values kept");
    assert!(held.iter().all(|value| **value == [7; 3000]));
}

/// Blocks of 512 bytes: their indexes alone are more than the budget.
fn many_blocks() -> Options {
    let policy = ZonePolicy { point_index: true, block_bytes: 512, compression: Compression::None, expires: false };
    Options { memory_bytes: 1 << 20, zones: ZonePolicies::uniform(policy), ..options() }
}

#[test]
fn indexes_leave_memory_when_they_have_more_than_they_may_and_every_key_is_found() {
    let backend = Backend::memory();
    let indexes_max = (1_u64 << 20) / 16 * 5;
    // The index of a segment that is being read, and those of the next few until somebody looks.
    let bound = indexes_max + indexes_max / 4;
    let engine = Engine::open(backend.clone(), Options { background: false, ..many_blocks() }).unwrap();
    load_quietly(&engine);
    engine.compact().unwrap();
    let mut most = 0;
    let snapshot = engine.snapshot().unwrap();
    for step in 0..4000_u32 {
        get(&snapshot, step * 7919 % ENTRIES);
        most = most.max(engine.stats().memory.indexes);
    }
    assert!(most > indexes_max / 2 && most <= bound, "{most} bytes of indexes, {indexes_max} are meant to be");
    let absent = |number: u32| [&key(number)[..], &[0]].concat();
    assert!((0..500).all(|number| snapshot.get(&absent(number)).unwrap().is_none()));
    for direction in [Direction::Forward, Direction::Reverse] {
        let mut iter = snapshot.range(KeyRange::all(), direction).unwrap();
        let mut count = 0;
        while iter.advance().unwrap() {
            count += 1;
            if count % 100 == 0 {
                most = most.max(engine.stats().memory.indexes);
            }
        }
        assert_eq!(count, ENTRIES);
    }
    assert!(most <= bound, "{most} bytes of indexes in a scan, {indexes_max} are meant to be");
    drop(snapshot);
    engine.close().unwrap();
    // Who only reads has nobody who works in the background.
    let engine = Engine::open(backend, Options { read_only: true, ..many_blocks() }).unwrap();
    let snapshot = engine.snapshot().unwrap();
    for step in 0..2000_u32 {
        get(&snapshot, step * 7919 % ENTRIES);
        assert!(engine.stats().memory.indexes <= bound);
    }
}

/// A log that was written with much memory is opened with little: it goes to segments a piece at a time, and no commit, range
/// delete or addition is lost or done twice where one piece ends and the next begins.
#[test]
fn a_log_of_more_than_the_budget_is_opened_within_it() {
    for clean in [false, true] {
        let backend = Backend::memory();
        let plenty = || Options { auto_checkpoint: false, background: false, ..Options::default() };
        let engine = Engine::open(backend.clone(), plenty()).unwrap();
        let mut model = BTreeMap::new();
        for round in 0..600_u32 {
            let mut transaction = engine.begin_write().unwrap();
            let numbers = (0..20).map(|step| (round * 37 + step * 101) % 4000);
            for number in numbers {
                transaction.put(&key(number), &value(number + round)).unwrap();
                model.insert(key(number).to_vec(), value(number + round).to_vec());
            }
            if round % 7 == 3 {
                let (from, to) = (key(round * 3).to_vec(), successor_of_prefix(&key(round * 3)[..6]).unwrap());
                if from < to {
                    transaction.delete_range(&from, &to).unwrap();
                    model.retain(|key, _| *key < from || *key >= to);
                }
            }
            transaction.add(&[2], 1).unwrap();
            transaction.commit().unwrap();
        }
        if clean {
            engine.close().unwrap();
        } else {
            drop(engine);
        }
        let options = || Options { memory_bytes: 1 << 20, background: false, ..Options::default() };
        for round in 0..3 {
            let engine = Engine::open(backend.clone(), options()).unwrap();
            let stats = engine.stats();
            let used = stats.memory.total();
            assert!(used <= (1 << 20) * 11 / 10, "{clean} {round}: {:?}", stats.memory);
            assert_eq!((engine.open_report().commits_replayed > 0, stats.segments > 0), (round == 0, true));
            let snapshot = engine.snapshot().unwrap();
            assert_eq!((snapshot.counter(&[2]).unwrap(), snapshot.sequence().0), (600, 600));
            let found = snapshot.range(KeyRange::prefix(&[1]), Direction::Forward).unwrap();
            let found: BTreeMap<_, _> =
                found.map(|pair| pair.map(|(key, value)| (key, value.to_vec())).unwrap()).collect();
            assert!(found == model, "{clean} {round}: {} keys, {} wanted", found.len(), model.len());
        }
    }
}

/// It took as much memory as the log has, whatever was said about the budget.
#[test]
fn a_log_that_does_not_fit_the_budget_of_who_only_reads_is_refused() {
    let backend = Backend::memory();
    let plenty = || Options { background: false, ..Options::default() };
    let engine = Engine::open(backend.clone(), plenty()).unwrap();
    load_quietly(&engine);
    engine.flush().unwrap();
    drop(engine);
    let read_only = |memory_bytes| Options { read_only: true, memory_bytes, ..plenty() };
    let refused = Engine::open(backend.clone(), read_only(BUDGET));
    match &refused {
        Err(Error::TooLarge { what, size, limit }) => {
            assert!(what.contains("reading only") && size > limit && *limit < BUDGET, "{size} {limit}");
        }
        other => panic!("{other:?}"),
    }
    // With as much as the writer had it opens, and after a writer has been there, with little as well.
    let engine = Engine::open(backend.clone(), read_only(plenty().memory_bytes)).unwrap();
    get(&engine.snapshot().unwrap(), 7);
    drop(engine);
    Engine::open(backend.clone(), Options { memory_bytes: BUDGET, ..plenty() }).unwrap().close().unwrap();
    let engine = Engine::open(backend, read_only(BUDGET)).unwrap();
    get(&engine.snapshot().unwrap(), 7);
    within_budget(&engine, "reading only");
}

fn load_quietly(engine: &Engine) {
    for batch in 0..ENTRIES / 100 {
        let mut transaction = engine.begin_write().unwrap();
        for number in batch * 100..(batch + 1) * 100 {
            transaction.put(&key(number), &value(number)).unwrap();
        }
        transaction.commit().unwrap();
    }
}
