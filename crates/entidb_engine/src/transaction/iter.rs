//! Walking a range of keys in order.
//!
//! Always: keys come in strictly ascending or strictly descending order; after a failure `advance`
//! fails the same way for ever, and the [`Iterator`] ends: it gives the error once.
//! Does not know: which files the entries come from (`iterator`).

use std::sync::Arc;

use crate::engine::{ReadPoint, SourceCursor};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::iterator::{KeyRange, Span, View, ViewSource, just_after};
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
///
/// From its first move to its last it holds memtables and segments: those of its last move, not of its first. One that
/// is left standing keeps files on disk that merging has dropped since; drop it, and [`seek`](Iter::seek) in another.
pub struct Iter {
    point: Arc<ReadPoint>,
    /// A transaction's own changes first, when there are any; then the memtables and segments it was aimed at.
    view: View<SourceCursor>,
    own_sources: usize,
    /// How often the newest view had let go of something when this view was aimed; none while it holds nothing.
    aimed: Option<u64>,
    direction: Direction,
    next: NextMove,
    failed: Option<Error>,
    moves: u8,
}

/// How many moves are made between two looks at whether the call is to end.
const MOVES: u8 = 64;

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
        point.check_open()?;
        let at = point.sequence();
        let mut view = View::new(if own.is_some() { at.next() } else { at }, Span::from(range));
        if let Some(own) = own.map(|buffer| source_of(buffer, at.next())) {
            view.push(ViewSource { cursor: SourceCursor::Own(own.cursor), deleted: own.deleted });
        }
        let own_sources = usize::from(own.is_some());
        Ok(Self { point, view, own_sources, aimed: None, direction, next: NextMove::First, failed: None, moves: 0 })
    }

    /// Which way it goes.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Goes to the next entry in its direction; false when there is none.
    ///
    /// # Errors
    /// `Closed`, `Corrupt`, `Cancelled`, or a failure of the storage; from then on every call fails the same way.
    pub fn advance(&mut self) -> Result<bool> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.point.is_of_parent() {
            self.failed = Some(Error::Forked);
            return Err(Error::Forked);
        }
        // Looked at afterwards: a commit of the transaction this iterator is of may have come in between. That the
        // database is closed says more than how the move failed because of it.
        let moved = self.look_up().and_then(|()| self.step());
        if let Err(error) = self.point.check_open().and(moved) {
            self.let_go();
            self.failed = Some(error.clone());
            return Err(error);
        }
        if !self.view.is_valid() {
            self.next = NextMove::Nothing;
            self.let_go();
        }
        Ok(self.view.is_valid())
    }

    #[inline]
    fn look_up(&mut self) -> Result<()> {
        self.moves = self.moves.wrapping_add(1);
        if self.moves.is_multiple_of(MOVES) { interrupt::check() } else { Ok(()) }
    }

    fn step(&mut self) -> Result<()> {
        if self.aimed == Some(self.point.view_changes()) {
            match (self.direction, &self.next) {
                (Direction::Forward, NextMove::Onward) => return self.view.next(),
                (Direction::Reverse, NextMove::Onward) => return self.view.previous(),
                _ => {}
            }
        }
        self.start()
    }

    /// The first move, one to a key, or the next one after the view has changed: then it goes on in the newest.
    fn start(&mut self) -> Result<()> {
        self.point.check_open()?;
        let next = std::mem::replace(&mut self.next, NextMove::Onward);
        let left = matches!(next, NextMove::Onward).then(|| self.view.key().to_vec());
        if matches!(next, NextMove::Nothing) {
            self.next = NextMove::Nothing;
            return Ok(());
        }
        self.aim();
        match (self.direction, next, left) {
            (Direction::Forward, NextMove::To(key), _) => self.view.seek(&key),
            (Direction::Reverse, NextMove::To(key), _) => self.view.seek_before(&just_after(&key)),
            (Direction::Forward, _, Some(key)) => self.view.seek(&just_after(&key)),
            (Direction::Reverse, _, Some(key)) => self.view.seek_before(&key),
            (Direction::Forward, _, None) => self.view.seek_first(),
            (Direction::Reverse, _, None) => self.view.seek_last(),
        }
    }

    /// Looks at the newest memtables and segments, unless it does.
    fn aim(&mut self) {
        // Asked before the view is taken: a change in between makes the next move aim once more, and none is missed.
        let changes = self.point.view_changes();
        if self.aimed == Some(changes) {
            return;
        }
        self.view.truncate(self.own_sources);
        if self.aimed.replace(changes).is_none()
            && let Some(iterators) = self.point.iterators()
        {
            iterators.begin();
        }
        self.point.aim(&mut self.view);
    }

    /// Gives back what it holds of the database.
    fn let_go(&mut self) {
        if self.point.is_of_parent() {
            // Dropping the last reference to a file or a memtable takes locks, which nobody may ever let go here.
            std::mem::forget(std::mem::replace(
                &mut self.view,
                View::new(self.point.sequence(), Span::from(KeyRange::all())),
            ));
            return;
        }
        self.view.truncate(self.own_sources);
        if self.aimed.take().is_some()
            && let Some(iterators) = self.point.iterators()
        {
            iterators.end();
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

impl Drop for Iter {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl std::fmt::Debug for Iter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Iter({:?})", self.direction)
    }
}
