//! What a change of a document does to the rows of its indexes.
//!
//! Always: rows that stay the same are not touched; a unique key held by another entity refuses the change before
//! anything is written, and the error names the index and that entity. Does not know: the document's other effects.

use entidb_engine::WriteTransaction;

use super::rows::{Row, row_id, rows};
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::error::{Error, ErrorCode, Result};
use crate::id::{EntityId, Ordinal};

/// What a change of a row costs beside its key: the id, and what a transaction needs to hold it.
const ROW_BYTES: u64 = 64;

/// Rows to remove and to write.
#[derive(Debug, Default)]
pub(crate) struct RowChanges {
    removed: Vec<Vec<u8>>,
    added: Vec<Vec<u8>>,
}

impl RowChanges {
    /// About what writing the changes costs.
    pub(crate) fn bytes(&self) -> u64 {
        let rows = self.removed.iter().chain(&self.added);
        rows.map(|key| key.len() as u64 + ROW_BYTES).sum()
    }

    /// Writes the changes for the entity.
    pub(crate) fn apply(self, tx: &mut WriteTransaction, id: EntityId) -> Result<()> {
        for key in &self.removed {
            tx.delete(key)?;
        }
        for key in &self.added {
            tx.put(key, id.as_bytes())?;
        }
        Ok(())
    }
}

/// The changes in all indexes of a collection when a document takes the place of another.
pub(crate) fn plan_changes(
    record: &CollectionRecord,
    tx: &WriteTransaction,
    entity: (EntityId, Ordinal),
    old: Option<&[u8]>,
    new: Option<&[u8]>,
) -> Result<RowChanges> {
    let mut changes = RowChanges::default();
    let of = |index: &IndexRecord, document: Option<&[u8]>| match document {
        Some(bytes) => rows(index, bytes, entity.1),
        None => Ok(Vec::new()),
    };
    for index in &record.indexes {
        plan_rows(index, tx, entity.0, of(index, old)?, of(index, new)?, &mut changes)?;
    }
    for index in &record.building {
        let old = rows_held(tx, entity.0, of(index, old)?)?;
        plan_rows(index, tx, entity.0, old, of(index, new)?, &mut changes)?;
    }
    Ok(changes)
}

/// The rows that are the entity's own. While an index is being built, an entity may not have its rows yet, and the claim it
/// would make may belong to another entity: that one's row must not go with this one's change.
fn rows_held(tx: &WriteTransaction, id: EntityId, rows: Vec<Row>) -> Result<Vec<Row>> {
    let mut held = Vec::with_capacity(rows.len());
    for row in rows {
        if !row.is_claim || tx.get(&row.key)?.as_deref().map(row_id).transpose()? == Some(id) {
            held.push(row);
        }
    }
    Ok(held)
}

/// The changes in one index when some rows take the place of others; both sorted.
pub(crate) fn plan_rows(
    index: &IndexRecord,
    tx: &WriteTransaction,
    id: EntityId,
    old: Vec<Row>,
    new: Vec<Row>,
    changes: &mut RowChanges,
) -> Result<()> {
    // Both are sorted, so one walk over the two tells what goes, what stays and what comes.
    let mut old = old.into_iter().peekable();
    for row in new {
        while let Some(gone) = old.next_if(|old| *old < row) {
            changes.removed.push(gone.key);
        }
        if old.next_if_eq(&row).is_some() {
            continue;
        }
        if row.is_claim
            && let Some(holder) = tx.get(&row.key)?
        {
            let holder = row_id(&holder)?;
            if holder != id {
                return Err(violation(index, holder));
            }
        }
        changes.added.push(row.key);
    }
    changes.removed.extend(old.map(|row| row.key));
    Ok(())
}

fn violation(index: &IndexRecord, holder: EntityId) -> Error {
    let name = &index.definition.name;
    let problem = format!(
        "the unique index {name:?} has this key already, for the entity {holder}; change the value or that entity"
    );
    Error::new(ErrorCode::UniqueViolation, problem).with_index(name).with_id(holder)
}
