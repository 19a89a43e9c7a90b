//! How long changes stay in the feed.
//!
//! Always: what is removed is removed from the old end, and the oldest sequence left is written down in the same commit
//! and never goes back. A commit made while no feed is kept counts as removed at once.
//! Does not know: readers; a reader that comes too late is told of the gap.

use entidb_engine::{Sequence, WriteTransaction};

use crate::error::{Error, Result};
use crate::keyspace;
use crate::transaction::View;

/// The feed is trimmed only every so many commits, so that most commits pay nothing for it.
const TRIM_EVERY: u64 = 1024;

/// Removes what is older than the number of commits to keep, now and then; with nothing to keep, always.
pub(crate) fn trim_by_age(tx: &mut WriteTransaction, sequence: Sequence, commits_max: u64) -> Result<()> {
    if commits_max > 0 && !sequence.0.is_multiple_of(TRIM_EVERY) {
        return Ok(());
    }
    match sequence.0.checked_sub(commits_max) {
        Some(last_gone) if last_gone > 0 => trim_through(tx, Sequence(last_gone)),
        _ => Ok(()),
    }
}

/// Removes every change up to and including this sequence.
pub(crate) fn trim_through(tx: &mut WriteTransaction, last_gone: Sequence) -> Result<()> {
    let oldest_before = decode_oldest(tx.get(&keyspace::feed_oldest())?.as_deref())?;
    let oldest_left = last_gone.next();
    if oldest_left <= oldest_before {
        return Ok(());
    }
    // While no feed is kept the line moves with every commit and there is nothing behind it to remove.
    if oldest_before < tx.next_sequence() {
        tx.delete_range(&keyspace::feed(Sequence::ZERO, 0), &keyspace::feed(oldest_left, 0))?;
    }
    tx.put(&keyspace::feed_oldest(), &oldest_left.0.to_be_bytes())?;
    Ok(())
}

/// The oldest sequence whose changes may still be there.
pub(crate) fn oldest(view: &View) -> Result<Sequence> {
    decode_oldest(view.get(&keyspace::feed_oldest())?.as_deref())
}

fn decode_oldest(stored: Option<&[u8]>) -> Result<Sequence> {
    match stored {
        Some(bytes) => {
            let number = keyspace::trailing_u64(bytes).ok_or_else(|| Error::corrupt("the oldest feed sequence"))?;
            Ok(Sequence(number))
        }
        None => Ok(Sequence(1)),
    }
}
