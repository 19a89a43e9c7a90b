//! Collections.
//!
//! Always: documents, patches, definitions and queries go in as CBOR and come out as CBOR. Does not know: host objects.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;
use crate::modes::PUT_FRAME_HEAD_BYTES;
use crate::{Cursor, Entity, Frames, Id, call};

/// When a document may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Always.
    Put,
    /// Only when there is none under the id.
    Insert,
    /// Only when there is one.
    Replace,
    /// Only when there is one with this version.
    ReplaceVersion(u64),
}

/// Entities under one name.
#[derive(Debug)]
pub struct Collection(*mut ffi::entidb_collection);

// SAFETY: the header says that a collection may be used by any number of threads at once.
unsafe impl Send for Collection {}
// SAFETY: as above.
unsafe impl Sync for Collection {}

impl Collection {
    pub(crate) fn own(pointer: *mut ffi::entidb_collection) -> Self {
        Self(pointer)
    }

    pub(crate) const fn as_ptr(&self) -> *const ffi::entidb_collection {
        self.0
    }

    /// Stores a document and gives its id.
    ///
    /// # Errors
    /// Those of `entidb_collection_put`.
    pub fn put(&self, id: Option<&Id>, document: &[u8], mode: WriteMode) -> Result<Id> {
        let (mode, version) = match mode {
            WriteMode::Put => (ffi::ENTIDB_PUT, 0),
            WriteMode::Insert => (ffi::ENTIDB_INSERT, 0),
            WriteMode::Replace => (ffi::ENTIDB_REPLACE, 0),
            WriteMode::ReplaceVersion(version) => (ffi::ENTIDB_REPLACE_VERSION, version),
        };
        let given = id.map_or(std::ptr::null(), |id| id.as_ptr());
        let mut stored: Id = [0; 16];
        // SAFETY: the collection is live, id and document readable, 16 bytes may be written.
        call::done(|error| unsafe {
            let out = stored.as_mut_ptr();
            ffi::entidb_collection_put(self.0, given, document.as_ptr(), document.len(), mode, version, out, error)
        })?;
        Ok(stored)
    }

    /// Changes parts of an entity.
    ///
    /// # Errors
    /// Those of `entidb_collection_update`.
    pub fn update(&self, id: &Id, patch: &[u8]) -> Result<()> {
        // SAFETY: the collection is live, id and patch readable.
        call::done(|error| unsafe {
            ffi::entidb_collection_update(self.0, id.as_ptr(), patch.as_ptr(), patch.len(), error)
        })
    }

    /// The entity with this id.
    ///
    /// # Errors
    /// Those of `entidb_collection_get`.
    pub fn get(&self, id: &Id) -> Result<Option<Entity>> {
        let mut value = std::ptr::null_mut();
        // SAFETY: the collection is live, the id readable, the places may be written.
        let outcome =
            call::outcome(|error| unsafe { ffi::entidb_collection_get(self.0, id.as_ptr(), &raw mut value, error) })?;
        Ok((outcome == ffi::ENTIDB_OK).then(|| Entity::own(value)))
    }

    /// The entity as it was after an earlier commit.
    ///
    /// # Errors
    /// Those of `entidb_collection_get_as_of`.
    pub fn get_as_of(&self, id: &Id, sequence: u64) -> Result<Option<Entity>> {
        let mut value = std::ptr::null_mut();
        let outcome = call::outcome(|error| {
            // SAFETY: the collection is live, the id readable, the places may be written.
            unsafe { ffi::entidb_collection_get_as_of(self.0, id.as_ptr(), sequence, &raw mut value, error) }
        })?;
        Ok((outcome == ffi::ENTIDB_OK).then(|| Entity::own(value)))
    }

    /// Versions of an entity that were written after a sequence, the oldest first, about 1 MiB of them. Read them with
    /// `Frames::next_version`.
    ///
    /// # Errors
    /// Those of `entidb_collection_history`.
    pub fn history(&self, id: &Id, after: u64) -> Result<Frames> {
        let buffer = Buffer::fill(|out, error| {
            // SAFETY: the collection is live, the id readable, the places may be written.
            unsafe { ffi::entidb_collection_history(self.0, id.as_ptr(), after, out, error) }
        })?;
        Ok(Frames::new(buffer))
    }

