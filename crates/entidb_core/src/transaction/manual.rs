//! Keys of manual indexes in an open write transaction.
//!
//! Always: a key is of an entity that is there as of this transaction. What may be refused is checked before anything is
//! written. Does not know: rows (`index::manual`).

use std::sync::Arc;

use entidb_codec::Value;
use entidb_engine::{ChangeSize, interrupt};

use super::{State, not_found};
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::collection::{Target, of_manual_kind};
use crate::error::Result;
use crate::id::EntityId;
use crate::index::Changes;
use crate::keyspace;

impl State {
    /// Gives an entity a key in a manual index. False when it has the key.
    pub(crate) fn insert_key(&mut self, target: &Target<'_>, index: &str, key: &Value, id: EntityId) -> Result<bool> {
        let (record, index) = self.writable_manual(target, index)?;
        if self.get(&keyspace::entity(record.storage, &id))?.is_none() {
            return Err(not_found(&record.name, id));
        }
        let shows_keys = self.limits().show_unique_keys;
        let manual = of_manual_kind(&index)?;
        let mut changes = std::mem::take(&mut self.row_changes);
        changes.clear();
        let planned = manual.plan_insert(self.engine(), key, id, shows_keys, &mut changes);
        self.write_keys(&record, id, changes, planned)
    }

    /// Takes a key from an entity. False when it has no such key.
    pub(crate) fn remove_key(&mut self, target: &Target<'_>, index: &str, key: &Value, id: EntityId) -> Result<bool> {
        let (record, index) = self.writable_manual(target, index)?;
        let manual = of_manual_kind(&index)?;
        let mut changes = std::mem::take(&mut self.row_changes);
        changes.clear();
        let planned = manual.plan_remove(self.engine(), key, id, &mut changes);
        self.write_keys(&record, id, changes, planned)
    }

    /// The collection, and an index of it, where it may be changed.
    fn writable_manual(&self, target: &Target<'_>, index: &str) -> Result<(Arc<CollectionRecord>, Arc<IndexRecord>)> {
        interrupt::check()?;
        let record = self.resolve(target)?;
        let index = target.index(record.as_deref(), index)?;
        let record = record.ok_or_else(|| target.dropped())?;
        for other in record.indexes.iter().chain(&record.building) {
            other.check_writable().map_err(|error| error.with_collection(&record.name))?;
        }
        Ok((record, index))
    }

    fn write_keys(
        &mut self,
        record: &CollectionRecord,
        id: EntityId,
        changes: Changes,
        planned: Result<bool>,
    ) -> Result<bool> {
        let size = ChangeSize { changes: changes.keys(), key_bytes: changes.bytes(), value_bytes: 0 };
        let checked = planned.and_then(|is_change| {
            if is_change {
                self.check_room_for(size, &changes)?;
            }
            Ok(is_change)
        });
        let mut done = checked.map_err(|error| error.with_collection(&record.name));
        if matches!(done, Ok(true)) {
            let written = self.all_or_doom(|engine| changes.apply(engine, id));
            if written.is_ok() {
                self.count_rows(&changes);
                self.note_keys(record, &changes);
                self.note_write();
            }
            done = written.map(|()| true);
        }
        self.row_changes = changes;
        done
    }
}
