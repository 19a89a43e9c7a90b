//! Comparing the feed with the history: each update and delete that is kept left the entity as it was before, and each such
//! row was left by one.
//!
//! Always: a missing row and a surplus row are found, and so is a change whose document after it is missing. A commit
//! that cannot be read is reported, and those behind it are checked all the same. Does not know: how to repair.

use std::collections::BTreeSet;

use entidb_engine::{Direction, Sequence, interrupt};

use super::change::ChangeKind;
use super::commit::{Bare, Commits};
use super::position::Position;
use super::retention;
use super::session::SessionId;
use crate::collection::envelope::Envelope;
use crate::database::Problem;
use crate::error::{Error, ErrorCode, Result};
use crate::history::{document_after, dropped_storages, stored_before};
use crate::id::{EntityId, StorageId};
use crate::keyspace::{self, ZONE_HISTORY};
use crate::transaction::View;

/// The most surplus rows that are named. The history may have any number of them.
const NAMED_MAX: usize = 8;

/// Compares what is kept of the feed with the history.
pub(crate) fn verify_feed(view: &View, problems: &mut Vec<Problem>) -> Result<()> {
    let oldest = retention::oldest(view)?;
    let told = Told::of(view, oldest, problems)?;
    let rows = rows_from(view, oldest, |_, _, _| Ok(true))?;
    // Of a commit that cannot be read it is not known how many rows it left.
    if !told.is_whole || rows == told.rows {
        return Ok(());
    }
    let mut named = 0;
    rows_from(view, oldest, |storage, id, sequence| {
        if named < NAMED_MAX && !is_told(view, storage, id, sequence)? {
            named += 1;
            let what =
                format!("the history has what commit {sequence} changed, and the feed does not tell of that change");
            problems.push(Problem { what, id: Some(id), ..Problem::default() });
        }
        Ok(named < NAMED_MAX)
    })?;
    if rows > told.rows + named as u64 {
        let (rows, wanted) = (rows, told.rows);
        let what = format!("the history has {rows} rows, the feed tells of {wanted} updates and deletes");
        problems.push(Problem { what, ..Problem::default() });
    }
    Ok(())
}

/// What the feed says.
struct Told {
    /// Rows of the history that its changes left and that are there.
    rows: u64,
    /// Whether every commit could be read.
    is_whole: bool,
}

impl Told {
    fn of(view: &View, oldest: Sequence, problems: &mut Vec<Problem>) -> Result<Self> {
        let mut told = Self { rows: 0, is_whole: true };
        let mut after = Sequence(oldest.0.saturating_sub(1));
        loop {
            let mut commits = commits_after(view, after)?;
            match told.read(view, &mut commits, &mut after, problems) {
                Ok(()) => return Ok(told),
                Err(error) if error.code() == ErrorCode::Corrupt => {
                    told.is_whole = false;
                    problems.push(Problem::from(&error));
                    // The damaged commit is the first one after the last that was read.
                    let Some(damaged) = next_commit(view, after)? else { return Ok(told) };
                    after = damaged;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads commits, `after` being the last that was read to its end.
    fn read(
        &mut self,
        view: &View,
        commits: &mut Commits,
        after: &mut Sequence,
        problems: &mut Vec<Problem>,
    ) -> Result<()> {
        while let Some(head) = commits.head()? {
            while let Some(change) = commits.next_bare()? {
                interrupt::check()?;
                self.change(view, &change, head.sequence, problems)?;
            }
            *after = head.sequence;
        }
        Ok(())
    }

    fn change(&mut self, view: &View, change: &Bare, at: Sequence, problems: &mut Vec<Problem>) -> Result<()> {
        let Bare { kind, collection, storage, id, before, .. } = change;
        let (storage, id) = (*storage, *id);
        if matches!(kind, ChangeKind::Insert | ChangeKind::Update) {
            note(document_after(view, storage, id, at).map(drop), collection, problems)?;
        }
        if matches!(kind, ChangeKind::Update | ChangeKind::Delete) && before.is_none() {
            let found = stored_before(view, storage, id, at).and_then(|stored| judge_before(&stored, id, at));
            self.rows += u64::from(found.is_ok());
            note(found, collection, problems)?;
        }
        Ok(())
    }
}

/// What was there before a commit is of an earlier one.
fn judge_before(stored: &[u8], id: EntityId, at: Sequence) -> Result<()> {
    let version = Envelope::decode(stored)?.version;
    if version < at.0 {
        return Ok(());
    }
    Err(Error::corrupt(format!("the history of {id}, which has version {version} as that before commit {at},"))
        .with_id(id))
}

/// Puts damage into the report; anything else ends the check.
fn note(found: Result<()>, collection: &str, problems: &mut Vec<Problem>) -> Result<()> {
    match found {
        Err(error) if error.code() == ErrorCode::Corrupt => {
            problems.push(Problem { collection: Some(collection.to_owned()), ..Problem::from(&error) });
            Ok(())
        }
        found => found,
    }
}

fn commits_after(view: &View, sequence: Sequence) -> Result<Commits> {
    Commits::after(view, &Position::new(SessionId::default(), sequence, None), false)
}

/// The first commit in the feed after one.
fn next_commit(view: &View, after: Sequence) -> Result<Option<Sequence>> {
    let start = keyspace::feed(after.next(), 0);
    let mut parts = view.range(&start, &[keyspace::ZONE_FEED + 1], Direction::Forward)?;
    if !parts.advance()? {
        return Ok(None);
    }
    let place = keyspace::feed_place(parts.key()).ok_or_else(|| Error::corrupt("a feed key"))?;
    Ok(Some(place.0))
}

/// Whether the feed tells that a commit changed or removed an entity.
fn is_told(view: &View, storage: StorageId, id: EntityId, sequence: Sequence) -> Result<bool> {
    let mut commits = commits_after(view, Sequence(sequence.0.saturating_sub(1)))?;
    if commits.head()?.is_none_or(|head| head.sequence != sequence) {
        return Ok(false);
    }
    while let Some(change) = commits.next_bare()? {
        interrupt::check()?;
        let Bare { kind, storage: other, id: found, before, .. } = &change;
        let is_change = matches!(kind, ChangeKind::Update | ChangeKind::Delete) && before.is_none();
        if is_change && (*other, *found) == (storage, id) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Passes the rows of the history from a commit on to `row`, until that says to stop; returns how many there were. Those of a
/// collection that the same commit dropped are left out: nobody is told of them.
fn rows_from(
    view: &View,
    oldest: Sequence,
    mut row: impl FnMut(StorageId, EntityId, Sequence) -> Result<bool>,
) -> Result<u64> {
    let dropped: BTreeSet<(StorageId, Sequence)> = dropped_storages(view)?.into_iter().collect();
    let mut rows = view.range(&[ZONE_HISTORY], &[ZONE_HISTORY + 1], Direction::Forward)?;
    let mut count = 0;
    while rows.advance()? {
        interrupt::check()?;
        let place = keyspace::storage_of(rows.key()).zip(keyspace::history_place(rows.key()));
        let (storage, (id, sequence)) = place.ok_or_else(|| Error::corrupt("a history key"))?;
        if sequence < oldest || dropped.contains(&(storage, sequence)) {
            continue;
        }
        count += 1;
        if !row(storage, id, sequence)? {
            break;
        }
    }
    Ok(count)
}
