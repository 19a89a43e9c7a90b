//! Whole numbers as Python gives them.
//!
//! Always: one that does not fit is refused as an argument, by its name. Does not know: what it counts.

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::error::{code, refuse};

/// A whole number from 0 on.
#[pyfunction]
#[pyo3(name = "whole_number", signature = (given, name, /))]
pub(crate) fn whole(given: &Bound<'_, PyAny>, name: &str) -> PyResult<u64> {
    if given.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err(format!("{name} is a whole number, not bool")));
    }
    given.extract().map_err(|error: PyErr| {
        let py = given.py();
        if error.is_instance_of::<PyOverflowError>(py) {
            let problem =
                format!("{name} is a whole number of at least 0, with at most 64 bits; another one was given");
            return refuse(py, code::INVALID_ARGUMENT, problem);
        }
        error
    })
}

/// As [`whole`], for an argument that may be left out.
pub(crate) fn optional(given: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<u64>> {
    given.filter(|given| !given.is_none()).map(|given| whole(given, name)).transpose()
}
