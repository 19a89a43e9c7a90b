//! Declared indexes: the rows a document has in them, kept in the same transaction.
//!
//! Always: an entity has exactly the rows its document gives; a unique key is checked before anything is written.
//! Does not know: which queries use an index (`query::plan`).
//! Format: docs/spec/keyspace.md, "Indexes".

pub(crate) mod build;
#[cfg(test)]
mod build_tests;
pub(crate) mod ordered;
mod refusal;

pub(crate) use build::{Builds, clear_unfinished, create_index};
pub(crate) use ordered::plan::{Owner, RowChanges, plan_changes, plan_rows};
pub(crate) use ordered::rows::{Claim, TUPLE_BYTES_MAX, cut_start, fnv, ordinal_bytes, row_id, rows, rows_of_any};
