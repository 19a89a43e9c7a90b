//! Typed numeric vectors.
//!
//! Always: little-endian elements of one type, as documents hold them. Does not know: numpy, except by its name.

use entidb_abi::codec::{self, VectorKind, VectorRef};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice, PyType};

use crate::error::{code, refuse};

/// A vector of numbers of one type: ``"f16"``, ``"f32"``, ``"f64"`` or ``"i8"``.
///
/// Made from anything with a buffer of such numbers (``array.array``, ``numpy`` arrays, ``memoryview``), whose type
/// it takes over unless ``kind`` says otherwise, or from any iterable of numbers, by default as ``"f32"``.
///
/// It holds what is stored: each number as the nearest one its kind has, so ``Vector([0.1])`` holds 0.10000000149011612 and
/// ``Vector([0.1], "f64")`` holds 0.1. A number beyond the kind, and a fraction in ``"i8"``, is refused.
///
/// >>> list(Vector([0.5, -1.0]))
/// [0.5, -1.0]
#[pyclass(frozen, eq, hash, module = "entidb")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Vector(codec::Vector);

/// As many elements are shown.
const SHOWN_MAX: usize = 16;

pub(crate) fn kind_name(kind: VectorKind) -> &'static str {
    match kind {
        VectorKind::F16 => "f16",
        VectorKind::F32 => "f32",
        VectorKind::F64 => "f64",
        VectorKind::I8 => "i8",
    }
}

fn kind_of(py: Python<'_>, name: &str) -> PyResult<VectorKind> {
    let known = [VectorKind::F16, VectorKind::F32, VectorKind::F64, VectorKind::I8];
    known.into_iter().find(|kind| kind_name(*kind) == name).ok_or_else(|| {
        let problem = format!("there is no vector of kind {name:?}; give \"f16\", \"f32\", \"f64\" or \"i8\"");
        refuse(py, code::INVALID_ARGUMENT, problem)
    })
}

/// The letter of the `struct` module for a type of element.
fn letter(kind: VectorKind) -> &'static str {
    match kind {
        VectorKind::F16 => "e",
        VectorKind::F32 => "f",
        VectorKind::F64 => "d",
        VectorKind::I8 => "b",
    }
}

impl Vector {
    pub(crate) fn of(vector: VectorRef<'_>) -> Self {
        Self(vector.to_vector())
    }

    pub(crate) fn view(&self) -> VectorRef<'_> {
        self.0.as_view()
    }

    /// A vector of numbers, each the nearest the type has. One that is beyond it is refused.
    fn pack(py: Python<'_>, numbers: &[f64], kind: VectorKind) -> PyResult<Self> {
        let made = Self::nearest(py, numbers, kind)?;
        let beyond = numbers.iter().zip(made.view().to_f64s()).position(|(n, held)| n.is_finite() && !held.is_finite());
        match beyond {
            Some(position) => {
                let number = numbers.get(position).copied().unwrap_or_default();
                let problem = format!(
                    "at [{position}]: {number:e} is beyond what an element of kind {:?} holds; give a wider kind, or scale it",
                    kind_name(kind)
                );
                Err(refuse(py, code::NUMBER_OUT_OF_RANGE, problem))
            }
            None => Ok(made),
        }
    }

    fn nearest(py: Python<'_>, numbers: &[f64], kind: VectorKind) -> PyResult<Self> {
        Ok(Self(match kind {
            // The conversion rounds to the nearest, which is what a narrower vector means.
            VectorKind::F16 => codec::Vector::f16_nearest(&numbers.iter().map(|n| *n as f32).collect::<Vec<_>>()),
            VectorKind::F32 => codec::Vector::from(numbers.iter().map(|n| *n as f32).collect::<Vec<_>>()),
            VectorKind::F64 => codec::Vector::from(numbers),
            VectorKind::I8 => {
                let narrow = |(position, n): (usize, &f64)| {
                    // In range and whole, so the conversion is exact.
                    let fits = n.fract() == 0.0 && (-128.0..=127.0).contains(n);
                    fits.then_some(*n as i8).ok_or_else(|| {
                        let wanted = "give whole numbers -128 to 127";
                        let problem = format!("at [{position}]: {n} is not an element of an i8 vector; {wanted}");
                        refuse(py, code::NUMBER_OUT_OF_RANGE, problem)
                    })
                };
                codec::Vector::from(numbers.iter().enumerate().map(narrow).collect::<PyResult<Vec<i8>>>()?)
            }
        }))
    }

    fn from_buffer(view: &Bound<'_, PyAny>, wanted: Option<VectorKind>) -> PyResult<Self> {
        let py = view.py();
        let format: String = view.getattr("format")?.extract()?;
        let kind = match format.trim_start_matches(['@', '=', '<']) {
            "e" => VectorKind::F16,
            "f" => VectorKind::F32,
            "d" => VectorKind::F64,
            "b" => VectorKind::I8,
            _ => {
                let problem =
                    format!("a buffer of format {format:?} is no vector; convert it to float16, 32, 64 or int8");
                return Err(refuse(py, code::INVALID_ARGUMENT, problem));
            }
        };
        let dimensions: usize = view.getattr("ndim")?.extract()?;
        if dimensions != 1 {
            let problem = format!("a buffer of {dimensions} dimensions is no vector; flatten it first");
            return Err(refuse(py, code::INVALID_ARGUMENT, problem));
        }
        let mut bytes: Vec<u8> = view.call_method0("tobytes")?.cast::<PyBytes>()?.as_bytes().to_vec();
        if cfg!(target_endian = "big") && !format.starts_with('<') {
            for element in bytes.chunks_exact_mut(kind.element_bytes()) {
                element.reverse();
            }
        }
        let taken = codec::Vector::from_le_bytes(kind, bytes).ok_or_else(|| {
            refuse(py, code::INVALID_ARGUMENT, "a buffer is not a whole number of elements; cast it first")
        })?;
        match wanted {
            Some(wanted) if wanted != kind => Self::pack(py, &taken.as_view().to_f64s().collect::<Vec<_>>(), wanted),
            _ => Ok(Self(taken)),
        }
    }
}

