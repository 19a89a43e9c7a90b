//! The work that keeps a database in shape, in pieces: memtables to segments, segments merged, files removed.
//!
//! Always: a piece is bounded by bytes and time ([`Piece`](crate::compaction::Piece)), and no lock is held from one
//! piece to the next, so that commits, reads, a checkpoint and `close` proceed between any two of them.
//!
//! Threads, a caller of `maintain`, a caller of `checkpoint` or `compact` and a large transaction may all do pieces at
//! once. Four locks keep them apart; they are taken in this order, each for one piece only:
//!
//! 1. `merging`: the merge under way and the requests for compaction. Its holder alone removes segments from the version.
//! 2. `ingesting`: the segments of a large transaction being made. Held for all of it, because the transaction holds the
//!    right to write as well; it looks whether the database is closed between pieces.
//! 3. `flushing`: the memtable being written. Its holder alone takes frozen memtables away.
//! 4. `installer`: the manifest. The version changes under it only ([`Shared::install`](super::Shared)), and each change
//!    applies to the version that is current then, which may be newer than the one its maker planned with.
//!
//! A waiter for one of them comes before a thread that gives it back and goes on with the next piece
//! ([`FairMutex`]). The right to write comes before all of them and the commit lock after all but `installer`; a commit takes none of the
//! four. What makes a memtable or a large transaction and a merge fit together in either order:
//!
//! - memtables and transactions only add runs to level 0, each newer than every run before it;
//! - a merge reads segments that are in the version until it removes them itself, and what it writes lies deeper than any
//!   run that came meanwhile;
//! - a merge invents no key. Who found that nothing older of a key exists, and dropped a deletion for that, stays right.
//!
//! Does not know: who does the pieces (`background`).

use std::sync::atomic::Ordering;

use crate::sync::{FairMutex, MutexGuard};

use crate::engine::shared::Shared;
use crate::error::Result;
use crate::format::FileKind;
use crate::planted::{Mistake, makes};
use crate::space::{is_no_space, no_space};
use crate::transaction::WriteBuffer;

/// What somebody does who finds the work in other hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InOtherHands {
    /// Waits for the end of the piece and does the next one.
    Wait,
    /// Leaves it there.
    Leave,
}

impl InOtherHands {
    fn lock<T>(self, lock: &FairMutex<T>) -> Option<MutexGuard<'_, T>> {
        match self {
            Self::Wait => Some(lock.lock()),
            Self::Leave => lock.try_lock(),
        }
    }
}

impl Shared {
    /// Does one piece of the most urgent work; false when there is nothing to do.
    pub(crate) fn step(&self, busy: InOtherHands) -> Result<bool> {
        // Said before looking: what comes to be done meanwhile takes it back.
        self.idle.store(true, Ordering::Release);
        let done = match self.memtable_piece(busy) {
            Ok(true) => Ok(true),
            Ok(false) => self.merge_piece(busy),
            // A merge may make the room that a memtable needs.
            Err(error) if is_no_space(&error) => match self.merge_piece(busy) {
                Ok(true) => Ok(true),
                _ => Err(error),
            },
            Err(error) => Err(error),
        };
        if !matches!(done, Ok(false)) {
            self.idle.store(false, Ordering::Release);
        }
        done
    }

    /// Does one piece of the work on the log's files and the memtables; false when there is nothing to do.
    pub(crate) fn memtable_piece(&self, busy: InOtherHands) -> Result<bool> {
        let done = self.next_memtable_piece(busy);
        self.signals.memtables.note(done.as_ref().err().cloned());
        self.remove_unneeded();
        done
    }

