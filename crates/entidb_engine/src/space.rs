//! Room on the disk: how much there is, for whom, and a reserve for when there is none.
//!
//! Always: what adds to the database is refused while there is still room to write its memtables to segments and to merge,
//! so that deletions, flushes and merges can go on and make room. Where nobody tells how much is free, only the reserve does
//! that. The reserve is a file, because another program takes whatever is merely left alone.
//! Does not know: what is written, or how room is made (`engine::upkeep`).
//! Format: docs/spec/file-format.md, "RESERVE".

use std::sync::Arc;

use entidb_storage::{Directory, ErrorKind, OpenMode, Operation};

use crate::error::{Error, Result};
use crate::planted::{Mistake, makes};
use crate::sync::Mutex;

/// The name of the reserve in a database's folder.
pub(crate) const RESERVE: &str = "RESERVE";

/// The reserve has one part in this many of the database, in steps, up to a bound. A small database has none: what it can
/// still need lies in its log file.
const RESERVE_PART: u64 = 16;
const RESERVE_STEP_BYTES: u64 = 64 * 1024;
const RESERVE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// The smallest segment that is worth a file, and the part of the room one may take.
const SEGMENT_BYTES_MIN: u64 = 32 * 1024;
const SEGMENT_PART: u64 = 16;
/// Merging has this many segments' worth of room to itself, or one part in so many of the database where that is less.
const MERGE_SEGMENTS: u64 = 2;
const MERGE_PART: u64 = 8;
/// The smallest log file where there is too little room for a larger one.
pub(crate) const LOG_BYTES_LEAST: u64 = 32 * 1024;
/// A log file takes no more than this part of what deletions may use, so that several can follow each other.
const LOG_PART: u64 = 8;
/// After a shortage there is enough room again once this is free beside what merging needs.
const ENOUGH_BYTES: u64 = 16 * LOG_BYTES_LEAST;
/// How long work that found no room rests, where nobody tells how much there is, or that stays the same.
const REST_NANOS_MIN: u64 = 200_000_000;
const REST_NANOS_MAX: u64 = 60_000_000_000;

/// What room is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To add to the database.
    Add,
    /// To make room: deletions, and what a flush or a merge needs. May use the reserve.
    Free,
}

/// Work that makes room and may itself find none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Writing memtables to segments.
    Flush,
    /// Merging segments.
    Merge,
}

/// The room of a database.
pub(crate) struct Space {
    directory: Arc<dyn Directory>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes of the reserve that are there.
    held: u64,
    /// Bytes it should have.
    wanted: u64,
    /// Bytes that are left for merging.
    for_merging: u64,
    /// Something was refused, or the reserve was given up, and there has not been enough room since.
    is_short: bool,
    flush: Rest,
    merge: Rest,
    reserve: Rest,
}

/// How long work that found no room is not tried again.
#[derive(Default)]
struct Rest {
    nanos: u64,
    until_nanos: u64,
    /// The room there was.
    room: Option<u64>,
}

impl Rest {
    /// The rest after another try: none, or twice as long.
    fn after(&self, found_room: bool, now_nanos: u64, room: Option<u64>) -> Self {
        let nanos = if found_room { 0 } else { self.nanos.saturating_mul(2).clamp(REST_NANOS_MIN, REST_NANOS_MAX) };
        Self { nanos, until_nanos: now_nanos.saturating_add(nanos), room }
    }
}

impl State {
    fn rest_of(&mut self, work: Work) -> &mut Rest {
        match work {
            Work::Flush => &mut self.flush,
            Work::Merge => &mut self.merge,
        }
    }
}

/// True for the error of a full disk.
pub(crate) fn is_no_space(error: &Error) -> bool {
    matches!(error, Error::Storage(inner) if inner.kind == ErrorKind::NoSpace)
}

/// What a full disk says to who wants to write this.
pub(crate) fn no_space(path: impl Into<String>) -> Error {
    entidb_storage::Error::new(Operation::Preallocate, path, ErrorKind::NoSpace).into()
}

