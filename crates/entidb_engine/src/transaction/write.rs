//! A write transaction: changes buffered in private until they commit as one.
//!
//! Always: one write transaction at a time; it sees the last commit and its own changes; dropped means aborted.
//! Does not know: how a commit becomes durable (`wal`).

use std::sync::Arc;

use crate::engine::{ReadPoint, WriterToken};
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::iterator::{KeyRange, counter_from};
use crate::options::{Durability, invalid};
use crate::planted::{Mistake, makes};
use crate::transaction::buffer::{Undo, WriteBuffer};
use crate::transaction::points::ENTRY_BYTES;
use crate::transaction::{Direction, Iter, WriteSnapshot, check_key, check_value, write_snapshot};
use crate::value::Value;

/// Beyond this part of the limit of a transaction, memory of changes that count no more is given back.
const STALE_PART: u64 = 8;

/// A place in a transaction to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint {
    transaction: u64,
    depth: usize,
    number: u64,
}

/// Changes that become visible and durable together, or not at all.
pub struct WriteTransaction {
    /// Ends before the right to write is given back.
    point: OwnPoint,
    token: WriterToken,
    buffer: Arc<WriteBuffer>,
    undo: Vec<Undo>,
    /// Places in `undo` that can still be gone back to, with the number of the savepoint that made them.
    marks: Vec<(usize, u64)>,
    savepoints_made: u64,
    bytes_max: u64,
}

/// The point a transaction reads at. What the transaction gave out reads nothing any more once it is over, however it
/// ended: the next commit gets the sequence at which its own changes were shown.
struct OwnPoint(Arc<ReadPoint>);

impl Drop for OwnPoint {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl WriteTransaction {
    pub(crate) fn new(token: WriterToken, point: ReadPoint, bytes_max: u64, memtable_bytes: u64) -> Self {
        Self {
            point: OwnPoint(Arc::new(point)),
            token,
            buffer: Arc::new(WriteBuffer::new(memtable_bytes)),
            undo: Vec::new(),
            marks: Vec::new(),
            savepoints_made: 0,
            bytes_max,
        }
    }

    /// The last commit this transaction sees beneath its own changes.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.point.0.sequence()
    }

