//! A clock that moves when the world's calls do, and when a test says so.
//!
//! Always: monotonic time never goes back, however the wall clock is set.
//! Does not know: real time.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::clock::Clock;

/// 2026-01-01 00:00:00 UTC: a plausible date, the same in every run.
const WALL_START_MICROS: i64 = 1_767_225_600_000_000;

/// The clock of a simulated world.
#[derive(Debug)]
pub struct SimulatedClock {
    nanos: AtomicU64,
    wall_offset_micros: AtomicI64,
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self { nanos: AtomicU64::new(0), wall_offset_micros: AtomicI64::new(WALL_START_MICROS) }
    }
}

impl SimulatedClock {
    /// Lets time pass, on both clocks.
    pub fn advance_nanos(&self, nanos: u64) {
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Sets the wall clock, forwards or back; the monotonic clock goes on.
    pub fn set_wall_micros(&self, micros: i64) {
        let passed = i64::try_from(self.nanos.load(Ordering::Relaxed) / 1000).unwrap_or(i64::MAX);
        self.wall_offset_micros.store(micros.saturating_sub(passed), Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn wall_micros(&self) -> i64 {
        let passed = i64::try_from(self.nanos.load(Ordering::Relaxed) / 1000).unwrap_or(i64::MAX);
        self.wall_offset_micros.load(Ordering::Relaxed).saturating_add(passed)
    }

    fn monotonic_nanos(&self) -> u64 {
        // A step per look, so that a loop that waits for time to pass ends.
        self.nanos.fetch_add(1000, Ordering::Relaxed)
    }
}
