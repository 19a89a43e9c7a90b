//! Whether a flush is worth holding back for the commits that are about to come.
//!
//! Always: a writer who is alone never waits; a wait is bounded by a part of what a flush takes, and where waits are in
//! vain they become rare.
//! Does not know: how anyone waits (`wait`), or what is flushed (`leader`).

use std::time::Duration;

/// A flush is held back no longer than one part in this many of the time it takes.
const PATIENCE_PART: u64 = 4;
/// A wait that may take no longer than this is none: a system ends it up to 50 us late.
const PATIENCE_MIN: Duration = Duration::from_micros(20);
/// Flushes that are begun at once after waits in vain, at most.
const SKIPS_MAX: u32 = 256;

/// What the last flushes tell about the next.
///
/// A thread woken by the end of a flush returns with its next commit a moment later. Without this the first one back
/// flushed for itself alone, and everyone else waited for that flush and for the one after it.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// Durable commits that the next flush should cover: those of the last one, and those that came during it.
    expected: usize,
    /// How long a flush takes, as a moving average.
    flush_nanos: u64,
    /// Somebody holds the next flush back.
    held: bool,
    /// Flushes to begin without waiting.
    skips_left: u32,
    /// How many there will be of those after the next wait in vain.
    skips_next: u32,
}

impl Gather {
    /// How long to hold back a flush that covers `waiting` commits; nothing when it should begin now.
    pub(super) fn patience(&mut self, waiting: usize) -> Option<Duration> {
        if waiting >= self.expected {
            return None;
        }
        if self.skips_left > 0 {
            self.skips_left = self.skips_left.saturating_sub(1);
            return None;
        }
        Some(Duration::from_nanos(self.flush_nanos / PATIENCE_PART)).filter(|time| *time >= PATIENCE_MIN)
    }

    /// True while somebody holds the next flush back, and begins it if nobody else does.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// What holding a flush back was good for: whether anybody came meanwhile.
    pub(super) fn learn(&mut self, came: bool) {
        self.skips_next = if came { 0 } else { self.skips_next.saturating_mul(2).clamp(1, SKIPS_MAX) };
        self.skips_left = self.skips_next;
    }

    /// A flush begins, which covers whatever waits.
    pub(super) fn begun(&mut self) {
        self.held = false;
    }

    /// A flush that took `nanos` covered `covered` durable commits, and `came` arrived during it.
    pub(super) fn flushed(&mut self, nanos: u64, covered: usize, came: usize) {
        self.expected = covered.saturating_add(came);
        let before = if self.flush_nanos == 0 { nanos } else { self.flush_nanos };
        self.flush_nanos = (before / 8).saturating_mul(7).saturating_add(nanos / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLUSH: u64 = 1_000_000;

    #[test]
    fn a_writer_who_is_alone_never_waits() {
        let mut gather = Gather::default();
        for _ in 0..100 {
            assert_eq!(gather.patience(1), None);
            gather.flushed(FLUSH, 1, 0);
        }
    }

    #[test]
    fn those_who_were_woken_are_waited_for_until_they_are_there() {
        let mut gather = Gather::default();
        gather.flushed(FLUSH, 1, 7);
        let patience = gather.patience(7).map_or(0, |time| time.as_nanos());
        assert!(patience > 0 && patience <= u128::from(FLUSH / PATIENCE_PART), "{patience}");
        assert_eq!(gather.patience(8), None);
    }

    #[test]
    fn nobody_waits_for_a_flush_that_takes_no_time() {
        let mut gather = Gather::default();
        gather.flushed(50_000, 1, 7);
        assert_eq!(gather.patience(1), None);
    }

    #[test]
    fn waiting_in_vain_becomes_rare() {
        let mut gather = Gather::default();
        let mut waits = 0;
        for _ in 0..10_000 {
            gather.flushed(FLUSH, 1, 1);
            if gather.patience(1).is_some() {
                waits += 1;
                gather.learn(false);
            }
        }
        assert!(waits < 60, "{waits}");
        // One wait that was worth it is enough to wait again.
        gather.learn(true);
        assert!(gather.patience(1).is_some());
    }
}
