//! Slows writers down before they would have to stop.
//!
//! Always: a commit rests after it is made, outside every lock and for a bounded time, so that what comes in approaches
//! what memtable flushes and merges get done; a database nobody crowds costs its writers two loads. A rest ends when the
//! database is closed.
//! Does not know: when writers must stop altogether (`room`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::room::{FROZEN_MAX, LEVEL_0_RUNS_MAX, crowded_zone};
use crate::engine::shared::Shared;
use crate::transaction::WriteBuffer;
use crate::version::Version;

/// Runs of level 0 with keys of one zone from which on writers are slowed down.
const SLOW_RUNS: usize = 14;
/// Frozen memtables from which on writers are slowed down.
const SLOW_FROZEN: usize = FROZEN_MAX - 1;
/// The longest rest of one commit.
const REST_NANOS_MAX: u64 = 10_000_000;
/// Rests shorter than this are saved up, because putting a thread to sleep costs more.
const REST_NANOS_MIN: u64 = 1_000_000;
/// What a memtable, or a run, takes while none has been measured yet.
const NANOS_AT_FIRST: u64 = 400_000_000;
/// What is slower than this is a disk that hangs, and no measure of the next.
const NANOS_MAX: u64 = 60_000_000_000;
/// Parts of a whole, for shares that are computed in integers.
const WHOLE: u64 = 1024;

/// How long work takes here, and until when what was committed has used up its time.
pub(crate) struct Pace {
    flush_nanos: AtomicU64,
    run_nanos: AtomicU64,
    /// The moment at which the commits so far may have come in, at the pace that is kept.
    paid_until: AtomicU64,
    /// All rests so far.
    rested_nanos: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            flush_nanos: AtomicU64::new(NANOS_AT_FIRST),
            run_nanos: AtomicU64::new(NANOS_AT_FIRST),
            paid_until: AtomicU64::new(0),
            rested_nanos: AtomicU64::new(0),
        }
    }
}

impl Pace {
    /// A memtable was written in this time.
    pub(crate) fn flushed(&self, nanos: u64) {
        learn(&self.flush_nanos, nanos);
    }

    /// A merge took this many runs out of level 0 in this time.
    pub(crate) fn merged(&self, runs: usize, nanos: u64) {
        if let Some(each) = nanos.checked_div(runs as u64) {
            learn(&self.run_nanos, each);
        }
    }

    /// How long writers have rested.
    pub(crate) fn rested(&self) -> Duration {
        Duration::from_nanos(self.rested_nanos.load(Ordering::Relaxed))
    }

    /// The time that a full memtable's worth of commits should take now; none when they need not be slowed down. `filled` is
    /// how much of the active memtable is used, in parts of [`WHOLE`].
    fn nanos_of_a_memtable(&self, frozen: usize, filled: u64, runs: usize) -> Option<u64> {
        let of = |nanos: &AtomicU64, share: u64| nanos.load(Ordering::Relaxed).saturating_mul(share) / WHOLE;
        // Writers stop when the active memtable is full too. The nearer that is the slower they get, because a flush may
        // take many times as long as those before it.
        let memory = (frozen >= SLOW_FROZEN).then(|| {
            let left = WHOLE.saturating_sub(filled).max(WHOLE / 64);
            of(&self.flush_nanos, (WHOLE + WHOLE / 8) * WHOLE / left)
        });
        // From a half of the time that a run takes to many times that, so that there is a number of runs at which they
        // balance.
        let steps = (LEVEL_0_RUNS_MAX - SLOW_RUNS) as u64;
        let zone = (runs >= SLOW_RUNS).then(|| {
            let over = ((runs - SLOW_RUNS) as u64).min(steps - 1);
            of(&self.run_nanos, (WHOLE / 2 + WHOLE * 3 / 2 * over / steps) * steps / (steps - over))
        });
        memory.max(zone)
    }

    /// How long a commit that takes this much time of the pace has to rest.
    fn rest_of(&self, now: u64, cost: u64) -> u64 {
        let add = |paid: u64| Some(paid.max(now).min(now.saturating_add(NANOS_MAX)).saturating_add(cost));
        let before = self.paid_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).unwrap_or(now);
        let ahead = before.max(now).saturating_add(cost).saturating_sub(now);
        if ahead < REST_NANOS_MIN { 0 } else { ahead.min(REST_NANOS_MAX) }
    }
}

/// A running mean of the last few.
fn learn(mean: &AtomicU64, nanos: u64) {
    let before = mean.load(Ordering::Relaxed);
    mean.store((before - before / 4).saturating_add(nanos.min(NANOS_MAX) / 4), Ordering::Relaxed);
}

