//! What is done with candidates between their sources and the results.
//!
//! Does not know: where candidates come from.

mod fetch;
mod sort;

pub(crate) use fetch::{Fetch, by_ids};
pub(crate) use sort::Sorter;
