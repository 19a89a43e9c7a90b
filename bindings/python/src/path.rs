//! Paths of fields between their written form and tuples.
//!
//! Always: a tuple holds text for a field, an int for a position, and a one-element tuple for an integer key.
//! Does not know: documents. Format: docs/spec/encoding.md, "Paths".

use entidb_abi::codec::{self, Path};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::decode::decode;
use crate::encode::{encode, raise_codec};

/// Reads a path in its dotted form: ``parse_path("a.0") == ("a", 0)``.
#[pyfunction]
#[pyo3(signature = (text, /))]
pub(crate) fn parse_path<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyTuple>> {
    let path = Path::dotted(text).map_err(|error| raise_codec(py, error))?;
    let mut steps = Vec::new();
    for step in decode(py, &codec::encode(&path.to_value()))?.try_iter()? {
        let step = step?;
        // An integer key comes as a list; a path must be hashable.
        steps.push(match step.cast::<pyo3::types::PyList>() {
            Ok(key) => key.to_tuple().into_any(),
            Err(_) => step,
        });
    }
    PyTuple::new(py, steps)
}

/// Writes a path in its dotted form: ``write_path(("a", 0)) == "a.0"``.
#[pyfunction]
#[pyo3(signature = (steps, /))]
pub(crate) fn write_path(py: Python<'_>, steps: &Bound<'_, PyTuple>) -> PyResult<String> {
    let bytes = encode(steps.as_any())?;
    let path = codec::decode(&bytes).and_then(|value| Path::from_value(&value));
    Ok(path.map_err(|error| raise_codec(py, error))?.to_string())
}
