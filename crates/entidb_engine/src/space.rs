//! Room on the disk: how much there is, for whom, and a reserve for when there is none.
//!
//! Always: a file of the log is given out only while the memtables, with all that fits into it, can still be written to
//! segments afterwards, and the log can begin anew: for puts, from the reserve alone when the disk is nearly full. So
//! flushes and merges can go on and make room, and deletions never take what these need. The reserve is a file, because
//! another program takes whatever is merely left alone; it is cut by what a step needs, and no more. Where nobody tells how
//! much is free, it is given up whole, and only when something found no room.
//! Does not know: what is written, or how room is made (`engine::full_disk`, `engine::upkeep`).
//! Format: docs/spec/file-format.md, "RESERVE".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use entidb_storage::{Directory, ErrorKind, OpenMode, Operation};

use crate::error::{Error, Result};
use crate::planted::{Mistake, makes};
use crate::sync::Mutex;

/// The name of the reserve in a database's folder.
pub(crate) const RESERVE: &str = "RESERVE";

/// The reserve has one part in this many of the database and what merging needs, in steps, between two bounds. A small
/// database has none while its disk is far from full.
const RESERVE_PART: u64 = 16;
const RESERVE_STEP_BYTES: u64 = 64 * 1024;
const RESERVE_BYTES_MIN: u64 = 128 * 1024;
const RESERVE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// It has no more than this part of all that the database can have on its disk, but for the smallest: what is deleted there
/// must be room for new data and not for a reserve that was made for more.
const RESERVE_PART_OF_ALL: u64 = 4;
/// A database of this size has a reserve, and a smaller one on a disk with less than this left. It keeps it until there is
/// twice as much.
const RESERVE_FROM_BYTES: u64 = 4 * 1024 * 1024;
const NEARLY_FULL_BYTES: u64 = 16 * 1024 * 1024;
/// The file system may count in units of this.
const UNIT_BYTES: u64 = 4096;
/// The smallest segment that is worth a file, and the part of the room one may take.
const SEGMENT_BYTES_MIN: u64 = 32 * 1024;
const SEGMENT_PART: u64 = 16;
/// Merging has this many segments' worth of room to itself, or one part in so many of the database where that is less.
const MERGE_SEGMENTS: u64 = 2;
const MERGE_PART: u64 = 8;
/// The smallest log file where there is too little room for a larger one.
pub(crate) const LOG_BYTES_LEAST: u64 = 32 * 1024;
/// The least that is worth merging at once: a segment that is smaller takes more beside its entries than it is worth.
pub(crate) const MERGE_BYTES_LEAST: u64 = 32 * 1024;
/// A log file takes no more than this part of what deletions may use, so that several can follow each other.
const LOG_PART: u64 = 8;
/// What is left when the memtables are written: room for records of the manifest, and for the file that begins the log
/// anew, so that those before it can go.
pub(crate) const RECORDS_BYTES: u64 = 16 * 1024;
pub(crate) const LEFT_BYTES: u64 = LOG_BYTES_LEAST + RECORDS_BYTES;
/// What is in memtables takes no more than this part of the room, or else no more than the reserve, so that it can be
/// written when others have taken the rest.
const COVERED_PART: u64 = 4;
/// After a shortage there is enough room again once this is free beside what merging needs.
const ENOUGH_BYTES: u64 = 16 * LOG_BYTES_LEAST;
/// How long work that found no room rests, where nobody tells how much there is, or that stays the same.
const REST_NANOS_MIN: u64 = 200_000_000;
const REST_NANOS_MAX: u64 = 60_000_000_000;

/// What comes of a write.
pub(crate) type Written = entidb_storage::Result<()>;

/// What room is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To add to the database.
    Add,
    /// To make room: deletions, and what a flush or a merge needs. May use the reserve, but for what merging needs.
    Free,
    /// For a deletion when nothing can be merged now: leaves what the memtables need.
    Tight,
    /// To begin the log anew, before or after all memtables are written.
    Anew,
    /// For a deletion although there is too little room to write the memtables, as when others have taken it: perhaps it is
    /// what frees room. Half of the reserve stays.
    Last,
}

