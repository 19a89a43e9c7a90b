//! Documents of one kind have the same fields in the same order: what is known of the last ones is used for the next.
//!
//! Always: a shape saves work and never changes a result; what does not fit it goes the long way. Only the holder of a
//! lock uses one, and nobody waits for it. Does not know: which collection a document belongs to.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// How many fields a document has for which a shape is kept: fewer gain nothing, more are rarely alike.
pub(crate) const FIELDS: std::ops::RangeInclusive<usize> = 2..=FIELDS_MAX;
pub(crate) const FIELDS_MAX: usize = 24;
const SLOTS: usize = 64;
/// How many documents must miss a shape before theirs takes its place, so that a mixture does not make one each.
const MISSES_MAX: u8 = 32;

/// The shapes seen lately, by the first field and the number of fields.
pub(crate) struct Shapes<T>(Vec<Slot<T>>);

struct Slot<T> {
    shape: Option<Arc<T>>,
    misses: u8,
}

impl<T> Shapes<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn slot(&mut self, hash: usize, count: usize) -> Option<&mut Slot<T>> {
        if self.0.is_empty() {
            self.0.resize_with(SLOTS, || Slot { shape: None, misses: 0 });
        }
        self.0.get_mut((hash ^ (hash >> 7) ^ count) % SLOTS)
    }

    /// The shape such a document had last.
    #[inline]
    pub(crate) fn get(&mut self, hash: usize, count: usize) -> Option<Arc<T>> {
        self.slot(hash, count)?.shape.clone()
    }

    /// Notes that a document did not fit; its shape is made when that was so often.
    pub(crate) fn missed(&mut self, hash: usize, count: usize, make: impl FnOnce() -> Option<T>) {
        let Some(slot) = self.slot(hash, count) else { return };
        slot.misses += 1;
        if slot.shape.is_none() || slot.misses >= MISSES_MAX {
            slot.misses = 0;
            if let Some(made) = make() {
                slot.shape = Some(Arc::new(made));
            }
        }
    }
}

/// The fields of a document that was read.
pub(crate) struct Read {
    pub(crate) names: Vec<(Box<str>, Py<PyString>)>,
    /// A dict with these keys: a copy of it has the room it needs, and setting a value finds its place made.
    template: Py<PyDict>,
}

impl Read {
    pub(crate) fn new<'py>(py: Python<'py>, names: &[Bound<'py, PyString>]) -> Option<Self> {
        let template = PyDict::new(py);
        let mut kept = Vec::with_capacity(names.len());
        for name in names {
            template.set_item(name, py.None()).ok()?;
            kept.push((name.to_str().ok()?.into(), name.clone().unbind()));
        }
        Some(Self { names: kept, template: template.unbind() })
    }

    /// A dict with the keys of this shape, or a given empty one filled with them.
    pub(crate) fn begin<'py>(
        &self,
        py: Python<'py>,
        empty: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let template = self.template.bind(py);
        match empty {
            Some(empty) => empty.update(template.as_mapping()).map(|()| empty.clone()),
            None => template.copy(),
        }
    }
}

/// The fields of a dict that was written.
pub(crate) struct Written {
    /// In the order of the dict.
    pub(crate) keys: Vec<Py<PyString>>,
    /// In canonical order: the place in the dict, and the name.
    pub(crate) sorted: Vec<(usize, Box<str>)>,
}

impl Written {
    pub(crate) fn of(map: &Bound<'_, PyDict>) -> Option<Self> {
        let mut keys = Vec::with_capacity(map.len());
        let mut sorted: Vec<(usize, Box<str>)> = Vec::with_capacity(map.len());
        for (place, (key, _)) in map.iter().enumerate() {
            let key = key.cast_into_exact::<PyString>().ok()?;
            sorted.push((place, key.to_str().ok()?.into()));
            keys.push(key.unbind());
        }
        // The head of a key is its length, so shorter ones come first.
        sorted.sort_by(|(_, a), (_, b)| (a.len(), a).cmp(&(b.len(), b)));
        Some(Self { keys, sorted })
    }

    /// Whether the key at a place of a dict is that of this shape.
    #[inline]
    pub(crate) fn has(&self, place: usize, key: &Bound<'_, PyAny>) -> bool {
        let Some(known) = self.keys.get(place) else { return false };
        known.is(key)
            || key.cast_exact::<PyString>().is_ok_and(|key| {
                known.bind(key.py()).to_str().ok().is_some_and(|known| key.to_str().is_ok_and(|key| key == known))
            })
    }
}
