//! Drives the merging of segments: one rewrite at a time, a bounded piece per step.
//!
//! Always: what is merged was current when the merge began and still is when it ends, because only this merges; new
//! runs of level 0 may come meanwhile, they are newer than all of it.
//! Does not know: which segments are worth merging (`compaction`).

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::compaction::{LAST_LEVEL, OutputTarget, Plan, PlanOptions, Rewrite, RewriteStats, plan, plan_range};
use crate::engine::shared::Shared;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::iterator::Span;

/// Entries merged in one step.
const STEP_ENTRIES: u64 = 16 * 1024;
/// How long merging rests after it met damage the first time, and at most. Damage seldom heals, and looking at it again
/// reads all that lies before it.
const DAMAGE_REST_NANOS_MIN: u64 = 200_000_000;
const DAMAGE_REST_NANOS_MAX: u64 = 60_000_000_000;

/// What compactions did so far.
#[derive(Default)]
pub(crate) struct CompactionCounts {
    pub(crate) runs: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) versions_removed: AtomicU64,
    pub(crate) deletes_removed: AtomicU64,
    pub(crate) failures: AtomicU64,
    failure: Mutex<Option<Failure>>,
}

/// The last merge failed, and none has ended well since.
struct Failure {
    error: Error,
    /// How long merging rests because of it; nothing when it is worth trying again at once.
    rest_nanos: u64,
    until_nanos: u64,
}

impl CompactionCounts {
    fn add(&self, stats: &RewriteStats) {
        let add = |counter: &AtomicU64, by: u64| counter.fetch_add(by, Ordering::Relaxed);
        add(&self.runs, 1);
        add(&self.bytes_in, stats.bytes_in);
        add(&self.bytes_out, stats.bytes_out);
        add(&self.versions_removed, stats.versions_removed);
        add(&self.deletes_removed, stats.deletes_removed);
        *self.failure.lock() = None;
    }

    fn note_failure(&self, error: &Error, now_nanos: u64) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut failure = self.failure.lock();
        let before = failure.as_ref().map_or(0, |failure| failure.rest_nanos);
        let rest_nanos = match error {
            Error::Corrupt { .. } => before.saturating_mul(2).clamp(DAMAGE_REST_NANOS_MIN, DAMAGE_REST_NANOS_MAX),
            _ => 0,
        };
        let until_nanos = now_nanos.saturating_add(rest_nanos);
        *failure = Some(Failure { error: error.clone(), rest_nanos, until_nanos });
    }

    /// The damage because of which merging rests now.
    fn damage(&self, now_nanos: u64) -> Option<Error> {
        let failure = self.failure.lock();
        failure.as_ref().filter(|failure| now_nanos < failure.until_nanos).map(|failure| failure.error.clone())
    }

    /// Why the last merge failed, when none has ended well since.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure.lock().as_ref().map(|failure| failure.error.clone())
    }
}

impl Shared {
    pub(crate) fn plan_options(&self) -> PlanOptions {
        PlanOptions { base_bytes: self.options.memtable_bytes.saturating_mul(4) }
    }

    /// Goes on with the merge under way, or begins the most useful one; false when none is worth it, or while merging
    /// rests because of damage. The caller has the steps to itself.
    pub(crate) fn compaction_step(&self) -> Result<bool> {
        if self.merging_rests_for().is_some() {
            return Ok(false);
        }
        let stepped = self.merge_step();
        if let Err(error) = &stepped {
            self.compactions.note_failure(error, self.backend.clock.monotonic_nanos());
        }
        stepped
    }

    /// The damage because of which merging rests.
    pub(crate) fn merging_rests_for(&self) -> Option<Error> {
        self.compactions.damage(self.backend.clock.monotonic_nanos())
    }

    fn merge_step(&self) -> Result<bool> {
        let mut running = self.rewrite.lock();
        if running.is_none() {
            let version = std::sync::Arc::clone(&self.current.load().version);
            match plan(&version, self.plan_options(), &self.live())? {
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
        let version = std::sync::Arc::clone(&self.current.load().version);
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
                let version = std::sync::Arc::clone(&self.current.load().version);
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
        Ok(())
    }
}
