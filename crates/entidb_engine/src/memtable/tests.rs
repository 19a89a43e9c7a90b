//! What a memtable promises, tried against a map that is obviously right.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use entidb_storage::{SeededRandom, SystemThreads, Threads};

use super::{Memtable, MemtableConfig};
use crate::compaction::LiveSnapshots;
use crate::error::Error;
use crate::format::{EntryKind, Sequence};
use crate::iterator::EntryCursor;
use crate::range_tombstone::RangeMap;

type Model = BTreeMap<(Vec<u8>, Reverse<u64>), (EntryKind, Vec<u8>)>;
type Shown = (Vec<u8>, u64, EntryKind, Vec<u8>);
type ModelEntry<'a> = (&'a (Vec<u8>, Reverse<u64>), &'a (EntryKind, Vec<u8>));

fn small() -> MemtableConfig {
    let mut point_zones = [false; 256];
    for zone in 0..128 {
        point_zones[zone * 2] = true;
    }
    MemtableConfig { point_zones, chunk_bytes: 8192, hash_seed: 7, ..MemtableConfig::default() }
}

fn shown(cursor: &impl EntryCursor) -> Option<Shown> {
    cursor.is_valid().then(|| (cursor.key().to_vec(), cursor.sequence().0, cursor.kind(), cursor.value().to_vec()))
}

fn expected(entry: Option<ModelEntry<'_>>) -> Option<Shown> {
    entry.map(|((key, Reverse(sequence)), (kind, value))| (key.clone(), *sequence, *kind, value.clone()))
}

#[test]
fn small_entries_behind_one_larger_than_a_chunk_are_found() {
    // The memory of such a chunk is rounded up, and entries in what that left had the address of another chunk.
    let memtable = Memtable::new(MemtableConfig::default()).unwrap();
    for (number, len) in [3_000_001, 10, 5_000_000, 20, 2_097_152, 30, 40].into_iter().enumerate() {
        let sequence = Sequence(number as u64 + 1);
        memtable.insert(&[7, number as u8], sequence, EntryKind::Put, &vec![number as u8; len]).unwrap();
        for (before, len) in [3_000_001, 10, 5_000_000, 20, 2_097_152, 30, 40].into_iter().enumerate().take(number + 1)
        {
            let found = memtable.get(&[7, before as u8], sequence).unwrap();
            assert!(found.value.len() == len && found.value.iter().all(|byte| *byte == before as u8));
        }
    }
}

#[test]
fn entries_that_room_was_made_for_ask_for_no_memory() {
    for seed in 0..40 {
        let random = SeededRandom::new(seed);
        let memtable = Memtable::new(small()).unwrap();
        let mut sequence = 0;
        for round in 0..30 {
            let lens: Vec<usize> = (0..=random.below(12))
                .map(|_| match random.below(4) {
                    0 => random.below(300) as usize,
                    1 => random.below(8192) as usize,
                    // What entries may take and what they do take lie on both sides of a chunk's size.
                    2 => 8192 - 60 + random.below(70) as usize,
                    _ => random.below(200_000) as usize,
                })
                .collect();
            let bytes = lens.iter().map(|len| *len as u64 + 64).sum();
            memtable.reserve(bytes, |size| lens.iter().try_for_each(|len| size(2, *len))).unwrap();
            let held = || {
                let writer = memtable.writer.lock();
                (writer.reserved_bytes() + writer.prepared_bytes(), writer.prepared_bytes())
            };
            let (before, prepared) = held();
            assert!(prepared as u64 <= 2 * bytes + 2 * 8192 + 65_536 * lens.len() as u64, "{prepared} for {bytes}");
            for len in &lens {
                sequence += 1;
                let key = [random.below(2) as u8, random.below(8) as u8];
                memtable.insert(&key, Sequence(sequence), EntryKind::Put, &vec![7; *len]).unwrap();
            }
            assert_eq!(held().0, before, "seed {seed}, round {round}: {lens:?}");
        }
    }
}

/// The places of an arena are counted. Entries that had memory and no place failed in the middle of a commit.
#[test]
fn room_is_refused_before_the_first_entry_where_the_arena_has_no_place_for_the_last() {
    for count in [1, 2, 3, 40] {
        let memtable = Memtable::new(MemtableConfig { chunk_count: 1, ..small() }).unwrap();
        let mut sequence = 0;
        loop {
            let lens = vec![8000; count];
            let reserved = memtable.reserve(u64::MAX, |size| lens.iter().try_for_each(|len| size(2, *len)));
            let inserted = lens.iter().try_for_each(|len| {
                sequence += 1;
                memtable.insert(&[1, (sequence % 250) as u8], Sequence(sequence), EntryKind::Put, &vec![7; *len])
            });
            assert!(reserved.is_err() || inserted.is_ok(), "{count} at once, at {sequence}: {inserted:?}");
            if reserved.is_err() {
                break;
            }
        }
    }
}

