//! Writes frozen memtables to segments of level 0, a piece at a time.
//!
//! Always: the oldest first, one at a time, on any thread; the log is flushed up to the memtable before its
//! segments are installed, so what recovery finds in either is one gapless history. Where the disk has no room for the
//! oldest, all frozen ones are written as one, because the newer may delete what the older hold.
//! Does not know: when it is worth doing (`upkeep`).

use std::sync::atomic::Ordering;

use crate::compaction::{OutputTarget, Piece, Rewrite, RewriteSource};
use crate::engine::maintain::LEVEL_0_SEGMENT_BYTES;
use crate::engine::shared::Shared;
use crate::engine::super_version::{Frozen, SuperVersion};
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::memtable::Memtable;
use crate::planted::{Mistake, makes};
use crate::range_tombstone::RangeTombstones;
use crate::space::{Contents, LEFT_BYTES, Purpose, RECORDS_BYTES, Work, is_no_space, segment_bytes_of};

/// Memtables being written.
pub(crate) struct MemtableFlush {
    /// Newest first.
    frozen: Vec<Frozen>,
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
            Ok(false) => {
                self.space.flushed_so_far(flush.rewrite.written_bytes());
                return Ok(true);
            }
            Ok(true) => {}
            Err(error) => {
                // Half a memtable is worth nothing: the next piece begins anew.
                self.space.flushed_so_far(0);
                let is_over = flushing.take().is_some_and(|flush| flush.rewrite.is_over());
                return self.flush_found_no_room(error, is_over);
            }
        }
        let Some(MemtableFlush { frozen, rewrite, begun_nanos }) = flushing.take() else { return Ok(true) };
        let Some((edit, _)) = rewrite.finish() else {
            return Err(Error::Internal { detail: "a memtable that is written has no result".to_owned() });
        };
        let last = frozen.first().map_or(Sequence::ZERO, |newest| newest.last);
        let floor = if makes(Mistake::FloorTooHigh) { last.next() } else { last };
        let installed = self.install(&edit, floor, &frozen);
        self.space.flushed_so_far(0);
        if let Err(error) = installed {
            return self.flush_found_no_room(error, false);
        }
        self.space.tried(Work::Flush, true, 0);
        self.memtable_flushes.fetch_add(1, Ordering::Relaxed);
        self.pace.flushed(self.backend.clock.monotonic_nanos().saturating_sub(begun_nanos));
        self.signals.merges.wake();
        Ok(true)
    }

    /// Lets the next piece begin anew with the reserve, when a full disk was in the way and there is one. Where the reserve
    /// was counted on already it stays: what it would have to leave would be gone.
    fn flush_found_no_room(&self, error: Error, is_over: bool) -> Result<bool> {
        if is_no_space(&error) {
            if !is_over && self.space.give_up_reserve_for(Work::Flush) {
                return Ok(true);
            }
            self.space.flush_failed(self.flush_contents(), is_over);
            self.space.tried(Work::Flush, false, self.backend.clock.monotonic_nanos());
        }
        Err(self.judge_failure(error))
    }

    fn begin_flush(&self) -> Result<Option<MemtableFlush>> {
        let view = self.current.load_full();
        let frozen = self.next_to_flush(&view);
        let Some(newest) = frozen.first() else { return Ok(None) };
        self.log()?.flush_to(newest.last)?;
        let tombstones_of = |memtable: &Memtable| {
            if makes(Mistake::RangeDeleteNotWritten) { RangeTombstones::default() } else { memtable.range_tombstones() }
        };
        let source_of =
            |Frozen { memtable, .. }: &Frozen| RewriteSource::new(Box::new(memtable.cursor()), tombstones_of(memtable));
        // Numbered by history: a later memtable is a newer run.
        let target = OutputTarget {
            level: 0,
            run: newest.last.0,
            segment_bytes: self.space.segment_bytes(LEVEL_0_SEGMENT_BYTES),
            bytes_max: u64::MAX,
            zones: self.options.zones.clone(),
        };
        let mut rewrite = Rewrite::flush(
            &view.version,
            frozen.iter().map(source_of).collect(),
            self.live_and_expired_up_to(newest.last),
            target,
        );
        let bytes = segment_bytes_of(frozen.iter().map(|frozen| frozen.memtable.written_bytes()).sum());
        // How much of it is deleted is not known. What it leaves in any case is what lets the files of the log go then.
        let room =
            self.space.room(Purpose::Free).map_or(u64::MAX, |room| room.saturating_sub(self.beside(newest.last)));
        rewrite.limit(room);
        self.space.release(bytes.min(room));
        let begun_nanos = self.backend.clock.monotonic_nanos();
        Ok(Some(MemtableFlush { frozen, rewrite, begun_nanos }))
    }

    /// The oldest frozen memtable, or all of them where the disk has no room for that one.
    fn next_to_flush(&self, view: &SuperVersion) -> Vec<Frozen> {
        match view.frozen.last() {
            Some(oldest) if self.has_room_for(oldest) => vec![oldest.clone()],
            _ => view.frozen.clone(),
        }
    }

    /// True when there is room for it, and for what follows.
    fn has_room_for(&self, frozen: &Frozen) -> bool {
        // Of one that is being written a part has its room already: the rest would not be written for want of what it took.
        let bytes = segment_bytes_of(frozen.memtable.written_bytes()).saturating_sub(self.space.flushed());
        self.space.has_room(Purpose::Free, bytes.saturating_add(self.beside(frozen.last)))
    }

    /// What must be left when commits up to this one are in segments: room for records, and for a file of the log where none
    /// can go before the log has begun anew.
    fn beside(&self, last: Sequence) -> u64 {
        let frees_files = self.log.as_ref().is_some_and(|log| log.has_files_before(last));
        if frees_files { RECORDS_BYTES } else { LEFT_BYTES }
    }

    /// True when the memtables can be written to segments, whatever in them is deleted. They are when a file of the log is
    /// made for them, until others take what is left.
    pub(crate) fn memtables_fit(&self) -> bool {
        // Of the memtable that is being written a part has its room already.
        let bytes = segment_bytes_of(self.unflushed_bytes()).saturating_sub(self.space.flushed());
        bytes == 0 || self.space.has_room(Purpose::Free, bytes.saturating_add(LEFT_BYTES))
    }

    /// True when the disk has room for the oldest frozen memtable, or some of them hold deletions, so that all of them may
    /// take little. Somebody who asks for a flush gets a try even so.
    pub(crate) fn has_room_to_flush(&self) -> bool {
        let view = self.current.load();
        let has_room = view.frozen.last().is_none_or(|oldest| self.has_room_for(oldest));
        has_room || view.frozen.iter().any(|frozen| frozen.memtable.has_deletions())
    }

    /// What decides how large the memtables are as segments.
    pub(crate) fn flush_contents(&self) -> Contents {
        (self.unflushed_bytes(), self.live().oldest().0)
    }

    /// About how many bytes are in memtables and not in segments.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        self.current.load().memtables().map(|memtable| memtable.written_bytes()).sum()
    }
}
