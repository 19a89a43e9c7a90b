//! One interpreter of the process has the module, and every other one is refused.
//!
//! Always: classes are kept for the life of the process, so those of another interpreter would be given as if they were its
//! own: errors that no `except` catches, ids that are no `EntityId`. Does not know: which interpreter that is.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// In `sys` of the interpreter that has the module. Each interpreter has a `sys` of its own.
const MARK: &str = "_entidb_is_here";

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the module for this interpreter.
pub(crate) fn take(py: Python<'_>) -> PyResult<()> {
    let sys = py.import("sys")?;
    if sys.hasattr(MARK)? {
        return Ok(());
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        let problem = "another interpreter of this process has imported entidb; use it there, and give it work by threads, or \
                       use another process";
        return Err(PyImportError::new_err(problem));
    }
    sys.setattr(MARK, true)
}
