//! Keys and passwords as Python gives them.
//!
//! Always: one of the two, told apart by its name; nothing of it is in an error. Does not know: what it opens.

use entidb_abi as abi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::error::{code, refuse};

/// A key or a password, copied, since the call runs without the GIL.
pub(crate) enum Given {
    Raw(Vec<u8>),
    Password(Vec<u8>),
}

impl Given {
    /// `names` are those of the two arguments.
    pub(crate) fn of(
        py: Python<'_>,
        names: (&str, &str),
        key: Option<&Bound<'_, PyAny>>,
        password: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let given = Self::any(py, names, key, password)?;
        match &given {
            Self::Password(password) if password.is_empty() => {
                let problem = format!("{} is empty; give a password that is not", names.1);
                Err(refuse(py, code::INVALID_ARGUMENT, problem))
            }
            Self::Raw(key) if key.is_empty() => {
                Err(refuse(py, code::INVALID_ARGUMENT, format!("{} is empty; give 32 bytes", names.0)))
            }
            _ => Ok(given),
        }
    }

    fn any(
        py: Python<'_>,
        names: (&str, &str),
        key: Option<&Bound<'_, PyAny>>,
        password: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        match (key, password) {
            (Some(key), None) => match key.cast::<PyBytes>() {
                Ok(bytes) => Ok(Self::Raw(bytes.as_bytes().to_vec())),
                Err(_) => Err(wrong(py, names.0, "32 bytes", key)),
            },
            (None, Some(password)) => {
                if let Ok(text) = password.cast::<PyString>() {
                    return Ok(Self::Password(text.to_str()?.as_bytes().to_vec()));
                }
                match password.cast::<PyBytes>() {
                    Ok(bytes) => Ok(Self::Password(bytes.as_bytes().to_vec())),
                    Err(_) => Err(wrong(py, names.1, "str or bytes", password)),
                }
            }
            (None, None) => {
                let problem = format!("give {} or {}", names.0, names.1);
                Err(refuse(py, code::INVALID_ARGUMENT, problem))
            }
            (Some(_), Some(_)) => {
                let problem = format!("{} and {} are both given; give one of them", names.0, names.1);
                Err(refuse(py, code::INVALID_ARGUMENT, problem))
            }
        }
    }

    pub(crate) fn lent(&self) -> abi::Key<'_> {
        match self {
            Self::Raw(key) => abi::Key::Raw(key),
            Self::Password(password) => abi::Key::Password(password),
        }
    }
}

fn wrong(py: Python<'_>, name: &str, wanted: &str, given: &Bound<'_, PyAny>) -> PyErr {
    let class = given.get_type().name().map_or_else(|_| "another type".to_owned(), |name| name.to_string());
    refuse(py, code::INVALID_ARGUMENT, format!("{name} takes {wanted}, not {class}"))
}
