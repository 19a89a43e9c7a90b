//! Reading the change feed.
//!
//! Always: whole commits in commit order, one with many changes in several batches; a batch that cannot be turned into objects
//! is given again by the next call; a wait can be interrupted from the keyboard.
//! Does not know: who reads, or where they keep their place.

use std::time::Duration;

use entidb_abi as abi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString, PyType};

use crate::database::Database;
use crate::decode::decode;
use crate::error::{call, code, raise, refuse, refuse_pickle};
use crate::moment;
use crate::value::EntityId;

/// A wait is cut into pieces of this length, so that Ctrl-C is heard.
const WAIT_MS: u64 = 200;

/// The feeds that have something to read.
mod wakes {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, PoisonError};

    static IS_ANY: AtomicBool = AtomicBool::new(false);
    static WOKEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());

    /// One more. On the thread that commits, which has no GIL.
    pub(super) fn add(number: u64) {
        WOKEN.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        IS_ANY.store(true, Ordering::Release);
    }

    pub(super) fn take() -> Vec<u64> {
        if !IS_ANY.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *WOKEN.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The numbers of the feeds that may have something to read; for ``entidb.aio``, which asks after each of its calls.
#[pyfunction]
pub(crate) fn _take_wakes() -> Vec<u64> {
    wakes::take()
}

static BATCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static CHANGE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A reader of committed changes, in commit order.
///
/// Iteration ends after the changes that exist; with ``wait=True`` it waits for more. One thread at a time may use
/// it.
#[pyclass(frozen, module = "entidb")]
pub(crate) struct ChangeFeed {
    feed: abi::ChangeFeed,
    wait: bool,
    database: Py<Database>,
}

impl ChangeFeed {
    pub(crate) fn new(feed: abi::ChangeFeed, wait: bool, database: Py<Database>) -> Self {
        Self { feed, wait, database }
    }

    fn read<'py>(&self, py: Python<'py>, timeout: Option<Duration>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut left = timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        loop {
            let piece = left.map_or(WAIT_MS, |left| left.min(WAIT_MS));
            if let Some(batch) = call(py, || self.feed.next_batch(piece))? {
                let made = batch_of(py, &batch);
                if made.is_err() {
                    // It was not given to anybody, so it comes again.
                    call(py, || self.feed.unread())?;
                }
                return made.map(Some);
            }
            py.check_signals()?;
            if let Some(left) = &mut left {
                *left -= piece;
                if *left == 0 {
                    return Ok(None);
                }
            }
        }
    }
}

/// A class of the module `entidb.changes`.
fn class<'py>(py: Python<'py>, cell: &'static PyOnceLock<Py<PyAny>>, name: &str) -> PyResult<&'py Bound<'py, PyAny>> {
    let made = cell.get_or_try_init(py, || Ok::<_, PyErr>(py.import("entidb.changes")?.getattr(name)?.unbind()))?;
    Ok(made.bind(py))
}

/// What went wrong with a change.
enum Failed {
    Library(abi::Error),
    Raised(PyErr),
}

impl From<abi::Error> for Failed {
    fn from(error: abi::Error) -> Self {
        Self::Library(error)
    }
}

impl From<PyErr> for Failed {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

fn batch_of<'py>(py: Python<'py>, batch: &abi::ChangeBatch) -> PyResult<Bound<'py, PyAny>> {
    let changes = PyList::empty(py);
    let make = class(py, &CHANGE, "Change")?;
    let made = batch.each(|change| {
        let id = (change.is_entity() || change.is_key()).then(|| EntityId::of(change.id));
        let document = change.document().map(|bytes| decode(py, bytes)).transpose()?;
        let index = change.index().map(|bytes| decode(py, bytes)).transpose()?;
        let kind = PyString::intern(py, change.kind_name()?);
        let before = change.before.map(|bytes| decode(py, bytes)).transpose()?;
        let (name, key) = match change.key().map(|bytes| decode(py, bytes)).transpose()? {
            Some(map) => (Some(map.get_item("index")?), Some(map.get_item("key")?)),
            None => (change.name().map(|name| PyString::new(py, name).into_any()), None),
        };
        changes.append(make.call1((kind, change.collection, id, document, name, index, before, key))?)?;
        Ok::<_, Failed>(())
    });
    made.map_err(|failed| match failed {
        Failed::Library(error) => raise(py, &error),
        Failed::Raised(error) => error,
    })?;
    class(py, &BATCH, "ChangeBatch")?.call1((
        batch.sequence,
        changes,
        &batch.position,
        batch.ends_commit,
        moment::to_host(py, batch.time_micros)?,
    ))
}

/// Seconds as callers give them, where `None` means what `none` says.
pub(crate) fn seconds(py: Python<'_>, given: f64, none: &str) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given).map_err(|_| {
        let problem = format!("timeout is {given}; give a number of seconds of at least 0, or None to wait {none}");
        refuse(py, code::INVALID_ARGUMENT, problem)
    })
}

#[pymethods]
impl ChangeFeed {
    /// The next changes. Waits up to ``timeout`` seconds for a commit, and returns ``None`` if none comes.
    ///
    /// Without a timeout it waits without end; 0 does not wait. After an error the feed keeps its position.
    #[pyo3(signature = (timeout = None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let timeout = timeout.map(|given| seconds(py, given, "without end")).transpose()?;
        self.read(py, timeout)
    }

    /// Closes it: a call that waits in another thread, and every later one, raises ``ClosedError``. Closing again
    /// does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.feed.close())
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (_kind = None, _exception = None, _traceback = None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyType>>,
        _exception: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        self.close(py).map(|()| false)
    }

    /// Makes the next call return the last batch again.
    fn unread(&self, py: Python<'_>) -> PyResult<()> {
        call(py, || self.feed.unread())
    }

    /// From here on ``_take_wakes`` gives this number once after ``next`` found nothing, when there may be something to read; for
    /// ``entidb.aio``.
    fn _watch(&self, py: Python<'_>, number: u64) -> PyResult<()> {
        call(py, || self.feed.set_waker(Some(Box::new(move || wakes::add(number)))))
    }

    /// The position after the last batch. Store it, and pass it as ``since`` to continue there.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<String> {
        call(py, || self.feed.position())
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.read(py, if self.wait { None } else { Some(Duration::ZERO) })
    }

    fn __repr__(&self) -> String {
        let position = self.feed.position().unwrap_or_else(|_| "a position in use".to_owned());
        format!("<entidb.ChangeFeed of {} at {position}>", self.database.get().place())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("change feed", "send its position and read on from there"))
    }
}
