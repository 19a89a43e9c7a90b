//! The deleted ranges of a memtable, as readers at different sequences see them.
//!
//! Always: a reader finds the state as of the last deletion it may see. A state goes when no reader, now or later, can be
//! between its deletion and the next; then nobody can tell the two apart. So there are about as many states as there
//! are sequences that somebody reads at, however many deletions were made.
//! Does not know: who reads (`LiveSnapshots` says at which sequences), or the entries that are deleted.

use std::sync::Arc;

use super::{RangeMap, RangeTombstones};
use crate::compaction::LiveSnapshots;
use crate::format::Sequence;
use crate::planted::{Mistake, makes};

/// The states of the deleted ranges, oldest first. A clone never changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct RangeVersions {
    states: Vec<State>,
    /// How many states the last pruning left.
    left: usize,
}

#[derive(Debug, Clone)]
struct State {
    /// The commit that made it; from here on it is what readers see, up to the next state.
    from: Sequence,
    ranges: RangeMap,
}

impl RangeVersions {
    /// One state, for readers from `from` on. Nobody reads at an older sequence.
    pub(crate) fn of(from: Sequence, ranges: RangeMap) -> Self {
        Self { states: vec![State { from, ranges }], left: 1 }
    }

    /// What is deleted for a reader at `at`; `None` when nothing is.
    #[inline]
    pub(crate) fn at(&self, at: Sequence) -> Option<&RangeMap> {
        // Most readers are newer than all of them.
        match self.states.last() {
            Some(newest) if newest.from <= at => Some(&newest.ranges),
            _ => {
                let newer = self.states.partition_point(|state| state.from <= at);
                self.states.get(newer.checked_sub(1)?).map(|state| &state.ranges)
            }
        }
    }

    /// Bytes of all states.
    pub(crate) fn bytes(&self) -> usize {
        let states = self.states.capacity().saturating_mul(size_of::<State>());
        self.states.last().map_or(0, |newest| newest.ranges.bytes().saturating_add(states))
    }

    /// These states and one more, in which the ranges of `deleted` are deleted by `sequence`, which is newer than all.
    /// `live` is asked when there is a state that may have to go.
    pub(crate) fn after(&self, deleted: &RangeMap, sequence: Sequence, live: impl FnOnce() -> LiveSnapshots) -> Self {
        let mut states = Vec::with_capacity(self.states.len().saturating_add(1));
        states.extend_from_slice(&self.states);
        let mut next = Self { states, left: self.left };
        let mut ranges = next.states.last().map(|newest| newest.ranges.clone()).unwrap_or_default();
        deleted.for_each(None, |cover| ranges.set(cover.start, cover.end, sequence));
        next.states.push(State { from: sequence, ranges });
        // Looking for readers costs a look at each of them, so it is done when there are twice as many states as last time.
        if next.states.len() > 2 && next.states.len() > next.left.saturating_mul(2) {
            next.prune(&live());
        }
        next
    }

    /// Drops the states that nobody can see.
    fn prune(&mut self, live: &LiveSnapshots) {
        let next_from: Vec<Sequence> = self.states.iter().skip(1).map(|state| state.from).collect();
        let mut next_from = next_from.into_iter();
        self.states.retain(|state| {
            let Some(next) = next_from.next() else { return true };
            !makes(Mistake::RangeStatesDroppedEarly) && live.anyone_in(state.from, next)
        });
        self.left = self.states.len();
    }

    /// All states as one list, as files have it.
    pub(crate) fn list(&self) -> RangeTombstones {
        let mut layers = Vec::with_capacity(self.states.len());
        let mut before = None;
        for state in &self.states {
            layers.push(RangeTombstones::of_map(&state.ranges, before));
            before = Some(state.from);
        }
        match <[RangeTombstones; 1]>::try_from(layers) {
            Ok([only]) => only,
            Err(layers) => RangeTombstones::merged(layers.into_iter().map(Arc::new)),
        }
    }
}
