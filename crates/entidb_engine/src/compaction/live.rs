//! Which sequences somebody still reads at, and which versions that makes indistinguishable.
//!
//! Always: two sequences are in one stripe when no reader, now or later, can see a state between them.
//! Does not know: keys.

use crate::format::Sequence;

/// The sequences of open snapshots, and the newest one readers may see; a later snapshot can only be newer than that.
#[derive(Debug, Clone)]
pub(crate) struct LiveSnapshots {
    sequences: Vec<Sequence>,
}

impl LiveSnapshots {
    /// The open snapshots, in any order, and the sequence that a snapshot made now would have.
    pub(crate) fn new(open: impl IntoIterator<Item = Sequence>, visible: Sequence) -> Self {
        let mut sequences: Vec<Sequence> = open.into_iter().filter(|sequence| *sequence < visible).collect();
        sequences.push(visible);
        sequences.sort_unstable();
        sequences.dedup();
        Self { sequences }
    }

    /// The oldest sequence anybody can still read at.
    pub(crate) fn oldest(&self) -> Sequence {
        self.sequences.first().copied().unwrap_or(Sequence::ZERO)
    }

    /// True when nobody can see a state between the two.
    #[inline]
    pub(crate) fn same_stripe(&self, a: Sequence, b: Sequence) -> bool {
        if a == b {
            return true;
        }
        let stripe = |sequence| self.sequences.partition_point(|live| *live < sequence);
        // What is newer than every reader may get a reader between any two of its commits.
        stripe(a) == stripe(b) && stripe(a) < self.sequences.len()
    }

    /// The newest sequence that nobody can tell from this one; `None` when it is newer than every reader.
    pub(crate) fn stripe_end(&self, sequence: Sequence) -> Option<Sequence> {
        self.sequences.get(self.sequences.partition_point(|live| *live < sequence)).copied()
    }

    /// Leaves of sequences, newest first, the newest in each stripe.
    pub(crate) fn keep_newest_of_stripes(&self, sequences: &mut Vec<Sequence>) {
        sequences.dedup_by(|older, newer| self.same_stripe(*newer, *older));
    }

    /// True when somebody, now or later, may read at `from` or after it, and before `to`.
    pub(crate) fn anyone_in(&self, from: Sequence, to: Sequence) -> bool {
        let next = self.sequences.get(self.sequences.partition_point(|live| *live < from));
        let newest = self.sequences.last().copied().unwrap_or(Sequence::ZERO);
        newest < to || next.is_some_and(|next| *next < to)
    }

    /// True when everybody sees what was committed at `sequence`.
    pub(crate) fn all_see(&self, sequence: Sequence) -> bool {
        sequence <= self.oldest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_end_at_readers_and_are_single_commits_beyond_them() {
        let live = LiveSnapshots::new([Sequence(5), Sequence(9), Sequence(40)], Sequence(12));
        let same = |a, b| live.same_stripe(Sequence(a), Sequence(b));
        assert!(same(0, 5) && same(6, 9) && same(10, 12) && same(13, 13));
        assert!(!same(5, 6) && !same(9, 10) && !same(12, 13) && !same(13, 14));
        assert_eq!((live.stripe_end(Sequence(6)), live.stripe_end(Sequence(13))), (Some(Sequence(9)), None));
        assert!(live.all_see(Sequence(5)) && !live.all_see(Sequence(6)));
        let anyone = |from, to| live.anyone_in(Sequence(from), Sequence(to));
        assert!(anyone(0, 6) && anyone(5, 6) && anyone(9, 12) && anyone(12, 13) && anyone(14, 15));
        assert!(!anyone(0, 5) && !anyone(6, 9) && !anyone(10, 12));
        let mut sequences = [14, 13, 12, 11, 7, 6, 5].map(Sequence).to_vec();
        live.keep_newest_of_stripes(&mut sequences);
        assert_eq!(sequences, [14, 13, 12, 7, 5].map(Sequence));
    }
}
