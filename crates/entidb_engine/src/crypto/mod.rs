//! Protection of every byte on disk: checksums in plain databases, AES-256-GCM in encrypted ones.
//!
//! Always: each file has a key of its own, made from a data key and a fresh salt; nonces count up and are never used
//! twice; no key appears in an error, a log or a `Debug` text, and memory that held one is wiped.
//! Does not know: what a unit holds, or who asks for the password.
//! Format: docs/spec/encryption.md.

mod derive;
mod key;
mod keyring;
mod keys;
mod protection;
mod provider;

#[cfg(test)]
pub(crate) use key::Secret;
pub use keyring::KeySlot;
pub(crate) use keyring::{Keyring, Surroundings, newest_copy};
pub(crate) use keys::Keys;
pub(crate) use protection::Protection;
pub use provider::{Aead, AeadFailure, AesGcmProvider, Provider};

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::{Cipher, DatabaseId};
use crate::options::{KdfParameters, KeySource};

/// The keys of a database: what its files are protected with, and in an encrypted one the keyring they came from.
pub(crate) struct Opened {
    pub(crate) keys: Arc<Keys>,
    pub(crate) keyring: Option<Keyring>,
}

/// Makes the keys of a new database: encrypted when a key is given. The keyring is on stable storage when this
/// returns; write the root after it, never before.
///
/// # Errors
/// `InvalidArgument`, `Storage`, `OutOfMemory`.
pub(crate) fn create(
    around: Surroundings,
    database_id: DatabaseId,
    key: Option<&KeySource>,
    kdf: KdfParameters,
) -> Result<Opened> {
    let Some(key) = key else {
        return Ok(Opened { keys: Arc::new(Keys::plain(database_id)), keyring: None });
    };
    let keyring = Keyring::create(around, database_id, key, kdf)?;
    Ok(Opened { keys: Arc::new(keyring.keys()), keyring: Some(keyring) })
}

/// Opens the keys of a database whose root says how it is protected. Writes nothing.
///
/// # Errors
/// `NotEncrypted` for a key that is not needed, `EncryptionRequired` for one that is; otherwise as
/// [`Keyring::open`].
pub(crate) fn open(
    around: Surroundings,
    cipher: Cipher,
    database_id: DatabaseId,
    key: Option<&KeySource>,
) -> Result<Opened> {
    match (cipher, key) {
        (Cipher::Plain, None) => Ok(Opened { keys: Arc::new(Keys::plain(database_id)), keyring: None }),
        (Cipher::Plain, Some(_)) => Err(Error::NotEncrypted),
        (Cipher::Aes256Gcm, None) => Err(Error::EncryptionRequired),
        (Cipher::Aes256Gcm, Some(key)) => {
            let keyring = Keyring::open(around, database_id, key)?;
            Ok(Opened { keys: Arc::new(keyring.keys()), keyring: Some(keyring) })
        }
    }
}

#[cfg(test)]
mod vectors_tests;
#[cfg(test)]
mod wycheproof_tests;

/// Keys for tests of what lies above.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// The keys of an encrypted database, without a keyring.
    pub(crate) fn encrypted_keys(id: DatabaseId) -> Keys {
        let secret = key::Secret::new(zeroize::Zeroizing::new([42; 32]));
        Keys::encrypted(id, Arc::new(AesGcmProvider), [(1, Arc::new(secret))].into())
    }
}
