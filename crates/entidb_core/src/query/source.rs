//! Where the entities of an answer come from: a walk over all, or over rows of an index.
//!
//! Always: each entity comes once, even when several of its rows are in the ranges: it comes at the first of them.
//! Does not know: whether an entity satisfies the filter, beyond what the ranges say.

use entidb_codec::ordered::Bounds;
use entidb_engine::{Direction, Iter};

use super::plan::Access;
use super::token::Place;
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::collection::Entity;
use crate::error::{Error, Result};
use crate::id::{CollectionId, EntityId};
use crate::index::{row_id, rows};
use crate::keyspace::{self, ZONE_ENTITY};
use crate::transaction::View;

/// Rows are turned into entities at most so many at a time: enough to make one batched read worth it.
const BATCH_MAX: usize = 64;
/// The first batch of a walk that may be left early.
const BATCH_FIRST: usize = 4;

/// An entity with its place.
pub(crate) struct Located {
    pub(crate) entity: Entity,
    pub(crate) place: Place,
}

/// A stream of candidate entities.
pub(crate) struct Source {
    view: View,
    collection: CollectionId,
    walk: Walk,
    after: Option<Place>,
}

enum Walk {
    All(Box<Iter>),
    Rows { rows: Box<RowWalk>, ready: std::collections::VecDeque<Located>, batch: usize },
    Ended,
}

struct RowWalk {
    index: std::sync::Arc<IndexRecord>,
    /// Ranges still to walk, the next one last.
    pending: Vec<Bounds>,
    ranges: Vec<Bounds>,
    direction: Direction,
    current: Option<Iter>,
}

impl Source {
    pub(crate) fn open(view: View, record: &CollectionRecord, access: &Access, after: Option<Place>) -> Result<Self> {
        let collection = record.id;
        let walk = match access {
            Access::Scan => {
                let start = keyspace::prefix(ZONE_ENTITY, collection.0);
                let end = keyspace::prefix_end(ZONE_ENTITY, collection.0);
                let mut iter = view.range(&start, &end, Direction::Forward)?;
                if let Some(Place::Entity { id }) = &after {
                    iter.seek(&keyspace::entity(collection, id))?;
                }
                Walk::All(Box::new(iter))
            }
            Access::Index { index, ranges, walk } => {
                let mut pending = ranges.clone();
                if *walk == Direction::Forward {
                    pending.reverse();
                }
                if let Some(Place::Row { key, .. }) = &after {
                    skip_to(&mut pending, key, *walk);
                }
                let rows = RowWalk {
                    index: std::sync::Arc::clone(index),
                    pending,
                    ranges: ranges.clone(),
                    direction: *walk,
                    current: None,
                };
                Walk::Rows { rows: Box::new(rows), ready: std::collections::VecDeque::new(), batch: 1 }
            }
        };
        Ok(Self { view, collection, walk, after })
    }

    /// How many candidates there are, where each row is one: an index that spreads arrays may have several of an entity.
    pub(crate) fn count_rows(&mut self) -> Result<Option<u64>> {
        match &mut self.walk {
            Walk::Rows { rows, ready, .. } if ready.is_empty() && !rows.index.definition.multi => {
                let mut count = 0_u64;
                while rows.advance(&self.view)? {
                    count += 1;
                }
                Ok(Some(count))
            }
            _ => Ok(None),
        }
    }

