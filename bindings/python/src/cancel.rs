//! Tokens that end calls: cancelled from any thread, or over at a deadline.
//!
//! Always: a token counts for the context that entered it: the thread, the task of asyncio, and what `asyncio.to_thread` runs for
//! it, and no other task of the thread. Where nobody is in one a call looks at one number. What ends something in order, such
//! as abort and close, is not refused for a token that has ended. Does not know: which call it is.

use std::sync::atomic::{AtomicUsize, Ordering};

use entidb_abi as abi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

use crate::change_feed::seconds;
use crate::error::{code, raise, refuse, refuse_pickle};

/// How many times tokens are entered and not left, in all contexts.
static ENTERED: AtomicUsize = AtomicUsize::new(0);
/// The variable of the context: a tuple of the tokens it is in, the outermost first.
static TOKENS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// More would be blocks that are entered again and again and never left.
const ENTERED_MAX: usize = 60;

/// A token that ends calls before they finish: by ``cancel()`` from any thread, or by a deadline.
///
/// Calls inside ``with token:`` raise ``CancelledError`` or ``DeadlineExceededError`` within 10 ms, and have changed
/// nothing. Several threads and tasks may use one token, and blocks may be nested.
#[pyclass(frozen, module = "entidb")]
pub(crate) struct Cancel(abi::Cancel);

/// A token with a deadline, in seconds from now: ``with entidb.deadline(0.5): ...``
#[pyfunction]
#[pyo3(signature = (seconds, /))]
pub(crate) fn deadline(py: Python<'_>, seconds: f64) -> PyResult<Cancel> {
    Cancel::new(py, Some(seconds))
}

#[pymethods]
impl Cancel {
    /// A token; ``timeout`` sets a deadline in seconds from now.
    #[new]
    #[pyo3(signature = (timeout = None))]
    fn new(py: Python<'_>, timeout: Option<f64>) -> PyResult<Self> {
        let timeout = timeout.map(|given| seconds(py, given, "without end")).transpose()?;
        // Rounded up, so that a short one is not over before it begins.
        let timeout_ms =
            timeout.map(|timeout| u64::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(u64::MAX / 2));
        abi::Cancel::new(timeout_ms).map(Self).map_err(|error| raise(py, &error))
    }

    /// Ends the current and later calls of every thread and task that uses it. Any thread may call it, more than
    /// once.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// True once it is cancelled or past its deadline.
    #[getter]
    fn has_ended(&self) -> bool {
        self.0.check().is_err()
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        let mut entered = entered(py)?;
        if entered.len() >= ENTERED_MAX {
            let problem = format!("this context is in {ENTERED_MAX} cancel tokens already; leave those that are over");
            return Err(refuse(py, code::TOO_LARGE, problem));
        }
        entered.push(slf.clone());
        set_entered(py, entered)?;
        ENTERED.fetch_add(1, Ordering::Relaxed);
        Ok(slf.clone())
    }

    #[pyo3(signature = (_kind = None, _exception = None, _traceback = None))]
    fn __exit__(
        slf: &Bound<'_, Self>,
        _kind: Option<&Bound<'_, PyType>>,
        _exception: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let mut entered = entered(slf.py())?;
        // In another context than it was entered in there is nothing to leave.
        if let Some(place) = entered.iter().rposition(|other| other.is(slf)) {
            entered.remove(place);
            set_entered(slf.py(), entered)?;
            ENTERED.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(false)
    }

    fn __repr__(&self) -> String {
        format!("<entidb.Cancel {}>", if self.has_ended() { "ended" } else { "live" })
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("cancel token", "make one where it is needed"))
    }
}

fn variable<'py>(py: Python<'py>) -> PyResult<&'py Bound<'py, PyAny>> {
    let made = TOKENS.get_or_try_init(py, || {
        let options = pyo3::types::PyDict::new(py);
        options.set_item("default", PyTuple::empty(py))?;
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        Ok::<_, PyErr>(class.call(("entidb_tokens",), Some(&options))?.unbind())
    })?;
    Ok(made.bind(py))
}

fn entered(py: Python<'_>) -> PyResult<Vec<Bound<'_, Cancel>>> {
    let tokens = variable(py)?.call_method0(intern!(py, "get"))?;
    tokens.cast::<PyTuple>()?.iter().map(|token| Ok(token.cast_into::<Cancel>()?)).collect()
}

fn set_entered(py: Python<'_>, entered: Vec<Bound<'_, Cancel>>) -> PyResult<()> {
    variable(py)?.call_method1(intern!(py, "set"), (PyTuple::new(py, entered)?,)).map(drop)
}

/// Whether anybody is in a token.
#[inline]
pub(crate) fn is_used() -> bool {
    ENTERED.load(Ordering::Relaxed) > 0
}

/// The thread in the tokens of its context, for one call of the library.
pub(crate) struct Inside<'py>(Vec<Bound<'py, Cancel>>);

/// Lets the tokens of this context end the call that follows.
#[inline]
pub(crate) fn inside(py: Python<'_>) -> Inside<'_> {
    if is_used() { enter(py) } else { Inside(Vec::new()) }
}

#[cold]
fn enter(py: Python<'_>) -> Inside<'_> {
    let mut entered = entered(py).unwrap_or_default();
    // A thread is in none between two calls, so there is room for all of a context.
    entered.retain(|token| token.get().0.enter().is_ok());
    Inside(entered)
}

impl Inside<'_> {
    /// Refuses a call that would end at its first look, also one that is too short to look.
    pub(crate) fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.0.iter().try_for_each(|token| token.get().0.check()).map_err(|error| raise(py, &error))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        for token in self.0.iter().rev() {
            // It was entered above, so there is nothing to tell.
            let _ = token.get().0.leave();
        }
    }
}
