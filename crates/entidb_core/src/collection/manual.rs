//! Manual indexes: keys that the application gives, to find entities by what the database cannot read.
//!
//! Always: a key goes with its entity, in the same commit; a range is of one snapshot. Does not know: what keys mean.

use std::ops::Bound;
use std::sync::Arc;

use entidb_codec::Value;
use entidb_engine::{Direction, Iter};

use super::{Collection, Target};
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::error::{Error, ErrorCode, Result, quoted};
use crate::id::EntityId;
use crate::index::manual::{Manual, read_row, row_entity};
use crate::transaction::View;

impl Target<'_> {
    /// The index of this name of the collection this means.
    pub(crate) fn index(&self, record: Option<&CollectionRecord>, name: &str) -> Result<Arc<IndexRecord>> {
        record.and_then(|record| record.index(name)).cloned().ok_or_else(|| {
            let problem =
                format!("the collection {:?} has no index {}; indexes lists what there is", self.name, quoted(name));
            Error::new(ErrorCode::IndexNotFound, problem).with_collection(self.name).with_index(name)
        })
    }
}

/// The index as one of this kind.
pub(crate) fn of_manual_kind(index: &IndexRecord) -> Result<&Manual> {
    index.of_kind().ok_or_else(|| {
        let (name, kind) = (&index.definition.name, &index.definition.kind);
        let problem = format!(
            "the index {name:?} is of the kind {kind}, which takes no keys; create one of the kind manual for them"
        );
        Error::new(ErrorCode::InvalidArgument, problem).with_index(name)
    })
}

/// Which keys of a manual index, and in which order.
///
/// An open side ends with the class of the other side's value, as in a query: from 5 on are numbers and nothing else.
///
/// ```
/// use entidb_core::KeyRange;
/// use std::ops::Bound;
/// let letters = KeyRange { from: Bound::Included("a".into()), to: Bound::Excluded("b".into()), ..KeyRange::default() };
/// assert!(!letters.reverse);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The least key.
    pub from: Bound<Value>,
    /// The greatest key.
    pub to: Bound<Value>,
    /// From the end.
    pub reverse: bool,
    /// The most keys.
    pub limit: Option<u64>,
    /// Going on after this key of this entity, which need not be there any more.
    pub after: Option<(Value, EntityId)>,
}

impl Default for KeyRange {
    /// All keys.
    fn default() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded, reverse: false, limit: None, after: None }
    }
}