    /// The entities with these ids, in their order.
    ///
    /// # Errors
    /// Those of `entidb_collection_get_many`.
    pub fn get_many(&self, ids: &[Id]) -> Result<Frames> {
        let buffer = Buffer::fill(|out, error| {
            // SAFETY: the collection is live, the ids readable, the places may be written.
            unsafe { ffi::entidb_collection_get_many(self.0, ids.as_ptr().cast(), ids.len(), out, error) }
        })?;
        Ok(Frames::new(buffer))
    }

    /// Whether there is an entity with this id.
    ///
    /// # Errors
    /// Those of `entidb_collection_exists`.
    pub fn exists(&self, id: &Id) -> Result<bool> {
        // SAFETY: the collection is live, the id readable, the places may be written.
        let exists: i32 =
            call::value(|out, error| unsafe { ffi::entidb_collection_exists(self.0, id.as_ptr(), out, error) })?;
        Ok(exists != 0)
    }

    /// The number of entities.
    ///
    /// # Errors
    /// Those of `entidb_collection_count`.
    pub fn count(&self) -> Result<u64> {
        // SAFETY: the collection is live and the places may be written.
        call::value(|out, error| unsafe { ffi::entidb_collection_count(self.0, out, error) })
    }

    /// Removes an entity, only with this version where one is given; true when it was there.
    ///
    /// # Errors
    /// Those of `entidb_collection_delete` and `entidb_collection_delete_version`.
    pub fn delete(&self, id: &Id, version: Option<u64>) -> Result<bool> {
        let outcome = call::outcome(|error| match version {
            // SAFETY: the collection is live and the id readable.
            None => unsafe { ffi::entidb_collection_delete(self.0, id.as_ptr(), error) },
            // SAFETY: as above.
            Some(version) => unsafe { ffi::entidb_collection_delete_version(self.0, id.as_ptr(), version, error) },
        })?;
        Ok(outcome == ffi::ENTIDB_OK)
    }

    /// Removes these entities; gives how many were there.
    ///
    /// # Errors
    /// Those of `entidb_collection_delete_many`.
    pub fn delete_many(&self, ids: &[Id]) -> Result<u64> {
        call::value(|out, error| {
            // SAFETY: the collection is live, the ids readable, the places may be written.
            unsafe { ffi::entidb_collection_delete_many(self.0, ids.as_ptr().cast(), ids.len(), out, error) }
        })
    }

    /// Stores framed documents, see [`frame_document`](Self::frame_document), and gives their ids.
    ///
    /// # Errors
    /// Those of `entidb_collection_put_many`.
    pub fn put_many(&self, frames: &[u8]) -> Result<Vec<Id>> {
        let ids = Buffer::fill(|out, error| {
            // SAFETY: the collection is live, the frames readable, the places may be written.
            unsafe { ffi::entidb_collection_put_many(self.0, frames.as_ptr(), frames.len(), out, error) }
        })?;
        Ok(ids.chunks_exact(16).filter_map(|id| Id::try_from(id).ok()).collect())
    }

