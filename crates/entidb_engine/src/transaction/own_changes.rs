//! What an open write transaction changes, key by key, without what it stands on.
//!
//! Always: shows the changes as they were when the walk began, in the order of keys. Does not know: deleted ranges, which
//! are no changes of single keys.

use std::sync::Arc;

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::EntryCursor;
use crate::transaction::buffer::WriteBuffer;
use crate::transaction::cursor::source_of;

/// A walk over the keys of a range that a transaction gave a value or deleted one by one.
pub struct OwnChanges {
    cursor: Box<dyn EntryCursor>,
    /// Where it begins; taken by the first step.
    start: Option<Vec<u8>>,
    end: Vec<u8>,
}

impl OwnChanges {
    pub(super) fn new(buffer: &Arc<WriteBuffer>, start: &[u8], end: &[u8]) -> Self {
        let cursor = source_of(buffer, Sequence::ZERO).cursor;
        Self { cursor, start: Some(start.to_vec()), end: end.to_vec() }
    }

    /// Goes to the next changed key; false when there is none.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn advance(&mut self) -> Result<bool> {
        match self.start.take() {
            Some(start) => self.cursor.seek(&start)?,
            None if self.cursor.is_valid() => self.cursor.next()?,
            None => {}
        }
        Ok(self.is_valid())
    }

    fn is_valid(&self) -> bool {
        self.cursor.is_valid() && self.cursor.key() < self.end.as_slice()
    }

    /// The key; empty beyond the last.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        if self.is_valid() { self.cursor.key() } else { &[] }
    }

    /// The value the key was given, or what was added to it; none where it was deleted.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        let is_there = self.is_valid() && !matches!(self.cursor.kind(), EntryKind::Delete | EntryKind::DeleteRange);
        is_there.then(|| self.cursor.value())
    }
}