    fn next_memtable_piece(&self, busy: InOtherHands) -> Result<bool> {
        let Some(log) = &self.log else { return Ok(false) };
        self.check_open()?;
        log.check()?;
        // First, because a commit that finds no room makes the file itself and waits for it. On a full disk there is none
        // to be made ahead, and the memtables go to segments all the same: that is what frees the files before it.
        if log.wants_spare() && log.prepare_ahead(&|| self.unflushed_bytes())? {
            return Ok(true);
        }
        self.space.overdraw(!self.memtables_fit());
        let (has_frozen, has_deletions) = {
            let view = self.current.load();
            (!view.frozen.is_empty(), view.active.has_deletions())
        };
        let may_try = || self.space.may_flush(self.flush_contents(), self.backend.clock.monotonic_nanos());
        if has_frozen && !(self.has_room_to_flush() && may_try()) {
            if has_deletions && may_try() {
                // What is deleted since may leave so little of all of it that there is room for that.
                self.freeze()?;
                return Ok(true);
            }
            return Err(no_space(FileKind::Segment.folder()));
        }
        let Some(mut flushing) = busy.lock(&self.flushing) else { return Ok(true) };
        if self.flush_piece_of(&mut flushing)? {
            return Ok(true);
        }
        drop(flushing);
        if self.checkpoint_is_due() {
            self.space.is_looked_to();
            self.freeze()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// True when these changes would go to memtables that there is no room to write. Others have taken it since the file of
    /// the log was made, and what is added now would be stuck there as well.
    pub(crate) fn is_overdrawn_for(&self, buffer: &WriteBuffer) -> bool {
        self.space.is_overdrawn() && !buffer.frees() && !self.memtables_fit()
    }

    /// Removes a few files nobody reads, or does one piece of merging; false when there is nothing to do.
    pub(crate) fn merge_piece(&self, busy: InOtherHands) -> Result<bool> {
        let done = self.next_merge_piece(busy);
        self.signals.merges.note(done.as_ref().err().cloned());
        self.remove_unneeded();
        done
    }

    fn next_merge_piece(&self, busy: InOtherHands) -> Result<bool> {
        let Some(log) = &self.log else { return Ok(false) };
        self.check_open()?;
        log.check()?;
        // Merges open segments as well.
        self.watch_indexes();
        // Before merging and not only when there is nothing else to do: under a steady load there always is.
        if !makes(Mistake::RemovedAfterMerging) && self.remove_some() {
            return Ok(true);
        }
        let Some(mut merging) = busy.lock(&self.merging) else { return Ok(true) };
        // Before merging, which may take long: others may take the room. A merge under way has been promised some of it.
        let is_promised = merging.is_running() && !makes(Mistake::ReserveTakesPromised);
        if !is_promised && self.space.is_reserve_due() && self.keep_reserve_unless_flushing() {
            return Ok(true);
        }
        if self.compaction_piece(&mut merging)? {
            return Ok(true);
        }
        drop(merging);
        if self.remove_some() {
            return Ok(true);
        }
        Ok(self.keep_reserve_unless_flushing())
    }

    /// What a flush was promised is not for the reserve. Closed meanwhile, the folder may be somebody else's.
    fn keep_reserve_unless_flushing(&self) -> bool {
        let flushing = self.flushing.try_lock();
        flushing.is_some_and(|flushing| flushing.is_none() && !self.is_closed() && self.keep_reserve())
    }

    /// Flushes commits whose interval is over.
    pub(crate) fn flush_log_if_due(&self) -> Result<()> {
        match &self.log {
            Some(log) if log.flush_due_in().is_some_and(|due| due.is_zero()) => log.flush_all(),
            _ => Ok(()),
        }
    }

    /// Does one step on the thread of a commit that is done, where no other thread does them and one is waiting. Its
    /// failure is not the commit's: the writer that will have to wait because of it meets it again. A commit that is done
    /// waits for no work of others.
    pub(crate) fn step_inline(&self) {
        if self.options.background && self.backend.threads.parallelism() > 0 {
            return;
        }
        let idle = self.idle.load(Ordering::Acquire)
            && self.log.as_ref().is_none_or(|log| !log.wants_spare())
            && !self.removals.is_due(|| self.backend.clock.monotonic_nanos())
            && !self.checkpoint_is_due();
        if idle {
            return;
        }
        let _ = self.step(InOtherHands::Leave);
    }

    fn checkpoint_is_due(&self) -> bool {
        let Some(log) = &self.log else { return false };
        let is_long = || {
            log.bytes() >= self.options.wal_bytes
                && self.current.load().active.logged_bytes() >= self.options.wal_bytes / 8
        };
        self.options.auto_checkpoint && is_long() || self.memtable_may_make_room()
    }

    /// True when something was refused for want of room, or the memtables find none, and the memtable holds deletions: as long
    /// as they are in memory alone, merging cannot give back what they delete, nor do the memtables get smaller.
    fn memtable_may_make_room(&self) -> bool {
        (self.space.is_wanted() || self.space.is_overdrawn()) && self.current.load().active.has_deletions()
    }
}
