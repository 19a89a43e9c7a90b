//! An ordered walk over the changes of an open transaction.
//!
//! Always: every entry has the sequence the transaction will get, so it is newer than anything in the database.
//! Does not know: range deletes; they are listed apart, as every source does.

use std::collections::btree_map;
use std::ops::Bound;
use std::sync::Arc;

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::{Deleted, EntryCursor, ViewSource, moved_while_invalid};
use crate::transaction::buffer::WriteBuffer;
use crate::transaction::points::{Change, Points};
use crate::transaction::short_key::ShortKey;
use crate::value::Value;

/// A position among few changes, which are looked for again with each move.
struct FewCursor {
    buffer: Arc<WriteBuffer>,
    sequence: Sequence,
    current: Option<(ShortKey, Change)>,
}

/// The changes of a transaction as they are now, as a source of a view: each with `sequence`.
pub(crate) fn source_of(buffer: &Arc<WriteBuffer>, sequence: Sequence) -> ViewSource<Box<dyn EntryCursor>> {
    let cursor: Box<dyn EntryCursor> = match buffer.points() {
        Points::Few(_) => Box::new(FewCursor { buffer: Arc::clone(buffer), sequence, current: None }),
        Points::Many(many) => Box::new(many.cursor(sequence)),
    };
    let deleted = (!buffer.ranges().is_empty()).then(|| Deleted::Own(buffer.ranges().clone(), sequence));
    ViewSource { cursor, deleted }
}

impl FewCursor {
    fn first_in(&mut self, from: Bound<&[u8]>) {
        self.current = self.in_range((from, Bound::Unbounded), |mut range| range.next());
    }

    fn last_in(&mut self, to: Bound<&[u8]>) {
        self.current = self.in_range((Bound::Unbounded, to), |mut range| range.next_back());
    }

    fn in_range<'a>(
        &'a self,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        choose: impl FnOnce(btree_map::Range<'a, ShortKey, Change>) -> Option<(&'a ShortKey, &'a Change)>,
    ) -> Option<(ShortKey, Change)> {
        let Points::Few(few) = self.buffer.points() else { return None };
        choose(few.range::<[u8], _>(bounds)).map(|(key, change)| (key.clone(), change.clone()))
    }
}

impl EntryCursor for FewCursor {
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
        self.first_in(Bound::Excluded(key.as_bytes()));
        Ok(())
    }

    fn next_key(&mut self) -> Result<()> {
        // One version of each key is all there is.
        self.next()
    }

    fn previous(&mut self) -> Result<()> {
        let (key, _) = self.current.take().ok_or_else(moved_while_invalid)?;
        self.last_in(Bound::Excluded(key.as_bytes()));
        Ok(())
    }

    fn is_valid(&self) -> bool {
        self.current.is_some()
    }

    fn key(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |(key, _)| key.as_bytes())
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
