//! Commits, what they promise and what they cost, through the public API.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]

use std::sync::Arc;
use std::time::Duration;

use entidb_engine::{
    ChangeSize, Companion, Direction, Durability, Engine, Error, KeyRange, Options, Sequence, WriteSnapshot,
};
use entidb_storage::Backend;
use entidb_storage::simulated::{Fault, FaultKind, Personality, Simulation};

fn memory() -> Engine {
    Engine::open(Backend::memory(), Options::default()).unwrap()
}

fn put(engine: &Engine, key: &[u8], value: &[u8]) -> Sequence {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, value).unwrap();
    transaction.commit().unwrap()
}

#[test]
fn a_commit_is_seen_by_later_snapshots_and_by_no_earlier_one() {
    let engine = memory();
    put(&engine, b"k", b"1");
    let before = engine.snapshot().unwrap();
    put(&engine, b"k", b"2");
    let after = engine.snapshot().unwrap();
    assert_eq!(before.get(b"k").unwrap().as_deref(), Some(b"1".as_slice()));
    assert_eq!(after.get(b"k").unwrap().as_deref(), Some(b"2".as_slice()));
    assert_eq!((before.sequence(), after.sequence()), (Sequence(1), Sequence(2)));
}

#[test]
fn a_transaction_sees_its_own_changes_and_nobody_else_does() {
    let engine = memory();
    put(&engine, b"a", b"1");
    put(&engine, b"c", b"3");
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"b", b"2").unwrap();
    transaction.delete(b"a").unwrap();
    let own: Vec<_> = transaction
        .range(KeyRange::all(), Direction::Forward)
        .unwrap()
        .map(|entry| entry.map(|(key, value)| (key, value.to_vec())))
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(own, vec![(b"b".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"3".to_vec())]);
    assert!(transaction.get(b"a").unwrap().is_none());
    let others = engine.snapshot().unwrap();
    assert!(others.exists(b"a").unwrap() && !others.exists(b"b").unwrap());
    drop(transaction);
    assert!(!engine.snapshot().unwrap().exists(b"b").unwrap());
}

#[test]
fn an_iterator_goes_both_ways_and_seeks() {
    let engine = memory();
    let mut transaction = engine.begin_write().unwrap();
    for number in 0..100_u8 {
        transaction.put(&[1, number], &[number]).unwrap();
    }
    transaction.commit().unwrap();
    let snapshot = engine.snapshot().unwrap();
    let range = KeyRange::from([1, 10].as_slice()..[1, 20].as_slice());
    let mut forward = snapshot.range(range.clone(), Direction::Forward).unwrap();
    let keys: Vec<u8> = forward.by_ref().map(|entry| entry.unwrap().0[1]).collect();
    assert_eq!(keys, (10..20).collect::<Vec<u8>>());
    assert!(!forward.advance().unwrap(), "an iterator at its end stays there");
    forward.seek(&[1, 15]).unwrap();
    assert!(forward.advance().unwrap());
    assert_eq!((forward.key(), forward.value()), ([1, 15].as_slice(), [15].as_slice()));
    let mut reverse = snapshot.range(range, Direction::Reverse).unwrap();
    assert_eq!(
        reverse.by_ref().map(|entry| entry.unwrap().0[1]).collect::<Vec<u8>>(),
        (10..20).rev().collect::<Vec<u8>>()
    );
    reverse.seek(&[1, 12]).unwrap();
    assert!(reverse.advance().unwrap());
    assert_eq!(reverse.key(), [1, 12]);
    reverse.seek(&[0]).unwrap();
    assert!(!reverse.advance().unwrap());
}

#[test]
fn a_range_delete_and_counters_show_in_order() {
    let engine = memory();
    for key in [b"a", b"b", b"c"] {
        put(&engine, key, b"x");
    }
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(b"a", b"c").unwrap();
    transaction.put(b"b", b"new").unwrap();
    transaction.add(b"n", 5).unwrap();
    assert_eq!(transaction.counter(b"n").unwrap(), 5);
    transaction.commit().unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.add(b"n", -7).unwrap();
    assert_eq!(transaction.counter(b"n").unwrap(), -2);
    transaction.commit().unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert!(!snapshot.exists(b"a").unwrap());
    assert_eq!(snapshot.get(b"b").unwrap().as_deref(), Some(b"new".as_slice()));
    assert!(snapshot.exists(b"c").unwrap());
    assert_eq!(snapshot.counter(b"n").unwrap(), -2);
    assert_eq!(snapshot.approximate_count(KeyRange::all()).unwrap(), 3);
}

