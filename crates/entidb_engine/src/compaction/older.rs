//! Whether older data lies under ranges of keys that are asked about in ascending order.
//!
//! Always: a run is walked once, however many ranges are asked about. Does not know: what the older data is.

use std::sync::Arc;

use crate::version::Run;

/// Runs that hold older data, and a place in each.
pub(super) struct Older(Vec<(Arc<Run>, usize)>);

impl Older {
    pub(super) fn new(runs: impl IntoIterator<Item = Arc<Run>>) -> Self {
        Self(runs.into_iter().map(|run| (run, 0)).collect())
    }

    /// True when a run may have something in `start..end`. No range starts before one that was asked about already.
    pub(super) fn overlaps(&mut self, start: &[u8], end: &[u8]) -> bool {
        self.0.iter_mut().any(|(run, next)| {
            while let Some(segment) = run.segments().get(*next) {
                if !segment.meta().is_before(start) {
                    return *segment.meta().smallest < *end;
                }
                *next += 1;
            }
            false
        })
    }

    /// True when no run has something of `key`.
    pub(super) fn has_nothing_of(&self, key: &[u8]) -> bool {
        self.0.iter().all(|(run, _)| run.holding(key).is_none())
    }
}
