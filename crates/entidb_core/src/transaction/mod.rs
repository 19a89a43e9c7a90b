//! What is read and written together: handles, and the one view every read goes through.
//!
//! Always: a read transaction sees one commit for ever; a write transaction sees that commit and its own changes.
//! Does not know: queries.

mod read;
mod schema;
mod state;
mod write;

use std::sync::Arc;

use entidb_engine::{Direction, Iter, Sequence, Value};

pub(crate) use read::ReadInner;
pub use read::ReadTransaction;
pub(crate) use schema::BegunIndex;
pub(crate) use state::{Limits, State, WriteMode, not_found};
pub(crate) use write::WriteInner;
pub use write::{Savepoint, WriteTransaction};

use crate::catalog::Catalog;
use crate::error::Result;

/// Where a read looks: a fixed commit, or a write transaction with its own changes.
#[derive(Clone)]
pub(crate) enum View {
    Read(Arc<ReadInner>),
    Write(Arc<WriteInner>),
}

impl View {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        match self {
            Self::Read(read) => Ok(read.snapshot()?.get(key)?),
            Self::Write(write) => write.with(|state| state.get(key)),
        }
    }

    pub(crate) fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        match self {
            Self::Read(read) => Ok(read.snapshot()?.multi_get(keys)?),
            Self::Write(write) => write.with(|state| keys.iter().map(|key| state.get(key)).collect()),
        }
    }

    pub(crate) fn range(&self, start: &[u8], end: &[u8], direction: Direction) -> Result<Iter> {
        match self {
            Self::Read(read) => Ok(read.snapshot()?.range(start..end, direction)?),
            Self::Write(write) => write.with(|state| state.range(start, end, direction)),
        }
    }

    pub(crate) fn catalog(&self) -> Result<Arc<Catalog>> {
        match self {
            Self::Read(read) => {
                read.snapshot()?;
                Ok(Arc::clone(read.catalog()))
            }
            Self::Write(write) => write.with(|state| Ok(Arc::clone(state.catalog()))),
        }
    }

    /// The commit the view stands on.
    pub(crate) fn sequence(&self) -> Result<Sequence> {
        match self {
            Self::Read(read) => Ok(read.snapshot()?.sequence()),
            Self::Write(write) => write.with(|state| Ok(state.base_sequence())),
        }
    }

    /// The number of entities in a collection.
    pub(crate) fn entity_count(&self, collection: crate::id::CollectionId) -> Result<u64> {
        let count = match self {
            Self::Read(read) => read.snapshot()?.counter(&crate::keyspace::entity_count(collection))?,
            Self::Write(write) => write.with(|state| state.entity_count(collection))?,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Fails when the view can no longer be read: its database is closed or its transaction over.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Read(read) => read.snapshot().map(|_| ()),
            Self::Write(write) => write.with(|_| Ok(())),
        }
    }
}
