//! EntiDB: an embedded entity database with transactions, indexes and a change feed.
//!
//! ```
//! use entidb_core::{desc, doc, field, patch, Database, IndexDefinition};
//!
//! let db = Database::open_memory()?;
//! let notes = db.collection("notes")?;
//! notes.create_index(IndexDefinition::on(["tags"])?.multi())?;
//! let id = notes.put(&doc! { "title": "Hello", "tags": ["first"], "at": 1 })?;
//! for note in notes.find(field("tags").eq("first")).order_by(desc("at")).limit(10).run()? {
//!     println!("{}", note?.id());
//! }
//! db.transaction(|tx| tx.collection("notes")?.update(id, &patch! { "title": "Hi" }))?;
//! db.close()?;
//! # Ok::<(), entidb_core::Error>(())
//! ```
//!
//! Always: entities, their index rows, counts and the change feed change in one commit. An index never changes an answer.
//! Does not know: files, blocks or logs (`entidb_engine`), or other languages (`entidb_ffi`).

#![forbid(unsafe_code)]

/// The newest file format this library writes.
///
/// ```
/// assert_eq!(entidb_core::FORMAT_VERSION, 1);
/// ```
pub const FORMAT_VERSION: u32 = 1;

mod catalog;
mod change_feed;
mod collection;
mod database;
pub mod error;
mod history;
mod id;
mod index;
mod keyspace;
mod options;
mod query;
mod transaction;

pub use catalog::{Column, IndexDefinition};
pub use change_feed::{Change, ChangeBatch, ChangeCursor, ChangeKind, FeedCloser, Position, Since, Wake};
pub use collection::{
    BatchItem, Collection, CollectionStats, Entities, Entity, IndexStats, KeyRange, ManualIndex, ManualKeys,
    ScanOptions,
};
pub use database::{
    BackupReport, CheckpointReport, CompactReport, Database, KeySlot, Problem, Stats, VerifyLevel, VerifyReport,
    set_caller,
};
pub use entidb_codec as codec;
pub use entidb_codec::{Direction, Patch, Path, Value, decode, doc, encode, patch};
pub use entidb_engine::{Cancel, Compression, Durability, Entered, OpenReport, Sequence, interrupt};
pub use error::{Error, ErrorCode, ErrorContext, Result};
pub use history::{EntityHistory, EntityVersion};
pub use id::{CollectionId, EntityId, IndexId};
pub use options::{Key, Options, ScanPolicy};
pub use query::{Comparison, Explanation, Expression, Field, Find, Found, Page, PagePlace, Query, asc, desc, field};
pub use transaction::{ReadTransaction, Savepoint, WriteMode, WriteTransaction};

/// The example of the README runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
