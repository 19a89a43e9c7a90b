//! Transactions.
//!
//! Always: one that is collected while open aborts, and warns. As a context manager it commits on the way out and
//! aborts on an exception, which stays the one that is raised; a block that ends without one has committed, or has
//! committed or aborted the transaction itself. Does not know: what is changed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use entidb_abi::{self as abi, modes};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::collection::Collection;
use crate::database::Database;
use crate::decode::decode;
use crate::error::{code, note, raise, refuse, refuse_pickle, warn_collected};
use crate::gil::Busy;

/// The number of what a commit promises, from its word.
pub(crate) fn durability(py: Python<'_>, word: Option<&str>) -> PyResult<u32> {
    let Some(word) = word else { return Ok(modes::DURABILITY_DEFAULT) };
    modes::durability_number(word).ok_or_else(|| {
        let problem = format!("there is no durability {word:?}; give \"durable\", \"grouped\" or \"none\"");
        refuse(py, code::INVALID_ARGUMENT, problem)
    })
}

/// A transaction: it commits as a whole or not at all.
///
/// ``with db.transaction() as tx:`` commits at the end of the block, and aborts when an exception leaves it. When the
/// transaction has ended otherwise, because it was idle or its commit failed, the end of the block raises
/// ``TransactionEndedError``. One thread at a time may use it.
#[pyclass(frozen, weakref, module = "entidb")]
pub(crate) struct Transaction {
    transaction: abi::Transaction,
    read_only: bool,
    durability: u32,
    /// The sequence it was committed as.
    committed: Mutex<Option<u64>>,
    /// True when a call of the program committed or aborted it.
    is_ended_by_call: AtomicBool,
    database: Py<Database>,
    /// Shared with everything that uses it.
    busy: Busy,
}

impl Transaction {
    pub(crate) fn new(transaction: abi::Transaction, read_only: bool, durability: u32, database: Py<Database>) -> Self {
        Self {
            transaction,
            read_only,
            durability,
            committed: Mutex::new(None),
            is_ended_by_call: AtomicBool::new(false),
            database,
            busy: Busy::default(),
        }
    }

    /// True until it is committed or aborted.
    fn is_going_on(&self, py: Python<'_>) -> bool {
        self.busy.short(py, || self.transaction.is_open()).unwrap_or(false)
    }

    /// Refuses one that has ended, or whose database is closed.
    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        self.busy.call(py, || self.transaction.sequence()).map(drop)
    }

    /// Aborts it, unless it has ended already; true when it had not. Another thread that is using it may refuse that.
    pub(crate) fn give_up(&self, py: Python<'_>) -> PyResult<bool> {
        let is_open = self.is_going_on(py);
        if is_open {
            self.abort(py)?;
        }
        Ok(is_open)
    }
}

#[pymethods]
impl Transaction {
    /// The collection with this name, as this transaction sees it.
    fn collection(slf: &Bound<'_, Self>, name: &str) -> PyResult<Collection> {
        let this = slf.get();
        let collection = this.busy.call(slf.py(), || this.transaction.collection(name))?;
        Ok(Collection::within(collection, name, slf.clone().into_any().unbind(), this.busy.clone()))
    }

