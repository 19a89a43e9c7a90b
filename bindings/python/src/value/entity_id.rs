//! The identity of an entity.
//!
//! Always: 16 bytes; sorts as they do. Does not know: whether there is such an entity.

use entidb_abi::Id;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};

use crate::error::{code, refuse};

static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The class `uuid.UUID`.
pub(crate) fn uuid_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    UUID.import(py, "uuid", "UUID")
}

/// The identity of an entity: 16 bytes, unique in its collection.
///
/// Made from another id, a ``uuid.UUID``, 16 bytes, or 32 hexadecimal digits with or without hyphens. Ids the
/// database makes are UUIDs of version 7, so they sort by time of creation.
///
/// >>> EntityId("0190163d-8694-739b-aea5-966c26f8ad91").bytes.hex()
/// '0190163d8694739baea5966c26f8ad91'
#[pyclass(frozen, eq, ord, hash, module = "entidb")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntityId(Id);

impl EntityId {
    pub(crate) fn of(id: Id) -> Self {
        Self(id)
    }

    pub(crate) fn raw(self) -> Id {
        self.0
    }

    /// 32 digits with the hyphens of a UUID.
    pub(crate) fn text(self) -> String {
        let mut text = String::with_capacity(36);
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('?'));
            }
        }
        text
    }

    /// The id that a caller means.
    pub(crate) fn from_host(given: &Bound<'_, PyAny>) -> PyResult<Id> {
        if let Ok(id) = given.cast_exact::<Self>() {
            return Ok(id.get().0);
        }
        Self::from_other(given)
    }

    /// The object of an id that a caller gave, which may be that object already.
    pub(crate) fn object<'py>(
        py: Python<'py>,
        id: Id,
        given: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        match given.map(|given| given.cast_exact::<Self>()) {
            Some(Ok(given)) if given.get().0 == id => Ok(given.clone()),
            _ => Bound::new(py, Self(id)),
        }
    }

    fn from_other(given: &Bound<'_, PyAny>) -> PyResult<Id> {
        let py = given.py();
        let wrong = |what: String| {
            let wanted = "give an EntityId, a uuid.UUID, 16 bytes, or 32 hexadecimal digits";
            refuse(py, code::INVALID_ARGUMENT, format!("{what} is not an entity id; {wanted}"))
        };
        if let Ok(text) = given.cast::<PyString>() {
            let text = text.to_cow()?;
            return parse(&text).ok_or_else(|| wrong(format!("{:?}", text.chars().take(40).collect::<String>())));
        }
        if let Ok(bytes) = given.cast::<PyBytes>() {
            let bytes = bytes.as_bytes();
            return Id::try_from(bytes).map_err(|_| wrong(format!("a bytes object of {} bytes", bytes.len())));
        }
        if given.is_instance(uuid_class(py)?)? {
            return given.getattr("bytes")?.extract();
        }
        Err(wrong(format!("{} object", given.get_type().name()?)))
    }
}

fn parse(text: &str) -> Option<Id> {
    let hyphenated = text.len() == 36;
    let mut id: Id = [0; 16];
    let mut digits = 0_usize;
    for (position, letter) in text.char_indices() {
        if hyphenated && matches!(position, 8 | 13 | 18 | 23) {
            if letter != '-' {
                return None;
            }
            continue;
        }
        let digit = u8::try_from(letter.to_digit(16)?).ok()?;
        let byte = id.get_mut(digits / 2)?;
        *byte = (*byte << 4) | digit;
        digits += 1;
    }
    (digits == 32).then_some(id)
}

#[pymethods]
impl EntityId {
    #[new]
    fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::from_host(value).map(Self)
    }

    /// The 16 bytes.
    #[getter]
    fn bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0)
    }

    /// The same as a ``uuid.UUID``.
    #[getter]
    fn uuid<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        uuid_class(py)?.call1((py.None(), self.bytes(py)))
    }

    /// When the database made it, as a ``datetime``; ``None`` for an id of another kind.
    #[getter]
    fn created_at<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let number = u128::from_be_bytes(self.0);
        if (number >> 76) & 0xf != 7 || (number >> 62) & 0b11 != 0b10 {
            return Ok(None);
        }
        let millis = i64::try_from(number >> 80).unwrap_or(0);
        crate::moment::to_host(py, millis * 1000).map(Some)
    }

    /// How pydantic reads and writes it: text, in JSON.
    #[classmethod]
    fn __get_pydantic_core_schema__<'py>(
        class: &Bound<'py, PyType>,
        _source: &Bound<'py, PyAny>,
        _handler: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("entidb.exchange")?.call_method0("_id_schema")
    }

    /// How pydantic writes it where it does not know the type; no attribute without pydantic.
    #[getter(__pydantic_serializer__)]
    fn pydantic_serializer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("entidb.exchange")?.call_method0("_id_serializer")
    }

    /// What it is in a schema of JSON.
    #[classmethod]
    fn __get_pydantic_json_schema__<'py>(
        class: &Bound<'py, PyType>,
        _schema: &Bound<'py, PyAny>,
        _handler: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let schema = PyDict::new(class.py());
        schema.set_item("type", "string")?;
        schema.set_item("format", "uuid")?;
        Ok(schema)
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("EntityId('{}')", self.text())
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.bytes(py)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (Bound<'py, PyBytes>,)) {
        (py.get_type::<Self>(), (self.bytes(py),))
    }
}
