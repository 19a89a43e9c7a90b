//! Documents to Python objects, without a tree in between.
//!
//! Always: bytes are judged while they are read; every value that can be stored has an object that stores the same.
//! Does not know: where the bytes come from. Format: docs/spec/encoding.md.

use std::sync::{Mutex, MutexGuard};

use entidb_abi::codec::{Decimal, Decoder, Event, Integer, KeyOrder, KeyRef};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::encode::{decimal_class, raise_codec};
use crate::error::{code, refuse};
use crate::moment;
use crate::value::{EntityId, Tag, Vector, uuid_class};

/// How many names of fields are remembered, and how long they may be.
const NAMES: usize = 1024;
const NAME_BYTES_MAX: usize = 64;

/// Names of fields that were read lately: the same few come with every document, and a string that is there already
/// costs neither memory nor a hash. Only the holder of the lock may use it, and nobody waits for it: code that runs
/// between may release the GIL.
static RECENT: Mutex<Vec<Option<Py<PyString>>>> = Mutex::new(Vec::new());

/// The object of a document.
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader::new(py, bytes);
    let object = reader.item()?;
    reader.finish()?;
    Ok(object)
}

/// Reads a document, which must be a map, into a dict.
pub(crate) fn decode_into(bytes: &[u8], into: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = into.py();
    let mut reader = Reader::new(py, bytes);
    match reader.event()? {
        Event::Map(count) => reader.entries(count, into)?,
        _ => return Err(refuse(py, code::WRONG_TYPE, "the document is not a map; read it with get_bytes")),
    }
    reader.finish()
}

struct Reader<'a, 'py> {
    py: Python<'py>,
    decoder: Decoder<'a>,
    names: Option<MutexGuard<'static, Vec<Option<Py<PyString>>>>>,
}

impl<'a, 'py> Reader<'a, 'py> {
    fn new(py: Python<'py>, bytes: &'a [u8]) -> Self {
        let names = RECENT.try_lock().ok().map(|mut names| {
            if names.is_empty() {
                names.resize_with(NAMES, || None);
            }
            names
        });
        Self { py, decoder: Decoder::new(bytes), names }
    }

    #[inline]
    fn event(&mut self) -> PyResult<Event<'a>> {
        self.decoder.event().map_err(|error| raise_codec(self.py, error))
    }

    fn finish(&self) -> PyResult<()> {
        self.decoder.finish().map_err(|error| raise_codec(self.py, error))
    }

    fn item(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match self.event()? {
            Event::Null => py.None().into_bound(py),
            Event::Bool(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
            Event::Integer(number) => self.integer(number)?.into_any(),
            Event::Float(number) => PyFloat::new(py, number).into_any(),
            Event::Text(text) => PyString::new(py, text).into_any(),
            Event::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Event::Array(count) => {
                let mut items = Vec::with_capacity(count);
                for _ in 0..count {
                    items.push(self.item()?);
                }
                self.decoder.leave();
                PyList::new(py, items)?.into_any()
            }
            Event::Map(count) => {
                let map = PyDict::new(py);
                self.entries(count, &map)?;
                map.into_any()
            }
            Event::Timestamp(moment) => moment::to_host(py, moment.micros())?,
            Event::Uuid(id) => uuid_class(py)?.call1((py.None(), PyBytes::new(py, &id)))?,
            Event::EntityId(id) => Bound::new(py, EntityId::of(id))?.into_any(),
            Event::Decimal(number) => self.decimal(number)?,
            Event::Vector(vector) => Bound::new(py, Vector::of(vector))?.into_any(),
            Event::Tag(tag) => {
                let value = self.item()?;
                self.decoder.leave();
                Bound::new(py, Tag::new(tag, value.unbind()))?.into_any()
            }
        })
    }

    fn entries(&mut self, count: usize, into: &Bound<'py, PyDict>) -> PyResult<()> {
        let mut order = KeyOrder::new();
        for _ in 0..count {
            let key = self.decoder.key(&mut order).map_err(|error| raise_codec(self.py, error))?;
            let key = match key {
                KeyRef::Text(text) => self.name(text).into_any(),
                KeyRef::Integer(number) => self.integer(number)?.into_any(),
            };
            let value = self.item()?;
            into.set_item(key, value)?;
        }
        self.decoder.leave();
        Ok(())
    }

    #[inline]
    fn name(&mut self, text: &str) -> Bound<'py, PyString> {
        let py = self.py;
        let slot = self.names.as_mut().filter(|_| text.len() <= NAME_BYTES_MAX);
        let Some(slot) = slot.and_then(|names| names.get_mut(place(text))) else {
            return PyString::new(py, text);
        };
        if let Some(known) = slot
            && known.bind(py).to_str().is_ok_and(|known| known == text)
        {
            return known.bind(py).clone();
        }
        let made = PyString::new(py, text);
        *slot = Some(made.clone().unbind());
        made
    }

    fn integer(&self, number: Integer) -> PyResult<Bound<'py, PyInt>> {
        Ok(match number.as_i64() {
            Some(small) => small.into_pyobject(self.py)?,
            None => number.as_i128().into_pyobject(self.py)?,
        })
    }

    /// A decimal, or its tag with exponent and mantissa where `decimal` has no room for the exponent.
    fn decimal(&self, number: Decimal) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        // The greatest exponent of a number of 39 digits that every build of `decimal` holds exactly.
        if number.exponent().unsigned_abs() < 999_999_999_999_999_900 {
            return decimal_class(py)?.call1((number.to_string(),));
        }
        let parts = PyList::new(py, [number.exponent().into_pyobject(py)?, number.mantissa().into_pyobject(py)?])?;
        Ok(Bound::new(py, Tag::new(4, parts.into_any().unbind()))?.into_any())
    }
}

/// Where a name is remembered.
#[inline]
fn place(text: &str) -> usize {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 15)) as usize % NAMES
}
