//! Reading the change feed from a place on, and waiting for more.
//!
//! Always: each commit comes once and whole. A commit that cannot be read is an error for as long as it cannot be read,
//! and is never passed over. Waiting holds no lock and no snapshot.
//! Does not know: which changes the caller cares about.

use std::sync::Arc;
use std::time::Duration;

use entidb_engine::{Direction, Iter, Sequence};

use super::check_kept;
use super::record::{Change, decode_part};
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::keyspace;
use crate::transaction::View;

/// The changes of one commit.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// use entidb_core::Sequence;
/// use std::time::Duration;
/// let commit = db.changes(Sequence::ZERO).next_commit(Duration::ZERO)?.expect("one");
/// assert_eq!(commit.changes.len(), 2); // the collection came into being, and the entity
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its place in the history.
    pub sequence: Sequence,
    /// What it changed, in order.
    pub changes: Vec<Change>,
}

/// A reader of the change feed.
///
/// ```
/// use std::time::Duration;
/// use entidb_core::{doc, Database};
/// let db = Database::open_memory()?;
/// let mut feed = db.changes(db.last_sequence());
/// db.collection("notes")?.put(&doc! { "title": "Hello" })?;
/// let commit = feed.next_commit(Duration::ZERO)?.expect("just committed");
/// assert_eq!(commit.changes.len(), 2); // the collection came into being, then the entity
/// assert_eq!(feed.next_commit(Duration::from_millis(1))?, None);
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub struct ChangeCursor {
    shared: Arc<Shared>,
    position: Sequence,
    open: Option<Iter>,
    /// The first part of the commit after the one last given, met while looking for its end.
    ahead: Option<(Sequence, Vec<Change>)>,
}

impl ChangeCursor {
    pub(crate) fn new(shared: Arc<Shared>, since: Sequence) -> Self {
        Self { shared, position: since, open: None, ahead: None }
    }

    /// The sequence of the last commit given; reading goes on after it.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::Sequence;
    /// use std::time::Duration;
    /// let mut feed = db.changes(Sequence::ZERO);
    /// let commit = feed.next_commit(Duration::ZERO)?.expect("one");
    /// assert_eq!(feed.position(), commit.sequence); // kept, it is where to go on
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn position(&self) -> Sequence {
        self.position
    }

    /// The next commit, waiting up to `timeout` for one; none when the time is over.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::Sequence;
    /// use std::time::Duration;
    /// let mut feed = db.changes(Sequence::ZERO);
    /// while let Some(commit) = feed.next_commit(Duration::ZERO)? {
    ///     println!("{}: {} changes", commit.sequence, commit.changes.len());
    /// }
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Gap` when changes after the position were removed by retention; go on from a fresh copy of the data.
    /// `Closed`, `Corrupt`, `Unsupported` when the database keeps no feed.
    pub fn next_commit(&mut self, timeout: Duration) -> Result<Option<Commit>> {
        if self.shared.options().feed_commits_max == 0 {
            let problem = "this database keeps no change feed; open it with feed_commits_max above 0";
            return Err(Error::new(ErrorCode::Unsupported, problem));
        }
        let clock = Arc::clone(self.shared.clock());
        let start = clock.monotonic_nanos();
        loop {
            // Taken before the poll: a commit that the poll comes too early for ends the wait at once.
            let known = self.shared.last_sequence();
            if let Some(commit) = self.poll()? {
                return Ok(Some(commit));
            }
            let spent = Duration::from_nanos(clock.monotonic_nanos().saturating_sub(start));
            let left = timeout.saturating_sub(spent);
            // A commit without changes ends the wait too, and the next poll finds nothing.
            if left.is_zero() || !self.shared.wait_for_commit(known, left)? {
                self.shared.check_open()?;
                return Ok(None);
            }
        }
    }

    fn poll(&mut self) -> Result<Option<Commit>> {
        if let Some(commit) = self.read_on()? {
            return Ok(Some(commit));
        }
        // The open range is used up: look again with a new snapshot.
        let view = View::Read(self.shared.begin_read_for("change feed")?);
        check_kept(&view, self.position, self.shared.options().feed_commits_max)?;
        if view.sequence()? <= self.position {
            return Ok(None);
        }
        let (start, end) = (keyspace::feed(self.position.next(), 0), [keyspace::ZONE_FEED + 1]);
        self.open = Some(view.range(&start, &end, Direction::Forward)?);
        self.read_on()
    }

    fn read_on(&mut self) -> Result<Option<Commit>> {
        self.shared.check_open()?;
        let commit = self.next_open();
        if commit.is_err() {
            // Reading begins again at the position, so that it meets the same damage and does not go on behind it.
            self.open = None;
            self.ahead = None;
        }
        commit
    }

    /// The next commit of what is open.
    fn next_open(&mut self) -> Result<Option<Commit>> {
        let Some(iter) = &mut self.open else { return Ok(None) };
        let mut current = self.ahead.take();
        while iter.advance()? {
            let sequence = keyspace::feed_sequence(iter.key()).ok_or_else(|| Error::corrupt("a feed key"))?;
            let changes = decode_part(iter.value())?;
            match &mut current {
                None => current = Some((sequence, changes)),
                Some((at, all)) if *at == sequence => all.extend(changes),
                Some(_) => {
                    self.ahead = Some((sequence, changes));
                    break;
                }
            }
        }
        if self.ahead.is_none() {
            self.open = None;
        }
        Ok(current.map(|(sequence, changes)| {
            self.position = sequence;
            Commit { sequence, changes }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, doc};

    #[test]
    fn a_damaged_commit_is_met_again_and_never_passed_over() {
        let db = Database::open_memory().unwrap();
        let notes = db.collection("notes").unwrap();
        notes.put(&doc! { "n": 1 }).unwrap();
        let damaged = db.last_sequence().next();
        notes.put(&doc! { "n": 2 }).unwrap();
        notes.put(&doc! { "n": 3 }).unwrap();
        let shared = db.changes(Sequence::ZERO).shared;
        let mut tx = shared.engine().begin_write().unwrap();
        tx.put(&keyspace::feed(damaged, 0), &[9; 40]).unwrap();
        tx.commit().unwrap();

        let mut feed = db.changes(Sequence::ZERO);
        let mut errors = 0;
        for _ in 0..6 {
            match feed.next_commit(Duration::ZERO) {
                Ok(commit) => assert!(commit.unwrap().sequence < damaged),
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::Corrupt);
                    errors += 1;
                }
            }
        }
        assert!(errors >= 4, "only {errors} errors");
        assert!(feed.position() < damaged);
    }
}
