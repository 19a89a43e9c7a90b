//! Which sequences somebody still reads at, which versions that makes indistinguishable, and which entries have expired.
//!
//! Always: two sequences are in one stripe when no reader, now or later, can see a state between them. What has expired
//! has done so for every reader, now or later.
//! Does not know: keys.

use crate::format::Sequence;

/// The sequences of open snapshots, and the newest one readers may see; a later snapshot can only be newer than that.
#[derive(Debug, Clone)]
pub(crate) struct LiveSnapshots {
    sequences: Vec<Sequence>,
    /// Zones whose entries expire.
    expiring: Vec<u8>,
    /// In these, entries of commits before this one are nobody's any more.
    kept_from: Sequence,
}

impl LiveSnapshots {
    /// The open snapshots, in any order, and the sequence that a snapshot made now would have.
    pub(crate) fn new(open: impl IntoIterator<Item = Sequence>, visible: Sequence) -> Self {
        let mut sequences: Vec<Sequence> = open.into_iter().filter(|sequence| *sequence < visible).collect();
        sequences.push(visible);
        sequences.sort_unstable();
        sequences.dedup();
        Self { sequences, expiring: Vec::new(), kept_from: Sequence::ZERO }
    }

    /// With zones whose entries expire, and the watermark as the oldest of these readers sees it.
    pub(crate) fn expiring(mut self, zones: impl IntoIterator<Item = u8>, kept_from: Sequence) -> Self {
        self.expiring = zones.into_iter().collect();
        self.kept_from = kept_from;
        self
    }

    /// True when no reader relies on an entry of this zone and commit.
    #[inline]
    pub(crate) fn is_expired(&self, zone: u8, sequence: Sequence) -> bool {
        sequence < self.kept_from && self.expiring.contains(&zone)
    }

    /// The zones in which something may have expired, and the first commit that has not.
    pub(crate) fn expired(&self) -> (&[u8], Sequence) {
        (if self.kept_from > Sequence::ZERO { &self.expiring } else { &[] }, self.kept_from)
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

    #[test]
    fn entries_expire_in_their_zones_and_before_the_watermark_alone() {
        let live = LiveSnapshots::new([], Sequence(20));
        assert!(!live.is_expired(7, Sequence(1)) && live.expired().0.is_empty());
        let live = live.expiring([7, 9], Sequence(5));
        assert!(live.is_expired(7, Sequence(4)) && live.is_expired(9, Sequence(1)));
        assert!(!live.is_expired(7, Sequence(5)) && !live.is_expired(8, Sequence(1)));
    }
}
