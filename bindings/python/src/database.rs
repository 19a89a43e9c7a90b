//! Databases.
//!
//! Always: options are names and values, judged by the library; one that is collected while open closes, and warns. One that
//! is open when the interpreter ends is closed then. The end of a block aborts the open transaction and closes; an exception
//! that leaves it goes on, and without one the transaction is an error. Does not know: what the options mean.

use std::ffi::CString;
use std::sync::Mutex;

use entidb_abi::{self as abi, VerifyLevel};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType, PyWeakrefReference};

use crate::argument::{optional, whole};
use crate::change_feed::{ChangeFeed, seconds};
use crate::collection::Collection;
use crate::decode::decode;
use crate::encode::encode_with;
use crate::error::{call, code, note, raise, refuse, refuse_pickle, warn_collected};
use crate::keys::Given;
use crate::transaction::{Transaction, durability};
use crate::value::EntityId;

/// An open database: collections of documents in a folder, or in memory.
///
/// Use it as a context manager, or call ``close``. Any number of threads may use it at once.
#[pyclass(frozen, weakref, module = "entidb")]
pub(crate) struct Database {
    database: abi::Database,
    path: Option<String>,
    process: u32,
    /// The write transaction begun last: there is one at a time.
    writing: Mutex<Option<Py<PyWeakrefReference>>>,
}

impl Database {
    /// A database just opened, which the end of the interpreter closes if nobody does before.
    fn opened(py: Python<'_>, database: abi::Database, path: Option<String>) -> PyResult<Bound<'_, Self>> {
        let made = Self { database, path, process: std::process::id(), writing: Mutex::new(None) };
        let made = Bound::new(py, made)?;
        py.import(intern!(py, "entidb.ending"))?.call_method1(intern!(py, "watch"), (&made,))?;
        Ok(made)
    }

    /// Aborts the write transaction that is open; true when there was one.
    fn give_up(&self, py: Python<'_>) -> PyResult<bool> {
        let writing = self.writing.lock().ok().and_then(|mut writing| writing.take());
        let Some(begun) = writing.and_then(|writing| writing.bind(py).upgrade()) else { return Ok(false) };
        begun.cast::<Transaction>()?.get().give_up(py)
    }

    /// Aborts the write transaction that is open and closes; true when there was one. A transaction that another thread is
    /// using finds the database closed.
    fn end(&self, py: Python<'_>) -> PyResult<bool> {
        if self.has_ended() {
            return Ok(false);
        }
        let given_up = self.give_up(py);
        let closed = if given_up.is_ok() { self.close(py, false) } else { Ok(()) };
        if !self.has_ended() {
            self.close(py, true)?;
        }
        closed.and(given_up)
    }

    /// Where it is, to be shown.
    pub(crate) fn place(&self) -> String {
        self.path.as_deref().map_or_else(|| "memory".to_owned(), |path| format!("{path:?}"))
    }

    /// True when there is nothing left to close here: it was closed, or it is the parent's.
    fn has_ended(&self) -> bool {
        self.database.is_closed().unwrap_or(true)
    }

    /// False in the child of a fork.
    pub(crate) fn is_own_process(&self) -> bool {
        self.process == std::process::id()
    }
}

fn named(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<u8>> {
    encode_with(py, |writer| match options {
        Some(options) => writer.map(options, 0),
        None => {
            writer.encoder.begin_map(0);
            writer.encoder.end();
            Ok(())
        }
    })
}

/// The text of a path given as text or as an object of `pathlib`.
fn path_text(path: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = path.py();
    let plain = py.import("os")?.call_method1("fspath", (path,))?;
    match plain.cast::<PyString>() {
        Ok(text) => Ok(text.to_str()?.to_owned()),
        Err(_) => {
            Err(refuse(py, code::INVALID_ARGUMENT, "a path is bytes; give text, or decode it with os.fsdecode()"))
        }
    }
}

/// Open the database in a folder, creating it unless ``create=False``.
#[pyfunction]
#[pyo3(signature = (path, **options))]
pub(crate) fn open<'py>(
    path: &Bound<'py, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bound<'py, Database>> {
    let py = path.py();
    let path = path_text(path)?;
    let options = named(py, options)?;
    let database = call(py, || abi::Database::open(&path, &options))?;
    Database::opened(py, database, Some(path))
}

/// Open a database in memory. It is lost when it is closed.
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn open_memory<'py>(py: Python<'py>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Bound<'py, Database>> {
    let options = named(py, options)?;
    let database = call(py, || abi::Database::open_memory(&options))?;
    Database::opened(py, database, None)
}

/// Check every byte and every index of a backup, or of any database that is not open.
///
/// Options are those of ``open``; a key or a password counts.
#[pyfunction]
#[pyo3(signature = (path, **options))]
pub(crate) fn validate_backup<'py>(
    path: &Bound<'py, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (py, backup) = (path.py(), path_text(path)?);
    let options = named(py, options)?;
    decode(py, &call(py, || abi::Database::validate_backup(&backup, &options))?)
}