/// Keys of a shape the tree finds hard: shared prefixes of every length, keys that are prefixes of others, zeros.
fn key(random: &SeededRandom, shape: u64) -> Vec<u8> {
    let mut bytes = vec![0; random.below(44) as usize + 1];
    entidb_storage::Random::fill(random, &mut bytes).unwrap();
    match shape {
        0 => bytes,
        1 => bytes.iter().map(|byte| byte % 3).collect(),
        2 => {
            let number = random.below(5000).to_be_bytes();
            [&[4, 0, 0, 0, 9][..], &number].concat()
        }
        3 => {
            let long = [b'x'; 48];
            let shared = random.below(48) as usize;
            [&long[..shared], &bytes[..bytes.len().min(3)]].concat()
        }
        4 => vec![0; random.below(60) as usize + 1],
        _ => [&[random.below(2) as u8, 0, 0, 0, random.below(2) as u8][..], &bytes].concat(),
    }
}

/// Inserts alone and in rows, most of which are in the order of their keys, with others between.
fn fill(memtable: &Memtable, model: &mut Model, random: &SeededRandom, count: u64, shape: u64) {
    let mut sequence = 0;
    while sequence < count {
        let row = 1 + random.below(if random.below(2) == 0 { 1 } else { 60 });
        let mut keys: Vec<_> = (0..row.min(count - sequence))
            .map(|_| key(random, if shape == 9 { random.below(6) } else { shape }))
            .collect();
        if random.below(5) > 0 {
            keys.sort();
        }
        let mut inserter = memtable.inserter();
        for key in keys {
            sequence += 1;
            let kind = [EntryKind::Put, EntryKind::Put, EntryKind::Delete, EntryKind::Add][random.below(4) as usize];
            let value = match kind {
                EntryKind::Put => vec![sequence as u8; random.below(200) as usize],
                EntryKind::Add => (random.next_u64() as i64).to_le_bytes().to_vec(),
                _ => Vec::new(),
            };
            if random.below(20) == 0 {
                memtable.insert(&key, Sequence(sequence), kind, &value).unwrap();
            } else {
                inserter.insert(&key, Sequence(sequence), kind, &value).unwrap();
            }
            model.insert((key, Reverse(sequence)), (kind, value));
        }
    }
}

fn newest<'a>(model: &'a Model, key: &[u8], at: u64) -> Option<ModelEntry<'a>> {
    model.range((key.to_vec(), Reverse(at))..).next().filter(|((found, _), _)| found == key)
}

#[test]
fn every_read_agrees_with_a_plain_map() {
    for shape in [0, 1, 2, 3, 4, 5, 9] {
        for seed in 0..6 {
            let random = SeededRandom::new(seed * 10 + shape);
            let memtable = Arc::new(Memtable::new(small()).unwrap());
            let mut model = Model::new();
            fill(&memtable, &mut model, &random, 200 << (seed % 5), shape);
            check(&memtable, &model, &random, &format!("shape {shape} seed {seed}"));
        }
    }
}

