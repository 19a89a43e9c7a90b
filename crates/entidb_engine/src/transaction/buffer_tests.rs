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
        buffer.put(b"b", b"old", None).unwrap();
        buffer.delete_range(b"a", b"c", None).unwrap();
        assert!(matches!(buffer.own(b"b"), Ok(Own::Deleted)));
        buffer.put(b"b", b"new", None).unwrap();
        assert!(matches!(buffer.own(b"b"), Ok(Own::Put(found)) if found == value("new")));
        assert!(matches!(buffer.own(b"c"), Ok(Own::Nothing)));
    }
}

#[test]
fn overlapping_ranges_melt_into_one() {
    let mut buffer = WriteBuffer::new(1 << 20);
    buffer.delete_range(b"a", b"c", None).unwrap();
    buffer.delete_range(b"e", b"g", None).unwrap();
    buffer.delete_range(b"b", b"f", None).unwrap();
    assert_eq!(ranges_of(&buffer), vec![(b"a".to_vec(), b"g".to_vec())]);
}

#[test]
fn counting_folds_into_what_the_transaction_already_says() {
    for mut buffer in both() {
        buffer.add(b"n", 2, None).unwrap();
        buffer.add(b"n", 3, None).unwrap();
        assert!(matches!(buffer.own(b"n"), Ok(Own::Add(5))));
        buffer.delete(b"n", None).unwrap();
        buffer.add(b"n", 7, None).unwrap();
        assert!(matches!(buffer.own(b"n"), Ok(Own::Put(found)) if *found == 7_i64.to_le_bytes()));
    }
}

#[test]
fn undoing_everything_leaves_an_empty_buffer() {
    for mut buffer in both() {
        let mut undo = Vec::new();
        buffer.put(b"a", b"1", Some(&mut undo)).unwrap();
        buffer.put(b"a", b"22", Some(&mut undo)).unwrap();
        buffer.delete_range(b"a", b"z", Some(&mut undo)).unwrap();
        buffer.delete_range(b"c", b"zz", Some(&mut undo)).unwrap();
        buffer.add(b"n", 1, Some(&mut undo)).unwrap();
        buffer.undo(undo.into_iter().rev()).unwrap();
        assert!(buffer.is_empty());
        assert_eq!(buffer.bytes() - buffer.points.stale_bytes(), 0);
    }
}

#[test]
fn what_was_replaced_again_and_again_does_not_fill_the_memory() {
    let mut buffer = WriteBuffer::new(0);
    for number in 0..100_000_u32 {
        buffer.put(b"the same key", &number.to_le_bytes(), None).unwrap();
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
    Back,
    Look,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..30_u8, any::<u8>()).prop_map(|(key, value)| Act::Put(key, value)),
        3 => (0..30_u8).prop_map(Act::Delete),
        3 => (30..40_u8, -9..9_i64).prop_map(|(key, delta)| Act::Add(key, delta)),
        1 => (0..40_u8, 0..40_u8).prop_map(|(start, end)| Act::DeleteRange(start, end)),
        1 => Just(Act::Mark),
        1 => Just(Act::Back),
        1 => Just(Act::Look),
    ];
    prop::collection::vec(act, 0..80)
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
    #[test]
    fn many_changes_are_what_few_are(acts in acts()) {
        let mut buffers = both().map(Arc::new);
        let mut undo = [Vec::new(), Vec::new()];
        let mut marks = Vec::new();
        let mut looked = Vec::new();
        for act in acts {
            match &act {
                Act::Mark => marks.push(undo[0].len()),
                Act::Look => looked.push((buffers.clone(), walk(&buffers[0]))),
                _ => {}
            }
            let back = if matches!(act, Act::Back) { marks.pop() } else { None };
            for (buffer, undo) in buffers.iter_mut().zip(&mut undo) {
                let buffer = Arc::make_mut(buffer);
                match act {
                    Act::Put(number, byte) => buffer.put(&key(number), &[byte; 5], Some(undo)).unwrap(),
                    Act::Delete(number) => buffer.delete(&key(number), Some(undo)).unwrap(),
                    Act::Add(number, delta) => buffer.add(&key(number), delta, Some(undo)).unwrap(),
                    Act::DeleteRange(start, end) =>
                        buffer.delete_range(&key(start), &key(end), Some(undo)).unwrap(),
                    Act::Back => if let Some(mark) = back {
                        buffer.undo(undo.drain(mark..).rev()).unwrap();
                    },
                    Act::Mark | Act::Look => {}
                }
            }
            prop_assert_eq!(undo[0].len(), undo[1].len());
        }
        let [few, many] = &buffers;
        prop_assert_eq!(walk(few), walk(many));
        prop_assert_eq!(ranges_of(few), ranges_of(many));
        prop_assert_eq!(few.point_count(), many.point_count());
        prop_assert_eq!(few.bytes(), many.bytes() - many.points.stale_bytes());
        // Whoever looked sees what was there then.
        for (buffers, seen) in looked {
            for buffer in &buffers {
                prop_assert_eq!(&walk(buffer), &seen);
            }
        }
    }
}
