//! Reading the change feed from a place on, and waiting for more.
//!
//! Always: each commit comes once and whole, in one batch or several of bounded size. A commit that cannot be read is an
//! error for as long as it cannot be read, and is never passed over; a reader that failed stays where it was. Waiting
//! holds no lock and no snapshot.
//! Does not know: which changes the caller cares about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entidb_engine::{Direction, Iter, Sequence};

use super::history::Sessions;
use super::position::{Position, Since};
use super::record::{Change, decode_part};
use super::retention::check_kept;
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::keyspace;
use crate::transaction::View;

/// A batch is closed before it has more bytes than this, unless it is one change.
const BATCH_BYTES: usize = 1 << 20;

/// Changes of one commit: all of them, or the next of a commit with many.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let notes = db.collection("notes")?;
/// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
/// use entidb_core::Since;
/// use std::time::Duration;
/// let batch = db.changes(Since::Oldest)?.next_batch(Duration::ZERO)?.expect("one");
/// assert_eq!(batch.changes.len(), 2); // the collection came into being, and the entity
/// assert!(batch.ends_commit());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    /// The commit, by its place in the history.
    pub sequence: Sequence,
    /// What it changed, in order.
    pub changes: Vec<Change>,
    /// Where to go on after this batch.
    pub position: Position,
}

impl ChangeBatch {
    /// True for the last batch of its commit, which most often is the only one.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # db.create_collection("notes")?;
    /// # use std::time::Duration;
    /// let mut feed = db.changes(entidb_core::Since::Oldest)?;
    /// let mut commit = Vec::new();
    /// while let Some(batch) = feed.next_batch(Duration::ZERO)? {
    ///     commit.extend_from_slice(&batch.changes);
    ///     if batch.ends_commit() {
    ///         println!("{} changed {} things", batch.sequence, commit.len());
    ///         commit.clear();
    ///     }
    /// }
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn ends_commit(&self) -> bool {
        self.position.is_whole()
    }
}

/// A reader of the change feed.
///
/// ```
/// use std::time::Duration;
/// use entidb_core::{doc, Database, Since};
/// let db = Database::open_memory()?;
/// let mut feed = db.changes(Since::Now)?;
/// db.collection("notes")?.put(&doc! { "title": "Hello" })?;
/// let batch = feed.next_batch(Duration::ZERO)?.expect("just committed");
/// assert_eq!(batch.changes.len(), 2); // the collection came into being, then the entity
/// assert_eq!(feed.next_batch(Duration::from_millis(1))?, None);
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub struct ChangeCursor {
    shared: Arc<Shared>,
    position: Position,
    /// Where it was before the batch given last.
    before: Option<Position>,
    open: Option<OpenFeed>,
    closed: Arc<AtomicBool>,
}

/// Closes a reader of the feed from any thread, also while one waits in it.
///
/// ```
/// use entidb_core::{Database, ErrorCode, Since};
/// use std::time::Duration;
/// let db = Database::open_memory()?;
/// let mut feed = db.changes(Since::Now)?;
/// let closer = feed.closer();
/// std::thread::spawn(move || closer.close());
/// let error = feed.next_batch(Duration::from_secs(60)).unwrap_err();
/// assert_eq!(error.code(), ErrorCode::Closed);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone)]
pub struct FeedCloser {
    shared: Arc<Shared>,
    closed: Arc<AtomicBool>,
}

impl FeedCloser {
    /// Ends a call of the reader that waits, and every later one, with `Closed`. Again is fine. The example of the type shows it.
    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.shared.engine().wake_waiters();
        }
    }
}

impl std::fmt::Debug for FeedCloser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FeedCloser({})", if self.closed.load(Ordering::Acquire) { "closed" } else { "open" })
    }
}

impl ChangeCursor {
    pub(crate) fn new(shared: Arc<Shared>, since: Since) -> Result<Self> {
        let commits_max = shared.options().feed_commits_max;
        if commits_max == 0 {
            let problem = "this database keeps no change feed; open it with feed_commits_max above 0";
            return Err(Error::new(ErrorCode::Unsupported, problem));
        }
        let view = View::Read(shared.begin_read()?);
        let position = match since {
            Since::Oldest => Position::oldest(&view, commits_max)?,
            Since::Now => Position::of_view(&view)?,
            Since::After(position) => {
                position.judge(&view, commits_max)?;
                position
            }
        };
        Ok(Self { shared, position, before: None, open: None, closed: Arc::default() })
    }

