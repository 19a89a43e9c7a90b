//! A collection as JavaScript holds it.
//!
//! Always: ids are 16 bytes, documents CBOR. Does not know: what either means to JavaScript.

use entidb_abi::{Collection, WriteMode};
use napi::Result;
use napi::bindgen_prelude::{Buffer, Uint8Array};
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

fn version(number: Option<i64>) -> Result<Option<u64>> {
    let read = |number| u64::try_from(number).map_err(|_| refused("a version is a number an entity had"));
    number.map(read).transpose()
}

#[napi]
impl NativeCollection {
    /// Stores a document and gives the bytes of its id. The mode is `put`, `insert` or `replace`.
    #[napi]
    pub fn put(
        &self,
        at: Option<Uint8Array>,
        document: Uint8Array,
        mode: String,
        expected_version: Option<i64>,
    ) -> Result<Buffer> {
        let at = at.as_deref().map(id).transpose()?;
        let mode = match (mode.as_str(), version(expected_version)?) {
            ("put", _) => WriteMode::Put,
            ("insert", _) => WriteMode::Insert,
            ("replace", None) => WriteMode::Replace,
            ("replace", Some(version)) => WriteMode::ReplaceVersion(version),
            _ => return Err(refused("the mode is put, insert or replace")),
        };
        given(self.inner.put(at.as_ref(), &document, mode)).map(|id| Buffer::from(id.to_vec()))
    }

    /// Changes parts of an entity.
    #[napi]
    pub fn update(&self, at: Uint8Array, patch: Uint8Array) -> Result<()> {
        given(self.inner.update(&id(&at)?, &patch))
    }

    /// The entity with this id: 8 bytes of version, little-endian, then the document; null when it is not there.
    #[napi]
    pub fn get(&self, at: Uint8Array) -> Result<Option<Buffer>> {
        let entity = given(self.inner.get(&id(&at)?))?;
        Ok(entity.map(|entity| {
            let mut out = Vec::with_capacity(8 + entity.bytes().len());
            out.extend_from_slice(&entity.version().to_le_bytes());
            out.extend_from_slice(entity.bytes());
            Buffer::from(out)
        }))
    }

    /// The entities with these ids, framed.
    #[napi]
    pub fn get_many(&self, at: Uint8Array) -> Result<Buffer> {
        given(self.inner.get_many(&ids(&at)?)).map(|frames| Buffer::from(frames.as_bytes().to_vec()))
    }

    /// Whether there is an entity with this id.
    #[napi]
    pub fn exists(&self, at: Uint8Array) -> Result<bool> {
        given(self.inner.exists(&id(&at)?))
    }

    /// The number of entities.
    #[napi]
    pub fn count(&self) -> Result<i64> {
        given(self.inner.count()).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Removes an entity; true when it was there.
    #[napi]
    pub fn delete(&self, at: Uint8Array, expected_version: Option<i64>) -> Result<bool> {
        given(self.inner.delete(&id(&at)?, version(expected_version)?))
    }

    /// Removes these entities; gives how many were there.
    #[napi]
    pub fn delete_many(&self, at: Uint8Array) -> Result<i64> {
        given(self.inner.delete_many(&ids(&at)?)).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Stores framed documents and gives the bytes of their ids.
    #[napi]
    pub fn put_many(&self, frames: Uint8Array) -> Result<Buffer> {
        given(self.inner.put_many(&frames)).map(|ids| Buffer::from(ids.concat()))
    }

    /// Declares an index; false when the same was there.
    #[napi]
    pub fn create_index(&self, definition: Uint8Array) -> Result<bool> {
        given(self.inner.create_index(&definition))
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
    pub fn scan(&self, after: Option<Uint8Array>, reverse: bool, limit: Option<i64>) -> Result<NativeCursor> {
        let after = after.as_deref().map(id).transpose()?;
        let limit = limit.and_then(|limit| u64::try_from(limit).ok());
        given(self.inner.scan(after.as_ref(), reverse, limit)).map(NativeCursor::new)
    }

    /// Asks a query.
    #[napi]
    pub fn find(&self, query: Uint8Array) -> Result<NativeCursor> {
        given(self.inner.find(&query)).map(NativeCursor::new)
    }

    /// Counts the answers of a query.
    #[napi]
    pub fn find_count(&self, query: Uint8Array) -> Result<i64> {
        given(self.inner.find_count(&query)).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Removes the answers of a query.
    #[napi]
    pub fn find_delete(&self, query: Uint8Array) -> Result<i64> {
        given(self.inner.find_delete(&query)).map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// How the answers of a query would be found, CBOR.
    #[napi]
    pub fn find_explain(&self, query: Uint8Array) -> Result<Buffer> {
        given(self.inner.find_explain(&query)).map(|explanation| Buffer::from(explanation.to_vec()))
    }
}
