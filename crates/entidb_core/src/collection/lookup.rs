//! Reading entities by their ids.
//!
//! Always: an id that is not there is `None`, never an error; damage is an error, never `None`.
//! Does not know: indexes.

use super::{Collection, Entity};
use crate::error::Result;
use crate::id::EntityId;
use crate::keyspace;

impl Collection {
    /// The entity with this id.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(notes.get(id)?.map(|note| note.id()), Some(id));
    /// assert!(notes.get(entidb_core::EntityId::from_bytes([0; 16]))?.is_none());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Closed`, `TransactionEnded`, `Corrupt`, `Io`.
    pub fn get(&self, id: EntityId) -> Result<Option<Entity>> {
        let (view, record) = self.open()?;
        self.scope.shared().counters().read(1);
        let Some(record) = record else { return Ok(None) };
        view.get(&keyspace::entity(record.id, &id))?.map(|stored| Entity::new(id, stored)).transpose()
    }

    /// The entities with these ids, in their order, from one snapshot.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// let missing = entidb_core::EntityId::from_bytes([0; 16]);
    /// let found = notes.get_many(&[missing, id])?;
    /// assert!(found[0].is_none() && found[1].is_some());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many(&self, ids: &[EntityId]) -> Result<Vec<Option<Entity>>> {
        let (view, record) = self.open()?;
        self.scope.shared().counters().read(ids.len() as u64);
        let Some(record) = record else { return Ok(vec![None; ids.len()]) };
        let keys: Vec<[u8; 21]> = ids.iter().map(|id| keyspace::entity(record.id, id)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 21]>::as_slice).collect();
        let found = view.multi_get(&keys)?;
        ids.iter().zip(found).map(|(id, stored)| stored.map(|stored| Entity::new(*id, stored)).transpose()).collect()
    }

    /// True when there is an entity with this id.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert!(notes.exists(id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn exists(&self, id: EntityId) -> Result<bool> {
        Ok(self.get(id)?.is_some())
    }

    /// The number of entities. Exact, and as cheap as reading one.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(notes.count()?, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn count(&self) -> Result<u64> {
        let (view, record) = self.open()?;
        match record {
            Some(record) => view.entity_count(record.id),
            None => Ok(0),
        }
    }
}
