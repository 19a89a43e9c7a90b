//! Parts of the engine for the benches, which must reach what users cannot. Feature `internals`.
//!
//! Always: thin; it adds nothing to what it shows. No promise of any kind goes with it, between any two versions.
//! Does not know: how the parts are used together.

use std::sync::Arc;

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::EntryCursor;
use crate::memtable::{Memtable, MemtableConfig, MemtableCursor};

/// A memtable on its own.
#[derive(Clone)]
pub struct BareMemtable(Arc<Memtable>);

impl BareMemtable {
    /// An empty one whose keys are all hashed, or none.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn new(hashed: bool) -> Result<Self> {
        let config = MemtableConfig { point_zones: [hashed; 256], ..MemtableConfig::default() };
        Ok(Self(Arc::new(Memtable::new(config)?)))
    }

    /// Puts a version of a key.
    ///
    /// # Errors
    /// As the memtable's.
    pub fn put(&self, key: &[u8], sequence: u64, value: &[u8]) -> Result<()> {
        self.0.inserter().insert(key, Sequence(sequence), EntryKind::Put, value)
    }

    /// The newest value at a sequence.
    #[must_use]
    pub fn get(&self, key: &[u8], at: u64) -> Option<&[u8]> {
        self.0.get(key, Sequence(at)).map(|found| found.value)
    }

    /// Walks up to `count` entries from a key and returns the sum of their first bytes.
    ///
    /// # Errors
    /// None today.
    pub fn walk(&self, from: &[u8], count: usize, forward: bool) -> Result<usize> {
        let mut cursor: MemtableCursor = self.0.cursor();
        let mut bytes = 0_usize;
        if forward {
            cursor.seek(from)?
        } else {
            cursor.seek_before(from)?
        }
        for _ in 0..count {
            if !cursor.is_valid() {
                break;
            }
            bytes = bytes
                .wrapping_add(usize::from(cursor.key().first().copied().unwrap_or(0)))
                .wrapping_add(usize::from(cursor.value().first().copied().unwrap_or(0)));
            if forward { cursor.next()? } else { cursor.previous()? }
        }
        Ok(bytes)
    }

    /// Bytes in use, and bytes taken from the allocator.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        (self.0.bytes(), self.0.reserved_bytes())
    }
}