#[test]
fn rolling_back_to_a_savepoint_forgets_what_came_after_it_and_keeps_it_usable() {
    let engine = memory();
    put(&engine, b"base", b"0");
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"a", b"1").unwrap();
    let first = transaction.savepoint().unwrap();
    transaction.put(b"a", b"2").unwrap();
    let second = transaction.savepoint().unwrap();
    transaction.delete_range(b"a", b"z").unwrap();
    transaction.rollback_to(&second).unwrap();
    assert_eq!(transaction.get(b"a").unwrap().as_deref(), Some(b"2".as_slice()));
    transaction.rollback_to(&first).unwrap();
    assert_eq!(transaction.get(b"a").unwrap().as_deref(), Some(b"1".as_slice()));
    assert!(matches!(transaction.rollback_to(&second), Err(Error::InvalidArgument { what: "savepoint", .. })));
    transaction.put(b"a", b"3").unwrap();
    transaction.rollback_to(&first).unwrap();
    transaction.commit().unwrap();
    assert_eq!(engine.snapshot().unwrap().get(b"a").unwrap().as_deref(), Some(b"1".as_slice()));
    assert!(engine.snapshot().unwrap().exists(b"base").unwrap());
}

#[test]
fn the_next_sequence_is_the_one_the_commit_gets() {
    let engine = memory();
    for _ in 0..3 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(b"k", b"v").unwrap();
        let expected = transaction.next_sequence();
        assert_eq!(transaction.commit().unwrap(), expected);
    }
    let empty = engine.begin_write().unwrap();
    assert_eq!(empty.commit().unwrap(), Sequence(3), "a transaction without changes takes no sequence");
}

#[test]
fn a_second_writer_waits_no_longer_than_it_said() {
    let engine = memory();
    let first = engine.begin_write().unwrap();
    assert!(matches!(engine.begin_write_timeout(Duration::from_millis(5)), Err(Error::Busy)));
    drop(first);
    engine.begin_write_timeout(Duration::from_millis(5)).unwrap();
}

#[test]
fn an_iterator_of_a_transaction_ends_with_it() {
    let engine = memory();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"a", b"1").unwrap();
    let mut iter = transaction.range(KeyRange::all(), Direction::Forward).unwrap();
    assert!(iter.advance().unwrap());
    transaction.put(b"b", b"2").unwrap();
    assert!(!iter.advance().unwrap(), "a later change does not show");
    let mut iter = transaction.range(KeyRange::all(), Direction::Forward).unwrap();
    transaction.commit().unwrap();
    assert!(matches!(iter.advance(), Err(Error::InvalidArgument { what: "iterator", .. })));
}

#[test]
fn a_snapshot_of_a_transaction_shows_no_later_change() {
    // Few changes are kept in one way, many in another.
    for filler in [0, 2000] {
        let engine = memory();
        let mut before = engine.begin_write().unwrap();
        before.put(b"kept", b"0").unwrap();
        before.put(b"gone", b"0").unwrap();
        before.add(b"count", 5).unwrap();
        before.commit().unwrap();
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..filler {
            transaction.put(format!("filler {number}").as_bytes(), &[7; 300]).unwrap();
        }
        let savepoint = transaction.savepoint().unwrap();
        transaction.put(b"new", b"1").unwrap();
        transaction.delete(b"gone").unwrap();
        transaction.add(b"count", 2).unwrap();
        let keys: [&[u8]; 5] = [b"kept", b"gone", b"count", b"new", b"later"];
        let snapshot = transaction.snapshot();
        let seen = |snapshot: &WriteSnapshot| {
            let alone: Vec<_> = keys.iter().map(|key| snapshot.get(key).unwrap()).collect();
            assert_eq!(snapshot.multi_get(&keys).unwrap(), alone);
            let walk = |way| snapshot.range(KeyRange::all(), way).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
            let (forward, mut backward) = (walk(Direction::Forward), walk(Direction::Reverse));
            backward.reverse();
            assert_eq!(forward, backward);
            (alone, forward)
        };
        let first = seen(&snapshot);
        assert_eq!(first.0[0].as_deref(), Some(b"0".as_slice()));
        assert_eq!(first.0[1..].iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, false]);
        assert_eq!(first.0[2].as_deref(), Some(7_i64.to_le_bytes().as_slice()));
        transaction.put(b"kept", b"9").unwrap();
        transaction.put(b"later", b"9").unwrap();
        transaction.add(b"count", 1).unwrap();
        assert_eq!(seen(&snapshot), first);
        transaction.delete_range(b"a", b"z").unwrap();
        assert_eq!(seen(&snapshot), first);
        transaction.rollback_to(&savepoint).unwrap();
        assert_eq!(seen(&snapshot), first);
        assert_eq!(transaction.get(b"kept").unwrap().as_deref(), Some(b"0".as_slice()));
        transaction.put(b"kept", b"8").unwrap();
        transaction.commit().unwrap();
        assert!(matches!(snapshot.get(b"kept"), Err(Error::InvalidArgument { .. })));
        assert!(matches!(snapshot.multi_get(&keys), Err(Error::InvalidArgument { .. })));
    }
}

