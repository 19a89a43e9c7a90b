//! The data keys of an open database, and the protection each file gets from them.
//!
//! Always: a new file gets a fresh salt and the newest data key; a file of an encrypted database is encrypted, without
//! exception. Does not know: passwords or slots (`keyring`).
//! Format: docs/spec/encryption.md, "Keys".

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sync::RwLock;
use entidb_storage::Random;

use crate::crypto::derive;
use crate::crypto::key::Secret;
use crate::crypto::protection::Protection;
use crate::crypto::provider::{Aead, Provider};
use crate::error::{Error, Result};
use crate::format::FileNumber;
use crate::format::file_header::{Cipher, DatabaseId, FileHeader, FileKind};

/// The data keys of one open database, or the statement that it has none. Cheap to share in an `Arc`.
pub(crate) struct Keys {
    database_id: DatabaseId,
    encryption: Option<Encryption>,
}

struct Encryption {
    provider: Arc<dyn Provider>,
    data_keys: RwLock<DataKeys>,
}

/// Data keys by generation; the last is the one new files get.
pub(crate) type DataKeys = BTreeMap<u32, Arc<Secret>>;

impl Keys {
    /// For a database that is not encrypted.
    pub(crate) fn plain(database_id: DatabaseId) -> Self {
        Self { database_id, encryption: None }
    }

    /// For a database whose keyring gave these keys.
    pub(crate) fn encrypted(database_id: DatabaseId, provider: Arc<dyn Provider>, data_keys: DataKeys) -> Self {
        Self { database_id, encryption: Some(Encryption { provider, data_keys: RwLock::new(data_keys) }) }
    }

    /// The database the keys are of.
    pub(crate) fn database_id(&self) -> DatabaseId {
        self.database_id
    }

    /// True when files are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encryption.is_some()
    }

    /// The generation new files get; 0 in a plain database.
    pub(crate) fn generation(&self) -> u32 {
        self.encryption.as_ref().and_then(|it| it.data_keys.read().keys().next_back().copied()).unwrap_or(0)
    }

    /// The header and the protection of a file that is to be written from its first byte.
    ///
    /// # Errors
    /// `Storage` when there are no random bytes; `Internal` when an encrypted database has no data key.
    pub(crate) fn new_file(
        &self,
        kind: FileKind,
        number: FileNumber,
        random: &dyn Random,
    ) -> Result<(FileHeader, Protection)> {
        self.new_file_with(kind, number, 0, random)
    }

    /// As [`new_file`](Self::new_file), with these compatible features.
    ///
    /// # Errors
    /// As [`new_file`](Self::new_file).
    pub(crate) fn new_file_with(
        &self,
        kind: FileKind,
        number: FileNumber,
        compatible: u32,
        random: &dyn Random,
    ) -> Result<(FileHeader, Protection)> {
        let mut salt = [0; 32];
        random.fill(&mut salt)?;
        let header = FileHeader {
            kind,
            cipher: if self.is_encrypted() { Cipher::Aes256Gcm } else { Cipher::Plain },
            compatible,
            read_only: 0,
            incompatible: 0,
            number,
            database_id: self.database_id,
            key_generation: self.generation(),
            salt,
        };
        let aead = self.aead(&header)?;
        let protection = Protection::new(&header, aead, true);
        Ok((header, protection))
    }

    /// The protection of a file that is there, for reading.
    ///
    /// # Errors
    /// `Corrupt` (tampered) for a file of another database, a plain file among encrypted ones, or a data key that the
    /// keyring does not have; `EncryptionRequired` for an encrypted file in a plain database.
    pub(crate) fn open_file(&self, header: &FileHeader) -> Result<Protection> {
        header.expect(header.kind, header.number, self.database_id)?;
        match (header.cipher, self.is_encrypted()) {
            (Cipher::Plain, false) | (Cipher::Aes256Gcm, true) => {}
            (Cipher::Aes256Gcm, false) => return Err(Error::EncryptionRequired),
            // Taking it would let anyone without the key put a plain file in the place of an encrypted one.
            (Cipher::Plain, true) => {
                return Err(Error::tampered(header.path(), 0, "it is not encrypted, but the database is"));
            }
        }
        Ok(Protection::new(header, self.aead(header)?, false))
    }

    /// Puts in the keys a rotation left.
    pub(crate) fn replace(&self, data_keys: DataKeys) {
        if let Some(encryption) = &self.encryption {
            *encryption.data_keys.write() = data_keys;
        }
    }

    fn aead(&self, header: &FileHeader) -> Result<Option<Box<dyn Aead>>> {
        let Some(encryption) = &self.encryption else { return Ok(None) };
        let data_key = encryption.data_keys.read().get(&header.key_generation).cloned();
        let Some(data_key) = data_key else {
            let detail = format!("it needs data key {}, which KEYRING does not have", header.key_generation);
            return Err(Error::tampered(header.path(), 0, detail));
        };
        let encoded = header.encode();
        let key = derive::file_key(&data_key, &header.salt, header.bound(&encoded))?;
        Ok(Some(encryption.provider.aes_256_gcm(key.bytes())))
    }
}
