//! The savepoints of a write transaction, and what brings its changes back to each of them.
//!
//! Always: each savepoint has, of every key that changed since and before the next savepoint, what the key had then, once;
//! and the deleted ranges as they were, which shares what did not change. So its memory grows with the keys that changed
//! and not with the changes, and all of it is counted. Does not know: the changes there are now (`buffer`).

use std::collections::HashMap;

use crate::error::Result;
use crate::options::invalid;
use crate::range_tombstone::RangeMap;
use crate::transaction::points::Change;

/// What a kept change costs beside its key and value: share of a table that doubles, two pieces of memory, lengths.
const KEPT_BYTES: u64 = 128;
/// What a savepoint costs, in a list that doubles.
const MARK_BYTES: u64 = 2 * size_of::<Mark>() as u64;

/// A place in a transaction to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint {
    transaction: u64,
    depth: usize,
    number: u64,
}

/// What keys had, or that they had no change.
type Kept = HashMap<Box<[u8]>, Option<Change>>;

/// The state of a transaction at a savepoint.
#[derive(Debug)]
pub(crate) struct Earlier {
    /// What the keys had that changed since.
    pub(super) points: Kept,
    /// All deleted ranges.
    pub(super) ranges: RangeMap,
}

/// The savepoints that can be gone back to, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Savepoints {
    marks: Vec<Mark>,
    made: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Mark {
    number: u64,
    ranges: RangeMap,
    kept: Kept,
    /// Of what is kept, and of what the maker of the savepoint keeps with it.
    bytes: u64,
    own_bytes: u64,
}

impl Savepoints {
    /// Bytes of all that is kept, without the deleted ranges: a map counts those of its earlier states itself.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What a savepoint costs whose maker keeps `own_bytes` with it.
    pub(super) const fn cost(own_bytes: u64) -> u64 {
        MARK_BYTES.saturating_add(own_bytes)
    }

    /// What keeping the state before `changes` changes costs at most, beyond what that state takes already, when their keys
    /// have `key_bytes` together.
    #[inline]
    pub(super) fn cost_of_keeping(&self, changes: u64, key_bytes: u64) -> u64 {
        if self.marks.is_empty() { 0 } else { key_bytes.saturating_add(changes.saturating_mul(KEPT_BYTES)) }
    }

    /// True when what `key` has must be kept before it changes.
    #[inline]
    pub(super) fn wants(&self, key: &[u8]) -> bool {
        self.marks.last().is_some_and(|newest| !newest.kept.contains_key(key))
    }

    /// Keeps what a key had before its first change since the newest savepoint.
    pub(super) fn keep(&mut self, key: &[u8], before: Option<Change>) {
        let Some(newest) = self.marks.last_mut() else { return };
        let bytes = cost_of(key, before.as_ref());
        newest.bytes = newest.bytes.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        newest.kept.insert(key.into(), before);
    }

    /// A savepoint at which these ranges are deleted.
    pub(super) fn make(&mut self, transaction: u64, ranges: &RangeMap, own_bytes: u64) -> Savepoint {
        self.made = self.made.saturating_add(1);
        let own_bytes = Self::cost(own_bytes);
        self.marks.push(Mark {
            number: self.made,
            ranges: ranges.clone(),
            kept: Kept::new(),
            bytes: own_bytes,
            own_bytes,
        });
        self.bytes = self.bytes.saturating_add(own_bytes);
        Savepoint { transaction, depth: self.marks.len(), number: self.made }
    }

    /// Which savepoint it is.
    ///
    /// # Errors
    /// `InvalidArgument` when it is none of these.
    pub(super) fn index(&self, transaction: u64, savepoint: &Savepoint) -> Result<usize> {
        let index = savepoint.depth.checked_sub(1);
        index
            .filter(|index| self.marks.get(*index).is_some_and(|mark| mark.number == savepoint.number))
            .filter(|_| savepoint.transaction == transaction)
            .ok_or_else(|| invalid("savepoint", "is not of this transaction or was rolled back; make a new one"))
    }

    /// What to put back to go back to savepoint `index`, which stays. Later ones are gone.
    pub(super) fn go_back(&mut self, index: usize) -> Option<Earlier> {
        self.join(index);
        let mark = self.marks.last_mut()?;
        self.bytes = self.bytes.saturating_sub(mark.bytes).saturating_add(mark.own_bytes);
        mark.bytes = mark.own_bytes;
        Some(Earlier { points: std::mem::take(&mut mark.kept), ranges: mark.ranges.clone() })
    }

    /// Forgets savepoint `index` and later ones. The one before gets what they kept, as far as it has nothing of its own.
    pub(super) fn release(&mut self, index: usize) {
        match index.checked_sub(1) {
            Some(outer) => self.join(outer),
            None => {
                self.marks.clear();
                self.bytes = 0;
                self.shrink();
            }
        }
    }

    /// Makes savepoint `index` the newest one, with what the later ones kept.
    fn join(&mut self, index: usize) {
        while self.marks.len() > index.saturating_add(1)
            && let Some(mut newer) = self.marks.pop()
            && let Some(older) = self.marks.last_mut()
        {
            self.bytes = self.bytes.saturating_sub(newer.bytes).saturating_sub(older.bytes);
            older.take_over(&mut newer);
            self.bytes = self.bytes.saturating_add(older.bytes);
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.marks.capacity() / 4 > self.marks.len().max(4) {
            self.marks.shrink_to(self.marks.len().saturating_mul(2));
        }
    }
}

impl Mark {
    /// Takes over what a newer savepoint kept. Of a key that both have, the older state is the one to go back to. Costs the
    /// smaller of the two.
    fn take_over(&mut self, newer: &mut Self) {
        let (own, other) = (self.bytes.saturating_sub(self.own_bytes), newer.bytes.saturating_sub(newer.own_bytes));
        let mut kept_bytes;
        if self.kept.len() >= newer.kept.len() {
            kept_bytes = own;
            for (key, before) in std::mem::take(&mut newer.kept) {
                let bytes = cost_of(&key, before.as_ref());
                self.kept.entry(key).or_insert_with(|| {
                    kept_bytes = kept_bytes.saturating_add(bytes);
                    before
                });
            }
        } else {
            kept_bytes = other;
            std::mem::swap(&mut self.kept, &mut newer.kept);
            for (key, before) in std::mem::take(&mut newer.kept) {
                kept_bytes = kept_bytes.saturating_add(cost_of(&key, before.as_ref()));
                let key_bytes = key.len() as u64;
                if let Some(replaced) = self.kept.insert(key, before) {
                    kept_bytes = kept_bytes.saturating_sub(cost_beside(key_bytes, replaced.as_ref()));
                }
            }
        }
        self.bytes = self.own_bytes.saturating_add(kept_bytes);
    }
}

fn cost_of(key: &[u8], before: Option<&Change>) -> u64 {
    cost_beside(key.len() as u64, before)
}

fn cost_beside(key_bytes: u64, before: Option<&Change>) -> u64 {
    let value_bytes = before.map_or(0, |before| before.value_bytes().len() as u64);
    key_bytes.saturating_add(value_bytes).saturating_add(KEPT_BYTES)
}