/// Bytes of segments that commits of this many bytes in the log become, at most.
pub(crate) fn segment_bytes_of(log_bytes: u64) -> u64 {
    log_bytes.saturating_add(log_bytes / 8)
}

impl Space {
    /// The room of the database in a directory, with the reserve an earlier session left.
    pub(crate) fn new(directory: Arc<dyn Directory>) -> Self {
        // One that does not open is none, and cannot be given up.
        let held = directory.open(RESERVE, OpenMode::Read).and_then(|file| file.len()).unwrap_or(0);
        Self { directory, state: Mutex::new(State { held, wanted: held, ..State::default() }) }
    }

    /// Bytes that may be written for a purpose; nothing where nobody knows. What is to be the reserve again is nobody's.
    pub(crate) fn room(&self, purpose: Purpose) -> Option<u64> {
        let free = self.directory.free_bytes().ok()?;
        let state = self.state.lock();
        Some(match purpose {
            Purpose::Add => free.saturating_sub(state.wanted.saturating_sub(state.held)),
            Purpose::Free => free.saturating_add(state.held),
        })
    }

    /// Bytes of the reserve.
    pub(crate) fn held(&self) -> u64 {
        self.state.lock().held
    }

    /// True when there has been too little room since something was refused.
    pub(crate) fn is_short(&self) -> bool {
        if !self.state.lock().is_short {
            return false;
        }
        let room = self.room(Purpose::Add);
        let mut state = self.state.lock();
        let enough = state.for_merging.saturating_mul(2).saturating_add(ENOUGH_BYTES);
        if room.is_some_and(|room| room >= enough) {
            state.is_short = false;
        }
        state.is_short
    }

    /// Says whether what was to be added found room.
    pub(crate) fn note(&self, found_room: bool) {
        self.state.lock().is_short = !found_room;
    }

    /// How large the next file of the log may be, which was wanted to be `wanted` and must be `least`, when the log has
    /// this many bytes that are not in segments; nothing when there is too little room for one. Whoever adds leaves room
    /// to write everything in the log to segments, and some to merge them.
    pub(crate) fn log_bytes(&self, purpose: Purpose, least: u64, wanted: u64, unflushed: u64) -> Option<u64> {
        let least = least.max(LOG_BYTES_LEAST.min(wanted));
        let Some(room) = self.room(purpose) else { return Some(wanted) };
        let most = match purpose {
            Purpose::Add => {
                let beside = segment_bytes_of(unflushed).saturating_add(self.state.lock().for_merging);
                // The file itself, and the segments its commits become.
                room.saturating_sub(beside) / 17 * 8
            }
            Purpose::Free => (room / LOG_PART).max(least.min(room)),
        };
        let bytes = wanted.min(most - most % 4096);
        (bytes >= least).then_some(bytes)
    }

    /// True when this much may be written for a purpose, or nobody knows.
    pub(crate) fn has_room(&self, purpose: Purpose, bytes: u64) -> bool {
        let beside = if purpose == Purpose::Add { self.state.lock().for_merging } else { 0 };
        self.room(purpose).is_none_or(|room| room >= bytes.saturating_add(beside))
    }

    /// How large a segment may be made: `usual`, but only a part of the room, so that merging it later needs little.
    pub(crate) fn segment_bytes(&self, usual: u64) -> u64 {
        let part = |room: u64| (room / SEGMENT_PART).max(SEGMENT_BYTES_MIN);
        self.room(Purpose::Free).map_or(usual, |room| usual.min(part(room)))
    }

    /// Lets what makes room have the reserve. False when there is none.
    pub(crate) fn give_up_reserve(&self) -> bool {
        let mut state = self.state.lock();
        if state.held == 0 || makes(Mistake::ReserveKept) || self.directory.remove(RESERVE).is_err() {
            return false;
        }
        (state.held, state.is_short) = (0, true);
        true
    }

