//! How long changes stay in the feed, and with them the history.
//!
//! Always: what goes, goes from the old end, by writing one number: the watermark. It is the sequence after the newest
//! commit whose changes are gone, is written in a commit and never goes back, so a reader is told of a gap exactly when it
//! missed changes. Merging takes away what is before it. For readers the limit of commits holds at once, whenever the
//! watermark follows it. It counts commits with changes: the steps of an index build, trims and the first commit of a session
//! are none. The changes of a commit made while no feed is kept count as gone.
//! Does not know: readers; a reader that comes too late is told of the gap.

use std::ops::Range;

use entidb_engine::{Direction, Iter, Sequence, WriteTransaction};

use super::record::Header;
use crate::error::{Error, ErrorCode, Result};
use crate::history::drop_rows;
use crate::keyspace;
use crate::transaction::View;

/// Into how many parts the limits are divided: the watermark follows with the first commit of each, so that most commits pay
/// nothing for it.
const TRIM_PARTS: u64 = 16;
/// Every how many commits it follows at least and at most.
const TRIM_EVERY_LEAST: u64 = 16;
const TRIM_EVERY_MOST: u64 = 1024;

/// What the feed and the history have come to with a commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FeedMark {
    pub(crate) time_micros: i64,
    pub(crate) bytes: u64,
    pub(crate) commits: u64,
}

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Commits; 0 when no feed is kept.
    pub(crate) commits_max: u64,
    /// Milliseconds since a commit was made; 0 for any.
    pub(crate) age_ms_max: u64,
    /// Bytes of the feed and the history; 0 for any.
    pub(crate) bytes_max: u64,
}

impl Retention {
    /// Moves the watermark behind what is beyond the limits, now and then. `before` and `now` are the marks of the commit
    /// before this one and of this one.
    pub(crate) fn trim(
        self,
        tx: &mut WriteTransaction,
        sequence: Sequence,
        before: FeedMark,
        now: FeedMark,
    ) -> Result<()> {
        let bytes_step = self.bytes_max / TRIM_PARTS + 1;
        let micros_step = i64::try_from((self.age_ms_max / TRIM_PARTS).saturating_mul(1000)).unwrap_or(i64::MAX).max(1);
        let every = (self.commits_max / TRIM_PARTS).clamp(TRIM_EVERY_LEAST, TRIM_EVERY_MOST);
        let is_due = sequence.0.is_multiple_of(every)
            || (self.bytes_max > 0 && before.bytes / bytes_step != now.bytes / bytes_step)
            || (self.age_ms_max > 0
                && before.time_micros.div_euclid(micros_step) != now.time_micros.div_euclid(micros_step));
        if !is_due {
            return Ok(());
        }
        let oldest = decode_oldest(tx.get(&keyspace::feed_oldest())?.as_deref())?;
        let expired = self.expired_by_count(tx, oldest, sequence, now)?;
        match expired.max(self.expired_otherwise(tx, oldest, now)?) {
            Sequence::ZERO => Ok(()),
            expired => trim_through(tx, expired),
        }
    }

    /// The newest commit beyond the number of commits to keep; zero when there is none.
    fn expired_by_count(
        self,
        tx: &WriteTransaction,
        oldest: Sequence,
        sequence: Sequence,
        now: FeedMark,
    ) -> Result<Sequence> {
        if !may_exceed(oldest, sequence, self.commits_max) {
            return Ok(Sequence::ZERO);
        }
        let (start, end) = (keyspace::feed(oldest, 0), keyspace::feed(sequence.next(), 0));
        let mut parts = tx.range(start.as_slice()..end.as_slice(), Direction::Forward)?;
        Ok(newest_expired(&mut parts, oldest..sequence.next(), now.commits, self.commits_max)?
            .unwrap_or(Sequence::ZERO))
    }

