//! Ranges of keys that were deleted at once.
//!
//! Always: a tombstone at sequence S covers entries older than S, never those written at S itself. Where somebody writes,
//! ranges are in a map that changes (`map`), of which older states stay readable (`versions`); where nobody does, in a
//! list as files have it (`list`).
//! Does not know: which entries exist.

mod change;
mod list;
mod map;
mod merge;
mod node;
mod pairs;
mod versions;

pub(crate) use list::{Fragment, RangeTombstones};
pub(crate) use map::RangeMap;
pub(crate) use merge::Sweep;
pub(crate) use versions::RangeVersions;

use crate::format::Sequence;

/// A stretch of keys and the commit that deleted it last, as far as the reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cover<'a> {
    /// The first key of the stretch.
    pub(crate) start: &'a [u8],
    /// The first key after the stretch.
    pub(crate) end: &'a [u8],
    /// The commit.
    pub(crate) sequence: Sequence,
}

/// The stretch of keys around a key in which nothing changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stretch<'a> {
    /// All of it is deleted by the same commit.
    Deleted(Cover<'a>),
    /// Nothing of it is deleted, from the first key (empty: the first of all) to the first key after it (`None`: the last).
    Kept {
        /// The first key.
        start: &'a [u8],
        /// The first key after it.
        end: Option<&'a [u8]>,
    },
}

#[cfg(test)]
thread_local! {
    static NODES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Counts a node, or a fragment, that is looked at or changed: what the bounds in the tests are about.
#[cfg(test)]
fn count_node() {
    NODES.set(NODES.get() + 1);
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod map_tests;
