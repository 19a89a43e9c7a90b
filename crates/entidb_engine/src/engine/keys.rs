//! Changing the keys of an open database.
//!
//! Always: the data stays as it is; only who can unlock it changes, or which data key new files get.
//! Does not know: how the keyring is written (`crypto`).

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::options::KeySource;

impl Engine {
    /// Replaces one key or password by another. No data is rewritten; a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// `WrongKey` when `old` opens nothing; `NotEncrypted`, `ReadOnly`, `Closed`; a failure of the storage.
    pub fn change_key(&self, old: &KeySource, new: &KeySource) -> Result<()> {
        self.with_keyring(|keyring| keyring.change_key(old, new, self.shared.options.kdf))
    }

    /// Adds a key or password beside those there are, at most eight in all.
    ///
    /// # Errors
    /// As [`change_key`](Engine::change_key); `TooLarge` when all places are taken.
    pub fn add_key(&self, existing: &KeySource, new: &KeySource) -> Result<()> {
        self.with_keyring(|keyring| keyring.add_slot(existing, new, self.shared.options.kdf))
    }

    /// Takes a key or password away; the last one stays.
    ///
    /// # Errors
    /// As [`change_key`](Engine::change_key); `InvalidArgument` for the last one.
    pub fn remove_key(&self, key: &KeySource) -> Result<()> {
        self.with_keyring(|keyring| keyring.remove_slot(key))
    }

    /// Makes a new data key for every file made from here on. Files that are there keep theirs until compaction
    /// rewrites them.
    ///
    /// # Errors
    /// As [`change_key`](Engine::change_key).
    pub fn rotate_key(&self) -> Result<()> {
        self.with_keyring(|keyring| {
            keyring.rotate()?;
            self.shared.keys.replace(keyring.data_keys());
            Ok(())
        })?;
        // The newest commits go on under the new key at once.
        self.shared.log()?.rotate()
    }

    fn with_keyring(&self, act: impl FnOnce(&mut crate::crypto::Keyring) -> Result<()>) -> Result<()> {
        self.shared.check_open()?;
        self.shared.log()?.check()?;
        let mut keyring = self.shared.keyring.lock();
        act(keyring.as_mut().ok_or(Error::NotEncrypted)?)
    }
}
