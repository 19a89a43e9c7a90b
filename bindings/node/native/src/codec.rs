//! The codec, where JavaScript must not judge by itself.
//!
//! Always: bytes that come from a user are judged here, by the code that judges them in every language.
//! Does not know: JavaScript's values.
//! Format: docs/spec/encoding.md.

use entidb_abi::codec;
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::failure::thrown;

fn judged<T>(result: codec::Result<T>) -> Result<T> {
    result.map_err(|error| thrown(&error.into()))
}

/// Refuses bytes that are not one document in canonical form.
#[napi]
pub fn validate(bytes: &[u8]) -> Result<()> {
    judged(codec::validate(bytes))
}

/// The canonical form of any well-formed CBOR.
#[napi]
pub fn canonicalise(bytes: &[u8]) -> Result<Buffer> {
    judged(codec::canonicalise(bytes)).map(Buffer::from)
}

/// A path written with dots, as CBOR.
#[napi]
pub fn path(text: String) -> Result<Buffer> {
    judged(codec::Path::dotted(&text)).map(|path| Buffer::from(codec::encode(&path.to_value())))
}
