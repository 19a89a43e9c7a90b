//! Changing who can open an encrypted database, and under which key its files are.
//!
//! Always: a crash leaves the old key or the new one; readers and the writer go on meanwhile. Does not know: how keys are kept
//! (`entidb_engine`).

use super::open::key_source;
use super::{Database, KeySlot};
use crate::error::Result;
use crate::options::Key;

impl Database {
    /// The keys and passwords that open the database, in the order of their slots. Nothing says what they are.
    ///
    /// ```
    /// use entidb_core::{Database, Key, Options};
    /// let first = Key::Raw([1; 32]);
    /// let db = Database::open_memory_with(Options { key: Some(first.clone()), ..Options::default() })?;
    /// db.add_key(&first, &Key::Raw([2; 32]))?;
    /// assert_eq!(db.keys()?.len(), 2);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `NotEncrypted`, `Closed`.
    pub fn keys(&self) -> Result<Vec<KeySlot>> {
        self.shared.check_open()?;
        Ok(self.shared.engine().keys()?.into_iter().map(KeySlot::from).collect())
    }

    /// Replaces one key or password by another. No data is rewritten, however large the database is. The same password again
    /// gives it the cost of the options.
    ///
    /// ```
    /// use entidb_core::{Database, ErrorCode, Key, Options};
    /// let backend = entidb_storage::Backend::memory();
    /// let open = |key| Database::open_on(backend.clone(), Options { key: Some(key), ..Options::default() });
    /// let (old, new) = (Key::Raw([1; 32]), Key::Raw([2; 32]));
    /// let db = open(old.clone())?;
    /// db.change_key(&old, &new)?;
    /// db.close()?;
    /// assert_eq!(open(old).unwrap_err().code(), ErrorCode::WrongKey);
    /// open(new)?.close()?;
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `WrongKey` when `old` opens nothing, `InvalidArgument` when `new` is another one that opens it already, `NotEncrypted`,
    /// `ReadOnly`, `Closed`, `NoSpace`, `Io`. The keys are as before then, unless the message says that the change is made and
    /// one copy of the keyring still has the keys of before. `CommitUnknown` when either may open it.
    pub fn change_key(&self, old: &Key, new: &Key) -> Result<()> {
        self.shared.check_open()?;
        Ok(self.shared.engine().change_key(&key_source(old), &key_source(new))?)
    }

    /// Adds a key or password beside those there are, at most eight in all; `existing` is one of them.
    ///
    /// ```
    /// use entidb_core::{Database, Key, Options};
    /// let backend = entidb_storage::Backend::memory();
    /// let open = |key| Database::open_on(backend.clone(), Options { key: Some(key), ..Options::default() });
    /// let (first, second) = (Key::Raw([1; 32]), Key::Raw([2; 32]));
    /// let db = open(first.clone())?;
    /// db.add_key(&first, &second)?;
    /// db.close()?;
    /// open(first)?.close()?;
    /// open(second)?.close()?;
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`change_key`](Self::change_key); `InvalidArgument` when `new` opens it already, `TooLarge` when there are eight.
    pub fn add_key(&self, existing: &Key, new: &Key) -> Result<()> {
        self.shared.check_open()?;
        Ok(self.shared.engine().add_key(&key_source(existing), &key_source(new))?)
    }

    /// Takes a key or password away; the last one stays.
    ///
    /// ```
    /// use entidb_core::{Database, ErrorCode, Key, Options};
    /// let key = Key::Raw([1; 32]);
    /// let db = Database::open_memory_with(Options { key: Some(key.clone()), ..Options::default() })?;
    /// assert_eq!(db.remove_key(&key).unwrap_err().code(), ErrorCode::InvalidArgument);
    /// db.add_key(&key, &Key::Raw([2; 32]))?;
    /// db.remove_key(&key)?;
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`change_key`](Self::change_key); `InvalidArgument` for the last one.
    pub fn remove_key(&self, key: &Key) -> Result<()> {
        self.shared.check_open()?;
        Ok(self.shared.engine().remove_key(&key_source(key))?)
    }

    /// Makes a new data key for every file made from here on. Files that are there keep theirs until they are rewritten.
    ///
    /// ```
    /// use entidb_core::{Database, Key, Options};
    /// let db = Database::open_memory_with(Options { key: Some(Key::Raw([1; 32])), ..Options::default() })?;
    /// db.rotate_key()?; // opened with the same key as before
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `NotEncrypted`, `ReadOnly`, `Closed`, `NoSpace`, `Io`.
    pub fn rotate_key(&self) -> Result<()> {
        self.shared.check_open()?;
        Ok(self.shared.engine().rotate_key()?)
    }

    /// Makes a new data key, rewrites the whole database under it and erases the older ones, as after somebody had seen what
    /// they should not have. False when an open cursor or a backup still reads old files: then these and their keys stay, and
    /// calling this again once it is gone finishes the work.
    ///
    /// ```
    /// use entidb_core::{Database, Key, Options};
    /// let db = Database::open_memory_with(Options { key: Some(Key::Raw([1; 32])), ..Options::default() })?;
    /// db.create_collection("notes")?;
    /// assert!(db.rekey()?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`rotate_key`](Self::rotate_key) and [`compact`](Self::compact). After an error, `Cancelled` among them, all keys are in use.
    pub fn rekey(&self) -> Result<bool> {
        self.shared.check_open()?;
        Ok(self.shared.engine().rekey()?)
    }
}