fn check(memtable: &Arc<Memtable>, model: &Model, random: &SeededRandom, about: &str) {
    let mut cursor = memtable.cursor();
    cursor.seek_first().unwrap();
    for entry in model {
        assert_eq!(shown(&cursor), expected(Some(entry)), "forward, {about}");
        cursor.next().unwrap();
    }
    assert!(!cursor.is_valid(), "the forward end, {about}");
    cursor.seek_last().unwrap();
    for entry in model.iter().rev() {
        assert_eq!(shown(&cursor), expected(Some(entry)), "backward, {about}");
        cursor.previous().unwrap();
    }
    assert!(!cursor.is_valid(), "the backward end, {about}");

    let keys: Vec<&Vec<u8>> = model.keys().map(|(key, _)| key).collect();
    let last = model.len() as u64;
    for _ in 0..1500 {
        let wanted = match random.below(3) {
            0 => keys[random.below(keys.len() as u64) as usize].clone(),
            1 => {
                let mut near = keys[random.below(keys.len() as u64) as usize].clone();
                match random.below(3) {
                    0 => near.push(0),
                    1 => drop(near.pop()),
                    _ => near.last_mut().into_iter().for_each(|byte| *byte = byte.wrapping_add(1)),
                }
                near
            }
            _ => key(random, random.below(6)),
        };
        let at = random.below(last + 2);
        let found =
            memtable.get(&wanted, Sequence(at)).map(|found| (found.sequence.0, found.kind, found.value.to_vec()));
        let right =
            newest(model, &wanted, at).map(|((_, Reverse(sequence)), (kind, value))| (*sequence, *kind, value.clone()));
        assert_eq!(found, right, "get {wanted:?} at {at}, {about}");
        let versions: Vec<u64> = memtable.versions(&wanted, Sequence(at)).map(|found| found.sequence.0).collect();
        let all: Vec<u64> = model
            .range((wanted.clone(), Reverse(at))..)
            .take_while(|((key, _), _)| *key == wanted)
            .map(|((_, Reverse(sequence)), _)| *sequence)
            .collect();
        assert_eq!(versions, all, "versions of {wanted:?} at {at}, {about}");

        let mut place = if random.below(2) == 0 {
            cursor.seek(&wanted).unwrap();
            model.range((wanted.clone(), Reverse(u64::MAX))..).next().map(|(key, _)| key.clone())
        } else {
            cursor.seek_before(&wanted).unwrap();
            model.range(..(wanted.clone(), Reverse(u64::MAX))).next_back().map(|(key, _)| key.clone())
        };
        for _ in 0..random.below(40) {
            let entry = place.as_ref().map(|key| model.get_key_value(key).unwrap());
            assert_eq!(shown(&cursor), expected(entry), "near {wanted:?}, {about}");
            let Some(here) = place else { break };
            if random.below(2) == 0 {
                cursor.next().unwrap();
                let after = (std::ops::Bound::Excluded(here), std::ops::Bound::Unbounded);
                place = model.range(after).next().map(|(key, _)| key.clone());
            } else {
                cursor.previous().unwrap();
                place = model.range(..here).next_back().map(|(key, _)| key.clone());
            }
        }
    }
}

#[test]
fn growing_keys_and_shrinking_keys_keep_their_order() {
    for (name, number) in [("growing", 0_u64), ("shrinking", u64::MAX), ("from both ends", 1)] {
        let memtable = Arc::new(Memtable::new(small()).unwrap());
        let mut model = Model::new();
        for step in 0..6000_u64 {
            let middle = if step % 2 == 0 { step } else { 1_000_000 - step };
            let key =
                [&[1, 0, 0, 0, 1][..], &(if number == 1 { middle } else { step ^ number }).to_be_bytes()].concat();
            memtable.insert(&key, Sequence(step + 1), EntryKind::Put, &[1]).unwrap();
            model.insert((key, Reverse(step + 1)), (EntryKind::Put, vec![1]));
        }
        check(&memtable, &model, &SeededRandom::new(3), name);
    }
}

#[test]
fn a_counter_is_read_in_one_step_however_often_it_changed() {
    let random = SeededRandom::new(11);
    let memtable = Memtable::new(small()).unwrap();
    let mut history: Vec<(EntryKind, i64)> = Vec::new();
    for sequence in 1..=4000_u64 {
        let amount = random.next_u64() as i64;
        let kind = if random.below(400) == 0 { EntryKind::Put } else { EntryKind::Add };
        memtable.insert(b"counter", Sequence(sequence), kind, &amount.to_le_bytes()).unwrap();
        history.push((kind, amount));
        if sequence.is_power_of_two() || random.below(50) == 0 {
            let at = random.below(sequence) + 1;
            let found = memtable.get(b"counter", Sequence(at)).unwrap();
            assert_eq!(found.sequence.0, at);
            let adds: Vec<i64> = history[..at as usize]
                .iter()
                .rev()
                .take_while(|(kind, _)| *kind == EntryKind::Add)
                .map(|(_, amount)| *amount)
                .collect();
            match found.add_run() {
                None => assert_eq!(adds.len(), 0),
                Some(run) => {
                    assert_eq!(run.sum, adds.iter().fold(0, |sum: i64, add| sum.wrapping_add(*add)));
                    assert_eq!(run.oldest.0, at - adds.len() as u64 + 1);
                    assert_eq!(run.base.map(|base| base.sequence.0), (run.oldest.0 > 1).then(|| run.oldest.0 - 1));
                }
            }
        }
    }
}

