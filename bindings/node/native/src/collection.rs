//! A collection as JavaScript holds it.
//!
//! Always: ids are 16 bytes, documents CBOR. Does not know: what either means to JavaScript.

use entidb_abi::{Collection, WriteMode};
use napi::Result;
use napi::bindgen_prelude::{Buffer, BufferSlice};
use napi_derive::napi;

use crate::cursor::NativeCursor;
use crate::failure::{given, id, ids, refused};

/// Entities under one name.
#[napi]
pub struct NativeCollection {
    inner: Collection,
}

impl NativeCollection {
    pub(crate) fn new(inner: Collection) -> Self {
        Self { inner }
    }
}

fn version(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| refused("a version is a number an entity had"))
}

#[napi]
impl NativeCollection {
    /// Stores the document that stands in the buffer after 16 bytes for its id. The id is read from there when there is
    /// one, and written there. The mode is 0 for put, 1 for insert, 2 for replace; a version of 0 is none.
    #[napi]
    pub fn put(&self, mut io: BufferSlice<'_>, len: u32, has_id: bool, mode: u32, expected_version: i64) -> Result<()> {
        let mode = match (mode, expected_version) {
            (0, _) => WriteMode::Put,
            (1, _) => WriteMode::Insert,
            (2, 0) => WriteMode::Replace,
            (2, number) => WriteMode::ReplaceVersion(version(number)?),
            _ => return Err(refused("the mode is put, insert or replace")),
        };
        let short = || refused("the document is longer than its buffer");
        let (at, rest) = io.split_first_chunk_mut::<16>().ok_or_else(short)?;
        let document = rest.get(..len as usize).ok_or_else(short)?;
        *at = given(self.inner.put(has_id.then_some(&*at), document, mode))?;
        Ok(())
    }

    /// Changes parts of an entity.
    #[napi]
    pub fn update(&self, at: &[u8], patch: &[u8]) -> Result<()> {
        given(self.inner.update(&id(at)?, patch))
    }

    /// Reads the entity whose id begins the buffer, and writes over it 8 bytes of version, little-endian, then the
    /// document. Gives how many bytes that needs; nothing is written when they are more than the buffer has. −1 when the
    /// entity is not there.
    #[napi]
    pub fn get(&self, mut io: BufferSlice<'_>) -> Result<i64> {
        let at = id(io.get(..16).unwrap_or_default())?;
        let Some(entity) = given(self.inner.get(&at))? else { return Ok(-1) };
        let document = entity.bytes();
        let needed = 8 + document.len();
        if let Some((head, rest)) = io.split_first_chunk_mut::<8>()
            && let Some(place) = rest.get_mut(..document.len())
        {
            *head = entity.version().to_le_bytes();
            place.copy_from_slice(document);
        }
        Ok(i64::try_from(needed).unwrap_or(i64::MAX))
    }

    /// The entities with these ids, framed.
    #[napi]
    pub fn get_many(&self, at: &[u8]) -> Result<Buffer> {
        given(self.inner.get_many(&ids(at)?)).map(|frames| Buffer::from(frames.as_bytes().to_vec()))
    }

    /// Whether there is an entity with this id.
    #[napi]
    pub fn exists(&self, at: &[u8]) -> Result<bool> {
        given(self.inner.exists(&id(at)?))
    }

    /// The number of entities.
    #[napi]
    pub fn count(&self) -> Result<i64> {
        given(self.inner.count()).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Removes an entity; true when it was there.
    #[napi]
    pub fn delete(&self, at: &[u8], expected_version: Option<i64>) -> Result<bool> {
        given(self.inner.delete(&id(at)?, expected_version.map(version).transpose()?))
    }

    /// Removes these entities; gives how many were there.
    #[napi]
    pub fn delete_many(&self, at: &[u8]) -> Result<i64> {
        given(self.inner.delete_many(&ids(at)?)).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Stores framed documents and gives the bytes of their ids.
    #[napi]
    pub fn put_many(&self, frames: &[u8]) -> Result<Buffer> {
        given(self.inner.put_many(frames)).map(|ids| Buffer::from(ids.concat()))
    }

    /// Declares an index; false when the same was there.
    #[napi]
    pub fn create_index(&self, definition: &[u8]) -> Result<bool> {
        given(self.inner.create_index(definition))
    }

    /// Removes an index.
    #[napi]
    pub fn drop_index(&self, name: String) -> Result<()> {
        given(self.inner.drop_index(&name))
    }

    /// The declared indexes, CBOR.
    #[napi]
    pub fn indexes(&self) -> Result<Buffer> {
        given(self.inner.indexes()).map(|indexes| Buffer::from(indexes.to_vec()))
    }

    /// Walks all entities in the order of ids.
    #[napi]
    pub fn scan(&self, after: Option<&[u8]>, reverse: bool, limit: Option<i64>) -> Result<NativeCursor> {
        let after = after.map(id).transpose()?;
        let limit = limit.and_then(|limit| u64::try_from(limit).ok());
        given(self.inner.scan(after.as_ref(), reverse, limit)).map(NativeCursor::new)
    }

    /// Asks a query.
    #[napi]
    pub fn find(&self, query: &[u8]) -> Result<NativeCursor> {
        given(self.inner.find(query)).map(NativeCursor::new)
    }

    /// Counts the answers of a query.
    #[napi]
    pub fn find_count(&self, query: &[u8]) -> Result<i64> {
        given(self.inner.find_count(query)).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Removes the answers of a query.
    #[napi]
    pub fn find_delete(&self, query: &[u8]) -> Result<i64> {
        given(self.inner.find_delete(query)).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// How the answers of a query would be found, CBOR.
    #[napi]
    pub fn find_explain(&self, query: &[u8]) -> Result<Buffer> {
        given(self.inner.find_explain(query)).map(|explanation| Buffer::from(explanation.to_vec()))
    }
}