    /// Begins a frame for [`put_many`](Self::put_many); `write` appends the document.
    ///
    /// # Errors
    /// What `write` returns, and `TOO_LARGE` for a document a frame cannot hold.
    pub fn frame_document<E: From<crate::Error>>(
        frames: &mut Vec<u8>,
        id: Option<&Id>,
        write: impl FnOnce(&mut Vec<u8>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let start = frames.len();
        if frames.try_reserve(PUT_FRAME_HEAD_BYTES).is_err() {
            let problem = "no memory for the documents of a batch; store fewer at once";
            return Err(crate::Error::new(ffi::ENTIDB_ERROR_OUT_OF_MEMORY, problem).into());
        }
        frames.extend_from_slice(&[0; 4]);
        frames.push(u8::from(id.is_some()));
        if let Some(id) = id {
            frames.extend_from_slice(id);
        }
        let document = frames.len();
        write(frames)?;
        let len = u32::try_from(frames.len().saturating_sub(document)).ok().filter(|len| *len < u32::MAX);
        let Some(len) = len else {
            return Err(crate::Error::new(ffi::ENTIDB_ERROR_TOO_LARGE, "a document of a batch is over 4 GiB").into());
        };
        if let Some(head) = frames.get_mut(start..start + 4) {
            head.copy_from_slice(&len.to_le_bytes());
        }
        Ok(())
    }

    /// Declares an index; false when the same was there.
    ///
    /// # Errors
    /// Those of `entidb_collection_create_index`.
    pub fn create_index(&self, definition: &[u8]) -> Result<bool> {
        let created: i32 = call::value(|out, error| {
            // SAFETY: the collection is live, the definition readable, the places may be written.
            unsafe { ffi::entidb_collection_create_index(self.0, definition.as_ptr(), definition.len(), out, error) }
        })?;
        Ok(created != 0)
    }

    /// Removes an index.
    ///
    /// # Errors
    /// Those of `entidb_collection_drop_index`.
    pub fn drop_index(&self, name: &str) -> Result<()> {
        // SAFETY: the collection is live and the name readable.
        call::done(|error| unsafe { ffi::entidb_collection_drop_index(self.0, name.as_ptr(), name.len(), error) })
    }

    /// The declared indexes, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_collection_indexes`.
    pub fn indexes(&self) -> Result<Buffer> {
        // SAFETY: the collection is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_collection_indexes(self.0, out, error) })
    }

    /// The number, the name and the size of the collection and its indexes, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_collection_stats`.
    pub fn stats(&self) -> Result<Buffer> {
        // SAFETY: the collection is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_collection_stats(self.0, out, error) })
    }

    /// Walks all entities in the order of ids.
    ///
    /// # Errors
    /// Those of `entidb_collection_scan`.
    pub fn scan(&self, after: Option<&Id>, reverse: bool, limit: Option<u64>) -> Result<Cursor> {
        let after = after.map_or(std::ptr::null(), |id| id.as_ptr());
        let made = call::handle(|out, error| {
            // SAFETY: the collection is live, the id readable, the places may be written.
            unsafe {
                ffi::entidb_collection_scan(
                    self.0,
                    after,
                    i32::from(reverse),
                    limit.unwrap_or(ffi::ENTIDB_NO_LIMIT),
                    out,
                    error,
                )
            }
        })?;
        Ok(Cursor::own(made))
    }

    /// Asks a query.
    ///
    /// # Errors
    /// Those of `entidb_collection_find`.
    pub fn find(&self, query: &[u8]) -> Result<Cursor> {
        let made = call::handle(|out, error| {
            // SAFETY: the collection is live, the query readable, the places may be written.
            unsafe { ffi::entidb_collection_find(self.0, query.as_ptr(), query.len(), out, error) }
        })?;
        Ok(Cursor::own(made))
    }

    /// Counts the answers of a query.
    ///
    /// # Errors
    /// Those of `entidb_collection_find_count`.
    pub fn find_count(&self, query: &[u8]) -> Result<u64> {
        call::value(|out, error| {
            // SAFETY: the collection is live, the query readable, the places may be written.
            unsafe { ffi::entidb_collection_find_count(self.0, query.as_ptr(), query.len(), out, error) }
        })
    }

    /// Removes the answers of a query.
    ///
    /// # Errors
    /// Those of `entidb_collection_find_delete`.
    pub fn find_delete(&self, query: &[u8]) -> Result<u64> {
        call::value(|out, error| {
            // SAFETY: the collection is live, the query readable, the places may be written.
            unsafe { ffi::entidb_collection_find_delete(self.0, query.as_ptr(), query.len(), out, error) }
        })
    }

    /// How the answers of a query would be found, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_collection_find_explain`.
    pub fn find_explain(&self, query: &[u8]) -> Result<Buffer> {
        Buffer::fill(|out, error| {
            // SAFETY: the collection is live, the query readable, the places may be written.
            unsafe { ffi::entidb_collection_find_explain(self.0, query.as_ptr(), query.len(), out, error) }
        })
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used afterwards.
        unsafe { ffi::entidb_collection_free(self.0) };
    }
}
