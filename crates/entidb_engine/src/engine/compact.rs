//! Drives the merging of segments: one merge at a time, a bounded piece after the other.
//!
//! Always: what is merged was current when the merge began and still is when it ends, because only the holder of
//! `merging` removes segments; new runs of level 0 may come meanwhile, they are newer than all of it. Merges of level 0
//! that writers would have to wait for come first: any other makes way for them after a segment.
//! Does not know: which segments are worth merging (`compaction`), or who does the pieces (`upkeep`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sync::{Condvar, Mutex};

use crate::compaction::{
    LAST_LEVEL, OutputTarget, Piece, Plan, PlanOptions, Rest, Resting, Rewrite, RewriteStats, plan, plan_range,
    plan_rest,
};
use crate::engine::damage::Failures;
use crate::engine::shared::Shared;
use crate::engine::upkeep::InOtherHands;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::interrupt;
use crate::iterator::Span;
use crate::space::Work;
use crate::version::Version;

/// How many segments a compaction that somebody asked for writes before it gives back those it has read: that much room it
/// needs beside the database, however large that is.
const REQUEST_SEGMENTS: u64 = 4;
/// Runs of level 0 with keys of one zone from which on merging them comes before what somebody asked for.
const URGENT_RUNS: usize = 12;
/// How long a request waits before it looks whether somebody still works on it.
const PATIENCE: Duration = Duration::from_millis(100);

/// What compactions did so far.
#[derive(Default)]
pub(crate) struct CompactionCounts {
    pub(crate) runs: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) versions_removed: AtomicU64,
    pub(crate) deletes_removed: AtomicU64,
    pub(crate) entries_expired: AtomicU64,
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
        add(&self.entries_expired, stats.entries_expired);
    }

    /// Why the last merge failed, when none has ended well since, or a damaged segment is still there.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failures_now.lock().newest().cloned()
    }
}

/// The merge under way, and what is to be compacted.
#[derive(Default)]
pub(crate) struct Merging {
    running: Option<Running>,
    requests: VecDeque<Arc<Request>>,
    /// What a merge that ended early left to go on with.
    rest: Option<Rest>,
    /// The last merge that nobody asked for failed: what somebody asked for has its turn.
    failed: bool,
}

struct Running {
    rewrite: Rewrite,
    /// None for a merge that nobody asked for.
    request: Option<Arc<Request>>,
    rest: Option<Rest>,
    /// The runs of level 0 that it merges down, for what it takes to be known.
    level_0_runs: usize,
    begun_nanos: u64,
}

/// A range that somebody wants compacted.
struct Request {
    span: Span,
    state: Mutex<RequestState>,
    ended: Condvar,
}

#[derive(Default)]
struct RequestState {
    /// All before this key is merged already.
    reached: Option<Vec<u8>>,
    /// The merge that goes to the end has ended.
    merged: bool,
    end: Option<Result<()>>,
}

impl Request {
    fn end(&self, end: Result<()>) {
        self.state.lock().end.get_or_insert(end);
        self.ended.notify_all();
    }
}

impl Merging {
    /// Gives up the merge under way and all requests, because the database is closed.
    pub(crate) fn give_up(&mut self) {
        self.running = None;
        for request in self.requests.drain(..) {
            request.end(Err(Error::Closed));
        }
    }

    /// Gives up the merge under way; who asked for it gets it all the same.
    pub(crate) fn restart(&mut self) {
        self.running = None;
    }

    /// True when a merge is under way.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    fn end_first(&mut self, end: Result<()>) {
        if let Some(request) = self.requests.pop_front() {
            request.end(end);
        }
    }
}

impl Shared {
    pub(crate) fn plan_options(&self) -> PlanOptions {
        PlanOptions { base_bytes: self.options.memtable_bytes.saturating_mul(4), is_short: self.space.is_short() }
    }

    /// Goes on with the merge under way, or begins the most useful one; false when none is worth it, or all that are
    /// would read a segment that rests because of damage.
    pub(crate) fn compaction_piece(&self, merging: &mut Merging) -> Result<bool> {
        self.check_open()?;
        let Some(running) = &mut merging.running else { return self.begin_next(merging) };
        let request = running.request.clone();
        if self.should_make_way(running) {
            running.rewrite.make_way(self.options.segment_bytes);
        }
        match (self.go_on(merging), request) {
            (Ok(()), _) => Ok(true),
            (Err(error), Some(request)) => {
                merging.requests.retain(|other| !Arc::ptr_eq(other, &request));
                request.end(Err(error));
                Ok(true)
            }
            (Err(error), None) => {
                merging.failed = true;
                let now = self.backend.clock.monotonic_nanos();
                let resting = self.compactions.failures_now.lock().resting(now).unwrap_or_default();
                Err(self.note_failure(error, &resting))
            }
        }
    }

