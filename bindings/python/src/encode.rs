//! Python objects to documents, without a tree in between.
//!
//! Always: what has no exact form is refused with its path in the document; nothing is rounded or dropped. Nesting is
//! bounded before it is entered, so a list that holds itself is refused.
//! Does not know: collections. Format: docs/spec/encoding.md.

use std::sync::Mutex;

use entidb_abi::codec::{Decimal, Encoder, Integer, KeyRef, Path};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDate, PyDateTime, PyDict, PyFloat, PyInt, PyList, PyMapping, PyMemoryView,
    PyString, PyTuple, PyType,
};

use crate::entity::is_entity;
use crate::error::{code, raise, refuse, refuse_field};
use crate::moment;
use crate::shape::{FIELDS, FIELDS_MAX, Shapes, Written};
use crate::value::{EntityId, Tag, Timestamp, Vector};

/// As deep as a document may be nested.
const DEPTH_MAX: usize = 64;

/// What is known of the dicts written lately. The lock is never held while anything of Python runs.
static RECENT: Mutex<Shapes<Written>> = Mutex::new(Shapes::new());

static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The class `decimal.Decimal`.
pub(crate) fn decimal_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    DECIMAL.import(py, "decimal", "Decimal")
}

/// Why an object has no form; boxed so that the way of success stays small.
pub(crate) struct Refusal(Box<Why>);

enum Why {
    /// An exception of Python on the way.
    Raised(PyErr),
    /// A code, what is wrong, and the way to it, innermost step first.
    Refused { code: i32, problem: String, way: Vec<Step> },
}

enum Step {
    Field(String),
    Position(usize),
}

impl From<PyErr> for Refusal {
    fn from(error: PyErr) -> Self {
        Self(Box::new(Why::Raised(error)))
    }
}

/// A failure of the library while a batch is framed.
impl From<entidb_abi::Error> for Refusal {
    fn from(error: entidb_abi::Error) -> Self {
        Self::new(error.code, error.message.clone())
    }
}

impl Refusal {
    #[cold]
    fn new(code: i32, problem: impl Into<String>) -> Self {
        Self(Box::new(Why::Refused { code, problem: problem.into(), way: Vec::new() }))
    }

    #[cold]
    fn within(mut self, step: Step) -> Self {
        if let Why::Refused { way, .. } = &mut *self.0 {
            way.push(step);
        }
        self
    }

    #[cold]
    fn at(self, key: &Bound<'_, PyAny>) -> Self {
        let name = key.str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        self.within(Step::Field(name))
    }

    /// Names the document of a batch.
    #[cold]
    pub(crate) fn of_document(self, position: usize) -> Self {
        self.within(Step::Position(position))
    }

    /// The exception.
    #[cold]
    pub(crate) fn raise(self, py: Python<'_>) -> PyErr {
        match *self.0 {
            Why::Raised(error) => error,
            Why::Refused { code, problem, way } => {
                let mut place = String::new();
                for step in way.iter().rev() {
                    match step {
                        Step::Field(name) if place.is_empty() => place.push_str(name),
                        Step::Field(name) => {
                            place.push('.');
                            place.push_str(name);
                        }
                        Step::Position(position) => place.push_str(&format!("[{position}]")),
                    }
                }
                if place.is_empty() { refuse(py, code, problem) } else { refuse_field(py, code, &place, &problem) }
            }
        }
    }
}

type Result<T = ()> = std::result::Result<T, Refusal>;

/// The document of an object.
pub(crate) fn encode(object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    encode_with(object.py(), |writer| writer.item(object, 0))
}

/// The document of a dict; anything else could be stored, but not come back as an `Entity`.
pub(crate) fn encode_document(object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    encode_with(object.py(), |writer| writer.document(object))
}

/// The document that a function writes.
pub(crate) fn encode_with(py: Python<'_>, write: impl FnOnce(&mut Writer) -> Result) -> PyResult<Vec<u8>> {
    // Room for most documents, and for the copy that sorting them makes: the allocator has such pieces at hand.
    let mut out = Vec::with_capacity(512);
    append_with(&mut out, write).map_err(|refusal| refusal.raise(py))?;
    Ok(out)
}

