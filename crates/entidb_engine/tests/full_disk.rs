//! What works on a disk that is full or nearly so, one claim each. The cycles of filling and emptying are in the testkit.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

mod gated;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, Options, VerifyLevel};
use entidb_storage::simulated::{Dice, Fault, FaultKind, Personality, Simulation, Variant};
use entidb_storage::{ErrorKind, Operation};
use gated::gated;

fn small() -> Options {
    Options {
        background: false,
        memory_bytes: 1 << 20,
        memtable_bytes: 64 * 1024,
        wal_bytes: 256 * 1024,
        segment_bytes: 64 * 1024,
        ..Options::default()
    }
}

fn key(number: u64) -> Vec<u8> {
    [&[1][..], &number.to_be_bytes()].concat()
}

/// Bytes that no compression makes fewer.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    (0..bytes.div_ceil(8)).flat_map(|_| dice.throw().to_le_bytes()).take(bytes).collect()
}

/// Puts these keys with values of 1,000 bytes, in commits of ten.
fn fill(engine: &Engine, numbers: impl IntoIterator<Item = u64>, seed: u64) {
    let numbers: Vec<u64> = numbers.into_iter().collect();
    for some in numbers.chunks(10) {
        let mut transaction = engine.begin_write().unwrap();
        for number in some {
            transaction.put(&key(*number), &noise(seed ^ *number, 1000)).unwrap();
        }
        transaction.commit_with(Durability::Durable).unwrap();
    }
}

/// Finds exactly the keys that `wanted` has a seed for, each with its value.
fn check(engine: &Engine, keys: u64, wanted: impl Fn(u64) -> Option<u64>) {
    let snapshot = engine.snapshot().unwrap();
    let mut range = snapshot.range(KeyRange::all(), Direction::Forward).unwrap();
    for number in 0..keys {
        let Some(seed) = wanted(number) else { continue };
        assert!(range.advance().unwrap(), "key {number} is gone");
        assert_eq!((range.key(), range.value()), (&key(number)[..], &noise(seed ^ number, 1000)[..]), "key {number}");
    }
    assert!(!range.advance().unwrap());
}

/// It was one rewrite of everything, which needs as much room again as the database has.
#[test]
fn a_compaction_of_everything_needs_room_for_a_few_segments_however_large_the_database_is() {
    let world = Simulation::new(Personality::Ext4Ordered, 3);
    let engine = Engine::open(world.backend(), small()).unwrap();
    fill(&engine, 0..8_000, 1);
    while engine.maintain(64).unwrap() {}
    // Half of it is new, so that compaction has to look at all of it.
    fill(&engine, (0..8_000).step_by(2), 2);
    engine.checkpoint().unwrap();
    while engine.maintain(64).unwrap() {}
    let used = world.used_bytes();
    assert!(used > 6 << 20, "{used}");
    world.set_capacity_bytes(Some(used + (768 << 10)));
    engine.compact().unwrap();
    assert!(world.used_bytes() < used + (1 << 20), "{} of {used} bytes are left", world.used_bytes());
    let seed = |number: u64| Some(if number.is_multiple_of(2) { 2 } else { 1 });
    check(&engine, 8_000, seed);
    assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty());
    drop(engine);
    let engine = Engine::open(world.backend(), small()).unwrap();
    check(&engine, 8_000, seed);
}

/// The same while commits and their memtables come in between.
#[test]
fn a_compaction_in_parts_ends_though_new_data_comes_all_the_while() {
    let world = Simulation::new(Personality::Ext4Ordered, 4);
    let engine = Engine::open(world.backend(), small()).unwrap();
    fill(&engine, 0..4_000, 1);
    while engine.maintain(64).unwrap() {}
    let other = engine.clone();
    let mut turn = 0_u64;
    std::thread::scope(|scope| {
        let compaction = scope.spawn(|| engine.compact());
        while !compaction.is_finished() {
            fill(&other, (0..4_000).filter(|number| number % 40 == turn % 40), 2 + turn / 40);
            turn += 1;
            assert!(turn < 4_000, "compaction does not end");
        }
        compaction.join().unwrap().unwrap();
    });
    let seed = |number: u64| {
        // The last turn whose keys it was one of.
        let last = (0..turn).rev().find(|turn| number % 40 == turn % 40);
        Some(last.map_or(1, |turn| 2 + turn / 40))
    };
    check(&engine, 4_000, seed);
}

