//! Databases.
//!
//! Always: dropping one frees the handle and leaves what was made from it alive. Does not know: host objects.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::{Error, Result};
use crate::{ChangeFeed, Collection, Id, Transaction, call};

/// How much a verification reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyLevel {
    /// Footers, counts and lists.
    Quick,
    /// Everything.
    Full,
}

/// An open database.
#[derive(Debug)]
pub struct Database(*mut ffi::entidb_database);

// SAFETY: the header says that a database may be used by any number of threads at once.
unsafe impl Send for Database {}
// SAFETY: as above.
unsafe impl Sync for Database {}

impl Database {
    pub(crate) fn raw(&self) -> *const ffi::entidb_database {
        self.0
    }

    /// Opens the database in a folder, with options as a CBOR map of names.
    ///
    /// # Errors
    /// Those of `entidb_database_open`.
    pub fn open(path: &str, options: &[u8]) -> Result<Self> {
        crate::check_library()?;
        let made = call::handle(|out, error| {
            // SAFETY: path and options are readable and the places may be written.
            unsafe { ffi::entidb_database_open(path.as_ptr(), path.len(), options.as_ptr(), options.len(), out, error) }
        })?;
        Ok(Self(made))
    }

    /// Opens a database in memory.
    ///
    /// # Errors
    /// Those of `entidb_database_open_memory`.
    pub fn open_memory(options: &[u8]) -> Result<Self> {
        crate::check_library()?;
        let made = call::handle(|out, error| {
            // SAFETY: the options are readable and the places may be written.
            unsafe { ffi::entidb_database_open_memory(options.as_ptr(), options.len(), out, error) }
        })?;
        Ok(Self(made))
    }

    /// Makes a database in memory of a backup.
    ///
    /// # Errors
    /// Those of `entidb_backup_open_memory`.
    pub fn restore_memory(backup: &str, options: &[u8]) -> Result<Self> {
        crate::check_library()?;
        let (options, options_len) = (options.as_ptr(), options.len());
        let made = call::handle(|out, error| {
            // SAFETY: path and options are readable and the places may be written.
            unsafe { ffi::entidb_backup_open_memory(backup.as_ptr(), backup.len(), options, options_len, out, error) }
        })?;
        Ok(Self(made))
    }

    /// Makes a database in a new folder of a backup; the report is CBOR.
    ///
    /// # Errors
    /// Those of `entidb_backup_restore`.
    pub fn restore(backup: &str, path: &str, options: &[u8]) -> Result<Buffer> {
        crate::check_library()?;
        let (backup, backup_len) = (backup.as_ptr(), backup.len());
        let (path, path_len) = (path.as_ptr(), path.len());
        let (options, options_len) = (options.as_ptr(), options.len());
        Buffer::fill(|out, error| {
            // SAFETY: paths and options are readable and the places may be written.
            unsafe { ffi::entidb_backup_restore(backup, backup_len, path, path_len, options, options_len, out, error) }
        })
    }

    /// Checks a backup; the report is CBOR.
    ///
    /// # Errors
    /// Those of `entidb_backup_validate`.
    pub fn validate_backup(backup: &str, options: &[u8]) -> Result<Buffer> {
        crate::check_library()?;
        let (options, options_len) = (options.as_ptr(), options.len());
        Buffer::fill(|out, error| {
            // SAFETY: path and options are readable and the places may be written.
            unsafe { ffi::entidb_backup_validate(backup.as_ptr(), backup.len(), options, options_len, out, error) }
        })
    }

    /// Closes it for every handle.
    ///
    /// # Errors
    /// Those of `entidb_database_close`.
    pub fn close(&self) -> Result<()> {
        // SAFETY: the database is live.
        call::done(|error| unsafe { ffi::entidb_database_close(self.0, error) })
    }

