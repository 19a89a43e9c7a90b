//! The ordered, transactional, crash-safe keyspace under EntiDB.
//!
//! Always: an acknowledged durable commit survives every crash; what recovery finds is a whole prefix of commits; a
//! snapshot never changes. Does not know: entities, collections, indexes or documents.

#![deny(unsafe_code)]

mod error;
mod format;
mod iterator;
mod value;

pub use error::{Damage, Error, Result};
pub use format::{EntryKind, FileNumber, Sequence};
pub use value::Value;
