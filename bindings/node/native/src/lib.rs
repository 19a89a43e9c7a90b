//! The native half of the Node package: bytes in, bytes out, a number for each thing that stays.
//!
//! Always: a failure is thrown as an `Error` whose message is JSON with the code and context; the TypeScript half makes a
//! class of it. Documents cross as CBOR; JavaScript encodes and decodes them, see docs/decisions.
//! Does not know: JavaScript objects beyond bytes, numbers and texts.

#![deny(unsafe_code)]

pub mod buffer;
pub mod codec;
pub mod collection;
pub mod cursor;
pub mod database;
pub mod deadline;
mod ending;
mod failure;
pub mod keys;
pub mod table;
pub mod transaction;
pub mod work;

use napi_derive::napi;

/// The version of the library.
#[napi]
pub fn version() -> &'static str {
    entidb_abi::version()
}

/// The version of the C ABI inside.
#[napi]
pub fn abi_version() -> u32 {
    entidb_abi::abi_version()
}

/// The newest file format the library writes.
#[napi]
pub fn format_version() -> u32 {
    entidb_abi::format_version()
}

/// Whether the library has a feature.
#[napi]
pub fn has_feature(name: String) -> bool {
    entidb_abi::has_feature(&name)
}

/// The name of an error code.
#[napi]
pub fn code_name(code: i32) -> &'static str {
    entidb_abi::code_name(code)
}

/// What a caller can do about an error code.
#[napi]
pub fn code_hint(code: i32) -> &'static str {
    entidb_abi::code_hint(code)
}
