//! An ordered walk over the changes of an open transaction.
//!
//! Always: every entry has the sequence the transaction will get, so it is newer than anything in the database.
//! Does not know: range deletes; they are listed apart, as every source does.

use std::ops::Bound;
use std::sync::Arc;

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::{EntryCursor, moved_while_invalid};
use crate::range_tombstone::RangeTombstones;
use crate::transaction::buffer::{Change, WriteBuffer};
use crate::value::Value;

pub(crate) struct WriteBufferCursor {
    buffer: Arc<WriteBuffer>,
    sequence: Sequence,
    current: Option<(Box<[u8]>, Change)>,
}

impl WriteBufferCursor {
    pub(crate) fn new(buffer: Arc<WriteBuffer>, sequence: Sequence) -> Self {
        Self { buffer, sequence, current: None }
    }

    fn first_in(&mut self, from: Bound<&[u8]>) {
        let found = self.buffer.points().range::<[u8], _>((from, Bound::Unbounded)).next();
        self.current = found.map(|(key, change)| (key.clone(), change.clone()));
    }

    fn last_in(&mut self, to: Bound<&[u8]>) {
        let found = self.buffer.points().range::<[u8], _>((Bound::Unbounded, to)).next_back();
        self.current = found.map(|(key, change)| (key.clone(), change.clone()));
    }
}

/// The range deletes of a transaction, as a source of a view lists them.
pub(crate) fn tombstones_of(buffer: &WriteBuffer, sequence: Sequence) -> RangeTombstones {
    buffer.ranges().iter().fold(RangeTombstones::default(), |list, (start, end)| list.with(start, end, sequence))
}

impl EntryCursor for WriteBufferCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.first_in(Bound::Unbounded);
        Ok(())
    }

    fn seek_last(&mut self) -> Result<()> {
        self.last_in(Bound::Unbounded);
        Ok(())
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.first_in(Bound::Included(key));
        Ok(())
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.last_in(Bound::Excluded(key));
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        let (key, _) = self.current.take().ok_or_else(moved_while_invalid)?;
        self.first_in(Bound::Excluded(&key));
        Ok(())
    }

    fn previous(&mut self) -> Result<()> {
        let (key, _) = self.current.take().ok_or_else(moved_while_invalid)?;
        self.last_in(Bound::Excluded(&key));
        Ok(())
    }

    fn is_valid(&self) -> bool {
        self.current.is_some()
    }

    fn key(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(key, _)| key)
    }

    fn sequence(&self) -> Sequence {
        if self.current.is_some() { self.sequence } else { Sequence::ZERO }
    }

    fn kind(&self) -> EntryKind {
        self.current.as_ref().map_or(EntryKind::Delete, |(_, change)| change.kind)
    }

    fn value(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(_, change)| change.value_bytes())
    }

    fn pin_value(&self) -> Value {
        let value = self.current.as_ref().and_then(|(_, change)| change.value.clone());
        value.unwrap_or_else(|| Value::owned([]))
    }
}