/// Work that may find no room, and rests then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Writing memtables to segments.
    Flush,
    /// Merging segments.
    Merge,
    /// Making the next file of the log, for what adds.
    LogFile,
}

/// The room of a database.
pub(crate) struct Space {
    directory: Arc<dyn Directory>,
    state: Mutex<State>,
    /// Something was refused, and nobody has looked since whether memtables hold deletions.
    is_wanted: AtomicBool,
    /// When somebody looked last, what is in memtables could not be written: others had taken what was left for it.
    is_overdrawn: AtomicBool,
    /// What is written of the memtable that is being written.
    flushed_bytes: AtomicU64,
    /// A write into room that its file had found none: the file system writes each block to a new place.
    copies_overwrites: AtomicBool,
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
    log_file: Rest,
    reserve: Rest,
    failed: Option<FailedFlush>,
}

/// What a flush depends on beside the room: how much is in memtables, and the oldest commit that somebody can read.
pub(crate) type Contents = (u64, u64);

/// Memtables that did not fit.
struct FailedFlush {
    memtables: Contents,
    /// The room there was.
    room: u64,
    is_over: bool,
}

/// True when there is so much more room than there was that work that found none may find some.
fn has_more(now: u64, then: u64) -> bool {
    now > then.saturating_add(then / 8).saturating_add(LOG_BYTES_LEAST)
}

/// How long work that found no room is not tried again.
#[derive(Default)]
struct Rest {
    nanos: u64,
    until_nanos: u64,
    /// The room there was.
    room: Option<u64>,
    /// The reserve was given up for it since it found room or rested last.
    has_reserve: bool,
}

impl Rest {
    /// The rest after another try: none, or twice as long.
    fn after(&self, found_room: bool, now_nanos: u64, room: Option<u64>) -> Self {
        let nanos = if found_room { 0 } else { self.nanos.saturating_mul(2).clamp(REST_NANOS_MIN, REST_NANOS_MAX) };
        Self { nanos, until_nanos: now_nanos.saturating_add(nanos), room, has_reserve: false }
    }
}

impl State {
    /// The part of the reserve that is for merging.
    fn merging_in_reserve(&self) -> u64 {
        self.for_merging.min(self.wanted / 2)
    }

    /// What puts leave for merging in addition.
    fn merging_beside_reserve(&self) -> u64 {
        self.for_merging.saturating_sub(self.merging_in_reserve())
    }

    fn rest_of(&mut self, work: Work) -> &mut Rest {
        match work {
            Work::Flush => &mut self.flush,
            Work::Merge => &mut self.merge,
            Work::LogFile => &mut self.log_file,
        }
    }
}

