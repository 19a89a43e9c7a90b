//! Indexes whose keys the application gives, for documents that the database cannot read.
//!
//! Always: a key is of an entity that is there; it goes with the entity, in the same commit. Each key of an entity is there
//! twice, by key and by entity. Does not know: documents. Format: docs/spec/keyspace.md, "Manual indexes".

#[cfg(test)]
mod tests;
mod verify;

use std::ops::Bound;

use entidb_codec::ordered::{Bounds, range_bounds, successor};
use entidb_codec::{Direction, Element, Value, decode_ordered, encode_ordered};
use entidb_engine::{Direction as Walk, WriteTransaction};

use super::changes::Changes;
use super::kind::{Change, Index, Kind, Origin, RowCount, Verification};
use super::refusal;
use crate::catalog::IndexDefinition;
use crate::error::{Error, ErrorCode, Result};
use crate::id::{EntityId, IndexId};
use crate::keyspace::{self, PREFIX_BYTES, ZONE_MANUAL, ZONE_MANUAL_ENTITY};
use crate::query::{Asked, Offer};
use crate::transaction::View;

/// The name of the kind.
pub(crate) const MANUAL: &str = "manual";

/// The kind.
pub(super) static KIND: ManualKind = ManualKind;

/// The longest key in its ordered form, so that a row always fits the engine's keys.
const KEY_BYTES_MAX: usize = 4000;

const ID_BYTES: usize = 16;

pub(super) struct ManualKind;

impl Kind for ManualKind {
    fn name(&self) -> &'static str {
        MANUAL
    }

    fn since(&self, _: &IndexDefinition) -> &'static str {
        "0.1.0"
    }

    fn zones(&self) -> &'static [u8] {
        &[ZONE_MANUAL, ZONE_MANUAL_ENTITY]
    }

    fn walked_zones(&self) -> &'static [u8] {
        self.zones()
    }

    fn check(&self, definition: &IndexDefinition) -> Result<()> {
        let problem = if !definition.columns.is_empty() {
            "has no columns: its keys come from the application; leave them out"
        } else if definition.multi {
            "is never multi: an entity has as many keys as it is given; leave it out"
        } else if !definition.options.is_empty() {
            "takes no options; leave them out"
        } else {
            return Ok(());
        };
        let problem = format!("an index of the kind manual {problem}");
        Err(Error::new(ErrorCode::InvalidArgument, problem).with_index(&definition.name))
    }

    fn index(&self, id: IndexId, definition: &IndexDefinition, _: Origin) -> Box<dyn Index> {
        Box::new(Manual { id, name: definition.name.clone(), unique: definition.unique })
    }
}

/// An index of this kind.
#[derive(Debug)]
pub(crate) struct Manual {
    id: IndexId,
    name: String,
    /// Whether a key is of one entity at most.
    unique: bool,
}

impl Index for Manual {
    fn zones(&self) -> &[u8] {
        &[ZONE_MANUAL, ZONE_MANUAL_ENTITY]
    }

    /// An entity that goes takes its keys with it; no other change is any of this index's.
    fn plan(&self, tx: &WriteTransaction, change: &Change<'_>, changes: &mut Changes) -> Result<()> {
        if change.old.is_none() || change.new.is_some() {
            return Ok(());
        }
        let start = self.of_entity(change.id);
        let Some(end) = successor(&start) else { return Ok(()) };
        let mut keys = tx.range(start.as_slice()..end.as_slice(), Walk::Forward)?;
        let mut removed = 0;
        while keys.advance()? {
            changes.remove(keys.key());
            let tuple = tuple_of_entity_row(keys.key());
            changes.remove(&self.row(tuple, change.id));
            changes.tell(self.name.len() + tuple.len());
            removed += 1;
        }
        if removed > 0 {
            changes.count(self.id, -removed);
        }
        Ok(())
    }

    /// Nothing of a manual index can be made from entities.
    fn is_built_from_entities(&self) -> bool {
        false
    }

    fn told_zone(&self) -> Option<u8> {
        Some(ZONE_MANUAL_ENTITY)
    }

    fn told_key<'a>(&self, row: &'a [u8]) -> Result<(EntityId, &'a [u8])> {
        let id = row.get(PREFIX_BYTES..PREFIX_BYTES + ID_BYTES).and_then(|id| EntityId::from_slice(id).ok());
        let id = id.ok_or_else(|| Error::corrupt("a row of a manual index"))?;
        Ok((id, tuple_of_entity_row(row)))
    }

    fn verification(&self) -> Option<Box<dyn Verification + '_>> {
        Some(Box::new(verify::KeyCheck::new(self)))
    }

    fn rows(&self, view: &View) -> Result<RowCount> {
        Ok(RowCount { rows: view.count(self.id.0)?, is_exact: true })
    }

    /// A filter asks for what documents hold, and this index does not know that.
    fn offer(&self, _: &Asked<'_>) -> Result<Option<Offer>> {
        Ok(None)
    }
}

impl Manual {
    /// The start of every row.
    fn prefix(&self) -> [u8; PREFIX_BYTES] {
        keyspace::prefix(ZONE_MANUAL, self.id.0)
    }

    /// The row of a key and an entity.
    fn row(&self, tuple: &[u8], id: EntityId) -> Vec<u8> {
        [self.prefix().as_slice(), tuple, id.as_bytes()].concat()
    }

