//! Places in the change feed, and where reading begins.
//!
//! Always: a position names one commit of one history, or a place inside it. Its text is all there is to keep, and reads
//! back as itself. Does not know: what is kept at the place (`retention`).
//! Format: docs/spec/keyspace.md, "Positions".

use std::fmt;
use std::str::FromStr;

use entidb_engine::Sequence;

use super::record::Header;
use super::retention;
use super::session::{SessionId, session_of};
use crate::error::{Error, ErrorCode, Result};
use crate::keyspace;
use crate::transaction::View;

/// A place in the change feed: what a reader keeps to go on from there, in this process or a later one.
///
/// It is good for the database it is of, and for copies of it that have the same commits up to there. Of a history that
/// went another way it is told as a gap.
///
/// ```
/// use entidb_core::{doc, Database, Position};
/// use std::time::Duration;
/// let db = Database::open_memory()?;
/// let kept: String = db.position()?.to_string(); // to be stored with what was read
/// db.collection("notes")?.put(&doc! { "n": 1 })?;
/// let mut feed = db.changes(kept.parse::<Position>()?)?;
/// assert!(feed.next_batch(Duration::ZERO)?.is_some());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    session: SessionId,
    sequence: Sequence,
    /// The number of the change of the commit to read next; none after the whole of it.
    change: Option<u32>,
}

impl Position {
    pub(super) fn new(session: SessionId, sequence: Sequence, change: Option<u32>) -> Self {
        Self { session, sequence, change }
    }

    /// After the newest commit a view sees.
    pub(crate) fn of_view(view: &View) -> Result<Self> {
        Self::after(view, view.sequence()?)
    }

    /// After a commit a view sees.
    fn after(view: &View, sequence: Sequence) -> Result<Self> {
        Ok(Self::new(session_of(view, sequence)?, sequence, None))
    }

    /// Before the oldest changes that are kept.
    pub(super) fn oldest(view: &View, commits_max: u64) -> Result<Self> {
        let oldest = retention::oldest_kept(view, commits_max)?;
        Self::after(view, Sequence(oldest.0.saturating_sub(1)))
    }

    /// The commit that was read last; not to its end if the position is inside it.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # db.create_collection("notes")?;
    /// assert_eq!(db.position()?.sequence(), db.last_sequence());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Whether the commit was read to its end, and not in part.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// assert!(db.position()?.is_whole());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.change.is_none()
    }

    /// The commit and the number of the change in it to read next.
    pub(super) fn next(&self) -> (Sequence, u32) {
        match self.change {
            Some(change) => (self.sequence, change),
            None => (self.sequence.next(), 0),
        }
    }

    /// The newest commit that is read to its end.
    pub(super) fn whole(&self) -> Sequence {
        match self.change {
            Some(_) => Sequence(self.sequence.0.saturating_sub(1)),
            None => self.sequence,
        }
    }

    /// Fails with `Gap` when the database has not had this commit, or changes after it are not kept.
    pub(super) fn judge(&self, view: &View, commits_max: u64) -> Result<()> {
        retention::check_kept(view, self.whole(), commits_max)?;
        let newest = view.sequence()?;
        let sequence = self.sequence;
        let found = if sequence > newest {
            format!("its newest commit is {newest}")
        } else if session_of(view, sequence)? != self.session {
            format!("another session made its commit {sequence}")
        } else if let Some(change) = self.change
            && !has_change(view, sequence, change)?
        {
            format!("its commit {sequence} has no change {change}")
        } else {
            return Ok(());
        };
        let problem = format!(
            "the position {self} is not of the history of this database: {found}, as in a restored backup, in another \
             database, or where a crash lost commits; read the data anew and go on from the position of what was read"
        );
        Err(Error::new(ErrorCode::Gap, problem))
    }
}

/// Whether a commit has a change with this number.
fn has_change(view: &View, sequence: Sequence, change: u32) -> Result<bool> {
    let first = view.get(&keyspace::feed(sequence, 0))?;
    first.map_or(Ok(false), |first| Ok(change < Header::decode(&first)?.changes))
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sequence.0)?;
        if let Some(change) = self.change {
            write!(f, ":{change}")?;
        }
        write!(f, "@{}", self.session)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

impl FromStr for Position {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self> {
        read(text).filter(|position| position.to_string() == text).ok_or_else(|| {
            let found: String = text.chars().take(80).collect();
            let problem =
                format!("{found:?} is not a position in a change feed; pass one of a feed, a snapshot or the database");
            Error::new(ErrorCode::InvalidArgument, problem)
        })
    }
}

fn read(text: &str) -> Option<Position> {
    let (place, session) = text.split_once('@')?;
    let (sequence, change) = match place.split_once(':') {
        Some((sequence, change)) => (sequence, Some(change.parse().ok()?)),
        None => (place, None),
    };
    let mut id = [0; 16];
    if session.len() != 2 * id.len() || !session.is_ascii() {
        return None;
    }
    for (byte, at) in id.iter_mut().zip((0..session.len()).step_by(2)) {
        *byte = u8::from_str_radix(session.get(at..at + 2)?, 16).ok()?;
    }
    Some(Position::new(SessionId(id), Sequence(sequence.parse().ok()?), change))
}

/// Where reading the change feed begins.
///
/// ```
/// use entidb_core::{doc, Database, Since};
/// use std::time::Duration;
/// let db = Database::open_memory()?;
/// db.collection("notes")?.put(&doc! { "n": 1 })?;
/// assert!(db.changes(Since::Oldest)?.next_batch(Duration::ZERO)?.is_some());
/// assert!(db.changes(Since::Now)?.next_batch(Duration::ZERO)?.is_none());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Since {
    /// At the oldest change that is kept.
    #[default]
    Oldest,
    /// After the newest commit there is.
    Now,
    /// After a position.
    After(Position),
}

impl From<Position> for Since {
    fn from(position: Position) -> Self {
        Self::After(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_as_itself_and_nothing_else_is_one() {
        let id = SessionId([0xab; 16]);
        for sequence in [0, 7, u64::MAX] {
            for change in [None, Some(0), Some(u32::MAX)] {
                let position = Position::new(id, Sequence(sequence), change);
                assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
            }
        }
        let good = Position::new(id, Sequence(7), Some(3)).to_string();
        assert_eq!(good, format!("7:3@{}", "ab".repeat(16)));
        let session = "ab".repeat(16);
        let bad =
            ["", "7", "@", "7@", "7@ab", &format!("+7@{session}"), &format!("07@{session}"), &format!("7:@{session}")];
        let more =
            [good.trim_end_matches('b'), &format!("{good}0"), &good.to_uppercase(), &format!("-1@{session}"), "7@é"];
        for text in bad.into_iter().chain(more) {
            assert_eq!(text.parse::<Position>().unwrap_err().code(), ErrorCode::InvalidArgument, "{text}");
        }
    }
}
