//! Walks over entities.
//!
//! Always: lazy; entities are read many at a time and decoded one at a time; closing one frees it at once.
//! Does not know: what was asked.

use std::sync::Mutex;

use entidb_abi::{self as abi, Frame, Frames};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::collection::Collection;
use crate::decode::decode;
use crate::entity::framed;
use crate::error::{code, refuse, refuse_pickle};
use crate::value::EntityId;

/// The first batch is small, so that a caller who wants one entity pays for few; later ones grow.
const COUNT_FIRST: usize = 16;
const COUNT_MAX: usize = 256;
const BYTES_FIRST: usize = 64 << 10;
const BYTES_MAX: usize = 1 << 20;

/// A cursor over the results of a query, or over a collection.
///
/// Iterate over it. It reads the collection as it was when the cursor was created. One thread at a time may use it.
#[pyclass(frozen, module = "entidb")]
pub(crate) struct Cursor {
    state: Mutex<State>,
    /// Keeps the database, and the transaction where there is one, from being collected meanwhile.
    collection: Py<Collection>,
}

struct State {
    cursor: Option<abi::Cursor>,
    batch: Option<Frames>,
    /// How many entities of the batch were given.
    given: usize,
    /// The token of the entity before the batch, once there was one; a walk over a collection has no tokens.
    token_before: Option<abi::Buffer>,
    has_tokens: bool,
    count_max: usize,
    bytes_max: usize,
}

impl Cursor {
    pub(crate) fn new(cursor: abi::Cursor, has_tokens: bool, collection: Py<Collection>) -> Self {
        let state = State {
            cursor: Some(cursor),
            batch: None,
            given: 0,
            token_before: None,
            has_tokens,
            count_max: COUNT_FIRST,
            bytes_max: BYTES_FIRST,
        };
        Self { state: Mutex::new(state), collection }
    }

    /// Brings the walk to its end.
    pub(crate) fn end(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |state| {
            state.batch = None;
            state.cursor = None;
            Ok(())
        })
    }

    /// Uses the state, unless another thread does. Waiting would be a deadlock: that thread may want the GIL.
    fn with<T>(&self, py: Python<'_>, run: impl FnOnce(&mut State) -> PyResult<T>) -> PyResult<T> {
        match self.state.try_lock() {
            Ok(mut state) => run(&mut state),
            Err(_) => {
                let problem = "another thread is using this cursor; give each thread its own";
                Err(refuse(py, code::CONCURRENT_USE, problem))
            }
        }
    }
}

impl State {
    fn next<'py>(&mut self, py: Python<'py>, collection: &Collection) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            if let Some(batch) = &mut self.batch
                && let Some(frame) = batch.next_frame()
            {
                self.given += 1;
                return framed(py, &frame);
            }
            let Some(cursor) = &self.cursor else { return Ok(None) };
            let (count_max, bytes_max) = (self.count_max, self.bytes_max);
            if self.has_tokens
                && let Some(position) = self.given.checked_sub(1)
            {
                // The library forgets the places of a batch with the next call, even when that finds the end.
                self.token_before = collection.long(py, || cursor.token(position))?;
            }
            self.given = 0;
            match collection.long(py, || cursor.next_batch(count_max, bytes_max))? {
                Some(batch) => {
                    self.batch = Some(batch);
                    self.count_max = (count_max * 4).min(COUNT_MAX);
                    self.bytes_max = (bytes_max * 4).min(BYTES_MAX);
                }
                None => {
                    self.batch = None;
                    return Ok(None);
                }
            }
        }
    }
}

#[pymethods]
impl Cursor {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.with(py, |state| state.next(py, self.collection.get()))
    }

    /// The next entities, at most ``count``, in a list.
    fn take<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyList>> {
        self.with(py, |state| {
            let list = PyList::empty(py);
            while list.len() < count {
                match state.next(py, self.collection.get())? {
                    Some(entity) => list.append(entity)?,
                    None => break,
                }
            }
            Ok(list)
        })
    }

    /// The next entities as the library gives them, in a list that is empty at the end; for ``entidb.aio``.
    fn _batch<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.with(py, |state| {
            let list = PyList::empty(py);
            if let Some(first) = state.next(py, self.collection.get())? {
                list.append(first)?;
                while let Some(frame) = state.batch.as_mut().and_then(Frames::next_frame) {
                    state.given += 1;
                    list.append(framed(py, &frame)?)?;
                }
            }
            Ok(list)
        })
    }

    /// The page token of an entity of the last batch, by its position.
    fn _token_at<'py>(&self, py: Python<'py>, position: usize) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.with(py, |state| {
            let Some(cursor) = &state.cursor else { return Ok(None) };
            let token = self.collection.get().long(py, || cursor.token(position))?;
            Ok(token.map(|token| PyBytes::new(py, &token)))
        })
    }

    /// The page token of the last entity, for ``Query.after``; ``None`` before the first.
    fn token<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.with(py, |state| match (&state.cursor, state.given.checked_sub(1)) {
            (Some(cursor), Some(position)) => {
                let token = self.collection.get().long(py, || cursor.token(position))?;
                Ok(token.map(|token| PyBytes::new(py, &token)))
            }
            _ => Ok(state.token_before.as_ref().map(|token| PyBytes::new(py, token))),
        })
    }

    /// Ends the cursor and frees its snapshot.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.end(py).map(|()| false)
    }

    fn __repr__(&self) -> String {
        format!("<entidb.Cursor over {:?}>", self.collection.get().name())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(refuse_pickle("cursor", "send the page token of the last entity instead"))
    }
}

/// A walk over the keys of a manual index; for ``entidb.manual``.
#[pyclass(frozen, module = "entidb")]
pub(crate) struct KeyCursor {
    cursor: abi::Cursor,
    /// As in [`Cursor`].
    collection: Py<Collection>,
}

impl KeyCursor {
    pub(crate) fn new(cursor: abi::Cursor, collection: Py<Collection>) -> Self {
        Self { cursor, collection }
    }
}

#[pymethods]
impl KeyCursor {
    /// The next keys with the ids of their entities, at most ``count``; an empty list at the end.
    fn take<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        if let Some(mut batch) = self.collection.get().long(py, || self.cursor.next_batch(count, BYTES_MAX))? {
            while let Some(Frame { id, found: Some((_, key)) }) = batch.next_frame() {
                list.append((decode(py, key)?, Bound::new(py, EntityId::of(id))?))?;
            }
        }
        Ok(list)
    }
}