/// True for the error of a full disk.
pub(crate) fn is_no_space(error: &Error) -> bool {
    error.is_no_space()
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
        let state = State { held, wanted: held, ..State::default() };
        Self {
            directory,
            state: Mutex::new(state),
            is_wanted: AtomicBool::new(false),
            is_overdrawn: AtomicBool::new(false),
            flushed_bytes: AtomicU64::new(0),
            copies_overwrites: AtomicBool::new(false),
        }
    }

    /// Bytes that may be written for a purpose; nothing where nobody knows. What is to be the reserve again is nobody's.
    pub(crate) fn room(&self, purpose: Purpose) -> Option<u64> {
        let free = self.directory.free_bytes().ok()?;
        let state = self.state.lock();
        Some(match purpose {
            Purpose::Add => free.saturating_sub(state.wanted.saturating_sub(state.held)),
            Purpose::Free | Purpose::Tight | Purpose::Anew | Purpose::Last => free.saturating_add(state.held),
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

    /// Says that something was refused, so that what memtables delete is looked to.
    pub(crate) fn refuse(&self) {
        self.note(false);
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    /// True when something was refused and nobody has looked since whether what is in memtables would make room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// Says that somebody has looked.
    pub(crate) fn is_looked_to(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }

    /// Says whether what is in memtables can be written. Where it cannot, nothing is added to it, although the log may have
    /// room.
    pub(crate) fn overdraw(&self, is_overdrawn: bool) {
        if self.is_overdrawn.load(Ordering::Relaxed) != is_overdrawn {
            self.is_overdrawn.store(is_overdrawn, Ordering::Relaxed);
        }
    }

    /// Says how much is written of the memtable that is being written.
    pub(crate) fn flushed_so_far(&self, bytes: u64) {
        self.flushed_bytes.store(bytes, Ordering::Relaxed);
    }

    /// How much is written of the memtable that is being written.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed_bytes.load(Ordering::Relaxed)
    }

    /// True when what is in memtables could not be written when somebody looked last.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.is_overdrawn.load(Ordering::Relaxed)
    }

    /// Makes a write into room that its file has already. On a full file system that copies on write there may be none even
    /// so, and then the reserve gives it: first as much as the write takes, then all, where others took that. The write is
    /// made again then, of the same bytes to the same place.
    pub(crate) fn overwrite(&self, bytes: usize, write: impl Fn() -> Written) -> Written {
        let found_none = |written: &Written| written.as_ref().is_err_and(|error| error.kind == ErrorKind::NoSpace);
        let mut written = write();
        if !found_none(&written) || makes(Mistake::OverwriteGivenUp) {
            return written;
        }
        self.copies_overwrites.store(true, Ordering::Relaxed);
        // What it replaces may begin and end within blocks.
        let needed = (bytes as u64).next_multiple_of(UNIT_BYTES).saturating_add(2 * UNIT_BYTES);
        for needed in [needed, u64::MAX] {
            let mut state = self.state.lock();
            let left = state.held.saturating_sub(needed);
            let has_more = self.cut_reserve(&mut state, left - left % UNIT_BYTES);
            drop(state);
            if has_more {
                written = write();
            }
            if !found_none(&written) {
                break;
            }
        }
        written
    }

    /// True when a commit of this many bytes may be written to the log, which has room for it. Where that may need room of
    /// the disk all the same, there must be some before the commit is applied: a write of the log that fails stops writing.
    pub(crate) fn may_overwrite(&self, purpose: Purpose, bytes: usize) -> bool {
        if !self.copies_overwrites.load(Ordering::Relaxed) {
            return true;
        }
        let needed = (bytes as u64).saturating_add(RECORDS_BYTES);
        self.room(purpose).is_none_or(|room| room >= needed)
    }

    /// How large the next file of the log may be, which was wanted to be `wanted` and must be `least`, when this many bytes
    /// are not in segments; nothing when there is too little room for one. Whoever adds leaves room to write all of them
    /// and what goes into the file to segments, and some to merge those; and it must be possible from the reserve alone, or
    /// from a part of the room that others leave. A commit that is larger than that is alone in the log.
    pub(crate) fn log_bytes(&self, purpose: Purpose, least: u64, wanted: u64, unflushed: u64) -> Option<u64> {
        let least = least.max(LOG_BYTES_LEAST.min(wanted));
        let Some(room) = self.room(purpose) else { return Some(wanted) };
        let comes = segment_bytes_of(unflushed);
        // The file itself, and the segments its commits become.
        let file_of = |room: u64| room / 17 * 8;
        let part = (room / LOG_PART).max(least);
        let state = self.state.lock();
        let most = match purpose {
            Purpose::Add => {
                let fits = file_of(room.saturating_sub(comes).saturating_sub(state.merging_beside_reserve()));
                let in_reserve = state.held.saturating_sub(state.merging_in_reserve()).saturating_sub(LEFT_BYTES);
                let covered = in_reserve.max(room / COVERED_PART);
                let covers = (covered / 9 * 8).saturating_sub(unflushed);
                fits.min(if unflushed == 0 { covers.max(least) } else { covers })
            }
            Purpose::Free | Purpose::Tight => {
                let merging = if purpose == Purpose::Free { state.merging_in_reserve() } else { 0 };
                file_of(room.saturating_sub(comes).saturating_sub(LEFT_BYTES).saturating_sub(merging)).min(part)
            }
            Purpose::Anew => room.saturating_sub(comes).saturating_sub(RECORDS_BYTES).min(part),
            Purpose::Last => room.saturating_sub(LEFT_BYTES.max(state.wanted / 2)).min(least),
        };
        drop(state);
        let bytes = wanted.min(most - most % 4096);
        (bytes >= least).then_some(bytes)
    }

    /// True when this much may be written for a purpose, or nobody knows.
    pub(crate) fn has_room(&self, purpose: Purpose, bytes: u64) -> bool {
        let beside = if purpose == Purpose::Add { self.state.lock().merging_beside_reserve() } else { 0 };
        self.room(purpose).is_none_or(|room| room >= bytes.saturating_add(beside))
    }

    /// How much a merge that needs this much may write, beside which there is room to write this many bytes of memtables. It
    /// takes from the reserve only what one merge that is worth it lacks: the reserve would have to be made again after it.
    pub(crate) fn room_to_merge(&self, purpose: Purpose, needed: u64, unflushed: u64) -> Option<u64> {
        let beside =
            if unflushed == 0 { RECORDS_BYTES } else { segment_bytes_of(unflushed).saturating_add(LEFT_BYTES) };
        let room = self.room(purpose)?;
        let state = self.state.lock();
        let uncut = if purpose == Purpose::Add || makes(Mistake::ReserveTakesPromised) {
            room
        } else {
            room.saturating_sub(state.held).saturating_sub(2 * UNIT_BYTES)
        };
        let least = state.for_merging.max(MERGE_BYTES_LEAST).min(needed);
        drop(state);
        let all = room.saturating_sub(beside);
        Some(if uncut.min(all) >= least { uncut.min(all) } else { all.min(least) })
    }

    /// How large a segment may be made: `usual`, but only a part of the room, so that merging it later needs little.
    pub(crate) fn segment_bytes(&self, usual: u64) -> u64 {
        let part = |room: u64| (room / SEGMENT_PART).max(SEGMENT_BYTES_MIN);
        self.room(Purpose::Free).map_or(usual, |room| usual.min(part(room)))
    }

    /// Lets what makes room have all of the reserve, after it found none. False when there is none.
    pub(crate) fn give_up_reserve(&self) -> bool {
        self.cut_reserve(&mut self.state.lock(), 0)
    }

    /// Gives up the reserve for work that found no room, so that it is worth another try at once. Only once: when it finds
    /// none with all of the reserve either, it rests, although the reserve may have been made again in between.
    pub(crate) fn give_up_reserve_for(&self, work: Work) -> bool {
        let mut state = self.state.lock();
        if state.rest_of(work).has_reserve && !makes(Mistake::ReserveTakesPromised) {
            return false;
        }
        let has_more = self.cut_reserve(&mut state, 0);
        state.rest_of(work).has_reserve = has_more;
        has_more
    }

    /// Cuts the reserve by what is missing for `needed` bytes to be free.
    pub(crate) fn release(&self, needed: u64) {
        let mut state = self.state.lock();
        if state.held == 0 {
            return;
        }
        // Where nobody knows, that is found out by trying.
        let Ok(free) = self.directory.free_bytes() else { return };
        // What is made beside it, as names and the end of a unit, is small.
        let missing = needed.saturating_add(2 * UNIT_BYTES).saturating_sub(free);
        if missing > 0 {
            let left = state.held.saturating_sub(missing);
            self.cut_reserve(&mut state, left - left % UNIT_BYTES);
        }
    }

    /// True when there was more of it.
    fn cut_reserve(&self, state: &mut State, left: u64) -> bool {
        if state.held <= left || makes(Mistake::ReserveKept) {
            return false;
        }
        let cut = || self.directory.open(RESERVE, OpenMode::Write).and_then(|file| file.set_len(left));
        if left > 0 && cut().is_ok() {
            state.held = left;
        } else if self.directory.remove(RESERVE).is_ok() {
            state.held = 0;
        } else {
            return false;
        }
        state.is_short = true;
        true
    }

    /// True when there is less of the reserve than wanted, and room enough that making it again is in nobody's way.
    pub(crate) fn is_reserve_due(&self) -> bool {
        let (missing, beside) = {
            let state = self.state.lock();
            (state.wanted.saturating_sub(state.held), state.wanted.saturating_add(state.for_merging))
        };
        missing > 0 && self.directory.free_bytes().is_ok_and(|free| free >= missing.saturating_add(beside))
    }

    /// Makes the reserve of a database of this size, whose segments end at `segment_bytes`, or makes it again, where that
    /// leaves as much room as it takes; after a shortage as far as there is room, before others take it. True when there is
    /// more of it than before. Where there is less room than the system says, each try comes after a rest twice as long. One
    /// that is too large for what the disk has left for the database is cut, but not below what the memtables need.
    pub(crate) fn keep_reserve(&self, database_bytes: u64, segment_bytes: u64, unflushed: u64, now_nanos: u64) -> bool {
        if makes(Mistake::ReserveNotMadeAgain) && self.state.lock().wanted > 0 {
            return false;
        }
        let free = self.directory.free_bytes().ok();
        let mut state = self.state.lock();
        let nearly_full = NEARLY_FULL_BYTES << u32::from(state.wanted > 0);
        let is_kept = database_bytes >= RESERVE_FROM_BYTES || free.is_some_and(|free| free < nearly_full);
        state.for_merging = segment_bytes.saturating_mul(MERGE_SEGMENTS).min(database_bytes / MERGE_PART);
        let part = (database_bytes / RESERVE_PART).max(RESERVE_BYTES_MIN).saturating_add(state.for_merging);
        let all = free.map(|free| database_bytes.saturating_add(free).saturating_add(state.held));
        let most = all.map_or(u64::MAX, |all| all / RESERVE_PART_OF_ALL);
        let most = (most - most % RESERVE_STEP_BYTES).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX);
        let fitting = if is_kept { part.next_multiple_of(RESERVE_STEP_BYTES).min(most) } else { 0 };
        // Not with every step, so that a growing database does not stop for it again and again.
        let is_outgrown = fitting >= state.wanted.saturating_add((state.wanted / 4).max(1));
        if is_outgrown || fitting <= state.wanted / 4 || state.wanted > most {
            state.wanted = fitting;
        }
        let wanted = state.wanted;
        if state.held >= wanted {
            let needed = if unflushed == 0 { 0 } else { segment_bytes_of(unflushed).saturating_add(LEFT_BYTES) };
            if wanted == 0 && state.held > 0 && self.directory.remove(RESERVE).is_ok() {
                state.held = 0;
            } else if state.held > most {
                // No shortage, and what is given back is no more than what the memtables leave.
                let is_short = state.is_short;
                self.cut_reserve(&mut state, wanted.max(needed).next_multiple_of(UNIT_BYTES));
                state.is_short = is_short;
            }
            return false;
        }
        let missing = wanted.saturating_sub(state.held);
        let piece = match free {
            Some(free) if free < missing.saturating_add(wanted) => {
                let fits = free.saturating_sub(UNIT_BYTES).min(missing);
                // Worth it from a log file on, or when it is whole then. Nothing was in the way before a shortage.
                if state.is_short && (fits >= LOG_BYTES_LEAST || fits == missing) {
                    fits - fits % UNIT_BYTES
                } else {
                    0
                }
            }
            _ => missing,
        };
        if now_nanos < state.reserve.until_nanos || piece == 0 {
            return false;
        }
        let (held, larger) = (state.held, state.held.saturating_add(piece));
        let made = self.fill(held, larger).is_ok();
        state.reserve = state.reserve.after(made, now_nanos, None);
        if made {
            state.held = larger;
        } else {
            // What came of it would be in the way of whoever needs room now.
            let cut = || self.directory.open(RESERVE, OpenMode::Write).and_then(|file| file.set_len(held));
            if (held == 0 || cut().is_err()) && self.directory.remove(RESERVE).is_ok() {
                state.held = 0;
            }
        }
        made
    }

    /// Fills the reserve up to `bytes` with bytes that no file system stores in fewer.
    fn fill(&self, held: u64, bytes: u64) -> Result<()> {
        let file = self.directory.open(RESERVE, OpenMode::CreateOrOpen)?;
        let mut noise = bytes | 1;
        let mut piece = vec![0; UNIT_BYTES as usize];
        let mut offset = held;
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

    /// Says that memtables were found not to fit: with `is_over` into the room there is, whatever the file system may say.
    pub(crate) fn flush_failed(&self, memtables: Contents, is_over: bool) {
        let room = self.room(Purpose::Free);
        self.state.lock().failed = room.map(|room| FailedFlush { memtables, room, is_over });
    }

    /// True when writing these memtables is worth a try. What does not fit today does not fit tomorrow either, unless there is
    /// more room or something else in it.
    pub(crate) fn may_flush(&self, memtables: Contents, now_nanos: u64) -> bool {
        let room = self.room(Purpose::Free);
        let is_the_same = |failed: &FailedFlush| {
            failed.is_over && failed.memtables == memtables && !room.is_some_and(|room| has_more(room, failed.room))
        };
        let is_vain = self.state.lock().failed.as_ref().is_some_and(is_the_same);
        (!is_vain || makes(Mistake::NoRest)) && self.may_try(Work::Flush, now_nanos)
    }

    /// As [`may_flush`](Self::may_flush), for a commit that would be refused otherwise. It waits for no rest when something has
    /// come to the memtables since they did not fit: that may be a deletion of all they hold.
    pub(crate) fn may_flush_at_once(&self, memtables: Contents, now_nanos: u64) -> bool {
        let has_changed = self.state.lock().failed.as_ref().is_some_and(|failed| failed.memtables != memtables);
        has_changed || self.may_flush(memtables, now_nanos)
    }

    /// True when work that found no room is worth another try: there is more of it, or a rest is over. Each rest is twice
    /// as long as the one before.
    pub(crate) fn may_try(&self, work: Work, now_nanos: u64) -> bool {
        let then = {
            let mut state = self.state.lock();
            let rest = state.rest_of(work);
            if rest.nanos == 0 || now_nanos >= rest.until_nanos || makes(Mistake::NoRest) {
                return true;
            }
            rest.room
        };
        self.room(Purpose::Free).zip(then).is_some_and(|(now, then)| has_more(now, then))
    }

    /// Says that files were removed. A file of the log may find room then, also on a file system that does not say how much is
    /// free.
    pub(crate) fn gave_back(&self) {
        self.state.lock().log_file.until_nanos = 0;
    }

    /// Says whether work found room.
    pub(crate) fn tried(&self, work: Work, found_room: bool, now_nanos: u64) {
        let room = if found_room { None } else { self.room(Purpose::Free) };
        let mut state = self.state.lock();
        let rest = state.rest_of(work);
        *rest = rest.after(found_room, now_nanos, room);
        if work == Work::Flush && found_room {
            state.failed = None;
        }
        // Where nobody tells how much room there is, that the reserve is whole says that there is some.
        if found_room && state.held >= state.wanted && self.directory.free_bytes().is_err() {
            state.is_short = false;
        }
    }
}

#[cfg(test)]
#[path = "space_tests.rs"]
mod tests;