/// Restore a backup into a new or empty folder, after checking it.
///
/// Options are those of ``open``; a key or a password counts.
#[pyfunction]
#[pyo3(signature = (backup, path, **options))]
pub(crate) fn restore<'py>(
    backup: &Bound<'py, PyAny>,
    path: &Bound<'py, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = backup.py();
    let (backup, path, options) = (path_text(backup)?, path_text(path)?, named(py, options)?);
    decode(py, &call(py, || abi::Database::restore(&backup, &path, &options))?)
}

/// Restore a backup into memory, after checking it, and open it.
#[pyfunction]
#[pyo3(signature = (backup, **options))]
pub(crate) fn restore_memory<'py>(
    backup: &Bound<'py, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bound<'py, Database>> {
    let py = backup.py();
    let (backup, options) = (path_text(backup)?, named(py, options)?);
    let database = call(py, || abi::Database::restore_memory(&backup, &options))?;
    Database::opened(py, database, None)
}

/// Whether the library has a feature.
#[pyfunction]
pub(crate) fn has_feature(name: &str) -> bool {
    abi::has_feature(name)
}

/// The version of the C interface below this package.
#[pyfunction]
pub(crate) fn abi_version() -> u32 {
    abi::abi_version()
}

/// The newest file format this package writes.
#[pyfunction]
pub(crate) fn format_version() -> u32 {
    abi::format_version()
}

#[pymethods]
impl Database {
    /// The folder; ``None`` for a database in memory.
    #[getter]
    fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The collection with this name. It is created with its first entity.
    fn collection(slf: &Bound<'_, Self>, name: &str) -> PyResult<Collection> {
        let this = slf.get();
        let collection = call(slf.py(), || this.database.collection(name))?;
        Ok(Collection::new(collection, name, slf.clone().into_any().unbind()))
    }