/// Appends the document of a dict to a buffer.
pub(crate) fn append_document(out: &mut Vec<u8>, object: &Bound<'_, PyAny>) -> Result {
    append_with(out, |writer| writer.document(object))
}

fn append_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Writer) -> Result) -> Result {
    let mut writer = Writer { encoder: Encoder::append_to(std::mem::take(out)) };
    write(&mut writer)?;
    *out = writer.encoder.finish().map_err(|error| Refusal::from(entidb_abi::Error::from(error)))?;
    Ok(())
}

/// Writes Python objects.
pub(crate) struct Writer {
    pub(crate) encoder: Encoder,
}

impl Writer {
    /// Writes an object and all it holds.
    pub(crate) fn item(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> Result {
        if let Ok(text) = object.cast_exact::<PyString>() {
            return self.text(text);
        }
        if let Ok(number) = object.cast_exact::<PyInt>() {
            return self.integer(number);
        }
        if let Ok(map) = object.cast_exact::<PyDict>() {
            return self.map(map, depth);
        }
        if let Ok(list) = object.cast_exact::<PyList>() {
            return self.list(list, depth);
        }
        if let Ok(number) = object.cast_exact::<PyFloat>() {
            self.encoder.float(number.value());
            return Ok(());
        }
        if object.is_none() {
            self.encoder.null();
            return Ok(());
        }
        if let Ok(flag) = object.cast_exact::<PyBool>() {
            self.encoder.bool(flag.is_true());
            return Ok(());
        }
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            self.encoder.bytes(bytes.as_bytes());
            return Ok(());
        }
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            return self.tuple(tuple, depth);
        }
        self.special(object, depth)
    }

    fn document(&mut self, object: &Bound<'_, PyAny>) -> Result {
        if let Ok(map) = object.cast::<PyDict>() {
            return self.map(map, 0);
        }
        match object.cast::<PyMapping>() {
            Ok(map) => self.map(&copied(map)?, 0),
            Err(_) => Err(no_dict(object)?),
        }
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> Result {
        self.encoder.text(text.to_str().map_err(|_| surrogate())?);
        Ok(())
    }

    fn integer(&mut self, number: &Bound<'_, PyInt>) -> Result {
        self.encoder.integer(integer(number)?);
        Ok(())
    }

    fn enter(depth: usize) -> Result<usize> {
        if depth >= DEPTH_MAX {
            let problem =
                format!("it is nested more than {DEPTH_MAX} deep; flatten it, or look whether it holds itself");
            return Err(Refusal::new(code::TOO_DEEP, problem));
        }
        Ok(depth + 1)
    }

    /// Writes the entries of a dict as a map.
    pub(crate) fn map(&mut self, map: &Bound<'_, PyDict>, depth: usize) -> Result {
        let inner = Self::enter(depth)?;
        if FIELDS.contains(&map.len()) && self.shaped(map, inner)? {
            return Ok(());
        }
        // What an entry holds may run code of Python, and that may change the dict.
        let mut entries = Vec::new();
        entries.try_reserve_exact(map.len()).map_err(|_| no_memory())?;
        entries.extend(map.iter());
        self.encoder.begin_map(entries.len());
        for (key, value) in entries {
            self.key(&key)?;
            self.item(&value, inner).map_err(|refusal| refusal.at(&key))?;
        }
        self.encoder.end();
        Ok(())
    }

    /// Writes a dict that has the keys of a shape, in canonical order, so that nothing needs to be sorted; false, and
    /// nothing is written, when it has others.
    fn shaped(&mut self, map: &Bound<'_, PyDict>, inner: usize) -> Result<bool> {
        let count = map.len();
        let Some((first, _)) = map.iter().next() else { return Ok(false) };
        let Ok(hash) = first.hash() else { return Ok(false) };
        let hash = hash.unsigned_abs();
        let shape = RECENT.try_lock().ok().and_then(|mut recent| recent.get(hash, count));
        if let Some(shape) = shape.filter(|shape| shape.keys.len() == count) {
            let mut values = [const { None }; FIELDS_MAX];
            let mut fits = true;
            for ((place, (key, value)), slot) in map.iter().enumerate().zip(&mut values) {
                fits = shape.has(place, &key);
                if !fits {
                    break;
                }
                *slot = Some(value);
            }
            if fits {
                self.encoder.begin_map(count);
                for (place, name) in &shape.sorted {
                    let Some(Some(value)) = values.get(*place) else { continue };
                    self.encoder.key(KeyRef::Text(name));
                    self.item(value, inner).map_err(|refusal| refusal.within(Step::Field(name.to_string())))?;
                }
                self.encoder.end();
                return Ok(true);
            }
        }
        if let Ok(mut recent) = RECENT.try_lock() {
            recent.missed(hash, count, || Written::of(map));
        }
        Ok(false)
    }

    /// Writes the value of a field of a document.
    pub(crate) fn field(&mut self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> Result {
        self.item(value, 1).map_err(|refusal| refusal.at(key))
    }

    /// Writes a key of a map.
    fn key(&mut self, key: &Bound<'_, PyAny>) -> Result {
        self.encoder.key(judged(key)?);
        Ok(())
    }

    fn list(&mut self, list: &Bound<'_, PyList>, depth: usize) -> Result {
        let inner = Self::enter(depth)?;
        self.encoder.begin_array(list.len());
        for (position, item) in list.iter().enumerate() {
            self.item(&item, inner).map_err(|refusal| refusal.within(Step::Position(position)))?;
        }
        self.encoder.end();
        Ok(())
    }

    fn tuple(&mut self, tuple: &Bound<'_, PyTuple>, depth: usize) -> Result {
        let inner = Self::enter(depth)?;
        self.encoder.begin_array(tuple.len());
        for (position, item) in tuple.iter().enumerate() {
            self.item(&item, inner).map_err(|refusal| refusal.within(Step::Position(position)))?;
        }
        self.encoder.end();
        Ok(())
    }

    /// What is neither a number nor a text, list or dict of exactly that class.
    fn special(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> Result {
        let py = object.py();
        if let Ok(id) = object.cast::<EntityId>() {
            self.encoder.entity_id(&id.get().raw());
        } else if let Ok(moment) = object.cast::<PyDateTime>() {
            match moment::from_host(moment)? {
                Some(_) if moment::has_nanoseconds(moment)? => return Err(too_fine()),
                Some(micros) => self.encoder.timestamp(entidb_abi::codec::Timestamp::from_micros(micros)),
                None if moment.get_type().name()? == "NaTType" => return Err(not_a_time()),
                None => return Err(naive()),
            }
        } else if let Ok(date) = object.cast::<PyDate>() {
            self.encoder.begin_tag(moment::DATE_TAG);
            self.encoder.text(&moment::date_text(date)?);
            self.encoder.end();
        } else if let Ok(moment) = object.cast::<Timestamp>() {
            self.encoder.timestamp(entidb_abi::codec::Timestamp::from_micros(moment.get().micros));
        } else if let Ok(vector) = object.cast::<Vector>() {
            self.encoder.vector(vector.get().view());
        } else if let Ok(map) = object.cast::<PyDict>() {
            if depth > 0 && is_entity(object)? {
                return Err(nested_entity());
            }
            return self.map(map, depth);
        } else if let Ok(list) = object.cast::<PyList>() {
            return self.list(list, depth);
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            return self.tuple(tuple, depth);
        } else if let Ok(text) = object.cast::<PyString>() {
            return self.text(text);
        } else if let Ok(number) = object.cast::<PyInt>() {
            return self.integer(number);
        } else if let Ok(number) = object.cast::<PyFloat>() {
            self.encoder.float(number.value());
        } else if let Ok(bytes) = object.cast::<PyBytes>() {
            self.encoder.bytes(bytes.as_bytes());
        } else if let Ok(bytes) = object.cast::<PyByteArray>() {
            self.encoder.bytes(&bytes.to_vec());
        } else if object.cast::<PyMemoryView>().is_ok() {
            let copied = object.call_method0("tobytes")?;
            self.encoder.bytes(copied.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
        } else if let Ok(tag) = object.cast::<Tag>() {
            let inner = Self::enter(depth)?;
            self.encoder.begin_tag(tag.get().tag);
            self.item(tag.get().value.bind(py), inner)?;
            self.encoder.end();
        } else if object.is_instance(crate::value::uuid_class(py)?)? {
            self.encoder.uuid(&object.getattr("bytes")?.extract()?);
        } else if object.is_instance(decimal_class(py)?)? {
            self.decimal(object)?;
        } else if let Some(plain) = numpy_number(object)? {
            return self.item(&plain, depth);
        } else if let Ok(map) = object.cast::<PyMapping>() {
            return self.map(&copied(map)?, depth);
        } else {
            return Err(unknown(object)?);
        }
        Ok(())
    }

    /// Writes the path that a key of a dict of changes names: dotted text, or an integer key.
    pub(crate) fn path(&mut self, key: &Bound<'_, PyAny>) -> Result {
        match judged(key)? {
            KeyRef::Text(text) => {
                let path = Path::dotted(text).map_err(|error| Refusal::from(entidb_abi::Error::from(error)))?;
                self.encoder.value(&path.to_value());
            }
            KeyRef::Integer(number) => {
                self.encoder.begin_array(1);
                self.encoder.begin_array(1);
                self.encoder.integer(number);
                self.encoder.end();
                self.encoder.end();
            }
        }
        Ok(())
    }

    fn decimal(&mut self, number: &Bound<'_, PyAny>) -> Result {
        let text = number.str()?;
        let text = text.to_str()?;
        let Ok(decimal) = text.parse::<Decimal>() else {
            let problem = "a decimal has no form in a document unless it is finite and has up to 38 digits";
            return Err(Refusal::new(code::UNREPRESENTABLE, problem));
        };
        if decimal.mantissa() == 0 && text.starts_with('-') {
            let problem = "a decimal has no negative zero in a document; store 0, or a float";
            return Err(Refusal::new(code::UNREPRESENTABLE, problem));
        }
        self.encoder.decimal(decimal);
        Ok(())
    }
}

/// The key of a map, if it is one that a document can have.
#[inline]
fn judged<'k>(key: &'k Bound<'_, PyAny>) -> Result<KeyRef<'k>> {
    if let Ok(text) = key.cast::<PyString>() {
        return text.to_str().map(KeyRef::Text).map_err(|_| surrogate().at(key));
    }
    if let Ok(number) = key.cast::<PyInt>()
        && !key.is_instance_of::<PyBool>()
    {
        return integer(number).map(KeyRef::Integer).map_err(|refusal| refusal.at(key));
    }
    let found = key.get_type().name().map_err(Refusal::from)?;
    let problem = format!("a key is a {found}; use text or integer keys");
    Err(Refusal::new(code::INVALID_KEY, problem).at(key))
}

/// A mapping of any class as a dict.
pub(crate) fn copied<'py>(map: &Bound<'py, PyMapping>) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(map.py());
    made.update(map)?;
    Ok(made)
}

/// The number of Python that a scalar of numpy equals, where there is one: whole numbers, booleans, and floats of up to 64
/// bits.
#[cold]
fn numpy_number<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    if object.get_type().module()?.to_str()? != "numpy"
        || !object.is_instance(&py.import("numpy")?.getattr("generic")?)?
    {
        return Ok(None);
    }
    let kind = object.getattr("dtype")?;
    let (letter, bytes): (String, usize) = (kind.getattr("kind")?.extract()?, kind.getattr("itemsize")?.extract()?);
    match letter.as_str() {
        "i" | "u" | "b" => {}
        "f" if bytes <= 8 => {}
        _ => return Ok(None),
    }
    object.call_method0("item").map(Some)
}

