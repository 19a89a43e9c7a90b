//! Documents to Python objects, without a tree in between.
//!
//! Always: bytes are judged while they are read; every value that can be stored has an object that stores the same.
//! Does not know: where the bytes come from. Format: docs/spec/encoding.md.

use std::sync::{Mutex, MutexGuard};

use entidb_abi::codec::{Decimal, Decoder, Event, Integer, KeyOrder, KeyRef, Limits};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::encode::{decimal_class, raise_codec};
use crate::error::{code, refuse};
use crate::moment;
use crate::shape::{self, FIELDS, Shapes};
use crate::value::{EntityId, Tag, Vector, uuid_class};

/// How many names of fields are remembered, and how long they may be.
const NAMES: usize = 1024;
const NAME_BYTES_MAX: usize = 64;

/// What is known of the documents read lately. Only the holder of the lock may use it, and nobody waits for it: code
/// that runs between may release the GIL.
static RECENT: Mutex<Recent> = Mutex::new(Recent { names: Vec::new(), shapes: Shapes::new() });

struct Recent {
    /// Names of fields: the same few come with every document, and a string that is there already costs neither memory
    /// nor a hash.
    names: Vec<Option<Py<PyString>>>,
    shapes: Shapes<shape::Read>,
}

/// The object of a document that the library gave.
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    decode_within(py, bytes, &Limits::STORED)
}

/// The object of a document, within limits.
pub(crate) fn decode_within<'py>(py: Python<'py>, bytes: &[u8], limits: &Limits) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader::new(py, bytes, limits);
    let object = reader.item()?;
    reader.finish()?;
    Ok(object)
}

/// Reads a document, which must be a map, into a dict.
pub(crate) fn decode_into(bytes: &[u8], into: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = into.py();
    let mut reader = Reader::new(py, bytes, &Limits::STORED);
    match reader.event()? {
        Event::Map(count) => drop(reader.map(count, Some(into))?),
        _ => return Err(refuse(py, code::WRONG_TYPE, "the document is not a map; read it with get_bytes")),
    }
    reader.finish()
}

struct Reader<'a, 'py> {
    py: Python<'py>,
    decoder: Decoder<'a>,
    recent: Option<MutexGuard<'static, Recent>>,
}

