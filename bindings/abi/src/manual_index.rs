//! Manual indexes of a collection.
//!
//! Always: keys and ranges go in as CBOR. Does not know: host objects.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;
use crate::{Collection, Cursor, Id, call};

impl Collection {
    /// Gives an entity a key; false when it has the key.
    ///
    /// # Errors
    /// Those of `entidb_collection_insert_key`.
    pub fn insert_key(&self, index: &str, key: &[u8], id: &Id) -> Result<bool> {
        let (name, name_len) = (index.as_ptr(), index.len());
        let inserted: i32 = call::value(|out, error| {
            let (this, id) = (self.as_ptr(), id.as_ptr());
            // SAFETY: the collection is live, name, key and id readable, the places may be written.
            unsafe { ffi::entidb_collection_insert_key(this, name, name_len, key.as_ptr(), key.len(), id, out, error) }
        })?;
        Ok(inserted != 0)
    }

    /// Takes a key from an entity; false when it has no such key.
    ///
    /// # Errors
    /// Those of `entidb_collection_remove_key`.
    pub fn remove_key(&self, index: &str, key: &[u8], id: &Id) -> Result<bool> {
        let (name, name_len) = (index.as_ptr(), index.len());
        let removed: i32 = call::value(|out, error| {
            let (this, id) = (self.as_ptr(), id.as_ptr());
            // SAFETY: as above.
            unsafe { ffi::entidb_collection_remove_key(this, name, name_len, key.as_ptr(), key.len(), id, out, error) }
        })?;
        Ok(removed != 0)
    }

    /// The ids of the entities that have a key.
    ///
    /// # Errors
    /// Those of `entidb_collection_lookup_key`.
    pub fn lookup_key(&self, index: &str, key: &[u8]) -> Result<Vec<Id>> {
        let (name, name_len) = (index.as_ptr(), index.len());
        let ids = Buffer::fill(|out, error| {
            let this = self.as_ptr();
            // SAFETY: the collection is live, name and key readable, the places may be written.
            unsafe { ffi::entidb_collection_lookup_key(this, name, name_len, key.as_ptr(), key.len(), out, error) }
        })?;
        Ok(ids.chunks_exact(16).filter_map(|id| Id::try_from(id).ok()).collect())
    }

    /// A cursor over keys of a range with their entities: each frame has a key, CBOR, as its document.
    ///
    /// # Errors
    /// Those of `entidb_collection_scan_keys`.
    pub fn scan_keys(&self, index: &str, range: &[u8]) -> Result<Cursor> {
        let (name, name_len) = (index.as_ptr(), index.len());
        let made = call::handle(|out, error| {
            let this = self.as_ptr();
            // SAFETY: the collection is live, name and range readable, the places may be written.
            unsafe { ffi::entidb_collection_scan_keys(this, name, name_len, range.as_ptr(), range.len(), out, error) }
        })?;
        Ok(Cursor::own(made))
    }

    /// The number of keys.
    ///
    /// # Errors
    /// Those of `entidb_collection_count_keys`.
    pub fn count_keys(&self, index: &str) -> Result<u64> {
        call::value(|out, error| {
            // SAFETY: the collection is live, the name readable, the places may be written.
            unsafe { ffi::entidb_collection_count_keys(self.as_ptr(), index.as_ptr(), index.len(), out, error) }
        })
    }
}
