//! Checks that a database is what was written, and lists everything that is not.
//!
//! Always: a problem is listed with its file and offset and the check goes on; nothing is changed, nothing is cached.
//! Does not know: what keys and values mean.

use crate::error::Error;

/// How thoroughly to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VerifyLevel {
    /// That every file is there and is the one listed: headers, footers, indexes. Reads a small part of the data.
    #[default]
    Quick,
    /// Every byte: each block's checksum or tag, the order of keys, the counts, the indexes. Reads everything.
    Full,
}

/// What a check found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Segments looked at.
    pub segments: u64,
    /// Units (blocks, indexes, footers, records) whose checksum or tag was right.
    pub units: u64,
    /// Entries whose place, order and sequence were right.
    pub entries: u64,
    /// Bytes of the units looked at.
    pub bytes: u64,
    /// Everything wrong, with file and offset. Empty: the database is what was written.
    pub problems: Vec<Error>,
    /// How many of the problems are damage of a copy of which the other one is whole: in KEYRING and in ROOT. Nothing is lost by
    /// it, and a backup or a restore writes both copies anew.
    pub spares_damaged: u64,
    /// Names in the folders of the database that cannot be its files, with their folder; they harm nothing. Of very many,
    /// some.
    pub ignored: Vec<String>,
    /// How many such names there are.
    pub ignored_count: u64,
}

impl VerifyReport {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds what another part of the check found.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.segments += other.segments;
        self.units += other.units;
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.problems.extend(other.problems);
        self.spares_damaged += other.spares_damaged;
    }

    /// Notes damage of a copy of which the other one is whole.
    pub(crate) fn note_spare(&mut self, problem: Error) {
        self.problems.push(problem);
        self.spares_damaged += 1;
    }

    /// Notes one unit that was read, or what is wrong with it.
    pub(crate) fn note<T>(&mut self, bytes: u64, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(found) => {
                self.units += 1;
                self.bytes += bytes;
                Some(found)
            }
            Err(error) => {
                self.problems.push(error);
                None
            }
        }
    }
}
