//! What a change of a document does to the rows of its indexes.
//!
//! Always: rows that stay the same are not touched; a unique key held by another entity refuses the change before
//! anything is written, and the error names the index and that entity. An index that is being built refuses nothing: it is
//! told why it cannot be finished. Does not know: the document's other effects.

use entidb_codec::ordered::prefix_bounds;
use entidb_engine::{Direction, WriteTransaction};

use super::rows::{Claim, Row, cut_tuple, row_id, rows, write_row};
use crate::catalog::{CollectionRecord, IndexRecord};
use crate::collection::envelope::Envelope;
use crate::error::Result;
use crate::id::{CollectionId, EntityId, IndexId, Ordinal};
use crate::index::refusal;
use crate::keyspace;

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

    /// Keeps only the first keys, `keys` of them.
    fn shorten(&mut self, keys: usize) {
        self.ends.truncate(keys);
        self.discard();
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
    /// Indexes being built that cannot take in the change, and why.
    refused: Vec<(IndexId, Vec<u8>)>,
    /// Whether the refusal of a unique key may show the key.
    pub(crate) shows_keys: bool,
}

impl RowChanges {
    /// How many keys the changes write.
    pub(crate) fn keys(&self) -> u64 {
        (self.removed.ends.len() + self.added.ends.len() + self.refused.len()) as u64
    }

    /// How many bytes of keys and values the changes write.
    pub(crate) fn bytes(&self) -> u64 {
        let refused: usize = self.refused.iter().map(|(_, why)| why.len() + 6).sum();
        (self.removed.bytes.len() + self.added.bytes.len() + refused) as u64 + self.added.ends.len() as u64 * ID_BYTES
    }

    /// Writes the changes for the entity.
    pub(crate) fn apply(&self, tx: &mut WriteTransaction, id: EntityId) -> Result<()> {
        for key in self.removed.iter() {
            tx.delete(key)?;
        }
        for key in self.added.iter() {
            tx.put(key, id.as_bytes())?;
        }
        for (index, why) in &self.refused {
            tx.put(&keyspace::build_refusal(*index), why)?;
        }
        Ok(())
    }

    /// How far the rows have come.
    fn place(&self) -> [usize; 2] {
        [self.removed.ends.len(), self.added.ends.len()]
    }

    /// Forgets the rows from there on, for an index that refused them.
    fn refuse(&mut self, [removed, added]: [usize; 2], index: IndexId, why: Vec<u8>) {
        self.removed.shorten(removed);
        self.added.shorten(added);
        self.refused.push((index, why));
    }
}

/// The entity whose rows change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) collection: CollectionId,
    pub(crate) id: EntityId,
    /// Whether the refusal of a unique key may show the key.
    pub(crate) shows_keys: bool,
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
    changes.refused.clear();
    let of = |index: &IndexRecord, document: Option<&[u8]>| match document {
        Some(bytes) => rows(index, bytes, entity.1),
        None => Ok(Vec::new()),
    };
    for index in &record.indexes {
        let owner = Owner { collection: record.id, id: entity.0, shows_keys: changes.shows_keys };
        if index.definition.multi {
            plan_rows(index, tx, owner, of(index, old)?, of(index, new)?, changes)?;
        } else {
            plan_row(index, tx, owner, entity.1, old, new, changes)?;
        }
    }
    for index in &record.building {
        // The refusal is stored, and no key with it.
        let owner = Owner { collection: record.id, id: entity.0, shows_keys: false };
        let place = changes.place();
        // What the index would have refused was stored before it, or refused it already: then it has no rows.
        let old = of(index, old).map_or_else(|_| Ok(Vec::new()), |old| rows_held(tx, entity.0, old))?;
        let planned = of(index, new).and_then(|new| plan_rows(index, tx, owner, old, new, changes));
        match planned {
            // The writer did not ask for this index, its builder did: the build fails, and the change is made.
            Err(error) if refusal::is_of_index(&error) => {
                changes.refuse(place, index.id, refusal::encode(&error, entity.0));
            }
            planned => planned?,
        }
    }
    Ok(())
}