#[test]
fn an_insert_that_is_refused_changes_nothing() {
    let memtable = Arc::new(Memtable::new(small()).unwrap());
    memtable.insert(b"a", Sequence(5), EntryKind::Put, b"five").unwrap();
    let before = (memtable.bytes(), memtable.entry_count());
    let long_key = vec![1; crate::options::KEY_BYTES_MAX + 1];
    let refused = [
        memtable.insert(b"a", Sequence(5), EntryKind::Put, b"again"),
        memtable.insert(b"a", Sequence(4), EntryKind::Put, b"older"),
        memtable.insert(b"c", Sequence(6), EntryKind::DeleteRange, b"d"),
        memtable.insert(b"c", Sequence(6), EntryKind::Add, b"short"),
        memtable.insert(&long_key, Sequence(6), EntryKind::Put, b""),
        memtable.insert(b"", Sequence(6), EntryKind::Put, b""),
    ];
    assert!(matches!(refused[0], Err(Error::Internal { .. })));
    assert!(matches!(refused[1], Err(Error::Internal { .. })));
    assert!(matches!(refused[2], Err(Error::InvalidArgument { .. })));
    assert!(matches!(refused[3], Err(Error::InvalidArgument { .. })));
    assert!(matches!(refused[4], Err(Error::TooLarge { what: "key", .. })));
    assert!(matches!(refused[5], Err(Error::InvalidArgument { what: "the key", .. })));
    assert_eq!((memtable.bytes(), memtable.entry_count()), before);
    assert_eq!(memtable.get(b"a", Sequence::MAX).unwrap().value, b"five");
    assert!(memtable.get(b"c", Sequence::MAX).is_none());
}

#[test]
fn values_larger_than_a_chunk_stay_whole_and_can_be_kept() {
    let memtable = Arc::new(Memtable::new(small()).unwrap());
    let sizes = [0, 1, 4095, 4096, 8150, 8192, 8193, 20_000, 100_000, 3, 1 << 20];
    for (number, size) in sizes.iter().enumerate() {
        let value = vec![number as u8; *size];
        memtable.insert(&[2, number as u8], Sequence(number as u64 + 1), EntryKind::Put, &value).unwrap();
    }
    let mut cursor = memtable.cursor();
    cursor.seek_first().unwrap();
    let mut kept = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let found = memtable.get(&[2, number as u8], Sequence::MAX).unwrap();
        assert_eq!(found.value, vec![number as u8; *size]);
        kept.push((found.pin(), cursor.pin_value()));
        cursor.next().unwrap();
    }
    drop((cursor, memtable));
    for (number, ((one, other), size)) in kept.iter().zip(sizes).enumerate() {
        assert_eq!(&one[..], vec![number as u8; size]);
        assert_eq!(&other[..], vec![number as u8; size]);
    }
}

#[test]
fn bytes_count_what_is_used() {
    let memtable = Memtable::new(small()).unwrap();
    assert!(memtable.is_empty());
    assert!(memtable.bytes() < 64);
    let mut before = memtable.bytes();
    for number in 0..1000_u64 {
        memtable.insert(&number.to_be_bytes(), Sequence(number + 1), EntryKind::Put, &[0; 100]).unwrap();
        let after = memtable.bytes();
        assert!(after >= before + 16 + 8 + 100, "entry {number} took {} bytes", after - before);
        before = after;
    }
    assert!(before < 1000 * 230, "1000 entries of 108 bytes use {before} bytes");
    assert!(memtable.reserved_bytes() >= before);
}

#[test]
fn range_tombstones_are_kept_beside_the_entries() {
    let memtable = Memtable::new(small()).unwrap();
    assert!(memtable.has_no_range_tombstones());
    let mut ranges = RangeMap::default();
    ranges.set(b"b", b"d", Sequence::ZERO);
    memtable.delete_ranges(&ranges, Sequence(3), || LiveSnapshots::new([], Sequence(2)));
    assert!(!memtable.is_empty());
    assert_eq!(memtable.covering(b"c", Sequence(3)), Some(Sequence(3)));
    assert_eq!(memtable.covering(b"c", Sequence(2)), None);
    assert_eq!(memtable.range_tombstones().covering(b"c", Sequence(3)), Some(Sequence(3)));
    assert!(memtable.bytes() > 32);
}

