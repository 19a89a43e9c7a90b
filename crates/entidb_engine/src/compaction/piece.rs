//! How much of a rewrite is done at once.
//!
//! Always: a piece ends after the entry that reaches its bytes or its time, so it makes progress, and its length does
//! not depend on how large the rewrite is. Bytes read and bytes written both count.
//! Does not know: what is rewritten.

use entidb_storage::Clock;

/// Bytes that a piece reads and writes, before compression.
pub(crate) const PIECE_BYTES: u64 = 8 * 1024 * 1024;
/// How long a piece works. Storage that is slower than this makes a piece end earlier, after the call it waits in.
const PIECE_NANOS: u64 = 20_000_000;
/// Bytes between looks at the clock.
const LOOK_BYTES: u64 = 64 * 1024;
/// What an entry costs beside its key and value.
const ENTRY_BYTES: u64 = 16;

/// The rest of a piece.
pub(crate) struct Piece<'a> {
    bytes_left: u64,
    look_at: u64,
    until: Option<(&'a dyn Clock, u64)>,
}

impl<'a> Piece<'a> {
    /// A piece between which others proceed.
    pub(crate) fn bounded(clock: &'a dyn Clock) -> Self {
        let until = clock.monotonic_nanos().saturating_add(PIECE_NANOS);
        Self { bytes_left: PIECE_BYTES, look_at: PIECE_BYTES - LOOK_BYTES, until: Some((clock, until)) }
    }

    /// All of the rewrite, where nobody else is there.
    pub(crate) const fn whole() -> Self {
        Self { bytes_left: u64::MAX, look_at: 0, until: None }
    }

    /// A piece of this many bytes, however long that takes.
    #[cfg(test)]
    pub(crate) const fn of_bytes(bytes: u64) -> Self {
        Self { bytes_left: bytes, look_at: 0, until: None }
    }

    /// Counts an entry that is read, or written.
    pub(super) fn spend(&mut self, key: &[u8], value: &[u8]) {
        let bytes = (key.len() as u64).saturating_add(value.len() as u64).saturating_add(ENTRY_BYTES);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }

    /// True when the piece should end here.
    pub(super) fn is_over(&mut self) -> bool {
        if self.bytes_left == 0 {
            return true;
        }
        let Some((clock, until)) = self.until else { return false };
        if self.bytes_left > self.look_at {
            return false;
        }
        self.look_at = self.bytes_left.saturating_sub(LOOK_BYTES);
        clock.monotonic_nanos() >= until
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use entidb_storage::ManualClock;

    use super::*;

    #[test]
    fn a_piece_ends_with_its_bytes_or_its_time() {
        let clock = ManualClock::new(0);
        let entry = [0; 1024];
        let entries = |clock: &ManualClock, each: Duration| {
            let mut piece = Piece::bounded(clock);
            let mut count = 0_u64;
            while !piece.is_over() {
                piece.spend(b"", &entry);
                clock.advance(each);
                count += 1;
            }
            count
        };
        assert_eq!(entries(&clock, Duration::ZERO), PIECE_BYTES.div_ceil(1024 + ENTRY_BYTES));
        let slow = entries(&clock, Duration::from_millis(1));
        assert!((20..=20 + LOOK_BYTES / 1024).contains(&slow), "{slow}");
        let huge = vec![0; PIECE_BYTES as usize + 1];
        let mut piece = Piece::bounded(&clock);
        assert!(!piece.is_over(), "progress is made");
        piece.spend(b"", &huge);
        assert!(piece.is_over());
    }
}