#[test]
fn a_released_savepoint_is_gone_and_what_came_after_it_stays() {
    let engine = memory();
    let mut transaction = engine.begin_write().unwrap();
    let outer = transaction.savepoint().unwrap();
    transaction.put(b"a", b"1").unwrap();
    let inner = transaction.savepoint().unwrap();
    transaction.put(b"b", b"2").unwrap();
    transaction.release(&inner).unwrap();
    assert!(matches!(transaction.rollback_to(&inner), Err(Error::InvalidArgument { what: "savepoint", .. })));
    assert!(matches!(transaction.release(&inner), Err(Error::InvalidArgument { what: "savepoint", .. })));
    assert_eq!(transaction.get(b"b").unwrap().as_deref(), Some(b"2".as_slice()));
    transaction.rollback_to(&outer).unwrap();
    assert!(transaction.is_empty());
    transaction.put(b"c", b"3").unwrap();
    transaction.release(&outer).unwrap();
    transaction.commit().unwrap();
    assert_eq!(engine.snapshot().unwrap().get(b"c").unwrap().as_deref(), Some(b"3".as_slice()));
}

#[test]
fn limits_refuse_what_is_over_and_leave_the_transaction_as_it_was() {
    let engine =
        Engine::open(Backend::memory(), Options { transaction_bytes_max: 64 * 1024, ..Options::default() }).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&[7; 4096], b"longest key").unwrap();
    assert!(matches!(transaction.put(&[7; 4097], b""), Err(Error::TooLarge { what: "key", limit: 4096, .. })));
    assert!(matches!(transaction.put(b"", b""), Err(Error::InvalidArgument { what: "key", .. })));
    assert!(matches!(transaction.put(b"k", &[0; 65 * 1024]), Err(Error::TooLarge { what: "transaction", .. })));
    transaction.commit().unwrap();
    assert_eq!(engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap(), 1);
}

#[test]
fn changes_that_were_checked_together_fit_and_what_was_taken_back_counts_no_more() {
    let limit = 2 << 20;
    let engine =
        Engine::open(Backend::memory(), Options { transaction_bytes_max: limit, ..Options::default() }).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    let savepoint = transaction.savepoint().unwrap();
    let value = [7; 1000];
    let three = ChangeSize { changes: 3, key_bytes: 3 * 8, value_bytes: 3 * 1000 };
    let mut first = None;
    for _ in 0..4 {
        let mut count = 0_u64;
        // Three keys at a time: as long as three fit, none of them is refused.
        while transaction.check_room(three, ChangeSize::default()).is_ok() {
            for key in [count, 1 << 40 | count, 2 << 40 | count] {
                transaction.put(&key.to_be_bytes(), &value).unwrap();
            }
            count += 1;
        }
        assert!(transaction.put(b"the last", &value).is_ok() || transaction.bytes() + 1208 > limit);
        assert_eq!(*first.get_or_insert(count), count);
        transaction.rollback_to(&savepoint).unwrap();
    }
    // 1,072 bytes for each, and 136 to take it back again.
    assert!(first > Some(limit / 3 / 1220), "{first:?}");
}

