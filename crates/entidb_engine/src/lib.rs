//! The ordered, transactional, crash-safe keyspace under EntiDB.
//!
//! Always: an acknowledged durable commit survives every crash; what recovery finds is a whole prefix of commits; a
//! snapshot never changes. Does not know: entities, collections, indexes or documents.

#![deny(unsafe_code)]

mod background;
mod backup;
mod cache;
mod cancel;
mod compaction;
mod crypto;
mod engine;
mod error;
mod format;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
pub mod interrupt;
mod iterator;
mod memory;
mod memtable;
mod open_files;
mod options;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
mod prefetch;
mod range_tombstone;
mod segment;
mod space;
mod stats;
mod sync;
#[cfg(test)]
mod tier;
mod transaction;
mod value;
mod verify;
mod version;
mod wal;
mod window;

pub use backup::BackupReport;
pub use cancel::{Cancel, Entered};
pub use crypto::{Aead, AeadFailure, AesGcmProvider, KeySlot, Provider};
pub use engine::Engine;
pub use error::{Damage, Error, Result};
pub use format::{Cipher, DatabaseId, EntryKind, FileKind, FileNumber, Sequence};
pub use iterator::{KeyRange, successor_of_prefix};
pub use options::{
    Compression, Durability, KEY_BYTES_MAX, KdfParameters, KeySource, Options, VALUE_BYTES_MAX, ZonePolicies,
    ZonePolicy,
};
pub use stats::{MemoryUse, OpenReport, Stats};
pub use transaction::{
    ChangeSize, Companion, Direction, Iter, OnFullDisk, OwnChanges, Savepoint, Snapshot, WriteSnapshot,
    WriteTransaction,
};
pub use value::Value;
pub use verify::{VerifyLevel, VerifyReport};
pub use version::UNFINISHED;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