impl KeyRange {
    /// The range in a map with `from`, `to`, `from_open` and `to_open` (true where the bound itself is left out), `reverse`,
    /// `limit` and `after` (an array of a key and an id or its bytes), each where wanted.
    ///
    /// ```
    /// use entidb_core::{doc, KeyRange};
    /// use std::ops::Bound;
    /// let range = KeyRange::from_value(&doc! { "from": 3, "from_open": true })?;
    /// assert_eq!(range, KeyRange { from: Bound::Excluded(3.into()), ..KeyRange::default() });
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` when a field is unknown or of the wrong type.
    pub fn from_value(value: &Value) -> Result<Self> {
        let refuse = || {
            let problem = "a range of keys is a map with from, to, from_open, to_open, reverse (true or false), limit (number) \
                           and after (a key and an id)";
            Error::new(ErrorCode::InvalidArgument, problem)
        };
        let map = value.as_map().ok_or_else(refuse)?;
        let (mut range, mut from_open, mut to_open) = (Self::default(), false, false);
        for (key, value) in map.iter() {
            match (key.as_text(), value) {
                (Some("from"), bound) => range.from = Bound::Included(bound.clone()),
                (Some("to"), bound) => range.to = Bound::Included(bound.clone()),
                (Some("from_open"), Value::Bool(open)) => from_open = *open,
                (Some("to_open"), Value::Bool(open)) => to_open = *open,
                (Some("reverse"), Value::Bool(reverse)) => range.reverse = *reverse,
                (Some("limit"), limit) => range.limit = Some(limit.as_u64().ok_or_else(refuse)?),
                (Some("after"), Value::Array(place)) => match place.as_slice() {
                    [key, Value::EntityId(id)] => range.after = Some((key.clone(), EntityId::from_bytes(*id))),
                    [key, Value::Bytes(id)] => range.after = Some((key.clone(), EntityId::from_slice(id)?)),
                    _ => return Err(refuse()),
                },
                _ => return Err(refuse()),
            }
        }
        let opened = |bound, open| match bound {
            Bound::Included(key) if open => Bound::Excluded(key),
            bound => bound,
        };
        (range.from, range.to) = (opened(range.from, from_open), opened(range.to, to_open));
        Ok(range)
    }
}

/// An index whose keys the application gives.
///
/// A key is any value; where several parts are wanted, an array of them. Keys are in the order of values: numbers by what
/// they are, whether integers or floats, and before texts. A key that is read comes as its value: 1.0 as 1.
///
/// ```
/// use entidb_core::{doc, Database, IndexDefinition};
/// let db = Database::open_memory()?;
/// let people = db.collection("people")?;
/// people.create_index(IndexDefinition::manual("by_phone"))?;
/// let by_phone = people.manual_index("by_phone")?;
/// let id = people.put(&doc! { "sealed": "no key of ours opens this" })?;
/// by_phone.insert("+49 30 1234", id)?;
/// assert_eq!(by_phone.lookup("+49 30 1234")?, [id]);
/// people.delete(id)?;
/// assert!(by_phone.is_empty()?, "keys go with their entity");
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ManualIndex {
    collection: Collection,
    name: String,
}

impl Collection {
    /// A manual index of the collection, by its name. See [`IndexDefinition::manual`](crate::IndexDefinition::manual).
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::{ErrorCode, IndexDefinition};
    /// assert_eq!(notes.manual_index("by_tag").unwrap_err().code(), ErrorCode::IndexNotFound);
    /// notes.create_index(IndexDefinition::manual("by_tag"))?;
    /// assert_eq!(notes.manual_index("by_tag")?.len()?, 0);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `IndexNotFound`, `InvalidArgument` when the index is of another kind, `Closed`, `TransactionEnded`.
    pub fn manual_index(&self, name: &str) -> Result<ManualIndex> {
        let index = ManualIndex { collection: self.clone(), name: name.to_owned() };
        index.open()?;
        Ok(index)
    }
}

impl ManualIndex {
    fn open(&self) -> Result<(View, Arc<IndexRecord>)> {
        let (view, record) = self.collection.open()?;
        let index = self.collection.target().index(record.as_deref(), &self.name)?;
        of_manual_kind(&index)?;
        Ok((view, index))
    }

    /// Gives an entity a key. False when it has the key already. An entity may have any number of keys, and a key any number
    /// of entities, unless the index is unique.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.create_index(entidb_core::IndexDefinition::manual("by_tag"))?;
    /// let by_tag = notes.manual_index("by_tag")?;
    /// let tx = db.begin_write()?; // the entity and its keys in one commit
    /// let id = tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// assert!(tx.collection("notes")?.manual_index("by_tag")?.insert("red", id)?);
    /// tx.commit()?;
    /// assert!(!by_tag.insert("red", id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `EntityNotFound` when there is no such entity, `UniqueViolation` when another has the key of a unique index,
    /// `TooLarge` for a key of more than 4,000 bytes in ordered form, `IndexNotFound` when it was dropped, and those of
    /// [`Collection::put`].
    pub fn insert(&self, key: impl Into<Value>, id: EntityId) -> Result<bool> {
        let key = key.into();
        self.collection.change(|state, target| state.insert_key(target, &self.name, &key, id))
    }

    /// Takes a key from an entity. False when it has no such key.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.create_index(entidb_core::IndexDefinition::manual("by_tag"))?;
    /// let by_tag = notes.manual_index("by_tag")?;
    /// let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// by_tag.insert("red", id)?;
    /// assert!(by_tag.remove("red", id)?);
    /// assert!(!by_tag.remove("red", id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), but for `EntityNotFound` and `UniqueViolation`.
    pub fn remove(&self, key: impl Into<Value>, id: EntityId) -> Result<bool> {
        let key = key.into();
        self.collection.change(|state, target| state.remove_key(target, &self.name, &key, id))
    }

