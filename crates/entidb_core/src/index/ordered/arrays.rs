//! What is known of an index that keeps arrays whole: whether any row has one in a column.
//!
//! Always: "none" is told only to readers who can meet none. Whoever makes the rows of a document says which columns have an
//! array before those rows are committed, and that is never forgotten; a new index begins with none, and one that was
//! there when the database was opened is looked at by the first query that needs to know.
//! Does not know: where rows are. Nothing of this is stored.
//!
//! A comparison holds for an array with an element that satisfies it, so a query on such an index must also walk the rows
//! of arrays. There are hardly ever any, and finding that out cost one more iterator in every query.

use std::sync::atomic::{AtomicU64, Ordering};

use entidb_engine::Sequence;

/// Nobody has looked.
const UNKNOWN: u64 = u64::MAX;
/// There was one, perhaps in a transaction that was aborted.
const MET: u64 = u64::MAX - 1;

/// For each column a sequence from which on no row has an array there, or one of the two above.
#[derive(Debug)]
pub(crate) struct WholeArrays(Box<[AtomicU64]>);

impl WholeArrays {
    /// Of an index without rows.
    pub(crate) fn none(columns: usize) -> Self {
        Self((0..columns).map(|_| AtomicU64::new(0)).collect())
    }

    /// Of an index whose rows others wrote.
    pub(crate) fn unknown(columns: usize) -> Self {
        Self((0..columns).map(|_| AtomicU64::new(UNKNOWN)).collect())
    }

    /// A row with an array in this column is being made.
    pub(crate) fn met(&self, column: usize) {
        if let Some(known) = self.0.get(column) {
            known.store(MET, Ordering::Release);
        }
    }

    /// True when no row that a reader at this sequence sees has an array in the column. The reader's snapshot comes first,
    /// so a writer whose rows are in it has told of them.
    pub(crate) fn are_absent(&self, column: usize, at: Sequence) -> bool {
        self.0.get(column).is_some_and(|known| known.load(Ordering::Acquire) <= at.0)
    }

    /// A reader at this sequence looked at the whole index, and no row had an array in the column. Rows that came meanwhile
    /// were told of, and then this says nothing.
    pub(crate) fn were_absent(&self, column: usize, at: Sequence) {
        if let Some(known) = self.0.get(column) {
            let _ = known.compare_exchange(UNKNOWN, at.0.min(MET - 1), Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_is_never_forgotten_and_older_readers_are_told_nothing() {
        let arrays = WholeArrays::unknown(2);
        assert!(!arrays.are_absent(0, Sequence(9)));
        arrays.were_absent(0, Sequence(5));
        assert_eq!([4, 5, 6].map(|at| arrays.are_absent(0, Sequence(at))), [false, true, true]);
        assert!(!arrays.are_absent(1, Sequence(9)) && !arrays.are_absent(2, Sequence(9)));
        arrays.met(0);
        arrays.were_absent(0, Sequence(9));
        assert!(!arrays.are_absent(0, Sequence(9)));
        assert!(WholeArrays::none(1).are_absent(0, Sequence(0)));
    }
}
