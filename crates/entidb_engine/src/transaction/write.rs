//! A write transaction: changes buffered in private until they commit as one.
//!
//! Always: one write transaction at a time; it sees the last commit and its own changes; dropped means aborted.
//! Does not know: how a commit becomes durable (`wal`).

use std::sync::Arc;

use crate::background::Background;
use crate::engine::{Less, ReadPoint, WriterToken};
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::iterator::{KeyRange, counter_from};
use crate::options::{Durability, invalid};
use crate::planted::{Mistake, makes};
use crate::transaction::buffer::WriteBuffer;
use crate::transaction::points::ENTRY_BYTES;
use crate::transaction::savepoints::Savepoints;
use crate::transaction::{
    Companion, Direction, Iter, OwnChanges, Savepoint, WriteSnapshot, check_key, check_value, write_snapshot,
};
use crate::value::Value;

/// Beyond this part of the limit of a transaction, memory of changes that count no more is given back.
const STALE_PART: u64 = 8;

/// Changes of which only their number and size are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChangeSize {
    /// How many keys change.
    pub changes: u64,
    /// Bytes of their keys.
    pub key_bytes: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
}

impl ChangeSize {
    fn cost(self) -> u64 {
        let bytes = self.key_bytes.saturating_add(self.value_bytes);
        bytes.saturating_add(self.changes.saturating_mul(ENTRY_BYTES))
    }
}

/// A smaller form of a commit, for a disk that is full: without the changes in some ranges, and counted as one that frees room.
#[derive(Debug, Clone, Copy)]
pub struct OnFullDisk<'a> {
    /// Ranges, each from its first key up to its second, excluded. The commit deletes them.
    pub without: &'a [(&'a [u8], &'a [u8])],
    /// A key and a value to put.
    pub instead: (&'a [u8], &'a [u8]),
}

impl OnFullDisk<'_> {
    fn apply(&self, buffer: &mut WriteBuffer) -> Result<()> {
        let mut savepoints = Savepoints::default();
        for (start, end) in self.without {
            buffer.delete_range(start, end, &mut savepoints)?;
        }
        buffer.put(self.instead.0, self.instead.1, &mut savepoints)?;
        buffer.set_frees();
        Ok(())
    }
}

/// Changes that become visible and durable together, or not at all.
pub struct WriteTransaction {
    /// Ends before the right to write is given back.
    point: OwnPoint,
    token: WriterToken,
    buffer: Arc<WriteBuffer>,
    savepoints: Savepoints,
    bytes_max: u64,
    /// Why the changes are not what they should be: a call failed when it had done a part of its work.
    spoilt: Option<Error>,
    /// Those who flush, merge and make room go on as long as somebody may commit, also when every handle has gone.
    _background: Arc<Background>,
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
    pub(crate) fn new(
        token: WriterToken,
        point: ReadPoint,
        background: Arc<Background>,
        bytes_max: u64,
        memtable_bytes: u64,
    ) -> Self {
        Self {
            _background: background,
            point: OwnPoint(Arc::new(point)),
            token,
            buffer: Arc::new(WriteBuffer::new(memtable_bytes)),
            savepoints: Savepoints::default(),
            bytes_max,
            spoilt: None,
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

    /// Bytes the transaction takes so far: its changes, and what going back to a savepoint needs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.buffer.bytes().saturating_add(self.savepoints.bytes())
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
        self.check_whole()?;
        write_snapshot::get(&self.point.0, &self.buffer, key)
    }

    /// The transaction as it is now, to be read while it goes on: later changes do not show in it.
    #[must_use]
    pub fn snapshot(&self) -> WriteSnapshot {
        WriteSnapshot::new(&self.point.0, &self.buffer)
    }

    /// The value of a key beneath the changes of this transaction: what the last commit before it left.
    ///
    /// # Errors
    /// As [`get`](WriteTransaction::get).
    pub fn get_before(&self, key: &[u8]) -> Result<Option<Value>> {
        self.check_whole()?;
        self.point.0.get(key)
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

    /// The keys of `start..end` that this transaction changed one by one.
    #[must_use]
    pub fn own_changes(&self, start: &[u8], end: &[u8]) -> OwnChanges<'_> {
        OwnChanges::new(&self.buffer, start, end)
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty key, `TooLarge` for a key, value or transaction over its limit. The
    /// transaction stays as it was.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_key(key)?;
        check_value(value)?;
        self.check_change(key, value)?;
        own(&mut self.buffer)?.put(key, value, &mut self.savepoints)
    }

    /// Takes a key's value away; fine when it has none.
    ///
    /// # Errors
    /// As [`put`](WriteTransaction::put).
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        check_key(key)?;
        self.check_change(key, &[])?;
        own(&mut self.buffer)?.delete(key, &mut self.savepoints)
    }

