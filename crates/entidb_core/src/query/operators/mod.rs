//! What is done with candidates between their sources and the results: sets of them combined, fetched, sorted.
//!
//! Does not know: where candidates come from.

mod fetch;
mod merge;
mod sets;
mod sort;

pub(crate) use fetch::{Fetch, by_ids};
pub(crate) use merge::{MergeAccess, SEEK_COST};
pub(crate) use sets::{Combination, FETCH_COST, SetAccess};
pub(crate) use sort::Sorter;
