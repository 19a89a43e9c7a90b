//! A CBOR tag that has no meaning here.
//!
//! Always: carried through unchanged. Does not know: what other programs mean by it.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;

/// A value under a CBOR tag that EntiDB gives no meaning to; stored and given back unchanged.
///
/// >>> Tag(1234, "x").tag
/// 1234
#[pyclass(frozen, module = "entidb")]
#[derive(Debug)]
pub(crate) struct Tag {
    /// The number of the tag.
    #[pyo3(get)]
    pub(crate) tag: u64,
    /// The value under it.
    #[pyo3(get)]
    pub(crate) value: Py<PyAny>,
}

#[pymethods]
impl Tag {
    #[new]
    pub(crate) fn new(tag: u64, value: Py<PyAny>) -> Self {
        Self { tag, value }
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = other.py();
        match other.cast::<Self>() {
            Ok(other) => Ok(self.tag == other.get().tag && self.value.bind(py).eq(other.get().value.bind(py))?),
            Err(_) => Ok(false),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (self.tag, self.value.bind(py)).into_pyobject(py)?.as_any().hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Tag({}, {})", self.tag, self.value.bind(py).repr()?))
    }

    /// A circle through a tag has a list or a dict in it, for a tag never changes: that one is cleared.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.value)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (u64, Py<PyAny>)) {
        (py.get_type::<Self>(), (self.tag, self.value.clone_ref(py)))
    }
}