    /// As [`close`](Self::close), and waits for nobody.
    ///
    /// # Errors
    /// Those of `entidb_database_close_now`.
    pub fn close_now(&self) -> Result<()> {
        // SAFETY: the database is live.
        call::done(|error| unsafe { ffi::entidb_database_close_now(self.0, error) })
    }

    /// True after a close.
    ///
    /// # Errors
    /// Those of `entidb_database_is_closed`.
    pub fn is_closed(&self) -> Result<bool> {
        // SAFETY: the database is live and the places may be written.
        call::value(|out, error| unsafe { ffi::entidb_database_is_closed(self.0, out, error) })
            .map(|closed| closed != 0)
    }

    /// The collection of a name.
    ///
    /// # Errors
    /// Those of `entidb_database_collection`.
    pub fn collection(&self, name: &str) -> Result<Collection> {
        let made = call::handle(|out, error| {
            // SAFETY: the database is live, the name readable, the places may be written.
            unsafe { ffi::entidb_database_collection(self.0, name.as_ptr(), name.len(), out, error) }
        })?;
        Ok(Collection::own(made))
    }

    /// The names of the collections, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_collections`.
    pub fn collections(&self) -> Result<Buffer> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_collections(self.0, out, error) })
    }

    /// Creates an empty collection.
    ///
    /// # Errors
    /// Those of `entidb_database_create_collection`.
    pub fn create_collection(&self, name: &str) -> Result<()> {
        // SAFETY: the database is live and the name readable.
        call::done(|error| unsafe { ffi::entidb_database_create_collection(self.0, name.as_ptr(), name.len(), error) })
    }

    /// Gives a collection another name.
    ///
    /// # Errors
    /// Those of `entidb_database_rename_collection`.
    pub fn rename_collection(&self, from: &str, to: &str) -> Result<()> {
        // SAFETY: the database is live and the names readable.
        call::done(|error| unsafe {
            ffi::entidb_database_rename_collection(self.0, from.as_ptr(), from.len(), to.as_ptr(), to.len(), error)
        })
    }

    /// Removes a collection.
    ///
    /// # Errors
    /// Those of `entidb_database_drop_collection`.
    pub fn drop_collection(&self, name: &str) -> Result<()> {
        // SAFETY: the database is live and the name readable.
        call::done(|error| unsafe { ffi::entidb_database_drop_collection(self.0, name.as_ptr(), name.len(), error) })
    }

    /// Begins to read.
    ///
    /// # Errors
    /// Those of `entidb_database_begin_read`.
    pub fn begin_read(&self) -> Result<Transaction> {
        // SAFETY: the database is live and the places may be written.
        let made = call::handle(|out, error| unsafe { ffi::entidb_database_begin_read(self.0, out, error) })?;
        Ok(Transaction::own(made))
    }

    /// Begins to read the database as it was after an earlier commit.
    ///
    /// # Errors
    /// Those of `entidb_database_begin_read_at`.
    pub fn begin_read_at(&self, sequence: u64) -> Result<Transaction> {
        let made = call::handle(|out, error| {
            // SAFETY: the database is live and the places may be written.
            unsafe { ffi::entidb_database_begin_read_at(self.0, sequence, out, error) }
        })?;
        Ok(Transaction::own(made))
    }

    /// Begins to change, waiting so long for another writer, or as the options say.
    ///
    /// # Errors
    /// Those of `entidb_database_begin_write`.
    pub fn begin_write(&self, timeout_ms: Option<u64>) -> Result<Transaction> {
        let timeout = timeout_ms.unwrap_or(ffi::ENTIDB_DEFAULT);
        let made = call::handle(|out, error| {
            // SAFETY: the database is live and the places may be written.
            unsafe { ffi::entidb_database_begin_write(self.0, timeout, out, error) }
        })?;
        Ok(Transaction::own(made))
    }

    /// Reads the changes after a position, or from the oldest that are kept.
    ///
    /// # Errors
    /// Those of `entidb_database_changes`.
    pub fn changes(&self, since: Option<&str>) -> Result<ChangeFeed> {
        if since == Some("") {
            let problem = "the position to read changes from is empty; leave it out to begin at the oldest change";
            return Err(Error::new(ffi::ENTIDB_ERROR_INVALID_ARGUMENT, problem));
        }
        let since = since.unwrap_or_default();
        let made = call::handle(|out, error| {
            // SAFETY: the database is live, the text readable, and the places may be written.
            unsafe { ffi::entidb_database_changes(self.0, since.as_ptr(), since.len(), out, error) }
        })?;
        Ok(ChangeFeed::own(made))
    }

    /// The position in the change feed after the newest commit.
    ///
    /// # Errors
    /// Those of `entidb_database_position`.
    pub fn position(&self) -> Result<String> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill_text(|out, error| unsafe { ffi::entidb_database_position(self.0, out, error) })
    }

    /// An id that no other call makes, in the order of time.
    ///
    /// # Errors
    /// Those of `entidb_database_new_id`.
    pub fn new_id(&self) -> Result<Id> {
        let mut id: Id = [0; 16];
        // SAFETY: the database is live and 16 bytes may be written.
        call::done(|error| unsafe { ffi::entidb_database_new_id(self.0, id.as_mut_ptr(), error) })?;
        Ok(id)
    }

    /// Removes changes up to a sequence from the feed.
    ///
    /// # Errors
    /// Those of `entidb_database_trim_changes`.
    pub fn trim_changes(&self, through: u64) -> Result<()> {
        // SAFETY: the database is live.
        call::done(|error| unsafe { ffi::entidb_database_trim_changes(self.0, through, error) })
    }

    /// The sequence of the newest commit.
    ///
    /// # Errors
    /// Those of `entidb_database_last_sequence`.
    pub fn last_sequence(&self) -> Result<u64> {
        // SAFETY: the database is live and the places may be written.
        call::value(|out, error| unsafe { ffi::entidb_database_last_sequence(self.0, out, error) })
    }

    /// Waits until a commit is on stable storage.
    ///
    /// # Errors
    /// Those of `entidb_database_wait_durable`.
    pub fn wait_durable(&self, sequence: u64, timeout_ms: u64) -> Result<()> {
        // SAFETY: the database is live.
        call::done(|error| unsafe { ffi::entidb_database_wait_durable(self.0, sequence, timeout_ms, error) })
    }

    /// Puts the newest writes into segments; the report is CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_checkpoint`.
    pub fn checkpoint(&self) -> Result<Buffer> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_checkpoint(self.0, out, error) })
    }

    /// Merges all segments; the report is CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_compact`.
    pub fn compact(&self) -> Result<Buffer> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_compact(self.0, out, error) })
    }

    /// Checks the database; the report is CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_verify`.
    pub fn verify(&self, level: VerifyLevel) -> Result<Buffer> {
        let level = match level {
            VerifyLevel::Quick => ffi::ENTIDB_VERIFY_QUICK,
            VerifyLevel::Full => ffi::ENTIDB_VERIFY_FULL,
        };
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_verify(self.0, level, out, error) })
    }

    /// Copies the database into a new folder; the report is CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_backup`.
    pub fn backup(&self, path: &str) -> Result<Buffer> {
        Buffer::fill(|out, error| {
            // SAFETY: the database is live, the path readable, the places may be written.
            unsafe { ffi::entidb_database_backup(self.0, path.as_ptr(), path.len(), out, error) }
        })
    }

    /// Counters and sizes, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_stats`.
    pub fn stats(&self) -> Result<Buffer> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_stats(self.0, out, error) })
    }

    /// The options in force, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_config`.
    pub fn config(&self) -> Result<Buffer> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_config(self.0, out, error) })
    }

    /// The report of opening, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_open_report`.
    pub fn open_report(&self) -> Result<Buffer> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_open_report(self.0, out, error) })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used afterwards.
        unsafe { ffi::entidb_database_free(self.0) };
    }
}
