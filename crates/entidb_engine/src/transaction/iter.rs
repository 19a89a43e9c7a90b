//! Walking a range of keys in order.
//!
//! Always: keys come in strictly ascending or strictly descending order; after a failure the iterator keeps failing.
//! Does not know: which files the entries come from (`iterator`).

use std::sync::Arc;

use crate::engine::ReadPoint;
use crate::error::{Error, Result};
use crate::iterator::KeyRange;
use crate::transaction::buffer::WriteBuffer;
use crate::value::Value;

/// Which way an iterator goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// From the smallest key up.
    #[default]
    Forward,
    /// From the largest key down.
    Reverse,
}

/// The keys and values of a range. Lazy: nothing is read before it is asked for. Owns what it needs, so it may
/// outlive the snapshot or transaction it came from.
///
/// Use it as an [`Iterator`], or without copies: `while iter.advance()? { iter.key(); iter.value(); }`.
pub struct Iter {
    point: Arc<ReadPoint>,
    own: Option<Arc<WriteBuffer>>,
    range: KeyRange,
    direction: Direction,
    current: Option<(Vec<u8>, Value)>,
    rest: KeyRange,
    failed: Option<Error>,
}

impl Iter {
    pub(crate) fn new(
        point: Arc<ReadPoint>,
        own: Option<Arc<WriteBuffer>>,
        range: KeyRange,
        direction: Direction,
    ) -> Result<Self> {
        point.check_open()?;
        Ok(Self { point, own, rest: range.clone(), range, direction, current: None, failed: None })
    }

    /// Which way it goes.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Goes to the next entry in its direction; false when there is none.
    ///
    /// # Errors
    /// `Closed`, `Corrupt`, or a failure of the storage; from then on every call fails the same way.
    pub fn advance(&mut self) -> Result<bool> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.point.interim_step(self.own.as_deref(), &self.rest, self.direction) {
            Ok(Some((key, value))) => {
                match self.direction {
                    Direction::Forward => self.rest.start = std::ops::Bound::Excluded(key.clone()),
                    Direction::Reverse => self.rest.end = std::ops::Bound::Excluded(key.clone()),
                }
                self.current = Some((key, value));
                Ok(true)
            }
            Ok(None) => {
                self.current = None;
                Ok(false)
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The key here; empty before the first [`advance`](Iter::advance) and after the last.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(key, _)| key)
    }

    /// The value here; empty before the first [`advance`](Iter::advance) and after the last.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(_, value)| value)
    }

    /// The value here as one that outlives the iterator.
    #[must_use]
    pub fn value_owned(&self) -> Value {
        self.current.as_ref().map_or_else(|| Value::owned([]), |(_, value)| value.clone())
    }

    /// Moves so that the next [`advance`](Iter::advance) goes to the first key not before `key` in the iterator's
    /// direction: at least `key` forward, at most `key` in reverse. Keys out of the range are never shown.
    ///
    /// # Errors
    /// As [`advance`](Iter::advance).
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.current = None;
        self.rest = self.range.clone();
        match self.direction {
            Direction::Forward if self.range.is_after_start(key) => {
                self.rest.start = std::ops::Bound::Included(key.to_vec());
            }
            Direction::Reverse if self.range.is_before_end(key) => {
                self.rest.end = std::ops::Bound::Included(key.to_vec());
            }
            _ => {}
        }
        Ok(())
    }
}

impl Iterator for Iter {
    type Item = Result<(Vec<u8>, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(true) => Some(Ok((self.key().to_vec(), self.value_owned()))),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl std::fmt::Debug for Iter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Iter({:?})", self.direction)
    }
}
