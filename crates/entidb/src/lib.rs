//! EntiDB: an embedded entity database with transactions, indexes and a change feed.
//!
//! ```
//! use entidb::{Database, IndexDefinition, desc, doc, field, patch};
//!
//! let db = Database::open_memory()?; // or Database::open("notes.entidb")
//! let notes = db.collection("notes")?;
//! notes.create_index(IndexDefinition::on(["tags"])?.multi())?;
//! let id = notes.put(&doc! { "title": "Hello", "tags": ["first"], "at": 1 })?;
//! for note in notes.find(field("tags").contains("first")).order_by(desc("at")).limit(10).run()? {
//!     println!("{}", note?.id());
//! }
//! db.transaction(|tx| tx.collection("notes")?.update(id, &patch! { "title": "Hi" }))?;
//! db.close()?;
//! # Ok::<(), entidb::Error>(())
//! ```
//!
//! Start with [`Database`]. A [`Collection`] holds entities; [`Collection::find`] builds a query; [`Database::transaction`] runs
//! several changes as one; [`Database::changes`] follows what was committed. Documents are made with [`doc!`] or from any type
//! that implements `serde::Serialize`.
//!
//! Always: exports the public list of `entidb_core`, and nothing of its own.
//! Does not know: how anything is done.

#![forbid(unsafe_code)]

pub use entidb_core::*;

/// The example of the README runs as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
