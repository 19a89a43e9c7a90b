//! Walking a range of keys in order.
//!
//! Always: keys come in strictly ascending or strictly descending order; after a failure `advance`
//! fails the same way for ever, and the [`Iterator`] ends: it gives the error once.
//! Does not know: which files the entries come from (`iterator`).

use std::sync::Arc;

use crate::engine::{ReadPoint, SourceCursor};
use crate::error::{Error, Result};
use crate::iterator::{KeyRange, View, just_after};
use crate::transaction::buffer::WriteBuffer;
use crate::transaction::cursor::source_of;
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
/// Use it as an [`Iterator`], which gives an error once and then ends, so that `count`, `collect` and `flatten` end too;
/// or without copies: `while iter.advance()? { iter.key(); iter.value(); }`.
pub struct Iter {
    point: Arc<ReadPoint>,
    view: View<SourceCursor>,
    direction: Direction,
    next: NextMove,
    failed: Option<Error>,
}

/// What the next `advance` does.
enum NextMove {
    First,
    To(Vec<u8>),
    Onward,
    Nothing,
}

impl Iter {
    pub(crate) fn new(
        point: Arc<ReadPoint>,
        own: Option<&Arc<WriteBuffer>>,
        range: KeyRange,
        direction: Direction,
    ) -> Result<Self> {
        let own = own.map(|buffer| source_of(buffer, point.sequence().next()));
        let view = point.view(own, range)?;
        Ok(Self { point, view, direction, next: NextMove::First, failed: None })
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
        // Looked at afterwards: a commit of the transaction this iterator is of may have come in between. That the
        // database is closed says more than how the move failed because of it.
        let moved = self.step();
        if let Err(error) = self.point.check_open().and(moved) {
            self.view.leave();
            self.failed = Some(error.clone());
            return Err(error);
        }
        if !self.view.is_valid() {
            self.next = NextMove::Nothing;
        }
        Ok(self.view.is_valid())
    }

    fn step(&mut self) -> Result<()> {
        match (self.direction, &self.next) {
            (Direction::Forward, NextMove::Onward) => return self.view.next(),
            (Direction::Reverse, NextMove::Onward) => return self.view.previous(),
            _ => {}
        }
        self.point.check_open()?;
        match (self.direction, std::mem::replace(&mut self.next, NextMove::Onward)) {
            (_, NextMove::Nothing) => {
                self.next = NextMove::Nothing;
                Ok(())
            }
            (Direction::Forward, NextMove::First) => self.view.seek_first(),
            (Direction::Reverse, NextMove::First) => self.view.seek_last(),
            (Direction::Forward, NextMove::To(key)) => self.view.seek(&key),
            (Direction::Reverse, NextMove::To(key)) => self.view.seek_before(&just_after(&key)),
            (Direction::Forward, NextMove::Onward) => self.view.next(),
            (Direction::Reverse, NextMove::Onward) => self.view.previous(),
        }
    }

    /// The key here; empty before the first [`advance`](Iter::advance) and after the last.
    #[must_use]
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.view.key()
    }

    /// The value here; empty before the first [`advance`](Iter::advance) and after the last.
    #[must_use]
    #[inline]
    pub fn value(&self) -> &[u8] {
        self.view.value()
    }

    /// The value here as one that outlives the iterator.
    #[must_use]
    pub fn value_owned(&self) -> Value {
        self.view.pin_value()
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
        self.next = NextMove::To(key.to_vec());
        Ok(())
    }
}

impl Iterator for Iter {
    type Item = Result<(Vec<u8>, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed.is_some() {
            return None;
        }
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