    /// The names of the collections it sees.
    fn collections<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &self.busy.call(py, || self.transaction.collections())?)
    }

    /// Creates an empty collection.
    fn create_collection(slf: &Bound<'_, Self>, name: &str) -> PyResult<Collection> {
        let this = slf.get();
        this.busy.call(slf.py(), || this.transaction.create_collection(name))?;
        Self::collection(slf, name)
    }

    /// Renames a collection.
    fn rename_collection(&self, py: Python<'_>, old: &str, new: &str) -> PyResult<()> {
        self.busy.call(py, || self.transaction.rename_collection(old, new))
    }

    /// Drops a collection with its entities and indexes.
    fn drop_collection(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.busy.call(py, || self.transaction.drop_collection(name))
    }

    /// Sets a savepoint for ``rollback_to``.
    ///
    /// ``with tx.savepoint():`` rolls back when an exception leaves the block.
    fn savepoint(slf: &Bound<'_, Self>) -> PyResult<Savepoint> {
        let this = slf.get();
        let number = this.busy.call(slf.py(), || this.transaction.savepoint())?;
        Ok(Savepoint { number, transaction: slf.clone().unbind() })
    }

    /// Undoes all changes since a savepoint.
    fn rollback_to(slf: &Bound<'_, Self>, savepoint: &Savepoint) -> PyResult<()> {
        let py = slf.py();
        if !savepoint.transaction.is(slf) {
            // Its number could mean another place here.
            return Err(refuse(
                py,
                code::FOREIGN_HANDLE,
                "the savepoint belongs to another transaction; use one of this transaction",
            ));
        }
        let this = slf.get();
        this.busy.call(py, || this.transaction.rollback_to(savepoint.number))
    }

    /// Commits, and returns the sequence of the commit.
    ///
    /// ``durability`` is ``"durable"``, ``"grouped"`` or ``"none"``; the default is that of the transaction.
    #[pyo3(signature = (durability = None))]
    fn commit(&self, py: Python<'_>, durability: Option<&str>) -> PyResult<u64> {
        let durability = match durability {
            None => self.durability,
            given => crate::transaction::durability(py, given)?,
        };
        let sequence = self.busy.call(py, || self.transaction.commit(durability))?;
        if let Ok(mut committed) = self.committed.lock() {
            *committed = Some(sequence);
        }
        self.is_ended_by_call.store(true, Ordering::Release);
        Ok(sequence)
    }

    /// Makes it belong to no thread; for ``entidb.aio``, whose transactions belong to tasks.
    fn _detach(&self, py: Python<'_>) -> PyResult<()> {
        self.busy.call(py, || self.transaction.detach())
    }

    /// Aborts: the changes are lost.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.busy.call(py, || self.transaction.abort())?;
        self.is_ended_by_call.store(true, Ordering::Release);
        Ok(())
    }

    /// True until it is committed or aborted.
    #[getter]
    fn is_open(&self, py: Python<'_>) -> bool {
        self.is_going_on(py)
    }

    /// True for a read transaction.
    #[getter]
    fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The sequence of the commit that it sees, or that it became.
    #[getter]
    fn sequence(&self, py: Python<'_>) -> PyResult<u64> {
        let committed = self.committed.lock().ok().and_then(|committed| *committed);
        committed.map_or_else(|| self.busy.call(py, || self.transaction.sequence()), Ok)
    }

    /// The position in the change feed after the commit that a read transaction sees. A program that copies its data
    /// and reads the changes from there misses none and gets none twice.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<String> {
        self.busy.call(py, || self.transaction.position())
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        // One that has ended says so here, not at the end of the block.
        slf.get().check_open(slf.py())?;
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
        if kind.is_some() {
            if let Err(failure) = self.give_up(py) {
                note(exception, &failure, "the transaction could not be aborted");
            }
        } else if self.read_only {
            if self.is_going_on(py) {
                self.abort(py)?;
            }
        } else if !self.is_ended_by_call.load(Ordering::Acquire) {
            // Also when it has ended otherwise: that says why, and the block must not end as if its changes were kept.
            self.commit(py, None)?;
        }
        Ok(false)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let kind = if self.read_only { "read " } else { "" };
        let state = if self.is_going_on(py) { "open" } else { "ended" };
        format!("<entidb.Transaction {kind}{state} on {}>", self.database.get().place())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("transaction", "begin one where it is needed"))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // A read transaction has nothing to lose, and in the child of a fork it is the parent's to end.
        if !self.read_only && self.transaction.is_open().unwrap_or(false) && self.database.get().is_own_process() {
            Python::attach(|py| {
                warn_collected(
                    py,
                    c"an entidb transaction was collected while open, and aborted; use `with`, or call commit() or abort()",
                );
            });
        }
    }
}

/// A place in a transaction to which its changes can be undone.
#[pyclass(frozen, module = "entidb")]
pub(crate) struct Savepoint {
    number: u64,
    transaction: Py<Transaction>,
}

#[pymethods]
impl Savepoint {
    /// Undoes all changes since the savepoint.
    fn rollback(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        Transaction::rollback_to(this.transaction.bind(slf.py()), this)
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        slf.get().transaction.get().check_open(slf.py())?;
        Ok(slf.clone())
    }

    #[pyo3(signature = (kind = None, _exception = None, _traceback = None))]
    fn __exit__(
        slf: &Bound<'_, Self>,
        kind: Option<&Bound<'_, PyType>>,
        _exception: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        if kind.is_none() {
            return Ok(false);
        }
        let (py, this) = (slf.py(), slf.get());
        let transaction = this.transaction.get();
        match transaction.busy.detach(py, || transaction.transaction.rollback_to(this.number)) {
            Ok(()) => Ok(false),
            // What it would undo is undone already.
            Err(error) if matches!(error.name(), "SAVEPOINT_NOT_FOUND" | "TRANSACTION_ENDED") => Ok(false),
            // The caller may go on with the transaction, and must not take the changes for undone.
            Err(error) => Err(raise(py, &error)),
        }
    }

    fn __repr__(&self) -> String {
        format!("<entidb.Savepoint {}>", self.number)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("savepoint", "set one where it is needed"))
    }
}
