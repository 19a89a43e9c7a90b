//! Reading the change feed from a place on, and waiting for more.
//!
//! Always: each commit comes once and whole, in one batch or several of bounded size. A commit that cannot be read is an
//! error for as long as it cannot be read, and is never passed over; a reader that failed stays where it was. Waiting
//! holds no lock and no snapshot.
//! Does not know: which changes the caller cares about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entidb_engine::Sequence;

use super::change::Change;
use super::commit::{CommitHead, Commits};
use super::position::{Position, Since};
use super::retention::check_kept;
use super::waker::{Wake, WakerSlot};
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::transaction::View;

/// A batch is closed before it has more bytes than this, unless it is one change.
const BATCH_BYTES: usize = 1 << 20;
/// What a change counts beside its documents.
const CHANGE_BYTES: usize = 32;

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
    /// When the commit was made: microseconds since 1970-01-01 UTC by the clock of the system, which may have been set back
    /// between two commits.
    pub time_micros: i64,
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
    with_before: bool,
    closed: Arc<AtomicBool>,
    waker: Arc<WakerSlot>,
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
    waker: Arc<WakerSlot>,
}

impl FeedCloser {
    /// Ends a call of the reader that waits, and every later one, with `Closed`. Again is fine. The example of the type shows it.
    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.shared.engine().wake_waiters();
            self.waker.fire();
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
        Ok(Self {
            shared,
            position,
            before: None,
            open: None,
            with_before: false,
            closed: Arc::default(),
            waker: Arc::default(),
        })
    }

    /// What closes this reader from another thread, also while this one waits. Its example is at [`FeedCloser`].
    #[must_use]
    pub fn closer(&self) -> FeedCloser {
        let (closed, waker) = (Arc::clone(&self.closed), Arc::clone(&self.waker));
        FeedCloser { shared: Arc::clone(&self.shared), closed, waker }
    }

    /// Sets the function that is called when there may be something to read, for a reader without a thread to wait in; `None`
    /// removes it. It is called once after [`next_batch`](Self::next_batch) returned nothing: by the first commit after that, or when
    /// this reader or the database is closed or writing stops. It runs on the thread whose call that was, and must not block or
    /// call the database.
    ///
    /// ```
    /// use entidb_core::{Database, Since};
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use std::{sync::Arc, time::Duration};
    /// let db = Database::open_memory()?;
    /// let told = Arc::new(AtomicUsize::new(0));
    /// let count = Arc::clone(&told);
    /// let mut feed = db.changes(Since::Now)?;
    /// feed.set_waker(Some(Box::new(move || {
    ///     count.fetch_add(1, Ordering::Relaxed);
    /// })));
    /// assert_eq!(feed.next_batch(Duration::ZERO)?, None);
    /// db.create_collection("notes")?;
    /// db.create_collection("letters")?;
    /// assert_eq!(told.load(Ordering::Relaxed), 1);
    /// assert!(feed.next_batch(Duration::ZERO)?.is_some());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn set_waker(&self, wake: Option<Wake>) {
        self.waker.set(wake);
    }

    /// Gives updates and deletes the document as it was before them, too.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// use entidb_core::{decode, doc, Since};
    /// use std::time::Duration;
    /// let id = notes.put(&doc! { "n": 1 })?;
    /// let mut feed = db.changes(Since::Now)?.with_before();
    /// notes.put_at(id, &doc! { "n": 2 })?;
    /// let batch = feed.next_batch(Duration::ZERO)?.expect("just committed");
    /// let before = batch.changes[0].before.as_ref().expect("asked for");
    /// assert_eq!(decode(before)?, doc! { "n": 1 });
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn with_before(mut self) -> Self {
        self.give_before();
        self
    }

    /// As [`with_before`](Self::with_before), from the next batch on.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// let mut feed = db.changes(entidb_core::Since::Now)?;
    /// feed.give_before();
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn give_before(&mut self) {
        self.with_before = true;
        self.open = None;
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
            if left.is_zero() && self.shared.wakers().arm(&self.waker) {
                if self.shared.last_sequence() > known {
                    continue;
                }
                // The errors that end a wait are for a reader with a waker too.
                self.shared.wait_for_commit(known, Duration::ZERO, &|| true)?;
            }
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
        self.open = Some(OpenFeed::after(&view, &self.position, self.with_before)?);
        self.read_on()
    }

    /// The next batch of what is open.
    fn read_on(&mut self) -> Result<Option<ChangeBatch>> {
        let Some(mut open) = self.open.take() else { return Ok(None) };
        // After an error nothing is open: reading begins again at the position, and meets the same damage.
        let Some(batch) = open.next()? else { return Ok(None) };
        self.before = Some(std::mem::replace(&mut self.position, batch.position));
        if open.has_more() {
            self.open = Some(open);
        }
        Ok(Some(batch))
    }
}

