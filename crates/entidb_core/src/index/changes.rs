//! What a change of a document does to the rows of its indexes.
//!
//! Always: rows that stay the same are not touched; a unique key held by another entity refuses the change before
//! anything is written, and the error names the index and that entity. Does not know: the document's other effects.

use entidb_engine::WriteTransaction;

use super::rows::{Row, row_id, rows, write_row};
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::error::{Error, ErrorCode, Result};
use crate::id::{EntityId, Ordinal};

/// The id in a row.
const ID_BYTES: u64 = 16;

/// Keys one behind the other.
#[derive(Debug, Default)]
struct Keys {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().filter_map(move |end| self.bytes.get(std::mem::replace(&mut start, *end)..*end))
    }

    /// What was written behind the last key, and is none yet.
    fn open(&self) -> &[u8] {
        self.bytes.get(self.end()..).unwrap_or_default()
    }

    fn end(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Makes what is open a key.
    fn close(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// Forgets what is open.
    fn discard(&mut self) {
        self.bytes.truncate(self.end());
    }
}

/// Rows to remove and to write. Used for one change after the other, so that its memory is taken once.
#[derive(Debug, Default)]
pub(crate) struct RowChanges {
    removed: Keys,
    added: Keys,
}

impl RowChanges {
    /// How many keys the changes write.
    pub(crate) fn keys(&self) -> u64 {
        (self.removed.ends.len() + self.added.ends.len()) as u64
    }

    /// How many bytes of keys and values the changes write.
    pub(crate) fn bytes(&self) -> u64 {
        (self.removed.bytes.len() + self.added.bytes.len()) as u64 + self.added.ends.len() as u64 * ID_BYTES
    }

    /// Writes the changes for the entity.
    pub(crate) fn apply(&self, tx: &mut WriteTransaction, id: EntityId) -> Result<()> {
        for key in self.removed.iter() {
            tx.delete(key)?;
        }
        for key in self.added.iter() {
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
    changes: &mut RowChanges,
) -> Result<()> {
    changes.removed.clear();
    changes.added.clear();
    let of = |index: &IndexRecord, document: Option<&[u8]>| match document {
        Some(bytes) => rows(index, bytes, entity.1),
        None => Ok(Vec::new()),
    };
    for index in &record.indexes {
        if index.definition.multi {
            plan_rows(index, tx, entity.0, of(index, old)?, of(index, new)?, changes)?;
        } else {
            plan_row(index, tx, entity, old, new, changes)?;
        }
    }
    for index in &record.building {
        let old = rows_held(tx, entity.0, of(index, old)?)?;
        plan_rows(index, tx, entity.0, old, of(index, new)?, changes)?;
    }
    Ok(())
}

/// The change in an index that has one row for each document.
fn plan_row(
    index: &IndexRecord,
    tx: &WriteTransaction,
    (id, ordinal): (EntityId, Ordinal),
    old: Option<&[u8]>,
    new: Option<&[u8]>,
    changes: &mut RowChanges,
) -> Result<()> {
    let RowChanges { removed, added } = changes;
    if let Some(old) = old {
        write_row(index, old, ordinal, &mut removed.bytes)?;
    }
    let Some(new) = new else {
        removed.close();
        return Ok(());
    };
    let is_claim = write_row(index, new, ordinal, &mut added.bytes)?;
    if old.is_some() {
        // A tuple says by itself whether it claims, so equal keys are equal rows.
        if removed.open() == added.open() {
            removed.discard();
            added.discard();
            return Ok(());
        }
        removed.close();
    }
    if is_claim {
        judge_claim(index, tx, id, added.open())?;
    }
    added.close();
    Ok(())
}

/// Refuses a claim that another entity has made.
fn judge_claim(index: &IndexRecord, tx: &WriteTransaction, id: EntityId, key: &[u8]) -> Result<()> {
    match tx.get(key)?.as_deref().map(row_id).transpose()? {
        Some(holder) if holder != id => Err(violation(index, holder)),
        _ => Ok(()),
    }
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
            changes.removed.push(&gone.key);
        }
        if old.next_if_eq(&row).is_some() {
            continue;
        }
        if row.is_claim {
            judge_claim(index, tx, id, &row.key)?;
        }
        changes.added.push(&row.key);
    }
    old.for_each(|row| changes.removed.push(&row.key));
    Ok(())
}

fn violation(index: &IndexRecord, holder: EntityId) -> Error {
    let name = &index.definition.name;
    let problem = format!(
        "the unique index {name:?} has this key already, for the entity {holder}; change the value or that entity"
    );
    Error::new(ErrorCode::UniqueViolation, problem).with_index(name).with_id(holder)
}