/// A database that fills its disk and has a reserve.
fn full() -> (Simulation, u64) {
    let world = Simulation::new(Personality::Ext4Ordered, 5);
    world.set_capacity_bytes(Some(4 << 20));
    let engine = Engine::open(world.backend(), small()).unwrap();
    let mut kept = 0;
    for number in 0.. {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&key(number), &noise(1 ^ number, 1000)).unwrap();
        match transaction.commit_with(Durability::Durable) {
            Ok(_) => kept = number + 1,
            Err(error) => {
                assert!(is_no_space(&error), "{error}");
                break;
            }
        }
    }
    assert!(engine.stats().reserve_bytes >= 64 << 10, "{:?}", engine.stats());
    check(&engine, kept, |_| Some(1));
    (world, kept)
}

fn is_no_space(error: &Error) -> bool {
    error.is_no_space()
}

/// A new log file and a new manifest are made before anything of the old session goes, so it did not open.
#[test]
fn a_database_whose_disk_is_full_to_the_last_byte_opens_for_writing_and_deletes() {
    let (world, kept) = full();
    world.set_capacity_bytes(Some(world.used_bytes()));
    let engine = Engine::open(world.backend(), small()).unwrap();
    check(&engine, kept, |_| Some(1));
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&key(0), &key(kept / 2)).unwrap();
    transaction.commit().unwrap();
    engine.compact().unwrap();
    check(&engine, kept, |number| (number >= kept / 2).then_some(1));
    fill(&engine, 0..10, 2);
    while engine.maintain(16).unwrap() {}
    assert!(engine.stats().reserve_bytes >= 64 << 10, "the reserve is back");
}

#[test]
fn a_database_that_finds_no_room_to_open_is_left_as_it_was_and_can_be_read() {
    let (world, kept) = full();
    assert!(world.lose_file("RESERVE"));
    // So little that what nobody lists, and goes first, is no help.
    world.set_capacity_bytes(Some(world.used_bytes() / 2));
    let open = || Engine::open(world.backend(), small()).map(|_| ()).unwrap_err();
    assert!(is_no_space(&open()), "{}", open());
    let before = world.file_names();
    assert!(is_no_space(&open()), "{}", open());
    assert_eq!(world.file_names(), before);
    let engine = Engine::open(world.backend(), Options { read_only: true, ..small() }).unwrap();
    check(&engine, kept, |_| Some(1));
    drop(engine);
    world.set_capacity_bytes(Some(world.used_bytes() + (64 << 10)));
    check(&Engine::open(world.backend(), small()).unwrap(), kept, |_| Some(1));
}

/// What the first try made came back after a crash beside what the second one made, and together they looked like the files of a
/// database that lost ROOT.
#[test]
fn a_making_that_finds_no_room_leaves_a_folder_to_make_a_database_in() {
    let small = || Options { memory_bytes: 1 << 20, memtable_bytes: 16 << 10, wal_bytes: 64 << 10, ..small() };
    let made = Simulation::new(Personality::PosixStrict, 11);
    drop(Engine::open(made.backend(), small()).unwrap());
    for call in 0..made.calls() {
        for kind in [FaultKind::NoSpace, FaultKind::NoSpaceAtFlush] {
            let world = Simulation::new(Personality::PosixStrict, 11);
            world.inject(Fault::onward(kind, call));
            let opened = Engine::open(world.backend(), small()).map(drop);
            for variant in 0..48 {
                let after = world.crash(Variant(variant));
                if let Err(error) = Engine::open(after.backend(), small()) {
                    panic!("{kind:?} from call {call} on ({opened:?}), variant {variant}: {error}");
                }
            }
        }
    }
}

