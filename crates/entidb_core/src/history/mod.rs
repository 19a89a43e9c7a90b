//! What entities and collections were before: rows that each commit leaves of what it changes or removes.
//!
//! Always: a row says what was there before the commit of its sequence; an entity that comes into being leaves none. Above
//! the watermark every row is there, so what an entity was at, before or after a commit is exact.
//! Does not know: how long rows are kept (`change_feed::retention`), or who asks. Format: docs/spec/keyspace.md, "History".

mod catalog;
mod lookup;
mod versions;
mod walk;

pub(crate) use catalog::{CatalogRow, catalog_at, drop_rows, dropped_storages, ended_storages};
pub(crate) use lookup::{document_after, stored, stored_before};
pub use versions::{EntityHistory, EntityVersion};
pub(crate) use walk::EntityWalk;
