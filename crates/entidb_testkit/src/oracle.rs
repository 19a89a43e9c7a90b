//! A provider of encryption that watches: it records every seal and refuses to believe in a nonce used twice.
//!
//! Always: what it seals and opens are the bytes the real provider makes. A repeated (key, nonce) is kept as a finding
//! and fails [`NonceOracle::assert_no_repeat`]. It also knows where every unit stands, because the associated data say so.
//! Does not know: files on disk.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use entidb_engine::{Aead, AeadFailure, AesGcmProvider, Provider};
use parking_lot::Mutex;

/// One seal: under which key, with which nonce, and what the associated data say about the unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seal {
    /// The key it was sealed under. Test keys only.
    pub key: [u8; 32],
    /// The nonce.
    pub nonce: [u8; 12],
    /// The associated data.
    pub aad: Vec<u8>,
    /// The length of the body.
    pub body_bytes: usize,
}

/// Where a unit stands, read from a seal by docs/spec/encryption.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnitPlace {
    /// The kind byte of the file.
    pub kind: u8,
    /// The number of the file.
    pub file: u64,
    /// The stream.
    pub stream: u32,
    /// The unit number.
    pub number: u64,
    /// The byte of the file.
    pub offset: u64,
    /// The length of the clear header.
    pub clear_bytes: usize,
    /// The length of the body.
    pub body_bytes: usize,
}

/// "entidb/v1", database id, kind, file, generation, number, offset; then the clear header and a tag.
const AAD_FIXED_BYTES: usize = 9 + 16 + 1 + 8 + 4 + 8 + 8;

impl Seal {
    /// The place of the unit; `None` for a wrapped key, which is no unit.
    #[must_use]
    pub fn place(&self) -> Option<UnitPlace> {
        let clear_bytes = self.aad.len().checked_sub(AAD_FIXED_BYTES + 16)?;
        let rest = self.aad.strip_prefix(b"entidb/v1")?;
        let (_database, rest) = rest.split_first_chunk::<16>()?;
        let (kind, rest) = rest.split_first_chunk::<1>()?;
        let (file, rest) = rest.split_first_chunk::<8>()?;
        let (_generation, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let offset = rest.first_chunk::<8>()?;
        if self.aad.starts_with(b"entidb/v1/slot") {
            return None;
        }
        Some(UnitPlace {
            kind: u8::from_be_bytes(*kind),
            file: u64::from_be_bytes(*file),
            stream: u32::from_be_bytes(*self.nonce.first_chunk()?),
            number: u64::from_be_bytes(*number),
            offset: u64::from_be_bytes(*offset),
            clear_bytes,
            body_bytes: self.body_bytes,
        })
    }
}

#[derive(Default)]
struct Record {
    seals: Vec<Seal>,
    seen: HashSet<([u8; 32], [u8; 12])>,
    repeats: Vec<Seal>,
}

/// The watching provider. Clones share the record.
#[derive(Clone, Default)]
pub struct NonceOracle {
    record: Arc<Mutex<Record>>,
}

impl fmt::Debug for NonceOracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonceOracle").field("seals", &self.seal_count()).finish_non_exhaustive()
    }
}

impl NonceOracle {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An oracle that has seen the first `count` seals of this one: for a history that branches at a crash.
    #[must_use]
    pub fn branch(&self, count: usize) -> Self {
        let seals: Vec<Seal> = self.record.lock().seals.iter().take(count).cloned().collect();
        let seen = seals.iter().map(|seal| (seal.key, seal.nonce)).collect();
        Self { record: Arc::new(Mutex::new(Record { seals, seen, repeats: Vec::new() })) }
    }

    /// How many seals it has seen.
    #[must_use]
    pub fn seal_count(&self) -> usize {
        self.record.lock().seals.len()
    }

    /// Every seal, in order.
    #[must_use]
    pub fn seals(&self) -> Vec<Seal> {
        self.record.lock().seals.clone()
    }

    /// The seals whose nonce had been used before under their key.
    #[must_use]
    pub fn repeats(&self) -> Vec<Seal> {
        self.record.lock().repeats.clone()
    }

    /// Fails the test when a nonce came twice.
    ///
    /// # Panics
    /// When one did.
    pub fn assert_no_repeat(&self) {
        let repeats = self.repeats();
        assert!(
            repeats.is_empty(),
            "a nonce was used twice under one key: {:?}",
            repeats.first().and_then(Seal::place)
        );
    }
}

impl Provider for NonceOracle {
    fn aes_256_gcm(&self, key: &[u8; 32]) -> Box<dyn Aead> {
        Box::new(Watched { record: Arc::clone(&self.record), key: *key, real: AesGcmProvider.aes_256_gcm(key) })
    }
}

struct Watched {
    record: Arc<Mutex<Record>>,
    key: [u8; 32],
    real: Box<dyn Aead>,
}

impl Aead for Watched {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8]) -> Result<[u8; 16], AeadFailure> {
        let seal = Seal { key: self.key, nonce: *nonce, aad: aad.to_vec(), body_bytes: body.len() };
        {
            let mut record = self.record.lock();
            if !record.seen.insert((self.key, *nonce)) {
                record.repeats.push(seal.clone());
            }
            record.seals.push(seal);
        }
        self.real.seal(nonce, aad, body)
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8], tag: &[u8; 16]) -> Result<(), AeadFailure> {
        self.real.open(nonce, aad, body, tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_nonce_is_found() {
        let oracle = NonceOracle::new();
        let aead = oracle.aes_256_gcm(&[1; 32]);
        aead.seal(&[0; 12], b"", &mut [1]).unwrap();
        aead.seal(&[1; 12], b"", &mut [1]).unwrap();
        oracle.aes_256_gcm(&[2; 32]).seal(&[0; 12], b"", &mut [1]).unwrap();
        assert!(oracle.repeats().is_empty());
        let branch = oracle.branch(1);
        branch.aes_256_gcm(&[1; 32]).seal(&[1; 12], b"", &mut [1]).unwrap();
        assert!(branch.repeats().is_empty(), "what happened after the branch is no history of it");
        oracle.aes_256_gcm(&[1; 32]).seal(&[0; 12], b"", &mut [1]).unwrap();
        assert_eq!(oracle.repeats().len(), 1);
    }
}
