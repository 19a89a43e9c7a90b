//! Writes frozen memtables to segments of level 0, a piece at a time.
//!
//! Always: the oldest first, one at a time, whoever does the pieces; the log is flushed up to the memtable before its
//! segments are installed, so what recovery finds in either is one gapless history.
//! Does not know: when it is worth doing (`upkeep`).

use std::sync::atomic::Ordering;

use crate::compaction::{OutputTarget, Piece, Rewrite, RewriteSource};
use crate::engine::maintain::LEVEL_0_SEGMENT_BYTES;
use crate::engine::shared::Shared;
use crate::engine::super_version::Frozen;
use crate::error::{Error, Result};
use crate::planted::{Mistake, makes};
use crate::range_tombstone::RangeTombstones;
use crate::space::{Work, is_no_space};

/// A memtable being written.
pub(crate) struct MemtableFlush {
    frozen: Frozen,
    rewrite: Rewrite,
    begun_nanos: u64,
}

impl Shared {
    /// Goes on with writing the oldest frozen memtable to segments; false when there is none.
    pub(crate) fn flush_piece(&self) -> Result<bool> {
        let done = self.flush_piece_of(&mut self.flushing.lock());
        self.remove_unneeded();
        done
    }

    /// As [`flush_piece`](Self::flush_piece), for the holder of the lock.
    pub(crate) fn flush_piece_of(&self, flushing: &mut Option<MemtableFlush>) -> Result<bool> {
        self.check_open()?;
        if flushing.is_none() {
            *flushing = self.begin_flush()?;
        }
        let Some(flush) = flushing.as_mut() else { return Ok(false) };
        let mut piece = Piece::bounded(self.backend.clock.as_ref());
        match flush.rewrite.step(&|| self.numbers.next(), &mut piece) {
            Ok(false) => return Ok(true),
            Ok(true) => {}
            Err(error) => {
                // Half a memtable is worth nothing: the next piece begins anew.
                *flushing = None;
                return self.flush_found_no_room(error);
            }
        }
        let Some(MemtableFlush { frozen, rewrite, begun_nanos }) = flushing.take() else { return Ok(true) };
        let Some((edit, _)) = rewrite.finish() else {
            return Err(Error::Internal { detail: "a memtable that is written has no result".to_owned() });
        };
        let floor = if makes(Mistake::FloorTooHigh) { frozen.last.next() } else { frozen.last };
        if let Err(error) = self.install(&edit, floor, Some(&frozen)) {
            return self.flush_found_no_room(error);
        }
        self.space.tried(Work::Flush, true, 0);
        self.memtable_flushes.fetch_add(1, Ordering::Relaxed);
        self.pace.flushed(self.backend.clock.monotonic_nanos().saturating_sub(begun_nanos));
        self.signals.merges.wake();
        Ok(true)
    }

    /// Lets the next piece begin anew with the reserve, when a full disk was in the way and there is one.
    fn flush_found_no_room(&self, error: Error) -> Result<bool> {
        if is_no_space(&error) {
            if self.space.give_up_reserve() {
                return Ok(true);
            }
            self.space.tried(Work::Flush, false, self.backend.clock.monotonic_nanos());
        }
        Err(self.judge_failure(error))
    }

    fn begin_flush(&self) -> Result<Option<MemtableFlush>> {
        let view = self.current.load_full();
        let Some(oldest) = view.frozen.last().cloned() else { return Ok(None) };
        self.log()?.flush_to(oldest.last)?;
        let tombstones = if makes(Mistake::RangeDeleteNotWritten) {
            RangeTombstones::default()
        } else {
            oldest.memtable.range_tombstones()
        };
        let source = RewriteSource::new(Box::new(oldest.memtable.cursor()), tombstones);
        // Numbered by history: a later memtable is a newer run.
        let target = OutputTarget {
            level: 0,
            run: oldest.last.0,
            segment_bytes: self.space.segment_bytes(LEVEL_0_SEGMENT_BYTES),
            bytes_max: u64::MAX,
            zones: self.options.zones.clone(),
        };
        let rewrite = Rewrite::flush(&view.version, vec![source], self.live(), target);
        let begun_nanos = self.backend.clock.monotonic_nanos();
        Ok(Some(MemtableFlush { frozen: oldest, rewrite, begun_nanos }))
    }
}
