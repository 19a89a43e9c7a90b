//! Entities whose ids are known, in the order of the ids.
//!
//! Does not know: where the ids are from.

use std::collections::VecDeque;

use super::{Candidate, Source, Who};
use crate::error::{Error, Result};
use crate::id::EntityId;

/// Ids to be given one after the other. They are of entities in the snapshot.
pub(crate) struct IdSource(pub(crate) VecDeque<EntityId>);

impl Source for IdSource {
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()> {
        let count = most.min(self.0.len());
        batch.extend(self.0.drain(..count).map(Candidate::of_id));
        Ok(())
    }

    fn count(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.0.len() as u64))
    }

    fn missing(&self, _: Who) -> Error {
        Error::internal("a sorted entity is not in its snapshot")
    }
}
