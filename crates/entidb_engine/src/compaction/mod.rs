//! Keeping the number and size of segments in bounds: which to merge, and merging them.
//!
//! Always: no live snapshot notices. Work is done in pieces that the caller bounds, so that it can run on a thread, be
//! driven by hand where there are none, and be replayed in the simulator.
//! Does not know: how its result is installed.

mod fold;
mod live;
mod older;
mod output;
mod piece;
mod plan;
mod rewrite;
mod tombstones;

#[cfg(test)]
mod tests;

pub(crate) use live::LiveSnapshots;
pub(crate) use output::OutputTarget;
pub(crate) use piece::Piece;
pub(crate) use plan::{LAST_LEVEL, Plan, PlanOptions, Rest, Resting, debt_bytes, plan, plan_range, plan_rest};
pub(crate) use rewrite::{Rewrite, RewriteSource, RewriteStats};
