//! Errors of the library as exceptions of the package.
//!
//! Always: the class comes from the generated table in `entidb/errors.py`, and everything the error says goes with it.
//! Does not know: which call failed.

use entidb_abi as abi;
/// Codes of refusals this package makes before it calls the library.
pub(crate) use entidb_abi::code;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::cancel;
use crate::signals;
use crate::value::EntityId;

static ERROR_FROM: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception for an error of the library.
#[cold]
pub(crate) fn raise(py: Python<'_>, error: &abi::Error) -> PyErr {
    if error.code == code::CANCELLED
        && let Some(raised) = signals::raised()
    {
        return raised;
    }
    make(py, error).unwrap_or_else(|failure| failure)
}

/// An exception this package raises by itself.
#[cold]
pub(crate) fn refuse(py: Python<'_>, code: i32, message: impl Into<String>) -> PyErr {
    raise(py, &abi::Error::new(code, message))
}

/// An exception about a field of a document.
#[cold]
pub(crate) fn refuse_field(py: Python<'_>, code: i32, field: &str, problem: &str) -> PyErr {
    let context = PyDict::new(py);
    let filled = context.set_item("field", field);
    let message = format!("at {field}: {problem}");
    filled.and_then(|()| from_table(py, code, &message, &context)).unwrap_or_else(|failure| failure)
}

/// The exception for an entity that is not there; also a `KeyError`.
#[cold]
pub(crate) fn missing(py: Python<'_>, collection: &str, id: &abi::Id) -> PyErr {
    let shown = EntityId::of(*id).text();
    let context = PyDict::new(py);
    let filled =
        context.set_item("collection", collection).and_then(|()| context.set_item("id", EntityId::of(*id))).and_then(
            |()| from_table(py, code::ENTITY_NOT_FOUND, &format!("{collection:?} holds no entity {shown}"), &context),
        );
    filled.unwrap_or_else(|failure| failure)
}

fn make(py: Python<'_>, error: &abi::Error) -> PyResult<PyErr> {
    let context = PyDict::new(py);
    if let Some(path) = &error.path {
        context.set_item("path", path)?;
    }
    if let Some(collection) = &error.collection {
        context.set_item("collection", collection)?;
    }
    if let Some(index) = &error.index {
        context.set_item("index", index)?;
    }
    if let Some(id) = error.id {
        context.set_item("id", EntityId::of(id))?;
    }
    if let Some(offset) = error.offset {
        context.set_item("offset", offset)?;
    }
    if let Some(number) = error.os_code {
        context.set_item("os_code", number)?;
    }
    from_table(py, error.code, &error.message, &context)
}

fn from_table(py: Python<'_>, code: i32, message: &str, context: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    let function = ERROR_FROM
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import("entidb.errors")?.getattr("error_from")?.unbind()))?;
    let made = function.bind(py).call1((code, message, context))?;
    // A `raise` of Python does this by itself: what was being handled stays visible above the new error.
    let handled = handled(py)?;
    if !handled.is_none() {
        made.setattr(intern!(py, "__context__"), handled)?;
    }
    Ok(PyErr::from_value(made))
}

/// The exception that is being handled, or `None`.
fn handled(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import(intern!(py, "sys"))?.call_method0(intern!(py, "exception"))
}

/// Tells of a failure beside an exception that is already on its way, which stays the one that is raised.
pub(crate) fn note(exception: Option<&Bound<'_, PyAny>>, failure: &PyErr, what: &str) {
    if let Some(exception) = exception {
        // An exception that takes no note is still the one to raise.
        let _ = exception.call_method1("add_note", (format!("{what}: {failure}"),));
    }
}

/// Runs a call of the library without the GIL.
#[inline]
pub(crate) fn call<T: Send>(py: Python<'_>, run: impl FnOnce() -> abi::Result<T> + Send) -> PyResult<T> {
    signals::watch(py);
    let _inside = cancel::inside(py);
    py.detach(run).map_err(|error| raise(py, &error))
}

/// Refuses to copy or pickle a handle.
pub(crate) fn refuse_pickle(noun: &str, remedy: &str) -> PyErr {
    pyo3::exceptions::PyTypeError::new_err(format!("a {noun} belongs to this process and cannot be pickled; {remedy}"))
}

/// Warns that a handle was collected before it was ended. An exception under way is kept.
pub(crate) fn warn_collected(py: Python<'_>, message: &std::ffi::CStr) {
    let under_way = PyErr::take(py);
    let category = py.get_type::<pyo3::exceptions::PyResourceWarning>();
    let category: &Bound<'_, PyType> = &category;
    if let Err(error) = PyErr::warn(py, category, message, 1) {
        error.write_unraisable(py, None);
    }
    if let Some(error) = under_way {
        error.restore(py);
    }
}
