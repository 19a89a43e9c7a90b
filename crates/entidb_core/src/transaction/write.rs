//! A write transaction: changes that become visible together or not at all.
//!
//! Always: only one exists at a time; dropping it unfinished aborts it. After an end every call says `TransactionEnded`.
//! Does not know: what a change does to indexes (`state`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entidb_engine::{Durability, Sequence};
use entidb_storage::sync::Mutex;

use super::State;
use crate::collection::{Collection, Scope};
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::options::Options;

pub(crate) struct WriteInner {
    shared: Arc<Shared>,
    state: Mutex<Option<State>>,
    /// Counts the beginnings and ends of calls. Changed by who has the state.
    calls: AtomicU64,
    /// Queries that run at this moment, each with no call of its own on the state, and how many have ended.
    queries: AtomicU64,
    queries_ended: AtomicU64,
    /// When it began; 0 where there is no limit on its time.
    begun_nanos: u64,
    /// Whether it belongs to no thread.
    is_detached: AtomicBool,
    /// How it ended.
    end: Mutex<End>,
}

/// How a transaction ended.
enum End {
    /// It has not.
    Open,
    Committed,
    Aborted,
    /// Aborted for a writer that waited, because nothing was called on it for too long.
    Idle,
    /// Aborted because it was open for too long.
    Late,
    /// Its commit gave an error.
    Failed(ErrorCode, String),
}

impl WriteInner {
    /// Runs something on the open transaction. A panic in it dooms the transaction: what it left half done must neither be
    /// committed nor read.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.shared.check_open()?;
        self.end_if_late();
        let mut state = self.state.lock();
        let state = state.as_mut().ok_or_else(|| self.ended())?;
        state.check_no_panic()?;
        if !self.is_detached.load(Ordering::Relaxed) {
            self.shared.write_owner().set();
        }
        count(&self.calls);
        let mut watched = Watched { state, calls: &self.calls, is_done: false };
        let result = run(watched.state);
        watched.is_done = true;
        result
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn take(&self, end: End) -> Result<State> {
        let mut state = self.state.lock();
        let taken = state.take().ok_or_else(|| self.ended())?;
        *self.end.lock() = end;
        // While this thread ends it, and before the next transaction can begin.
        self.shared.write_owner().clear();
        Ok(taken)
    }

    /// How many calls began and ended.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed).wrapping_add(self.queries_ended.load(Ordering::Relaxed))
    }

    /// A query is moved, until this is dropped.
    pub(super) fn moving(self: &Arc<Self>) -> Moving {
        self.queries.fetch_add(1, Ordering::AcqRel);
        Moving(Arc::clone(self))
    }

    /// Aborts it for a writer that waits, unless it is in a call or had one since this count.
    pub(crate) fn end_idle(&self, calls: u64) -> bool {
        let Some(mut state) = self.state.try_lock() else { return false };
        if self.calls() != calls || self.queries.load(Ordering::Acquire) > 0 {
            return false;
        }
        let taken = state.take();
        drop(state);
        self.abort_for(End::Idle, taken)
    }

    /// How much of its time is left; none where there is no limit on it.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let limit = Duration::from_millis(self.shared.options().transaction_ms_max);
        let open = || Duration::from_nanos(self.shared.clock().monotonic_nanos().saturating_sub(self.begun_nanos));
        (!limit.is_zero()).then(|| limit.saturating_sub(open()))
    }

    /// Aborts it when its time is over, unless a call or a query runs on it.
    pub(crate) fn end_if_late(&self) -> bool {
        if self.time_left() != Some(Duration::ZERO) {
            return false;
        }
        let is_moving = || self.queries.load(Ordering::Acquire) > 0;
        let taken = self.state.try_lock().filter(|_| !is_moving()).and_then(|mut state| state.take());
        self.abort_for(End::Late, taken)
    }

    fn abort_for(&self, why: End, state: Option<State>) -> bool {
        let Some(state) = state else { return false };
        *self.end.lock() = why;
        self.shared.write_owner().clear();
        state.abort();
        self.shared.counters().aborted();
        true
    }

    /// True when its own commit or abort ended it, so that nothing is lost which its caller does not know of.
    fn is_ended_by_call(&self) -> bool {
        self.state.lock().is_none() && matches!(*self.end.lock(), End::Committed | End::Aborted)
    }

    fn ended(&self) -> Error {
        let options = self.shared.options();
        let problem = match &*self.end.lock() {
            End::Open => "the transaction is being ended; begin another".to_owned(),
            End::Committed => "the transaction was committed already; begin another".to_owned(),
            End::Aborted => "the transaction was aborted already; begin another".to_owned(),
            End::Idle => format!(
                "the transaction was aborted, because nothing was called on it for {} ms while another write waited \
                 (transaction_idle_ms_max); begin it again",
                options.transaction_idle_ms_max
            ),
            End::Late => format!(
                "the transaction was aborted, because it was open for more than {} ms (transaction_ms_max); begin it again, and \
                 commit sooner",
                options.transaction_ms_max
            ),
            End::Failed(code, problem) => {
                format!("the transaction ended when its commit failed with {}: {problem}", code.name())
            }
        };
        Error::new(ErrorCode::TransactionEnded, problem)
    }
}

