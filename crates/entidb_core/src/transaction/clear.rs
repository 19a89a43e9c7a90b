//! Removing entities in bulk: those of a list, and all of a collection at the cost of a few ranges.
//!
//! Always: what is left is what removing them one by one leaves: no rows, a count, and a change of the feed for each.
//! Memory does not grow with the entities, beyond what the feed is told. Does not know: savepoints; an error may come
//! after some of them were removed.

use entidb_engine::{Direction, interrupt};

use super::State;
use super::schema::NO_ENTITY;
use crate::change_feed::ChangeKind;
use crate::collection::Target;
use crate::error::{Error, Result};
use crate::id::{CollectionId, EntityId};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_ORDINAL};

/// Of so few entities each is removed by itself: what is left of a range costs later readers more than what is left of them.
const FEW: u64 = 16;

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
        if u64::try_from(count).is_ok_and(|count| count <= FEW) {
            let mut ids = Vec::new();
            self.each_id(record.id, |_, id| {
                ids.push(id);
                Ok(())
            })?;
            return self.delete_entities(target, &ids);
        }
        for index in record.indexes.iter().chain(&record.building) {
            index.check_writable().map_err(|error| error.with_collection(&record.name))?;
        }
        let mut deleted = count;
        if self.keeps_feed() {
            deleted = 0;
            self.each_id(record.id, |state, id| {
                deleted += 1;
                state.record(ChangeKind::Delete, &record, id, &[])
            })?;
        } else {
            self.record(ChangeKind::Delete, &record, NO_ENTITY, &[])?;
        }
        for zone in [ZONE_ENTITY, ZONE_ORDINAL] {
            self.clear_zone(zone, record.id.0)?;
        }
        for index in record.indexes.iter().chain(&record.building) {
            self.clear_index(index)?;
            let rows = self.count_of(index.id.0)?;
            if rows != 0 {
                self.count(index.id.0, -rows);
            }
        }
        self.count(record.id.0, -deleted);
        Ok(u64::try_from(deleted).unwrap_or(0))
    }

    /// Everything under the number of a collection or an index in a zone.
    pub(super) fn clear_zone(&mut self, zone: u8, number: u32) -> Result<()> {
        let (start, end) = (keyspace::prefix(zone, number), keyspace::prefix_end(zone, number));
        Ok(self.engine().delete_range(&start, &end)?)
    }

    /// Runs something for each entity of a collection, which may change the transaction meanwhile.
    fn each_id(
        &mut self,
        collection: CollectionId,
        mut run: impl FnMut(&mut Self, EntityId) -> Result<()>,
    ) -> Result<()> {
        let (start, end) =
            (keyspace::prefix(ZONE_ENTITY, collection.0), keyspace::prefix_end(ZONE_ENTITY, collection.0));
        let mut entities = self.snapshot().range(start.as_slice()..end.as_slice(), Direction::Forward)?;
        while entities.advance()? {
            interrupt::check()?;
            let id = keyspace::entity_id(entities.key()).ok_or_else(|| Error::corrupt("an entity key"))?;
            run(self, id)?;
        }
        Ok(())
    }
}
