//! Removing the answers of a query.
//!
//! Always: all of them are removed or none, in one transaction; what they are was settled before the first was removed.
//! Memory follows what the transaction changes, and is none for the answers themselves.
//! Does not know: what removing one does to indexes, counts and the feed (`transaction`).

use std::sync::Arc;

use crate::collection::{Collection, Scope};
use crate::error::Result;
use crate::id::EntityId;
use crate::query::{Expression, Query};
use crate::transaction::{State, WriteTransaction};

/// How many are found before they are removed, under one lock of the transaction.
const BATCH: usize = 256;

/// Removes the answers; returns how many there were.
pub(super) fn remove(collection: &Collection, query: Query) -> Result<u64> {
    let shared = Arc::clone(collection.scope().shared());
    let deleted = match collection.scope() {
        Scope::Database(shared) => {
            let tx = WriteTransaction::new(Arc::clone(shared), shared.begin_state(None)?);
            // After an error the transaction is dropped with everything that was removed in it.
            let deleted = remove_within(&collection.within(tx.inner()), query)?;
            tx.commit()?;
            deleted
        }
        Scope::Write(write) => {
            let savepoint = write.with(State::savepoint)?;
            let deleted = remove_within(collection, query);
            write.with(|state| state.settle(savepoint, deleted))?
        }
        Scope::Read(_) => collection.delete_many(&[])?,
    };
    shared.counters().delete(deleted);
    Ok(deleted)
}

fn remove_within(collection: &Collection, query: Query) -> Result<u64> {
    let is_of_everything = is_of_everything(&query);
    // Judges the query, whichever way its answers go.
    let mut found = collection.query(query).run()?;
    if is_of_everything {
        drop(found);
        return collection.clear();
    }
    let mut ids: Vec<EntityId> = Vec::with_capacity(BATCH);
    let mut deleted = 0_u64;
    loop {
        ids.clear();
        while ids.len() < BATCH
            && let Some(entity) = found.step()?
        {
            ids.push(entity.id());
        }
        if ids.is_empty() {
            return Ok(deleted);
        }
        deleted = deleted.saturating_add(collection.delete_each(&ids)?);
    }
}

fn is_of_everything(query: &Query) -> bool {
    let Query { filter, limit, offset, page, after, .. } = query;
    limit.is_none() && *offset == 0 && page.is_none() && after.is_none() && *filter == Expression::all()
}
