//! A moment that `datetime` cannot hold.
//!
//! Always: whole microseconds since 1970, any 64-bit number of them. Does not know: calendars (`moment`).

use pyo3::prelude::*;
use pyo3::types::PyType;

/// A moment in microseconds since 1970-01-01 UTC.
///
/// Documents give moments as aware ``datetime`` objects; only a moment outside the years 1 to 9999, which
/// ``datetime`` cannot hold, comes as a ``Timestamp``. Either can be stored.
///
/// >>> Timestamp(1_700_000_000_000_000).micros
/// 1700000000000000
#[pyclass(frozen, eq, ord, hash, module = "entidb")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp {
    /// Microseconds since 1970-01-01 UTC.
    #[pyo3(get)]
    pub(crate) micros: i64,
}

#[pymethods]
impl Timestamp {
    #[new]
    fn new(micros: i64) -> Self {
        Self { micros }
    }

    fn __repr__(&self) -> String {
        format!("Timestamp({})", self.micros)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (i64,)) {
        (py.get_type::<Self>(), (self.micros,))
    }
}
