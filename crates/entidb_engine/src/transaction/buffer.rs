//! The changes of one write transaction before it commits.
//!
//! Always: one change per key, the last one; range deletes come before every point change, because a range delete
//! removes the point changes it covers. `Add` onto an own `Put` is folded, so what is kept never depends on order.
//! Does not know: what the database holds.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::Result;
use crate::format::EntryKind;
use crate::iterator::counter_from;
use crate::value::Value;

/// What an entry costs beside its bytes: tree node share, lengths, reference counts.
const ENTRY_BYTES: u64 = 64;

/// The last change of one key.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) kind: EntryKind,
    pub(crate) value: Option<Value>,
}

impl Change {
    pub(crate) fn value_bytes(&self) -> &[u8] {
        self.value.as_ref().map_or(&[], Value::as_bytes)
    }

    fn bytes(&self, key: &[u8]) -> u64 {
        (key.len() as u64).saturating_add(self.value_bytes().len() as u64).saturating_add(ENTRY_BYTES)
    }
}

/// What the transaction itself says about a key.
#[derive(Debug, Clone)]
pub(crate) enum Own {
    /// Nothing: look in the database.
    Nothing,
    /// This value.
    Put(Value),
    /// No value.
    Deleted,
    /// What the database says, plus this.
    Add(i64),
}

/// What to put back to undo one change.
#[derive(Debug, Clone)]
pub(crate) enum Undo {
    Point { key: Box<[u8]>, before: Option<Change> },
    Ranges { before: BTreeMap<Box<[u8]>, Box<[u8]>> },
}

/// Buffered changes. Cloned only when an iterator still looks at the old state.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteBuffer {
    points: BTreeMap<Box<[u8]>, Change>,
    /// Start to end, never overlapping.
    ranges: BTreeMap<Box<[u8]>, Box<[u8]>>,
    bytes: u64,
}

