//! Readers, writers and background work at the same time.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, Options};
use entidb_storage::{Backend, SeededRandom};

const ACCOUNTS: u64 = 40;
const START: i64 = 1000;

/// Accounts lie in two zones, so that segments of several zones take part in every transfer.
fn account(number: u64) -> [u8; 3] {
    [if number.is_multiple_of(2) { 1 } else { 2 }, u8::try_from(number).unwrap(), 0]
}

fn transfer(engine: &Engine, random: &SeededRandom) -> Result<(), Error> {
    let (from, to) = (account(random.below(ACCOUNTS)), account(random.below(ACCOUNTS)));
    let amount = i64::try_from(random.below(50)).unwrap();
    let mut transaction = engine.begin_write()?;
    if random.below(3) == 0 {
        // As counters, without reading.
        transaction.add(&from, -amount)?;
        transaction.add(&to, amount)?;
    } else {
        let left = transaction.counter(&from)? - amount;
        transaction.put(&from, &left.to_le_bytes())?;
        let right = transaction.counter(&to)? + amount;
        transaction.put(&to, &right.to_le_bytes())?;
    }
    // Weight, so that memtables fill, and deletions, so that compaction has work.
    let ballast = [3, u8::try_from(random.below(64)).unwrap()];
    transaction.put(&ballast, &vec![7; usize::try_from(random.below(2000)).unwrap()])?;
    if random.below(20) == 0 {
        transaction.delete_range(&[3, 0], &[3, 200])?;
    }
    let durability = if random.below(4) == 0 { Durability::Durable } else { Durability::None };
    transaction.commit_with(durability)?;
    Ok(())
}

#[test]
fn money_is_neither_made_nor_lost_in_any_snapshot() {
    let backend = Backend::memory();
    let options = || Options { memtable_bytes: 32 * 1024, segment_bytes: 64 * 1024, ..Options::default() };
    let engine = Engine::open(backend.clone(), options()).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    for number in 0..ACCOUNTS {
        transaction.put(&account(number), &START.to_le_bytes()).unwrap();
    }
    transaction.commit().unwrap();
    let total = START * i64::try_from(ACCOUNTS).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|seed| {
                let engine = engine.clone();
                scope.spawn(move || {
                    let random = SeededRandom::new(seed);
                    (0..1500).for_each(|_| transfer(&engine, &random).unwrap());
                })
            })
            .collect();
        for seed in 10..13 {
            let (engine, done) = (engine.clone(), &done);
            scope.spawn(move || {
                let random = SeededRandom::new(seed);
                let mut held = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    held.push(engine.snapshot().unwrap());
                    if held.len() > 4 {
                        held.swap_remove(usize::try_from(random.below(5)).unwrap());
                    }
                    for snapshot in &held {
                        let by_key: i64 = (0..ACCOUNTS).map(|number| snapshot.counter(&account(number)).unwrap()).sum();
                        assert_eq!(by_key, total, "at {}", snapshot.sequence());
                        let direction = if random.below(2) == 0 { Direction::Forward } else { Direction::Reverse };
                        let range = KeyRange::from([1].as_slice()..[3].as_slice());
                        let entries = snapshot.range(range, direction).unwrap();
                        let by_scan: i64 = entries
                            .map(|entry| i64::from_le_bytes(entry.unwrap().1.as_bytes().try_into().unwrap()))
                            .sum();
                        assert_eq!(by_scan, total, "at {} {direction:?}", snapshot.sequence());
                    }
                }
            });
        }
        let (compacting, done_too) = (engine.clone(), &done);
        scope.spawn(move || {
            while !done_too.load(Ordering::Relaxed) {
                compacting.compact().unwrap();
                compacting.checkpoint().unwrap();
            }
        });
        let joined: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(joined.iter().all(Result::is_ok), "a writer failed");
    });
    assert_eq!(engine.last_sequence().0, 4501);
    engine.close().unwrap();
    let engine = Engine::open(backend, options()).unwrap();
    let snapshot = engine.snapshot().unwrap();
    let sum: i64 = (0..ACCOUNTS).map(|number| snapshot.counter(&account(number)).unwrap()).sum();
    assert_eq!((sum, snapshot.sequence().0), (total, 4501));
}

#[test]
fn closing_under_readers_and_writers_ends_them_with_closed_and_keeps_what_was_acknowledged() {
    for seed in 0..12 {
        let backend = Backend::memory();
        let engine =
            Engine::open(backend.clone(), Options { memtable_bytes: 32 * 1024, ..Options::default() }).unwrap();
        let acknowledged = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3_u8)
                .map(|thread| {
                    let engine = engine.clone();
                    scope.spawn(move || {
                        let mut last = 0;
                        for number in 0..=u8::MAX {
                            let committed = engine.begin_write().and_then(|mut transaction| {
                                transaction.put(&[thread + 1, number], &[1; 400])?;
                                transaction.commit()
                            });
                            match committed {
                                Ok(sequence) => last = sequence.0,
                                Err(Error::Closed) => break,
                                Err(error) => unreachable!("{error:?}"),
                            }
                        }
                        last
                    })
                })
                .collect();
            let reader = engine.clone();
            scope.spawn(move || {
                loop {
                    let read = reader.snapshot().and_then(|it| it.approximate_count(KeyRange::all()));
                    match read {
                        Ok(_) => {}
                        Err(Error::Closed) => break,
                        Err(error) => unreachable!("{error:?}"),
                    }
                }
            });
            (0..seed * 400).for_each(|_| std::hint::spin_loop());
            engine.close().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).max().unwrap()
        });
        let engine = Engine::open(backend, Options::default()).unwrap();
        assert!(engine.open_report().clean);
        assert!(engine.last_sequence().0 >= acknowledged, "{} of {acknowledged}", engine.last_sequence());
        let found = engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap();
        assert_eq!(found, engine.last_sequence().0);
    }
}
