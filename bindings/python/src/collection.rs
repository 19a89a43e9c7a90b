//! Collections.
//!
//! Always: documents are dicts; what is read comes as an `Entity`. A collection of a transaction sees and changes what
//! the transaction does. Does not know: how queries are written (`entidb/query.py`).

use entidb_abi::{self as abi, Id, WriteMode};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyString, PyTuple};

use crate::argument::optional;
use crate::cbor::with_bytes;
use crate::cursor::{Cursor, KeyCursor};
use crate::decode::decode;
use crate::encode::{Refusal, append_document, copied, encode, encode_document, encode_with};
use crate::entity::{entity, framed, own_id};
use crate::error::{call, code, missing, refuse, refuse_pickle};
use crate::gil::{Busy, Pace};
use crate::value::EntityId;

static QUERY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static INDEX: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static MANUAL_INDEX: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static EXPLANATION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static PATCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static FIELD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
static ORDER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// A collection of entities.
///
/// It behaves like a dict of documents by id: ``c[id]``, ``c[id] = doc``, ``id in c``, ``len(c)``, ``del c[id]``.
/// Iteration returns the entities in the order of ids. Any number of threads may use it at once.
#[pyclass(frozen, weakref, module = "entidb")]
pub(crate) struct Collection {
    collection: abi::Collection,
    name: String,
    /// The database or transaction it was taken from, which lives as long.
    owner: Py<PyAny>,
    pace: Pace,
}

/// An object of the Python half of the package.
fn facade<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
) -> PyResult<&'py Bound<'py, PyAny>> {
    let found = cell.get_or_try_init(py, || Ok::<_, PyErr>(py.import(module)?.getattr(name)?.unbind()))?;
    Ok(found.bind(py))
}

fn host_id<'py>(py: Python<'py>, id: Id) -> PyResult<Bound<'py, EntityId>> {
    Bound::new(py, EntityId::of(id))
}

fn all_ids(ids: &Bound<'_, PyAny>) -> PyResult<Vec<Id>> {
    ids.try_iter()?.map(|id| EntityId::from_host(&id?)).collect()
}

impl Collection {
    /// The collection of a database.
    pub(crate) fn new(collection: abi::Collection, name: &str, owner: Py<PyAny>) -> Self {
        Self { collection, name: name.to_owned(), owner, pace: Pace::default() }
    }

    /// The collection of a transaction.
    pub(crate) fn within(collection: abi::Collection, name: &str, owner: Py<PyAny>, busy: Busy) -> Self {
        Self { pace: Pace::within(busy), ..Self::new(collection, name, owner) }
    }