    /// The sequence this transaction gets if it commits. Exact, because there is one writer.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.point.0.sequence().next()
    }

    /// Bytes the changes take so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.buffer.bytes()
    }

    /// True when nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The value of a key, own changes included.
    ///
    /// # Errors
    /// `Closed`, `Corrupt`, or a failure of the storage.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        write_snapshot::get(&self.point.0, &self.buffer, key)
    }

    /// The transaction as it is now, to be read while it goes on: later changes do not show in it.
    #[must_use]
    pub fn snapshot(&self) -> WriteSnapshot {
        WriteSnapshot::new(&self.point.0, &self.buffer)
    }

    /// True when the key has a value, own changes included.
    ///
    /// # Errors
    /// As [`get`](WriteTransaction::get).
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// The number a counter has reached, own changes included; 0 when nothing was ever added.
    ///
    /// # Errors
    /// `InvalidArgument` when the value is no counter, otherwise as [`get`](WriteTransaction::get).
    pub fn counter(&self, key: &[u8]) -> Result<i64> {
        self.get(key)?.map_or(Ok(0), |value| counter_from(&value))
    }

    /// The keys and values of a range, own changes included as they are now: later changes do not show in it.
    ///
    /// # Errors
    /// As [`get`](WriteTransaction::get).
    pub fn range(&self, range: impl Into<KeyRange>, direction: Direction) -> Result<Iter> {
        let own = (!self.buffer.is_empty()).then_some(&self.buffer);
        Iter::new(Arc::clone(&self.point.0), own, range.into(), direction)
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty key, `TooLarge` for a key, value or transaction over its limit. The
    /// transaction stays as it was.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_key(key)?;
        check_value(value)?;
        self.check_cost(WriteBuffer::cost(key, value))?;
        let undo = if self.marks.is_empty() { None } else { Some(&mut self.undo) };
        Arc::make_mut(&mut self.buffer).put(key, value, undo)
    }

    /// Takes a key's value away; fine when it has none.
    ///
    /// # Errors
    /// As [`put`](WriteTransaction::put).
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        check_key(key)?;
        self.check_cost(WriteBuffer::cost(key, &[]))?;
        let undo = if self.marks.is_empty() { None } else { Some(&mut self.undo) };
        Arc::make_mut(&mut self.buffer).delete(key, undo)
    }

    /// Takes the values of all keys in `start..end` away, at the cost of one change however many there are.
    ///
    /// # Errors
    /// `InvalidArgument` when `start` is empty or not before `end`, otherwise as [`put`](WriteTransaction::put).
    pub fn delete_range(&mut self, start: &[u8], end: &[u8]) -> Result<()> {
        check_key(start)?;
        check_key(end)?;
        if start >= end {
            return Err(invalid("range", "ends before it starts; give the smaller key first"));
        }
        self.check_cost(WriteBuffer::cost(start, end))?;
        let undo = if self.marks.is_empty() { None } else { Some(&mut self.undo) };
        Arc::make_mut(&mut self.buffer).delete_range(start, end, undo)
    }

    /// Adds to the counter under a key without reading it. The sum wraps around at the ends of 64 bits.
    ///
    /// # Errors
    /// `InvalidArgument` when this transaction put something else than a counter there, otherwise as
    /// [`put`](WriteTransaction::put).
    pub fn add(&mut self, key: &[u8], delta: i64) -> Result<()> {
        check_key(key)?;
        self.check_cost(WriteBuffer::cost(key, &[0; 8]))?;
        let undo = if self.marks.is_empty() { None } else { Some(&mut self.undo) };
        Arc::make_mut(&mut self.buffer).add(key, delta, undo)
    }

    /// A place to come back to with [`rollback_to`](WriteTransaction::rollback_to).
    pub fn savepoint(&mut self) -> Savepoint {
        self.savepoints_made = self.savepoints_made.saturating_add(1);
        self.marks.push((self.undo.len(), self.savepoints_made));
        Savepoint { transaction: self.token.number(), depth: self.marks.len(), number: self.savepoints_made }
    }

    /// Undoes every change since the savepoint. The savepoint stays usable; later ones are gone.
    ///
    /// # Errors
    /// `InvalidArgument` when the savepoint is of another transaction or was undone already.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        let length = self.mark(savepoint)?;
        self.marks.truncate(savepoint.depth);
        let undone: Vec<Undo> = self.undo.drain(length..).collect();
        let kept = usize::from(makes(Mistake::SavepointKeepsOne));
        Arc::make_mut(&mut self.buffer).undo(undone.into_iter().rev().skip(kept))
    }

    /// Keeps every change since the savepoint for good, as far as no earlier savepoint undoes them. The savepoint and
    /// later ones are gone; without any left, the transaction remembers nothing to undo.
    ///
    /// # Errors
    /// As [`rollback_to`](WriteTransaction::rollback_to).
    pub fn release(&mut self, savepoint: &Savepoint) -> Result<()> {
        self.mark(savepoint)?;
        self.marks.truncate(savepoint.depth.saturating_sub(1));
        if self.marks.is_empty() {
            self.undo.clear();
        }
        Ok(())
    }

    /// The length of the list of what to undo when the savepoint was made.
    fn mark(&self, savepoint: &Savepoint) -> Result<usize> {
        let mark = savepoint.depth.checked_sub(1).and_then(|place| self.marks.get(place)).copied();
        match mark {
            Some((length, number)) if number == savepoint.number && savepoint.transaction == self.token.number() => {
                Ok(length)
            }
            _ => Err(invalid("savepoint", "is not of this transaction or was rolled back; make a new one")),
        }
    }

    /// Says that the changes free more room than they take, so that on a full disk they may take some from the reserve.
    /// Where a transaction only deletes nobody need say it.
    pub fn frees_room(&mut self) {
        Arc::make_mut(&mut self.buffer).set_frees();
    }

    /// Makes the changes visible and as durable as the database was opened for. Returns their sequence; a
    /// transaction without changes takes none and returns the last one it saw.
    ///
    /// # Errors
    /// `CommitUnknown` when it may or may not be durable; `WritesStopped` after an earlier failure; `Closed`;
    /// `Storage` with `NoSpace` when nothing was written. Except for `CommitUnknown`, nothing was changed.
    pub fn commit(self) -> Result<Sequence> {
        let durability = self.token.default_durability();
        self.commit_with(durability)
    }

    /// As [`commit`](WriteTransaction::commit), with its own durability.
    ///
    /// # Errors
    /// As [`commit`](WriteTransaction::commit).
    pub fn commit_with(self, durability: Durability) -> Result<Sequence> {
        let Self { token, point, buffer, undo, .. } = self;
        drop(undo);
        let last = point.0.sequence();
        point.0.end();
        if buffer.is_empty() {
            return Ok(last);
        }
        match token.commit(&point.0, &buffer, durability) {
            Err(Error::CommitUnknown { sequence, .. }) if makes(Mistake::UnknownIsSuccess) => Ok(sequence),
            result => result,
        }
    }

    /// Forgets the changes.
    pub fn abort(self) {
        drop(self);
    }

    /// Fails where so many changes, with so many bytes of keys and values, would not fit the transaction any more.
    /// Changes that were checked together and are made next are not refused for their size one by one.
    ///
    /// # Errors
    /// `TooLarge`; the transaction stays as it was.
    pub fn check_room(&mut self, changes: u64, bytes: u64) -> Result<()> {
        self.check_cost(bytes.saturating_add(changes.saturating_mul(ENTRY_BYTES)))
    }

    fn check_cost(&mut self, cost: u64) -> Result<()> {
        let fits = |bytes: u64| bytes.saturating_add(cost) <= self.bytes_max;
        if fits(self.buffer.bytes()) {
            return Ok(());
        }
        // What was replaced or taken back holds memory and is no change any more. It is given back before anything is
        // refused for it, but not for a little at a time: that would copy the rest again and again.
        if self.buffer.stale_bytes() > self.bytes_max / STALE_PART {
            Arc::make_mut(&mut self.buffer).give_back_stale()?;
        }
        let size = self.buffer.live_bytes().saturating_add(cost);
        if size > self.bytes_max {
            return Err(Error::TooLarge { what: "transaction", size, limit: self.bytes_max });
        }
        Ok(())
    }
}

impl std::fmt::Debug for WriteTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WriteTransaction(on {}, {} bytes)", self.sequence(), self.bytes())
    }
}
