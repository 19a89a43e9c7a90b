//! The handle to a database: what a session of use looks like from the outside.
//!
//! Always: clones share one open database; after `close` every call on any of them says `Closed`.
//! Does not know: what is stored, or how.

mod counters;
mod idle;
mod keys;
mod maintenance;
mod open;
mod reports;
mod restore;
mod shared;
mod size;
mod verify;
mod write_owner;

use std::sync::Arc;
use std::time::Duration;

use entidb_codec::Value;
use entidb_engine::{OpenReport, Sequence};

pub use counters::Stats;
pub(crate) use open::engine_options;
pub use reports::{BackupReport, CheckpointReport, CompactReport, KeySlot};
pub(crate) use shared::Shared;
pub(crate) use verify::Findings;
pub use verify::{Problem, VerifyLevel, VerifyReport};
pub use write_owner::set_caller;

use crate::change_feed::{ChangeCursor, Position, Since};
use crate::collection::{Collection, Scope};
use crate::error::Result;
use crate::id::EntityId;
use crate::options::Options;
use crate::transaction::{ReadTransaction, WriteTransaction};

/// An open database. Cheap to clone; any thread may use any clone.
///
/// ```
/// use entidb_core::{doc, Database};
/// let db = Database::open_memory()?;
/// let id = db.collection("notes")?.put(&doc! { "title": "Hello" })?;
/// db.close()?;
/// assert!(db.is_closed());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