    /// The start of the rows by which an entity's keys are found.
    fn of_entity(&self, id: EntityId) -> Vec<u8> {
        [keyspace::prefix(ZONE_MANUAL_ENTITY, self.id.0).as_slice(), id.as_bytes()].concat()
    }

    fn entity_row(&self, tuple: &[u8], id: EntityId) -> Vec<u8> {
        [self.of_entity(id).as_slice(), tuple].concat()
    }

    /// A key in its ordered form.
    fn tuple(&self, key: &Value) -> Result<Vec<u8>> {
        if matches!(key, Value::Array(_) | Value::Map(_) | Value::Tagged(_)) {
            // As deep as a document at most: what is deeper cannot be read back.
            entidb_codec::validate(&entidb_codec::encode(key))
                .map_err(|error| Error::from(error).with_index(&self.name))?;
        }
        let mut tuple = Vec::with_capacity(32);
        encode_ordered(key, Direction::Ascending, &mut tuple);
        if tuple.len() > KEY_BYTES_MAX {
            let problem = format!(
                "a key of {} bytes was given, {KEY_BYTES_MAX} is the most; give a shorter one, a hash of it for example",
                tuple.len()
            );
            return Err(Error::new(ErrorCode::TooLarge, problem).with_index(&self.name));
        }
        Ok(tuple)
    }

    /// Plans the insertion of a key of an entity; false when the entity has the key.
    pub(crate) fn plan_insert(
        &self,
        tx: &WriteTransaction,
        key: &Value,
        id: EntityId,
        shows_keys: bool,
        changes: &mut Changes,
    ) -> Result<bool> {
        let tuple = self.tuple(key)?;
        let row = self.row(&tuple, id);
        if tx.get(&row)?.is_some() {
            return Ok(false);
        }
        if self.unique {
            let start = [self.prefix().as_slice(), &tuple].concat();
            let end = successor(&start).unwrap_or_default();
            let mut others = tx.range(start.as_slice()..end.as_slice(), Walk::Forward)?;
            if others.advance()? {
                let holder = row_entity(others.key())?;
                return Err(refusal::of_manual_key(&self.name, holder, shows_keys.then_some(key)));
            }
        }
        changes.mark(&row);
        changes.mark(&self.entity_row(&tuple, id));
        changes.tell(self.name.len() + tuple.len());
        changes.count(self.id, 1);
        Ok(true)
    }

    /// Plans the removal of a key of an entity; false when the entity has no such key.
    pub(crate) fn plan_remove(
        &self,
        tx: &WriteTransaction,
        key: &Value,
        id: EntityId,
        changes: &mut Changes,
    ) -> Result<bool> {
        let tuple = self.tuple(key)?;
        let row = self.row(&tuple, id);
        if tx.get(&row)?.is_none() {
            return Ok(false);
        }
        changes.remove(&row);
        changes.remove(&self.entity_row(&tuple, id));
        changes.tell(self.name.len() + tuple.len());
        changes.count(self.id, -1);
        Ok(true)
    }

    /// The number of keys.
    pub(crate) fn len(&self, view: &View) -> Result<u64> {
        view.count(self.id.0)
    }

    /// The rows of keys between two bounds. An open side ends where the class of values of the other side ends, as in a query.
    pub(crate) fn range(&self, from: Bound<&Value>, to: Bound<&Value>) -> Result<Bounds> {
        for bound in [from, to] {
            if let Bound::Included(key) | Bound::Excluded(key) = bound {
                self.tuple(key)?;
            }
        }
        let (from, to) = (from.map(Element::Value), to.map(Element::Value));
        Ok(range_bounds(&self.prefix(), from, to, Direction::Ascending))
    }

    /// The end of all rows.
    pub(crate) fn end(&self) -> [u8; PREFIX_BYTES] {
        keyspace::prefix_end(ZONE_MANUAL, self.id.0)
    }

    /// The row of a key and an entity, as rows of a range are compared.
    pub(crate) fn place(&self, key: &Value, id: EntityId) -> Result<Vec<u8>> {
        Ok(self.row(&self.tuple(key)?, id))
    }
}

/// The key and the entity of a row.
pub(crate) fn read_row(row: &[u8]) -> Result<(Value, EntityId)> {
    let tuple = row.get(PREFIX_BYTES..row.len().saturating_sub(ID_BYTES)).unwrap_or_default();
    let value = decode_ordered(tuple, Direction::Ascending).ok().and_then(|decoded| decoded.value);
    let value = value.ok_or_else(|| Error::corrupt("a key of a manual index"))?;
    Ok((value, row_entity(row)?))
}

/// The entity of a row.
pub(crate) fn row_entity(row: &[u8]) -> Result<EntityId> {
    let id = row.last_chunk::<ID_BYTES>().filter(|_| row.len() > PREFIX_BYTES + ID_BYTES);
    id.map(|id| EntityId::from_bytes(*id)).ok_or_else(|| Error::corrupt("a row of a manual index"))
}

/// The key in a row by which an entity's keys are found.
fn tuple_of_entity_row(row: &[u8]) -> &[u8] {
    row.get(PREFIX_BYTES + ID_BYTES..).unwrap_or_default()
}
