//! One ordered view over memtables and segments.
//!
//! Always: what a view shows is exactly what its sequence may see.
//! Does not know: where its sources keep their bytes.

mod bounds;
mod cursor;
mod deleted;
mod merge;
mod point;
#[cfg(test)]
pub(crate) mod sorted;
mod span;
mod view;

pub use bounds::{KeyRange, successor_of_prefix};
pub(crate) use cursor::{EntryCursor, Here};
pub(crate) use deleted::Deleted;
pub(crate) use merge::{Merge, entry_order, head_of, moved_while_invalid};
pub(crate) use point::{Found, PointRead, counter_from, counter_value};
pub(crate) use span::{Span, just_after};
pub(crate) use view::{View, ViewSource};
