//! What a log holds, while it is read, in as much memory as it may have.
//!
//! Always: every commit is in exactly one of the memtables that are taken, whole, with the range deletes that were made with
//! it. Does not know: where the log is (`wal`), or what becomes of a memtable (`recover`).

use crate::engine::shared::apply_encoded;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::memtable::{Memtable, MemtableConfig, ReplayedRanges};
use crate::options::Options;

/// So many memtables' worth of commits are in memory while the log is read, or this part of the budget when that is more:
/// nothing else is there yet. What the log holds beyond goes to segments before the database is open.
pub(crate) const REPLAYED_MEMTABLES_MAX: u64 = 4;
const REPLAYED_BUDGET_PART: u64 = 4;

/// How much of the log is in memory while it is read.
pub(crate) fn replayed_bytes_max(options: &Options) -> u64 {
    options.memtable_bytes.saturating_mul(REPLAYED_MEMTABLES_MAX).max(options.memory_bytes / REPLAYED_BUDGET_PART)
}

/// As above, where the database is opened for reading only: the log has no other place, and stays in memory. More than this
/// is left by nobody who wrote with as large a budget: a writer opens with up to four memtables, or a quarter of the budget,
/// and stops at three more.
const READ_ONLY_MEMTABLES_MAX: u64 = 7;
const READ_ONLY_BUDGET_EIGHTHS: u64 = 5;

/// How much of the log a database that is opened for reading only may have in memory.
pub(crate) fn read_only_bytes_max(options: &Options) -> u64 {
    let memtables = options.memtable_bytes.saturating_mul(READ_ONLY_MEMTABLES_MAX);
    memtables.max(options.memory_bytes / 8 * READ_ONLY_BUDGET_EIGHTHS)
}

/// What the log holds, while it is read.
pub(crate) struct ReplayedLog {
    config: MemtableConfig,
    bytes_max: u64,
    /// None when it was more than may be in memory.
    memtable: Option<Memtable>,
    /// Nobody reads yet, so no state of the deleted ranges but the last needs to be kept, or made.
    ranges: ReplayedRanges,
}

impl ReplayedLog {
    /// Nothing yet; full from `bytes_max` on.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn new(config: &MemtableConfig, bytes_max: u64) -> Result<Self> {
        let memtable = Some(Memtable::new(config.clone())?);
        Ok(Self { config: config.clone(), bytes_max, memtable, ranges: ReplayedRanges::default() })
    }

    /// True when nothing more should be applied.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() > self.bytes_max
    }

    fn bytes(&self) -> u64 {
        let bytes = self.memtable.as_ref().map_or(0, |memtable| memtable.bytes() as u64);
        bytes.saturating_add(self.ranges.bytes())
    }

    /// What is said where there is no other place for what is too much.
    pub(crate) fn too_large(&self) -> Error {
        let what =
            "log of a database opened for reading only (open it for writing once, or with a larger memory_bytes)";
        Error::TooLarge { what, size: self.bytes(), limit: self.bytes_max }
    }

    /// Applies a commit as the log has it.
    ///
    /// # Errors
    /// As the memtable's.
    pub(crate) fn apply(&mut self, sequence: Sequence, commit: &[u8]) -> Result<()> {
        match &self.memtable {
            Some(memtable) => apply_encoded(memtable, &mut self.ranges, commit, sequence),
            None => Ok(()),
        }
    }

    /// What was applied up to `last`; from here on the next is applied.
    pub(crate) fn take(&mut self, last: Sequence) -> Result<Option<Memtable>> {
        let fresh = Memtable::new(self.config.clone())?;
        let memtable = self.memtable.replace(fresh);
        let ranges = std::mem::take(&mut self.ranges);
        Ok(memtable.inspect(|memtable| memtable.take_ranges(ranges, last)))
    }

    /// Keeps nothing: what comes is only judged.
    pub(crate) fn overflow(&mut self) -> Result<()> {
        self.take(Sequence::ZERO)?;
        self.memtable = None;
        Ok(())
    }

    /// All of it, unless it was more than may be in memory.
    pub(crate) fn finish(mut self, last: Sequence) -> Option<Memtable> {
        let memtable = self.memtable.take()?;
        memtable.take_ranges(self.ranges, last);
        Some(memtable)
    }
}