    fn begin_next(&self, merging: &mut Merging) -> Result<bool> {
        let version = Arc::clone(&self.current.load().version);
        let is_urgent = self.urgent_zone(&version).is_some() && !std::mem::take(&mut merging.failed);
        match merging.requests.front().cloned() {
            // Between two parts of a compaction that takes long, what writers would have to wait for comes first.
            Some(_) if is_urgent && self.begin_useful(merging, &version)? => Ok(true),
            Some(request) => {
                self.begin_requested(merging, &version, request);
                Ok(true)
            }
            None => self.begin_useful(merging, &version),
        }
    }

    /// True when level 0 of a zone fills up and the merge is none of level 0, so that writers would have to wait for it.
    /// On a full disk it is not: the less often a merge ends, the less it needs beside what it reads.
    fn should_make_way(&self, running: &Running) -> bool {
        if self.space.is_short() {
            return false;
        }
        let urgent = self.urgent_zone(&self.current.load().version);
        urgent.is_some_and(|zone| running.rest.is_none_or(|rest| rest.zone() != zone))
    }

    /// The zone whose level 0 is so full that writers would have to wait, of those that can be merged: one that rests because
    /// of damage would otherwise hold up all that is worth doing.
    fn urgent_zone(&self, version: &Version) -> Option<u8> {
        if version.fullest_zone().runs < URGENT_RUNS {
            return None;
        }
        let (failures, now) = (self.compactions.failures_now.lock(), self.backend.clock.monotonic_nanos());
        let fullest = version.fullest_zone_of(|zone| failures.damage_in(zone, now).is_none());
        (fullest.runs >= URGENT_RUNS).then_some(fullest.zone)
    }

    /// Begins the next part of what somebody asked for, or tells that it is done.
    fn begin_requested(&self, merging: &mut Merging, version: &Version, request: Arc<Request>) {
        let (merged, reached) = {
            let state = request.state.lock();
            (state.merged, state.reached.clone())
        };
        let next = if merged { Ok(None) } else { plan_range(version, &request.span, reached.as_deref()) };
        let begun = next.and_then(|next| match next {
            Some(next) => self.begin(next, Some(request)),
            None => Ok(None),
        });
        match begun {
            Ok(None) => merging.end_first(Ok(())),
            Ok(running) => merging.running = running,
            Err(error) => merging.end_first(Err(error)),
        }
    }

    /// Begins the most useful merge; false when none is worth it, or all that are would read a segment that rests.
    fn begin_useful(&self, merging: &mut Merging, version: &Version) -> Result<bool> {
        let now = self.backend.clock.monotonic_nanos();
        let Some(resting) = self.compactions.failures_now.lock().resting(now) else { return Ok(false) };
        let options = self.plan_options();
        // Level 0 of another zone may have filled up meanwhile; what is left of this one comes after it.
        let urgent = self.urgent_zone(version);
        let rest = merging.rest.take_if(|rest| urgent.is_none_or(|zone| rest.zone() == zone));
        let rest = rest.map_or(Ok(None), |rest| plan_rest(version, options, rest, &resting));
        let next = rest.and_then(|next| match next {
            Some(next) => Ok(Some(next)),
            None => plan(version, options, &self.live_and_expired(), &resting),
        });
        let begun = next.and_then(|next| match next {
            Some(next) => self.begin(next, None).map(Some),
            None => Ok(None),
        });
        match begun {
            Ok(Some(running)) => merging.running = running,
            Ok(None) => return Ok(false),
            Err(error) => {
                merging.failed = true;
                return Err(self.note_failure(error, &resting));
            }
        }
        Ok(true)
    }

    fn note_failure(&self, error: Error, resting: &Resting) -> Error {
        self.compactions.failures.fetch_add(1, Ordering::Relaxed);
        let version = Arc::clone(&self.current.load().version);
        let now = self.backend.clock.monotonic_nanos();
        self.compactions.failures_now.lock().note(&error, &version, resting, now);
        error
    }

    /// True when a merge failed because of one segment, which rests since.
    pub(crate) fn is_of_segment(&self, error: &Error) -> bool {
        self.compactions.failures_now.lock().is_of_segment(error)
    }