impl WriteBuffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty() && self.ranges.is_empty()
    }

    /// Bytes of keys, values and their bookkeeping.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn points(&self) -> &BTreeMap<Box<[u8]>, Change> {
        &self.points
    }

    pub(crate) fn ranges(&self) -> &BTreeMap<Box<[u8]>, Box<[u8]>> {
        &self.ranges
    }

    /// What this change would cost beyond what is there, at most.
    pub(crate) fn cost(key: &[u8], value: &[u8]) -> u64 {
        (key.len() as u64).saturating_add(value.len() as u64).saturating_add(ENTRY_BYTES)
    }

    pub(crate) fn own(&self, key: &[u8]) -> Result<Own> {
        match self.points.get(key) {
            Some(change) => Ok(match (change.kind, &change.value) {
                (EntryKind::Put, Some(value)) => Own::Put(value.clone()),
                (EntryKind::Add, Some(value)) => Own::Add(counter_from(value)?),
                _ => Own::Deleted,
            }),
            None if self.range_covers(key) => Ok(Own::Deleted),
            None => Ok(Own::Nothing),
        }
    }

    pub(crate) fn range_covers(&self, key: &[u8]) -> bool {
        if self.ranges.is_empty() {
            return false;
        }
        let until = (Bound::Unbounded, Bound::Included(key));
        self.ranges.range::<[u8], _>(until).next_back().is_some_and(|(_, end)| key < end.as_ref())
    }

    pub(crate) fn put(&mut self, key: &[u8], value: Value, undo: Option<&mut Vec<Undo>>) {
        self.set(key, Change { kind: EntryKind::Put, value: Some(value) }, undo);
    }

    pub(crate) fn delete(&mut self, key: &[u8], undo: Option<&mut Vec<Undo>>) {
        self.set(key, Change { kind: EntryKind::Delete, value: None }, undo);
    }

    pub(crate) fn add(&mut self, key: &[u8], delta: i64, undo: Option<&mut Vec<Undo>>) -> Result<()> {
        let (kind, sum) = match self.own(key)? {
            Own::Nothing => (EntryKind::Add, delta),
            Own::Add(before) => (EntryKind::Add, before.wrapping_add(delta)),
            Own::Put(value) => (EntryKind::Put, counter_from(&value)?.wrapping_add(delta)),
            Own::Deleted => (EntryKind::Put, delta),
        };
        self.set(key, Change { kind, value: Some(Value::owned(sum.to_le_bytes())) }, undo);
        Ok(())
    }

    pub(crate) fn delete_range(&mut self, start: &[u8], end: &[u8], mut undo: Option<&mut Vec<Undo>>) {
        if start >= end {
            return;
        }
        let inside = (Bound::Included(start), Bound::Excluded(end));
        let covered: Vec<Box<[u8]>> = self.points.range::<[u8], _>(inside).map(|(key, _)| key.clone()).collect();
        for key in covered {
            if let Some(before) = self.points.remove(&key) {
                self.bytes = self.bytes.saturating_sub(before.bytes(&key));
                if let Some(undo) = undo.as_deref_mut() {
                    undo.push(Undo::Point { key, before: Some(before) });
                }
            }
        }
        if let Some(undo) = undo {
            undo.push(Undo::Ranges { before: self.ranges.clone() });
        }
        let (mut from, mut to): (Box<[u8]>, Box<[u8]>) = (start.into(), end.into());
        // Everything that touches the new range melts into it, so that ranges never overlap.
        if let Some((left, left_end)) =
            self.ranges.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(start))).next_back()
            && left_end.as_ref() >= start
        {
            from = left.clone();
            to = to.max(left_end.clone());
        }
        let touched: Vec<Box<[u8]>> = self
            .ranges
            .range::<[u8], _>((Bound::Included(from.as_ref()), Bound::Included(to.as_ref())))
            .map(|(key, _)| key.clone())
            .collect();
        for key in touched {
            if let Some(old_end) = self.ranges.remove(&key) {
                self.bytes = self.bytes.saturating_sub(Self::cost(&key, &old_end));
                to = to.max(old_end);
            }
        }
        self.bytes = self.bytes.saturating_add(Self::cost(&from, &to));
        self.ranges.insert(from, to);
    }

    /// Takes back the newest changes, the last first.
    pub(crate) fn undo(&mut self, changes: impl Iterator<Item = Undo>) {
        for change in changes {
            match change {
                Undo::Point { key, before: Some(before) } => self.set(&key, before, None),
                Undo::Point { key, before: None } => {
                    if let Some(gone) = self.points.remove(&key) {
                        self.bytes = self.bytes.saturating_sub(gone.bytes(&key));
                    }
                }
                Undo::Ranges { before } => {
                    let cost = |map: &BTreeMap<Box<[u8]>, Box<[u8]>>| -> u64 {
                        map.iter().map(|(start, end)| Self::cost(start, end)).sum()
                    };
                    self.bytes = self.bytes.saturating_sub(cost(&self.ranges)).saturating_add(cost(&before));
                    self.ranges = before;
                }
            }
        }
    }

    fn set(&mut self, key: &[u8], change: Change, undo: Option<&mut Vec<Undo>>) {
        self.bytes = self.bytes.saturating_add(change.bytes(key));
        let before = match self.points.get_mut(key) {
            Some(slot) => Some(std::mem::replace(slot, change)),
            None => self.points.insert(key.into(), change),
        };
        if let Some(before) = &before {
            self.bytes = self.bytes.saturating_sub(before.bytes(key));
        }
        if let Some(undo) = undo {
            undo.push(Undo::Point { key: key.into(), before });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value::owned(text.as_bytes())
    }

    #[test]
    fn a_range_delete_hides_what_came_before_and_not_what_comes_after() {
        let mut buffer = WriteBuffer::default();
        buffer.put(b"b", value("old"), None);
        buffer.delete_range(b"a", b"c", None);
        assert!(matches!(buffer.own(b"b"), Ok(Own::Deleted)));
        buffer.put(b"b", value("new"), None);
        assert!(matches!(buffer.own(b"b"), Ok(Own::Put(found)) if found == value("new")));
        assert!(matches!(buffer.own(b"c"), Ok(Own::Nothing)));
    }

    #[test]
    fn overlapping_ranges_melt_into_one() {
        let mut buffer = WriteBuffer::default();
        buffer.delete_range(b"a", b"c", None);
        buffer.delete_range(b"e", b"g", None);
        buffer.delete_range(b"b", b"f", None);
        let ranges: Vec<_> = buffer.ranges().iter().map(|(start, end)| (start.to_vec(), end.to_vec())).collect();
        assert_eq!(ranges, vec![(b"a".to_vec(), b"g".to_vec())]);
    }

    #[test]
    fn counting_folds_into_what_the_transaction_already_says() {
        let mut buffer = WriteBuffer::default();
        buffer.add(b"n", 2, None).unwrap();
        buffer.add(b"n", 3, None).unwrap();
        assert!(matches!(buffer.own(b"n"), Ok(Own::Add(5))));
        buffer.delete(b"n", None);
        buffer.add(b"n", 7, None).unwrap();
        assert!(matches!(buffer.own(b"n"), Ok(Own::Put(found)) if *found == 7_i64.to_le_bytes()));
    }

    #[test]
    fn undoing_everything_leaves_an_empty_buffer_that_weighs_nothing() {
        let mut buffer = WriteBuffer::default();
        let mut undo = Vec::new();
        buffer.put(b"a", value("1"), Some(&mut undo));
        buffer.put(b"a", value("22"), Some(&mut undo));
        buffer.delete_range(b"a", b"z", Some(&mut undo));
        buffer.delete_range(b"c", b"zz", Some(&mut undo));
        buffer.add(b"n", 1, Some(&mut undo)).unwrap();
        buffer.undo(undo.into_iter().rev());
        assert!(buffer.is_empty());
        assert_eq!(buffer.bytes(), 0);
    }
}
