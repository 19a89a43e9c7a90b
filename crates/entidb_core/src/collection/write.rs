//! Changing entities: put, insert, replace, update, delete, and batches of them.
//!
//! Always: a call changes everything it says or nothing. Ids that are not given are made, sorted by time.
//! Does not know: what a change does to indexes (`transaction::state`).

use entidb_codec::{Patch, apply};
use serde::Serialize;

use super::{Collection, Entity};
use entidb_engine::interrupt;

use crate::error::{Error, ErrorCode, Result};
use crate::id::EntityId;
use crate::keyspace;
use crate::transaction::WriteMode;

/// One document of a batch, with its id when the caller chose one.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// use entidb_core::{doc, encode, BatchItem};
/// let document = encode(&doc! { "n": 1 });
/// let ids = notes.put_batch(&[BatchItem { id: None, document: &document }])?;
/// assert!(notes.exists(ids[0])?);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct BatchItem<'a> {
    /// The id, or none to have one made.
    pub id: Option<EntityId>,
    /// The document as canonical CBOR.
    pub document: &'a [u8],
}

impl Collection {
    /// Stores a new entity under a new id.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// let id = notes.put(&entidb_core::doc! { "title": "Hello" })?; // or any type that is Serialize
    /// assert!(notes.exists(id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `UniqueViolation`, `TooLarge`, `WrongType` for a document that is no map, an `Encoding` error for a value that
    /// cannot be stored, `Busy`, `Deadlock` where this thread has a write transaction open that the collection was not taken
    /// from, `ReadOnly`, `NoSpace`, `WritesStopped`.
    pub fn put<T: Serialize + ?Sized>(&self, document: &T) -> Result<EntityId> {
        self.encode_and_write(None, document, WriteMode::Put)
    }

    /// Stores an entity under this id, in place of what was there.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::doc;
    /// notes.put_at(id, &doc! { "n": 2 })?;
    /// assert_eq!(notes.get(id)?.expect("there").value()?, doc! { "n": 2 });
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_at<T: Serialize + ?Sized>(&self, id: EntityId, document: &T) -> Result<()> {
        self.encode_and_write(Some(id), document, WriteMode::Put).map(drop)
    }

    /// Stores a document that is canonical CBOR already, where the mode allows it, and returns its id. Without an id one is
    /// made, which a mode that replaces refuses. The other calls that store one document are this one.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::{doc, encode, ErrorCode, WriteMode};
    /// let id = notes.write(None, &encode(&doc! { "n": 1 }), WriteMode::Insert)?;
    /// let read = notes.get(id)?.expect("there");
    /// notes.write(Some(id), &encode(&doc! { "n": 2 }), WriteMode::ReplaceVersion(read.version()))?;
    /// let error = notes.write(Some(id), &[0x18, 0x01], WriteMode::Put).unwrap_err();
    /// assert_eq!(error.code(), ErrorCode::NotCanonical);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put), and those of the mode: `AlreadyExists`, `EntityNotFound`, `VersionMismatch`; `InvalidArgument`
    /// without an id to replace; an `Encoding` error with the offset when the bytes are not canonical CBOR.
    pub fn write(&self, id: Option<EntityId>, document: &[u8], mode: WriteMode) -> Result<EntityId> {
        let shared = self.scope.shared();
        let id = match (id, mode) {
            (Some(id), _) => id,
            (None, WriteMode::Put | WriteMode::Insert) => shared.next_id()?,
            (None, WriteMode::Replace | WriteMode::ReplaceVersion(_)) => {
                let problem = "replace requires an id; pass the id of the entity";
                return Err(Error::new(ErrorCode::InvalidArgument, problem));
            }
        };
        self.change(|state, target| state.write_entity(target, id, document, mode))?;
        shared.counters().write(1);
        Ok(id)
    }

    fn encode_and_write<T: Serialize + ?Sized>(
        &self,
        id: Option<EntityId>,
        document: &T,
        mode: WriteMode,
    ) -> Result<EntityId> {
        self.write(id, &entidb_codec::to_vec(document)?, mode)
    }

    /// Stores an entity that must not be there yet.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::{doc, ErrorCode};
    /// let error = notes.insert(id, &doc! { "n": 2 }).unwrap_err();
    /// assert_eq!(error.code(), ErrorCode::AlreadyExists);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `AlreadyExists`, otherwise as [`put`](Self::put).
    pub fn insert<T: Serialize + ?Sized>(&self, id: EntityId, document: &T) -> Result<()> {
        self.encode_and_write(Some(id), document, WriteMode::Insert).map(drop)
    }

    /// Stores an entity in place of one that must be there.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::{doc, EntityId, ErrorCode};
    /// notes.replace(id, &doc! { "n": 2 })?;
    /// let error = notes.replace(EntityId::from_bytes([0; 16]), &doc! {}).unwrap_err();
    /// assert_eq!(error.code(), ErrorCode::EntityNotFound);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `EntityNotFound`, otherwise as [`put`](Self::put).
    pub fn replace<T: Serialize + ?Sized>(&self, id: EntityId, document: &T) -> Result<()> {
        self.encode_and_write(Some(id), document, WriteMode::Replace).map(drop)
    }

