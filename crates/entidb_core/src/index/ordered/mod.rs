//! Indexes over fields of documents, in the order of their values.
//!
//! Always: an entity has exactly the rows its document gives; a unique key is checked before anything is written.
//! Does not know: which queries use an index (`query::plan`). Format: docs/spec/keyspace.md, "Indexes".

pub(crate) mod arrays;
pub(crate) mod plan;
pub(crate) mod ranges;
pub(crate) mod rows;
