//! What a clock must do, the operating system's one, and one that stands still.
//!
//! Always: monotonic time never goes back; wall time may jump and nothing stored may depend on its order.
//! Does not know: time zones.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01 UTC; negative before. May jump in either direction.
    fn wall_micros(&self) -> i64;
    /// Nanoseconds since some fixed moment of this process; never goes back.
    fn monotonic_nanos(&self) -> u64;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real wall clock")]
    fn wall_micros(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real monotonic clock")]
    fn monotonic_nanos(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that moves only when told, for tests.
///
/// ```
/// use entidb_storage::{Clock, ManualClock};
/// use std::time::Duration;
/// let clock = ManualClock::new(1_000_000);
/// clock.advance(Duration::from_millis(5));
/// assert_eq!(clock.wall_micros(), 1_005_000);
/// clock.set_wall_micros(-1); // somebody set the clock back; monotonic time does not care
/// assert_eq!((clock.wall_micros(), clock.monotonic_nanos()), (-1, 5_000_000));
/// ```
#[derive(Debug, Default)]
pub struct ManualClock {
    wall_micros: AtomicI64,
    monotonic_nanos: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `wall_micros` and stands still; its monotonic time is 0.
    #[must_use]
    pub fn new(wall_micros: i64) -> Self {
        Self { wall_micros: AtomicI64::new(wall_micros), monotonic_nanos: AtomicU64::new(0) }
    }

    /// Sets the wall clock, in either direction.
    pub fn set_wall_micros(&self, wall_micros: i64) {
        self.wall_micros.store(wall_micros, Ordering::SeqCst);
    }

    /// Lets time pass on both clocks. They stop at the end of their range.
    pub fn advance(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
        let _always_some = self.wall_micros.fetch_update(set, get, |now| Some(now.saturating_add(micros)));
        let _always_some = self.monotonic_nanos.fetch_update(set, get, |now| Some(now.saturating_add(nanos)));
    }
}

impl Clock for ManualClock {
    fn wall_micros(&self) -> i64 {
        self.wall_micros.load(Ordering::SeqCst)
    }

    fn monotonic_nanos(&self) -> u64 {
        self.monotonic_nanos.load(Ordering::SeqCst)
    }
}
