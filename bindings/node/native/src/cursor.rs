//! Answers and changes as JavaScript pulls them.
//!
//! Always: a batch is one buffer of framed entities, as the C ABI gives it; `free` lets go at once.
//! Does not know: how a frame is read; JavaScript does that.

use entidb_abi::{ChangeFeed, Cursor};
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::failure::given;

/// A walk over entities.
#[napi]
pub struct NativeCursor {
    inner: Option<Cursor>,
}

impl NativeCursor {
    pub(crate) fn new(inner: Cursor) -> Self {
        Self { inner: Some(inner) }
    }
}

#[napi]
impl NativeCursor {
    /// The next entities, framed; null at the end.
    #[napi]
    pub fn next_batch(&self, count_max: u32, bytes_max: u32) -> Result<Option<Buffer>> {
        let Some(cursor) = &self.inner else { return Ok(None) };
        let batch = given(cursor.next_batch(count_max as usize, bytes_max as usize))?;
        Ok(batch.map(|frames| Buffer::from(frames.as_bytes().to_vec())))
    }

    /// The page token of the entity at a position of the last batch.
    #[napi]
    pub fn token(&self, position: u32) -> Result<Option<Buffer>> {
        let Some(cursor) = &self.inner else { return Ok(None) };
        Ok(given(cursor.token(position as usize))?.map(|token| Buffer::from(token.to_vec())))
    }

    /// Lets go of everything it holds.
    #[napi]
    pub fn free(&mut self) {
        self.inner = None;
    }
}

/// A reader of the change feed.
#[napi]
pub struct NativeChangeFeed {
    inner: ChangeFeed,
}

impl NativeChangeFeed {
    pub(crate) fn new(inner: ChangeFeed) -> Self {
        Self { inner }
    }
}

#[napi]
impl NativeChangeFeed {
    /// The next commit as CBOR, waiting so many milliseconds; null when the time is over.
    #[napi]
    pub fn next_commit(&self, timeout_ms: u32) -> Result<Option<Buffer>> {
        let commit = given(self.inner.next_commit(u64::from(timeout_ms)))?;
        Ok(commit.map(|commit| Buffer::from(commit.to_vec())))
    }

    /// The sequence of the last commit given.
    #[napi]
    pub fn position(&self) -> i64 {
        i64::try_from(self.inner.position()).unwrap_or(i64::MAX)
    }
}