    /// Takes the values of all keys in `start..end` away, at the cost of one change however many there are.
    ///
    /// # Errors
    /// `InvalidArgument` when `start` is empty or not before `end`, otherwise as [`put`](WriteTransaction::put).
    /// `OutOfMemory` ends the transaction when a part was done: every later call fails with it.
    pub fn delete_range(&mut self, start: &[u8], end: &[u8]) -> Result<()> {
        check_key(start)?;
        check_key(end)?;
        if start >= end {
            return Err(invalid("range", "ends before it starts; give the smaller key first"));
        }
        let cost = WriteBuffer::cost(start, end);
        // What the range takes away is kept for the savepoint. It is counted only where it could matter.
        let keeping = |changes| self.savepoints.cost_of_keeping(changes, 0);
        let all = keeping(self.buffer.point_count());
        let kept = if self.fits(cost.saturating_add(all)) { all } else { keeping(self.buffer.count_in(start, end)?) };
        self.check_cost(cost.saturating_add(kept))?;
        let done = own(&mut self.buffer)?.delete_range(start, end, &mut self.savepoints);
        self.or_spoil(done)
    }

    /// Adds to the counter under a key without reading it. The sum wraps around at the ends of 64 bits.
    ///
    /// # Errors
    /// `InvalidArgument` when this transaction put something else than a counter there, otherwise as
    /// [`put`](WriteTransaction::put).
    pub fn add(&mut self, key: &[u8], delta: i64) -> Result<()> {
        check_key(key)?;
        self.check_change(key, &[0; 8])?;
        own(&mut self.buffer)?.add(key, delta, &mut self.savepoints)
    }

    /// A place to come back to with [`rollback_to`](WriteTransaction::rollback_to). As long as there is one, each key that
    /// changes counts twice: as it is and as it was.
    ///
    /// # Errors
    /// `TooLarge` for a transaction over its limit. The transaction stays as it was.
    pub fn savepoint(&mut self) -> Result<Savepoint> {
        self.savepoint_with(0)
    }

    /// As [`savepoint`](WriteTransaction::savepoint), for a caller who keeps `bytes` of his own with it: they count as long
    /// as the savepoint is there.
    ///
    /// # Errors
    /// As [`savepoint`](WriteTransaction::savepoint).
    pub fn savepoint_with(&mut self, bytes: u64) -> Result<Savepoint> {
        self.check_cost(Savepoints::cost(bytes))?;
        Ok(self.savepoints.make(self.token.number(), self.buffer.ranges(), bytes))
    }

