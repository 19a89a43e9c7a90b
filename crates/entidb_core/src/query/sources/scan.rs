//! Every entity of a collection, in the order of ids.
//!
//! Always: a batch holds few bytes, however large entities are. Does not know: indexes.

use entidb_engine::Direction;

use super::{Access, Candidate, Opening, Source, Walked, Who};
use crate::error::Result;
use crate::history::EntityWalk;
use crate::id::{CollectionId, EntityId};
use crate::index::kind::RowCount;
use crate::transaction::View;

/// A batch ends with the entity that takes it over this number of bytes.
const BATCH_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct ScanAccess;

impl Access for ScanAccess {
    fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Source>> {
        let storage = opening.home.storage;
        let mut entities = EntityWalk::new(opening.view, storage, Direction::Forward)?;
        let after = opening.after.and_then(|place| EntityId::from_slice(&place.key).ok());
        if let Some(id) = &after {
            entities.seek(storage, id)?;
        }
        Ok(Box::new(Scan { entities, after }))
    }

    fn walked(&self) -> Walked {
        Walked { ranges: 1, reverse: false }
    }

    fn estimate(&self, view: &View, collection: CollectionId, _: u64) -> Result<RowCount> {
        Ok(RowCount { rows: view.entity_count(collection)?, is_exact: true })
    }
}

struct Scan {
    entities: EntityWalk,
    after: Option<EntityId>,
}

impl Source for Scan {
    fn read(&mut self, most: usize, batch: &mut Vec<Candidate>) -> Result<()> {
        let mut bytes = 0;
        while batch.len() < most
            && bytes < BATCH_BYTES
            && let Some((id, stored)) = self.entities.next()?
        {
            // The last answer may still be there, as the first that is met.
            if self.after.take() == Some(id) {
                continue;
            }
            bytes += stored.len();
            batch.push(Candidate { stored: Some(stored), ..Candidate::of(Who::Id(id)) });
        }
        Ok(())
    }
}