#[test]
fn range_deletes_count_against_the_limit_of_a_transaction() {
    let limit = 64 * 1024;
    let engine =
        Engine::open(Backend::memory(), Options { transaction_bytes_max: limit, ..Options::default() }).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    let refused = (0..10_000_u32).find_map(|number| {
        let (start, end) = ((number * 4).to_be_bytes(), (number * 4 + 1).to_be_bytes());
        transaction.delete_range(&[b"k", start.as_slice()].concat(), &[b"k", end.as_slice()].concat()).err()
    });
    assert!(matches!(refused, Some(Error::TooLarge { what: "transaction", .. })), "{refused:?}");
    assert!(transaction.bytes() <= limit * 9 / 8, "{} bytes", transaction.bytes());
}

#[test]
fn after_close_everything_says_closed() {
    let engine = memory();
    put(&engine, b"k", b"v");
    let snapshot = engine.snapshot().unwrap();
    let mut open = engine.begin_write().unwrap();
    open.put(b"k", b"w").unwrap();
    engine.close().unwrap();
    engine.close().unwrap();
    assert!(matches!(snapshot.get(b"k"), Err(Error::Closed)));
    assert!(matches!(open.commit(), Err(Error::Closed)));
    assert!(matches!(engine.begin_write(), Err(Error::Closed)));
    assert!(matches!(engine.snapshot(), Err(Error::Closed)));
    assert!(engine.is_closed());
}

#[test]
fn waiting_for_a_commit_ends_with_it_or_in_time() {
    let engine = memory();
    assert!(matches!(
        engine.wait_for_commit(Sequence(0), Duration::from_millis(5)),
        Err(Error::Timeout { timeout_ms: 5, .. })
    ));
    let other = engine.clone();
    let waiter = std::thread::scope(|scope| {
        let waiter = scope.spawn(move || other.wait_for_commit(Sequence(0), Duration::from_secs(20)));
        put(&engine, b"k", b"v");
        waiter.join().unwrap()
    });
    assert_eq!(waiter.unwrap(), Sequence(1));
}

#[test]
fn a_level_without_flush_is_visible_at_once_and_durable_when_asked() {
    let engine = memory();
    for durability in [Durability::None, Durability::Grouped { interval_ms: 60_000 }] {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(b"k", b"v").unwrap();
        let sequence = transaction.commit_with(durability).unwrap();
        assert_eq!(engine.last_sequence(), sequence);
        assert!(engine.durable_sequence() < sequence, "{durability:?}");
        engine.wait_durable(sequence, Duration::from_secs(1)).unwrap();
        assert!(engine.durable_sequence() >= sequence);
    }
}

#[test]
fn many_writers_all_get_in_and_every_sequence_is_given_once() {
    let engine = memory();
    let sequences = parking_lot_free_collect(&engine, 8, 200);
    let mut sorted = sequences;
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=1600).collect::<Vec<u64>>());
    assert_eq!(engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap(), 1600);
}

fn parking_lot_free_collect(engine: &Engine, threads: u8, commits: u8) -> Vec<u64> {
    let engine = Arc::new(engine.clone());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let engine = Arc::clone(&engine);
                scope.spawn(move || {
                    (0..commits)
                        .map(|number| {
                            let mut transaction = engine.begin_write().unwrap();
                            transaction.put(&[1, thread, number], b"v").unwrap();
                            transaction.commit().unwrap().0
                        })
                        .collect::<Vec<u64>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|_| panic!("a writer panicked"))).collect()
    })
}

#[test]
fn a_counter_is_right_at_every_snapshot_of_a_long_history() {
    let engine = memory();
    let mut snapshots = Vec::new();
    let mut expected = 0;
    for round in 0..600_i64 {
        let mut transaction = engine.begin_write().unwrap();
        match round % 97 {
            50 => {
                transaction.delete(b"n").unwrap();
                expected = 0;
            }
            70 => {
                transaction.put(b"n", &5_i64.to_le_bytes()).unwrap();
                expected = 5;
            }
            _ => {
                transaction.add(b"n", round).unwrap();
                expected += round;
            }
        }
        transaction.commit_with(Durability::None).unwrap();
        snapshots.push((engine.snapshot().unwrap(), expected));
        if round == 400 {
            let mut transaction = engine.begin_write().unwrap();
            transaction.delete_range(b"a", b"m").unwrap();
            transaction.commit_with(Durability::None).unwrap();
        }
    }
    for (snapshot, expected) in &snapshots {
        assert_eq!(snapshot.counter(b"n").unwrap(), *expected, "at {}", snapshot.sequence());
    }
    engine.checkpoint().unwrap();
    for (snapshot, expected) in &snapshots {
        assert_eq!(snapshot.counter(b"n").unwrap(), *expected, "at {} from the frozen view", snapshot.sequence());
    }
    assert_eq!(engine.snapshot().unwrap().counter(b"n").unwrap(), expected);
}

