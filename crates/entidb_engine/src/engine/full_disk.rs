//! What is done when the disk is full: what makes room comes first, and what would add is refused.
//!
//! Always: a commit that finds no room in the log first lets everything in the log go to segments, where that frees more
//! than it takes; only then it is refused, and nothing of it was written. Deletions go on from the reserve.
//! Does not know: how much room there is (`space`).

use crate::engine::shared::Shared;
use crate::error::{Error, Result};
use crate::format::FileKind;
use crate::planted::{Mistake, makes};
use crate::space::{LOG_BYTES_LEAST, Purpose, Work, is_no_space, no_space, segment_bytes_of};
use crate::transaction::WriteBuffer;

/// A merge that does not fit gives back what it has read after this part of the room.
const MERGE_ROOM_PART: u64 = 2;
/// The least that is worth merging at once. Where much is deleted, it gives back many times what it takes.
const MERGE_BYTES_LEAST: u64 = 8 * 1024;

/// How often a commit has asked for room in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tries {
    /// Not yet.
    #[default]
    None,
    /// In vain; room was made then.
    MadeRoom,
    /// In vain even so; from here on the reserve is used.
    FromReserve,
}

impl Tries {
    pub(crate) const fn purpose(self) -> Purpose {
        match self {
            Self::None | Self::MadeRoom => Purpose::Add,
            Self::FromReserve => Purpose::Free,
        }
    }
}

impl Shared {
    /// Decides what follows when a commit found no room in the log: returns when it is to try again.
    pub(crate) fn when_the_log_is_full(&self, tries: &mut Tries, buffer: &WriteBuffer, error: Error) -> Result<()> {
        if !is_no_space(&error) {
            return Err(error);
        }
        if *tries == Tries::None && self.empty_the_log()? {
            *tries = Tries::MadeRoom;
            return Ok(());
        }
        if *tries != Tries::FromReserve && buffer.frees() {
            *tries = Tries::FromReserve;
            return Ok(());
        }
        self.space.note(false);
        self.signals.merges.wake();
        Err(error)
    }

    /// Takes everything in the log to segments when the files that go then are larger than what comes. True when that was
    /// done.
    fn empty_the_log(&self) -> Result<bool> {
        if !makes(Mistake::RemovedAfterMerging) {
            self.remove_obsolete();
        }
        let log = self.log()?;
        if let Some(number) = log.give_up_spent() {
            let _ = self.backend.directory.remove(&FileKind::Wal.path(number));
        }
        let comes = segment_bytes_of(log.bytes()).saturating_add(2 * LOG_BYTES_LEAST);
        if log.disk_bytes() <= comes
            || !self.space.has_room(Purpose::Free, log.bytes())
            || !self.space.may_try(Work::Flush, self.backend.clock.monotonic_nanos())
        {
            return Ok(false);
        }
        match self.checkpoint() {
            Ok(_) => Ok(true),
            Err(error) if is_no_space(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How much a merge of files of this many bytes may write before it gives back what it has read.
    pub(crate) fn room_to_merge(&self, bytes: u64, is_asked_for: bool) -> Result<u64> {
        let now = self.backend.clock.monotonic_nanos();
        let purpose = if is_asked_for || self.space.is_short() { Purpose::Free } else { Purpose::Add };
        let Some(room) = self.space.room(purpose) else { return Ok(u64::MAX) };
        let needed = segment_bytes_of(bytes);
        let part = if room >= needed { needed } else { room / MERGE_ROOM_PART };
        let is_resting = !is_asked_for && !self.space.may_try(Work::Merge, now);
        if part < MERGE_BYTES_LEAST.min(needed) || is_resting {
            // Not begun: it would write what it can, and remove it again.
            self.space.note(false);
            return Err(no_space(FileKind::Segment.folder()));
        }
        if purpose == Purpose::Free && room.saturating_sub(self.space.held()) < part {
            self.space.give_up_reserve();
        }
        Ok(if part == needed { u64::MAX } else { part })
    }

    /// Lets the next piece plan anew with the reserve, when a full disk was in the way of a merge and there is one.
    pub(crate) fn merge_found_no_room(&self, error: Error) -> Result<()> {
        if is_no_space(&error) {
            if self.space.give_up_reserve() {
                return Ok(());
            }
            self.space.tried(Work::Merge, false, self.backend.clock.monotonic_nanos());
        }
        Err(self.judge_failure(error))
    }

    /// Keeps the reserve, or makes it again when there is room. True when it was made.
    pub(crate) fn keep_reserve(&self) -> bool {
        let Some(log) = &self.log else { return false };
        let version = &self.current.load().version;
        let bytes = version.bytes().saturating_add(log.disk_bytes());
        self.space.keep_reserve(bytes, self.options.segment_bytes, self.backend.clock.monotonic_nanos())
    }

    /// True when the disk has room for what everything in the log becomes. Much of it may be deleted and become nothing,
    /// so that somebody who asks for a flush gets a try even so.
    pub(crate) fn has_room_to_flush(&self) -> bool {
        let view = self.current.load();
        let frozen: u64 = view.frozen.iter().map(|frozen| frozen.memtable.bytes() as u64).sum();
        let bytes = self.log.as_ref().map_or(frozen, |log| frozen.min(log.bytes()));
        self.space.has_room(Purpose::Free, bytes)
    }
}
