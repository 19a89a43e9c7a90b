//! Which session made which commit, so that a position in the feed of one history is not taken for one of another.
//!
//! Always: the first commit of a session writes the random id of the session under its own sequence. A commit belongs to
//! the session noted last at or before it. So two databases with a common past, a backup and its origin, or a database
//! before and after a crash that lost commits, name the same session for a commit exactly as far as that past goes: where
//! they part, at least one of them was opened anew.
//! Does not know: positions. Format: docs/spec/keyspace.md, "Sessions".

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use entidb_engine::{Companion, Direction, Durability, Iter, OnFullDisk, Sequence, WriteTransaction};
use entidb_storage::Random;

use super::retention::{self, FeedMark};
use crate::error::{Error, Result};
use crate::keyspace::{self, ZONE_HISTORY};
use crate::transaction::View;

/// The random id of a session that wrote to the database; all zeros before the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct SessionId(pub(super) [u8; 16]);

impl SessionId {
    fn decode(stored: &[u8]) -> Result<Self> {
        stored.try_into().map(Self).map_err(|_| Error::corrupt("the id of a session"))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// This session. Every commit goes through it.
pub(crate) struct Session {
    id: SessionId,
    /// A commit with the id of the session was made.
    noted: AtomicBool,
    /// What the feed has come to. Set by the holder of the write lock alone.
    bytes: AtomicU64,
    time_micros: AtomicI64,
    commits: AtomicU64,
}

impl Session {
    pub(crate) fn begin(random: &dyn Random) -> Result<Self> {
        let mut id = [0; 16];
        random.fill(&mut id)?;
        let (bytes, time_micros, commits) = (AtomicU64::new(0), AtomicI64::new(0), AtomicU64::new(0));
        Ok(Self { id: SessionId(id), noted: AtomicBool::new(false), bytes, time_micros, commits })
    }

    /// What the feed has come to.
    pub(crate) fn mark(&self) -> FeedMark {
        FeedMark {
            time_micros: self.time_micros.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }

    /// The feed comes to this with the commit of the holder of the write lock. Returns what it had come to.
    pub(crate) fn set_mark(&self, mark: FeedMark) -> FeedMark {
        FeedMark {
            time_micros: self.time_micros.swap(mark.time_micros, Ordering::Relaxed),
            bytes: self.bytes.swap(mark.bytes, Ordering::Relaxed),
            commits: self.commits.swap(mark.commits, Ordering::Relaxed),
        }
    }

    /// Commits as the transaction was told, or with this durability.
    pub(crate) fn commit(&self, tx: WriteTransaction, durability: Option<Durability>) -> Result<Sequence> {
        self.commit_beside(tx, durability, |_| (), false)
    }

    /// As [`commit`](Self::commit), with what changes beside the database, made of the whole transaction. With `gives_way` a
    /// full disk takes the feed and the history, those of this commit included: what is deleted would need as much room there
    /// as it frees.
    pub(crate) fn commit_beside<C: Companion>(
        &self,
        mut tx: WriteTransaction,
        durability: Option<Durability>,
        beside: impl FnOnce(&WriteTransaction) -> C,
        gives_way: bool,
    ) -> Result<Sequence> {
        let notes = !tx.is_empty() && !self.noted.load(Ordering::Acquire);
        if notes {
            self.note(&mut tx)?;
        }
        let next = tx.next_sequence().next();
        let (feed, feed_end) = (keyspace::feed(Sequence::ZERO, 0), keyspace::feed(next, 0));
        let without: [(&[u8], &[u8]); 2] = [(&feed, &feed_end), (&[ZONE_HISTORY], &[ZONE_HISTORY + 1])];
        let on_full_disk = OnFullDisk { without: &without, instead: (&keyspace::feed_oldest(), &next.0.to_be_bytes()) };
        let mut beside = beside(&tx);
        let sequence = tx.commit_beside(durability, &mut beside, gives_way.then_some(on_full_disk))?;
        if notes {
            // Commits that others began meanwhile carry the id too, which says the same once more.
            self.noted.store(true, Ordering::Release);
        }
        Ok(sequence)
    }

    fn note(&self, tx: &mut WriteTransaction) -> Result<()> {
        // No position is good any more in sessions that ended before the oldest commit of the feed.
        let oldest = retention::decode_oldest(tx.get(&keyspace::feed_oldest())?.as_deref())?;
        let first = keyspace::session(Sequence::ZERO);
        let mut sessions = tx.range(first..keyspace::session(oldest), Direction::Reverse)?;
        if sessions.advance()? {
            let newest = sessions.key().to_vec();
            if sessions.advance()? {
                tx.delete_range(&first, &newest)?;
            }
        }
        let sequence = tx.next_sequence();
        Ok(tx.put(&keyspace::session(sequence), &self.id.0)?)
    }
}

/// The session that made a commit.
pub(crate) fn session_of(view: &View, sequence: Sequence) -> Result<SessionId> {
    let (first, end) = (keyspace::session(Sequence::ZERO), keyspace::session(sequence.next()));
    let mut sessions = view.range(&first, &end, Direction::Reverse)?;
    if sessions.advance()? { SessionId::decode(sessions.value()) } else { Ok(SessionId::default()) }
}

/// The sessions of commits in ascending order.
pub(super) struct Sessions {
    rows: Iter,
    current: SessionId,
    /// The commit with which the next session begins, and its id.
    next: Option<(Sequence, SessionId)>,
}

impl Sessions {
    pub(super) fn after(view: &View, sequence: Sequence) -> Result<Self> {
        let rows = view.range(&keyspace::session(sequence.next()), &keyspace::sessions_end(), Direction::Forward)?;
        let mut sessions = Self { rows, current: session_of(view, sequence)?, next: None };
        sessions.advance()?;
        Ok(sessions)
    }

    fn advance(&mut self) -> Result<()> {
        self.next = None;
        if self.rows.advance()? {
            let first =
                keyspace::trailing_u64(self.rows.key()).ok_or_else(|| Error::corrupt("the key of a session"))?;
            self.next = Some((Sequence(first), SessionId::decode(self.rows.value())?));
        }
        Ok(())
    }

    /// The session of a commit at or after the last one asked for.
    pub(super) fn of(&mut self, sequence: Sequence) -> Result<SessionId> {
        while let Some((_, id)) = self.next.filter(|(first, _)| *first <= sequence) {
            self.current = id;
            self.advance()?;
        }
        Ok(self.current)
    }
}
