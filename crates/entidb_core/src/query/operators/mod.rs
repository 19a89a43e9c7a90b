//! What is done with candidates between their sources and the results.
//!
//! Does not know: where candidates come from.

mod sort;

pub(crate) use sort::Sorter;
