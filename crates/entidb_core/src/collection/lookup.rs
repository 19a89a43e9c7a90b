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
    /// # Errors
    /// `Closed`, `TransactionEnded`, `Corrupt`, `Io`.
    pub fn get(&self, id: EntityId) -> Result<Option<Entity>> {
        let view = self.scope.view()?;
        self.scope.shared().counters().read(1);
        let Some(record) = self.record(&view)? else { return Ok(None) };
        view.get(&keyspace::entity(record.id, &id))?.map(|stored| Entity::new(id, stored)).transpose()
    }

    /// The entities with these ids, in their order, from one snapshot.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many(&self, ids: &[EntityId]) -> Result<Vec<Option<Entity>>> {
        let view = self.scope.view()?;
        self.scope.shared().counters().read(ids.len() as u64);
        let Some(record) = self.record(&view)? else { return Ok(vec![None; ids.len()]) };
        let keys: Vec<[u8; 21]> = ids.iter().map(|id| keyspace::entity(record.id, id)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 21]>::as_slice).collect();
        let found = view.multi_get(&keys)?;
        ids.iter().zip(found).map(|(id, stored)| stored.map(|stored| Entity::new(*id, stored)).transpose()).collect()
    }

    /// True when there is an entity with this id.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn exists(&self, id: EntityId) -> Result<bool> {
        Ok(self.get(id)?.is_some())
    }

    /// The number of entities. Exact, and as cheap as reading one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn count(&self) -> Result<u64> {
        let view = self.scope.view()?;
        match self.record(&view)? {
            Some(record) => view.entity_count(record.id),
            None => Ok(0),
        }
    }
}
