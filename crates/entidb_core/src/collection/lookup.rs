//! Reading entities by their ids.
//!
//! Always: an id that is not there is `None`, never an error; damage is an error, never `None`.
//! Does not know: indexes.

use entidb_engine::Sequence;

use super::{Collection, Entity};
use crate::change_feed::oldest_kept;
use crate::error::{Error, ErrorCode, Result};
use crate::history::{EntityHistory, stored};
use crate::id::EntityId;
use crate::keyspace;
use crate::transaction::View;

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
        stored(&view, record.storage, id)?.map(|stored| Entity::new(id, stored)).transpose()
    }

    /// The entity as it was at an earlier commit, given by its sequence.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::doc;
    /// let id = notes.put(&doc! { "n": 1 })?;
    /// let then = db.last_sequence();
    /// notes.put_at(id, &doc! { "n": 2 })?;
    /// assert_eq!(notes.get_as_of(id, then)?.expect("it was there").value()?, doc! { "n": 1 });
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `SnapshotExpired` when that is not kept any more, `InvalidArgument` for a commit that was not made, `Unsupported` without a change
    /// feed; otherwise as [`get`](Self::get).
    pub fn get_as_of(&self, id: EntityId, at: Sequence) -> Result<Option<Entity>> {
        let (_, record) = self.open()?;
        let shared = self.scope.shared();
        shared.counters().read(1);
        let read = shared.begin_read_at(at)?;
        let then = match record {
            Some(record) => read.catalog().by_id(record.id),
            // A name that is free now means what had it then.
            None => read.catalog().by_name(self.name()),
        };
        let Some(storage) = then.map(|then| then.storage) else { return Ok(None) };
        stored(&View::Read(read), storage, id)?.map(|stored| Entity::new(id, stored)).transpose()
    }

    /// The versions the entity has had, as far as they are kept, the oldest first. Those before a delete are among them. The
    /// example of [`EntityVersion`](crate::EntityVersion) shows it.
    ///
    /// # Errors
    /// `Unsupported` without a change feed and in a write transaction or a read of an earlier commit; otherwise as
    /// [`get`](Self::get).
    pub fn history(&self, id: EntityId) -> Result<EntityHistory> {
        let (view, record) = self.open()?;
        let commits_max = self.scope.shared().options().feed_commits_max;
        if commits_max == 0 || matches!(view, View::Write(_)) || view.past().is_some() {
            let problem = if commits_max == 0 {
                "this database keeps no history; open it with feed_commits_max above 0"
            } else if matches!(view, View::Write(_)) {
                "a write transaction has no history of an entity; ask a collection of the database, which gives what is committed"
            } else {
                "a read of an earlier commit has no history of an entity; ask a collection of the database, and leave out the \
                 versions of later commits"
            };
            return Err(Error::new(ErrorCode::Unsupported, problem));
        }
        let oldest = oldest_kept(&view, commits_max)?;
        EntityHistory::new(view, record.as_deref(), id, oldest)
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
        if view.past().is_some() {
            let entity = |id: &EntityId| stored(&view, record.storage, *id)?.map(|it| Entity::new(*id, it)).transpose();
            return ids.iter().map(entity).collect();
        }
        let keys: Vec<[u8; 21]> = ids.iter().map(|id| keyspace::entity(record.storage, id)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 21]>::as_slice).collect();
        let _moving = view.moving();
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
