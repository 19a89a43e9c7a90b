//! Reading the change feed.
//!
//! Always: whole commits in commit order; a wait can be interrupted from the keyboard.
//! Does not know: who reads, or where they keep their place.

use std::time::Duration;

use entidb_abi as abi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::database::Database;
use crate::decode::decode;
use crate::error::{call, code, refuse, refuse_pickle};

/// A wait is cut into pieces of this length, so that Ctrl-C is heard.
const WAIT_MS: u64 = 200;

static COMMIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A reader of committed changes, in commit order.
///
/// Iterating gives the commits there are and then stops; with ``wait=True`` it waits for more instead. One thread at
/// a time may use it.
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
            if let Some(commit) = call(py, || self.feed.next_commit(piece))? {
                let function = COMMIT.get_or_try_init(py, || {
                    Ok::<_, PyErr>(py.import("entidb.changes")?.getattr("commit_from")?.unbind())
                })?;
                return function.bind(py).call1((decode(py, &commit)?,)).map(Some);
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

/// Seconds as callers give them.
pub(crate) fn seconds(py: Python<'_>, name: &str, given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given).map_err(|_| {
        let problem = format!("{name} is {given}; give a number of seconds of at least 0, or None to wait without end");
        refuse(py, code::INVALID_ARGUMENT, problem)
    })
}

#[pymethods]
impl ChangeFeed {
    /// The next commit, waiting up to ``timeout`` seconds for one; ``None`` when the time is over.
    ///
    /// Without a timeout it waits until there is one; 0 never waits.
    #[pyo3(signature = (timeout = None))]
    fn next<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let timeout = timeout.map(|given| seconds(py, "timeout", given)).transpose()?;
        self.read(py, timeout)
    }

    /// The sequence of the commit given last: keep it, and pass it as ``since`` to go on from there.
    #[getter]
    fn position(&self) -> u64 {
        self.feed.position()
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.read(py, if self.wait { None } else { Some(Duration::ZERO) })
    }

    fn __repr__(&self) -> String {
        format!("<entidb.ChangeFeed of {} at {}>", self.database.get().place(), self.feed.position())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("change feed", "send its position and read on from there"))
    }
}
