//! Changing who may open a database, and which data key new files get.
//!
//! Always: a change asks for a key that opens the keyring now; it rewrites 16 KiB and no data; a crash leaves the
//! keyring before or after it. The last slot is never removed.
//! Does not know: which files still use an old data key: whoever forgets one must.
//! Format: docs/spec/encryption.md, "Changes".

use std::sync::Arc;

use super::{Keyring, random_secret, slot};
use crate::crypto::keys::DataKeys;
use crate::error::{Error, Result};
use crate::format::keyring_copy::{DATA_KEYS_MAX, SLOTS_MAX};
use crate::options::{KdfParameters, KeySource, invalid};

impl Keyring {
    /// Replaces the slot `old` opens by one for `new`. Where it is the only slot the root key is new too, so a copy
    /// of the keyring made before is of no use for the data keys of later.
    ///
    /// # Errors
    /// `WrongKey` when `old` opens no slot, `InvalidArgument`, `Storage`.
    pub(crate) fn change_key(&mut self, old: &KeySource, new: &KeySource, kdf: KdfParameters) -> Result<()> {
        new.validate()?;
        let place = self.place_of(old)?;
        self.change(|keyring| {
            if keyring.slot_count() == 1 {
                keyring.root_key = Arc::new(random_secret(&*keyring.around.random)?);
            }
            keyring.fill_slot(place, new, kdf)
        })
    }

    /// Adds a slot: from now on `new` opens the database as well as `existing`.
    ///
    /// # Errors
    /// `WrongKey`, `TooLarge` when all eight slots are taken, `InvalidArgument`, `Storage`.
    pub(crate) fn add_slot(&mut self, existing: &KeySource, new: &KeySource, kdf: KdfParameters) -> Result<()> {
        new.validate()?;
        self.place_of(existing)?;
        let Some(place) = self.slots.iter().position(Option::is_none) else {
            let (size, limit) = (SLOTS_MAX as u64 + 1, SLOTS_MAX as u64);
            return Err(Error::TooLarge { what: "list of key slots", size, limit });
        };
        self.change(|keyring| keyring.fill_slot(place, new, kdf))
    }

    /// Removes the slot that `key` opens. Whoever kept an older copy of the keyring can still open that one: rotate
    /// the data key afterwards.
    ///
    /// # Errors
    /// `WrongKey`, `InvalidArgument` for the last slot, `Storage`.
    pub(crate) fn remove_slot(&mut self, key: &KeySource) -> Result<()> {
        let place = self.place_of(key)?;
        if self.slot_count() == 1 {
            return Err(invalid("key", "is the last one that opens the database; add another before removing it"));
        }
        self.change(|keyring| {
            if let Some(slot) = keyring.slots.get_mut(place) {
                *slot = None;
            }
            Ok(())
        })
    }

    /// Adds a data key, which files made from now on get, and returns its generation. Older files keep theirs.
    ///
    /// # Errors
    /// `TooLarge` when the keyring is full of data keys, `Storage`.
    pub(crate) fn rotate(&mut self) -> Result<u32> {
        let newest = self.data_keys.keys().next_back().copied().unwrap_or(0);
        let Some(next) = newest.checked_add(1).filter(|_| self.data_keys.len() < DATA_KEYS_MAX) else {
            let (size, limit) = (self.data_keys.len() as u64 + 1, DATA_KEYS_MAX as u64);
            return Err(Error::TooLarge { what: "list of data keys", size, limit });
        };
        self.change(|keyring| {
            keyring.data_keys.insert(next, Arc::new(random_secret(&*keyring.around.random)?));
            Ok(())
        })?;
        Ok(next)
    }

    /// Erases the data keys `used` does not name and returns how many. The newest stays. A file under an erased key
    /// is lost for ever.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn forget_unused(&mut self, used: &[u32]) -> Result<usize> {
        let newest = self.data_keys.keys().next_back().copied();
        let keep = |generation: &u32| Some(*generation) == newest || used.contains(generation);
        let forgotten = self.data_keys.keys().filter(|generation| !keep(generation)).count();
        if forgotten > 0 {
            self.change(|keyring| {
                keyring.data_keys.retain(|generation, _| keep(generation));
                Ok(())
            })?;
        }
        Ok(forgotten)
    }

    /// Writes both copies anew when one was damaged or older; true when there was something to do.
    ///
    /// # Errors
    /// `Storage`.
    pub(crate) fn repair(&mut self) -> Result<bool> {
        if !self.needs_repair() {
            return Ok(false);
        }
        self.write()?;
        Ok(true)
    }

    /// The data keys as they are now, for [`Keys::replace`](crate::crypto::Keys::replace).
    pub(crate) fn data_keys(&self) -> DataKeys {
        self.data_keys.clone()
    }

    /// Makes a change and writes it; where either fails the keyring in memory is as before.
    fn change(&mut self, change: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let (slots, root_key, data_keys) = (self.slots.clone(), Arc::clone(&self.root_key), self.data_keys.clone());
        change(self).and_then(|()| self.write()).inspect_err(|_| {
            self.slots = slots;
            self.root_key = root_key;
            self.data_keys = data_keys;
        })
    }

    fn fill_slot(&mut self, place: usize, key: &KeySource, kdf: KdfParameters) -> Result<()> {
        let wrapped = slot::wrap(&self.around, self.database_id, key, kdf, &self.root_key)?;
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = Some(wrapped);
        }
        Ok(())
    }

    fn place_of(&self, key: &KeySource) -> Result<usize> {
        slot::find(&self.around, self.database_id, key, &self.slots)?.map(|(place, _)| place).ok_or(Error::WrongKey)
    }
}
