//! Every interleaving of one writer and one or two readers, by loom.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p entidb_engine --release --lib loom_tests`. Nodes hold three keys
//! here, so that a few inserts split leaves and inner nodes. Always: a reader finds everything that was published
//! before it began, in order, and reads no byte that is being written (`Touched` tells loom which those are).

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::thread;

use super::arena::Arena;
use super::{Memtable, MemtableConfig};
use crate::format::{EntryKind, Sequence};
use crate::iterator::EntryCursor;

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(body);
}

fn memtable(hashed: bool) -> Arc<Memtable> {
    let config = MemtableConfig { point_zones: [hashed; 256], chunk_bytes: 512, hash_seed: 1 };
    Arc::new(Memtable::new(config).unwrap())
}

fn put(memtable: &Memtable, key: u8, sequence: u64) {
    memtable.insert(&[1, key], Sequence(sequence), EntryKind::Put, &[key]).unwrap();
}

#[test]
fn the_arena_lends_only_bytes_that_are_finished() {
    model(3, || {
        let (arena, mut writer) =
            Arena::create(64, 16, crate::memory::Memory::new(u64::MAX).charge(crate::memory::Use::Memtables)).unwrap();
        let published = Arc::new(AtomicU32::new(0));
        let reader = {
            let (arena, published) = (Arc::clone(&arena), Arc::clone(&published));
            thread::spawn(move || {
                // Whatever is asked for, nothing unfinished may be lent: loom fails on a unit that is being written.
                for address in [1, 2, 7] {
                    let lent = arena.tail(address);
                    assert!(lent.iter().all(|byte| *byte == 7 || *byte == 0));
                }
                let address = published.load(Ordering::Acquire);
                if address != 0 {
                    assert_eq!(arena.tail(address).get(..9), Some(&[7; 9][..]));
                }
            })
        };
        for _ in 0..3 {
            let address = writer.append(&[&[7; 4], &[7; 5]]).unwrap();
            published.store(address, Ordering::Release);
        }
        reader.join().unwrap();
    });
}

/// Inserts `before`, then `during` beside a reader that checks what it finds with `check(memtable, visible)`.
fn beside_a_writer(
    preemptions: usize,
    hashed: bool,
    before: &'static [u8],
    during: &'static [u8],
    check: fn(&Arc<Memtable>, &[u8]),
) {
    model(preemptions, move || {
        let memtable = memtable(hashed);
        for (number, key) in before.iter().enumerate() {
            put(&memtable, *key, number as u64 + 1);
        }
        let visible = Arc::new(AtomicU64::new(before.len() as u64));
        let writer = {
            let (memtable, visible) = (Arc::clone(&memtable), Arc::clone(&visible));
            thread::spawn(move || {
                for (number, key) in during.iter().enumerate() {
                    let sequence = (before.len() + number) as u64 + 1;
                    put(&memtable, *key, sequence);
                    visible.store(sequence, Ordering::Release);
                }
            })
        };
        let at = visible.load(Ordering::Acquire) as usize;
        let all = [before, during].concat();
        check(&memtable, &all[..at]);
        writer.join().unwrap();
        check(&memtable, &all);
    });
}

fn every_key_is_found(memtable: &Arc<Memtable>, keys: &[u8]) {
    let at = Sequence(keys.len() as u64);
    for key in keys {
        let found = memtable.get(&[1, *key], at).map(|found| found.value.to_vec());
        assert_eq!(found.as_deref(), Some(&[*key][..]), "key {key} of {keys:?}");
    }
}

fn one_key_is_found<const KEY: u8>(memtable: &Arc<Memtable>, keys: &[u8]) {
    let at = Sequence(keys.len() as u64);
    assert!(memtable.get(&[1, KEY], at).is_some(), "key {KEY} of {keys:?}");
}

fn walk(memtable: &Arc<Memtable>, keys: &[u8], forward: bool) {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let mut cursor = memtable.cursor();
    let mut seen = Vec::new();
    if forward {
        cursor.seek_first().unwrap()
    } else {
        cursor.seek_last().unwrap()
    }
    while cursor.is_valid() {
        if cursor.sequence().0 <= keys.len() as u64 {
            seen.push(cursor.key()[1]);
        }
        if forward { cursor.next().unwrap() } else { cursor.previous().unwrap() }
    }
    if !forward {
        seen.reverse();
    }
    assert_eq!(seen, sorted);
}

#[test]
fn a_key_put_into_a_leaf_is_seen_whole() {
    beside_a_writer(3, false, &[5], &[3, 7], every_key_is_found);
}

#[test]
fn no_key_is_lost_while_a_leaf_splits() {
    beside_a_writer(2, false, &[10, 20, 30], &[15, 5], every_key_is_found);
}

#[test]
fn no_key_is_lost_while_a_leaf_splits_below_an_inner_node() {
    beside_a_writer(2, false, &[10, 20, 30, 15, 5], &[7], one_key_is_found::<15>);
    beside_a_writer(2, false, &[10, 20, 30, 15, 5], &[7], one_key_is_found::<30>);
}

#[test]
fn no_key_is_lost_while_an_inner_node_splits() {
    beside_a_writer(2, false, &[10, 20, 30, 40, 50, 60, 70, 80, 90], &[100], one_key_is_found::<80>);
    beside_a_writer(2, false, &[80, 70, 60, 50, 40, 30], &[20], one_key_is_found::<80>);
    beside_a_writer(2, false, &[80, 70, 60, 50, 40, 30, 20], &[10], one_key_is_found::<40>);
}

#[test]
fn a_walk_misses_nothing_while_leaves_split() {
    beside_a_writer(2, false, &[10, 20, 30], &[15], |memtable, keys| walk(memtable, keys, true));
    beside_a_writer(2, false, &[10, 20, 30], &[15], |memtable, keys| walk(memtable, keys, false));
    beside_a_writer(1, false, &[10, 20, 30, 15, 5], &[7], |memtable, keys| walk(memtable, keys, true));
    beside_a_writer(1, false, &[10, 20, 30, 15, 5], &[7], |memtable, keys| walk(memtable, keys, false));
}

#[test]
fn a_growing_hash_loses_no_key() {
    beside_a_writer(2, true, &[1], &[2, 3], every_key_is_found);
}

#[test]
fn a_new_version_hides_nothing_older() {
    model(3, || {
        let memtable = memtable(true);
        put(&memtable, 9, 1);
        let writer = {
            let memtable = Arc::clone(&memtable);
            thread::spawn(move || {
                for sequence in 2..4 {
                    memtable.insert(&[1, 9], Sequence(sequence), EntryKind::Delete, &[]).unwrap();
                }
            })
        };
        assert_eq!(memtable.get(&[1, 9], Sequence(1)).map(|found| found.value.to_vec()), Some(vec![9]));
        let newest = memtable.get(&[1, 9], Sequence::MAX).map(|found| found.sequence.0);
        assert!(newest.is_some_and(|newest| (1..4).contains(&newest)));
        writer.join().unwrap();
        assert_eq!(memtable.get(&[1, 9], Sequence::MAX).map(|found| found.kind), Some(EntryKind::Delete));
    });
}
