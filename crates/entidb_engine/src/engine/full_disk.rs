//! What is done when the disk is full: what makes room comes first, and what would add is refused.
//!
//! Always: a put that finds no room in the log first lets everything in the log go to segments, where that makes room; a
//! deletion lets memtables be written and segments be merged until there is room for it, and takes none that these need.
//! What is refused is not written. Only when others have taken what was left for the memtables may deletions use half of
//! what is left, because they may be what frees room.
//! Does not know: how much room there is (`space`).

use std::sync::atomic::Ordering;

use entidb_storage::ErrorKind;

use crate::engine::shared::Shared;
use crate::engine::upkeep::InOtherHands;
use crate::error::{Error, Result};
use crate::format::FileKind;
use crate::interrupt;
use crate::planted::{Mistake, makes};
use crate::space::{LOG_BYTES_LEAST, MERGE_BYTES_LEAST, Purpose, Work, is_no_space, no_space, segment_bytes_of};
use crate::transaction::WriteBuffer;

/// Pieces of merging that one deletion waits for, each of up to 20 ms, and a put that finds a full disk.
const PIECES_MAX: usize = 4_000;
const PIECES_OF_PUT_MAX: usize = 250;

/// Segments that cannot be read and that one commit meets in merges before it merges no more.
const UNREADABLE_MAX: usize = 8;

/// How a commit looks for room in the log.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    asked: Asked,
    /// The failure of a memtable flush other than a full disk.
    met: Option<Error>,
}

/// How often a commit has asked for room in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Asked {
    /// Not yet.
    #[default]
    None,
    /// In vain; room was made then.
    MadeRoom,
    /// In vain; what was deleted before was written and merged.
    Deleted,
    /// In vain even so; with the room that made, the log was emptied.
    Emptied,
    /// In vain even so; from here on the reserve is used.
    FromReserve,
    /// In vain; memtables were written and segments merged.
    Merged,
    /// In vain even so: perhaps this is what will free room.
    Last,
}

impl Tries {
    pub(crate) const fn purpose(&self) -> Purpose {
        match self.asked {
            Asked::None | Asked::MadeRoom | Asked::Deleted | Asked::Emptied => Purpose::Add,
            Asked::FromReserve => Purpose::Free,
            Asked::Merged => Purpose::Tight,
            Asked::Last => Purpose::Last,
        }
    }
}

impl Shared {
    /// Decides what follows when a commit found no room in the log: returns when it is to try again.
    pub(crate) fn when_the_log_is_full(&self, tries: &mut Tries, buffer: &WriteBuffer, error: Error) -> Result<()> {
        if !is_no_space(&error) {
            return Err(error);
        }
        let Tries { asked, met } = tries;
        if *asked == Asked::None && self.empty_the_log(met)? {
            *asked = Asked::MadeRoom;
            return Ok(());
        }
        let least = buffer.bytes().saturating_add(LOG_BYTES_LEAST / 2).next_multiple_of(4096).max(LOG_BYTES_LEAST);
        let room_for = |purpose| self.space.log_bytes(purpose, least, least, self.unflushed_bytes()).is_some();
        // A write that failed says more than the want of room that came of it.
        let refuse = |met: &mut Option<Error>| Err(self.refused(buffer.frees(), met.take().unwrap_or(error)));
        *asked = if buffer.frees() {
            match *asked {
                Asked::None | Asked::MadeRoom | Asked::Deleted | Asked::Emptied => Asked::FromReserve,
                Asked::FromReserve => {
                    self.write_and_merge(&|| room_for(Purpose::Free), met)?;
                    Asked::Merged
                }
                Asked::Merged => Asked::Last,
                Asked::Last => return refuse(met),
            }
        } else {
            let is_enough = || room_for(Purpose::Add) || self.is_worth_emptying();
            match *asked {
                Asked::None | Asked::MadeRoom if self.memtables_hold_deletions() => {
                    self.write_and_merge(&is_enough, met)?;
                    Asked::Deleted
                }
                Asked::None | Asked::MadeRoom => {
                    // What was deleted or replaced before may be in segments, and no merge may have got to it yet.
                    self.merge_until(PIECES_OF_PUT_MAX, &is_enough)?;
                    Asked::Deleted
                }
                Asked::Deleted if self.empty_the_log(met)? => Asked::Emptied,
                _ => return refuse(met),
            }
        };
        Ok(())
    }

