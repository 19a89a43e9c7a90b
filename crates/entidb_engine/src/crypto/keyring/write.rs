//! Writing the keyring: one copy, then the other.
//!
//! Always: the copy that does not count is written and flushed first, and with that the change is made. A change that is refused
//! is not made: where its copy may have come to the file it is taken back. Where neither is known, the error says so.
//! On a full file system that copies on write the reserve gives what the copies take.
//! Does not know: what changes (`change`).

use std::sync::Arc;

use entidb_storage::{File, OpenMode};
use zeroize::Zeroizing;

use super::{Keyring, Place, list_protection, list_unit, read_copy};
use crate::error::{Error, Result};
use crate::format::FileNumber;
use crate::format::file_header::{Cipher, FileHeader, FileKind};
use crate::format::keyring_copy::{DATA_KEY_BYTES, DATA_KEYS_MAX, KEYRING_FILE, KeyringCopy};
use crate::format::unit::ENCRYPTED_TRAILER_BYTES;
use crate::planted::{Mistake, makes};
use crate::space::Space;

/// How far a write of the keyring came before it failed.
pub(super) enum Failed {
    /// Nothing new was written.
    Before(Error),
    /// The first copy was being written, or was not flushed.
    First {
        error: Error,
        /// The failure was one of the flush, so all of the copy may be there.
        is_flush: bool,
    },
    /// The first copy is on stable storage and counts. The other one has what was before, or nothing whole.
    Second(Error),
}

impl Failed {
    fn into_error(self) -> Error {
        match self {
            Self::Before(error) | Self::First { error, .. } | Self::Second(error) => error,
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Before(error)
    }
}

impl Keyring {
    /// Lets writes that find no room have some of the reserve.
    pub(crate) fn use_reserve(&mut self, space: &Arc<Space>) {
        self.space = Some(Arc::clone(space));
    }

    /// Writes both copies.
    pub(super) fn write(&mut self) -> Result<()> {
        self.write_copies().map_err(Failed::into_error)
    }

    /// Writes both copies of a keyring that was changed in memory. Where that fails before the change is made, `go_back` takes
    /// it back in memory.
    ///
    /// # Errors
    /// `KeyringHalfWritten` when the change is made, or perhaps made; otherwise it is not made.
    pub(super) fn write_change(&mut self, go_back: impl FnOnce(&mut Self)) -> Result<()> {
        match self.write_copies() {
            Ok(()) => Ok(()),
            Err(failed) if makes(Mistake::KeyringHalfForgotten) => {
                go_back(self);
                Err(failed.into_error())
            }
            Err(Failed::Before(error)) => {
                go_back(self);
                Err(error)
            }
            Err(Failed::First { error, is_flush }) => {
                go_back(self);
                let is_torn = !is_flush && self.is_other_torn();
                let is_refused = self.take_back() || is_torn;
                Err(if is_refused { error } else { half_written(false, &error) })
            }
            Err(Failed::Second(error)) => Err(half_written(true, &error)),
        }
    }

    fn write_copies(&mut self) -> std::result::Result<(), Failed> {
        let file = self.around.directory.open(KEYRING_FILE, OpenMode::CreateOrOpen).map_err(Error::from)?;
        if let Some(found) = self.unsettled.as_ref().filter(|_| !makes(Mistake::KeyringFoundIsFlushed)) {
            // The same bytes in the same place: no crash can make anything else of them.
            self.put(&*file, self.whole, found).map_err(Failed::into_error)?;
        }
        self.unsettled = None;
        let bytes = self.encode_next()?;
        self.put(&*file, self.whole.other(), &bytes)?;
        self.whole = self.whole.other();
        // Until the other copy has the same.
        self.copies_differ = true;
        self.put(&*file, self.whole.other(), &bytes).map_err(|failed| Failed::Second(failed.into_error()))?;
        self.copies_damaged = 0;
        self.copies_differ = false;
        Ok(())
    }

    /// Writes and flushes one copy.
    fn put(&self, file: &dyn File, place: Place, bytes: &[u8]) -> std::result::Result<(), Failed> {
        let write = || file.write_all_at(place.offset(), bytes);
        let space = self.space.as_ref().filter(|_| !makes(Mistake::KeyringWithoutReserve));
        let written = space.map_or_else(write, |space| space.overwrite(bytes.len(), write));
        let failed = |error: entidb_storage::Error, is_flush| Failed::First { error: error.into(), is_flush };
        written.map_err(|error| failed(error, false))?;
        file.flush_all().map_err(|error| failed(error, true))
    }

    /// Writes what holds now over a copy that may have been written and must not count. False when that fails.
    fn take_back(&mut self) -> bool {
        // It may be torn now.
        self.copies_differ = true;
        let Ok(bytes) = self.encode_next() else { return false };
        let Ok(file) = self.around.directory.open(KEYRING_FILE, OpenMode::Write) else { return false };
        let is_done = self.put(&*file, self.whole.other(), &bytes).is_ok();
        if is_done {
            self.whole = self.whole.other();
        }
        is_done
    }

    /// True when the copy that does not count is not whole, or as it was.
    fn is_other_torn(&self) -> bool {
        let Ok(file) = self.around.directory.open(KEYRING_FILE, OpenMode::Read) else { return false };
        match read_copy(&*file, self.whole.other()) {
            Ok(Ok((copy, _))) => copy.generation < self.generation,
            Ok(Err(error)) => super::is_damage(&error),
            Err(_) => false,
        }
    }

    /// The bytes of the next copy. Each attempt uses up a generation, so two copies of one generation never differ.
    fn encode_next(&mut self) -> Result<Vec<u8>> {
        let mut salt = [0; 32];
        self.around.random.fill(&mut salt)?;
        self.generation = self.generation.saturating_add(1);
        let generation = self.generation;
        let header = FileHeader {
            kind: FileKind::Keyring,
            cipher: Cipher::Aes256Gcm,
            compatible: 0,
            read_only: 0,
            incompatible: 0,
            number: FileNumber(0),
            database_id: self.database_id,
            key_generation: 0,
            salt,
        };
        if self.data_keys.len() > DATA_KEYS_MAX {
            let size = self.data_keys.len() as u64;
            return Err(Error::TooLarge { what: "list of data keys", size, limit: DATA_KEYS_MAX as u64 });
        }
        let plain_bytes = self.data_keys.len() * DATA_KEY_BYTES;
        let list_bytes = plain_bytes + ENCRYPTED_TRAILER_BYTES;
        // Room for the trailer from the start: a vector that grows leaves its old memory unwiped.
        let mut list = Zeroizing::new(Vec::with_capacity(list_bytes));
        for (generation, key) in &self.data_keys {
            list.extend_from_slice(&generation.to_le_bytes());
            list.extend_from_slice(key.bytes());
        }
        let clear = KeyringCopy::clear_part(generation, &self.slots, list_bytes);
        let protection = list_protection(&header, &self.root_key, &*self.around.provider, true)?;
        protection.seal(list_unit(&clear), &mut list, 0)?;
        let copy = KeyringCopy { header, generation, slots: self.slots.clone(), list: list.to_vec() };
        copy.encode()
    }
}

fn half_written(is_made: bool, cause: &Error) -> Error {
    Error::KeyringHalfWritten { is_made, cause: cause.to_string() }
}
