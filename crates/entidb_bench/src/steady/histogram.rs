//! How often something took how long, in memory of a fixed size.
//!
//! Always: a quantile is right to one part in 64, the longest is exact. Memory does not grow with what is counted, so
//! that a long run can measure the memory of the process it counts in.
//! Does not know: what was measured.

use std::time::Duration;

/// Steps within each doubling.
const STEPS: u64 = 64;
/// Doublings above the first `STEPS` nanoseconds: up to an hour.
const DOUBLINGS: usize = 37;

/// How often something took how long.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum_nanos: u64,
    longest_nanos: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS as usize * (DOUBLINGS + 1)], count: 0, sum_nanos: 0, longest_nanos: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let last = self.counts.len().saturating_sub(1);
        if let Some(count) = self.counts.get_mut(slot_of(nanos).min(last)) {
            *count += 1;
        }
        self.count += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
        self.longest_nanos = self.longest_nanos.max(nanos);
    }

    /// Counts what another counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
        self.longest_nanos = self.longest_nanos.max(other.longest_nanos);
    }

    /// How many were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest_nanos)
    }

    /// The time that `permille` of a thousand did not exceed; zero when nothing was counted.
    #[must_use]
    pub fn quantile(&self, permille: u64) -> Duration {
        let wanted = self.count.saturating_mul(permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(end_of(slot).min(self.longest_nanos));
            }
        }
        self.longest()
    }
}

fn slot_of(nanos: u64) -> usize {
    if nanos < STEPS {
        return usize::try_from(nanos).unwrap_or(0);
    }
    // The highest bit says which doubling, the six bits after it which step.
    let doubling = u64::from(nanos.ilog2() - STEPS.ilog2());
    let step = (nanos >> doubling) - STEPS;
    usize::try_from((doubling + 1) * STEPS + step).unwrap_or(usize::MAX)
}

/// The greatest time that is counted in a slot.
fn end_of(slot: usize) -> u64 {
    let slot = slot as u64;
    if slot < STEPS {
        return slot;
    }
    let (doubling, step) = (slot / STEPS - 1, slot % STEPS);
    ((STEPS + step + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_part_in_64() {
        let mut histogram = Histogram::default();
        for micros in 1..=10_000 {
            histogram.add(Duration::from_micros(micros));
        }
        for (permille, micros) in [(1, 10), (500, 5_000), (990, 9_900), (999, 9_990)] {
            let found = histogram.quantile(permille).as_nanos() as f64 / 1000.0;
            assert!((found / f64::from(micros) - 1.0).abs() < 1.0 / 64.0, "{permille}: {found} for {micros}");
        }
        assert_eq!(histogram.longest(), Duration::from_millis(10));
        assert_eq!(histogram.quantile(1000), Duration::from_millis(10));
    }

    #[test]
    fn every_time_lies_within_its_slot() {
        for nanos in (0..2000).chain([u64::from(u32::MAX), 1 << 40, (1 << 41) - 1]) {
            let slot = slot_of(nanos);
            assert!(nanos <= end_of(slot) && (slot == 0 || nanos > end_of(slot - 1)), "{nanos} in {slot}");
        }
    }

    #[test]
    fn what_is_merged_is_counted_once() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.add(Duration::from_millis(1));
        other.add(Duration::from_millis(3));
        one.merge(&other);
        assert_eq!((one.count(), one.longest()), (2, Duration::from_millis(3)));
        assert_eq!(Histogram::default().quantile(500), Duration::ZERO);
    }
}
