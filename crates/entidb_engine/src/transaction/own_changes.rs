//! What an open write transaction changes, key by key, without what it stands on.
//!
//! Always: shows the changes in the order of keys, borrowed from the transaction, which cannot change meanwhile; so a step copies
//! nothing and does not look for its place again. Does not know: deleted ranges, which are no changes of single keys.

use std::collections::btree_map;

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::EntryCursor;
use crate::transaction::buffer::WriteBuffer;
use crate::transaction::points::{Change, ManyCursor, Points};
use crate::transaction::short_key::ShortKey;

/// A walk over the keys of a range that a transaction gave a value or deleted one by one.
pub struct OwnChanges<'a>(Walk<'a>);

enum Walk<'a> {
    Few {
        rest: btree_map::Range<'a, ShortKey, Change>,
        here: Option<(&'a [u8], &'a Change)>,
    },
    Many {
        cursor: ManyCursor,
        /// Where it begins; taken by the first step.
        start: Option<Vec<u8>>,
        end: Vec<u8>,
    },
}

impl<'a> OwnChanges<'a> {
    pub(super) fn new(buffer: &'a WriteBuffer, start: &[u8], end: &[u8]) -> Self {
        Self(match buffer.points() {
            Points::Few(few) => Walk::Few { rest: Points::few_in(few, start, end), here: None },
            Points::Many(many) => {
                Walk::Many { cursor: many.cursor(Sequence::ZERO), start: Some(start.to_vec()), end: end.to_vec() }
            }
        })
    }

    /// Goes to the next changed key; false when there is none.
    ///
    /// # Errors
    /// `OutOfMemory`.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        match &mut self.0 {
            Walk::Few { rest, here } => {
                *here = rest.next().map(|(key, change)| (key.as_bytes(), change));
                Ok(here.is_some())
            }
            Walk::Many { cursor, start, end } => {
                match start.take() {
                    Some(start) => cursor.seek(&start)?,
                    None if cursor.is_valid() => cursor.next()?,
                    None => {}
                }
                Ok(is_before(cursor, end))
            }
        }
    }

    /// The key; empty before the first step and beyond the last.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match &self.0 {
            Walk::Few { here, .. } => here.map_or(&[], |(key, _)| key),
            Walk::Many { cursor, end, .. } if is_before(cursor, end) => cursor.key(),
            Walk::Many { .. } => &[],
        }
    }

    /// The value the key was given, or what was added to it; none where it was deleted.
    #[inline]
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        let (kind, value) = match &self.0 {
            Walk::Few { here, .. } => here.map(|(_, change)| (change.kind, change.value_bytes()))?,
            Walk::Many { cursor, end, .. } if is_before(cursor, end) => (cursor.kind(), cursor.value()),
            Walk::Many { .. } => return None,
        };
        (!matches!(kind, EntryKind::Delete | EntryKind::DeleteRange)).then_some(value)
    }
}

fn is_before(cursor: &ManyCursor, end: &[u8]) -> bool {
    cursor.is_valid() && cursor.key() < end
}