    /// The entities that have a key, in the order of their ids.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.create_index(entidb_core::IndexDefinition::manual("by_tag"))?;
    /// let by_tag = notes.manual_index("by_tag")?;
    /// let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::Value;
    /// let colour = Value::Array(vec!["colour".into(), "red".into()]); // a key of two parts
    /// by_tag.insert(colour.clone(), id)?;
    /// assert_eq!(by_tag.lookup(colour)?, [id]);
    /// assert!(by_tag.lookup("red")?.is_empty());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TooLarge` for a key longer than any, `IndexNotFound`, `Closed`, `TransactionEnded`, `Io`.
    pub fn lookup(&self, key: impl Into<Value>) -> Result<Vec<EntityId>> {
        let key = key.into();
        let (view, index) = self.open()?;
        self.collection.scope().shared().counters().find(false);
        let manual = of_manual_kind(&index)?;
        let bounds = manual.range(Bound::Included(&key), Bound::Included(&key))?;
        let end = bounds.end.unwrap_or_else(|| manual.end().to_vec());
        let mut rows = view.range(&bounds.start, &end, Direction::Forward)?;
        let _moving = view.moving();
        let mut found = Vec::new();
        while rows.advance()? {
            found.push(row_entity(rows.key())?);
        }
        Ok(found)
    }

    /// The keys of a range with their entities, in the order of keys and then of ids.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.create_index(entidb_core::IndexDefinition::manual("by_rank"))?;
    /// use entidb_core::KeyRange;
    /// use std::ops::Bound;
    /// let by_rank = notes.manual_index("by_rank")?;
    /// for rank in 0..5 {
    ///     by_rank.insert(rank, notes.put(&entidb_core::doc! { "n": 1 })?)?;
    /// }
    /// let from_three = KeyRange { from: Bound::Included(3.into()), ..KeyRange::default() };
    /// let ranks = by_rank.range(from_three)?.map(|found| Ok(found?.0)).collect::<entidb_core::Result<Vec<_>>>()?;
    /// assert_eq!(ranks, [3.into(), 4.into()]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn range(&self, range: KeyRange) -> Result<ManualKeys> {
        let (view, index) = self.open()?;
        self.collection.scope().shared().counters().find(false);
        let manual = of_manual_kind(&index)?;
        let bounds = manual.range(range.from.as_ref(), range.to.as_ref())?;
        let (mut start, mut end) = (bounds.start, bounds.end.unwrap_or_else(|| manual.end().to_vec()));
        if let Some((key, id)) = &range.after {
            let place = manual.place(key, *id)?;
            if range.reverse {
                end = end.min(place);
            } else {
                start = start.max([place.as_slice(), &[0]].concat());
            }
        }
        let direction = if range.reverse { Direction::Reverse } else { Direction::Forward };
        let rows = if start < end { Some(view.range(&start, &end, direction)?) } else { None };
        Ok(ManualKeys { view: Some(view), rows, left: range.limit.unwrap_or(u64::MAX) })
    }

    /// The number of keys, of all entities together. Exact, and as cheap as reading one.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.create_index(entidb_core::IndexDefinition::manual("by_tag"))?;
    /// let by_tag = notes.manual_index("by_tag")?;
    /// let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// by_tag.insert("red", id)?;
    /// by_tag.insert("round", id)?;
    /// assert_eq!(by_tag.len()?, 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn len(&self) -> Result<u64> {
        let (view, index) = self.open()?;
        of_manual_kind(&index)?.len(&view)
    }

    /// True when there is no key.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # notes.create_index(entidb_core::IndexDefinition::manual("by_tag"))?;
    /// assert!(notes.manual_index("by_tag")?.is_empty()?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Keys of a manual index with their entities, one by one, of one snapshot. After an error it gives no more.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # notes.create_index(entidb_core::IndexDefinition::manual("by_tag"))?;
/// let by_tag = notes.manual_index("by_tag")?;
/// by_tag.insert("red", notes.put(&entidb_core::doc! { "n": 1 })?)?;
/// let mut keys = by_tag.range(entidb_core::KeyRange::default())?;
/// assert_eq!(keys.next().transpose()?.expect("one").0, "red".into());
/// assert!(keys.next().is_none());
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub struct ManualKeys {
    /// None once it has ended.
    view: Option<View>,
    rows: Option<Iter>,
    left: u64,
}

impl ManualKeys {
    fn step(&mut self) -> Result<Option<(Value, EntityId)>> {
        let Some(view) = &self.view else { return Ok(None) };
        view.check()?;
        let Some(rows) = self.rows.as_mut().filter(|_| self.left > 0) else { return Ok(None) };
        if !rows.advance()? {
            return Ok(None);
        }
        self.left -= 1;
        read_row(rows.key()).map(Some)
    }
}

impl Iterator for ManualKeys {
    type Item = Result<(Value, EntityId)>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if !matches!(step, Some(Ok(_))) {
            self.rows = None;
            self.view = None;
        }
        step
    }
}
