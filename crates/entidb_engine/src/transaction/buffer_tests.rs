//! Tests of the changes of an open transaction: kept as few, kept as many, and against a plain model.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::format::Sequence;
use crate::transaction::cursor::source_of;

/// A buffer that keeps its points as few, and one that keeps them as many from the first byte on.
fn both() -> [WriteBuffer; 2] {
    [WriteBuffer::new(1 << 30), WriteBuffer { few_bytes_max: 0, ..WriteBuffer::new(0) }]
}

fn ranges_of(buffer: &WriteBuffer) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut ranges = Vec::new();
    buffer.ranges().for_each(None, |range| ranges.push((range.start.to_vec(), range.end.to_vec())));
    ranges
}

fn value(text: &str) -> Value {
    Value::owned(text.as_bytes())
}

#[test]
fn a_range_delete_hides_what_came_before_and_not_what_comes_after() {
    for mut buffer in both() {
        buffer.put(b"b", b"old", &mut Savepoints::default()).unwrap();
        buffer.delete_range(b"a", b"c", &mut Savepoints::default()).unwrap();
        assert!(matches!(buffer.own(b"b"), Ok(Own::Deleted)));
        buffer.put(b"b", b"new", &mut Savepoints::default()).unwrap();
        assert!(matches!(buffer.own(b"b"), Ok(Own::Put(found)) if found == value("new")));
        assert!(matches!(buffer.own(b"c"), Ok(Own::Nothing)));
    }
}

#[test]
fn overlapping_ranges_melt_into_one() {
    let mut buffer = WriteBuffer::new(1 << 20);
    buffer.delete_range(b"a", b"c", &mut Savepoints::default()).unwrap();
    buffer.delete_range(b"e", b"g", &mut Savepoints::default()).unwrap();
    buffer.delete_range(b"b", b"f", &mut Savepoints::default()).unwrap();
    assert_eq!(ranges_of(&buffer), vec![(b"a".to_vec(), b"g".to_vec())]);
}

#[test]
fn counting_folds_into_what_the_transaction_already_says() {
    for mut buffer in both() {
        buffer.add(b"n", 2, &mut Savepoints::default()).unwrap();
        buffer.add(b"n", 3, &mut Savepoints::default()).unwrap();
        assert!(matches!(buffer.own(b"n"), Ok(Own::Add(5))));
        buffer.delete(b"n", &mut Savepoints::default()).unwrap();
        buffer.add(b"n", 7, &mut Savepoints::default()).unwrap();
        assert!(matches!(buffer.own(b"n"), Ok(Own::Put(found)) if *found == 7_i64.to_le_bytes()));
    }
}

#[test]
fn more_than_a_few_become_a_tree_when_they_are_copied() {
    // A copy of a megabyte of changes would be made again for each query that looks while others are made.
    let shown = |buffer: &WriteBuffer| {
        let mut shown = Vec::new();
        let show = |key: &[u8], kind, value: &[u8]| {
            shown.push((key.to_vec(), kind, value.to_vec()));
            Ok(())
        };
        buffer.visit_points(show).unwrap();
        shown
    };
    let mut buffer = WriteBuffer::new(1 << 30);
    for (numbers, becomes_a_tree) in [(0_u32..200, false), (200..900, true)] {
        for number in numbers {
            buffer.put(&number.to_be_bytes(), &[7; 1000], &mut Savepoints::default()).unwrap();
        }
        let copy = buffer.copied().unwrap();
        assert!(matches!(&buffer.points, Points::Few(_)));
        assert_eq!(matches!(&copy.points, Points::Many(_)), becomes_a_tree);
        assert!(shown(&copy) == shown(&buffer));
        assert_eq!((copy.bytes(), copy.point_count()), (buffer.bytes(), buffer.point_count()));
    }
}

#[test]
fn going_back_to_the_start_leaves_an_empty_buffer() {
    for mut buffer in both() {
        let mut savepoints = Savepoints::default();
        savepoints.make(1, buffer.ranges(), 0);
        let marked = savepoints.bytes();
        buffer.put(b"a", b"1", &mut savepoints).unwrap();
        buffer.put(b"a", b"22", &mut savepoints).unwrap();
        buffer.delete_range(b"a", b"z", &mut savepoints).unwrap();
        buffer.delete_range(b"c", b"zz", &mut savepoints).unwrap();
        buffer.add(b"n", 1, &mut savepoints).unwrap();
        buffer.go_back(savepoints.go_back(0).unwrap()).unwrap();
        assert!(buffer.is_empty());
        assert_eq!((buffer.live_bytes(), savepoints.bytes()), (0, marked));
    }
}

