//! Entities under one name: by id, all of them, and changes.
//!
//! Always: a collection taken from a transaction uses that transaction's view; one taken from the database makes a
//! transaction of its own for each call. Does not know: queries (`query`), or how indexes are kept (`index`).

mod entity;
pub(crate) mod envelope;
mod lookup;
mod scan;
mod write;

use std::sync::Arc;

pub use entity::Entity;
pub use scan::{Entities, ScanOptions};
pub use write::BatchItem;

use crate::catalog::{CollectionRecord, IndexDefinition, check_name};
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::transaction::{ReadInner, State, View, WriteInner};

/// Where a collection's calls go.
#[derive(Clone)]
pub(crate) enum Scope {
    Database(Arc<Shared>),
    Read(Arc<ReadInner>),
    Write(Arc<WriteInner>),
}

impl Scope {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        match self {
            Self::Database(shared) => shared,
            Self::Read(read) => read.shared(),
            Self::Write(write) => write.shared(),
        }
    }

    /// What reads look at: the transaction, or the newest commit.
    pub(crate) fn view(&self) -> Result<View> {
        match self {
            Self::Database(shared) => Ok(View::Read(shared.begin_read()?)),
            Self::Read(read) => Ok(View::Read(Arc::clone(read))),
            Self::Write(write) => View::of_write(write),
        }
    }

    /// Runs changes in the transaction, or in one of their own.
    pub(crate) fn write<T>(&self, run: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        match self {
            Self::Database(shared) => {
                let mut state = shared.begin_state(None)?;
                let result = run(&mut state)?;
                state.commit(shared, None)?;
                shared.counters().committed();
                Ok(result)
            }
            Self::Read(_) => Err(Error::new(
                ErrorCode::ReadOnly,
                "this collection belongs to a read transaction; change it through the database or a write transaction",
            )),
            Self::Write(write) => write.with(run),
        }
    }

    /// Runs several changes so that all of them stay or none.
    pub(crate) fn write_all<T>(&self, run: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        match self {
            // A transaction of its own is undone whole by not committing it.
            Self::Database(_) | Self::Read(_) => self.write(run),
            Self::Write(write) => write.with(|state| state.atomically(run)),
        }
    }
}

/// A collection of entities.
///
/// It is named, not made: a collection that is not there reads as empty and comes into being with its first entity or index.
///
/// ```
/// use entidb_core::{doc, Database};
/// let db = Database::open_memory()?;
/// let notes = db.collection("notes")?;
/// let id = notes.put(&doc! { "title": "Hello" })?;
/// assert_eq!(notes.count()?, 1);
/// assert!(notes.delete(id)?);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Collection {
    scope: Scope,
    name: Arc<str>,
}

impl Collection {
    pub(crate) fn new(scope: Scope, name: &str) -> Result<Self> {
        check_name("collection", name)?;
        scope.shared().check_open()?;
        Ok(Self { scope, name: Arc::from(name) })
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn record(&self, view: &View) -> Result<Option<Arc<CollectionRecord>>> {
        Ok(view.catalog()?.by_name(&self.name).cloned())
    }

    /// Its name.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// assert_eq!(notes.name(), "notes");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Declares an index and builds it over what is there. False when the same index was there already.
    ///
    /// In a transaction the build is part of it. Otherwise a large collection is built in steps of
    /// [`index_build_bytes`](crate::Options::index_build_bytes), with other changes between them: queries use the index
    /// once it is whole, and an unfinished one is gone when the call fails or the database is opened again. A unique
    /// index refuses duplicates from the first step on.
    ///
    /// ```
    /// use entidb_core::{doc, Database, IndexDefinition};
    /// let db = Database::open_memory()?;
    /// let users = db.collection("users")?;
    /// assert!(users.create_index(IndexDefinition::on(["email"])?.unique())?);
    /// assert!(!users.create_index(IndexDefinition::on(["email"])?.unique())?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `IndexExists` when another index has the name, `UniqueViolation` when what is there already has duplicates,
    /// `IndexNotFound` or `CollectionNotFound` when it was dropped meanwhile, `InvalidArgument`, `ReadOnly`, `Busy`.
    pub fn create_index(&self, definition: IndexDefinition) -> Result<bool> {
        match &self.scope {
            Scope::Database(shared) => crate::index::create_index(shared, &self.name, &definition),
            Scope::Read(_) | Scope::Write(_) => {
                let builds = self.scope.shared().builds();
                self.scope.write_all(|state| state.create_index(&self.name, &definition, builds))
            }
        }
    }

    /// Removes an index for good.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::IndexDefinition;
    /// notes.create_index(IndexDefinition::on(["n"])?)?;
    /// notes.drop_index("n")?;
    /// assert!(notes.indexes()?.is_empty());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionNotFound`, `IndexNotFound`, `ReadOnly`.
    pub fn drop_index(&self, name: &str) -> Result<()> {
        self.scope.write_all(|state| state.drop_index(&self.name, name))
    }

    /// The declared indexes, in the order they were made.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::IndexDefinition;
    /// notes.create_index(IndexDefinition::on(["n"])?)?;
    /// assert_eq!(notes.indexes()?[0].name, "n");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `TransactionEnded`.
    pub fn indexes(&self) -> Result<Vec<IndexDefinition>> {
        let record = self.record(&self.scope.view()?)?;
        Ok(record.map_or_else(Vec::new, |record| record.indexes.iter().map(|index| index.definition.clone()).collect()))
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collection({:?})", self.name)
    }
}
