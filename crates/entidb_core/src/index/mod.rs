//! Declared indexes: the rows a document has in them, kept in the same transaction.
//!
//! Always: an entity has exactly the rows its document gives; a unique key is checked before anything is written.
//! Does not know: which queries use an index (`query::plan`).
//! Format: docs/spec/keyspace.md, "Indexes".

pub(crate) mod build;
#[cfg(test)]
mod build_tests;
mod changes;
mod refusal;
pub(crate) mod rows;

pub(crate) use build::{Builds, clear_unfinished, create_index};
pub(crate) use changes::{Owner, RowChanges, plan_changes, plan_rows};
pub(crate) use rows::{Claim, TUPLE_BYTES_MAX, cut_start, fnv, ordinal_bytes, row_id, rows, rows_of_any};