/// A query of a transaction while it looks for something.
pub(crate) struct Moving(Arc<WriteInner>);

impl Drop for Moving {
    fn drop(&mut self) {
        // Counted as ended before it is no more under way.
        self.0.queries_ended.fetch_add(1, Ordering::AcqRel);
        self.0.queries.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A transaction while something runs on it.
struct Watched<'a> {
    state: &'a mut State,
    calls: &'a AtomicU64,
    is_done: bool,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.state.note_panic();
        }
        count(self.calls);
    }
}

/// One more. Only who has the state counts, so nothing is lost between the two.
fn count(calls: &AtomicU64) {
    calls.store(calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// A place in a write transaction to go back to.
///
/// ```
/// # let db = entidb_core::Database::open_memory()?;
/// # let tx = db.begin_write()?;
/// let savepoint = tx.savepoint()?;
/// tx.create_collection("notes")?;
/// tx.rollback_to(savepoint)?;
/// assert!(tx.collections()?.is_empty());
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(pub(crate) u64);

impl Savepoint {
    /// The number by which other languages name it.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// use entidb_core::Savepoint;
    /// let savepoint = tx.savepoint()?;
    /// assert_eq!(Savepoint::from_number(savepoint.number()), savepoint);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The savepoint with that number.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// use entidb_core::Savepoint;
    /// let number = tx.savepoint()?.number();
    /// tx.rollback_to(Savepoint::from_number(number))?;
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// Changes that become visible together when committed.
///
/// ```
/// use entidb_core::{doc, Database};
/// let db = Database::open_memory()?;
/// let tx = db.begin_write()?;
/// let accounts = tx.collection("accounts")?;
/// let id = accounts.put(&doc! { "balance": 5 })?;
/// let savepoint = tx.savepoint()?;
/// accounts.delete(id)?;
/// tx.rollback_to(savepoint)?;
/// tx.commit()?;
/// assert!(db.collection("accounts")?.exists(id)?);
/// # Ok::<(), entidb_core::Error>(())
/// ```
pub struct WriteTransaction(Arc<WriteInner>);

impl WriteTransaction {
    pub(crate) fn new(shared: Arc<Shared>, state: State) -> Self {
        shared.write_owner().set();
        let begun_nanos = if shared.options().transaction_ms_max > 0 { shared.clock().monotonic_nanos() } else { 0 };
        let inner = Arc::new(WriteInner {
            shared,
            state: Mutex::new(Some(state)),
            calls: AtomicU64::new(0),
            queries: AtomicU64::new(0),
            queries_ended: AtomicU64::new(0),
            begun_nanos,
            is_detached: AtomicBool::new(false),
            end: Mutex::new(End::Open),
        });
        inner.shared.idle().begun(&inner);
        Self(inner)
    }

    pub(crate) fn inner(&self) -> &Arc<WriteInner> {
        &self.0
    }

    /// From here on it belongs to no thread: a thread that waits for it waits its time, and is not refused with `Deadlock` because
    /// it called this transaction last. For a program whose transactions belong to tasks that share threads.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// use entidb_core::ErrorCode;
    /// use std::time::Duration;
    /// let tx = db.begin_write()?;
    /// tx.detach();
    /// let other = db.begin_write_within(Some(Duration::from_millis(1))).map(|_| ()).unwrap_err();
    /// assert_eq!(other.code(), ErrorCode::Busy);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn detach(&self) {
        // Under the lock, so that no call of it that is under way sets the owner again.
        let state = self.0.state.lock();
        self.0.is_detached.store(true, Ordering::Relaxed);
        if state.is_some() {
            self.0.shared.write_owner().clear();
        }
    }

    /// The collection with this transaction's changes in it.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(tx.collection("notes")?.count()?, 1);
    /// assert_eq!(db.collection("notes")?.count()?, 0);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` for an impossible name.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        Collection::new(Scope::Write(Arc::clone(&self.0)), name)
    }

    /// The names of the collections, sorted.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// assert_eq!(tx.collections()?, ["notes"]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TransactionEnded`, `Closed`.
    pub fn collections(&self) -> Result<Vec<String>> {
        self.0.with(|state| Ok(state.catalog().collections().iter().map(|record| record.name.clone()).collect()))
    }

    /// Creates an empty collection.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.create_collection("notes")?;
    /// tx.commit()?;
    /// assert_eq!(db.collections()?, ["notes"]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionExists`, `InvalidArgument`, `TransactionEnded`.
    pub fn create_collection(&self, name: &str) -> Result<()> {
        self.0.with(|state| state.atomically(|state| state.create_collection(name).map(|_| ())))
    }

    /// Gives a collection another name.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.create_collection("notes")?;
    /// tx.rename_collection("notes", "letters")?;
    /// assert_eq!(tx.collections()?, ["letters"]);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionNotFound`, `CollectionExists`, `InvalidArgument`, `TransactionEnded`.
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        self.0.with(|state| state.atomically(|state| state.rename_collection(from, to)))
    }

    /// Removes a collection with everything in it.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.create_collection("notes")?;
    /// tx.drop_collection("notes")?;
    /// assert!(tx.collections()?.is_empty());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CollectionNotFound`, `TransactionEnded`.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        self.0.with(|state| state.atomically(|state| state.drop_collection(name)))
    }

    /// Marks this place. As long as the mark is there, each key that changes counts twice against `transaction_bytes_max`: as
    /// it is and as it was.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// let savepoint = tx.savepoint()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// tx.rollback_to(savepoint)?;
    /// assert_eq!(tx.collection("notes")?.count()?, 0);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TooLarge` when there is no room for it in the transaction, `TransactionEnded`.
    pub fn savepoint(&self) -> Result<Savepoint> {
        self.0.with(|state| state.savepoint())
    }

    /// Undoes everything since the savepoint, which stays valid; later ones are gone.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// let first = tx.savepoint()?;
    /// let second = tx.savepoint()?;
    /// tx.rollback_to(first)?;
    /// assert!(tx.rollback_to(second).is_err(), "it went with the first");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `SavepointNotFound`, `TransactionEnded`.
    pub fn rollback_to(&self, savepoint: Savepoint) -> Result<()> {
        self.0.with(|state| state.rollback_to(savepoint))
    }

    /// The sequence this transaction gets if it commits and changes anything.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// let promised = tx.next_sequence()?;
    /// assert_eq!(tx.commit()?, promised);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TransactionEnded`.
    pub fn next_sequence(&self) -> Result<Sequence> {
        self.0.with(|state| Ok(state.next_sequence()))
    }

    /// Makes the changes visible and, by the database's durability, durable. Returns their sequence.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// let sequence = tx.commit()?;
    /// assert_eq!(db.last_sequence(), sequence);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `CommitUnknown` when it cannot be known whether the commit is durable; `WritesStopped`, `NoSpace`, `Io`. After
    /// any error nothing of the transaction is visible in this session. `Panic` after a defect stopped one of its calls.
    pub fn commit(self) -> Result<Sequence> {
        self.finish(None)
    }

    /// As [`commit`](Self::commit), with a durability for this commit alone.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// let sequence = tx.commit_with(entidb_core::Durability::None)?; // does not wait for the disk
    /// db.wait_durable(sequence, std::time::Duration::from_secs(5)).ok();
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_with(self, durability: Durability) -> Result<Sequence> {
        self.finish(Some(durability))
    }

    /// Commits through a shared handle; the other languages end their transactions this way.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// tx.finish(None)?;
    /// assert!(!tx.is_open());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and `TransactionEnded` when it is over already.
    pub fn finish(&self, durability: Option<Durability>) -> Result<Sequence> {
        self.0.shared.check_open()?;
        self.0.end_if_late();
        let state = self.0.take(End::Committed)?;
        let sequence = state.commit(&self.0.shared, durability).inspect_err(|error| {
            *self.0.end.lock() = End::Failed(error.code(), error.message().to_owned());
        })?;
        self.0.shared.counters().committed();
        Ok(sequence)
    }

    /// Commits it at the end of a block, unless the block committed or aborted it.
    pub(crate) fn end_block(&self) -> Result<()> {
        if self.0.is_ended_by_call() { Ok(()) } else { self.finish(None).map(drop) }
    }

    /// Fails when it has ended, and says how.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.check_open()?;
    /// tx.cancel();
    /// assert!(tx.check_open().is_err());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TransactionEnded`, `Closed`.
    pub fn check_open(&self) -> Result<()> {
        self.0.with(|_| Ok(()))
    }

    /// The options the database was opened with.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// assert_eq!(tx.options().lock_timeout_ms, db.options().lock_timeout_ms);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn options(&self) -> &Options {
        self.0.shared.options()
    }

    /// Forgets the changes.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// tx.collection("notes")?.put(&entidb_core::doc! { "n": 1 })?;
    /// tx.abort();
    /// assert_eq!(db.collection("notes")?.count()?, 0);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn abort(self) {
        self.cancel();
    }

    /// Forgets the changes through a shared handle; true when the transaction was still open.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// assert!(tx.cancel());
    /// assert!(!tx.cancel(), "it was over already");
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        if self.0.shared.engine().is_forked() {
            // It is the parent's to end, and another thread of the parent may have been in a call on it.
            return false;
        }
        if let Ok(state) = self.0.take(End::Aborted) {
            state.abort();
            self.0.shared.counters().aborted();
            return true;
        }
        false
    }

    /// True until it is committed or aborted.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let tx = db.begin_write()?;
    /// assert!(tx.is_open());
    /// tx.cancel();
    /// assert!(!tx.is_open());
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.state.lock().is_some()
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        // Collections and cursors made from it may outlive it; the write lock must not.
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use entidb_storage::Clock;

    use crate::{Database, ErrorCode, IndexDefinition, KeyRange, doc, field, interrupt};

    /// A clock that moves on whenever it is looked at, so that every check asks.
    struct Restless(AtomicU64);

    impl Clock for Restless {
        fn wall_micros(&self) -> i64 {
            0
        }

        fn monotonic_nanos(&self) -> u64 {
            self.0.fetch_add(1_000_000_000, Ordering::Relaxed)
        }
    }

    /// A query in a transaction counted as a call when it began and with each batch it fetched. Between them it was taken for
    /// idleness: counting the rows of an index for longer than the limit ended the transaction in the middle of it.
    #[test]
    fn a_query_that_runs_is_no_idleness() {
        let db = Database::open_memory().unwrap();
        let c = db.collection("c").unwrap();
        c.create_index(IndexDefinition::on(["n"]).unwrap()).unwrap();
        c.create_index(IndexDefinition::manual("m")).unwrap();
        c.put_many(&(0..3_000).map(|n| doc! { "n": n, "even": (n % 2 == 0) }).collect::<Vec<_>>()).unwrap();
        let tx = db.begin_write().unwrap();
        let c = tx.collection("c").unwrap();
        let inner = Arc::clone(tx.inner());
        let asked = Rc::new(Cell::new(0));
        let counted = Rc::clone(&asked);
        // In the middle of each query a waiter finds the limit over.
        let ask = move || {
            counted.set(counted.get() + 1);
            inner.end_idle(inner.calls())
        };
        interrupt::ask_by(Box::new(Restless(AtomicU64::new(0))), Some(Box::new(ask)));
        let queries: [&dyn Fn() -> u64; 6] = [
            &|| c.find(field("n").ge(0)).count().unwrap(),
            &|| c.find(field("even").eq(true)).order_by(crate::desc("n")).list().unwrap().len() as u64,
            &|| c.find(field("n").eq(-1)).list().unwrap().len() as u64,
            &|| c.find(field("odd").eq(-1)).list().unwrap().len() as u64,
            &|| c.iter().unwrap().filter(|found| found.is_ok()).count() as u64,
            &|| c.manual_index("m").unwrap().range(KeyRange::default()).unwrap().count() as u64,
        ];
        let results: Vec<_> = queries.iter().map(|query| query()).collect();
        interrupt::ask(None);
        assert_eq!(results, [3_000, 1_500, 0, 0, 3_000, 0]);
        assert!(asked.get() > 10 && tx.is_open(), "asked {} times", asked.get());
        // A query that is held and not moved is idle.
        let mut held = c.find(field("n").ge(0)).run().unwrap();
        held.next().unwrap().unwrap();
        assert!(tx.inner().end_idle(tx.inner().calls()));
        assert_eq!(held.next().unwrap().unwrap_err().code(), ErrorCode::TransactionEnded);
    }

    #[test]
    fn a_panic_dooms_the_transaction_it_happened_in_and_nothing_else() {
        // Only the handle through which the panicking call came refused more calls: another handle of the same transaction
        // committed what the call had half written.
        let db = Database::open_memory().unwrap();
        let kept = db.collection("c").unwrap().put(&doc! { "n": 0 }).unwrap();
        let tx = db.begin_write().unwrap();
        let c = tx.collection("c").unwrap();
        c.put(&doc! { "n": 1 }).unwrap();
        let savepoint = tx.savepoint().unwrap();
        let mut walk = c.find(field("n").ge(0)).run().unwrap();
        let panics = || {
            tx.inner().with(|state| {
                // Half of a change: the count without the entity.
                state.count(state.catalog().collections()[0].id.0, 1);
                panic!("planted")
            })
        };
        let outcome: std::thread::Result<crate::Result<()>> = catch_unwind(AssertUnwindSafe(panics));
        assert!(outcome.is_err());
        assert_eq!(c.put(&doc! { "n": 2 }).unwrap_err().code(), ErrorCode::Panic);
        assert_eq!(c.get(kept).unwrap_err().code(), ErrorCode::Panic);
        assert_eq!(c.count().unwrap_err().code(), ErrorCode::Panic);
        assert_eq!(walk.next().unwrap().unwrap_err().code(), ErrorCode::Panic);
        // A defect may have left anything, so going back is no remedy.
        assert_eq!(tx.rollback_to(savepoint).unwrap_err().code(), ErrorCode::Panic);
        assert_eq!(tx.finish(None).unwrap_err().code(), ErrorCode::Panic);
        assert!(!tx.is_open());
        let c = db.collection("c").unwrap();
        assert_eq!((c.count().unwrap(), c.iter().unwrap().count()), (1, 1));
        c.put(&doc! { "n": 3 }).unwrap();
        assert!(db.verify(crate::VerifyLevel::Full).unwrap().is_ok());
    }

    #[test]
    fn a_transaction_that_panicked_can_be_aborted() {
        let db = Database::open_memory().unwrap();
        let tx = db.begin_write().unwrap();
        let outcome =
            catch_unwind(AssertUnwindSafe(|| tx.inner().with(|_| -> crate::Result<()> { panic!("planted") })));
        assert!(outcome.is_err());
        assert!(tx.cancel());
        db.create_collection("c").unwrap();
    }
}
