//! A read transaction: the database as it was at one commit.
//!
//! Always: what it sees never changes. It never blocks a writer; old versions it may need are kept while it lives. After an end
//! every call says `TransactionEnded`, also those of what was taken from it.
//! Does not know: changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entidb_engine::{Sequence, Snapshot};

use super::View;
use crate::catalog::Catalog;
use crate::change_feed::Position;
use crate::collection::{Collection, Scope};
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};

pub(crate) struct ReadInner {
    shared: Arc<Shared>,
    snapshot: Snapshot,
    catalog: Arc<Catalog>,
    /// The earlier commit that is read, of which the snapshot has the history.
    past: Option<Sequence>,
    ended: AtomicBool,
}

impl ReadInner {
    pub(crate) fn new(shared: Arc<Shared>, snapshot: Snapshot, catalog: Arc<Catalog>, past: Option<Sequence>) -> Self {
        Self { shared, snapshot, catalog, past, ended: AtomicBool::new(false) }
    }

    /// The earlier commit that is read, if it is not the newest of the snapshot.
    pub(crate) fn past(&self) -> Option<Sequence> {
        self.past
    }

    /// The commit that is read.
    pub(crate) fn sequence(&self) -> Result<Sequence> {
        Ok(self.past.unwrap_or(self.snapshot()?.sequence()))
    }

    /// The snapshot, unless the database was closed or the transaction ended meanwhile.
    pub(crate) fn snapshot(&self) -> Result<&Snapshot> {
        self.shared.check_open()?;
        if self.ended.load(Ordering::Acquire) {
            let problem = "the read transaction has ended; begin another";
            return Err(Error::new(ErrorCode::TransactionEnded, problem));
        }
        Ok(&self.snapshot)
    }

    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// The database as it was when the transaction began. Cheap to clone; ends when the last clone is dropped.
///
/// ```
/// use entidb_core::{doc, Database};
/// let db = Database::open_memory()?;
/// let notes = db.collection("notes")?;
/// let before = db.begin_read()?;
/// notes.put(&doc! { "title": "later" })?;
/// assert_eq!(before.collection("notes")?.count()?, 0);
/// assert_eq!(notes.count()?, 1);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone)]
pub struct ReadTransaction(Arc<ReadInner>);

impl ReadTransaction {
    pub(crate) fn new(inner: Arc<ReadInner>) -> Self {
        Self(inner)
    }

    /// The collection as it was at this commit. One that was not there reads as empty.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert!(db.begin_read()?.collection("notes")?.exists(id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for an impossible name.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        Collection::new(Scope::Read(Arc::clone(&self.0)), name)
    }

    /// The names of the collections, sorted.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(db.begin_read()?.collections()?, ["notes"]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed` when the database was closed, `TransactionEnded`.
    pub fn collections(&self) -> Result<Vec<String>> {
        self.0.snapshot()?;
        Ok(self.0.catalog.collections().iter().map(|record| record.name.clone()).collect())
    }

    /// The commit it sees.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(db.begin_read()?.sequence()?, db.last_sequence());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed` when the database was closed, `TransactionEnded`.
    pub fn sequence(&self) -> Result<Sequence> {
        self.0.sequence()
    }

    /// Ends it for all clones, and for the collections and cursors taken from it. True when it was open. What it holds is given
    /// back when the last of these is dropped.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let read = db.begin_read()?;
    /// let notes = read.collection("notes")?;
    /// assert!(read.end() && !read.end());
    /// assert_eq!(notes.count().unwrap_err().code(), entidb_core::ErrorCode::TransactionEnded);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn end(&self) -> bool {
        !self.0.ended.swap(true, Ordering::AcqRel)
    }

    /// True until it is ended.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let read = db.begin_read()?;
    /// assert!(read.is_open());
    /// read.end();
    /// assert!(!read.is_open());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.0.ended.load(Ordering::Acquire)
    }

    /// The position in the change feed after the commit it sees: who copies what it sees and then reads the feed from there
    /// misses nothing and gets nothing twice.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use std::time::Duration;
    /// let copied = db.begin_read()?;
    /// notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let mut feed = db.changes(copied.position()?)?;
    /// assert!(feed.next_batch(Duration::ZERO)?.is_some());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed` when the database was closed, `TransactionEnded`.
    pub fn position(&self) -> Result<Position> {
        Position::of_view(&View::Read(Arc::clone(&self.0)))
    }
}
