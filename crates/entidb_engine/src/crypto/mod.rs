//! Protection of every byte on disk: checksums in plain databases, AES-256-GCM in encrypted ones.
//!
//! Always: each file has a key of its own, made from a data key and a fresh salt; nonces count up and are never used
//! twice; no key appears in an error, a log or a `Debug` text, and memory that held one is wiped.
//! Does not know: what a unit holds, or who asks for the password.
//! Format: docs/spec/encryption.md.

mod derive;
mod key;
mod keys;
mod protection;
mod provider;

pub(crate) use key::Secret;
pub(crate) use keys::Keys;
pub(crate) use protection::Protection;
pub use provider::{Aead, AeadFailure, AesGcmProvider, Provider};
