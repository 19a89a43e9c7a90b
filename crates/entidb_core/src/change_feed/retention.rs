//! How long changes stay in the feed.
//!
//! Always: what is removed is removed from the old end. The sequence after the newest commit whose changes were removed is
//! written down in the same commit and never goes back, so a reader is told of a gap exactly when it missed changes. For
//! readers the limit of commits holds at once, whenever the changes beyond it are removed from the keyspace. The changes
//! of a commit made while no feed is kept count as removed.
//! Does not know: readers; a reader that comes too late is told of the gap.

use entidb_engine::{Direction, Sequence, WriteTransaction};

use crate::error::{Error, ErrorCode, Result};
use crate::keyspace;
use crate::transaction::View;

/// Every how many commits the feed is trimmed, so that most commits pay nothing for it.
const TRIM_EVERY: u64 = 1024;

/// Removes what is older than the number of commits to keep, now and then.
pub(crate) fn trim_by_age(tx: &mut WriteTransaction, sequence: Sequence, commits_max: u64) -> Result<()> {
    if !sequence.0.is_multiple_of(TRIM_EVERY) {
        return Ok(());
    }
    newest_expired(sequence, commits_max).map_or(Ok(()), |expired| trim_through(tx, expired))
}

/// Removes every change up to and including this sequence.
pub(crate) fn trim_through(tx: &mut WriteTransaction, last_gone: Sequence) -> Result<()> {
    let (start, end) = (keyspace::feed(Sequence::ZERO, 0), keyspace::feed(last_gone.next(), 0));
    let mut parts = tx.range(start..end, Direction::Reverse)?;
    if !parts.advance()? {
        return Ok(());
    }
    // The commits from there to `last_gone` have no changes: a reader that has read up to there has missed nothing.
    let (newest, _) = keyspace::feed_place(parts.key()).ok_or_else(|| Error::corrupt("a feed key"))?;
    drop(parts);
    tx.delete_range(&start, &keyspace::feed(newest.next(), 0))?;
    Ok(tx.put(&keyspace::feed_oldest(), &newest.next().0.to_be_bytes())?)
}

/// Removes every change, those of the commit of this sequence included, which are not in the feed.
pub(crate) fn trim_unrecorded(tx: &mut WriteTransaction, sequence: Sequence) -> Result<()> {
    trim_through(tx, sequence)?;
    Ok(tx.put(&keyspace::feed_oldest(), &sequence.next().0.to_be_bytes())?)
}

/// Fails with `Gap` when changes after this position were removed, or lie beyond the number of commits to keep.
pub(crate) fn check_kept(view: &View, position: Sequence, commits_max: u64) -> Result<()> {
    let removed = oldest(view)?;
    let expired = newest_expired(view.sequence()?, commits_max);
    let missed = position.next() < removed
        || match expired {
            Some(expired) if position < expired => {
                let (start, end) = (keyspace::feed(position.next(), 0), keyspace::feed(expired.next(), 0));
                view.range(&start, &end, Direction::Forward)?.advance()?
            }
            _ => false,
        };
    if !missed {
        return Ok(());
    }
    let oldest = oldest_kept(view, commits_max)?;
    let problem = format!(
        "changes after commit {position} are asked for, the oldest kept are those of {oldest}; read the data anew and go \
         on from the position of what was read"
    );
    Err(Error::new(ErrorCode::Gap, problem))
}

/// The newest commit that is beyond the number of commits to keep.
fn newest_expired(newest: Sequence, commits_max: u64) -> Option<Sequence> {
    newest.0.checked_sub(commits_max).filter(|expired| *expired > 0).map(Sequence)
}

/// The oldest commit whose changes a reader is given.
pub(super) fn oldest_kept(view: &View, commits_max: u64) -> Result<Sequence> {
    let removed = oldest(view)?;
    Ok(newest_expired(view.sequence()?, commits_max).map_or(removed, |expired| removed.max(expired.next())))
}

/// The oldest sequence whose changes were not removed.
fn oldest(view: &View) -> Result<Sequence> {
    decode_oldest(view.get(&keyspace::feed_oldest())?.as_deref())
}

pub(super) fn decode_oldest(stored: Option<&[u8]>) -> Result<Sequence> {
    let Some(bytes) = stored else { return Ok(Sequence(1)) };
    keyspace::trailing_u64(bytes).map(Sequence).ok_or_else(|| Error::corrupt("the oldest feed sequence"))
}
