//! What every ordered source of entries offers: a memtable, a segment, a transaction's own writes, a merge of them.
//!
//! Always: entries are ordered by key ascending, then by sequence descending, so the newest version of a key comes first.
//! Range tombstones are not entries of a cursor; each source lists them apart. After an error a cursor keeps failing.
//! Does not know: which versions a snapshot may see.

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::value::Value;

/// The entry a cursor is at, but for its value. Lives until the cursor moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here<'a> {
    /// Its key.
    pub(crate) key: &'a [u8],
    /// The commit that wrote it.
    pub(crate) sequence: Sequence,
    /// What it says.
    pub(crate) kind: EntryKind,
}

/// A position among the entries of one ordered source. A new cursor is not valid until a seek.
pub(crate) trait EntryCursor: Send {
    /// To the first entry.
    fn seek_first(&mut self) -> Result<()>;
    /// To the last entry.
    fn seek_last(&mut self) -> Result<()>;
    /// To the first entry whose key is at least `key` (its newest version).
    fn seek(&mut self, key: &[u8]) -> Result<()>;
    /// To the last entry whose key is less than `key` (its oldest version).
    fn seek_before(&mut self, key: &[u8]) -> Result<()>;
    /// To the entry after this one. Must be valid.
    fn next(&mut self) -> Result<()>;
    /// To the entry before this one. Must be valid.
    fn previous(&mut self) -> Result<()>;
    /// True when the cursor is at an entry.
    fn is_valid(&self) -> bool;
    /// The key here; empty when not valid. Lives until the cursor moves.
    fn key(&self) -> &[u8];
    /// The sequence here; zero when not valid.
    fn sequence(&self) -> Sequence;
    /// The kind here; `Delete` when not valid.
    fn kind(&self) -> EntryKind;
    /// Key, sequence and kind here in one call, which is what a walk pays for each entry; `None` when not valid.
    fn here(&self) -> Option<Here<'_>> {
        self.is_valid().then(|| Here { key: self.key(), sequence: self.sequence(), kind: self.kind() })
    }
    /// The value here; empty when not valid or none. Lives until the cursor moves.
    fn value(&self) -> &[u8];
    /// The value here as one that outlives the cursor, without copying where the source can pin it.
    fn pin_value(&self) -> Value {
        Value::owned(self.value())
    }
}
