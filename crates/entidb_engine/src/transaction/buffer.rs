//! The changes of one write transaction before it commits.
//!
//! Always: one change per key, the last one; range deletes come before every point change, because a range delete
//! removes the point changes it covers. `Add` onto an own `Put` is folded, so what is kept never depends on order.
//! Does not know: what the database holds.

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::counter_from;
use crate::range_tombstone::RangeMap;
use crate::transaction::points::{Before, Change, ENTRY_BYTES, FEW_BYTES_MAX, Points};
use crate::value::Value;

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
    Ranges { before: RangeMap },
}

/// Within a transaction all range deletes are the same commit, whatever sequence it will get.
const OWN: Sequence = Sequence::ZERO;

/// Buffered changes. Cloned only when an iterator still looks at the old state.
#[derive(Debug, Clone)]
pub(crate) struct WriteBuffer {
    /// From this size on points are kept as many.
    few_bytes_max: u64,
    points: Points,
    ranges: RangeMap,
    /// Of the changes there are; those that were replaced come on top.
    bytes: u64,
    /// The maker says that the changes free more than they take.
    frees: bool,
}

impl WriteBuffer {
    /// An empty buffer of a database whose memtables have `memtable_bytes`.
    pub(crate) fn new(memtable_bytes: u64) -> Self {
        let few_bytes_max = FEW_BYTES_MAX.min(memtable_bytes / 16);
        Self { few_bytes_max, points: Points::default(), ranges: RangeMap::default(), bytes: 0, frees: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.points.len() == 0 && self.ranges.is_empty()
    }

    /// Bytes of keys, values and their bookkeeping.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.saturating_add(self.points.stale_bytes()).saturating_add(self.ranges.bytes() as u64)
    }

    /// True when the changes free more than they take: they only delete, or their maker says so.
    pub(crate) fn frees(&self) -> bool {
        let only_deletes = || {
            let mut deletes = true;
            let shown = self.visit_points(|_, kind, _| {
                deletes &= kind == EntryKind::Delete;
                Ok(())
            });
            shown.is_ok() && deletes
        };
        self.frees || only_deletes()
    }

    /// Says that the changes free more than they take.
    pub(super) fn set_frees(&mut self) {
        self.frees = true;
    }

    /// Of these, the bytes of changes that count.
    pub(super) fn live_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.ranges.bytes() as u64)
    }

    /// Of these, the bytes of changes that were replaced or taken back.
    pub(super) fn stale_bytes(&self) -> u64 {
        self.points.stale_bytes()
    }

    /// Frees the memory of what was replaced or taken back.
    pub(super) fn give_back_stale(&mut self) -> Result<()> {
        self.points.compact()
    }

    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    /// How many keys have a change of their own.
    pub(crate) fn point_count(&self) -> u64 {
        self.points.len()
    }

    /// Shows the change of every key that has one, in key order.
    pub(crate) fn visit_points(&self, show: impl FnMut(&[u8], EntryKind, &[u8]) -> Result<()>) -> Result<()> {
        self.points.visit(show)
    }

    /// The deleted ranges; each key in them is deleted before any point change is made.
    pub(crate) fn ranges(&self) -> &RangeMap {
        &self.ranges
    }

    /// What this change would cost beyond what is there, at most.
    pub(crate) fn cost(key: &[u8], value: &[u8]) -> u64 {
        (key.len() as u64).saturating_add(value.len() as u64).saturating_add(ENTRY_BYTES)
    }

    pub(crate) fn own(&self, key: &[u8]) -> Result<Own> {
        match self.points.get(key) {
            Some(Change { kind: EntryKind::Put, value: Some(value) }) => Ok(Own::Put(value)),
            Some(Change { kind: EntryKind::Add, value: Some(value) }) => Ok(Own::Add(counter_from(&value)?)),
            Some(_) => Ok(Own::Deleted),
            None if self.range_covers(key) => Ok(Own::Deleted),
            None => Ok(Own::Nothing),
        }
    }

    pub(crate) fn range_covers(&self, key: &[u8]) -> bool {
        !self.ranges.is_empty() && self.ranges.covering(key).is_some()
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], undo: Option<&mut Vec<Undo>>) -> Result<()> {
        self.set(key, EntryKind::Put, value, undo)
    }

    pub(crate) fn delete(&mut self, key: &[u8], undo: Option<&mut Vec<Undo>>) -> Result<()> {
        self.set(key, EntryKind::Delete, &[], undo)
    }

    pub(crate) fn add(&mut self, key: &[u8], delta: i64, undo: Option<&mut Vec<Undo>>) -> Result<()> {
        let (kind, sum) = match self.own(key)? {
            Own::Nothing => (EntryKind::Add, delta),
            Own::Add(before) => (EntryKind::Add, before.wrapping_add(delta)),
            Own::Put(value) => (EntryKind::Put, counter_from(&value)?.wrapping_add(delta)),
            Own::Deleted => (EntryKind::Put, delta),
        };
        self.set(key, kind, &sum.to_le_bytes(), undo)
    }

    pub(crate) fn delete_range(&mut self, start: &[u8], end: &[u8], mut undo: Option<&mut Vec<Undo>>) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        for key in self.points.keys_in(start, end)? {
            self.remove(&key, undo.as_deref_mut())?;
        }
        if let Some(undo) = undo {
            undo.push(Undo::Ranges { before: self.ranges.clone() });
        }
        // Everything that touches the new range melts into it.
        self.ranges.set(start, end, OWN);
        Ok(())
    }

    /// Takes back the newest changes, the last first.
    pub(crate) fn undo(&mut self, changes: impl Iterator<Item = Undo>) -> Result<()> {
        for change in changes {
            match change {
                Undo::Point { key, before: Some(before) } => self.set(&key, before.kind, before.value_bytes(), None)?,
                Undo::Point { key, before: None } => self.remove(&key, None)?,
                Undo::Ranges { before } => self.ranges = before,
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], kind: EntryKind, value: &[u8], undo: Option<&mut Vec<Undo>>) -> Result<()> {
        self.points.settle(self.bytes, self.few_bytes_max)?;
        let before = self.points.set(key, kind, value, undo.is_some())?;
        self.bytes = self.bytes.saturating_add(Self::cost(key, value));
        self.note(key, before, undo);
        Ok(())
    }

    fn remove(&mut self, key: &[u8], undo: Option<&mut Vec<Undo>>) -> Result<()> {
        let before = self.points.remove(key, undo.is_some())?;
        self.note(key, before, undo);
        Ok(())
    }

    /// Takes what a key had before off the books, and remembers it where it may be wanted back.
    fn note(&mut self, key: &[u8], before: Before, undo: Option<&mut Vec<Undo>>) {
        if let Some(len) = before.value_len {
            let cost = (key.len() as u64).saturating_add(len as u64).saturating_add(ENTRY_BYTES);
            self.bytes = self.bytes.saturating_sub(cost);
        }
        if let Some(undo) = undo {
            undo.push(Undo::Point { key: key.into(), before: before.change });
        }
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
