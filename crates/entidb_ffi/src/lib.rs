//! The C ABI of EntiDB: opaque handles, status codes, one header.
//!
//! Always: no panic crosses; no result is partial; every out-pointer to a handle is NULL on entry and set only on success.
//! Does not know: anything `entidb_core` does; every function is a thin translation.
//!
//! Unsafe: this is the one crate where raw pointers of the caller become references. `handle`, `bytes`, `boundary` and
//! `options` do it; the noun modules only call them.

mod backup;
mod boundary;
mod bytes;
mod cancel;
mod change_batch;
mod change_feed;
mod collection;
mod cursor;
mod database;
mod document;
mod encoder;
mod error;
mod handle;
mod id;
mod interrupt;
mod keys;
mod manual_index;
mod modes;
mod options;
mod sharing;
mod status;
mod transaction;
mod value;
mod version;

pub use backup::*;
pub use bytes::*;
pub use cancel::*;
pub use change_batch::*;
pub use change_feed::*;
pub use collection::*;
pub use cursor::*;
pub use database::*;
pub use document::*;
pub use encoder::*;
pub use error::*;
pub use id::*;
pub use interrupt::*;
pub use keys::*;
pub use manual_index::*;
pub use modes::*;
pub use options::*;
pub use status::*;
pub use transaction::*;
pub use value::*;
pub use version::*;