    /// The newest commit of the oldest that are all too old, or more than the bytes to keep.
    fn expired_otherwise(self, tx: &WriteTransaction, oldest: Sequence, now: FeedMark) -> Result<Sequence> {
        let mut expired = Sequence::ZERO;
        if self.age_ms_max == 0 && self.bytes_max == 0 {
            return Ok(expired);
        }
        let age_micros = i64::try_from(self.age_ms_max.saturating_mul(1000)).unwrap_or(i64::MAX);
        let (start, end) = (keyspace::feed(oldest, 0), keyspace::feed(tx.next_sequence(), 0));
        let mut parts = tx.range(start.as_slice()..end.as_slice(), Direction::Forward)?;
        let mut stride = 0_u64;
        while parts.advance()? {
            let (sequence, first) = keyspace::feed_place(parts.key()).ok_or_else(|| Error::corrupt("a feed key"))?;
            if first > 0 {
                continue;
            }
            let header = Header::decode(parts.value())?;
            let age = now.time_micros.saturating_sub(header.time_micros);
            let is_old = self.age_ms_max > 0 && age > age_micros;
            let is_much = self.bytes_max > 0 && now.bytes.saturating_sub(header.bytes) >= self.bytes_max;
            if is_old || is_much {
                expired = sequence;
                stride = 0;
            } else if self.age_ms_max > 0 && age < 0 {
                // Made by a clock that ran ahead, or before it was set back: it goes with the first behind it that is too
                // old. Of many such commits a few are looked at, each as far behind the one before as all those together.
                stride = stride.saturating_mul(2).max(1);
                parts.seek(&keyspace::feed(Sequence(sequence.0.saturating_add(stride)), 0))?;
            } else {
                break;
            }
        }
        Ok(expired)
    }
}

/// What the feed has come to with the newest commit of a snapshot that is in it.
pub(crate) fn newest_mark(snapshot: &entidb_engine::Snapshot) -> Result<FeedMark> {
    let (start, end) = ([keyspace::ZONE_FEED], [keyspace::ZONE_FEED + 1]);
    let mut parts = snapshot.range(start.as_slice()..end.as_slice(), Direction::Reverse)?;
    if !parts.advance()? {
        return Ok(FeedMark::default());
    }
    let (sequence, _) = keyspace::feed_place(parts.key()).ok_or_else(|| Error::corrupt("a feed key"))?;
    let Some(first) = snapshot.get(&keyspace::feed(sequence, 0))? else { return Ok(FeedMark::default()) };
    let header = Header::decode(&first)?;
    Ok(FeedMark { time_micros: header.time_micros, bytes: header.bytes, commits: header.commits })
}

/// Removes every change up to and including this sequence, and the history up to there.
pub(crate) fn trim_through(tx: &mut WriteTransaction, last_gone: Sequence) -> Result<()> {
    let oldest = decode_oldest(tx.get(&keyspace::feed_oldest())?.as_deref())?;
    if last_gone >= oldest {
        let (start, end) = (keyspace::feed(oldest, 0), keyspace::feed(last_gone.next(), 0));
        let mut parts = tx.range(start.as_slice()..end.as_slice(), Direction::Reverse)?;
        if parts.advance()? {
            // Commits between that and `last_gone` have no changes: a reader that has read up to it has missed nothing.
            let (newest, _) = keyspace::feed_place(parts.key()).ok_or_else(|| Error::corrupt("a feed key"))?;
            drop(parts);
            tx.put(&keyspace::feed_oldest(), &newest.next().0.to_be_bytes())?;
        }
    }
    drop_rows(tx)
}

/// Removes every change, those of the commit of this sequence included, which are not in the feed.
pub(crate) fn trim_unrecorded(tx: &mut WriteTransaction, sequence: Sequence) -> Result<()> {
    tx.put(&keyspace::feed_oldest(), &sequence.next().0.to_be_bytes())?;
    drop_rows(tx)
}

/// Fails with `Gap` when changes after this position were removed, or lie beyond the number of commits to keep.
pub(crate) fn check_kept(view: &View, position: Sequence, commits_max: u64) -> Result<()> {
    if !is_missed(view, position, commits_max)? {
        return Ok(());
    }
    let oldest = oldest_kept(view, commits_max)?;
    let problem = format!(
        "changes after commit {position} are asked for, the oldest kept are those of {oldest}; read the data anew and go \
         on from the position of what was read"
    );
    Err(Error::new(ErrorCode::Gap, problem))
}

/// Fails with `SnapshotExpired` when retention removed the state as of this commit.
pub(crate) fn check_readable(view: &View, at: Sequence, commits_max: u64) -> Result<()> {
    if !is_missed(view, at, commits_max)? {
        return Ok(());
    }
    // What the oldest commit with kept changes found is kept too, so the state before it can be read.
    let oldest = Sequence(oldest_kept(view, commits_max)?.0.saturating_sub(1));
    let problem = format!(
        "the database as of commit {at} is not kept any more, the oldest commit it can be read as of is {oldest}; read as of \
         that or a later one"
    );
    Err(Error::new(ErrorCode::SnapshotExpired, problem))
}