impl Shared {
    /// Rests after a commit of these changes, when those who make room for them are about to fall behind.
    pub(crate) fn keep_pace(&self, bytes: u64, buffer: &WriteBuffer) {
        let memtable = self.options.memtable_bytes.max(1);
        let (frozen, filled, runs) = {
            let view = self.current.load();
            let filled = (view.active.bytes() as u64).min(memtable).saturating_mul(WHOLE) / memtable;
            (view.frozen.len(), filled, self.runs_to_merge(&view.version, buffer))
        };
        if frozen < SLOW_FROZEN && runs < SLOW_RUNS {
            return;
        }
        // A full disk is waited for in `make_room`, or refused; and without threads the commits do the work themselves.
        let by_threads = self.signals.memtables.is_running() && self.signals.merges.is_running();
        if !by_threads || self.space.is_short() {
            return;
        }
        let Some(nanos) = self.pace.nanos_of_a_memtable(frozen, filled, runs) else { return };
        // However large it is, a commit is one run more.
        let share = u128::from(bytes.min(memtable)) * u128::from(nanos) / u128::from(memtable);
        let cost = u64::try_from(share).unwrap_or(nanos);
        let rest = self.pace.rest_of(self.backend.clock.monotonic_nanos(), cost);
        if rest > 0 {
            self.pace.rested_nanos.fetch_add(rest, Ordering::Relaxed);
            self.signals.merges.wait_for_stop(Duration::from_nanos(rest), &|| false);
        }
    }

    /// Runs of level 0 in the fullest zone of these changes. One that is not merged because of damage counts for nothing:
    /// however slow its writers are, nobody catches up.
    fn runs_to_merge(&self, version: &Version, buffer: &WriteBuffer) -> usize {
        let crowded = crowded_zone(version, buffer, SLOW_RUNS);
        crowded.filter(|fullest| self.damage_in(fullest.zone).is_none()).map_or(0, |fullest| fullest.runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_rests_while_nothing_is_crowded() {
        let pace = Pace::default();
        assert_eq!(pace.nanos_of_a_memtable(SLOW_FROZEN - 1, WHOLE, SLOW_RUNS - 1), None);
    }

    /// Commits of a sixteenth of a memtable each, at a moment that moves with their rests.
    #[test]
    fn commits_come_in_no_faster_than_the_pace() {
        let pace = Pace::default();
        (0..100).for_each(|_| pace.merged(4, 4 * 320_000_000));
        let nanos = pace.nanos_of_a_memtable(0, WHOLE, LEVEL_0_RUNS_MAX).unwrap();
        assert!((5_000_000_000..=6_400_000_000).contains(&nanos), "{nanos}");
        let balanced =
            (SLOW_RUNS..LEVEL_0_RUNS_MAX).find(|runs| pace.nanos_of_a_memtable(0, 0, *runs) >= Some(320_000_000));
        assert!(balanced.is_some_and(|runs| runs < LEVEL_0_RUNS_MAX - 2), "{balanced:?}");
        let mut now = 0;
        for _ in 0..10_000 {
            now += pace.rest_of(now, nanos / 1024);
        }
        let wanted = nanos / 1024 * 10_000;
        assert!(now > wanted - REST_NANOS_MIN && now <= wanted, "{now} of {wanted}");
    }

    /// A flush that takes four times as long as those before it finds writers that are slow by then, and not at the limit.
    #[test]
    fn commits_get_slower_the_nearer_the_limit_is() {
        let pace = Pace::default();
        (0..100).for_each(|_| pace.flushed(100_000_000));
        let mut now = 0;
        for part in 0..WHOLE {
            let nanos = pace.nanos_of_a_memtable(SLOW_FROZEN, part, 0).unwrap();
            now += nanos / WHOLE;
        }
        assert!(now > 400_000_000, "{now}");
    }

    /// The time that went by unused is not saved up for a rush, and one huge commit does not make the next ones rest
    /// longer than they may.
    #[test]
    fn a_rest_is_bounded_and_a_pause_is_not_saved_up() {
        let pace = Pace::default();
        assert_eq!(pace.rest_of(u64::MAX / 4, u64::MAX / 2), REST_NANOS_MAX);
        let now = u64::MAX / 2;
        assert!(pace.rest_of(now, 2_000_000) <= REST_NANOS_MAX);
        let pace = Pace::default();
        assert_eq!(pace.rest_of(1_000_000_000, 500_000), 0, "too short to sleep for");
        assert_eq!(pace.rest_of(1_000_000_000, 500_000), 1_000_000);
        assert_eq!(pace.rest_of(9_000_000_000, 900_000), 0, "time went by since");
    }
}
