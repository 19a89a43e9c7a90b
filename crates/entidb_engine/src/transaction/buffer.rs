//! The changes of one write transaction before it commits.
//!
//! Always: one change per key, the last one; range deletes come before every point change, because a range delete
//! removes the point changes it covers. `Add` onto an own `Put` is folded, so what is kept never depends on order.
//! Does not know: what the database holds.

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::counter_from;
use crate::planted::{Mistake, makes};
use crate::range_tombstone::RangeMap;
use crate::transaction::points::{Before, Change, ENTRY_BYTES, FEW_BYTES_MAX, Points};
use crate::transaction::savepoints::{Earlier, Savepoints};
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

/// Keys whose changes a range delete takes away at once, before memory is given back.
const REMOVED_AT_ONCE: usize = 1024;

/// Within a transaction all range deletes are the same commit, whatever sequence it will get.
const OWN: Sequence = Sequence::ZERO;

/// Buffered changes. Copied only when an iterator still looks at the old state.
#[derive(Debug, Clone)]
pub(crate) struct WriteBuffer {
    /// From this size on points are kept as many.
    few_bytes_max: u64,
    points: Points,
    ranges: RangeMap,
    /// Of the changes there are; those that were replaced come on top.
    bytes: u64,
    /// How many of the keys with a change are not deleted by it.
    kept_count: u64,
    /// The maker says that the changes free more than they take.
    frees: bool,
}

/// First bytes of keys.
pub(crate) struct Zones([bool; 256]);

impl Zones {
    fn add(&mut self, first: u8, last: u8) {
        let range = usize::from(first)..=usize::from(last);
        self.0.get_mut(range).into_iter().flatten().for_each(|is_in| *is_in = true);
    }

    pub(crate) fn contains(&self, zone: u8) -> bool {
        self.0.get(usize::from(zone)).copied().unwrap_or(false)
    }
}

impl WriteBuffer {
    /// An empty buffer of a database whose memtables have `memtable_bytes`.
    pub(crate) fn new(memtable_bytes: u64) -> Self {
        let few_bytes_max = FEW_BYTES_MAX.min(memtable_bytes / 16);
        Self {
            few_bytes_max,
            points: Points::default(),
            ranges: RangeMap::default(),
            bytes: 0,
            kept_count: 0,
            frees: false,
        }
    }

    /// The same changes, to go on with while somebody looks at these.
    pub(crate) fn copied(&self) -> Result<Self> {
        let points = self.points.copied(self.bytes, self.few_bytes_max)?;
        Ok(Self { points, ranges: self.ranges.clone(), ..*self })
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
        self.frees || self.kept_count == 0
    }

    /// Says that the changes free more than they take.
    pub(super) fn set_frees(&mut self) {
        self.frees = true;
    }

    /// Of these, the bytes of changes that count.
    pub(crate) fn live_bytes(&self) -> u64 {
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

    /// The zones that these changes are in.
    pub(crate) fn zones(&self) -> Zones {
        let mut zones = Zones([false; 256]);
        let shown = self.visit_points(|key, _, _| {
            key.first().into_iter().for_each(|zone| zones.add(*zone, *zone));
            Ok(())
        });
        if shown.is_err() {
            zones.add(0, u8::MAX);
        }
        self.ranges.for_each(None, |cover| {
            let of = |key: &[u8]| key.first().copied().unwrap_or(0);
            zones.add(of(cover.start), of(cover.end));
        });
        zones
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

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], savepoints: &mut Savepoints) -> Result<()> {
        self.set(key, EntryKind::Put, value, savepoints)
    }

    pub(crate) fn delete(&mut self, key: &[u8], savepoints: &mut Savepoints) -> Result<()> {
        self.set(key, EntryKind::Delete, &[], savepoints)
    }

    pub(crate) fn add(&mut self, key: &[u8], delta: i64, savepoints: &mut Savepoints) -> Result<()> {
        let (kind, sum) = match self.own(key)? {
            Own::Nothing => (EntryKind::Add, delta),
            Own::Add(before) => (EntryKind::Add, before.wrapping_add(delta)),
            Own::Put(value) => (EntryKind::Put, counter_from(&value)?.wrapping_add(delta)),
            Own::Deleted => (EntryKind::Put, delta),
        };
        self.set(key, kind, &sum.to_le_bytes(), savepoints)
    }

    /// Deletes a range. A failure, for want of memory, may leave some of the changes in it taken away.
    pub(crate) fn delete_range(&mut self, start: &[u8], end: &[u8], savepoints: &mut Savepoints) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        let mut from = start.to_vec();
        loop {
            let keys = self.points.keys_in(&from, end, REMOVED_AT_ONCE)?;
            for key in &keys {
                self.remove(key, savepoints)?;
            }
            let Some(last) = keys.last().filter(|_| keys.len() == REMOVED_AT_ONCE) else { break };
            last.as_ref().clone_into(&mut from);
            from.push(0);
            self.points.settle(self.bytes, self.few_bytes_max)?;
        }
        // Everything that touches the new range melts into it.
        self.ranges.set(start, end, OWN);
        Ok(())
    }

    /// How many keys of a range have a change of their own.
    pub(super) fn count_in(&self, start: &[u8], end: &[u8]) -> Result<u64> {
        self.points.count_in(start, end)
    }

    /// Makes the changes again what they were. A failure, for want of memory, may leave a part of it undone.
    pub(crate) fn go_back(&mut self, earlier: Earlier) -> Result<()> {
        let mut nothing = Savepoints::default();
        let left = makes(Mistake::SavepointKeepsOne).then(|| earlier.points.keys().max().cloned()).flatten();
        for (key, before) in earlier.points.into_iter().filter(|(key, _)| left.as_ref() != Some(key)) {
            match before {
                Some(before) => self.set(&key, before.kind, before.value_bytes(), &mut nothing)?,
                None => self.remove(&key, &mut nothing)?,
            }
        }
        self.ranges = earlier.ranges;
        Ok(())
    }

    fn set(&mut self, key: &[u8], kind: EntryKind, value: &[u8], savepoints: &mut Savepoints) -> Result<()> {
        self.points.settle(self.bytes, self.few_bytes_max)?;
        let keep = savepoints.wants(key);
        let before = self.points.set(key, kind, value, keep)?;
        self.bytes = self.bytes.saturating_add(Self::cost(key, value));
        self.kept_count = self.kept_count.saturating_add(u64::from(kind != EntryKind::Delete));
        self.note(key, before, keep.then_some(savepoints));
        Ok(())
    }

    fn remove(&mut self, key: &[u8], savepoints: &mut Savepoints) -> Result<()> {
        let keep = savepoints.wants(key);
        let before = self.points.remove(key, keep)?;
        self.note(key, before, keep.then_some(savepoints));
        Ok(())
    }

    /// Takes what a key had before off the books, and keeps it where it may be wanted back.
    fn note(&mut self, key: &[u8], before: Before, savepoints: Option<&mut Savepoints>) {
        if let Some((kind, len)) = before.had {
            let cost = (key.len() as u64).saturating_add(len as u64).saturating_add(ENTRY_BYTES);
            self.bytes = self.bytes.saturating_sub(cost);
            self.kept_count = self.kept_count.saturating_sub(u64::from(kind != EntryKind::Delete));
        }
        if let Some(savepoints) = savepoints {
            savepoints.keep(key, before.change);
        }
    }
}

#[cfg(test)]
#[path = "buffer_tests.rs"]
mod tests;
