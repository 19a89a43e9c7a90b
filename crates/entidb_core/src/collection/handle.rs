//! What a handle of a collection means: a name until a collection has it, and from then on that collection.
//!
//! Always: a handle never comes to mean another collection, whatever is renamed, dropped or made anew. Does not know:
//! where the catalog it is looked up in comes from.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use entidb_engine::Sequence;

use crate::error::{Error, ErrorCode};
use crate::id::CollectionId;

/// No collection has this number.
const UNBOUND: u32 = 0;

/// Shared by the clones of a handle.
#[derive(Debug)]
pub(super) struct Handle {
    name: Box<str>,
    id: AtomicU32,
    /// A commit from which on the collection was there.
    since: AtomicU64,
}

impl Handle {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), id: AtomicU32::new(UNBOUND), since: AtomicU64::new(0) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The collection it means, with a commit at which that was there.
    pub(super) fn bound(&self) -> Option<(CollectionId, Sequence)> {
        match self.id.load(Ordering::Acquire) {
            UNBOUND => None,
            id => Some((CollectionId(id), Sequence(self.since.load(Ordering::Relaxed)))),
        }
    }

    /// From here on it means this collection, which is there at this commit. The first one stays.
    pub(super) fn bind(&self, id: CollectionId, at: Sequence) {
        if self.id.load(Ordering::Relaxed) == UNBOUND {
            // Of two that bind at once the later commit stays: a reader before it finds nothing yet.
            self.since.fetch_max(at.0, Ordering::Relaxed);
            let _ = self.id.compare_exchange(UNBOUND, id.0, Ordering::Release, Ordering::Relaxed);
        }
    }

    /// As [`bind`](Self::bind), in a transaction that may take the collection back and make it anew.
    pub(super) fn bind_again(&self, id: CollectionId) {
        self.id.store(id.0, Ordering::Release);
    }
}

/// The collection a call of a handle is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The name it was taken by.
    pub(crate) name: &'a str,
    /// The collection, once there was one.
    pub(crate) id: Option<CollectionId>,
    /// Whether that was committed: when it is not there any more, it was dropped.
    pub(crate) is_committed: bool,
}

impl Target<'_> {
    pub(crate) fn dropped(&self) -> Error {
        dropped(self.name)
    }
}

pub(super) fn dropped(name: &str) -> Error {
    let problem = format!(
        "the collection this handle was taken for by the name {name:?} was dropped; take another handle to begin a new one"
    );
    Error::new(ErrorCode::CollectionNotFound, problem).with_collection(name)
}
