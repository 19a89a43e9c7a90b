//! A value handed out by a read: borrowed from a cached block where possible, copied where not.
//!
//! Always: the bytes never change and stay valid as long as the value lives, whatever happens to the database.
//! Does not know: which key it belongs to.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Memory that can lend bytes for as long as it is counted: a cached block, a memtable arena.
pub(crate) trait Pinned: Send + Sync {
    /// The bytes of `start..start + len`, or an empty slice when there are none (never, for ranges we made).
    fn bytes(&self, start: usize, len: usize) -> &[u8];
}

/// Up to here a copy is asked for like any small thing.
const SMALL_BYTES: usize = 4096;

/// A copy of bytes whose number a caller or a file says; `what` is what the memory is for.
pub(crate) fn copy_of(bytes: &[u8], what: &'static str) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    let no_memory = |_| Error::OutOfMemory { what, bytes: bytes.len() as u64 };
    copy.try_reserve_exact(bytes.len()).map_err(no_memory)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// A copy of a large value.
struct Copied(Vec<u8>);

impl Pinned for Copied {
    fn bytes(&self, start: usize, len: usize) -> &[u8] {
        self.0.get(start..).and_then(|rest| rest.get(..len)).unwrap_or_default()
    }
}

/// The bytes of a value. Cheap to clone; keeps what it borrows from alive.
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Owned(Arc<[u8]>),
    Pinned { memory: Arc<dyn Pinned>, start: usize, len: usize },
}

impl Value {
    /// A value with bytes of its own.
    #[must_use]
    pub fn owned(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(Repr::Owned(bytes.into()))
    }

    /// A value with a copy of these bytes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn copied(bytes: &[u8]) -> Result<Self> {
        if bytes.len() <= SMALL_BYTES {
            return Ok(Self::owned(bytes));
        }
        // Counted bytes cannot be asked for without ending the process where there are none, a vector of them can.
        Ok(Self::pinned(Arc::new(Copied(copy_of(bytes, "a value")?)), 0, bytes.len()))
    }

    /// A value that lives in counted memory.
    pub(crate) fn pinned(memory: Arc<dyn Pinned>, start: usize, len: usize) -> Self {
        Self(Repr::Pinned { memory, start, len })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Owned(bytes) => bytes,
            Repr::Pinned { memory, start, len } => memory.bytes(*start, *len),
        }
    }
}

impl Deref for Value {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.as_bytes().len())
    }
}
