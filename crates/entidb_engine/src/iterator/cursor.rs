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

impl EntryCursor for Box<dyn EntryCursor> {
    fn seek_first(&mut self) -> Result<()> {
        self.as_mut().seek_first()
    }
    fn seek_last(&mut self) -> Result<()> {
        self.as_mut().seek_last()
    }
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.as_mut().seek(key)
    }
    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.as_mut().seek_before(key)
    }
    fn aim(&mut self, key: &[u8]) {
        self.as_mut().aim(key);
    }
    fn land(&mut self, key: &[u8]) -> Result<()> {
        self.as_mut().land(key)
    }
    fn next(&mut self) -> Result<()> {
        self.as_mut().next()
    }
    fn next_key(&mut self) -> Result<()> {
        self.as_mut().next_key()
    }
    fn previous(&mut self) -> Result<()> {
        self.as_mut().previous()
    }
    fn is_valid(&self) -> bool {
        self.as_ref().is_valid()
    }
    fn key(&self) -> &[u8] {
        self.as_ref().key()
    }
    fn sequence(&self) -> Sequence {
        self.as_ref().sequence()
    }
    fn kind(&self) -> EntryKind {
        self.as_ref().kind()
    }
    fn here(&self) -> Option<Here<'_>> {
        self.as_ref().here()
    }
    fn value(&self) -> &[u8] {
        self.as_ref().value()
    }
    fn pin_value(&self) -> Value {
        self.as_ref().pin_value()
    }
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
    /// Begins to fetch what a `seek` for `key` reads, so that sources that are sought one after the other wait at once.
    fn aim(&mut self, _key: &[u8]) {}
    /// As `seek`, when `aim` was the last call and had the same key.
    fn land(&mut self, key: &[u8]) -> Result<()> {
        self.seek(key)
    }
    /// To the entry after this one. Must be valid.
    fn next(&mut self) -> Result<()>;
    /// To the newest version of the key after this one. Must be valid.
    fn next_key(&mut self) -> Result<()> {
        let key = self.key().to_vec();
        while self.is_valid() && self.key() == key {
            self.next()?;
        }
        Ok(())
    }
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
