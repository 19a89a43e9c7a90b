//! Entities whose ids are known, with their scores where they were ranked.
//!
//! Always: in the order of the ids given. Does not know: where the ids are from.

use std::collections::VecDeque;

use super::{Candidate, Score, Source, Who};
use crate::error::{Error, Result};
use crate::id::EntityId;

/// Ids to be given one after the other. They are of entities in the snapshot.
pub(crate) struct IdSource {
    pub(crate) ids: VecDeque<EntityId>,
    /// One for each id, or none at all.
    pub(crate) scores: VecDeque<Score>,
}

impl Source for IdSource {
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()> {
        let count = most.min(self.ids.len());
        let scores = &mut self.scores;
        let candidate = |id| Candidate { score: scores.pop_front(), ..Candidate::of(Who::Id(id)) };
        batch.extend(self.ids.drain(..count).map(candidate));
        Ok(())
    }

    fn count(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.ids.len() as u64))
    }

    fn missing(&self, _: Who) -> Error {
        Error::internal("a sorted entity is not in its snapshot")
    }
}