    /// The damage because of which the segments of a zone are not merged now.
    pub(crate) fn damage_in(&self, zone: u8) -> Option<Error> {
        self.compactions.failures_now.lock().damage_in(zone, self.backend.clock.monotonic_nanos()).cloned()
    }

    /// Merges everything that overlaps `span` into the last level, however long it takes. The thread for merges does it;
    /// where there is none the caller does.
    pub(crate) fn compact_span(&self, span: &Span) -> Result<()> {
        self.checkpoint()?;
        let request = Arc::new(Request { span: span.clone(), state: Mutex::default(), ended: Condvar::new() });
        {
            let mut merging = self.merging.lock();
            self.check_open()?;
            merging.requests.push_back(Arc::clone(&request));
        }
        let ended = self.wait_for(&request);
        self.merging.lock().requests.retain(|other| !Arc::ptr_eq(other, &request));
        ended?;
        self.remove_obsolete();
        Ok(())
    }

    fn wait_for(&self, request: &Request) -> Result<()> {
        loop {
            if let Some(end) = request.state.lock().end.clone() {
                return end;
            }
            self.check_open()?;
            self.log()?.check()?;
            interrupt::check()?;
            if !self.signals.merges.is_running() {
                // A merge that came first and failed is not what was asked for, and after it that has its turn.
                let _ = self.merge_piece(InOtherHands::Wait);
                continue;
            }
            self.signals.merges.wake();
            let mut state = request.state.lock();
            if state.end.is_none() {
                request.ended.wait_for(&mut state, interrupt::slice(PATIENCE));
            }
        }
    }

    /// Carries a plan out as far as that is one switch, or begins its merge.
    fn begin(&self, next: Plan, request: Option<Arc<Request>>) -> Result<Option<Running>> {
        match next {
            Plan::Edit(edit) => {
                self.install(&edit, Sequence::ZERO, &[])?;
                Ok(None)
            }
            Plan::Merge { inputs, level, rest } => {
                let version = Arc::clone(&self.current.load().version);
                let bytes = inputs.iter().flat_map(|run| run.segments()).map(|segment| segment.meta().bytes).sum();
                let room = self.room_to_merge(bytes, request.is_some())?;
                let usual = self.options.segment_bytes.saturating_mul(REQUEST_SEGMENTS);
                let target = OutputTarget {
                    level,
                    run: 0,
                    segment_bytes: self.space.segment_bytes(self.options.segment_bytes),
                    bytes_max: if request.is_some() { room.min(usual) } else { room },
                    zones: self.options.zones.clone(),
                };
                debug_assert!(usize::from(level) <= LAST_LEVEL, "a plan goes no deeper than the last level");
                let level_0_runs = if rest.is_some() { inputs.len().saturating_sub(1) } else { 0 };
                let begun_nanos = self.backend.clock.monotonic_nanos();
                let rewrite = Rewrite::merge(&version, &inputs, self.live_and_expired(), target);
                Ok(Some(Running { rewrite, request, rest, level_0_runs, begun_nanos }))
            }
        }
    }

    fn go_on(&self, merging: &mut Merging) -> Result<()> {
        let Some(Running { rewrite, .. }) = merging.running.as_mut() else { return Ok(()) };
        let mut piece = Piece::bounded(self.backend.clock.as_ref());
        match rewrite.step(&|| self.numbers.next(), &mut piece) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                // Half a merge is worth nothing; the next piece plans anew.
                merging.running = None;
                return self.merge_found_no_room(error);
            }
        }
        let Some(running) = merging.running.take() else { return Ok(()) };
        let Running { rewrite, request, rest, level_0_runs, begun_nanos } = running;
        let reached = rewrite.reached().map(<[u8]>::to_vec);
        let Some((edit, stats)) = rewrite.finish() else {
            return Err(Error::Internal { detail: "a merge that is done has no result".to_owned() });
        };
        if let Err(error) = self.install(&edit, Sequence::ZERO, &[]) {
            return self.merge_found_no_room(error);
        }
        self.space.tried(Work::Merge, true, 0);
        self.compactions.add(&stats);
        if reached.is_none() {
            self.pace.merged(level_0_runs, self.backend.clock.monotonic_nanos().saturating_sub(begun_nanos));
        }
        self.compactions.failures_now.lock().merged(&self.current.load().version);
        merging.rest = rest.filter(|_| reached.is_some()).or(merging.rest);
        if let Some(request) = request {
            let mut state = request.state.lock();
            state.merged = reached.is_none();
            state.reached = reached.or(state.reached.take());
        }
        Ok(())
    }
}
