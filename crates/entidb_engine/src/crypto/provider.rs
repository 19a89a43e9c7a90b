//! Who does the arithmetic: the seam at which another AES-256-GCM can be put in.
//!
//! Always: a failed `open` says nothing about why, and leaves nothing decrypted behind that its caller may use.
//! Does not know: where keys and nonces come from.

use std::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};

/// An authenticated cipher under one key. Wipes the key when dropped.
pub trait Aead: Send + Sync {
    /// Encrypts `body` in place and returns the tag over it and `aad`.
    ///
    /// # Errors
    /// Only when a length is over the limits of the cipher.
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8]) -> Result<[u8; 16], AeadFailure>;

    /// Decrypts `body` in place when `tag` is the tag over it and `aad`.
    ///
    /// # Errors
    /// When it is not. The contents of `body` mean nothing then.
    fn open(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8], tag: &[u8; 16]) -> Result<(), AeadFailure>;
}

/// The cipher refused: a wrong tag when opening, a length over its limit when sealing. There is no more to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AeadFailure;

/// Makes ciphers from keys.
pub trait Provider: fmt::Debug + Send + Sync {
    /// AES-256-GCM under this key.
    fn aes_256_gcm(&self, key: &[u8; 32]) -> Box<dyn Aead>;
}

/// AES-256-GCM of the `aes-gcm` crate: portable, in constant time, with the processor's AES where it has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AesGcmProvider;

impl Provider for AesGcmProvider {
    fn aes_256_gcm(&self, key: &[u8; 32]) -> Box<dyn Aead> {
        Box::new(Gcm(aes_gcm::Aes256Gcm::new(key.into())))
    }
}

struct Gcm(aes_gcm::Aes256Gcm);

impl Aead for Gcm {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8]) -> Result<[u8; 16], AeadFailure> {
        let tag = self.0.encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(body)).map_err(|_| AeadFailure)?;
        Ok(tag.into())
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], body: &mut [u8], tag: &[u8; 16]) -> Result<(), AeadFailure> {
        self.0.decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(body), tag.into()).map_err(|_| AeadFailure)
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
