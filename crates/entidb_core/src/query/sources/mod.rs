//! Where the entities of an answer come from: a walk over all, or over rows of an index.
//!
//! Always: each entity comes once. Does not know: whether an entity satisfies the filter, beyond what the ranges say.

mod rows;

use std::collections::VecDeque;
use std::sync::Arc;

use entidb_engine::{Direction, Iter};

use rows::{Resume, RowWalk};

use crate::catalog::CollectionRecord;
use crate::collection::Entity;
use crate::error::{Error, Result};
use crate::id::EntityId;
use crate::keyspace::{self, ZONE_ENTITY};
use crate::query::plan::{Access, Plan};
use crate::query::results::Place;
use crate::transaction::View;

/// Rows are turned into entities at most so many at a time: enough to make one batched read worth it.
const BATCH_MAX: usize = 64;
/// The first batch of a walk that may be left early.
const BATCH_FIRST: usize = 4;

/// A stream of candidate entities.
pub(crate) struct Source {
    view: View,
    walk: Walk,
}

enum Walk {
    All { iter: Box<Iter>, after: Option<EntityId> },
    Rows { rows: Box<RowWalk>, ready: VecDeque<Entity>, batch: usize },
    Ended,
}

impl Source {
    /// The candidates of a plan, in its order where it does not sort; after a place in that order.
    pub(crate) fn open(
        view: View,
        record: &CollectionRecord,
        plan: &Plan,
        after: Option<&Place>,
        sort_bytes_max: u64,
    ) -> Result<Self> {
        let collection = record.id;
        let after = after.filter(|_| !plan.sorts);
        let walk = match &plan.access {
            Access::Scan => {
                let start = keyspace::prefix(ZONE_ENTITY, collection.0);
                let end = keyspace::prefix_end(ZONE_ENTITY, collection.0);
                let mut iter = view.range(&start, &end, Direction::Forward)?;
                let after = after.and_then(|place| EntityId::from_slice(&place.key).ok());
                if let Some(id) = &after {
                    iter.seek(&keyspace::entity(collection, id))?;
                }
                Walk::All { iter: Box::new(iter), after }
            }
            Access::Index { index, ranges, walk, head } => {
                let resume = after.map(|place| Resume::after(index, &plan.order, head, &place.key, *walk));
                let order = (!plan.sorts).then(|| plan.order.clone());
                let (index, ranges) = (Arc::clone(index), Arc::clone(ranges));
                let view = view.clone();
                let rows = RowWalk::new(view, collection, index, ranges, *walk, order, resume, sort_bytes_max)?;
                Walk::Rows { rows: Box::new(rows), ready: VecDeque::new(), batch: 1 }
            }
        };
        Ok(Self { view, walk })
    }

    /// How many candidates there are, where each row is one.
    pub(crate) fn count_rows(&mut self) -> Result<Option<u64>> {
        match &mut self.walk {
            Walk::Rows { rows, ready, .. } if ready.is_empty() => rows.count(),
            _ => Ok(None),
        }
    }

    /// The next candidate. `wanted` is how many answers there may still be, where that is known: so many rows are read at
    /// once, and more only when candidates turn out to be no answers.
    pub(crate) fn next(&mut self, wanted: Option<u64>) -> Result<Option<Entity>> {
        self.view.check()?;
        match &mut self.walk {
            Walk::Ended => return Ok(None),
            Walk::All { iter, after } => {
                while iter.advance()? {
                    let id = keyspace::entity_id(iter.key()).ok_or_else(|| Error::corrupt("an entity key"))?;
                    // The last answer may still be there, as the first that is met.
                    if after.take() != Some(id) {
                        return Entity::new(id, iter.value_owned()).map(Some);
                    }
                }
            }
            Walk::Rows { rows, ready, batch } => {
                if ready.is_empty() {
                    let likely = wanted.map_or(BATCH_FIRST, |wanted| usize::try_from(wanted).unwrap_or(BATCH_MAX));
                    rows.read(likely.max(*batch).min(BATCH_MAX), ready)?;
                    *batch = if wanted.is_none() { (*batch).max(BATCH_FIRST) * 2 } else { *batch * 2 }.min(BATCH_MAX);
                }
                if let Some(entity) = ready.pop_front() {
                    return Ok(Some(entity));
                }
            }
        }
        self.walk = Walk::Ended;
        Ok(None)
    }
}
