//! Entities under one name: by id, all of them, and changes.
//!
//! Always: a collection taken from a transaction uses that transaction's view; one taken from the database makes a
//! transaction of its own for each call. Does not know: queries (`query`), or how indexes are kept (`index`).

mod entity;
pub(crate) mod envelope;
mod handle;
mod lookup;
mod manual;
mod scan;
mod stats;
mod write;

use std::sync::Arc;

use handle::Handle;

pub use entity::Entity;
pub(crate) use handle::Target;
pub(crate) use manual::of_manual_kind;
pub use manual::{KeyRange, ManualIndex, ManualKeys};
pub use scan::{Entities, ScanOptions};
pub use stats::{CollectionStats, IndexStats};
pub use write::BatchItem;

use entidb_engine::Sequence;

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

    /// Runs changes in the transaction, or in one of their own; gives their commit in that case.
    fn change<T>(&self, run: impl FnOnce(&mut State) -> Result<T>) -> Result<(T, Option<Sequence>)> {
        match self {
            Self::Database(shared) => {
                let mut state = shared.begin_state(None)?;
                let result = run(&mut state)?;
                let sequence = state.commit(shared, None)?;
                shared.counters().committed();
                Ok((result, Some(sequence)))
            }
            Self::Read(read) => {
                read.snapshot()?;
                let problem = "this collection belongs to a read transaction; change it through the database or a write \
                               transaction";
                Err(Error::new(ErrorCode::ReadOnly, problem))
            }
            Self::Write(write) => Ok((write.with(run)?, None)),
        }
    }
}

/// A collection of entities.
///
/// It is named, not made: a collection that is not there reads as empty and comes into being with its first entity or index.
/// From then on the handle means that collection, whatever it is renamed to; once it was dropped, every call says so with
/// `CollectionNotFound`.
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
    handle: Arc<Handle>,
    /// Whether what the handle means was committed when it was bound.
    is_committed: bool,
}

impl Collection {
    pub(crate) fn new(scope: Scope, name: &str) -> Result<Self> {
        check_name("collection", name)?;
        scope.shared().check_open()?;
        let is_committed = matches!(scope, Scope::Database(_));
        let collection = Self { scope, handle: Arc::new(Handle::new(name)), is_committed };
        // A name that is taken now is what the caller means, however that is called when the first call comes.
        collection.open()?;
        Ok(collection)
    }

    /// The same collection, seen and changed by another transaction.
    pub(crate) fn within(&self, write: &Arc<WriteInner>) -> Self {
        Self { scope: Scope::Write(Arc::clone(write)), ..self.clone() }
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What reads look at, the transaction or the newest commit, and what the collection is there.
    pub(crate) fn open(&self) -> Result<(View, Option<Arc<CollectionRecord>>)> {
        let view = match &self.scope {
            Scope::Database(shared) => View::Read(shared.begin_read()?),
            Scope::Read(read) => View::Read(Arc::clone(read)),
            Scope::Write(write) => {
                return write.with(|state| {
                    let record = state.resolve(&self.target())?;
                    self.bind(record.as_deref(), state.base_sequence());
                    Ok((View::of_write(write, state), record))
                });
            }
        };
        let (catalog, at) = (view.catalog()?, view.sequence()?);
        let record = match self.handle.bound() {
            None => catalog.by_name(self.name()),
            Some((id, since)) => match catalog.by_id(id) {
                None if at >= since => return Err(self.target().dropped()),
                found => found,
            },
        };
        self.bind(record.map(Arc::as_ref), at);
        Ok((view, record.cloned()))
    }

    fn bind(&self, record: Option<&CollectionRecord>, at: Sequence) {
        match record {
            Some(record) if self.is_committed => self.handle.bind(record.id, at),
            Some(record) => self.handle.bind_again(record.id),
            None => {}
        }
    }

    fn target(&self) -> Target<'_> {
        let id = self.handle.bound().map(|(id, _)| id);
        Target { name: self.name(), id, is_committed: self.is_committed }
    }

    /// Runs a change in the transaction, or in one of its own. What may be refused after it began to write goes through
    /// [`change_all`](Self::change_all).
    fn change<T>(&self, run: impl FnOnce(&mut State, &Target<'_>) -> Result<T>) -> Result<T> {
        let ((result, record), sequence) = self.scope.change(|state| {
            let target = self.target();
            let result = run(state, &target)?;
            let record = if target.id.is_some() { None } else { state.resolve(&target)? };
            Ok((result, record.map(|record| (record, state.base_sequence()))))
        })?;
        if let Some((record, base)) = record {
            self.bind(Some(&record), sequence.unwrap_or(base));
        }
        Ok(result)
    }

    /// Runs several changes so that all of them stay or none.
    fn change_all<T>(&self, run: impl FnOnce(&mut State, &Target<'_>) -> Result<T>) -> Result<T> {
        match &self.scope {
            // A transaction of its own is undone whole by not committing it.
            Scope::Database(_) | Scope::Read(_) => self.change(run),
            Scope::Write(_) => self.change(|state, target| state.atomically(|state| run(state, target))),
        }
    }

    /// The name it was taken by.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// assert_eq!(notes.name(), "notes");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// Declares an index and builds it over what is there. False when the same index was there already.
    ///
    /// In a transaction the build is part of it. Otherwise a large collection is built in steps of
    /// [`index_build_bytes`](crate::Options::index_build_bytes), with other changes between them: queries use the index
    /// once it is whole, and an unfinished one is gone when the call fails or the database is opened again. Until then it
    /// refuses no change: one that it cannot take in, a duplicate for a unique index for example, makes the build fail.
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
            Scope::Database(shared) => {
                let created = crate::index::create_index(shared, &self.target(), &definition)?;
                self.open()?;
                Ok(created)
            }
            Scope::Read(_) | Scope::Write(_) => {
                let builds = self.scope.shared().builds();
                self.change_all(|state, target| state.create_index(target, &definition, builds))
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
        self.change_all(|state, target| state.drop_index(target, name))
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
        let (_, record) = self.open()?;
        Ok(record.map_or_else(Vec::new, |record| record.indexes.iter().map(|index| index.definition.clone()).collect()))
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collection({:?})", self.name())
    }
}
