//! The database as it was at one commit.
//!
//! Always: every read of a snapshot sees the same commits, whatever happens to the database meanwhile.
//! Does not know: what may be forgotten because no snapshot sees it any more (`compaction`).

use std::sync::Arc;

use crate::engine::ReadPoint;
use crate::error::Result;
use crate::format::Sequence;
use crate::iterator::{KeyRange, counter_from};
use crate::transaction::{Direction, Iter};
use crate::value::Value;

/// Keys that are counted one by one; beyond that a count is an estimate.
const COUNTED_MAX: u64 = 10_000;

/// A view of the database at one commit. Cheap to clone; while it lives, old versions it sees are kept.
#[derive(Clone)]
pub struct Snapshot {
    point: Arc<ReadPoint>,
}

impl Snapshot {
    pub(crate) fn new(point: ReadPoint) -> Self {
        Self { point: Arc::new(point) }
    }

    /// The last commit this snapshot sees.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.point.sequence()
    }

    /// The value of a key.
    ///
    /// # Errors
    /// `Closed`, `Corrupt`, or a failure of the storage.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.point.get(key)
    }

    /// The values of several keys, in the order asked.
    ///
    /// # Errors
    /// As [`get`](Snapshot::get).
    pub fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        self.point.multi_get(keys)
    }

    /// True when the key has a value.
    ///
    /// # Errors
    /// As [`get`](Snapshot::get).
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.get(key)?.is_some())
    }

    /// The number a counter has reached; 0 when nothing was ever added.
    ///
    /// # Errors
    /// `InvalidArgument` when the value is no counter, otherwise as [`get`](Snapshot::get).
    pub fn counter(&self, key: &[u8]) -> Result<i64> {
        self.get(key)?.map_or(Ok(0), |value| counter_from(&value))
    }

    /// The keys and values of a range, in either direction.
    ///
    /// # Errors
    /// As [`get`](Snapshot::get).
    pub fn range(&self, range: impl Into<KeyRange>, direction: Direction) -> Result<Iter> {
        Iter::new(Arc::clone(&self.point), None, range.into(), direction)
    }

    /// About how many keys the range has: exact while it is small, an estimate from then on.
    ///
    /// # Errors
    /// As [`get`](Snapshot::get).
    pub fn approximate_count(&self, range: impl Into<KeyRange>) -> Result<u64> {
        self.approximate_count_beyond(range, COUNTED_MAX)
    }

    /// As [`approximate_count`](Snapshot::approximate_count), exact up to `counted_max` keys, which are walked.
    ///
    /// # Errors
    /// As [`get`](Snapshot::get).
    pub fn approximate_count_beyond(&self, range: impl Into<KeyRange>, counted_max: u64) -> Result<u64> {
        self.point.approximate_count(range.into(), counted_max)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot(at {})", self.sequence())
    }
}
