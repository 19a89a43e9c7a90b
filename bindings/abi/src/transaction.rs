//! Transactions.
//!
//! Always: dropping an open one aborts it. Does not know: what is changed.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;
use crate::{Collection, call};

/// A transaction.
#[derive(Debug)]
pub struct Transaction(*mut ffi::entidb_transaction);

// SAFETY: the header says that a transaction may move between threads.
unsafe impl Send for Transaction {}
// SAFETY: two calls at once give CONCURRENT_USE, not a race.
unsafe impl Sync for Transaction {}

impl Transaction {
    pub(crate) fn own(pointer: *mut ffi::entidb_transaction) -> Self {
        Self(pointer)
    }

    /// The collection as this transaction sees it.
    ///
    /// # Errors
    /// Those of `entidb_transaction_collection`.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        let made = call::handle(|out, error| {
            // SAFETY: the transaction is live, the name readable, the places may be written.
            unsafe { ffi::entidb_transaction_collection(self.0, name.as_ptr(), name.len(), out, error) }
        })?;
        Ok(Collection::own(made))
    }

    /// The names of the collections, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_transaction_collections`.
    pub fn collections(&self) -> Result<Buffer> {
        // SAFETY: the transaction is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_transaction_collections(self.0, out, error) })
    }

    /// Creates an empty collection.
    ///
    /// # Errors
    /// Those of `entidb_transaction_create_collection`.
    pub fn create_collection(&self, name: &str) -> Result<()> {
        // SAFETY: the transaction is live and the name readable.
        call::done(|error| unsafe {
            ffi::entidb_transaction_create_collection(self.0, name.as_ptr(), name.len(), error)
        })
    }

    /// Gives a collection another name.
    ///
    /// # Errors
    /// Those of `entidb_transaction_rename_collection`.
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        // SAFETY: the transaction is live and the names readable.
        call::done(|error| unsafe {
            ffi::entidb_transaction_rename_collection(self.0, from.as_ptr(), from.len(), to.as_ptr(), to.len(), error)
        })
    }

    /// Removes a collection.
    ///
    /// # Errors
    /// Those of `entidb_transaction_drop_collection`.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        // SAFETY: the transaction is live and the name readable.
        call::done(|error| unsafe { ffi::entidb_transaction_drop_collection(self.0, name.as_ptr(), name.len(), error) })
    }

    /// Marks this place.
    ///
    /// # Errors
    /// Those of `entidb_transaction_savepoint`.
    pub fn savepoint(&self) -> Result<u64> {
        // SAFETY: the transaction is live and the places may be written.
        call::value(|out, error| unsafe { ffi::entidb_transaction_savepoint(self.0, out, error) })
    }

    /// Undoes everything since a savepoint.
    ///
    /// # Errors
    /// Those of `entidb_transaction_rollback_to`.
    pub fn rollback_to(&self, savepoint: u64) -> Result<()> {
        // SAFETY: the transaction is live.
        call::done(|error| unsafe { ffi::entidb_transaction_rollback_to(self.0, savepoint, error) })
    }

    /// The commit it sees, or becomes.
    ///
    /// # Errors
    /// Those of `entidb_transaction_sequence`.
    pub fn sequence(&self) -> Result<u64> {
        // SAFETY: the transaction is live and the places may be written.
        call::value(|out, error| unsafe { ffi::entidb_transaction_sequence(self.0, out, error) })
    }

    /// The position in the change feed after the commit a read transaction sees.
    ///
    /// # Errors
    /// Those of `entidb_transaction_position`.
    pub fn position(&self) -> Result<String> {
        // SAFETY: the transaction is live and the places may be written.
        Buffer::fill_text(|out, error| unsafe { ffi::entidb_transaction_position(self.0, out, error) })
    }

    /// Makes it belong to no thread, so that a thread which waits for it is never told that it waits for itself.
    ///
    /// # Errors
    /// Those of `entidb_transaction_detach`.
    pub fn detach(&self) -> Result<()> {
        // SAFETY: the transaction is live.
        call::done(|error| unsafe { ffi::entidb_transaction_detach(self.0, error) })
    }

    /// Commits, and gives the sequence. The durability is one of [`modes`](crate::modes).
    ///
    /// # Errors
    /// Those of `entidb_transaction_commit`.
    pub fn commit(&self, durability: u32) -> Result<u64> {
        // SAFETY: the transaction is live and the places may be written.
        call::value(|out, error| unsafe { ffi::entidb_transaction_commit(self.0, durability, out, error) })
    }

    /// Forgets the changes.
    ///
    /// # Errors
    /// Those of `entidb_transaction_abort`.
    pub fn abort(&self) -> Result<()> {
        // SAFETY: the transaction is live.
        call::done(|error| unsafe { ffi::entidb_transaction_abort(self.0, error) })
    }

    /// True until it is committed or aborted.
    ///
    /// # Errors
    /// Those of `entidb_transaction_is_open`.
    pub fn is_open(&self) -> Result<bool> {
        // SAFETY: the transaction is live and the places may be written.
        call::value(|out, error| unsafe { ffi::entidb_transaction_is_open(self.0, out, error) }).map(|open| open != 0)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SAFETY: the transaction is ours and is not used afterwards.
        unsafe { ffi::entidb_transaction_free(self.0) };
    }
}
