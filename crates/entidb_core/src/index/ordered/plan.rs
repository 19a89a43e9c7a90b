//! What a change of a document does to the rows of an ordered index.
//!
//! Always: rows that stay the same are not touched; a unique key held by another entity refuses the change before
//! anything is written, and the error names the index and that entity. Does not know: other indexes.

use entidb_codec::ordered::prefix_bounds;
use entidb_engine::{Direction, WriteTransaction};

use super::Ordered;
use super::rows::{Claim, Replaced, Row, cut_tuple, row_id, rows, write_replaced, write_row};
use crate::collection::envelope::Envelope;
use crate::error::Result;
use crate::id::EntityId;
use crate::index::changes::Changes;
use crate::index::kind::Change;
use crate::index::refusal;
use crate::keyspace;

/// What a change of an entity adds to the index and removes from it.
pub(super) fn plan(index: &Ordered, tx: &WriteTransaction, change: &Change<'_>, changes: &mut Changes) -> Result<()> {
    let of = |document: Option<&[u8]>| match document {
        Some(bytes) => rows(index, bytes, change.ordinal),
        None => Ok(Vec::new()),
    };
    if change.is_building {
        // What the index would have refused was stored before it, or refused it already: then it has no rows.
        let old = of(change.old).map_or_else(|_| Ok(Vec::new()), |old| rows_held(tx, change.id, old))?;
        plan_rows(index, tx, change, old, of(change.new)?, changes)
    } else if index.multi {
        plan_rows(index, tx, change, of(change.old)?, of(change.new)?, changes)
    } else {
        plan_row(index, tx, change, changes)
    }
}

/// The change in an index that has one row for each document.
fn plan_row(index: &Ordered, tx: &WriteTransaction, change: &Change<'_>, changes: &mut Changes) -> Result<()> {
    let Change { ordinal, old, new, .. } = *change;
    let Changes { removed, added, .. } = changes;
    let claim = match (old, new) {
        (None, None) => return Ok(()),
        (None, Some(new)) => write_row(index, new, ordinal, &mut added.bytes)?,
        (Some(old), None) => {
            write_row(index, old, ordinal, &mut removed.bytes)?;
            removed.close();
            return Ok(());
        }
        (Some(old), Some(new)) => {
            match write_replaced(index, (old, new), ordinal, (&mut removed.bytes, &mut added.bytes))? {
                Replaced::Same => return Ok(()),
                // A tuple says by itself whether it claims, so equal keys are equal rows, unless they do not hold all of it.
                Replaced::By(claim) if removed.open() == added.open() && !matches!(claim, Claim::Cut(_)) => {
                    removed.discard();
                    added.discard();
                    return Ok(());
                }
                Replaced::By(claim) => {
                    removed.close();
                    claim
                }
            }
        }
    };
    judge_claim(index, tx, change, added.open(), &claim)?;
    added.close();
    Ok(())
}

/// Refuses a claim that another entity has made.
fn judge_claim(index: &Ordered, tx: &WriteTransaction, change: &Change<'_>, key: &[u8], claim: &Claim) -> Result<()> {
    let holder = match claim {
        Claim::None => None,
        Claim::Key => tx.get(key)?.as_deref().map(row_id).transpose()?.filter(|holder| *holder != change.id),
        Claim::Cut(tuple) => holder_of_cut(index, tx, change, key, tuple)?,
    };
    let Some(holder) = holder else { return Ok(()) };
    let tuple = match claim {
        Claim::Cut(tuple) => tuple,
        _ => key.get(keyspace::PREFIX_BYTES..).unwrap_or_default(),
    };
    Err(refusal::of_key(&index.name, &index.columns, holder, change.shows_keys.then_some(tuple)))
}

/// Another entity that has the tuple of a row that was cut. Rows with the same hash are hardly ever of different tuples; the
/// documents tell.
fn holder_of_cut(
    index: &Ordered,
    tx: &WriteTransaction,
    change: &Change<'_>,
    key: &[u8],
    tuple: &[u8],
) -> Result<Option<EntityId>> {
    let same = prefix_bounds(cut_tuple(key));
    let end = same.end.unwrap_or_else(|| keyspace::index_end(index.id, index.unique).to_vec());
    let mut rows_alike = tx.range(same.start.as_slice()..end.as_slice(), Direction::Forward)?;
    while rows_alike.advance()? {
        let holder = row_id(rows_alike.value())?;
        if holder == change.id {
            continue;
        }
        let Some(stored) = tx.get(&keyspace::entity(change.storage, &holder))? else { continue };
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
fn plan_rows(
    index: &Ordered,
    tx: &WriteTransaction,
    change: &Change<'_>,
    old: Vec<Row>,
    new: Vec<Row>,
    changes: &mut Changes,
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
        judge_claim(index, tx, change, &row.key, &row.claim)?;
        changes.added.push(&row.key);
    }
    old.for_each(|row| changes.removed.push(&row.key));
    Ok(())
}