    /// Stores an entity in place of one that must still have this version.
    ///
    /// ```
    /// use entidb_core::{doc, Database, ErrorCode};
    /// let db = Database::open_memory()?;
    /// let notes = db.collection("notes")?;
    /// let id = notes.put(&doc! { "n": 1 })?;
    /// let read = notes.get(id)?.expect("just put");
    /// notes.put_at(id, &doc! { "n": 2 })?;
    /// let late = notes.compare_and_set(id, read.version(), &doc! { "n": 3 }).unwrap_err();
    /// assert_eq!(late.code(), ErrorCode::VersionMismatch);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `VersionMismatch`, `EntityNotFound`, otherwise as [`put`](Self::put).
    pub fn compare_and_set<T: Serialize + ?Sized>(&self, id: EntityId, version: u64, document: &T) -> Result<()> {
        self.encode_and_write(Some(id), document, WriteMode::ReplaceVersion(version)).map(drop)
    }

    /// Changes parts of an entity that must be there.
    ///
    /// ```
    /// use entidb_core::{doc, patch, Database};
    /// let db = Database::open_memory()?;
    /// let notes = db.collection("notes")?;
    /// let id = notes.put(&doc! { "title": "Hello", "stars": 1 })?;
    /// notes.update(id, &patch! { "title": "Hi" })?;
    /// assert_eq!(notes.get(id)?.expect("there").value()?, doc! { "title": "Hi", "stars": 1 });
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `EntityNotFound`, an `Encoding` error when the patch does not fit the document, otherwise as [`put`](Self::put).
    pub fn update(&self, id: EntityId, patch: &Patch) -> Result<()> {
        self.change(|state, target| {
            let stored = match state.resolve(target)? {
                Some(record) => state.get(&keyspace::entity(record.storage, &id))?,
                None => None,
            };
            let Some(stored) = stored else {
                return Err(crate::transaction::not_found(self.name(), id));
            };
            let entity = Entity::new(id, stored)?;
            let document = apply(entity.bytes(), patch).map_err(|error| Error::from(error).with_id(id))?;
            state.write_entity(target, id, &document, WriteMode::Replace)
        })?;
        self.scope.shared().counters().write(1);
        Ok(())
    }

    /// Removes an entity. True when it was there.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert!(notes.delete(id)?);
    /// assert!(!notes.delete(id)?, "it is gone already");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Busy`, `ReadOnly`, `NoSpace`, `WritesStopped`.
    pub fn delete(&self, id: EntityId) -> Result<bool> {
        let deleted = self.change(|state, target| state.delete_entity(target, id, None))?;
        self.scope.shared().counters().delete(u64::from(deleted));
        Ok(deleted)
    }

    /// Removes an entity that must still have this version. True when it was there.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let version = notes.get(id)?.expect("there").version();
    /// assert!(notes.delete_if(id, version)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `VersionMismatch`, otherwise as [`delete`](Self::delete).
    pub fn delete_if(&self, id: EntityId, version: u64) -> Result<bool> {
        let deleted = self.change(|state, target| state.delete_entity(target, id, Some(version)))?;
        self.scope.shared().counters().delete(u64::from(deleted));
        Ok(deleted)
    }

    /// Removes these entities in one transaction; returns how many were there.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(notes.delete_many(&[id, id])?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn delete_many(&self, ids: &[EntityId]) -> Result<u64> {
        let deleted = self.change_all(|state, target| state.delete_entities(target, ids))?;
        self.scope.shared().counters().delete(deleted);
        Ok(deleted)
    }

    /// Stores these documents in one transaction and returns their ids: all of them or, after an error, none.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::doc;
    /// let ids = notes.put_many([&doc! { "n": 1 }, &doc! { "n": 2 }])?;
    /// assert_eq!(ids.len(), 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_many<'a, T: Serialize + 'a>(&self, documents: impl IntoIterator<Item = &'a T>) -> Result<Vec<EntityId>> {
        let encode = |document| entidb_codec::to_vec(document).map_err(Error::from);
        let encoded = documents.into_iter().map(encode).collect::<Result<Vec<_>>>()?;
        let items: Vec<BatchItem<'_>> = encoded.iter().map(|document| BatchItem { id: None, document }).collect();
        self.put_batch(&items)
    }

    /// As [`put_many`](Self::put_many), for canonical CBOR and with or without ids.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::{doc, encode, BatchItem};
    /// let document = encode(&doc! { "n": 2 });
    /// let items = [BatchItem { id: Some(id), document: &document }, BatchItem { id: None, document: &document }];
    /// assert_eq!(notes.put_batch(&items)?.len(), 2);
    /// assert_eq!(notes.count()?, 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`put`](Self::put), with the position of the document that is refused.
    pub fn put_batch(&self, items: &[BatchItem<'_>]) -> Result<Vec<EntityId>> {
        let shared = self.scope.shared();
        let ids = self.change_all(|state, target| {
            let mut ids = Vec::with_capacity(items.len());
            for (position, item) in items.iter().enumerate() {
                interrupt::check()?;
                let id = match item.id {
                    Some(id) => id,
                    None => shared.next_id()?,
                };
                state
                    .write_entity(target, id, item.document, WriteMode::Put)
                    .map_err(|error| error.at_document(position))?;
                ids.push(id);
            }
            Ok(ids)
        })?;
        shared.counters().write(ids.len() as u64);
        Ok(ids)
    }

    /// Removes these entities. What was removed before an error is left to who has the transaction.
    pub(crate) fn delete_each(&self, ids: &[EntityId]) -> Result<u64> {
        self.change(|state, target| state.delete_entities(target, ids))
    }

    /// Removes every entity, with the same about errors.
    pub(crate) fn clear(&self) -> Result<u64> {
        self.change(|state, target| state.clear_entities(target))
    }
}