    /// What closes this reader from another thread, also while this one waits. Its example is at [`FeedCloser`].
    #[must_use]
    pub fn closer(&self) -> FeedCloser {
        FeedCloser { shared: Arc::clone(&self.shared), closed: Arc::clone(&self.closed) }
    }

    fn check_not_closed(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            let problem = "this reader of the change feed was closed; take a new one from its position";
            return Err(Error::new(ErrorCode::Closed, problem));
        }
        Ok(())
    }

    /// Where reading goes on: after the batch given last.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # db.create_collection("notes")?;
    /// use entidb_core::Since;
    /// use std::time::Duration;
    /// let mut feed = db.changes(Since::Oldest)?;
    /// let batch = feed.next_batch(Duration::ZERO)?.expect("one");
    /// assert_eq!(feed.position(), batch.position);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The next changes, waiting up to `timeout` for a commit; none when the time is over.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # db.create_collection("notes")?;
    /// use entidb_core::Since;
    /// use std::time::Duration;
    /// let mut feed = db.changes(Since::Oldest)?;
    /// while let Some(batch) = feed.next_batch(Duration::ZERO)? {
    ///     println!("{}: {} changes", batch.sequence, batch.changes.len());
    /// }
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Gap` when changes after the position were removed by retention; go on from a fresh copy of the data. `Closed` also
    /// when this reader was closed, `Corrupt`. After any error the reader is where it was before.
    pub fn next_batch(&mut self, timeout: Duration) -> Result<Option<ChangeBatch>> {
        let clock = Arc::clone(self.shared.clock());
        let start = clock.monotonic_nanos();
        loop {
            // Taken before the poll: a commit that the poll comes too early for ends the wait at once.
            let known = self.shared.last_sequence();
            if let Some(batch) = self.poll()? {
                return Ok(Some(batch));
            }
            let spent = Duration::from_nanos(clock.monotonic_nanos().saturating_sub(start));
            let left = timeout.saturating_sub(spent);
            // A commit without changes ends the wait too, and the next poll finds nothing.
            if left.is_zero() || !self.shared.wait_for_commit(known, left, &|| self.closed.load(Ordering::Acquire))? {
                self.shared.check_open()?;
                self.check_not_closed()?;
                return Ok(None);
            }
        }
    }

    /// Takes the batch given last back, so that the next call gives it again. Nothing to take back is fine.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # db.create_collection("notes")?;
    /// # use std::time::Duration;
    /// let mut feed = db.changes(entidb_core::Since::Oldest)?;
    /// let first = feed.next_batch(Duration::ZERO)?;
    /// feed.unread();
    /// assert_eq!(feed.next_batch(Duration::ZERO)?, first);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn unread(&mut self) {
        if let Some(before) = self.before.take() {
            self.position = before;
            self.open = None;
        }
    }

    fn poll(&mut self) -> Result<Option<ChangeBatch>> {
        self.shared.check_open()?;
        self.check_not_closed()?;
        if let Some(batch) = self.read_on()? {
            return Ok(Some(batch));
        }
        // The open range is used up: look again with a new snapshot.
        let view = View::Read(self.shared.begin_read_for("change feed")?);
        check_kept(&view, self.position.whole(), self.shared.options().feed_commits_max)?;
        if view.sequence()? < self.position.next().0 {
            return Ok(None);
        }
        self.open = Some(OpenFeed::after(&view, &self.position)?);
        self.read_on()
    }

    /// The next batch of what is open.
    fn read_on(&mut self) -> Result<Option<ChangeBatch>> {
        let Some(mut open) = self.open.take() else { return Ok(None) };
        // After an error nothing is open: reading begins again at the position, and meets the same damage.
        let Some(batch) = open.next()? else { return Ok(None) };
        self.before = Some(std::mem::replace(&mut self.position, batch.position));
        if open.has_part {
            self.open = Some(open);
        }
        Ok(Some(batch))
    }
}

/// The feed of one snapshot, from a position on.
struct OpenFeed {
    parts: Iter,
    /// `parts` stands on a part that is not given yet.
    has_part: bool,
    /// The number that part has, unless parts are missing.
    expected: u32,
    sessions: Sessions,
}

impl OpenFeed {
    fn after(view: &View, position: &Position) -> Result<Self> {
        let (sequence, part) = position.next();
        let (start, end) = (keyspace::feed(sequence, part), [keyspace::ZONE_FEED + 1]);
        let mut parts = view.range(&start, &end, Direction::Forward)?;
        let has_part = parts.advance()?;
        Ok(Self { parts, has_part, expected: part, sessions: Sessions::after(view, position.whole())? })
    }

    fn next(&mut self) -> Result<Option<ChangeBatch>> {
        if !self.has_part {
            return Ok(None);
        }
        let sequence = self.expected_place()?;
        let session = self.sessions.of(sequence)?;
        let (mut changes, mut bytes) = (Vec::new(), 0_usize);
        let next_part = loop {
            bytes += self.parts.value().len();
            decode_part(self.parts.value(), &mut changes)?;
            self.has_part = self.parts.advance()?;
            self.expected = self.expected.wrapping_add(1);
            if !self.has_part || self.place()?.0 != sequence {
                self.expected = 0;
                break None;
            }
            self.expected_place()?;
            if bytes.saturating_add(self.parts.value().len()) > BATCH_BYTES {
                break Some(self.expected);
            }
        };
        Ok(Some(ChangeBatch { sequence, changes, position: Position::new(session, sequence, next_part) }))
    }

    /// The commit of the part here, which must be the next one of it.
    fn expected_place(&self) -> Result<Sequence> {
        match self.place()? {
            (sequence, part) if part == self.expected => Ok(sequence),
            (sequence, _) => {
                Err(Error::corrupt(format!("the changes of commit {sequence}, a part of which is missing,")))
            }
        }
    }

    fn place(&self) -> Result<(Sequence, u32)> {
        keyspace::feed_place(self.parts.key()).ok_or_else(|| Error::corrupt("a feed key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, doc};

    /// Does something to the keyspace that the database would never do.
    fn tamper(db: &Database, change: impl FnOnce(&mut entidb_engine::WriteTransaction)) {
        let shared = db.changes(Since::Now).unwrap().shared;
        let mut tx = shared.engine().begin_write().unwrap();
        change(&mut tx);
        tx.commit().unwrap();
    }

    fn reads_up_to(db: &Database, damaged: Sequence) {
        let mut feed = db.changes(Since::Oldest).unwrap();
        let mut errors = 0;
        for _ in 0..6 {
            match feed.next_batch(Duration::ZERO) {
                Ok(batch) => assert!(batch.unwrap().sequence < damaged),
                Err(error) => {
                    assert_eq!(error.code(), ErrorCode::Corrupt);
                    errors += 1;
                }
            }
        }
        assert!(errors >= 4, "only {errors} errors");
        assert!(feed.position().sequence() < damaged);
    }

    #[test]
    fn a_damaged_commit_is_met_again_and_never_passed_over() {
        let db = Database::open_memory().unwrap();
        let notes = db.collection("notes").unwrap();
        notes.put(&doc! { "n": 1 }).unwrap();
        let damaged = db.last_sequence().next();
        notes.put(&doc! { "n": 2 }).unwrap();
        notes.put(&doc! { "n": 3 }).unwrap();
        tamper(&db, |tx| tx.put(&keyspace::feed(damaged, 0), &[9; 40]).unwrap());
        reads_up_to(&db, damaged);
    }

    #[test]
    fn a_commit_that_lacks_a_part_is_damage() {
        for missing in [0, 1, 2] {
            let db = Database::open_memory().unwrap();
            db.create_collection("notes").unwrap();
            let damaged = db.last_sequence().next();
            let text = "x".repeat(60_000);
            db.transaction(|tx| {
                (0..4).try_for_each(|_| tx.collection("notes")?.put(&doc! { "text": text.as_str() }).map(drop))
            })
            .unwrap();
            tamper(&db, |tx| tx.delete(&keyspace::feed(damaged, missing)).unwrap());
            reads_up_to(&db, damaged);
        }
    }
}