    /// True when something is deleted in memory alone, so that merging cannot give it back yet.
    fn memtables_hold_deletions(&self) -> bool {
        self.current.load().memtables().any(|memtable| memtable.has_deletions())
    }

    /// Says why a commit is refused, and lets the background make what room it can.
    pub(crate) fn refused(&self, frees: bool, error: Error) -> Error {
        self.space.refuse();
        self.idle.store(false, Ordering::Release);
        self.signals.memtables.wake();
        self.signals.merges.wake();
        match error {
            Error::Storage(cause) if cause.kind == ErrorKind::NoSpace => Error::NoRoom { frees, cause },
            other => other,
        }
    }

    /// Does one step on the thread whose commit was refused, where no other thread does them.
    pub(crate) fn step_after_refusal(&self, error: &Error) {
        if is_no_space(error) {
            self.step_inline();
        }
    }

    /// Looks for room for a transaction that becomes segments of this many bytes.
    pub(crate) fn find_room(&self, purpose: Purpose, bytes: u64) -> Result<()> {
        let needed = || segment_bytes_of(self.unflushed_bytes()).saturating_add(bytes).saturating_add(LOG_BYTES_LEAST);
        let has_room = || self.space.has_room(purpose, needed());
        if has_room() {
            return Ok(());
        }
        self.give_up_unneeded();
        let mut met = None;
        if purpose == Purpose::Free || self.memtables_hold_deletions() {
            self.write_and_merge(&has_room, &mut met)?;
        }
        if has_room() {
            return Ok(());
        }
        // Before anything is written: it would be removed again.
        let frees = purpose != Purpose::Add;
        Err(self.refused(frees, met.unwrap_or_else(|| no_space(FileKind::Segment.folder()))))
    }

    /// Removes files that nobody needs.
    fn give_up_unneeded(&self) {
        if !makes(Mistake::RemovedAfterMerging) {
            self.remove_obsolete();
        }
        if let Some(number) = self.log.as_ref().and_then(|log| log.give_up_spent()) {
            let _ = self.backend.directory.remove(&FileKind::Wal.path(number));
            self.space.gave_back();
        }
    }

    /// Takes everything in the log to segments when the files that go then are larger than what comes, or there is room
    /// for more beside them. True when that was done.
    fn empty_the_log(&self, met: &mut Option<Error>) -> Result<bool> {
        self.give_up_unneeded();
        if self.is_worth_emptying() { self.try_checkpoint(met) } else { Ok(false) }
    }

    fn is_worth_emptying(&self) -> bool {
        let Some(log) = &self.log else { return false };
        let unflushed = self.unflushed_bytes().min(log.bytes());
        let comes = segment_bytes_of(unflushed).saturating_add(2 * LOG_BYTES_LEAST);
        let frees = log.disk_bytes() > comes && self.space.has_room(Purpose::Free, unflushed);
        let leaves = unflushed > 0 && self.space.has_room(Purpose::Add, comes.saturating_add(2 * LOG_BYTES_LEAST));
        let may_flush = || self.space.may_flush(self.flush_contents(), self.backend.clock.monotonic_nanos());
        (frees || leaves) && may_flush()
    }

    /// True when there was room for it. Another failure does not refuse the commit; it is reported if no room is found.
    fn try_checkpoint(&self, met: &mut Option<Error>) -> Result<bool> {
        match self.checkpoint() {
            Ok(_) => return Ok(true),
            Err(error) if is_no_space(&error) => {}
            Err(error) => *met = Some(self.unless_it_ends_the_call(error)?),
        }
        Ok(false)
    }

    /// Returns the error when the call must end: it was interrupted, the database is closed, or writing has stopped.
    fn unless_it_ends_the_call(&self, error: Error) -> Result<Error> {
        if error.is_interruption() {
            return Err(error);
        }
        self.check_open()?;
        self.log()?.check()?;
        Ok(error)
    }

