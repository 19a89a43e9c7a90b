//! Drives the merging of segments: one rewrite at a time, a bounded piece per step.
//!
//! Always: what is merged was current when the merge began and still is when it ends, because only this merges; new
//! runs of level 0 may come meanwhile, they are newer than all of it.
//! Does not know: which segments are worth merging (`compaction`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::Mutex;

use crate::compaction::{
    LAST_LEVEL, OutputTarget, Plan, PlanOptions, Resting, Rewrite, RewriteStats, plan, plan_range,
};
use crate::engine::damage::Failures;
use crate::engine::shared::Shared;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::iterator::Span;

/// Entries merged in one step.
const STEP_ENTRIES: u64 = 16 * 1024;
/// What compactions did so far.
#[derive(Default)]
pub(crate) struct CompactionCounts {
    pub(crate) runs: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) versions_removed: AtomicU64,
    pub(crate) deletes_removed: AtomicU64,
    pub(crate) failures: AtomicU64,
    failures_now: Mutex<Failures>,
}

impl CompactionCounts {
    fn add(&self, stats: &RewriteStats) {
        let add = |counter: &AtomicU64, by: u64| counter.fetch_add(by, Ordering::Relaxed);
        add(&self.runs, 1);
        add(&self.bytes_in, stats.bytes_in);
        add(&self.bytes_out, stats.bytes_out);
        add(&self.versions_removed, stats.versions_removed);
        add(&self.deletes_removed, stats.deletes_removed);
    }

    /// Why the last merge failed, when none has ended well since, or a damaged segment is still there.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failures_now.lock().newest().cloned()
    }
}

impl Shared {
    pub(crate) fn plan_options(&self) -> PlanOptions {
        PlanOptions { base_bytes: self.options.memtable_bytes.saturating_mul(4) }
    }

    /// Goes on with the merge under way, or begins the most useful one; false when none is worth it, or all that are
    /// would read a segment that rests because of damage. The caller has the steps to itself.
    pub(crate) fn compaction_step(&self) -> Result<bool> {
        let now = self.backend.clock.monotonic_nanos();
        let Some(resting) = self.compactions.failures_now.lock().resting(now) else { return Ok(false) };
        let stepped = self.merge_step(&resting);
        if let Err(error) = &stepped {
            self.compactions.failures.fetch_add(1, Ordering::Relaxed);
            let version = Arc::clone(&self.current.load().version);
            self.compactions.failures_now.lock().note(error, &version, &resting, self.backend.clock.monotonic_nanos());
        }
        stepped
    }

    /// The damage because of which the segments of a zone are not merged now.
    pub(crate) fn damage_in(&self, zone: u8) -> Option<Error> {
        self.compactions.failures_now.lock().damage_in(zone, self.backend.clock.monotonic_nanos()).cloned()
    }

    fn merge_step(&self, resting: &Resting) -> Result<bool> {
        let mut running = self.rewrite.lock();
        if running.is_none() {
            let version = Arc::clone(&self.current.load().version);
            match plan(&version, self.plan_options(), &self.live(), resting)? {
                None => return Ok(false),
                Some(next) => *running = self.begin(next)?,
            }
        }
        self.go_on(&mut running)?;
        Ok(true)
    }

    /// Merges everything that overlaps `span` into the last level, however long it takes.
    pub(crate) fn compact_span(&self, span: &Span) -> Result<()> {
        self.checkpoint()?;
        let _one_at_a_time = self.stepping.lock();
        self.check_open()?;
        let mut running = self.rewrite.lock();
        while running.is_some() {
            self.go_on(&mut running)?;
        }
        let version = Arc::clone(&self.current.load().version);
        if let Some(next) = plan_range(&version, span)? {
            *running = self.begin(next)?;
            while running.is_some() {
                self.check_open()?;
                self.go_on(&mut running)?;
            }
        }
        drop(running);
        self.remove_obsolete();
        Ok(())
    }

    /// Carries a plan out as far as that is one switch, or begins its merge.
    fn begin(&self, next: Plan) -> Result<Option<Rewrite>> {
        match next {
            Plan::Edit(edit) => {
                self.install(&edit, Sequence::ZERO, None)?;
                Ok(None)
            }
            Plan::Merge { inputs, level } => {
                let version = Arc::clone(&self.current.load().version);
                let target = OutputTarget {
                    level,
                    run: 0,
                    segment_bytes: self.options.segment_bytes,
                    zones: self.options.zones.clone(),
                };
                debug_assert!(usize::from(level) <= LAST_LEVEL, "a plan goes no deeper than the last level");
                Rewrite::merge(&version, &inputs, self.live(), target).map(Some)
            }
        }
    }

    fn go_on(&self, running: &mut Option<Rewrite>) -> Result<()> {
        let Some(rewrite) = running.as_mut() else { return Ok(()) };
        let allocate = || self.numbers.next();
        match rewrite.step(&allocate, STEP_ENTRIES) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                // Half a merge is worth nothing; the next step plans anew.
                *running = None;
                return Err(self.judge_failure(error));
            }
        }
        let Some((edit, stats)) = running.take().and_then(Rewrite::finish) else {
            return Err(Error::Internal { detail: "a merge that is done has no result".to_owned() });
        };
        self.install(&edit, Sequence::ZERO, None)?;
        self.compactions.add(&stats);
        self.compactions.failures_now.lock().merged(&self.current.load().version);
        Ok(())
    }
}