    /// Makes the reserve of a database of this size, whose segments end at `segment_bytes`, or makes it again, where that
    /// leaves as much room as it takes. True when it was made. Where there is less room than the system says, each try
    /// comes after a rest twice as long.
    pub(crate) fn keep_reserve(&self, database_bytes: u64, segment_bytes: u64, now_nanos: u64) -> bool {
        let part = (database_bytes / RESERVE_PART).min(RESERVE_BYTES_MAX);
        let fitting = part - part % RESERVE_STEP_BYTES;
        let mut state = self.state.lock();
        state.for_merging = segment_bytes.saturating_mul(MERGE_SEGMENTS).min(database_bytes / MERGE_PART);
        // In doublings, so that a growing database does not write it again and again.
        if fitting >= state.wanted.saturating_mul(2) || fitting <= state.wanted / 4 {
            state.wanted = fitting;
        }
        let wanted = state.wanted;
        if state.held >= wanted {
            if wanted == 0 && state.held > 0 && self.directory.remove(RESERVE).is_ok() {
                state.held = 0;
            }
            return false;
        }
        let needed = wanted.saturating_sub(state.held).saturating_add(wanted);
        if now_nanos < state.reserve.until_nanos || self.directory.free_bytes().is_ok_and(|free| free < needed) {
            return false;
        }
        let made = self.fill(wanted).is_ok();
        state.reserve = state.reserve.after(made, now_nanos, None);
        // Half a reserve would be in the way of whoever needs room now.
        if made || self.directory.remove(RESERVE).is_ok() {
            state.held = if made { wanted } else { 0 };
        }
        made
    }

    /// Fills the reserve with bytes that no file system stores in fewer.
    fn fill(&self, bytes: u64) -> Result<()> {
        let file = self.directory.open(RESERVE, OpenMode::CreateOrOpen)?;
        let mut noise = bytes | 1;
        let mut piece = vec![0; 64 * 1024];
        let mut offset = 0;
        while offset < bytes {
            for chunk in piece.chunks_mut(8) {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                chunk.iter_mut().zip(noise.to_le_bytes()).for_each(|(to, from)| *to = from);
            }
            file.write_all_at(offset, &piece)?;
            offset = offset.saturating_add(piece.len() as u64);
        }
        // So that the blocks are taken now, and not when there are none.
        Ok(file.flush_all()?)
    }

    /// True when work that found no room is worth another try: there is more of it, or a rest is over. Each rest is twice
    /// as long as the one before.
    pub(crate) fn may_try(&self, work: Work, now_nanos: u64) -> bool {
        let room = self.room(Purpose::Free);
        let mut state = self.state.lock();
        let rest = state.rest_of(work);
        let has_more = |(now, then): (u64, u64)| now > then.saturating_add(then / 8).saturating_add(LOG_BYTES_LEAST);
        rest.nanos == 0 || now_nanos >= rest.until_nanos || room.zip(rest.room).is_some_and(has_more)
    }

