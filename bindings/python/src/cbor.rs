//! Documents as bytes, without a database.
//!
//! Always: what `dumps` writes, `loads` reads back as equal. Does not know: collections.

use entidb_abi::codec;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::encode::raise_codec;

/// The canonical CBOR of an object.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn dumps<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(value.py(), &crate::encode::encode(value)?))
}

/// The object of canonical CBOR.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn loads<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    with_bytes(data, |bytes| crate::decode::decode_within(data.py(), bytes, &codec::Limits::DEFAULT))
}

/// The canonical form of CBOR in any form.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub(crate) fn canonicalise<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = data.py();
    with_bytes(data, |bytes| {
        let canonical = codec::canonicalise(bytes).map_err(|error| raise_codec(py, error))?;
        Ok(PyBytes::new(py, &canonical))
    })
}

/// Runs with the bytes of a bytes-like object.
pub(crate) fn with_bytes<T>(data: &Bound<'_, PyAny>, run: impl FnOnce(&[u8]) -> PyResult<T>) -> PyResult<T> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return run(bytes.as_bytes());
    }
    let view = data.py().import("builtins")?.getattr("memoryview")?.call1((data,))?;
    let copied = view.call_method0("tobytes")?;
    run(copied.cast::<PyBytes>()?.as_bytes())
}
