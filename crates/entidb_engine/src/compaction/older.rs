//! Whether older data lies under ranges of keys that are asked about in ascending order.
//!
//! Always: a run is walked once, however many ranges are asked about. Does not know: what the older data is.

use std::sync::Arc;

use crate::version::Run;

/// A place in each of some runs.
pub(super) struct Older<'a>(Vec<(&'a Run, usize)>);

impl<'a> Older<'a> {
    pub(super) fn of(runs: &'a [Arc<Run>]) -> Self {
        Self(runs.iter().map(|run| (run.as_ref(), 0)).collect())
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
}
