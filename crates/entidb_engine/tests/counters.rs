//! Counters and values under the same keys: however a key is read, at whichever commit, before and after flushes and
//! merges, the answer is the same, and an addition to a value that is no counter is an error until something replaces it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]

use std::collections::BTreeMap;

use entidb_engine::{Direction, Engine, Error, Iter, KeyRange, Options, Result, Snapshot, Value, WriteTransaction};
use entidb_storage::simulated::{Dice, mix};
use entidb_storage::{Backend, NoThreads};

/// What reading each key gives: a value, or `None` for the error of an addition to a value that is no counter.
type State = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

const KEYS: u64 = 12;

fn key(number: u64) -> Vec<u8> {
    format!("{}{number:02}", if number < KEYS / 2 { 'a' } else { 'b' }).into_bytes()
}

fn open() -> Engine {
    let options = Options {
        memory_bytes: 1 << 20,
        memtable_bytes: 16 * 1024,
        wal_bytes: 64 * 1024,
        segment_bytes: 16 * 1024,
        background: false,
        ..Options::default()
    };
    Engine::open(Backend { threads: std::sync::Arc::new(NoThreads), ..Backend::memory() }, options).unwrap()
}

fn is_no_counter(error: &Error) -> bool {
    matches!(error, Error::InvalidArgument { what: "counter", .. })
}

/// Makes a change in a transaction and in the model.
fn change(transaction: &mut WriteTransaction, state: &mut State, dice: &mut Dice) {
    let wanted = key(dice.below(KEYS));
    match dice.below(10) {
        0..4 => {
            // One length is that of a counter, one is too long to be copied while reading.
            let len = [0, 5, 8, 1500].into_iter().nth(dice.below(4) as usize).unwrap();
            let value = vec![dice.below(250) as u8; len];
            transaction.put(&wanted, &value).unwrap();
            state.insert(wanted, Some(value));
        }
        4..8 => {
            let delta = dice.below(1000) as i64 - 500;
            let zero = Some(vec![0; 8]);
            let base = state.get(&wanted).unwrap_or(&zero).as_deref();
            let sum =
                base.and_then(|base| base.try_into().ok()).map(|base| i64::from_le_bytes(base).wrapping_add(delta));
            match transaction.add(&wanted, delta) {
                Ok(()) => drop(state.insert(wanted, sum.map(|sum| sum.to_le_bytes().to_vec()))),
                // Onto a value that this transaction has put.
                Err(error) => assert!(is_no_counter(&error) && sum.is_none(), "{error}"),
            }
        }
        8 => {
            transaction.delete(&wanted).unwrap();
            state.remove(&wanted);
        }
        _ => {
            let end = key(dice.below(KEYS));
            if wanted < end {
                transaction.delete_range(&wanted, &end).unwrap();
                state.retain(|key, _| *key < wanted || *key >= end);
            }
        }
    }
}

fn read(found: Result<Option<Value>>) -> Option<Option<Vec<u8>>> {
    match found {
        Ok(value) => value.map(|value| Some(value.to_vec())),
        Err(error) if is_no_counter(&error) => Some(None),
        Err(error) => panic!("{error}"),
    }
}

/// Walks a range from each error on again, behind the key that gave it.
fn check_walk(range: impl Fn(KeyRange, Direction) -> Result<Iter>, state: &State, direction: Direction) {
    let mut iter = range(KeyRange::all(), direction).unwrap();
    let mut keys: Vec<&Vec<u8>> = state.keys().collect();
    if direction == Direction::Reverse {
        keys.reverse();
    }
    for key in keys {
        match (&state[key], iter.advance()) {
            (Some(value), moved) => {
                assert!(moved.unwrap(), "{direction:?} ends before {key:?}");
                assert_eq!((iter.key(), iter.value()), (key.as_slice(), value.as_slice()), "{direction:?}");
            }
            (None, Ok(_)) => panic!("{direction:?} shows {:?} and not the error at {key:?}", iter.key()),
            (None, Err(error)) => {
                assert!(is_no_counter(&error), "{error}");
                let rest = match direction {
                    Direction::Forward => KeyRange::from([key.as_slice(), &[0]].concat()..),
                    Direction::Reverse => KeyRange::from(..key),
                };
                iter = range(rest, direction).unwrap();
            }
        }
    }
    assert!(!iter.advance().unwrap(), "{direction:?} goes on to {:?}", iter.key());
}