/// The change in an index that has one row for each document.
fn plan_row(
    index: &IndexRecord,
    tx: &WriteTransaction,
    owner: Owner,
    ordinal: Ordinal,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
    changes: &mut RowChanges,
) -> Result<()> {
    let RowChanges { removed, added, .. } = changes;
    if let Some(old) = old {
        write_row(index, old, ordinal, &mut removed.bytes)?;
    }
    let Some(new) = new else {
        removed.close();
        return Ok(());
    };
    let claim = write_row(index, new, ordinal, &mut added.bytes)?;
    if old.is_some() {
        // A tuple says by itself whether it claims, so equal keys are equal rows, unless they do not hold all of it.
        if removed.open() == added.open() && !matches!(claim, Claim::Cut(_)) {
            removed.discard();
            added.discard();
            return Ok(());
        }
        removed.close();
    }
    judge_claim(index, tx, owner, added.open(), &claim)?;
    added.close();
    Ok(())
}

/// Refuses a claim that another entity has made.
fn judge_claim(index: &IndexRecord, tx: &WriteTransaction, owner: Owner, key: &[u8], claim: &Claim) -> Result<()> {
    let holder = match claim {
        Claim::None => None,
        Claim::Key => tx.get(key)?.as_deref().map(row_id).transpose()?.filter(|holder| *holder != owner.id),
        Claim::Cut(tuple) => holder_of_cut(index, tx, owner, key, tuple)?,
    };
    let Some(holder) = holder else { return Ok(()) };
    let tuple = match claim {
        Claim::Cut(tuple) => tuple,
        _ => key.get(keyspace::PREFIX_BYTES..).unwrap_or_default(),
    };
    Err(refusal::of_key(index, holder, owner.shows_keys.then_some(tuple)))
}

/// Another entity that has the tuple of a row that was cut. Rows with the same hash are hardly ever of different tuples; the
/// documents tell.
fn holder_of_cut(
    index: &IndexRecord,
    tx: &WriteTransaction,
    owner: Owner,
    key: &[u8],
    tuple: &[u8],
) -> Result<Option<EntityId>> {
    let same = prefix_bounds(cut_tuple(key));
    let end = same.end.unwrap_or_else(|| keyspace::index_end(index.id, index.definition.unique).to_vec());
    let mut rows_alike = tx.range(same.start.as_slice()..end.as_slice(), Direction::Forward)?;
    while rows_alike.advance()? {
        let holder = row_id(rows_alike.value())?;
        if holder == owner.id {
            continue;
        }
        let Some(stored) = tx.get(&keyspace::entity(owner.collection, &holder))? else { continue };
        let other = Envelope::decode(&stored)?;
        let is_same = |row: &Row| matches!(&row.claim, Claim::Cut(theirs) if **theirs == *tuple);
        if rows(index, other.document, other.ordinal)?.iter().any(is_same) {
            return Ok(Some(holder));
        }
    }
    Ok(None)
}

/// The rows that are the entity's own. While an index is being built, an entity may not have its rows yet, and the claim it
/// would make may belong to another entity: that one's row must not go with this one's change.
fn rows_held(tx: &WriteTransaction, id: EntityId, rows: Vec<Row>) -> Result<Vec<Row>> {
    let mut held = Vec::with_capacity(rows.len());
    for row in rows {
        if row.claim != Claim::Key || tx.get(&row.key)?.as_deref().map(row_id).transpose()? == Some(id) {
            held.push(row);
        }
    }
    Ok(held)
}

/// The changes in one index when some rows take the place of others; both sorted.
pub(crate) fn plan_rows(
    index: &IndexRecord,
    tx: &WriteTransaction,
    owner: Owner,
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
        judge_claim(index, tx, owner, &row.key, &row.claim)?;
        changes.added.push(&row.key);
    }
    old.for_each(|row| changes.removed.push(&row.key));
    Ok(())
}
