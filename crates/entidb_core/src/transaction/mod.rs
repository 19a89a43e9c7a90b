//! What is read and written together: handles, and the one view every read goes through.
//!
//! Always: a read transaction sees one commit for ever; a write transaction sees that commit and its own changes; a read
//! that takes many calls sees the transaction as it was at the first, whatever is changed between them.
//! Does not know: queries.

mod catalog_edit;
mod clear;
mod entities;
mod journal;
mod manual;
mod read;
mod schema;
mod state;
mod write;

use std::sync::Arc;

use entidb_engine::{Direction, Iter, Sequence, Value, WriteSnapshot, interrupt};

pub use entities::WriteMode;
pub(crate) use entities::not_found;
pub(crate) use read::ReadInner;
pub use read::ReadTransaction;
pub(crate) use schema::BegunIndex;
pub(crate) use state::{Limits, State};
pub(crate) use write::{Moving, WriteInner};
pub use write::{Savepoint, WriteTransaction};

use crate::catalog::Catalog;
use crate::error::Result;
use crate::history::EntityWalk;
use crate::id::CollectionId;
use crate::index::kind::RowCount;
use crate::keyspace;

/// How many keys are counted where about how many there are is asked for; beyond that it is an estimate.
pub(crate) const COUNTED_MAX: u64 = 10_000;

/// Where a read looks: a fixed commit, or a write transaction as it was when the read began.
#[derive(Clone)]
pub(crate) enum View {
    Read(Arc<ReadInner>),
    Write(WriteView),
}

/// A write transaction at one moment: whatever it changes afterwards does not show.
#[derive(Clone)]
pub(crate) struct WriteView {
    write: Arc<WriteInner>,
    snapshot: WriteSnapshot,
    catalog: Arc<Catalog>,
    base: Sequence,
}

impl View {
    /// An open write transaction as it is now.
    pub(crate) fn of_write(write: &Arc<WriteInner>, state: &State) -> Self {
        let (snapshot, catalog) = (state.snapshot(), Arc::clone(state.catalog()));
        Self::Write(WriteView { write: Arc::clone(write), snapshot, catalog, base: state.base_sequence() })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        match self {
            Self::Read(read) => Ok(read.snapshot()?.get(key)?),
            Self::Write(view) => Ok(view.snapshot.get(key)?),
        }
    }

    pub(crate) fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        match self {
            Self::Read(read) => Ok(read.snapshot()?.multi_get(keys)?),
            Self::Write(view) => Ok(view.snapshot.multi_get(keys)?),
        }
    }

    pub(crate) fn range(&self, start: &[u8], end: &[u8], direction: Direction) -> Result<Iter> {
        match self {
            Self::Read(read) => Ok(read.snapshot()?.range(start..end, direction)?),
            Self::Write(view) => Ok(view.snapshot.range(start..end, direction)?),
        }
    }

    pub(crate) fn catalog(&self) -> Result<Arc<Catalog>> {
        match self {
            Self::Read(read) => {
                read.snapshot()?;
                Ok(Arc::clone(read.catalog()))
            }
            Self::Write(view) => Ok(Arc::clone(&view.catalog)),
        }
    }

    /// The commit the view stands on.
    pub(crate) fn sequence(&self) -> Result<Sequence> {
        match self {
            Self::Read(read) => read.sequence(),
            Self::Write(view) => Ok(view.base),
        }
    }

    /// The earlier commit the view looks at through the history; none for one that looks at what is stored.
    pub(crate) fn past(&self) -> Option<Sequence> {
        match self {
            Self::Read(read) => read.past(),
            Self::Write(_) => None,
        }
    }

    /// The number of entities in a collection: of a write transaction, as it is now.
    pub(crate) fn entity_count(&self, collection: CollectionId) -> Result<u64> {
        if self.past().is_some() {
            return self.count_past(collection);
        }
        self.count(collection.0)
    }

    /// What is counted under the number of a collection or an index: of a write transaction, as it is now.
    pub(crate) fn count(&self, number: u32) -> Result<u64> {
        let count = match self {
            Self::Read(read) => read.snapshot()?.counter(&keyspace::count(number))?,
            Self::Write(view) => view.write.with(|state| state.count_of(number))?,
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The number of entities a collection had, by counting them.
    fn count_past(&self, collection: CollectionId) -> Result<u64> {
        let Some(storage) = self.catalog()?.by_id(collection).map(|record| record.storage) else { return Ok(0) };
        let mut entities = EntityWalk::new(self, storage, Direction::Forward)?;
        let mut count = 0_u64;
        while entities.next()?.is_some() {
            interrupt::check()?;
            count += 1;
        }
        Ok(count)
    }

    /// About how many keys there are under a number in a zone.
    pub(crate) fn about(&self, zone: u8, number: u32) -> Result<RowCount> {
        self.about_range(&keyspace::prefix(zone, number), &keyspace::prefix_end(zone, number), COUNTED_MAX)
    }

    /// About how many keys a range has: counted up to `counted_max` and estimated beyond. In a write transaction there is no
    /// estimate: there are that many at least.
    pub(crate) fn about_range(&self, start: &[u8], end: &[u8], counted_max: u64) -> Result<RowCount> {
        match self {
            Self::Read(read) => {
                let rows = read.snapshot()?.approximate_count_beyond(start..end, counted_max)?;
                Ok(RowCount { rows, is_exact: rows < counted_max })
            }
            Self::Write(view) => {
                let mut keys = view.snapshot.range(start..end, Direction::Forward)?;
                let mut rows = 0;
                while rows < counted_max && keys.advance()? {
                    rows += 1;
                }
                Ok(RowCount { rows, is_exact: rows < counted_max })
            }
        }
    }

    /// Says that a query of an open write transaction is at work, until what this returns is dropped: it makes few calls on the
    /// transaction, which is not idle meanwhile.
    pub(crate) fn moving(&self) -> Option<Moving> {
        match self {
            Self::Read(_) => None,
            Self::Write(view) => Some(view.write.moving()),
        }
    }

    /// Fails when the view can no longer be read: its database is closed or its transaction over.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Read(read) => read.snapshot().map(|_| ()),
            Self::Write(view) => view.write.with(|_| Ok(())),
        }
    }
}