impl Database {
    /// The collection of this name. It comes into being with its first entity.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let notes = db.collection("notes")?;
    /// assert_eq!(notes.count()?, 0); // a name until something is put in it
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for an impossible name, `Closed`.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        Collection::new(Scope::Database(Arc::clone(&self.shared)), name)
    }

    /// The names of the collections, sorted.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(db.collections()?, ["notes"]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`.
    pub fn collections(&self) -> Result<Vec<String>> {
        self.begin_read()?.collections()
    }

    /// Creates an empty collection.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// db.create_collection("notes")?;
    /// assert!(db.create_collection("notes").is_err());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionExists`, `InvalidArgument`, and those of a commit.
    pub fn create_collection(&self, name: &str) -> Result<()> {
        self.transaction(|tx| tx.create_collection(name))
    }

    /// Gives a collection another name.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// db.rename_collection("notes", "letters")?;
    /// assert_eq!(db.collections()?, ["letters"]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionNotFound`, `CollectionExists`, `InvalidArgument`, and those of a commit.
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        self.transaction(|tx| tx.rename_collection(from, to))
    }

    /// Removes a collection with everything in it.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// db.drop_collection("notes")?;
    /// assert!(db.collections()?.is_empty());
    /// assert!(notes.exists(id).is_err(), "the handle says that its collection was dropped");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionNotFound`, and those of a commit.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        self.transaction(|tx| tx.drop_collection(name))
    }

    /// An id that no other call makes, in the order of time, for an entity that is stored later.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let id = db.new_id()?;
    /// db.collection("notes")?.put_at(id, &entidb_core::doc! { "self": (id.to_string()) })?;
    /// assert!(db.new_id()? > id);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `Io`.
    pub fn new_id(&self) -> Result<EntityId> {
        self.shared.check_open()?;
        self.shared.next_id()
    }

    /// Begins to read the database as it is now.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let before = db.begin_read()?;
    /// notes.delete(id)?;
    /// assert!(before.collection("notes")?.exists(id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`.
    pub fn begin_read(&self) -> Result<ReadTransaction> {
        Ok(ReadTransaction::new(self.shared.begin_read_for("read transaction")?))
    }

    /// The database as it was at an earlier commit, given by its sequence. Queries look at every entity there was, because
    /// indexes are those of now, and count by walking.
    ///
    /// ```
    /// use entidb_core::{doc, Database};
    /// let db = Database::open_memory()?;
    /// let notes = db.collection("notes")?;
    /// let id = notes.put(&doc! { "n": 1 })?;
    /// let then = db.last_sequence();
    /// notes.delete(id)?;
    /// let past = db.begin_read_at(then)?;
    /// assert!(past.collection("notes")?.exists(id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `SnapshotExpired` when that is not kept any more, `InvalidArgument` for a commit that was not made, `Unsupported` without a change
    /// feed, `Closed`.
    pub fn begin_read_at(&self, at: Sequence) -> Result<ReadTransaction> {
        Ok(ReadTransaction::new(self.shared.begin_read_at(at)?))
    }

    /// Begins to change the database, waiting up to `lock_timeout_ms` for another writer to end.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let tx = db.begin_write()?;
    /// tx.collection("notes")?.delete(id)?;
    /// assert!(notes.exists(id)?, "nobody else sees it yet");
    /// tx.commit()?;
    /// assert!(!notes.exists(id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Busy` when the wait is over, `Deadlock` at once when it would be for a transaction of this thread, `ReadOnly`,
    /// `WritesStopped`, `Closed`.
    pub fn begin_write(&self) -> Result<WriteTransaction> {
        self.begin_write_within(None)
    }

    /// As [`begin_write`](Self::begin_write), waiting so long; with zero it asks once, and never waits.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// use entidb_core::ErrorCode;
    /// use std::time::Duration;
    /// let first = db.begin_write()?;
    /// let second = db.begin_write_within(Some(Duration::ZERO)).map(|_| ()).unwrap_err();
    /// assert_eq!(second.code(), ErrorCode::Busy);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`begin_write`](Self::begin_write).
    pub fn begin_write_within(&self, timeout: Option<Duration>) -> Result<WriteTransaction> {
        Ok(WriteTransaction::new(Arc::clone(&self.shared), self.shared.begin_state(timeout)?))
    }

    /// Runs changes as one transaction: commits when the closure returns `Ok`, aborts when it returns an error. One that the
    /// closure itself finished or cancelled stays so.
    ///
    /// ```
    /// use entidb_core::{doc, Database, Error};
    /// let db = Database::open_memory()?;
    /// let failed: Result<(), Error> = db.transaction(|tx| {
    ///     let notes = tx.collection("notes")?;
    ///     notes.put(&doc! { "title": "never seen" })?;
    ///     notes.replace(entidb_core::EntityId::from_bytes([0; 16]), &doc! {})
    /// });
    /// assert!(failed.is_err());
    /// assert_eq!(db.collection("notes")?.count()?, 0);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// What the closure returned, or what beginning or committing failed with.
    pub fn transaction<T>(&self, run: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let tx = self.begin_write()?;
        let result = run(&tx)?;
        tx.end_block()?;
        Ok(result)
    }

    /// Reads the changes committed after a position, or from the oldest that are kept, and waits for more.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::Since;
    /// use std::time::Duration;
    /// let first = db.changes(Since::Oldest)?.next_batch(Duration::ZERO)?;
    /// assert!(first.is_some());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Gap` when changes after the position were removed by retention, or when the position is of another history: of
    /// another database, of one that a backup went another way from, or with commits that a crash lost. `Unsupported`
    /// when the database keeps no feed, `Closed`.
    pub fn changes(&self, since: impl Into<Since>) -> Result<ChangeCursor> {
        ChangeCursor::new(Arc::clone(&self.shared), since.into())
    }

    /// The position in the change feed after the newest commit that is visible: a feed from there gives what is committed
    /// from now on. To copy the data and follow it, take the position of the read transaction that copied.
    ///
    /// ```
    /// use entidb_core::{Database, Since};
    /// let db = Database::open_memory()?;
    /// let kept = db.position()?;
    /// db.create_collection("notes")?;
    /// assert_eq!(db.changes(kept)?.position(), kept);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`.
    pub fn position(&self) -> Result<Position> {
        self.begin_read()?.position()
    }

    /// The sequence of the newest commit that is visible.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let before = db.last_sequence();
    /// notes.delete(id)?;
    /// assert!(db.last_sequence() > before);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.shared.last_sequence()
    }

    /// Waits until a commit is on stable storage.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// db.wait_durable(db.last_sequence(), std::time::Duration::from_secs(1))?;
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Timeout`, `WritesStopped`, `Closed`.
    pub fn wait_durable(&self, sequence: Sequence, timeout: Duration) -> Result<()> {
        self.shared.check_open()?;
        Ok(self.shared.engine().wait_durable(sequence, timeout)?)
    }

    /// The report of the opening: whether the last session ended in order, and what was recovered.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// assert!(db.open_report().created);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn open_report(&self) -> &OpenReport {
        self.shared.engine().open_report()
    }

    /// The open report under its names, the same in every language.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let report = db.open_report_value();
    /// assert_eq!(report.as_map().and_then(|map| map.get("created")), Some(&true.into()));
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn open_report_value(&self) -> Value {
        let report = self.open_report();
        let fields = [
            ("created", Value::Bool(report.created)),
            ("clean", Value::Bool(report.clean)),
            ("commits_replayed", Value::from(report.commits_replayed)),
            ("bytes_dropped", Value::from(report.bytes_dropped)),
            ("last_sequence", Value::from(report.last_sequence.0)),
            ("ignored", Value::Array(report.ignored.iter().map(|name| Value::from(name.as_str())).collect())),
            ("ignored_count", Value::from(report.ignored_count)),
        ];
        Value::Map(fields.into_iter().collect())
    }

    /// The settings in force.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// assert!(!db.options().read_only);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn options(&self) -> &Options {
        self.shared.options()
    }

    /// The path as it was given, or `memory`.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// assert!(!db.location().is_empty());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn location(&self) -> &str {
        self.shared.location()
    }

    /// Closes the database for every clone: flushes what is not durable yet and marks a clean end. A second close does
    /// nothing. Open read transactions and cursors say `Closed` from then on.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::ErrorCode;
    /// db.close()?;
    /// assert_eq!(notes.count().unwrap_err().code(), ErrorCode::Closed);
    /// db.close()?; // fine
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InUse` while a write transaction is open, which stays as it is: at once when it is this thread's, else after
    /// `lock_timeout_ms`, within which calls of other threads end. `Io`, `NoSpace` when the last bytes cannot be made
    /// durable: the database is closed all the same, and recovers when it is opened.
    pub fn close(&self) -> Result<()> {
        self.shared.close()
    }

    /// As [`close`](Self::close), and waits for nobody: what other threads have under way ends with `Closed`, and nothing of
    /// their open write transaction stays.
    ///
    /// ```
    /// use entidb_core::{Database, ErrorCode, doc};
    /// let db = Database::open_memory()?;
    /// let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&doc! { "n": 1 })?;
    /// db.close_now()?;
    /// assert_eq!(tx.commit().unwrap_err().code(), ErrorCode::Closed);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Io`, `NoSpace`, as [`close`](Self::close).
    pub fn close_now(&self) -> Result<()> {
        self.shared.close_now()
    }

    /// True after [`close`](Self::close).
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// assert!(!db.is_closed());
    /// db.close()?;
    /// assert!(db.is_closed());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.check_open().is_err()
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({:?})", self.location())
    }
}