    /// The next candidate. `wanted` is how many answers there may still be, where that is known: so many rows are read at
    /// once, and more only when candidates turn out to be no answers.
    pub(crate) fn next(&mut self, wanted: Option<u64>) -> Result<Option<Located>> {
        self.view.check()?;
        match &mut self.walk {
            Walk::Ended => Ok(None),
            Walk::All(iter) => {
                while iter.advance()? {
                    let id = keyspace::entity_id(iter.key()).ok_or_else(|| Error::corrupt("an entity key"))?;
                    if matches!(self.after.take(), Some(Place::Entity { id: after }) if after == id) {
                        continue;
                    }
                    let entity = Entity::new(id, iter.value_owned())?;
                    return Ok(Some(Located { entity, place: Place::Entity { id } }));
                }
                self.walk = Walk::Ended;
                Ok(None)
            }
            Walk::Rows { rows, ready, batch } => {
                while ready.is_empty() {
                    let likely = wanted.map_or(BATCH_FIRST, |wanted| usize::try_from(wanted).unwrap_or(BATCH_MAX));
                    let found = rows.collect(&self.view, likely.max(*batch).min(BATCH_MAX))?;
                    *batch = if wanted.is_none() { (*batch).max(BATCH_FIRST) * 2 } else { *batch * 2 }.min(BATCH_MAX);
                    if found.is_empty() {
                        self.walk = Walk::Ended;
                        return Ok(None);
                    }
                    fetch(&self.view, self.collection, rows, found, ready)?;
                }
                Ok(ready.pop_front())
            }
        }
    }
}

/// Drops what lies before a row key in the direction of the walk; `pending` has the next range last.
fn skip_to(pending: &mut Vec<Bounds>, key: &[u8], direction: Direction) {
    match direction {
        Direction::Forward => {
            pending.retain(|range| range.end.as_deref().is_none_or(|end| end > key));
            if let Some(range) = pending.last_mut().filter(|range| range.start.as_slice() <= key) {
                range.start = [key, &[0]].concat();
            }
        }
        Direction::Reverse => {
            pending.retain(|range| range.start.as_slice() < key);
            if let Some(range) = pending.last_mut().filter(|range| range.end.as_deref().is_none_or(|end| end > key)) {
                range.end = Some(key.to_vec());
            }
        }
    }
}

impl RowWalk {
    /// Goes to the next row, over the ends of ranges; false when there is none.
    fn advance(&mut self, view: &View) -> Result<bool> {
        loop {
            let iter = match &mut self.current {
                Some(iter) => iter,
                None => {
                    let Some(range) = self.pending.pop() else { return Ok(false) };
                    let index_end = keyspace::index_end(self.index.id, self.index.definition.unique);
                    let end = range.end.as_deref().unwrap_or(&index_end);
                    self.current.insert(view.range(&range.start, end, self.direction)?)
                }
            };
            if iter.advance()? {
                return Ok(true);
            }
            self.current = None;
        }
    }

    /// The next rows: key and id.
    fn collect(&mut self, view: &View, most: usize) -> Result<Vec<(Vec<u8>, EntityId)>> {
        let mut found = Vec::with_capacity(most);
        while found.len() < most && self.advance(view)? {
            if let Some(iter) = &self.current {
                found.push((iter.key().to_vec(), row_id(iter.value())?));
            }
        }
        Ok(found)
    }

    /// True when this is the row at which its entity comes.
    fn is_first_of(&self, entity: &Entity, key: &[u8]) -> Result<bool> {
        if !self.index.definition.multi {
            return Ok(true);
        }
        let all = rows(&self.index, entity.bytes(), entity.ordinal())?;
        let mut inside = all.iter().filter(|row| self.ranges.iter().any(|range| range.contains(&row.key)));
        let first = match self.direction {
            Direction::Forward => inside.next(),
            Direction::Reverse => inside.next_back(),
        };
        Ok(first.is_none_or(|row| row.key == key))
    }
}

fn fetch(
    view: &View,
    collection: CollectionId,
    walk: &RowWalk,
    found: Vec<(Vec<u8>, EntityId)>,
    ready: &mut std::collections::VecDeque<Located>,
) -> Result<()> {
    let keys: Vec<[u8; 21]> = found.iter().map(|(_, id)| keyspace::entity(collection, id)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(<[u8; 21]>::as_slice).collect();
    let stored = view.multi_get(&keys)?;
    for ((key, id), stored) in found.into_iter().zip(stored) {
        let Some(stored) = stored else {
            return Err(Error::corrupt(format!("an index row for {id}, which does not exist"))
                .with_index(&walk.index.definition.name)
                .with_id(id));
        };
        let entity = Entity::new(id, stored)?;
        if walk.is_first_of(&entity, &key)? {
            ready.push_back(Located { entity, place: Place::Row { index: walk.index.id, key } });
        }
    }
    Ok(())
}