/// Each try to merge wrote what there was room for, failed, and removed it again.
#[test]
fn a_full_disk_is_not_written_again_and_again_for_nothing() {
    let (world, kept) = full();
    let engine = Engine::open(world.backend(), small()).unwrap();
    let written = || -> u64 {
        let calls = world.trace();
        let writes = calls.iter().filter(|call| matches!(call.operation, Operation::Write | Operation::Preallocate));
        writes.map(|call| call.len).sum()
    };
    let mut number = kept;
    let mut refused = |times: usize| {
        // The background may still make some room, which is then used up.
        let mut refused = 0;
        for _ in 0..5_000 {
            let mut transaction = engine.begin_write().unwrap();
            transaction.put(&key(number), &noise(9, 1_000)).unwrap();
            match transaction.commit() {
                Ok(_) => number += 1,
                Err(error) => {
                    assert!(is_no_space(&error), "{error}");
                    refused += 1;
                    let _either_way = engine.maintain(8);
                    world.clock().advance_nanos(100_000_000);
                }
            }
            if refused == times {
                return;
            }
        }
        panic!("the disk never gets full");
    };
    refused(50);
    let before = written();
    refused(200);
    let written = written() - before;
    assert!(written < 4 << 20, "{written} bytes for 200 refused commits");
}

/// A transaction that becomes segments is its record in the manifest. That found no room, nor did the fresh manifest that was to
/// settle that it is not there, and writing stopped; its segments stayed on the full disk. What found no room is not there.
#[test]
fn a_transaction_whose_record_finds_no_room_is_refused_and_leaves_nothing() {
    let world = Simulation::new(Personality::Ext4Ordered, 6);
    let full = Arc::new(AtomicBool::new(false));
    let is_full = Arc::clone(&full);
    let backend = gated(&world.backend(), move |operation, name| {
        let writes = matches!(operation, Operation::Write | Operation::Open) && name.starts_with("manifest/");
        (writes && is_full.load(Ordering::Relaxed)).then_some(ErrorKind::NoSpace)
    });
    let engine = Engine::open(backend, small()).unwrap();
    fill(&engine, 0..50, 1);
    engine.checkpoint().unwrap();
    let before = world.file_names();
    for _ in 0..3 {
        full.store(true, Ordering::Relaxed);
        let mut transaction = engine.begin_write().unwrap();
        (0..50).for_each(|number| transaction.put(&key(number), &noise(2 ^ number, 1000)).unwrap());
        let error = transaction.commit().unwrap_err();
        assert!(is_no_space(&error), "{error:?}");
        full.store(false, Ordering::Relaxed);
        assert_eq!(world.file_names().len(), before.len());
        check(&engine, 50, |_| Some(1));
    }
    // Writing goes on by itself, with the sequence of the one that was refused.
    fill(&engine, 0..10, 3);
    engine.compact().unwrap();
    let seed = |number| Some(if number < 10 { 3 } else { 1 });
    check(&engine, 50, seed);
    drop(engine);
    check(&Engine::open(world.backend(), small()).unwrap(), 50, seed);
}

/// What was deleted was in memory alone, and the memtable was far from full: merging had nothing to give back, nothing got in
/// any more that would have filled it, and a disk full of deleted data stayed full.
#[test]
fn a_full_disk_whose_data_is_deleted_takes_new_data_by_itself() {
    let (world, kept) = full();
    let engine = Engine::open(world.backend(), small()).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&key(0), &key(kept)).unwrap();
    transaction.commit().unwrap();
    for number in kept..kept + 2_000 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&key(number), &noise(1 ^ number, 1_000)).unwrap();
        transaction.commit().unwrap();
    }
    check(&engine, kept + 2_000, |number| (number >= kept).then_some(1));
}

