//! Candidates become entities: read in batches, and settled by their source.
//!
//! Always: a batch is small where few answers are wanted. Does not know: whether an entity is an answer.

use std::collections::VecDeque;

use crate::collection::Entity;
use crate::error::{Error, Result};
use crate::history::stored;
use crate::id::{EntityId, Home, StorageId};
use crate::keyspace;
use crate::query::sources::{Candidate, Scored, Source, Who};
use crate::transaction::View;

/// The most candidates of one batched read: enough to make it worth it.
const BATCH_MAX: usize = 64;
/// The first batch of a walk that may be left early.
const BATCH_FIRST: usize = 4;

/// The entities of a source.
pub(crate) struct Fetch {
    view: View,
    home: Home,
    source: Box<dyn Source>,
    /// Entities that were read and not given yet.
    ready: VecDeque<Scored>,
    candidates: Vec<Candidate>,
    batch: usize,
    ended: bool,
}

impl Fetch {
    pub(crate) fn new(view: View, home: Home, source: Box<dyn Source>) -> Self {
        let (ready, candidates) = (VecDeque::new(), Vec::new());
        Self { view, home, source, ready, candidates, batch: 1, ended: false }
    }

    /// How many candidates there are, where each is an entity and none was given.
    pub(crate) fn count(&mut self) -> Result<Option<u64>> {
        if self.ready.is_empty() { self.source.count() } else { Ok(None) }
    }

    /// Whether the entities of the last batch must be checked although the plan is exact.
    pub(crate) fn is_widened(&self) -> bool {
        self.source.is_widened()
    }

    /// The next entity. `wanted` is how many answers there may still be, where that is known: that number is read at once, and
    /// more only when candidates turn out to be no answers.
    pub(crate) fn next(&mut self, wanted: Option<u64>) -> Result<Option<Scored>> {
        self.view.check()?;
        while self.ready.is_empty() && !self.ended {
            let likely = wanted.map_or(BATCH_FIRST, |wanted| usize::try_from(wanted).unwrap_or(BATCH_MAX));
            self.candidates.clear();
            self.source.read(likely.max(self.batch).min(BATCH_MAX), &mut self.candidates)?;
            self.ended = self.candidates.is_empty();
            let grown = if wanted.is_none() { self.batch.max(BATCH_FIRST) * 2 } else { self.batch * 2 };
            self.batch = grown.min(BATCH_MAX);
            fetch(&self.view, self.home, &mut self.candidates, &*self.source, &mut self.ready)?;
            self.source.settle(&mut self.ready)?;
        }
        Ok(self.ready.pop_front())
    }
}

/// The entities of candidates, in their order.
fn fetch(
    view: &View,
    home: Home,
    candidates: &mut Vec<Candidate>,
    source: &dyn Source,
    entities: &mut VecDeque<Scored>,
) -> Result<()> {
    if candidates.iter().all(|candidate| matches!(candidate, Candidate { who: Who::Id(_), stored: Some(_), .. })) {
        for candidate in candidates.drain(..) {
            if let Candidate { who: Who::Id(id), stored: Some(stored), score } = candidate {
                entities.push_back(Scored { entity: Entity::new(id, stored)?, score });
            }
        }
        return Ok(());
    }
    let ids = ids_of(view, home, candidates, source)?;
    let read = by_ids(view, home.storage, &ids)?;
    for (id, (candidate, entity)) in ids.iter().zip(candidates.iter().zip(read)) {
        let entity = entity.ok_or_else(|| source.missing(Who::Id(*id)))?;
        entities.push_back(Scored { entity, score: candidate.score });
    }
    Ok(())
}

/// The ids of candidates, of those too whose ordinals alone are known.
pub(super) fn ids_of(view: &View, home: Home, candidates: &[Candidate], source: &dyn Source) -> Result<Vec<EntityId>> {
    let mut ids = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        ids.push(match candidate.who {
            Who::Id(id) => id,
            Who::Ordinal(ordinal) => {
                let found = view.get(&keyspace::ordinal(home.collection, ordinal))?;
                let found = found.ok_or_else(|| source.missing(candidate.who))?;
                EntityId::from_slice(&found).map_err(|_| Error::corrupt("the id under an ordinal"))?
            }
        });
    }
    Ok(ids)
}

/// The entities with these ids, in one batched read.
pub(crate) fn by_ids(view: &View, storage: StorageId, ids: &[EntityId]) -> Result<Vec<Option<Entity>>> {
    if view.past().is_some() {
        let entity = |id: &EntityId| stored(view, storage, *id)?.map(|stored| Entity::new(*id, stored)).transpose();
        return ids.iter().map(entity).collect();
    }
    let keys: Vec<[u8; 21]> = ids.iter().map(|id| keyspace::entity(storage, id)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(<[u8; 21]>::as_slice).collect();
    let stored = view.multi_get(&keys)?;
    ids.iter().zip(stored).map(|(id, stored)| stored.map(|stored| Entity::new(*id, stored)).transpose()).collect()
}
