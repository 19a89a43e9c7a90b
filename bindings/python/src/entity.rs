//! Entities as Python sees them: a dict with an id and a version.
//!
//! Always: the class is `entidb.Entity`, a subclass of dict, so whatever takes a dict takes it.
//! Does not know: where an entity was read.

use entidb_abi::{Frame, Id};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::decode::decode_into;
use crate::value::EntityId;

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    CLASS.import(py, "entidb.entity", "Entity")
}

/// The object of an entity that was read; its id is an object that is there already, or a new one.
pub(crate) fn entity<'py>(
    py: Python<'py>,
    id: Bound<'py, EntityId>,
    version: u64,
    document: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let made = class(py)?.call0()?;
    decode_into(document, made.cast::<PyDict>()?)?;
    made.setattr(intern!(py, "id"), id)?;
    made.setattr(intern!(py, "version"), version)?;
    Ok(made)
}

/// The object of a frame; none for an id that is not there.
pub(crate) fn framed<'py>(py: Python<'py>, frame: &Frame<'_>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some((version, document)) = frame.found else { return Ok(None) };
    entity(py, Bound::new(py, EntityId::of(frame.id))?, version, document).map(Some)
}

/// Whether an object is an entity that was read.
pub(crate) fn is_entity(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.is_instance(class(object.py())?)
}

/// The id an entity was read under, for a document that is one.
pub(crate) fn own_id(document: &Bound<'_, PyAny>) -> PyResult<Option<Id>> {
    let py = document.py();
    if document.is_exact_instance_of::<PyDict>() || !document.is_instance(class(py)?)? {
        return Ok(None);
    }
    let id = document.getattr_opt(intern!(py, "id"))?;
    id.filter(|id| !id.is_none()).map(|id| EntityId::from_host(&id)).transpose()
}
