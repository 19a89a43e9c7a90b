//! Signals that come while a call works or waits.
//!
//! Always: the main thread looks for them at most every 10 ms, and what a handler raises is what the call raises; the call has
//! changed nothing then. A handler that raises nothing lets the call go on. Does not know: which call it is.

use std::cell::{Cell, RefCell};

use entidb_abi as abi;
use pyo3::prelude::*;

thread_local! {
    /// Whether this thread was seen here before.
    static IS_KNOWN: Cell<bool> = const { Cell::new(false) };
    /// What a handler raised during the call under way.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Before a call that may take long: from its first one on the main thread looks for signals in all of them. Python runs
/// handlers on no other.
#[inline]
pub(crate) fn watch(py: Python<'_>) {
    if !IS_KNOWN.replace(true) && is_main(py).unwrap_or(false) {
        abi::set_interrupt(Some(Box::new(look)));
    }
}

fn is_main(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    threading.call_method0("current_thread")?.eq(threading.call_method0("main_thread")?)
}

fn look() -> bool {
    Python::try_attach(|py| py.check_signals().map_err(|raised| RAISED.set(Some(raised))).is_err()).unwrap_or(false)
}

/// What a handler raised, for the call that ended because of it.
pub(crate) fn raised() -> Option<PyErr> {
    RAISED.take()
}
