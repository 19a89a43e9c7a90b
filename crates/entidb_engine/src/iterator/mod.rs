//! One ordered view over memtables and segments.
//!
//! Always: what a view shows is exactly what its sequence may see.
//! Does not know: where its sources keep their bytes.

mod bounds;
mod cursor;

pub use bounds::{KeyRange, successor_of_prefix};
