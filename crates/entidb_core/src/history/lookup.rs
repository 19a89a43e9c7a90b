//! Finding what an entity was, around a commit that changed it.
//!
//! Always: an answer is of the version that was asked for, or damage; never of another version.
//! Does not know: which commits changed the entity (`change_feed`).

use entidb_engine::{Direction, Sequence, Value};

use crate::collection::envelope::Envelope;
use crate::error::{Error, Result};
use crate::id::{EntityId, StorageId};
use crate::keyspace;
use crate::transaction::View;

/// The stored entity as a commit wrote it: what is there now, if no later commit changed it, or what the next of them left.
pub(crate) fn document_after(view: &View, storage: StorageId, id: EntityId, at: Sequence) -> Result<Value> {
    let now = view.get(&keyspace::entity(storage, &id))?;
    if let Some(now) = now
        && Envelope::decode(&now)?.version == at.0
    {
        return Ok(now);
    }
    let next = next_row(view, storage, id, at.next())?;
    match next {
        Some(stored) if Envelope::decode(&stored)?.version == at.0 => Ok(stored),
        _ => Err(missing(id, at, "after")),
    }
}

/// The stored entity as it was before a commit that changed or removed it.
pub(crate) fn stored_before(view: &View, storage: StorageId, id: EntityId, at: Sequence) -> Result<Value> {
    view.get(&keyspace::history(storage, &id, at))?.ok_or_else(|| missing(id, at, "before"))
}

/// What the first commit from a sequence on found there, which changed or removed the entity.
pub(super) fn next_row(view: &View, storage: StorageId, id: EntityId, from: Sequence) -> Result<Option<Value>> {
    let (start, end) = (keyspace::history(storage, &id, from), keyspace::history_end(storage, &id));
    let mut rows = view.range(&start, &end, Direction::Forward)?;
    Ok(if rows.advance()? { Some(rows.value_owned()) } else { None })
}

/// What was stored of an entity at a commit. `now` is what is stored of it in the view.
pub(super) fn state_at(
    view: &View,
    storage: StorageId,
    id: EntityId,
    at: Sequence,
    now: Option<Value>,
) -> Result<Option<Value>> {
    let is_of_then = |stored: &Value| Envelope::decode(stored).map(|it| it.version <= at.0);
    if let Some(now) = now
        && is_of_then(&now)?
    {
        return Ok(Some(now));
    }
    // What the first later commit found there was there at `at`, unless it came in between.
    match next_row(view, storage, id, at.next())? {
        Some(stored) if is_of_then(&stored)? => Ok(Some(stored)),
        _ => Ok(None),
    }
}

/// What is stored of an entity, as the view sees it.
pub(crate) fn stored(view: &View, storage: StorageId, id: EntityId) -> Result<Option<Value>> {
    let now = view.get(&keyspace::entity(storage, &id))?;
    match view.past() {
        None => Ok(now),
        Some(at) => state_at(view, storage, id, at, now),
    }
}

fn missing(id: EntityId, at: Sequence, side: &str) -> Error {
    Error::corrupt(format!("the history of {id}, which lacks the document {side} commit {at},")).with_id(id)
}