#[test]
fn a_key_that_comes_and_goes_is_kept_once_for_a_savepoint() {
    for mut buffer in both() {
        let mut savepoints = Savepoints::default();
        buffer.put(b"k", b"as it was", &mut savepoints).unwrap();
        savepoints.make(1, buffer.ranges(), 0);
        let mut first = None;
        for number in 0..1000_u32 {
            buffer.put(b"k", &number.to_le_bytes(), &mut savepoints).unwrap();
            buffer.delete_range(b"a", b"z", &mut savepoints).unwrap();
            savepoints.make(1, buffer.ranges(), 0);
            buffer.put(b"new", &number.to_le_bytes(), &mut savepoints).unwrap();
            savepoints.release(1);
            assert_eq!(*first.get_or_insert(savepoints.bytes()), savepoints.bytes(), "round {number}");
        }
        buffer.go_back(savepoints.go_back(0).unwrap()).unwrap();
        assert!(matches!(buffer.own(b"k"), Ok(Own::Put(found)) if found == value("as it was")));
        assert!(matches!(buffer.own(b"new"), Ok(Own::Nothing)));
    }
}

#[test]
fn what_was_replaced_again_and_again_does_not_fill_the_memory() {
    let mut buffer = WriteBuffer::new(0);
    for number in 0..100_000_u32 {
        buffer.put(b"the same key", &number.to_le_bytes(), &mut Savepoints::default()).unwrap();
        assert!(buffer.bytes() < 3 << 20);
    }
    assert!(matches!(buffer.own(b"the same key"), Ok(Own::Put(found)) if *found == 99_999_u32.to_le_bytes()));
    assert_eq!(buffer.point_count(), 1);
}

#[derive(Debug, Clone)]
enum Act {
    Put(u8, u8),
    Delete(u8),
    Add(u8, i64),
    DeleteRange(u8, u8),
    Mark,
    Back(prop::sample::Index),
    Release(prop::sample::Index),
    Look,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..30_u8, any::<u8>()).prop_map(|(key, value)| Act::Put(key, value)),
        3 => (0..30_u8).prop_map(Act::Delete),
        3 => (30..40_u8, -9..9_i64).prop_map(|(key, delta)| Act::Add(key, delta)),
        1 => (0..40_u8, 0..40_u8).prop_map(|(start, end)| Act::DeleteRange(start, end)),
        3 => Just(Act::Mark),
        1 => any::<prop::sample::Index>().prop_map(Act::Back),
        1 => any::<prop::sample::Index>().prop_map(Act::Release),
        1 => Just(Act::Look),
    ];
    prop::collection::vec(act, 0..80)
}

/// What a transaction says of each key, as plainly as can be.
#[derive(Debug, Clone, Default, PartialEq)]
struct Naive {
    said: std::collections::BTreeMap<u8, (EntryKind, Vec<u8>)>,
    deleted: std::collections::BTreeSet<u8>,
}

impl Naive {
    fn of(buffer: &WriteBuffer) -> Self {
        let mut naive = Self::default();
        for number in 0..40 {
            let key = key(number);
            match buffer.own(&key).unwrap() {
                Own::Nothing => assert!(!buffer.range_covers(&key)),
                Own::Put(value) => drop(naive.said.insert(number, (EntryKind::Put, value.to_vec()))),
                Own::Add(delta) => drop(naive.said.insert(number, (EntryKind::Add, delta.to_le_bytes().to_vec()))),
                Own::Deleted => {
                    let is_own = buffer.points.get(&key).is_some();
                    is_own.then(|| naive.said.insert(number, (EntryKind::Delete, Vec::new())));
                }
            }
            if buffer.range_covers(&key) {
                naive.deleted.insert(number);
            }
        }
        naive
    }

    fn add(&mut self, number: u8, delta: i64) {
        let deleted = self.deleted.contains(&number).then_some((EntryKind::Delete, Vec::new()));
        let (kind, base) = match self.said.get(&number).or(deleted.as_ref()) {
            None => (EntryKind::Add, 0),
            Some((EntryKind::Add, sum)) => (EntryKind::Add, i64::from_le_bytes(sum.as_slice().try_into().unwrap())),
            Some((EntryKind::Put, sum)) => (EntryKind::Put, i64::from_le_bytes(sum.as_slice().try_into().unwrap())),
            Some(_) => (EntryKind::Put, 0),
        };
        self.said.insert(number, (kind, (base + delta).to_le_bytes().to_vec()));
    }

    fn delete_range(&mut self, start: u8, end: u8) {
        for number in start..end {
            self.said.remove(&number);
            self.deleted.insert(number);
        }
    }
}

fn key(number: u8) -> Vec<u8> {
    format!("key-{:02}{}", number, "x".repeat(usize::from(number % 3))).into_bytes()
}