/// Before each piece there had to be room for all of the memtable, although the pieces before had taken their part of it: a flush
/// that had written more than was left never went on, and kept what it had taken.
#[test]
fn a_flush_in_pieces_ends_when_there_is_room_for_all_of_it_once() {
    let world = Simulation::new(Personality::Ext4Ordered, 7);
    let options = Options { memtable_bytes: 20 << 20, memory_bytes: 256 << 20, auto_checkpoint: false, ..small() };
    let engine = Engine::open(world.backend(), options).unwrap();
    for number in 0..32 {
        if number == 17 {
            world.set_capacity_bytes(Some(world.used_bytes() + (30 << 20)));
        }
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&key(number), &noise(number, 1 << 20)).unwrap();
        transaction.commit().unwrap();
        if engine.stats().memtables_frozen > 0 {
            break;
        }
    }
    assert_eq!((engine.stats().memtables_frozen, engine.stats().memtable_flushes), (1, 0));
    for _ in 0..20 {
        engine.maintain(1).unwrap();
    }
    assert_eq!((engine.stats().memtables_frozen, engine.stats().memtable_flushes), (0, 1));
}

/// A record of the manifest and of a close needs no room on the disk, and what is deleted in memory alone is written when others
/// take the room, though nothing was refused.
#[test]
fn what_is_deleted_when_others_take_all_room_at_once_makes_room_by_itself() {
    let world = Simulation::new(Personality::Ext4Ordered, 8);
    world.set_capacity_bytes(Some(4 << 20));
    let engine =
        Engine::open(world.backend(), Options { memtable_bytes: 1 << 20, wal_bytes: 1 << 20, ..small() }).unwrap();
    while engine.maintain(16).unwrap() {}
    // More than the reserve takes, and less than the log does.
    fill(&engine, 0..300, 1);
    world.set_capacity_bytes(Some(world.used_bytes()));
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&key(0), &key(300)).unwrap();
    transaction.commit().unwrap();
    while engine.maintain(16).unwrap() {}
    fill(&engine, 0..100, 2);
    check(&engine, 100, |_| Some(2));
    engine.close().unwrap();
    check(&Engine::open(world.backend(), small()).unwrap(), 100, |_| Some(2));
}

/// On a file system that copies on write, zeros written ahead promise no room: the write of a commit into the log failed, which
/// stops all writing until the database is opened anew.
#[test]
fn a_full_disk_that_copies_overwrites_stops_no_writing_and_takes_deletions() {
    let world = Simulation::new(Personality::Ext4Ordered, 11);
    world.set_copies_overwrites(true);
    world.set_capacity_bytes(Some(4 << 20));
    let engine = Engine::open(world.backend(), small()).unwrap();
    fill(&engine, 0..500, 1);
    while engine.maintain(16).unwrap() {}
    let put = |engine: &Engine, number| {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&key(number), &noise(1 ^ number, 1000)).unwrap();
        transaction.commit()
    };
    // The files of the log have room for some of these.
    world.set_capacity_bytes(Some(world.used_bytes()));
    let mut kept = 500;
    let error = loop {
        match put(&engine, kept) {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 3_000, "the disk never gets full");
    };
    assert!(is_no_space(&error), "{error:?}");
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&key(0), &key(400)).unwrap();
    transaction.commit().unwrap();
    engine.checkpoint().unwrap();
    while engine.maintain(16).unwrap() {}
    fill(&engine, 0..100, 1);
    engine.close().unwrap();
    // Full to the last byte it opens, as ROOT is written again there.
    world.set_capacity_bytes(Some(world.used_bytes()));
    let engine = Engine::open(world.backend(), small()).unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert!((400..kept).chain(0..100).all(|number| snapshot.get(&key(number)).unwrap().is_some()));
    assert!((100..400).all(|number| snapshot.get(&key(number)).unwrap().is_none()));
    drop(snapshot);
    engine.close().unwrap();
}
