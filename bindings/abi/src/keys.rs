//! Changing the keys of a database.
//!
//! Always: keys are lent for the call. Does not know: where they come from.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;
use crate::{Database, call};

/// A key or a password.
#[derive(Clone, Copy)]
pub enum Key<'a> {
    /// 32 bytes.
    Raw(&'a [u8]),
    /// As people give it.
    Password(&'a [u8]),
}

impl Key<'_> {
    fn lent(&self) -> ffi::entidb_key {
        let none = (std::ptr::null(), 0);
        let ((key, key_len), (password, password_len)) = match self {
            Self::Raw(key) => ((key.as_ptr(), key.len()), none),
            Self::Password(password) => (none, (password.as_ptr(), password.len())),
        };
        ffi::entidb_key { key, key_len, password, password_len }
    }
}

impl Database {
    /// The keys and passwords that open it, CBOR.
    ///
    /// # Errors
    /// Those of `entidb_database_keys`.
    pub fn keys(&self) -> Result<Buffer> {
        // SAFETY: the database is live and the places may be written.
        Buffer::fill(|out, error| unsafe { ffi::entidb_database_keys(self.raw(), out, error) })
    }

    /// Replaces one key or password by another.
    ///
    /// # Errors
    /// Those of `entidb_database_change_key`.
    pub fn change_key(&self, from: Key<'_>, to: Key<'_>) -> Result<()> {
        let (from, to) = (from.lent(), to.lent());
        // SAFETY: the database is live and the keys readable.
        call::done(|error| unsafe {
            ffi::entidb_database_change_key(self.raw(), &raw const from, &raw const to, error)
        })
    }

    /// Adds a key or password.
    ///
    /// # Errors
    /// Those of `entidb_database_add_key`.
    pub fn add_key(&self, existing: Key<'_>, added: Key<'_>) -> Result<()> {
        let (existing, added) = (existing.lent(), added.lent());
        call::done(|error| {
            // SAFETY: the database is live and the keys readable.
            unsafe { ffi::entidb_database_add_key(self.raw(), &raw const existing, &raw const added, error) }
        })
    }

    /// Takes a key or password away.
    ///
    /// # Errors
    /// Those of `entidb_database_remove_key`.
    pub fn remove_key(&self, key: Key<'_>) -> Result<()> {
        let key = key.lent();
        // SAFETY: the database is live and the key readable.
        call::done(|error| unsafe { ffi::entidb_database_remove_key(self.raw(), &raw const key, error) })
    }

    /// Makes a new data key for files made from here on.
    ///
    /// # Errors
    /// Those of `entidb_database_rotate_key`.
    pub fn rotate_key(&self) -> Result<()> {
        // SAFETY: the database is live.
        call::done(|error| unsafe { ffi::entidb_database_rotate_key(self.raw(), error) })
    }

    /// Rewrites everything under a new data key; false when old files are still read.
    ///
    /// # Errors
    /// Those of `entidb_database_rekey`.
    pub fn rekey(&self) -> Result<bool> {
        // SAFETY: the database is live and the place may be written.
        call::value(|out, error| unsafe { ffi::entidb_database_rekey(self.raw(), out, error) }).map(|done| done != 0)
    }
}