    /// Runs a call of the library that may take long, for a walk over this collection too.
    pub(crate) fn long<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> abi::Result<T> + Send) -> PyResult<T> {
        self.pace.long(py, run)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The id given beside a document, or that of the entity the document is.
    fn id_for(document: &Bound<'_, PyAny>, id: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Id>> {
        match id {
            Some(id) if !id.is_none() => EntityId::from_host(id).map(Some),
            _ => own_id(document),
        }
    }

    /// Changes one entity. In a transaction that waits for nobody and flushes nothing.
    fn change<T: Send>(&self, py: Python<'_>, run: impl FnOnce() -> abi::Result<T> + Send) -> PyResult<T> {
        if self.pace.is_within() { self.pace.call(py, run) } else { call(py, run) }
    }

    fn store(&self, py: Python<'_>, id: Option<&Id>, document: &[u8], mode: WriteMode) -> PyResult<Id> {
        self.change(py, || self.collection.put(id, document, mode))
    }

    fn read<'py>(&self, given: &Bound<'py, PyAny>, id: &Id) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = given.py();
        match self.pace.call(py, || self.collection.get(id))? {
            Some(found) => {
                entity(py, EntityId::object(py, *id, Some(given))?, found.version(), found.bytes()).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The bytes of a query that came as a dict.
    fn query(request: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        encode(request)
    }
}

#[pymethods]
impl Collection {
    /// Its name.
    #[getter(name)]
    fn host_name(&self) -> &str {
        &self.name
    }

    /// Stores a document and returns its id.
    ///
    /// Without ``id`` a document gets a new id, and an ``Entity`` is stored under its id.
    #[pyo3(signature = (document, id = None))]
    fn put<'py>(&self, document: &Bound<'py, PyAny>, id: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, EntityId>> {
        let py = document.py();
        let raw = Self::id_for(document, id)?;
        let stored = self.store(py, raw.as_ref(), &encode_document(document)?, WriteMode::Put)?;
        EntityId::object(py, stored, id)
    }

    /// Stores a document. Raises ``AlreadyExistsError`` if the id exists.
    #[pyo3(signature = (document, id = None))]
    fn insert<'py>(
        &self,
        document: &Bound<'py, PyAny>,
        id: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, EntityId>> {
        let py = document.py();
        let raw = Self::id_for(document, id)?;
        let stored = self.store(py, raw.as_ref(), &encode_document(document)?, WriteMode::Insert)?;
        EntityId::object(py, stored, id)
    }

    /// Replaces a document. Raises ``EntityNotFoundError`` if the id does not exist.
    ///
    /// With ``version`` the entity must have that version: otherwise ``VersionMismatchError``.
    #[pyo3(signature = (id, document, *, version = None))]
    fn replace(
        &self,
        id: &Bound<'_, PyAny>,
        document: &Bound<'_, PyAny>,
        version: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let id = EntityId::from_host(id)?;
        let mode = optional(version, "version")?.map_or(WriteMode::Replace, WriteMode::ReplaceVersion);
        self.store(document.py(), Some(&id), &encode_document(document)?, mode).map(drop)
    }

    /// Stores many documents, all or none, and returns their ids.
    ///
    /// ``ids`` has one id, or ``None``, for each document.
    #[pyo3(signature = (documents, ids = None))]
    fn put_many<'py>(
        &self,
        documents: &Bound<'py, PyAny>,
        ids: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let py = documents.py();
        let mut given = match ids {
            Some(ids) if !ids.is_none() => Some(ids.try_iter()?),
            _ => None,
        };
        let fewer = "there are fewer ids than documents; give one, or None, for each";
        let mut frames = Vec::with_capacity(4096);
        for (position, document) in documents.try_iter()?.enumerate() {
            let document = document?;
            let id = match &mut given {
                Some(given) => match given.next() {
                    Some(id) => Some(id?),
                    None => return Err(refuse(py, code::INVALID_ARGUMENT, fewer)),
                },
                None => None,
            };
            let id = Self::id_for(&document, id.as_ref())?;
            abi::Collection::frame_document(&mut frames, id.as_ref(), |out| append_document(out, &document))
                .map_err(|refusal: Refusal| refusal.of_document(position).raise(py))?;
        }
        if given.is_some_and(|mut given| given.next().is_some()) {
            let problem = "there are more ids than documents; give one, or None, for each";
            return Err(refuse(py, code::INVALID_ARGUMENT, problem));
        }
        let stored = self.long(py, || self.collection.put_many(&frames))?;
        let list = PyList::empty(py);
        for id in stored {
            list.append(host_id(py, id)?)?;
        }
        Ok(list)
    }

    /// Stores a document given as canonical CBOR.
    #[pyo3(signature = (data, id = None))]
    fn put_bytes<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        id: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, EntityId>> {
        let py = data.py();
        let id = id.filter(|id| !id.is_none()).map(EntityId::from_host).transpose()?;
        with_bytes(data, |bytes| host_id(py, self.store(py, id.as_ref(), bytes, WriteMode::Put)?))
    }

    /// The entity with this id, or ``default``; with ``at`` as it was after that commit, given by its sequence.
    #[pyo3(signature = (id, default = None, *, at = None))]
    fn get<'py>(
        &self,
        id: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = match optional(at, "at")? {
            None => self.read(id, &EntityId::from_host(id)?)?,
            Some(at) => {
                let (py, key) = (id.py(), EntityId::from_host(id)?);
                let found = self.long(py, || self.collection.get_as_of(&key, at))?;
                let made = |found: abi::Entity| {
                    entity(py, EntityId::object(py, key, Some(id))?, found.version(), found.bytes())
                };
                found.map(made).transpose()?
            }
        };
        Ok(found.or(default))
    }

    /// The versions the entity has had and that are kept, the oldest first; those before a delete are among them.
    fn history<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let (py, key) = (id.py(), EntityId::from_host(id)?);
        let list = PyList::empty(py);
        let make = py.import("entidb.changes")?.getattr("EntityVersion")?;
        let mut after = 0;
        loop {
            let mut frames = self.long(py, || self.collection.history(&key, after))?;
            let before = list.len();
            while let Some((until, frame)) = frames.next_version() {
                after = frame.found.map_or(after, |(version, _)| version);
                list.append(make.call1((framed(py, &frame)?, until))?)?;
            }
            if list.len() == before {
                return Ok(list);
            }
        }
    }

    /// The document with this id as canonical CBOR, or ``None``.
    fn get_bytes<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (py, id) = (id.py(), EntityId::from_host(id)?);
        let found = self.pace.call(py, || self.collection.get(&id))?;
        Ok(found.map(|found| PyBytes::new(py, found.bytes())))
    }

    /// The entities with these ids, in the order of the ids; ``None`` for an id without an entity.
    fn get_many<'py>(&self, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let (py, ids) = (ids.py(), all_ids(ids)?);
        let mut frames = self.long(py, || self.collection.get_many(&ids))?;
        let list = PyList::empty(py);
        while let Some(frame) = frames.next_frame() {
            list.append(framed(py, &frame)?)?;
        }
        Ok(list)
    }

    /// Changes parts of an entity: a dict of paths and values, or a ``Patch``.
    ///
    /// A path is dotted text, as everywhere: ``{"author.name": "Ada"}`` changes one field of ``author``. A backslash
    /// before a dot makes it part of a name, ``Patch().set(f["a.b"], value)`` says the same. An integer is an integer
    /// key.
    fn update(&self, id: &Bound<'_, PyAny>, changes: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = id.py();
        let id = EntityId::from_host(id)?;
        let patch = if let Ok(fields) = changes.cast::<PyDict>() {
            merge(fields)?
        } else if let Ok(fields) = changes.cast::<PyMapping>() {
            merge(&copied(fields)?)?
        } else if changes.is_instance(facade(py, &PATCH, "entidb.patch", "Patch")?)? {
            encode(&changes.getattr("operations")?)?
        } else {
            let found = changes.get_type().name()?;
            return Err(refuse(
                py,
                code::INVALID_ARGUMENT,
                format!("changes come as a dict or a Patch, and {found} was given"),
            ));
        };
        self.change(py, || self.collection.update(&id, &patch))
    }

    /// Deletes an entity; true if it existed.
    ///
    /// With ``version`` it must have that version: otherwise ``VersionMismatchError``.
    #[pyo3(signature = (id, *, version = None))]
    fn delete(&self, id: &Bound<'_, PyAny>, version: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let (raw, version) = (EntityId::from_host(id)?, optional(version, "version")?);
        self.change(id.py(), || self.collection.delete(&raw, version))
    }

    /// Deletes these entities, all or none, and returns how many existed.
    fn delete_many(&self, ids: &Bound<'_, PyAny>) -> PyResult<u64> {
        let raw = all_ids(ids)?;
        self.long(ids.py(), || self.collection.delete_many(&raw))
    }

    /// Deletes an entity and returns it; without one, returns ``default`` if given.
    #[pyo3(signature = (id, /, *default))]
    fn pop<'py>(&self, id: &Bound<'py, PyAny>, default: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let (py, raw) = (id.py(), EntityId::from_host(id)?);
        if default.len() > 1 {
            return Err(pyo3::exceptions::PyTypeError::new_err("pop takes an id and at most one default"));
        }
        loop {
            let Some(found) = self.long(py, || self.collection.get(&raw))? else {
                return default.iter().next().ok_or_else(|| missing(py, &self.name, &raw));
            };
            let version = found.version();
            match self.pace.detach(py, || self.collection.delete(&raw, Some(version))) {
                Ok(true) => return entity(py, EntityId::object(py, raw, Some(id))?, version, found.bytes()),
                // Another thread was faster: look again.
                Ok(false) => {}
                Err(error) if matches!(error.name(), "VERSION_MISMATCH" | "ENTITY_NOT_FOUND") => {}
                Err(error) => return Err(crate::error::raise(py, &error)),
            }
        }
    }

    /// Whether an entity has this id.
    fn exists(&self, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let raw = EntityId::from_host(id)?;
        self.pace.call(id.py(), || self.collection.exists(&raw))
    }

    /// The number of entities.
    fn count(&self, py: Python<'_>) -> PyResult<u64> {
        self.pace.call(py, || self.collection.count())
    }

    /// Creates an index on fields and builds it; false if the same index exists already.
    ///
    /// A field is a dotted path, with ``-`` before it for descending order. ``unique`` refuses two entities with the
    /// same key; ``multi`` gives an array one row for each element. An index of the kind ``manual`` has a name and
    /// no fields: its keys come from the program, see ``manual_index``.
    #[pyo3(signature = (*paths, unique = false, multi = false, name = None, kind = "ordered"))]
    fn create_index(
        &self,
        paths: &Bound<'_, PyTuple>,
        unique: bool,
        multi: bool,
        name: Option<&str>,
        kind: &str,
    ) -> PyResult<bool> {
        let py = paths.py();
        let definition = PyDict::new(py);
        let columns = PyList::empty(py);
        for path in paths.iter() {
            match path.cast::<PyString>() {
                Ok(text) => columns.append(text)?,
                Err(_) if is_column(&path)? => columns.append(path.call_method0("column")?)?,
                Err(_) => {
                    let class = path.get_type();
                    let problem = format!(
                        "a field to index is text, such as \"-at\", or from entidb.f, not {}; give several fields one by one, as in \
                         create_index(\"city\", \"-age\")",
                        class.name()?
                    );
                    return Err(PyTypeError::new_err(problem));
                }
            }
        }
        definition.set_item(intern!(py, "kind"), kind)?;
        definition.set_item(intern!(py, "columns"), columns)?;
        definition.set_item(intern!(py, "unique"), unique)?;
        definition.set_item(intern!(py, "multi"), multi)?;
        if let Some(name) = name {
            definition.set_item(intern!(py, "name"), name)?;
        }
        let definition = encode(definition.as_any())?;
        self.long(py, || self.collection.create_index(&definition))
    }

    /// Removes an index.
    fn drop_index(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.long(py, || self.collection.drop_index(name))
    }

    /// The indexes.
    fn indexes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let class = facade(py, &INDEX, "entidb.query", "Index")?;
        let list = PyList::empty(py);
        for definition in decode(py, &self.long(py, || self.collection.indexes())?)?.try_iter()? {
            list.append(class.call((), Some(definition?.cast::<PyDict>()?))?)?;
        }
        Ok(list)
    }

    /// The number, the name and the size of the collection and its indexes.
    ///
    /// ``id`` never changes, and no other collection of the database ever gets it; it is absent before the collection is
    /// created. ``name`` is the name now, also after a rename.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decode(py, &self.pace.call(py, || self.collection.stats())?)
    }

    /// The manual index of this name.
    fn manual_index<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let (py, this) = (slf.py(), slf.get());
        // So that one that is not there, or is of another kind, is refused here.
        this.pace.call(py, || this.collection.count_keys(name))?;
        facade(py, &MANUAL_INDEX, "entidb.manual", "ManualIndex")?.call1((slf, name))
    }

    fn _insert_key(&self, index: &str, key: &Bound<'_, PyAny>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (bytes, id) = (encode(key)?, EntityId::from_host(id)?);
        self.change(key.py(), || self.collection.insert_key(index, &bytes, &id))
    }

    fn _remove_key(&self, index: &str, key: &Bound<'_, PyAny>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (bytes, id) = (encode(key)?, EntityId::from_host(id)?);
        self.change(key.py(), || self.collection.remove_key(index, &bytes, &id))
    }

    fn _lookup_key<'py>(&self, index: &str, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let (py, bytes) = (key.py(), encode(key)?);
        let found = PyList::empty(py);
        for id in self.pace.call(py, || self.collection.lookup_key(index, &bytes))? {
            found.append(host_id(py, id)?)?;
        }
        Ok(found)
    }

    fn _scan_keys(slf: &Bound<'_, Self>, index: &str, range: &Bound<'_, PyAny>) -> PyResult<KeyCursor> {
        let (py, bytes, this) = (range.py(), encode(range)?, slf.get());
        let cursor = this.long(py, || this.collection.scan_keys(index, &bytes))?;
        Ok(KeyCursor::new(cursor, slf.clone().unbind()))
    }

    fn _count_keys(&self, py: Python<'_>, index: &str) -> PyResult<u64> {
        self.pace.call(py, || self.collection.count_keys(index))
    }

    /// A query for the entities that match all conditions, or for all entities.
    ///
    /// Nothing is read until the query is iterated, counted or listed.
    #[pyo3(signature = (*conditions))]
    fn find<'py>(slf: &Bound<'py, Self>, conditions: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        facade(slf.py(), &QUERY, "entidb.query", "Query")?.call1((slf, conditions))
    }

    /// A cursor over the entities in the order of ids: behind ``after``, backwards with ``reverse``, at most
    /// ``limit``.
    #[pyo3(signature = (*, after = None, reverse = false, limit = None))]
    fn scan(
        slf: &Bound<'_, Self>,
        after: Option<&Bound<'_, PyAny>>,
        reverse: bool,
        limit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Cursor> {
        let (py, this) = (slf.py(), slf.get());
        let limit = optional(limit, "limit")?;
        let after = after.filter(|id| !id.is_none()).map(EntityId::from_host).transpose()?;
        let cursor = this.long(py, || this.collection.scan(after.as_ref(), reverse, limit))?;
        let walk = Cursor::new(cursor, false, slf.clone().unbind());
        if limit == Some(0) {
            // The library reads 0 as no limit.
            walk.end(py)?;
        }
        Ok(walk)
    }

    /// Runs a query; for ``Query``.
    fn _cursor(slf: &Bound<'_, Self>, request: &Bound<'_, PyAny>) -> PyResult<Cursor> {
        let (py, this) = (slf.py(), slf.get());
        let query = Self::query(request)?;
        let cursor = this.long(py, || this.collection.find(&query))?;
        Ok(Cursor::new(cursor, true, slf.clone().unbind()))
    }

    /// Counts the results of a query; for ``Query``.
    fn _find_count(&self, request: &Bound<'_, PyAny>) -> PyResult<u64> {
        let query = Self::query(request)?;
        self.long(request.py(), || self.collection.find_count(&query))
    }

    /// Deletes the results of a query; for ``Query``.
    fn _find_delete(&self, request: &Bound<'_, PyAny>) -> PyResult<u64> {
        let query = Self::query(request)?;
        self.long(request.py(), || self.collection.find_delete(&query))
    }

    /// Explains a query; for ``Query``.
    fn _find_explain<'py>(&self, request: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = request.py();
        let query = Self::query(request)?;
        let plan = decode(py, &self.long(py, || self.collection.find_explain(&query))?)?;
        facade(py, &EXPLANATION, "entidb.query", "Explanation")?.call1((plan,))
    }

    fn __getitem__<'py>(&self, id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, raw) = (id.py(), EntityId::from_host(id)?);
        self.read(id, &raw)?.ok_or_else(|| missing(py, &self.name, &raw))
    }

    fn __setitem__(&self, id: &Bound<'_, PyAny>, document: &Bound<'_, PyAny>) -> PyResult<()> {
        let raw = EntityId::from_host(id)?;
        self.store(id.py(), Some(&raw), &encode_document(document)?, WriteMode::Put).map(drop)
    }

    fn __delitem__(&self, id: &Bound<'_, PyAny>) -> PyResult<()> {
        let (py, raw) = (id.py(), EntityId::from_host(id)?);
        if self.change(py, || self.collection.delete(&raw, None))? {
            Ok(())
        } else {
            Err(missing(py, &self.name, &raw))
        }
    }

    fn __contains__(&self, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.exists(id)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(usize::try_from(self.count(py)?).unwrap_or(usize::MAX))
    }

    /// An empty collection is still one.
    fn __bool__(&self) -> bool {
        true
    }

    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<Cursor> {
        Self::scan(slf, None, false, None)
    }

    fn __reversed__(slf: &Bound<'_, Self>) -> PyResult<Cursor> {
        Self::scan(slf, None, true, None)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<entidb.Collection {:?} of {}>", self.name, self.owner.bind(py).repr()?))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("collection", "open the database where it is needed and take the collection there"))
    }
}

/// Whether it is a field or a direction to sort in.
fn is_column(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = given.py();
    Ok(given.is_instance(facade(py, &FIELD, "entidb.query", "Field")?)?
        || given.is_instance(facade(py, &ORDER, "entidb.query", "Order")?)?)
}

/// The patch that sets the path each key of a dict names.
fn merge(fields: &Bound<'_, PyDict>) -> PyResult<Vec<u8>> {
    encode_with(fields.py(), |writer| {
        // What a field holds may run code of Python, and that may change the dict.
        let entries: Vec<_> = fields.iter().collect();
        writer.encoder.begin_array(entries.len());
        for (key, value) in entries {
            writer.encoder.begin_array(3);
            writer.encoder.integer(0_i64);
            writer.path(&key)?;
            writer.field(&key, &value)?;
            writer.encoder.end();
        }
        writer.encoder.end();
        Ok(())
    })
}
