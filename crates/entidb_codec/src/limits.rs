//! How deep, how large and how numerous a document may be.
//!
//! Always: a limit is checked before anything is allocated or descended into because of it.
//! Does not know: which limits a database sets; the defaults here are those of a fresh one.

/// Bounds on one document.
///
/// `depth_max` is a `u8`, so no setting lets hostile nesting overflow the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many arrays, maps and opaque tags may be open at once.
    pub depth_max: u8,
    /// How many bytes a document may have.
    pub bytes_max: usize,
    /// How many items, map keys included, a document may have.
    pub item_count_max: u64,
}

impl Limits {
    /// The bounds used unless others are given: depth 64, 64 MiB, 16 Mi items.
    pub const DEFAULT: Self = Self { depth_max: 64, bytes_max: 64 * 1024 * 1024, item_count_max: 16 * 1024 * 1024 };

    /// The bounds for reading what was judged when it was written, whatever size was allowed then.
    pub const STORED: Self = Self { bytes_max: usize::MAX, item_count_max: u64::MAX, ..Self::DEFAULT };

    /// For what was judged under some limits already, and is not to be judged again under others.
    pub(crate) const JUDGED: Self = Self { depth_max: u8::MAX, bytes_max: usize::MAX, item_count_max: u64::MAX };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
