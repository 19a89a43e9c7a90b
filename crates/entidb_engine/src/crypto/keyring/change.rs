//! Changing who may open a database, and which data key new files get.
//!
//! Always: a change asks for a key that opens the keyring now; it rewrites 16 KiB and no data; a crash leaves the
//! keyring before or after it. The last slot is never removed. A key has one slot.
//! Does not know: which files still use an old data key: a caller that forgets one must.
//! Format: docs/spec/encryption.md, "Changes".

use std::sync::Arc;

use super::{Keyring, random_secret, slot};
use crate::crypto::keys::DataKeys;
use crate::error::{Error, Result};
use crate::format::keyring_copy::{DATA_KEYS_MAX, SLOTS_MAX, Slot};
use crate::options::{KdfParameters, KeySource, invalid};

impl Keyring {
    /// Replaces what `old` opens by a slot for `new`. Where no other slot is left the root key is new too, so a copy of the
    /// keyring made before is of no use for the data keys of later. The same key again gives its slot the cost of `kdf`.
    ///
    /// # Errors
    /// `WrongKey` when `old` opens no slot, `InvalidArgument`, also when `new` opens another slot; `Storage`.
    pub(crate) fn change_key(&mut self, old: &KeySource, new: &KeySource, kdf: KdfParameters) -> Result<()> {
        new.validate()?;
        let places = self.places_of(old)?;
        let others = self.without(&places);
        self.check_opens_none(new, &others)?;
        self.change(|keyring| {
            if others.iter().all(Option::is_none) {
                keyring.root_key = Arc::new(random_secret(&*keyring.around.random)?);
            }
            keyring.slots = others;
            keyring.fill_slot(places.first().copied().unwrap_or_default(), new, kdf)
        })
    }

    /// Adds a slot: from now on `new` opens the database as well as `existing`.
    ///
    /// # Errors
    /// `WrongKey`, `TooMany` when all eight slots are taken, `InvalidArgument`, also when `new` opens a slot already;
    /// `Storage`.
    pub(crate) fn add_slot(&mut self, existing: &KeySource, new: &KeySource, kdf: KdfParameters) -> Result<()> {
        new.validate()?;
        if slot::find(&self.around, self.database_id, existing, &self.slots)?.is_none() {
            return Err(Error::WrongKey);
        }
        let Some(place) = self.slots.iter().position(Option::is_none) else {
            let remedy = "remove one that is not needed any more, or change one";
            return Err(Error::TooMany { what: "keys", limit: SLOTS_MAX as u64, remedy });
        };
        // Two slots of one key: to change or remove it would leave the other, and the key would still open the database.
        self.check_opens_none(new, &self.slots)?;
        self.change(|keyring| keyring.fill_slot(place, new, kdf))
    }

    /// Removes every slot that `key` opens. An older copy of the keyring can still be opened with it: rotate
    /// the data key afterwards.
    ///
    /// # Errors
    /// `WrongKey`, `InvalidArgument` when no slot would be left, `Storage`.
    pub(crate) fn remove_slot(&mut self, key: &KeySource) -> Result<()> {
        let left = self.without(&self.places_of(key)?);
        if left.iter().all(Option::is_none) {
            return Err(invalid("key", "is the last one that opens the database; add another before removing it"));
        }
        self.change(|keyring| {
            keyring.slots = left;
            Ok(())
        })
    }

    /// Adds a data key, which files made from now on get, and returns its generation. Older files keep theirs.
    ///
    /// # Errors
    /// `TooMany` when the keyring is full of data keys, `Storage`.
    pub(crate) fn rotate(&mut self) -> Result<u32> {
        let newest = self.data_keys.keys().next_back().copied().unwrap_or(0);
        let Some(next) = newest.checked_add(1).filter(|_| self.data_keys.len() < DATA_KEYS_MAX) else {
            let remedy = "rekey rewrites what is under the old ones, and erases them";
            return Err(Error::TooMany { what: "data keys", limit: DATA_KEYS_MAX as u64, remedy });
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

    /// Makes a change and writes it; where it is not made the keyring in memory is as before.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let (slots, root_key, data_keys) = (self.slots.clone(), Arc::clone(&self.root_key), self.data_keys.clone());
        let go_back = |keyring: &mut Self| {
            keyring.slots = slots;
            keyring.root_key = root_key;
            keyring.data_keys = data_keys;
        };
        match change(self) {
            Ok(()) => self.write_change(go_back),
            Err(error) => {
                go_back(self);
                Err(error)
            }
        }
    }

    pub(super) fn fill_slot(&mut self, place: usize, key: &KeySource, kdf: KdfParameters) -> Result<()> {
        let wrapped = slot::wrap(&self.around, self.database_id, key, kdf, &self.root_key)?;
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = Some(wrapped);
        }
        Ok(())
    }

    /// The places of the slots a key opens: one, unless an older version gave it more.
    fn places_of(&self, key: &KeySource) -> Result<Vec<usize>> {
        let places = slot::find_all(&self.around, self.database_id, key, &self.slots)?;
        if places.is_empty() { Err(Error::WrongKey) } else { Ok(places) }
    }

    /// The slots but for these.
    fn without(&self, places: &[usize]) -> [Option<Slot>; SLOTS_MAX] {
        let mut slots = self.slots.clone();
        for place in places {
            if let Some(slot) = slots.get_mut(*place) {
                *slot = None;
            }
        }
        slots
    }

    fn check_opens_none(&self, new: &KeySource, slots: &[Option<Slot>]) -> Result<()> {
        match slot::find(&self.around, self.database_id, new, slots)? {
            None => Ok(()),
            Some(_) => Err(invalid(
                "the new key or password",
                "opens the database already; give another one, or keep it and remove the one that is not needed",
            )),
        }
    }
}
