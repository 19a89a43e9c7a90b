//! Positions in the history of commits, numbers of files, and kinds of operations.
//!
//! Always: sequence 0 is the empty database; the first commit is 1; a sequence is never given twice.
//! Format: docs/spec/file-format.md.

use std::fmt;

/// The place of a commit in the history of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first commit.
    pub const ZERO: Self = Self(0);
    /// After every commit.
    pub const MAX: Self = Self(u64::MAX);

    /// The sequence after this one; stays at the end of the range rather than wrapping.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a file; never used twice in a database, whatever the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileNumber(pub u64);

impl fmt::Display for FileNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one entry of the keyspace says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// The key has this value from here on.
    Put = 1,
    /// The key has no value from here on.
    Delete = 2,
    /// Every key in `key..value` has no value from here on.
    DeleteRange = 3,
    /// The counter under the key grows by the signed 64-bit little-endian number in the value.
    Add = 4,
}

impl EntryKind {
    /// The kind a byte stands for.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Put),
            2 => Some(Self::Delete),
            3 => Some(Self::DeleteRange),
            4 => Some(Self::Add),
            _ => None,
        }
    }
}
