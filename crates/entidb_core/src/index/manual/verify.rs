//! Comparing the keys of a manual index with the entities of its collection.
//!
//! Always: a key whose entity is gone, one that is there in one of its two rows only, and a second entity under a unique key
//! are found. Does not know: whether a key is the right one for its entity.

use entidb_codec::ordered::successor;
use entidb_engine::Direction;

use super::{ID_BYTES, Manual, row_entity, tuple_of_entity_row};
use crate::database::Findings;
use crate::error::Result;
use crate::id::StorageId;
use crate::index::kind::{Verification, Verified};
use crate::keyspace::{self, PREFIX_BYTES, ZONE_MANUAL, ZONE_MANUAL_ENTITY};
use crate::transaction::View;

pub(super) struct KeyCheck<'a> {
    index: &'a Manual,
    /// Keys of the entities so far.
    expected: u64,
}

impl<'a> KeyCheck<'a> {
    pub(super) fn new(index: &'a Manual) -> Self {
        Self { index, expected: 0 }
    }

    /// Each row by key leads to an entity that is there.
    fn rows_by_key(&self, view: &View, storage: StorageId, findings: &mut Findings) -> Result<u64> {
        let (start, end) = range(ZONE_MANUAL, self.index);
        let mut rows = view.range(&start, &end, Direction::Forward)?;
        let (mut seen, mut before) = (0_u64, Vec::new());
        while rows.advance()? {
            seen += 1;
            findings.row();
            let id = row_entity(rows.key())?;
            if view.get(&keyspace::entity(storage, &id))?.is_none() {
                findings.problem("a key is of an entity that does not exist", Some(id));
            }
            let tuple = rows.key().get(PREFIX_BYTES..rows.key().len() - ID_BYTES).unwrap_or_default();
            if self.index.unique && before == tuple {
                findings.problem("a unique key is of two entities", Some(id));
            }
            before.clear();
            before.extend_from_slice(tuple);
        }
        Ok(seen)
    }
}

fn range(zone: u8, index: &Manual) -> ([u8; PREFIX_BYTES], [u8; PREFIX_BYTES]) {
    (keyspace::prefix(zone, index.id.0), keyspace::prefix_end(zone, index.id.0))
}

impl Verification for KeyCheck<'_> {
    fn entity(&mut self, view: &View, entity: &Verified<'_>, findings: &mut Findings) -> Result<()> {
        let start = self.index.of_entity(entity.id);
        let Some(end) = successor(&start) else { return Ok(()) };
        let mut keys = view.range(&start, &end, Direction::Forward)?;
        while keys.advance()? {
            self.expected += 1;
            let row = self.index.row(tuple_of_entity_row(keys.key()), entity.id);
            if view.get(&row)?.is_none() {
                findings.problem("a key of the entity does not lead to it", Some(entity.id));
            }
        }
        Ok(())
    }

    fn finish(&mut self, view: &View, storage: StorageId, findings: &mut Findings) -> Result<()> {
        let seen = self.rows_by_key(view, storage, findings)?;
        let (start, end) = range(ZONE_MANUAL_ENTITY, self.index);
        let mut by_entity = 0_u64;
        let mut rows = view.range(&start, &end, Direction::Forward)?;
        while rows.advance()? {
            by_entity += 1;
        }
        let (counted, expected) = (view.count(self.index.id.0)?, self.expected);
        if (seen, by_entity, counted) != (expected, expected, expected) {
            let problem = format!(
                "the entities have {expected} keys; there are {seen} rows by key and {by_entity} by entity, and {counted} are \
                 counted"
            );
            findings.problem(&problem, None);
        }
        Ok(())
    }
}
