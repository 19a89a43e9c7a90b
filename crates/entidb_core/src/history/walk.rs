//! The entities of a storage in the order of their ids, as they are or as they were at an earlier commit.
//!
//! Always: an entity of an earlier commit comes once, whether it is there now, was changed since or is gone.
//! Does not know: collections, or conditions.

use entidb_engine::{Direction, Iter, Sequence, Value};

use super::lookup::state_at;
use crate::error::{Error, Result};
use crate::id::{EntityId, StorageId};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_HISTORY};
use crate::transaction::View;

/// A walk over the entities of a storage.
pub(crate) struct EntityWalk {
    entities: Iter,
    /// None for entities as they are now.
    past: Option<Box<Past>>,
}

/// What a walk over an earlier commit needs beside the entities there are.
struct Past {
    view: View,
    storage: StorageId,
    at: Sequence,
    direction: Direction,
    rows: Iter,
    is_begun: bool,
    /// The next entity there is now, and the next that has rows in the history.
    entity: Option<(EntityId, Value)>,
    row: Option<EntityId>,
}

impl EntityWalk {
    /// All entities of a storage.
    pub(crate) fn new(view: &View, storage: StorageId, direction: Direction) -> Result<Self> {
        let bounds = |zone| (keyspace::prefix(zone, storage.0), keyspace::prefix_end(zone, storage.0));
        let (start, end) = bounds(ZONE_ENTITY);
        let entities = view.range(&start, &end, direction)?;
        let past = match view.past() {
            None => None,
            Some(at) => {
                let (start, end) = bounds(ZONE_HISTORY);
                let rows = view.range(&start, &end, direction)?;
                let view = view.clone();
                let (is_begun, entity, row) = (false, None, None);
                Some(Box::new(Past { view, storage, at, direction, rows, is_begun, entity, row }))
            }
        };
        Ok(Self { entities, past })
    }

    /// Goes on with this entity or the first behind it.
    pub(crate) fn seek(&mut self, storage: StorageId, id: &EntityId) -> Result<()> {
        self.entities.seek(&keyspace::entity(storage, id))?;
        if let Some(past) = &mut self.past {
            let sequence = if past.direction == Direction::Forward { 0 } else { u64::MAX };
            past.rows.seek(&keyspace::history(storage, id, Sequence(sequence)))?;
            past.is_begun = false;
        }
        Ok(())
    }

    /// The next entity and what is stored of it.
    pub(crate) fn next(&mut self) -> Result<Option<(EntityId, Value)>> {
        match &mut self.past {
            None => next_entity(&mut self.entities),
            Some(past) => past.next(&mut self.entities),
        }
    }
}

fn next_entity(entities: &mut Iter) -> Result<Option<(EntityId, Value)>> {
    if !entities.advance()? {
        return Ok(None);
    }
    let id = keyspace::entity_id(entities.key()).ok_or_else(|| Error::corrupt("an entity key"))?;
    Ok(Some((id, entities.value_owned())))
}

impl Past {
    fn next(&mut self, entities: &mut Iter) -> Result<Option<(EntityId, Value)>> {
        if !self.is_begun {
            self.is_begun = true;
            self.entity = next_entity(entities)?;
            self.row = None;
            self.next_row(None)?;
        }
        loop {
            let comes_first = |one: EntityId, other: EntityId| match self.direction {
                Direction::Forward => one <= other,
                Direction::Reverse => one >= other,
            };
            let id = match (self.entity.as_ref().map(|(id, _)| *id), self.row) {
                (None, None) => return Ok(None),
                (Some(id), None) | (None, Some(id)) => id,
                (Some(entity), Some(row)) => {
                    if comes_first(entity, row) {
                        entity
                    } else {
                        row
                    }
                }
            };
            let now = match self.entity.take_if(|(entity, _)| *entity == id) {
                Some((_, stored)) => {
                    self.entity = next_entity(entities)?;
                    Some(stored)
                }
                None => None,
            };
            if self.row == Some(id) {
                self.next_row(Some(id))?;
            }
            if let Some(stored) = state_at(&self.view, self.storage, id, self.at, now)? {
                return Ok(Some((id, stored)));
            }
        }
    }

    /// Goes to the rows of the next entity.
    fn next_row(&mut self, passed: Option<EntityId>) -> Result<()> {
        self.row = None;
        while self.rows.advance()? {
            let (id, _) = keyspace::history_place(self.rows.key()).ok_or_else(|| Error::corrupt("a history key"))?;
            if passed != Some(id) {
                self.row = Some(id);
                break;
            }
        }
        Ok(())
    }
}
