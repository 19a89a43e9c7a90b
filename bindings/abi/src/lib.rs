//! Safe Rust over the C functions of EntiDB, shared by the Python and Node packages.
//!
//! Always: every call goes through the C ABI, so those packages behave as a C program does; dropping an owner frees its
//! handle. Documents are encoded and decoded by the codec, re-exported here, straight from and to host objects.
//! Does not know: host languages, or anything of the database that is not in the header.
//!
//! Unsafe: calling C functions. `call` and the owners keep their promises: handles are live, slices are readable.

mod bytes;
mod call;
mod cancel;
mod change_batch;
mod change_feed;
pub mod code;
mod collection;
mod cursor;
mod database;
mod error;
mod interrupt;
mod keys;
mod manual_index;
pub mod modes;
mod transaction;
mod value;
mod version;

pub use entidb_codec as codec;

pub use bytes::Buffer;
pub use cancel::Cancel;
pub use change_batch::{Change, ChangeBatch};
pub use change_feed::ChangeFeed;
pub use collection::{Collection, WriteMode};
pub use cursor::{Cursor, Frame, Frames};
pub use database::{Database, VerifyLevel};
pub use error::{Error, Result};
pub use interrupt::set_interrupt;
pub use keys::Key;
pub use transaction::Transaction;
pub use value::Entity;
pub use version::{abi_version, check_library, code_hint, code_name, format_version, has_feature, version};

/// As long as it takes, for every wait in milliseconds.
pub const NO_LIMIT: u64 = entidb_ffi::ENTIDB_NO_LIMIT;

/// The 16 bytes of an entity's id.
pub type Id = [u8; 16];