#[pymethods]
impl Vector {
    #[new]
    #[pyo3(signature = (elements, kind = None))]
    fn new(elements: &Bound<'_, PyAny>, kind: Option<&str>) -> PyResult<Self> {
        let py = elements.py();
        let kind = kind.map(|name| kind_of(py, name)).transpose()?;
        if let Ok(other) = elements.cast::<Self>() {
            return match kind {
                Some(kind) if kind != other.get().0.kind() => {
                    Self::pack(py, &other.get().view().to_f64s().collect::<Vec<_>>(), kind)
                }
                _ => Ok(other.get().clone()),
            };
        }
        if let Ok(bytes) = elements.cast::<PyBytes>() {
            let Some(kind) = kind else {
                let problem = "bytes do not say what they hold; name the kind of the vector";
                return Err(refuse(py, code::INVALID_ARGUMENT, problem));
            };
            let taken = codec::Vector::from_le_bytes(kind, bytes.as_bytes().to_vec());
            return taken.map(Self).ok_or_else(|| {
                let problem =
                    format!("{} bytes are not a whole number of {} elements", bytes.as_bytes().len(), kind_name(kind));
                refuse(py, code::INVALID_ARGUMENT, problem)
            });
        }
        if let Ok(view) = py.import("builtins")?.getattr("memoryview")?.call1((elements,)) {
            return Self::from_buffer(&view, kind);
        }
        let numbers = elements.try_iter()?.map(|item| item?.extract::<f64>()).collect::<PyResult<Vec<_>>>()?;
        Self::pack(py, &numbers, kind.unwrap_or(VectorKind::F32))
    }

    /// The type of its elements: ``"f16"``, ``"f32"``, ``"f64"`` or ``"i8"``.
    #[getter]
    fn kind(&self) -> &'static str {
        kind_name(self.0.kind())
    }

    /// The elements as little-endian bytes.
    fn tobytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.view().le_bytes())
    }

    /// The elements as a list of numbers.
    fn tolist<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let elements = self.view().to_f64s();
        match self.0.kind() {
            // A signed byte widened and back.
            VectorKind::I8 => Ok(elements.map(|n| n as i8).collect::<Vec<_>>().into_pyobject(py)?.into_any()),
            _ => Ok(elements.collect::<Vec<_>>().into_pyobject(py)?.into_any()),
        }
    }

    /// The elements as a ``numpy`` array, where ``numpy`` is installed.
    #[pyo3(signature = (dtype = None, copy = None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let own = format!("<{}", letter(self.0.kind()));
        let array = py.import("numpy")?.call_method1("frombuffer", (self.tobytes(py), own))?;
        match (dtype, copy) {
            (Some(dtype), _) => array.call_method1("astype", (dtype,)),
            (None, Some(false)) => Ok(array),
            (None, _) => array.call_method0("copy"),
        }
    }

    fn __len__(&self) -> usize {
        self.view().len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, at: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.tolist(py)?.get_item(at)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.tolist(py)?.try_iter()?.into_any())
    }

    /// All elements of a short one, the first of a long one.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (all, kind) = (self.tolist(py)?, self.kind());
        let len = self.view().len();
        if len <= SHOWN_MAX {
            return Ok(format!("Vector({}, kind='{kind}')", all.repr()?));
        }
        let first = all.get_item(PySlice::new(py, 0, 4, 1))?.repr()?;
        let first = first.to_str()?.trim_end_matches(']');
        Ok(format!("Vector({first}, ... {} more], kind='{kind}')", len - 4))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyAny>)> {
        let arguments = (self.tobytes(py), self.kind()).into_pyobject(py)?.into_any();
        Ok((py.get_type::<Self>(), arguments))
    }
}