impl Drop for ChangeCursor {
    fn drop(&mut self) {
        self.shared.wakers().forget(&self.waker);
    }
}

/// The feed of one snapshot, from a position on.
struct OpenFeed {
    commits: Commits,
    /// A change that did not fit into the batch before.
    held: Option<(u32, Change)>,
}

impl OpenFeed {
    fn after(view: &View, position: &Position, with_before: bool) -> Result<Self> {
        Ok(Self { commits: Commits::after(view, position, with_before)?, held: None })
    }

    fn has_more(&self) -> bool {
        self.held.is_some() || self.commits.has_more()
    }

    fn next(&mut self) -> Result<Option<ChangeBatch>> {
        let Some(CommitHead { sequence, session, time_micros }) = self.commits.head()? else { return Ok(None) };
        let (mut changes, mut bytes) = (Vec::new(), 0_usize);
        let next = loop {
            let held = self.held.take();
            let Some((number, change)) = held.map_or_else(|| self.commits.next(), |held| Ok(Some(held)))? else {
                break None;
            };
            let before = change.before.as_ref().map_or(0, Vec::len);
            bytes = bytes.saturating_add(change.payload.len() + before + CHANGE_BYTES);
            if bytes > BATCH_BYTES && !changes.is_empty() {
                self.held = Some((number, change));
                break Some(number);
            }
            changes.push(change);
        };
        let position = Position::new(session, sequence, next);
        Ok(Some(ChangeBatch { sequence, time_micros, changes, position }))
    }
}

#[cfg(test)]
mod tests {
    use entidb_engine::Direction;

    use super::*;
    use crate::{Database, doc, keyspace};

    /// Does something to the keyspace that the database would never do.
    fn tamper(db: &Database, change: impl FnOnce(&mut entidb_engine::WriteTransaction)) {
        let shared = Arc::clone(&db.changes(Since::Now).unwrap().shared);
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
        for missing in 0..3 {
            let db = Database::open_memory().unwrap();
            db.create_collection("notes").unwrap();
            let damaged = db.last_sequence().next();
            let documents: Vec<_> = (0..10_000).map(|n| doc! { "n": n }).collect();
            db.collection("notes").unwrap().put_many(&documents).unwrap();
            let shared = Arc::clone(&db.changes(Since::Now).unwrap().shared);
            let (start, end) = (keyspace::feed(damaged, 0), keyspace::feed(damaged.next(), 0));
            let mut parts =
                shared.engine().snapshot().unwrap().range(&start[..]..&end[..], Direction::Forward).unwrap();
            let mut keys = Vec::new();
            while parts.advance().unwrap() {
                keys.push(parts.key().to_vec());
            }
            assert_eq!(keys.len(), 3);
            tamper(&db, |tx| tx.delete(&keys[missing]).unwrap());
            if missing == 0 {
                reads_up_to(&db, damaged);
                continue;
            }
            // Batches before the missing part are given, and never the end of the commit.
            let mut feed = db.changes(Since::Oldest).unwrap();
            let mut errors = 0;
            for _ in 0..10 {
                match feed.next_batch(Duration::ZERO) {
                    Ok(batch) => {
                        let batch = batch.unwrap();
                        assert!(batch.sequence < damaged || !batch.ends_commit());
                    }
                    Err(error) => {
                        assert_eq!(error.code(), ErrorCode::Corrupt);
                        errors += 1;
                    }
                }
            }
            assert!(errors >= 4, "only {errors} errors");
        }
    }

    #[test]
    fn a_change_whose_document_is_missing_is_damage() {
        let db = Database::open_memory().unwrap();
        let notes = db.collection("notes").unwrap();
        notes.put(&doc! { "n": 1 }).unwrap();
        let damaged = db.last_sequence().next();
        let id = notes.put(&doc! { "n": 2 }).unwrap();
        let storage = crate::id::StorageId(1);
        tamper(&db, |tx| tx.delete(&keyspace::entity(storage, &id)).unwrap());
        reads_up_to(&db, damaged);
    }
}
