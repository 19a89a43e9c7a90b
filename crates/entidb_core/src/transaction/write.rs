//! A write transaction: changes that become visible together or not at all.
//!
//! Always: only one exists at a time; dropping it unfinished aborts it. After an end every call says `TransactionEnded`.
//! Does not know: what a change does to indexes (`state`).

use std::sync::Arc;

use entidb_engine::{Durability, Sequence};
use parking_lot::Mutex;

use super::State;
use crate::collection::{Collection, Scope};
use crate::database::Shared;
use crate::error::{Error, ErrorCode, Result};

pub(crate) struct WriteInner {
    shared: Arc<Shared>,
    state: Mutex<Option<State>>,
}

impl WriteInner {
    /// Runs something on the open transaction.
    pub(crate) fn with<T>(&self, run: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.shared.check_open()?;
        match self.state.lock().as_mut() {
            Some(state) => run(state),
            None => Err(ended()),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn take(&self) -> Result<State> {
        self.state.lock().take().ok_or_else(ended)
    }
}

fn ended() -> Error {
    Error::new(ErrorCode::TransactionEnded, "the transaction was committed or aborted already; begin another")
}

/// A place in a write transaction to go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(pub(crate) u64);

impl Savepoint {
    /// The number by which other languages name it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The savepoint with that number.
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
        Self(Arc::new(WriteInner { shared, state: Mutex::new(Some(state)) }))
    }

    /// The collection with this transaction's changes in it.
    ///
    /// # Errors
    /// `InvalidArgument` for an impossible name.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        Collection::new(Scope::Write(Arc::clone(&self.0)), name)
    }

    /// The names of the collections, sorted.
    ///
    /// # Errors
    /// `TransactionEnded`, `Closed`.
    pub fn collections(&self) -> Result<Vec<String>> {
        self.0.with(|state| Ok(state.catalog().collections().iter().map(|record| record.name.clone()).collect()))
    }

    /// Creates an empty collection.
    ///
    /// # Errors
    /// `CollectionExists`, `InvalidArgument`, `TransactionEnded`.
    pub fn create_collection(&self, name: &str) -> Result<()> {
        self.0.with(|state| state.create_collection(name))
    }

    /// Gives a collection another name.
    ///
    /// # Errors
    /// `CollectionNotFound`, `CollectionExists`, `InvalidArgument`, `TransactionEnded`.
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        self.0.with(|state| state.rename_collection(from, to))
    }

    /// Removes a collection with everything in it.
    ///
    /// # Errors
    /// `CollectionNotFound`, `TransactionEnded`.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        self.0.with(|state| state.drop_collection(name))
    }

    /// Marks this place.
    ///
    /// # Errors
    /// `TransactionEnded`.
    pub fn savepoint(&self) -> Result<Savepoint> {
        self.0.with(|state| Ok(state.savepoint()))
    }

    /// Undoes everything since the savepoint, which stays valid; later ones are gone.
    ///
    /// # Errors
    /// `SavepointNotFound`, `TransactionEnded`.
    pub fn rollback_to(&self, savepoint: Savepoint) -> Result<()> {
        self.0.with(|state| state.rollback_to(savepoint))
    }

    /// The sequence this transaction gets if it commits and changes anything.
    ///
    /// # Errors
    /// `TransactionEnded`.
    pub fn next_sequence(&self) -> Result<Sequence> {
        self.0.with(|state| Ok(state.next_sequence()))
    }

    /// Makes the changes visible and, by the database's durability, durable. Returns their sequence.
    ///
    /// # Errors
    /// `CommitUnknown` when it cannot be known whether the commit is durable; `WritesStopped`, `NoSpace`, `Io`. After
    /// any error nothing of the transaction is visible in this session.
    pub fn commit(self) -> Result<Sequence> {
        self.finish(None)
    }

    /// As [`commit`](Self::commit), with a durability for this commit alone.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_with(self, durability: Durability) -> Result<Sequence> {
        self.finish(Some(durability))
    }

    /// Commits through a shared handle; the other languages end their transactions this way.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and `TransactionEnded` when it is over already.
    pub fn finish(&self, durability: Option<Durability>) -> Result<Sequence> {
        self.0.shared.check_open()?;
        let state = self.0.take()?;
        let sequence = state.commit(&self.0.shared, durability)?;
        self.0.shared.counters().committed();
        Ok(sequence)
    }

    /// Forgets the changes.
    pub fn abort(self) {
        self.cancel();
    }

    /// Forgets the changes through a shared handle; true when the transaction was still open.
    pub fn cancel(&self) -> bool {
        let open = self.0.state.lock().take();
        if let Some(state) = open {
            state.abort();
            self.0.shared.counters().aborted();
            return true;
        }
        false
    }

    /// True until it is committed or aborted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.state.lock().is_some()
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        // Collections and cursors made from it may live on; the writer's place must not.
        self.cancel();
    }
}