    /// Writes memtables and merges until there is room enough, or no more can be made.
    fn write_and_merge(&self, is_enough: &dyn Fn() -> bool, met: &mut Option<Error>) -> Result<()> {
        self.give_up_unneeded();
        let unflushed = self.unflushed_bytes();
        let now = self.backend.clock.monotonic_nanos();
        let may_flush = self.space.may_flush_at_once(self.flush_contents(), now);
        // A merge under way may have the room that a memtable needs, and can begin again.
        if unflushed > 0
            && (may_flush || makes(Mistake::FlushedForEachRefusal))
            && !self.try_checkpoint(met)?
            && self.give_up_merge()
        {
            self.try_checkpoint(met)?;
        }
        self.merge_until(PIECES_MAX, is_enough)
    }

    /// Merges until there is room enough, or no merge is worth it or finds room. A segment that is damaged or cannot be read
    /// rests, and other segments are merged; the statistics tell why. No failure of a merge refuses the commit: it may find
    /// room without.
    fn merge_until(&self, pieces_max: usize, is_enough: &dyn Fn() -> bool) -> Result<()> {
        let mut unreadable = 0;
        for _ in 0..pieces_max {
            if is_enough() {
                break;
            }
            interrupt::check()?;
            match self.merge_piece(InOtherHands::Wait) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if is_no_space(&error) => break,
                Err(error) if self.is_of_segment(&error) && makes(Mistake::UnreadableEndsCommit) => return Err(error),
                Err(error) if self.is_of_segment(&error) && unreadable < UNREADABLE_MAX => unreadable += 1,
                Err(error) => {
                    self.unless_it_ends_the_call(error)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Removes what the merge under way has written; true when there was one.
    fn give_up_merge(&self) -> bool {
        let mut merging = self.merging.lock();
        let running = merging.is_running();
        merging.restart();
        running
    }

    /// How much a merge of files of this many bytes may write before it gives back what it has read. It leaves what the
    /// memtables need.
    pub(crate) fn room_to_merge(&self, bytes: u64, is_asked_for: bool) -> Result<u64> {
        let now = self.backend.clock.monotonic_nanos();
        let purpose = if is_asked_for || self.space.is_short() { Purpose::Free } else { Purpose::Add };
        let is_resting = !is_asked_for && !self.space.may_try(Work::Merge, now);
        let needed = segment_bytes_of(bytes);
        let room = match self.space.room_to_merge(purpose, needed, self.unflushed_bytes()) {
            Some(room) => room,
            // Where nobody tells, only trying does, and not again and again.
            None if is_resting => return Err(no_space(FileKind::Segment.folder())),
            None => return Ok(u64::MAX),
        };
        let part = needed.min(room);
        if part < MERGE_BYTES_LEAST.min(needed) || is_resting {
            // Not begun: it would write what it can, and remove it again.
            self.space.note(false);
            return Err(no_space(FileKind::Segment.folder()));
        }
        if purpose == Purpose::Free {
            self.space.release(part);
        }
        Ok(if part == needed { u64::MAX } else { part })
    }

    /// Lets the next piece plan anew with the reserve, when a full disk was in the way of a merge and there is one.
    pub(crate) fn merge_found_no_room(&self, error: Error) -> Result<()> {
        if is_no_space(&error) {
            if self.space.give_up_reserve_for(Work::Merge) {
                return Ok(());
            }
            self.space.tried(Work::Merge, false, self.backend.clock.monotonic_nanos());
        }
        Err(self.judge_failure(error))
    }

    /// Keeps the reserve, or makes it again when there is room. True when there is more of it.
    pub(crate) fn keep_reserve(&self) -> bool {
        let Some(log) = &self.log else { return false };
        let version = &self.current.load().version;
        let bytes = version.bytes().saturating_add(log.disk_bytes());
        let now = self.backend.clock.monotonic_nanos();
        self.space.keep_reserve(bytes, self.options.segment_bytes, self.unflushed_bytes(), now)
    }
}
