//! Removing entities in bulk: those of a list, and all of a collection at the cost of a few ranges.
//!
//! Always: what is left is what removing them one by one leaves: no rows, a count, and a change of the feed for each.
//! Memory does not grow with the entities, nor does what is written. Does not know: savepoints; an error may come
//! after some of them were removed.

use entidb_engine::{Direction, interrupt};

use super::State;
use crate::change_feed::ChangeKind;
use crate::collection::Target;
use crate::error::{Error, Result};
use crate::id::{EntityId, StorageId};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_ORDINAL};

/// Of so few entities each is removed by itself: what is left of a range costs later readers more than what is left of them.
const FEW: u64 = 16;
/// And no more than this of them, because each goes into the history.
const FEW_BYTES: usize = 4096;

impl State {
    /// Removes these entities; returns how many were there.
    pub(crate) fn delete_entities(&mut self, target: &Target<'_>, ids: &[EntityId]) -> Result<u64> {
        let mut deleted = 0_u64;
        for id in ids {
            interrupt::check()?;
            deleted += u64::from(self.delete_entity(target, *id, None)?);
        }
        Ok(deleted)
    }

    /// Removes every entity of a collection; returns how many there were.
    pub(crate) fn clear_entities(&mut self, target: &Target<'_>) -> Result<u64> {
        let Some(record) = self.resolve(target)? else { return Ok(0) };
        let count = self.entity_count(record.id)?;
        if u64::try_from(count).is_ok_and(|count| count <= FEW)
            && let Some(ids) = self.few(record.storage)?
        {
            return self.delete_entities(target, &ids);
        }
        for index in record.indexes.iter().chain(&record.building) {
            index.check_writable().map_err(|error| error.with_collection(&record.name))?;
        }
        if self.keeps_storage(&record) {
            // The entities stay where they are, as history, and the collection goes on elsewhere.
            let mut emptied = (*record).clone();
            emptied.storage = StorageId(self.take_number()?);
            self.store_collection(&emptied)?;
            self.put_in_catalog(emptied);
            self.pending.note_cleared();
        } else {
            self.clear_zone(ZONE_ENTITY, record.storage.0)?;
        }
        self.record(ChangeKind::Delete, &record, &[]);
        self.clear_zone(ZONE_ORDINAL, record.id.0)?;
        for index in record.indexes.iter().chain(&record.building) {
            self.clear_index(index)?;
            let rows = self.count_of(index.id.0)?;
            if rows != 0 {
                self.count(index.id.0, -rows);
            }
        }
        self.count(record.id.0, -count);
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Removes everything a zone has under a number.
    pub(super) fn clear_zone(&mut self, zone: u8, number: u32) -> Result<()> {
        let (start, end) = (keyspace::prefix(zone, number), keyspace::prefix_end(zone, number));
        Ok(self.engine().delete_range(&start, &end)?)
    }

    /// The entities of a storage, unless they are large.
    fn few(&self, storage: StorageId) -> Result<Option<Vec<EntityId>>> {
        let (start, end) = (keyspace::prefix(ZONE_ENTITY, storage.0), keyspace::prefix_end(ZONE_ENTITY, storage.0));
        let mut entities = self.range(&start, &end, Direction::Forward)?;
        let (mut ids, mut bytes) = (Vec::new(), 0_usize);
        while entities.advance()? {
            interrupt::check()?;
            bytes += entities.value().len();
            if bytes > FEW_BYTES {
                return Ok(None);
            }
            ids.push(keyspace::entity_id(entities.key()).ok_or_else(|| Error::corrupt("an entity key"))?);
        }
        Ok(Some(ids))
    }
}