/// Readers take the published sequence, as snapshots do, and must see exactly what was written up to it, by get and
/// by cursors in both directions, while the writer goes on.
#[test]
fn readers_see_every_commit_before_theirs_while_the_writer_runs() {
    const KEYS: u64 = 3000;
    for round in 0..4_u64 {
        let memtable = Arc::new(Memtable::new(small()).unwrap());
        let visible = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let spread = move |number: u64| {
            let mixed = if round % 2 == 0 { number.wrapping_mul(0x9e37_79b9_7f4a_7c15) } else { number };
            [&[(round % 2) as u8, 0, 0, 0, 1][..], &mixed.to_be_bytes()].concat()
        };
        let readers: Vec<_> = (0..3_u64)
            .map(|reader| {
                let (memtable, visible, done) = (Arc::clone(&memtable), Arc::clone(&visible), Arc::clone(&done));
                let body = move || {
                    let random = SeededRandom::new(reader);
                    while !done.load(Ordering::Relaxed) {
                        let at = visible.load(Ordering::Acquire);
                        // Commit s writes key s % KEYS with value s.
                        let number = random.below(KEYS);
                        let last = (at >= number).then(|| at - (at - number) % KEYS).filter(|last| *last > 0);
                        let found = memtable.get(&spread(number), Sequence(at));
                        assert_eq!(found.map(|found| found.sequence.0), last, "key {number} at {at}");
                        if let (Some(found), Some(last)) = (found, last) {
                            assert_eq!(found.value, vec![last as u8; (last % 300) as usize]);
                        }
                        if random.below(200) == 0 {
                            count_all(&memtable, at, reader % 2 == 0);
                        }
                    }
                };
                SystemThreads.spawn("reader", Box::new(body)).unwrap()
            })
            .collect();
        for sequence in 1..=40_000_u64 {
            let value = vec![sequence as u8; (sequence % 300) as usize];
            memtable.insert(&spread(sequence % KEYS), Sequence(sequence), EntryKind::Put, &value).unwrap();
            visible.store(sequence, Ordering::Release);
        }
        done.store(true, Ordering::Relaxed);
        assert!(readers.iter().all(|reader| reader.join()), "a reader saw something wrong");
    }
}

fn count_all(memtable: &Arc<Memtable>, at: u64, forward: bool) {
    let mut cursor = memtable.cursor();
    if forward {
        cursor.seek_first().unwrap()
    } else {
        cursor.seek_last().unwrap()
    }
    let (mut count, mut previous) = (0, None::<(Vec<u8>, Reverse<u64>)>);
    while cursor.is_valid() {
        let here = (cursor.key().to_vec(), Reverse(cursor.sequence().0));
        if let Some(previous) = &previous {
            assert!(if forward { *previous < here } else { here < *previous }, "{previous:?} then {here:?}");
        }
        if cursor.sequence().0 <= at {
            assert_eq!(cursor.value().len() as u64, cursor.sequence().0 % 300);
            count += 1;
        }
        previous = Some(here);
        if forward { cursor.next().unwrap() } else { cursor.previous().unwrap() }
    }
    assert_eq!(count, at, "every commit is one version");
}

#[test]
fn an_estimate_of_a_range_is_near_its_entries_without_a_walk_over_them() {
    const COUNT: u64 = 30_000;
    let key = |n: u64| [7_u64.to_be_bytes(), n.to_be_bytes()].concat();
    for is_shuffled in [false, true] {
        let memtable = Memtable::new(MemtableConfig::default()).unwrap();
        for n in 0..COUNT {
            // 17,509 has no divisor in common with the count, so each comes once.
            let n = if is_shuffled { n * 17_509 % COUNT } else { n };
            memtable.insert(&key(n), Sequence(n + 1), EntryKind::Put, b"").unwrap();
        }
        assert_eq!(memtable.approximate_count(&[], None), COUNT);
        assert_eq!(memtable.approximate_count(&[], Some(&[0])), 0);
        assert_eq!(memtable.approximate_count(&[9], None), 0);
        for (start, end) in [(0, 300), (100, 1_000), (7_000, 7_400), (10_000, 20_000), (29_000, COUNT), (3, 29_990)] {
            let (about, exact) = (memtable.approximate_count(&key(start), Some(&key(end))), end - start);
            assert!((exact / 2..=exact * 2).contains(&about), "{start}..{end}: {about}");
        }
        for n in [0, 1, 777, 15_000, 29_999] {
            let about = memtable.approximate_count(&key(n), Some(&key(n + 3)));
            assert!(about < 100, "{n}: {about}");
        }
    }
}
