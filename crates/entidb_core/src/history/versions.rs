//! The versions an entity has had, for as long as the history keeps them.
//!
//! Always: the oldest first, each with the commit that wrote it and the one that ended it. Does not know: changes of other
//! entities.

use std::collections::VecDeque;

use entidb_engine::{Direction, Iter, Sequence};

use super::catalog::storages_of;
use crate::catalog::CollectionRecord;
use crate::collection::Entity;
use crate::error::{Error, Result};
use crate::id::{EntityId, StorageId};
use crate::keyspace;
use crate::transaction::View;

/// An entity as it was for a time.
///
/// ```
/// use entidb_core::{doc, Database};
/// let db = Database::open_memory()?;
/// let notes = db.collection("notes")?;
/// let id = notes.put(&doc! { "n": 1 })?;
/// notes.put_at(id, &doc! { "n": 2 })?;
/// let versions = notes.history(id)?.collect::<entidb_core::Result<Vec<_>>>()?;
/// assert_eq!(versions[0].entity.value()?, doc! { "n": 1 });
/// assert_eq!(versions[0].until, Some(entidb_core::Sequence(versions[1].entity.version())));
/// assert_eq!(versions[1].until, None);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EntityVersion {
    /// The entity; its version is the commit that wrote it.
    pub entity: Entity,
    /// The commit that replaced or deleted it; none for what is there now.
    pub until: Option<Sequence>,
}

/// The versions of an entity, the oldest first. The example of [`EntityVersion`] shows it.
pub struct EntityHistory {
    view: View,
    id: EntityId,
    /// Rows of commits before this one are not kept.
    oldest: Sequence,
    /// Versions up to this one are left out.
    after: Sequence,
    /// Storages to look at, each with the commit that gave it up.
    storages: VecDeque<(StorageId, Option<Sequence>)>,
    rows: Option<Iter>,
    has_failed: bool,
}

impl EntityHistory {
    pub(crate) fn new(view: View, record: Option<&CollectionRecord>, id: EntityId, oldest: Sequence) -> Result<Self> {
        let mut storages = VecDeque::new();
        if let Some(record) = record {
            let ended = storages_of(&view, record.id)?.into_iter().filter(|(_, until)| *until >= oldest);
            storages.extend(ended.map(|(storage, until)| (storage, Some(until))));
            storages.push_back((record.storage, None));
        }
        Ok(Self { view, id, oldest, after: Sequence::ZERO, storages, rows: None, has_failed: false })
    }

    /// Leaves out the versions written up to a commit, without reading those that ended before it. Call it before the first step.
    ///
    /// ```
    /// # use entidb_core::{doc, Database};
    /// # let db = Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// let id = notes.put(&doc! { "n": 1 })?;
    /// let first = db.last_sequence();
    /// notes.put_at(id, &doc! { "n": 2 })?;
    /// assert_eq!(notes.history(id)?.after(first).count(), 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn after(mut self, commit: Sequence) -> Self {
        self.after = commit;
        self.oldest = self.oldest.max(commit.next());
        let oldest = self.oldest;
        self.storages.retain(|(_, until)| until.is_none_or(|until| until >= oldest));
        self
    }

    fn step(&mut self) -> Result<Option<EntityVersion>> {
        self.view.check()?;
        while let Some((storage, given_up)) = self.storages.front().copied() {
            let rows = match &mut self.rows {
                Some(rows) => rows,
                none => {
                    let start = keyspace::history(storage, &self.id, self.oldest);
                    none.insert(self.view.range(
                        &start,
                        &keyspace::history_end(storage, &self.id),
                        Direction::Forward,
                    )?)
                }
            };
            if rows.advance()? {
                let place = keyspace::history_place(rows.key());
                let (_, until) = place.ok_or_else(|| Error::corrupt("a history key"))?;
                let entity = Entity::new(self.id, rows.value_owned())?;
                if entity.version() <= self.after.0 {
                    continue;
                }
                return Ok(Some(EntityVersion { entity, until: Some(until) }));
            }
            self.rows = None;
            self.storages.pop_front();
            let stored = self.view.get(&keyspace::entity(storage, &self.id))?;
            let last = stored.map(|stored| Entity::new(self.id, stored)).transpose()?;
            // What the commit that gave the storage up wrote before that was never seen.
            let is_seen = |entity: &Entity| given_up.is_none_or(|until| entity.version() < until.0);
            if let Some(entity) = last.filter(|entity| is_seen(entity) && entity.version() > self.after.0) {
                return Ok(Some(EntityVersion { entity, until: given_up }));
            }
        }
        Ok(None)
    }
}

impl Iterator for EntityHistory {
    type Item = Result<EntityVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let step = self.step().transpose();
        self.has_failed = matches!(step, Some(Err(_)));
        step
    }
}