/// What a companion was told.
struct Told<'a> {
    engine: &'a Engine,
    prepared: Vec<Sequence>,
    withdrawn: u64,
    /// Whether another writer could have begun when it was told of the refusal.
    was_free: bool,
}

impl Companion for Told<'_> {
    fn prepare(&mut self, sequence: Sequence) {
        assert!(self.engine.last_sequence() < sequence, "it can be seen already");
        self.prepared.push(sequence);
    }

    fn withdraw(&mut self) {
        self.withdrawn += 1;
        self.was_free |= !matches!(self.engine.begin_write_timeout(Duration::ZERO), Err(Error::Busy));
    }
}

/// Each call of the disk fails once, for commits that go to the log and for those that go to segments at once. A commit that was
/// refused was taken back after the write lock was given back: the next writer could begin on what it had left in memory.
#[test]
fn a_companion_is_told_of_a_commit_before_it_is_seen_and_of_a_refusal_before_anyone_else_writes() {
    let (mut refused, mut made) = (0, 0);
    for bytes in [10, 20_000] {
        for at in 0..14 {
            let world = Simulation::new(Personality::PosixStrict, 3);
            let engine =
                Engine::open(world.backend(), Options { memtable_bytes: 64 << 10, ..Options::default() }).unwrap();
            put(&engine, b"k", b"1");
            world.inject(Fault::onward(FaultKind::NoSpace, world.calls() + at));
            let mut transaction = engine.begin_write().unwrap();
            transaction.put(b"k", &vec![7; bytes]).unwrap();
            let next = transaction.next_sequence();
            let mut told = Told { engine: &engine, prepared: Vec::new(), withdrawn: 0, was_free: false };
            let result = transaction.commit_beside(Some(Durability::Durable), &mut told, None);
            assert!(!told.was_free, "{bytes} bytes, call {at}");
            match result {
                Ok(sequence) => {
                    made += 1;
                    assert_eq!((told.prepared.as_slice(), told.withdrawn), (&[sequence][..], 0));
                }
                Err(_) => {
                    refused += 1;
                    assert!(told.withdrawn == 1 || told.prepared == [next], "{bytes} bytes, call {at}: neither");
                    assert_eq!(engine.last_sequence(), Sequence(next.0 - 1));
                }
            }
        }
    }
    assert!(refused > 2 && made > 2, "{refused} refused, {made} made");
    // A disk that fills up refuses what would go to the log.
    let world = Simulation::new(Personality::PosixStrict, 3);
    let options = Options {
        background: false,
        memory_bytes: 1 << 20,
        memtable_bytes: 64 << 10,
        wal_bytes: 256 << 10,
        segment_bytes: 64 << 10,
        ..Options::default()
    };
    let engine = Engine::open(world.backend(), options).unwrap();
    put(&engine, b"k", b"1");
    world.set_capacity_bytes(Some(world.used_bytes() + (64 << 10)));
    let is_refused = (0..2_000_u64).any(|number| {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&number.to_be_bytes(), &[7; 3000]).unwrap();
        let mut told = Told { engine: &engine, prepared: Vec::new(), withdrawn: 0, was_free: false };
        let result = transaction.commit_beside(Some(Durability::None), &mut told, None);
        assert!(!told.was_free, "another writer could begin");
        assert!(result.is_ok() || told.withdrawn == 1, "{result:?}");
        result.is_err()
    });
    assert!(is_refused);
    // One without changes is no commit.
    let engine = memory();
    let mut told = Told { engine: &engine, prepared: Vec::new(), withdrawn: 0, was_free: false };
    engine.begin_write().unwrap().commit_beside(Some(Durability::Durable), &mut told, None).unwrap();
    assert!(told.prepared.is_empty() && told.withdrawn == 0);
}

#[test]
fn a_transaction_reads_what_was_there_before_it() {
    let engine = memory();
    put(&engine, b"k", b"1");
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"k", b"2").unwrap();
    transaction.put(b"new", b"1").unwrap();
    assert_eq!(transaction.get_before(b"k").unwrap().as_deref(), Some(b"1".as_slice()));
    assert!(transaction.get_before(b"new").unwrap().is_none());
}