    /// Undoes every change since the savepoint, and gives back what they counted. The savepoint stays usable; later ones are
    /// gone.
    ///
    /// # Errors
    /// `InvalidArgument` when the savepoint is of another transaction or was undone already. `OutOfMemory` ends the
    /// transaction when a part was undone: every later call fails with it.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        self.check_whole()?;
        let index = self.savepoints.index(self.token.number(), savepoint)?;
        let Some(earlier) = self.savepoints.go_back(index) else { return Ok(()) };
        let done = own(&mut self.buffer).and_then(|buffer| buffer.go_back(earlier));
        self.or_spoil(done)
    }

    /// Keeps every change since the savepoint for good, as far as no earlier savepoint undoes them. The savepoint and
    /// later ones are gone; without any left, the transaction remembers nothing to undo.
    ///
    /// # Errors
    /// As [`rollback_to`](WriteTransaction::rollback_to).
    pub fn release(&mut self, savepoint: &Savepoint) -> Result<()> {
        let index = self.savepoints.index(self.token.number(), savepoint)?;
        self.savepoints.release(index);
        Ok(())
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
        self.commit_beside(None, &mut (), None)
    }

    /// As [`commit`](WriteTransaction::commit), with its own durability.
    ///
    /// # Errors
    /// As [`commit`](WriteTransaction::commit).
    pub fn commit_with(self, durability: Durability) -> Result<Sequence> {
        self.commit_beside(Some(durability), &mut (), None)
    }

    /// As [`commit_with`](WriteTransaction::commit_with). The companion changes with the commit. If a full disk refuses the
    /// changes, or has refused others and is still full, the smaller form of the commit is made instead.
    ///
    /// # Errors
    /// As [`commit`](WriteTransaction::commit).
    pub fn commit_beside(
        self,
        durability: Option<Durability>,
        companion: &mut dyn Companion,
        on_full_disk: Option<OnFullDisk<'_>>,
    ) -> Result<Sequence> {
        self.check_whole()?;
        if let Some(OnFullDisk { instead: (key, value), .. }) = on_full_disk {
            check_key(key)?;
            check_value(value)?;
        }
        let Self { token, point, mut buffer, savepoints, .. } = self;
        drop(savepoints);
        let last = point.0.sequence();
        point.0.end();
        if buffer.is_empty() {
            return Ok(last);
        }
        let durability = durability.unwrap_or_else(|| token.default_durability());
        let mut less = on_full_disk.map(|less| move |buffer: &mut Arc<WriteBuffer>| less.apply(own(buffer)?));
        let less = less.as_mut().map(|less| less as Less<'_>);
        match token.commit(&point.0, &mut buffer, durability, companion, less) {
            Err(Error::CommitUnknown { sequence, .. }) if makes(Mistake::UnknownIsSuccess) => Ok(sequence),
            result => result,
        }
    }

    /// Forgets the changes.
    pub fn abort(self) {
        drop(self);
    }

    /// Fails where these changes would not fit the transaction any more, together with `later` ones that are made once no
    /// savepoint is left. Changes that were checked together and are made next are not refused for their size one by one.
    ///
    /// # Errors
    /// `TooLarge`; the transaction stays as it was.
    pub fn check_room(&mut self, changes: ChangeSize, later: ChangeSize) -> Result<()> {
        let keeping = self.savepoints.cost_of_keeping(changes.changes, changes.key_bytes);
        self.check_cost(changes.cost().saturating_add(later.cost()).saturating_add(keeping))
    }

    /// Fails where one more change does not fit.
    fn check_change(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let keeping = self.savepoints.cost_of_keeping(1, key.len() as u64);
        self.check_cost(WriteBuffer::cost(key, value).saturating_add(keeping))
    }

    fn fits(&self, cost: u64) -> bool {
        self.bytes().saturating_add(cost) <= self.bytes_max
    }

    fn check_cost(&mut self, cost: u64) -> Result<()> {
        self.check_whole()?;
        if self.fits(cost) {
            return Ok(());
        }
        // What was replaced or taken back holds memory and is no change any more. It is given back before anything is
        // refused for it, but not for a little at a time: that would copy the rest again and again.
        if self.buffer.stale_bytes() > self.bytes_max / STALE_PART {
            own(&mut self.buffer)?.give_back_stale()?;
        }
        let size = self.buffer.live_bytes().saturating_add(self.savepoints.bytes()).saturating_add(cost);
        if size > self.bytes_max {
            return Err(Error::TooLarge { what: "transaction", size, limit: self.bytes_max });
        }
        Ok(())
    }

    /// Fails when an earlier call did only a part of its work.
    #[inline]
    fn check_whole(&self) -> Result<()> {
        match &self.spoilt {
            None if self.point.0.is_of_parent() => Err(Error::Forked),
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Ends all reading and writing of this transaction when `done` is a failure.
    fn or_spoil(&mut self, done: Result<()>) -> Result<()> {
        if let Err(error) = &done {
            self.point.0.end();
            self.spoilt = Some(error.clone());
        }
        done
    }
}

/// The changes, alone: what somebody looks at stays as it is.
#[inline]
fn own(buffer: &mut Arc<WriteBuffer>) -> Result<&mut WriteBuffer> {
    if Arc::strong_count(buffer) > 1 {
        *buffer = Arc::new(buffer.copied()?);
    }
    Ok(Arc::make_mut(buffer))
}

impl std::fmt::Debug for WriteTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WriteTransaction(on {}, {} bytes)", self.sequence(), self.bytes())
    }
}
