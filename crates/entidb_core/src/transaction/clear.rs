//! Removing entities in bulk: those of a list, and all of a collection at the cost of a few ranges.
//!
//! Always: what is left is what removing them one by one leaves: no rows, a count, and a change of the feed for each.
//! Memory does not grow with the entities, nor does what is written. Does not know: savepoints; an error may come
//! after some of them were removed.

use entidb_engine::{Direction, interrupt};

use super::State;
use crate::catalog::CollectionRecord;
use crate::change_feed::ChangeKind;
use crate::collection::Target;
use crate::error::{Error, Family, Result};
use crate::id::{EntityId, StorageId};
use crate::keyspace::{self, ZONE_ENTITY, ZONE_ORDINAL};

/// Of so few entities each is removed by itself: what is left of a range costs later readers more than what is left of them.
const FEW: u64 = 16;
/// And no more than this of them, because each goes into the history.
const FEW_BYTES: usize = 4096;

/// From how many places entities are read to say how large they are together, how many of each, and after how many bytes that
/// is enough.
const PLACES: u128 = 16;
const OF_A_PLACE: u64 = 8;
const READ_BYTES: u64 = 4 << 20;

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
        // What no commit has had is no history.
        if self.keeps_storage(&record) && self.committed_count(record.id)? > 0 {
            // The entities stay where they are, as history, and the collection goes on elsewhere.
            self.note_given_up(&record)?;
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

    /// Counts the entities of a collection whose storage is given up as history.
    pub(super) fn note_given_up(&mut self, record: &CollectionRecord) -> Result<()> {
        let count = u64::try_from(self.entity_count(record.id)?).unwrap_or(0);
        match self.about_bytes(record.storage, count) {
            Ok(bytes) => self.pending.note_given_up(bytes),
            Err(error) if error.code().family() == Family::State => return Err(error),
            // What cannot be read can be emptied and dropped all the same, and counts for nothing.
            Err(_) => {}
        }
        Ok(())
    }

    /// An estimate of the bytes of the `count` entities of a storage: from some of them, in places that lie
    /// evenly between the first and the last id.
    fn about_bytes(&self, storage: StorageId, count: u64) -> Result<u64> {
        let (start, end) = (keyspace::prefix(ZONE_ENTITY, storage.0), keyspace::prefix_end(ZONE_ENTITY, storage.0));
        let at_end = |direction| -> Result<Option<u128>> {
            let mut entities = self.range(&start, &end, direction)?;
            let id = if entities.advance()? { keyspace::entity_id(entities.key()) } else { None };
            Ok(id.map(|id| u128::from_be_bytes(*id.as_bytes())))
        };
        let (Some(first), Some(last)) = (at_end(Direction::Forward)?, at_end(Direction::Reverse)?) else {
            return Ok(0);
        };
        let step = last.saturating_sub(first) / PLACES + 1;
        let (mut entities, mut bytes) = (0_u64, 0_u64);
        for place in 0..PLACES {
            let key_at = |place: u128| {
                let id = first.saturating_add(step.saturating_mul(place));
                keyspace::entity(storage, &EntityId::from_bytes(id.to_be_bytes()))
            };
            let (from, to) = (key_at(place), key_at(place + 1));
            let to = if place + 1 < PLACES { &to[..] } else { &end[..] };
            if from.as_slice() >= to || bytes > READ_BYTES {
                continue;
            }
            let mut found = self.range(&from, to, Direction::Forward)?;
            for _ in 0..OF_A_PLACE {
                if !found.advance()? {
                    break;
                }
                interrupt::check()?;
                entities += 1;
                bytes += (found.key().len() + found.value().len()) as u64;
            }
        }
        let bytes = u128::from(bytes) * u128::from(count) / u128::from(entities.max(1));
        Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
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