fn check(snapshot: &Snapshot, state: &State) {
    for number in 0..KEYS {
        let key = key(number);
        assert_eq!(read(snapshot.get(&key)).as_ref(), state.get(&key), "get {number} at {}", snapshot.sequence());
        let many = snapshot.multi_get(&[b"none", &key]).map(|mut values| values.pop().unwrap());
        assert_eq!(read(many).as_ref(), state.get(&key), "multi_get {number}");
    }
    for direction in [Direction::Forward, Direction::Reverse] {
        check_walk(|range, direction| snapshot.range(range, direction), state, direction);
    }
}

fn play(seed: u64) {
    let mut dice = Dice::new(mix(seed, 14));
    let engine = open();
    let mut state = State::new();
    let mut held: Vec<(Snapshot, State)> = vec![(engine.snapshot().unwrap(), State::new())];
    for _ in 0..60 {
        let before = state.clone();
        let mut transaction = engine.begin_write().unwrap();
        for _ in 0..=dice.below(3) {
            change(&mut transaction, &mut state, &mut dice);
        }
        for number in 0..KEYS {
            assert_eq!(read(transaction.get(&key(number))).as_ref(), state.get(&key(number)), "own get {number}");
        }
        for direction in [Direction::Forward, Direction::Reverse] {
            check_walk(|range, direction| transaction.range(range, direction), &state, direction);
        }
        if dice.once_in(6) {
            transaction.abort();
            state = before;
        } else {
            transaction.commit().unwrap();
        }
        if dice.once_in(4) {
            held.push((engine.snapshot().unwrap(), state.clone()));
        }
        match dice.below(12) {
            0..3 => drop(engine.checkpoint().unwrap()),
            3 => engine.compact().unwrap(),
            4 => drop(engine.maintain(3).unwrap()),
            5 => drop(held.swap_remove(dice.below(held.len() as u64) as usize)),
            _ => continue,
        }
        held.iter().for_each(|(snapshot, state)| check(snapshot, state));
        check(&engine.snapshot().unwrap(), &state);
        if held.is_empty() {
            held.push((engine.snapshot().unwrap(), state.clone()));
        }
    }
    drop(held);
    engine.compact().unwrap();
    assert!(!engine.maintain(1000).unwrap(), "maintaining does not come to rest");
    check(&engine.snapshot().unwrap(), &state);
}

#[test]
fn every_way_to_read_a_key_agrees_on_what_additions_to_values_give() {
    let seeds = if std::env::var("ENTIDB_TIER").is_ok_and(|tier| tier != "quick") { 2000 } else { 100 };
    for seed in 0..seeds {
        if let Err(panic) = std::panic::catch_unwind(|| play(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A value, an addition to it, and another value: `get` and a walk forward gave the newest, a walk back failed.
#[test]
fn a_value_over_an_addition_to_a_value_is_read_in_both_directions() {
    let engine = open();
    let change = |change: fn(&mut WriteTransaction) -> Result<()>| {
        let mut transaction = engine.begin_write().unwrap();
        change(&mut transaction).unwrap();
        transaction.commit().unwrap();
        engine.snapshot().unwrap()
    };
    let put = change(|transaction| transaction.put(b"key", b"hello"));
    let added = change(|transaction| transaction.add(b"key", 1));
    let replaced = change(|transaction| transaction.put(b"key", b"fine"));
    for _ in 0..3 {
        check(&put, &State::from([(b"key".to_vec(), Some(b"hello".to_vec()))]));
        check(&added, &State::from([(b"key".to_vec(), None)]));
        check(&replaced, &State::from([(b"key".to_vec(), Some(b"fine".to_vec()))]));
        engine.checkpoint().unwrap();
        engine.maintain(100).unwrap();
    }
}

/// A value that is no counter, and an addition: merging kept both and found an older version to clean in each step.
#[test]
fn maintaining_ends_where_an_addition_met_a_value_that_is_no_counter() {
    let engine = open();
    for _ in 0..2 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(b"key", b"hello").unwrap();
        transaction.commit().unwrap();
        let mut transaction = engine.begin_write().unwrap();
        transaction.add(b"key", 1).unwrap();
        transaction.commit().unwrap();
        engine.compact().unwrap();
        assert!(!engine.maintain(1000).unwrap());
        let compactions = engine.stats().compactions;
        engine.maintain(1000).unwrap();
        assert_eq!(engine.stats().compactions, compactions);
    }
}