    /// The names of the collections.
    fn collections<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &call(py, || self.database.collections())?)
    }

    /// Creates an empty collection.
    fn create_collection(slf: &Bound<'_, Self>, name: &str) -> PyResult<Collection> {
        let this = slf.get();
        call(slf.py(), || this.database.create_collection(name))?;
        Self::collection(slf, name)
    }

    /// Renames a collection.
    fn rename_collection(&self, py: Python<'_>, old: &str, new: &str) -> PyResult<()> {
        call(py, || self.database.rename_collection(old, new))
    }

    /// Drops a collection with its entities and indexes.
    fn drop_collection(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        call(py, || self.database.drop_collection(name))
    }

    /// Begins a write transaction. Waits up to ``timeout`` seconds while another one is open.
    ///
    /// The default wait is the option ``lock_timeout_ms``. ``durability`` of the commit is ``"durable"``,
    /// ``"grouped"`` or ``"none"``; the default is the option of the database.
    #[pyo3(signature = (*, durability = None, timeout = None))]
    fn transaction<'py>(
        slf: &Bound<'py, Self>,
        durability: Option<&str>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, Transaction>> {
        let (py, this) = (slf.py(), slf.get());
        let durability = crate::transaction::durability(py, durability)?;
        let timeout_ms = match timeout {
            Some(given) => {
                let limit = seconds(py, given, "as long as lock_timeout_ms says")?;
                Some(u64::try_from(limit.as_millis()).unwrap_or(abi::NO_LIMIT).min(abi::NO_LIMIT))
            }
            None => None,
        };
        let transaction = call(py, || this.database.begin_write(timeout_ms))?;
        let made = Bound::new(py, Transaction::new(transaction, false, durability, slf.clone().unbind()))?;
        if let Ok(mut writing) = this.writing.lock() {
            *writing = Some(PyWeakrefReference::new(&made)?.unbind());
        }
        Ok(made)
    }

    /// Begins a read transaction: a snapshot of the database as it is now.
    ///
    /// With ``at`` a snapshot of the database as it was after that commit, given by its sequence. Queries in it scan all
    /// entities, because indexes hold the newest commit only.
    #[pyo3(signature = (*, at = None))]
    fn begin_read(slf: &Bound<'_, Self>, at: Option<&Bound<'_, PyAny>>) -> PyResult<Transaction> {
        let (py, this) = (slf.py(), slf.get());
        let at = optional(at, "at")?;
        let transaction = call(py, || match at {
            Some(at) => this.database.begin_read_at(at),
            None => this.database.begin_read(),
        })?;
        Ok(Transaction::new(transaction, true, durability(py, None)?, slf.clone().unbind()))
    }

    /// Same as ``begin_read``: a snapshot of the database as it is now, or as it was after the commit ``at``.
    #[pyo3(signature = (*, at = None))]
    fn snapshot(slf: &Bound<'_, Self>, at: Option<&Bound<'_, PyAny>>) -> PyResult<Transaction> {
        Self::begin_read(slf, at)
    }

    /// Returns a reader of the changes after the position ``since``, or of all changes that are kept.
    ///
    /// Positions come from a batch, a feed, ``db.position`` or the ``position`` of a read transaction. A position of
    /// another history of the database raises ``GapError``. Iterating ends after the changes that exist; with
    /// ``wait=True`` it waits for more. With ``before=True`` each update and delete has the document before it, too.
    #[pyo3(signature = (since = None, *, wait = false, before = false))]
    fn changes(
        slf: &Bound<'_, Self>,
        since: Option<&Bound<'_, PyAny>>,
        wait: bool,
        before: bool,
    ) -> PyResult<ChangeFeed> {
        let (py, this) = (slf.py(), slf.get());
        let since = match since {
            None => None,
            Some(given) => Some(given.extract::<String>().map_err(|_| {
                let problem = "since is a position as batch.position, feed.position or db.position give it, a str; leave \
                               it out to begin at the oldest change";
                refuse(py, code::INVALID_ARGUMENT, problem)
            })?),
        };
        let feed = call(py, || this.database.changes(since.as_deref()))?;
        if before {
            call(py, || feed.give_before())?;
        }
        Ok(ChangeFeed::new(feed, wait, slf.clone().unbind()))
    }

    /// The position in the change feed after the newest commit: ``db.changes(db.position)`` reads later commits only.
    ///
    /// To copy the data and then follow it, use the ``position`` of the read transaction that reads the copy.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<String> {
        call(py, || self.database.position())
    }

    /// An id that no other call makes, in the order of time: for a document that names itself, or that others name before
    /// it is stored.
    fn new_id(&self, py: Python<'_>) -> PyResult<EntityId> {
        self.database.new_id().map(EntityId::of).map_err(|error| raise(py, &error))
    }

    /// Removes the changes up to and including a sequence from the feed.
    fn trim_changes(&self, py: Python<'_>, through: &Bound<'_, PyAny>) -> PyResult<()> {
        let through = whole(through, "through")?;
        call(py, || self.database.trim_changes(through))
    }

    /// The sequence of the newest commit.
    #[getter]
    fn last_sequence(&self, py: Python<'_>) -> PyResult<u64> {
        self.database.last_sequence().map_err(|error| raise(py, &error))
    }

    /// Waits until a commit, by default the newest, is on stable storage.
    ///
    /// Raises ``DeadlineExceededError`` after ``timeout`` seconds.
    #[pyo3(signature = (sequence = None, timeout = None))]
    fn wait_durable(&self, py: Python<'_>, sequence: Option<&Bound<'_, PyAny>>, timeout: Option<f64>) -> PyResult<()> {
        let sequence = optional(sequence, "sequence")?;
        let timeout_ms = match timeout {
            Some(given) => {
                let limit = seconds(py, given, "without end")?;
                u64::try_from(limit.as_millis()).unwrap_or(abi::NO_LIMIT).min(abi::NO_LIMIT)
            }
            None => abi::NO_LIMIT,
        };
        call(py, || {
            let sequence = sequence.map_or_else(|| self.database.last_sequence(), Ok)?;
            self.database.wait_durable(sequence, timeout_ms)
        })
    }

    /// Writes the data in the log to segments, so that the next open has nothing to replay.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &call(py, || self.database.checkpoint())?)
    }

    /// Merges all segments, and frees the space of old versions and deleted data.
    fn compact<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &call(py, || self.database.compact())?)
    }

    /// Checks the database and reports every problem: ``{"ok": True, "problems": [], ...}``.
    ///
    /// With ``full=True`` it reads everything, and compares indexes with their documents.
    #[pyo3(signature = (*, full = false))]
    fn verify<'py>(&self, py: Python<'py>, full: bool) -> PyResult<Bound<'py, PyAny>> {
        let level = if full { VerifyLevel::Full } else { VerifyLevel::Quick };
        decode(py, &call(py, || self.database.verify(level))?)
    }

    /// Copies the database, as of one commit, to a new folder, while others read and write.
    fn backup<'py>(&self, path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, target) = (path.py(), path_text(path)?);
        decode(py, &call(py, || self.database.backup(&target))?)
    }

    /// The slots of the keys and passwords that open the database, never the keys: ``[{"slot": 0, "kind": "password", ...}]``.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &call(py, || self.database.keys())?)
    }

    /// Replaces a key or password. No data is rewritten.
    ///
    /// Raises ``WrongKeyError`` when the old one does not open the database, ``UsageError`` when the new one is another
    /// key or password that opens it already.
    #[pyo3(signature = (*, key = None, password = None, new_key = None, new_password = None))]
    fn change_key(
        &self,
        py: Python<'_>,
        key: Option<&Bound<'_, PyAny>>,
        password: Option<&Bound<'_, PyAny>>,
        new_key: Option<&Bound<'_, PyAny>>,
        new_password: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let old = Given::of(py, ("key", "password"), key, password)?;
        let new = Given::of(py, ("new_key", "new_password"), new_key, new_password)?;
        call(py, || self.database.change_key(old.lent(), new.lent()))
    }

    /// Adds a key or password; the first argument is one that opens the database already. A database has at most
    /// eight.
    ///
    /// Raises ``UsageError`` when the new one opens the database already, ``TooLargeError`` when there are eight.
    #[pyo3(signature = (*, key = None, password = None, new_key = None, new_password = None))]
    fn add_key(
        &self,
        py: Python<'_>,
        key: Option<&Bound<'_, PyAny>>,
        password: Option<&Bound<'_, PyAny>>,
        new_key: Option<&Bound<'_, PyAny>>,
        new_password: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let existing = Given::of(py, ("key", "password"), key, password)?;
        let added = Given::of(py, ("new_key", "new_password"), new_key, new_password)?;
        call(py, || self.database.add_key(existing.lent(), added.lent()))
    }

    /// Removes a key or password. The last one cannot be removed.
    #[pyo3(signature = (*, key = None, password = None))]
    fn remove_key(
        &self,
        py: Python<'_>,
        key: Option<&Bound<'_, PyAny>>,
        password: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let key = Given::of(py, ("key", "password"), key, password)?;
        call(py, || self.database.remove_key(key.lent()))
    }

    /// Encrypts every new file with a new data key. Keys and passwords that open the database stay valid.
    fn rotate_key(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.database.rotate_key())
    }

    /// Rewrites the whole database with a new data key and erases the old ones.
    ///
    /// False if an open cursor or a backup still reads old files: then call it again later.
    fn rekey(&self, py: Python<'_>) -> PyResult<bool> {
        call(py, || self.database.rekey())
    }

    /// Counters and sizes.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &call(py, || self.database.stats())?)
    }

    /// The options in use, without keys and passwords.
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &call(py, || self.database.config())?)
    }

    /// The report of opening: whether the last close was clean, and how much of the log was replayed.
    fn open_report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &call(py, || self.database.open_report())?)
    }

    /// Closes the database and everything that came from it. Closing again does nothing. Waits for writing calls of
    /// other threads; with ``force=True`` it does not wait, and running calls end with ``ClosedError``.
    #[pyo3(signature = (*, force = false))]
    fn close(&self, py: Python<'_>, force: bool) -> PyResult<()> {
        if self.has_ended() {
            return Ok(());
        }
        call(py, || if force { self.database.close_now() } else { self.database.close() })
    }

    /// True after a close.
    #[getter]
    fn is_closed(&self, py: Python<'_>) -> PyResult<bool> {
        self.database.is_closed().map_err(|error| raise(py, &error))
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        if slf.get().database.is_closed().map_err(|error| raise(py, &error))? {
            let problem = format!("the database {} is closed; open it again", slf.get().place());
            return Err(refuse(py, code::CLOSED, problem));
        }
        Ok(slf.clone())
    }

    #[pyo3(signature = (kind = None, exception = None, _traceback = None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyType>>,
        exception: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        match (self.end(py), kind) {
            (Ok(false), _) | (Ok(true), Some(_)) => Ok(false),
            (Err(failure), Some(_)) => {
                note(exception, &failure, "the database could not be closed");
                Ok(false)
            }
            (Err(failure), None) => Err(failure),
            // Nothing tells whether its changes were meant to stay, and they are gone: that must be said.
            (Ok(true), None) => {
                let problem = format!(
                    "the block that has the database {} open ended while a write transaction was: it was aborted, its \
                     changes are lost, and the database is closed; commit or abort it in the block, or begin it by `with \
                     db.transaction() as tx:`",
                    self.place()
                );
                Err(refuse(py, code::IN_USE, problem))
            }
        }
    }

    /// Closes it because the interpreter ends; for ``entidb.ending``.
    fn _end(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_own_process() { self.end(py).map(drop) } else { Ok(()) }
    }

    fn __repr__(&self) -> String {
        let state = if self.has_ended() { "closed" } else { "open" };
        format!("<entidb.Database {} {state}>", self.place())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("database", "open it where it is needed"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_own_process() && !self.has_ended() {
            let message =
                format!("the entidb database {} was collected while open; use `with`, or call close()", self.place());
            Python::attach(|py| {
                if let Ok(message) = CString::new(message) {
                    warn_collected(py, &message);
                }
                // Nothing made from it is left. There is nobody to tell of a failure, and a crash would leave the same.
                let _ = py.detach(|| self.database.close());
            });
        }
    }
}