    /// Says whether work found room.
    pub(crate) fn tried(&self, work: Work, found_room: bool, now_nanos: u64) {
        let room = if found_room { None } else { self.room(Purpose::Free) };
        let mut state = self.state.lock();
        let rest = state.rest_of(work);
        *rest = rest.after(found_room, now_nanos, room);
        // Where nobody tells how much room there is, that the reserve is whole says that there is some.
        if found_room && state.held >= state.wanted && self.directory.free_bytes().is_err() {
            state.is_short = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use entidb_storage::MemoryDirectory;

    use super::*;

    fn space(capacity: u64) -> (Arc<MemoryDirectory>, Space) {
        let directory = Arc::new(MemoryDirectory::with_capacity(capacity));
        (Arc::clone(&directory), Space::new(directory))
    }

    #[test]
    fn a_small_database_has_no_reserve_and_a_large_one_two_mebibytes() {
        let (directory, space) = space(1 << 30);
        assert!(!space.keep_reserve(900_000, 1 << 20, 0));
        assert_eq!(directory.used_bytes(), 0);
        assert!(space.keep_reserve(1 << 20, 1 << 20, 0));
        assert_eq!(directory.used_bytes(), 64 * 1024);
        assert!(!space.keep_reserve((1 << 21) - 1, 1 << 20, 0), "it grows in doublings");
        assert!(space.keep_reserve(1 << 40, 1 << 20, 0) && !space.keep_reserve(1 << 41, 1 << 20, 0));
        assert_eq!(directory.used_bytes(), RESERVE_BYTES_MAX);
        assert_eq!(Space::new(directory).room(Purpose::Free), Some(1 << 30));
    }

    #[test]
    fn a_reserve_that_was_given_up_is_nobodys_room_until_it_is_back() {
        let (directory, space) = space(8 << 20);
        assert!(space.keep_reserve(1 << 40, 1 << 20, 0));
        let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
        filler.preallocate(0, 6 << 20).unwrap();
        assert_eq!((space.room(Purpose::Add), space.room(Purpose::Free)), (Some(0), Some(2 << 20)));
        assert!(space.give_up_reserve() && space.is_short() && !space.give_up_reserve());
        assert_eq!((space.room(Purpose::Add), space.room(Purpose::Free)), (Some(0), Some(2 << 20)));
        assert!(!space.keep_reserve(1 << 40, 1 << 20, 0), "it would take all that is left");
        filler.set_len(3 << 20).unwrap();
        assert!(space.keep_reserve(1 << 40, 1 << 20, 0));
        assert_eq!(space.room(Purpose::Add), Some(3 << 20));
    }

    #[test]
    fn whoever_adds_leaves_room_for_segments_and_merges() {
        let (_, space) = space(10 << 20);
        assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 20, 0), Some(1 << 20));
        // Sixty-four files' worth is in the log already: what they become leaves nothing.
        assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 20, 9 << 20), None);
        assert_eq!(space.log_bytes(Purpose::Free, 4096, 1 << 20, 9 << 20), Some(1 << 20));
        let less = space.log_bytes(Purpose::Add, 4096, 64 << 20, 0).unwrap();
        assert!(less >= 4 << 20 && less + segment_bytes_of(less) <= 10 << 20, "{less}");
        space.keep_reserve(512 << 20, 2 << 20, 0);
        assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 20, 4 << 20), None, "merging has its part");
    }

    #[test]
    fn a_shortage_is_over_when_there_is_room_again() {
        let (directory, space) = space(8 << 20);
        let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
        filler.preallocate(0, 8 << 20).unwrap();
        space.note(false);
        assert!(space.is_short());
        filler.set_len((8 << 20) - ENOUGH_BYTES + 1).unwrap();
        assert!(space.is_short());
        filler.set_len(1 << 20).unwrap();
        assert!(!space.is_short());
        let unknown = Space::new(Arc::new(MemoryDirectory::new()));
        unknown.note(false);
        unknown.tried(Work::Flush, false, 0);
        assert!(unknown.is_short());
        unknown.tried(Work::Flush, true, 0);
        assert!(!unknown.is_short());
    }

    #[test]
    fn nobody_is_refused_where_nobody_knows() {
        let space = Space::new(Arc::new(MemoryDirectory::new()));
        assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 30, 1 << 40), Some(1 << 30));
        assert!(space.has_room(Purpose::Add, u64::MAX));
    }

    #[test]
    fn work_that_found_no_room_rests_longer_each_time_and_wakes_when_there_is_more() {
        let (directory, space) = space(1 << 20);
        let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
        filler.preallocate(0, 1 << 20).unwrap();
        let mut now = 0;
        for rest in [REST_NANOS_MIN, 2 * REST_NANOS_MIN, 4 * REST_NANOS_MIN] {
            assert!(space.may_try(Work::Merge, now));
            space.tried(Work::Merge, false, now);
            assert!(!space.may_try(Work::Merge, now + rest - 1) && space.may_try(Work::Flush, now));
            now += rest;
        }
        assert!(space.may_try(Work::Merge, now));
        space.tried(Work::Merge, false, now);
        filler.set_len(512 << 10).unwrap();
        assert!(space.may_try(Work::Merge, now));
        space.tried(Work::Merge, true, now);
        filler.set_len(1 << 20).unwrap();
        assert!(space.may_try(Work::Merge, now));
    }
}
