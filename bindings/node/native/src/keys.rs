//! Keys and passwords of a database.
//!
//! Always: a key is bytes and what they are. Does not know: where they come from.

use entidb_abi::{Database, Key};
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::table::with;

fn key(bytes: &[u8], is_password: bool) -> Key<'_> {
    if is_password { Key::Password(bytes) } else { Key::Raw(bytes) }
}

/// The keys and passwords that open it, CBOR.
#[napi]
pub fn database_keys(handle: f64) -> Result<Buffer> {
    with(handle, |database: &Database| database.keys()).map(|keys| Buffer::from(keys.to_vec()))
}

/// Replaces one key or password by another.
#[napi]
pub fn database_change_key(
    handle: f64,
    from: &[u8],
    from_is_password: bool,
    to: &[u8],
    to_is_password: bool,
) -> Result<()> {
    with(handle, |database: &Database| database.change_key(key(from, from_is_password), key(to, to_is_password)))
}

/// Adds a key or password.
#[napi]
pub fn database_add_key(
    handle: f64,
    existing: &[u8],
    existing_is_password: bool,
    added: &[u8],
    added_is_password: bool,
) -> Result<()> {
    with(handle, |database: &Database| {
        database.add_key(key(existing, existing_is_password), key(added, added_is_password))
    })
}

/// Takes a key or password away.
#[napi]
pub fn database_remove_key(handle: f64, bytes: &[u8], is_password: bool) -> Result<()> {
    with(handle, |database: &Database| database.remove_key(key(bytes, is_password)))
}

/// Makes a new data key for files made from here on.
#[napi]
pub fn database_rotate_key(handle: f64) -> Result<()> {
    with(handle, |database: &Database| database.rotate_key())
}

/// Rewrites everything under a new data key; false when old files are still read.
#[napi]
pub fn database_rekey(handle: f64) -> Result<bool> {
    with(handle, |database: &Database| database.rekey())
}