/// What a walk shows, both ways.
fn walk(buffer: &Arc<WriteBuffer>) -> Vec<(Vec<u8>, EntryKind, Vec<u8>)> {
    let mut cursor = source_of(buffer, Sequence(9)).cursor;
    let mut forward = Vec::new();
    cursor.seek_first().unwrap();
    while cursor.is_valid() {
        assert_eq!(cursor.sequence(), Sequence(9));
        let here = cursor.here().unwrap();
        assert_eq!((here.key, here.sequence, here.kind), (cursor.key(), cursor.sequence(), cursor.kind()));
        forward.push((cursor.key().to_vec(), cursor.kind(), cursor.value().to_vec()));
        cursor.next().unwrap();
    }
    let mut backward = Vec::new();
    cursor.seek_last().unwrap();
    while cursor.is_valid() {
        backward.push((cursor.key().to_vec(), cursor.kind(), cursor.value().to_vec()));
        cursor.previous().unwrap();
    }
    backward.reverse();
    assert_eq!(forward, backward);
    for number in 0..40 {
        let key = key(number);
        cursor.seek(&key).unwrap();
        let at = forward.iter().position(|(found, ..)| *found >= key);
        assert_eq!(cursor.key(), at.map_or(&[][..], |at| &forward[at].0));
        cursor.seek_before(&key).unwrap();
        let before = forward.iter().rposition(|(found, ..)| *found < key);
        assert_eq!(cursor.key(), before.map_or(&[][..], |at| &forward[at].0));
    }
    forward
}

proptest! {
    #![proptest_config(crate::tier::cases(2000))]
    #[test]
    fn changes_under_savepoints_are_what_a_copy_of_everything_gives(acts in acts()) {
        let mut buffers = both().map(Arc::new);
        let mut savepoints = [Savepoints::default(), Savepoints::default()];
        let mut naive = Naive::default();
        let mut copies: Vec<Naive> = Vec::new();
        let mut looked = Vec::new();
        for act in acts {
            match &act {
                Act::Put(number, byte) => drop(naive.said.insert(*number, (EntryKind::Put, vec![*byte; 5]))),
                Act::Delete(number) => drop(naive.said.insert(*number, (EntryKind::Delete, Vec::new()))),
                Act::Add(number, delta) => naive.add(*number, *delta),
                Act::DeleteRange(start, end) => naive.delete_range(*start, *end),
                Act::Mark => copies.push(naive.clone()),
                Act::Look => looked.push((buffers.clone(), walk(&buffers[0]))),
                Act::Back(_) | Act::Release(_) => {}
            }
            let chosen = match &act {
                Act::Back(index) | Act::Release(index) if !copies.is_empty() => Some(index.index(copies.len())),
                _ => None,
            };
            for (buffer, savepoints) in buffers.iter_mut().zip(&mut savepoints) {
                let buffer = Arc::make_mut(buffer);
                match &act {
                    Act::Put(number, byte) => buffer.put(&key(*number), &[*byte; 5], savepoints).unwrap(),
                    Act::Delete(number) => buffer.delete(&key(*number), savepoints).unwrap(),
                    Act::Add(number, delta) => buffer.add(&key(*number), *delta, savepoints).unwrap(),
                    Act::DeleteRange(start, end) => {
                        buffer.delete_range(&key(*start), &key(*end), savepoints).unwrap();
                    }
                    Act::Mark => drop(savepoints.make(1, buffer.ranges(), 0)),
                    Act::Back(_) => if let Some(index) = chosen {
                        buffer.go_back(savepoints.go_back(index).unwrap()).unwrap();
                    },
                    Act::Release(_) => if let Some(index) = chosen {
                        savepoints.release(index);
                    },
                    Act::Look => {}
                }
            }
            match (&act, chosen) {
                (Act::Back(_), Some(index)) => {
                    copies.truncate(index + 1);
                    naive = copies[index].clone();
                }
                (Act::Release(_), Some(index)) => copies.truncate(index),
                _ => {}
            }
            let only_deletes = naive.said.values().all(|(kind, _)| *kind == EntryKind::Delete);
            prop_assert!(buffers.iter().all(|buffer| buffer.frees() == only_deletes));
            prop_assert_eq!(savepoints[0].bytes(), savepoints[1].bytes());
            prop_assert_eq!(savepoints[0].bytes() == 0, copies.is_empty());
        }
        let [few, many] = &buffers;
        prop_assert_eq!(&Naive::of(few), &naive);
        prop_assert_eq!(&Naive::of(many), &naive);
        prop_assert_eq!(walk(few), walk(many));
        prop_assert_eq!(ranges_of(few), ranges_of(many));
        prop_assert_eq!(few.point_count(), many.point_count());
        prop_assert_eq!(few.live_bytes(), many.live_bytes());
        // An earlier look still shows what was there then.
        for (buffers, seen) in looked {
            for buffer in &buffers {
                prop_assert_eq!(&walk(buffer), &seen);
            }
        }
    }
}
