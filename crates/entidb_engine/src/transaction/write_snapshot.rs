//! A snapshot of an open write transaction: the commit it stands on, with its own changes so far.
//!
//! Always: later changes of the transaction never show, whatever they are; a rollback to a savepoint does not either.
//! Once the transaction commits every read fails but that of its own changes. Does not know: savepoints, or how changes are made (`write`).

use std::sync::Arc;

use crate::engine::ReadPoint;
use crate::error::Result;
use crate::iterator::{KeyRange, counter_from, counter_value};
use crate::transaction::buffer::{Own, WriteBuffer};
use crate::transaction::{Direction, Iter, OwnChanges};
use crate::value::Value;

/// An open write transaction as it is at one moment. Cheap to make and to clone: the transaction copies what it changes, and no
/// more than a few hundred kilobytes, only while one of these is held.
#[derive(Clone)]
pub struct WriteSnapshot {
    point: Arc<ReadPoint>,
    buffer: Arc<WriteBuffer>,
}

impl WriteSnapshot {
    pub(super) fn new(point: &Arc<ReadPoint>, buffer: &Arc<WriteBuffer>) -> Self {
        Self { point: Arc::clone(point), buffer: Arc::clone(buffer) }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// `Closed`, `Corrupt`, or a failure of the storage; `InvalidArgument` once the transaction was committed.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.point.check_open()?;
        get(&self.point, &self.buffer, key)
    }

    /// The values of several keys, in the order asked.
    ///
    /// # Errors
    /// As [`get`](WriteSnapshot::get).
    pub fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        if self.buffer.is_empty() {
            return self.point.multi_get(keys);
        }
        self.point.check_open()?;
        let mut values = vec![None; keys.len()];
        let mut elsewhere = Vec::with_capacity(keys.len());
        for (position, (key, value)) in keys.iter().zip(&mut values).enumerate() {
            match self.buffer.own(key)? {
                Own::Nothing => elsewhere.push((position, *key)),
                own => *value = answer(&self.point, own, key)?,
            }
        }
        let asked: Vec<&[u8]> = elsewhere.iter().map(|(_, key)| *key).collect();
        for ((position, _), found) in elsewhere.iter().zip(self.point.multi_get(&asked)?) {
            if let Some(value) = values.get_mut(*position) {
                *value = found;
            }
        }
        Ok(values)
    }

    /// The keys and values of a range, in either direction.
    ///
    /// # Errors
    /// As [`get`](WriteSnapshot::get).
    pub fn range(&self, range: impl Into<KeyRange>, direction: Direction) -> Result<Iter> {
        let own = (!self.buffer.is_empty()).then_some(&self.buffer);
        Iter::new(Arc::clone(&self.point), own, range.into(), direction)
    }

    /// What the transaction itself had changed in a range, key by key. It can be walked when the transaction is over, too.
    #[must_use]
    pub fn own_changes(&self, start: &[u8], end: &[u8]) -> OwnChanges<'_> {
        OwnChanges::new(&self.buffer, start, end)
    }
}

/// The value of a key in a transaction with these changes.
pub(super) fn get(point: &ReadPoint, buffer: &WriteBuffer, key: &[u8]) -> Result<Option<Value>> {
    answer(point, buffer.own(key)?, key)
}

fn answer(point: &ReadPoint, own: Own, key: &[u8]) -> Result<Option<Value>> {
    match own {
        Own::Nothing => point.get(key),
        Own::Put(value) => Ok(Some(value)),
        Own::Deleted => Ok(None),
        Own::Add(delta) => {
            let base = point.get(key)?.map_or(Ok(0), |value| counter_from(&value))?;
            Ok(Some(counter_value(base.wrapping_add(delta))))
        }
    }
}

impl std::fmt::Debug for WriteSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WriteSnapshot(on {}, {} bytes)", self.point.sequence(), self.buffer.bytes())
    }
}