fn integer(number: &Bound<'_, PyInt>) -> Result<Integer> {
    if let Ok(small) = number.extract::<i64>() {
        return Ok(Integer::from(small));
    }
    let wide = number.extract::<i128>().ok().and_then(|wide| Integer::try_from(wide).ok());
    wide.ok_or_else(|| {
        let problem = "an integer is outside -2^64 to 2^64-1; store a decimal.Decimal, or bytes";
        Refusal::new(code::NUMBER_OUT_OF_RANGE, problem)
    })
}

#[cold]
fn surrogate() -> Refusal {
    Refusal::new(code::INVALID_UTF8, "a text holds a lone surrogate, which is no character; repair it or store bytes")
}

#[cold]
fn naive() -> Refusal {
    let problem = "a datetime without a time zone is no moment; use entidb.now() or datetime.now(timezone.utc), say \
                   which zone it is in with .replace(tzinfo=...) or .astimezone() for this machine's, or store .isoformat()";
    Refusal::new(code::UNREPRESENTABLE, problem)
}

/// The missing value of pandas for moments, which is a `datetime` without a time zone.
#[cold]
fn not_a_time() -> Refusal {
    Refusal::new(code::UNREPRESENTABLE, "NaT is no moment; store None, or leave the field out")
}

#[cold]
fn too_fine() -> Refusal {
    let problem = "a moment has nanoseconds, and a document holds microseconds; round it, for instance with .floor(\"us\"), \
                   or store the nanoseconds as a number";
    Refusal::new(code::UNREPRESENTABLE, problem)
}