impl<'a, 'py> Reader<'a, 'py> {
    fn new(py: Python<'py>, bytes: &'a [u8], limits: &Limits) -> Self {
        let recent = RECENT.try_lock().ok().map(|mut recent| {
            if recent.names.is_empty() {
                recent.names.resize_with(NAMES, || None);
            }
            recent
        });
        Self { py, decoder: Decoder::within(bytes, limits), recent }
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
                let mut items = Vec::with_capacity(self.decoder.room(count));
                for _ in 0..count {
                    items.push(self.item()?);
                }
                self.decoder.leave();
                PyList::new(py, items)?.into_any()
            }
            Event::Map(count) => self.map(count, None)?.into_any(),
            Event::Timestamp(moment) => moment::to_host(py, moment.micros())?,
            Event::Uuid(id) => uuid_class(py)?.call1((py.None(), PyBytes::new(py, &id)))?,
            Event::EntityId(id) => Bound::new(py, EntityId::of(id))?.into_any(),
            Event::Decimal(number) => self.decimal(number)?,
            Event::Vector(vector) => Bound::new(py, Vector::of(vector))?.into_any(),
            Event::Tag(tag) => {
                let value = self.item()?;
                self.decoder.leave();
                let date = match value.cast::<PyString>() {
                    Ok(text) if tag == moment::DATE_TAG => moment::date(py, text.to_str()?)?,
                    _ => None,
                };
                match date {
                    Some(date) => date,
                    None => Bound::new(py, Tag::new(tag, value.unbind()))?.into_any(),
                }
            }
        })
    }

    /// A map, in an empty dict that is given or in a new one.
    fn map(&mut self, count: usize, given: Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyDict>> {
        let py = self.py;
        let mut order = KeyOrder::new();
        let fresh = || given.cloned().unwrap_or_else(|| PyDict::new(py));
        if !FIELDS.contains(&count) {
            let map = fresh();
            self.entries(count, &mut order, &map)?;
            self.decoder.leave();
            return Ok(map);
        }
        let first = self.key(&mut order)?;
        let KeyRef::Text(text) = first else {
            let map = fresh();
            self.entry(first, &map)?;
            self.entries(count - 1, &mut order, &map)?;
            self.decoder.leave();
            return Ok(map);
        };
        let hash = place(text);
        let shape = self.recent.as_mut().and_then(|recent| recent.shapes.get(hash, count));
        let shape = shape.filter(|shape| shape.names.len() == count);
        let map = match shape {
            Some(shape) if shape.names.first().is_some_and(|(known, _)| **known == *text) => {
                let map = shape.begin(py, given)?;
                if self.shaped(&shape.names, &mut order, &map)? {
                    self.decoder.leave();
                    return Ok(map);
                }
                map
            }
            _ => {
                let map = fresh();
                self.entry(first, &map)?;
                self.entries(count - 1, &mut order, &map)?;
                map
            }
        };
        self.decoder.leave();
        if let Some(recent) = &mut self.recent {
            recent.shapes.missed(hash, count, || {
                let names = map.keys().iter().map(|name| name.cast_into_exact::<PyString>().ok());
                shape::Read::new(py, &names.collect::<Option<Vec<_>>>()?)
            });
        }
        Ok(map)
    }

    /// Reads the entries of a map into a dict that has the keys of a shape, after the first key; false when they turned
    /// out to be others, which then stand in the dict instead.
    fn shaped(
        &mut self,
        names: &[(Box<str>, Py<PyString>)],
        order: &mut KeyOrder,
        map: &Bound<'py, PyDict>,
    ) -> PyResult<bool> {
        let py = self.py;
        for (at, (known, name)) in names.iter().enumerate() {
            if at > 0 {
                let key = self.key(order)?;
                if !matches!(key, KeyRef::Text(text) if *text == **known) {
                    for (_, name) in names.iter().skip(at) {
                        map.del_item(name)?;
                    }
                    self.entry(key, map)?;
                    self.entries(names.len() - at - 1, order, map)?;
                    return Ok(false);
                }
            }
            let value = self.item()?;
            map.set_item(name.bind(py), value)?;
        }
        Ok(true)
    }

    fn entries(&mut self, count: usize, order: &mut KeyOrder, into: &Bound<'py, PyDict>) -> PyResult<()> {
        for _ in 0..count {
            let key = self.key(order)?;
            self.entry(key, into)?;
        }
        Ok(())
    }

    fn entry(&mut self, key: KeyRef<'a>, into: &Bound<'py, PyDict>) -> PyResult<()> {
        let key = match key {
            KeyRef::Text(text) => self.name(text).into_any(),
            KeyRef::Integer(number) => self.integer(number)?.into_any(),
        };
        let value = self.item()?;
        into.set_item(key, value)
    }

    #[inline]
    fn key(&mut self, order: &mut KeyOrder) -> PyResult<KeyRef<'a>> {
        self.decoder.key(order).map_err(|error| raise_codec(self.py, error))
    }

    #[inline]
    fn name(&mut self, text: &str) -> Bound<'py, PyString> {
        let py = self.py;
        let recent = self.recent.as_mut().filter(|_| text.len() <= NAME_BYTES_MAX);
        let Some(slot) = recent.and_then(|recent| recent.names.get_mut(place(text) % NAMES)) else {
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

    /// A decimal, or its tag with exponent and mantissa where `decimal` of this machine has no room for the exponent.
    fn decimal(&self, number: Decimal) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        // An exponent that every build of `decimal` holds.
        if number.exponent().unsigned_abs() < 400_000_000 {
            return decimal_class(py)?.call1((number.to_string(),));
        }
        let (exponent, mantissa) = (number.exponent(), number.mantissa());
        if let Ok(made) = decimal_class(py)?.call1((number.to_string(),)) {
            // Past its limits a number becomes infinite, or its digits are cut, depending on the context of the caller.
            let parts = made.call_method0("as_tuple")?;
            let digits: String = parts
                .getattr("digits")?
                .try_iter()?
                .map(|digit| digit?.str()?.extract::<String>())
                .collect::<PyResult<_>>()?;
            let same_exponent = parts.getattr("exponent")?.extract::<i64>().is_ok_and(|found| found == exponent);
            if same_exponent && digits == mantissa.unsigned_abs().to_string() {
                return Ok(made);
            }
        }
        let parts = PyList::new(py, [exponent.into_pyobject(py)?, mantissa.into_pyobject(py)?])?;
        Ok(Bound::new(py, Tag::new(4, parts.into_any().unbind()))?.into_any())
    }
}

/// A number for a name, to remember it by.
#[inline]
fn place(text: &str) -> usize {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 15)) as usize
}
