//! A position among the entries of one run: segments behind one another as if they were one.
//!
//! Always: a segment is opened only when the position reaches it.
//! Does not know: other runs.

use std::ops::Range;
use std::sync::Arc;

use super::cursor::SegmentCursor;
use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::{EntryCursor, Here, moved_while_invalid};
use crate::value::Value;
use crate::version::Run;

/// A position among the entries of one run.
pub(crate) struct RunCursor {
    run: Arc<Run>,
    /// The segments that can hold keys the reader asked for.
    bounds: Range<usize>,
    number: usize,
    cursor: Option<SegmentCursor>,
    /// False for compactions, which leave the cache as they found it.
    caches: bool,
}

impl RunCursor {
    /// A cursor over the segments of `run` with these numbers.
    pub(crate) fn new(run: Arc<Run>, bounds: Range<usize>) -> Self {
        Self { run, bounds, number: 0, cursor: None, caches: true }
    }

    /// A cursor over all of `run` that reads everything once and puts nothing into the cache.
    pub(crate) fn passing_by(run: Arc<Run>) -> Self {
        let bounds = 0..run.segments().len();
        Self { run, bounds, number: 0, cursor: None, caches: false }
    }

    fn enter(&mut self, number: usize) -> Option<&mut SegmentCursor> {
        if self.cursor.is_none() || self.number != number {
            self.number = number;
            self.cursor = None;
            if self.bounds.contains(&number) {
                let segment = self.run.segments().get(number).map(Arc::clone);
                self.cursor = segment.map(if self.caches { SegmentCursor::new } else { SegmentCursor::passing_by });
            }
        }
        self.cursor.as_mut()
    }

    /// Goes on to the first entry of the following segments while this one has no entry here.
    fn settle_forward(&mut self) -> Result<()> {
        while self.cursor.as_ref().is_some_and(|cursor| !cursor.is_valid()) {
            let number = self.number + 1;
            if let Some(cursor) = self.enter(number) {
                cursor.seek_first()?;
            }
        }
        Ok(())
    }

    /// Goes back to the last entry of the segments before while this one has no entry here.
    fn settle_backward(&mut self) -> Result<()> {
        while self.cursor.as_ref().is_some_and(|cursor| !cursor.is_valid()) {
            let Some(number) = self.number.checked_sub(1) else {
                self.cursor = None;
                return Ok(());
            };
            if let Some(cursor) = self.enter(number) {
                cursor.seek_last()?;
            }
        }
        Ok(())
    }
}

impl EntryCursor for RunCursor {
    fn seek_first(&mut self) -> Result<()> {
        let first = self.bounds.start;
        if let Some(cursor) = self.enter(first) {
            cursor.seek_first()?;
        }
        self.settle_forward()
    }

    fn seek_last(&mut self) -> Result<()> {
        let Some(last) = self.bounds.end.checked_sub(1) else {
            self.cursor = None;
            return Ok(());
        };
        if let Some(cursor) = self.enter(last) {
            cursor.seek_last()?;
        }
        self.settle_backward()
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        let number = self.run.not_before(key).max(self.bounds.start);
        if let Some(cursor) = self.enter(number) {
            cursor.seek(key)?;
        }
        self.settle_forward()
    }

    fn aim(&mut self, key: &[u8]) {
        let number = self.run.not_before(key).max(self.bounds.start);
        if let Some(cursor) = self.enter(number) {
            cursor.aim(key);
        }
    }

    fn land(&mut self, key: &[u8]) -> Result<()> {
        if let Some(cursor) = &mut self.cursor {
            cursor.land(key)?;
        }
        self.settle_forward()
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        let count = self.run.beginning_before(key).min(self.bounds.end);
        let Some(number) = count.checked_sub(1) else {
            self.cursor = None;
            return Ok(());
        };
        if let Some(cursor) = self.enter(number) {
            cursor.seek_before(key)?;
        }
        self.settle_backward()
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        let Some(cursor) = &mut self.cursor else { return Err(moved_while_invalid()) };
        cursor.next()?;
        if cursor.is_valid() {
            return Ok(());
        }
        self.settle_forward()
    }

    #[inline]
    fn next_key(&mut self) -> Result<()> {
        let Some(cursor) = &mut self.cursor else { return Err(moved_while_invalid()) };
        cursor.next_key()?;
        // All versions of a key are in one segment.
        if cursor.is_valid() {
            return Ok(());
        }
        self.settle_forward()
    }

    fn previous(&mut self) -> Result<()> {
        let Some(cursor) = &mut self.cursor else { return Err(moved_while_invalid()) };
        cursor.previous()?;
        self.settle_backward()
    }

    #[inline]
    fn is_valid(&self) -> bool {
        self.cursor.as_ref().is_some_and(EntryCursor::is_valid)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.cursor.as_ref().map_or(&[], EntryCursor::key)
    }

    #[inline]
    fn here(&self) -> Option<Here<'_>> {
        self.cursor.as_ref()?.here()
    }

    #[inline]
    fn sequence(&self) -> Sequence {
        self.cursor.as_ref().map_or(Sequence::ZERO, EntryCursor::sequence)
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        self.cursor.as_ref().map_or(EntryKind::Delete, EntryCursor::kind)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor.as_ref().map_or(&[], EntryCursor::value)
    }

    fn pin_value(&self) -> Value {
        self.cursor.as_ref().map_or_else(|| Value::owned([].as_slice()), EntryCursor::pin_value)
    }
}