#[cold]
fn no_memory() -> Refusal {
    Refusal::new(code::OUT_OF_MEMORY, "no memory for the entries of a dict; store less at once, or free memory")
}

#[cold]
fn nested_entity() -> Refusal {
    let problem = "an Entity stands inside a document, as a reference or as a copy; store its id, or dict(entity)";
    Refusal::new(code::UNREPRESENTABLE, problem)
}

/// The refusal of an object of another class, with what to do about the frequent ones.
#[cold]
fn unknown(object: &Bound<'_, PyAny>) -> PyResult<Refusal> {
    let class = object.get_type();
    let name = class.name()?.to_string();
    let module = class.module()?.to_string();
    let remedy = match (module.as_str(), name.as_str()) {
        ("builtins", "set" | "frozenset" | "range" | "generator" | "dict_keys" | "dict_values") => {
            "convert it to a list"
        }
        ("builtins", "complex") => "store its parts",
        ("datetime", "time" | "timedelta") => "store a datetime, a text or a number",
        ("array", "array") | ("numpy", "ndarray") => "wrap it in entidb.Vector",
        ("numpy", "datetime64") => "convert it to a datetime with a time zone",
        ("numpy", _) => "convert it to an int, a float or a text",
        ("entidb.query", _) => "a condition belongs into find()",
        _ if object.hasattr("__dataclass_fields__")? => "convert it with dataclasses.asdict()",
        _ => "convert it to a dict, list, text or number",
    };
    Ok(Refusal::new(code::UNREPRESENTABLE, format!("a {name} has no form in a document; {remedy}")))
}

#[cold]
fn no_dict(object: &Bound<'_, PyAny>) -> PyResult<Refusal> {
    let name = object.get_type().name()?;
    let remedy = if object.hasattr("__dataclass_fields__")? {
        "convert it with dataclasses.asdict()"
    } else if object.hasattr("keys")? {
        "convert it with dict()"
    } else {
        "put it under a field"
    };
    Ok(Refusal::new(code::WRONG_TYPE, format!("a document is a dict, and a {name} was given; {remedy}")))
}

/// An error of the codec as an exception.
pub(crate) fn raise_codec(py: Python<'_>, error: entidb_abi::codec::Error) -> PyErr {
    raise(py, &entidb_abi::Error::from(error))
}