/// Whether changes after this position were removed, or lie beyond the number of commits to keep.
fn is_missed(view: &View, position: Sequence, commits_max: u64) -> Result<bool> {
    if position.next() < oldest(view)? {
        return Ok(true);
    }
    let newest = view.sequence()?;
    if !may_exceed(position.next(), newest, commits_max) {
        return Ok(false);
    }
    let (start, end) = (keyspace::feed(position.next(), 0), keyspace::feed(newest.next(), 0));
    let mut parts = view.range(&start, &end, Direction::Forward)?;
    let Some((_, first)) = next_commit(&mut parts)? else { return Ok(false) };
    let made = newest_number(view, position.next(), newest)?.unwrap_or(first.commits);
    Ok(made.saturating_sub(first.commits) >= commits_max)
}

/// Whether commits with changes from `first` to `newest` can be more than those to keep: each has a sequence of its own.
fn may_exceed(first: Sequence, newest: Sequence, commits_max: u64) -> bool {
    newest.next().0.saturating_sub(first.0) > commits_max
}

/// The next commit of a walk forward over the feed. The walk must stand before the first part of a commit.
fn next_commit(parts: &mut Iter) -> Result<Option<(Sequence, Header)>> {
    if !parts.advance()? {
        return Ok(None);
    }
    match keyspace::feed_place(parts.key()) {
        Some((sequence, 0)) => Ok(Some((sequence, Header::decode(parts.value())?))),
        _ => Err(Error::corrupt("a feed key")),
    }
}

/// The number of the newest commit with changes between these, both included.
fn newest_number(view: &View, first: Sequence, newest: Sequence) -> Result<Option<u64>> {
    let (start, end) = (keyspace::feed(first, 0), keyspace::feed(newest.next(), 0));
    let mut parts = view.range(&start, &end, Direction::Reverse)?;
    if !parts.advance()? {
        return Ok(None);
    }
    let (sequence, _) = keyspace::feed_place(parts.key()).ok_or_else(|| Error::corrupt("a feed key"))?;
    let part = view.get(&keyspace::feed(sequence, 0))?.ok_or_else(|| Error::corrupt("a feed key"))?;
    Ok(Some(Header::decode(&part)?.commits))
}

/// The newest commit that is beyond the number of commits to keep, `made` being the number of the newest commit. Halves the
/// sequences, of which not all are commits with changes.
fn newest_expired(
    parts: &mut Iter,
    sequences: Range<Sequence>,
    made: u64,
    commits_max: u64,
) -> Result<Option<Sequence>> {
    let (mut low, mut high) = (sequences.start.0, sequences.end.0);
    let mut expired = None;
    while low < high {
        let middle = low + (high - low) / 2;
        parts.seek(&keyspace::feed(Sequence(middle), 0))?;
        match next_commit(parts)? {
            Some((sequence, header)) if made.saturating_sub(header.commits) >= commits_max => {
                expired = Some(sequence);
                low = sequence.next().0;
            }
            _ => high = middle,
        }
    }
    Ok(expired)
}

/// The oldest commit whose changes a reader is given.
pub(crate) fn oldest_kept(view: &View, commits_max: u64) -> Result<Sequence> {
    let removed = oldest(view)?;
    let newest = view.sequence()?;
    if !may_exceed(removed, newest, commits_max) {
        return Ok(removed);
    }
    let Some(made) = newest_number(view, removed, newest)? else { return Ok(removed) };
    let (start, end) = (keyspace::feed(removed, 0), keyspace::feed(newest.next(), 0));
    let mut parts = view.range(&start, &end, Direction::Forward)?;
    let expired = newest_expired(&mut parts, removed..newest.next(), made, commits_max)?;
    Ok(expired.map_or(removed, Sequence::next))
}

/// The oldest sequence whose changes were not removed.
pub(super) fn oldest(view: &View) -> Result<Sequence> {
    decode_oldest(view.get(&keyspace::feed_oldest())?.as_deref())
}

pub(crate) fn decode_oldest(stored: Option<&[u8]>) -> Result<Sequence> {
    let Some(bytes) = stored else { return Ok(Sequence(1)) };
    keyspace::trailing_u64(bytes).map(Sequence).ok_or_else(|| Error::corrupt("the oldest feed sequence"))
}
