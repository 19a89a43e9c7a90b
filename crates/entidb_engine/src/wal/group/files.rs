//! The files of the log: the next one made ahead of need, and those before it until their commits are in segments.
//!
//! Always: a file is listed until the manifest no longer needs it, and only then made the next one; the next file is
//! complete before it is named.
//! Does not know: when its commits are in segments (`engine`).

use crate::error::Result;
use crate::format::{FileKind, FileNumber, Sequence, WAL_UNIT_HEADER_BYTES, WAL_UNITS_AT};
use crate::planted::{Mistake, makes};
use crate::space::{LOG_BYTES_LEAST, Purpose, Work, is_no_space, no_space};
use crate::verify::VerifyReport;
use crate::version::WalRef;
use crate::wal::group::{Log, LogContext, Retired, State, Unflushed};
use crate::wal::reader::{Step, WalReader};
use crate::wal::writer::{SpentFile, WAL_FILE_BYTES_MAX, WalFile};

/// From this size of the current file on, the next one is made as soon as there is none.
const AHEAD_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// What the next file is made for.
#[derive(Clone, Copy)]
enum Need {
    /// Nothing yet.
    Ahead,
    /// A write that needs this much room.
    Room(u64),
    /// A log that begins anew, in a file no larger than this.
    Anew(u64),
}

impl Log {
    /// True when the next file should be made ahead of need.
    pub(crate) fn wants_spare(&self) -> bool {
        self.state.lock().wants_spare()
    }

    /// Makes the next file ahead of need; false when there is one, or too little room on the disk for one. That is no
    /// failure: a commit that needs the file tries again, and is told.
    pub(crate) fn prepare_ahead(&self, unflushed: Unflushed<'_>) -> Result<bool> {
        match self.prepare(Need::Ahead, Purpose::Add, unflushed) {
            Err(error) if is_no_space(&error) => Ok(false),
            made => made,
        }
    }

    /// Makes the next file, of at least `room_min` bytes of room, when there is none that large under the newest key.
    /// True when it was made.
    pub(crate) fn prepare_next(&self, room_min: u64, purpose: Purpose, unflushed: Unflushed<'_>) -> Result<bool> {
        self.prepare(Need::Room(room_min), purpose, unflushed)
    }

    /// True when the disk has room for a file that begins the log anew, as far as it tells.
    pub(crate) fn has_room_anew(&self, unflushed: Unflushed<'_>) -> bool {
        let least = file_bytes(self.state.lock().room_owed());
        let unflushed = unflushed().min(self.bytes());
        self.context.space.log_bytes(Purpose::Anew, least, self.context.first_bytes, unflushed).is_some()
    }

    /// True when the current file is under the newest data key.
    pub(crate) fn is_under_newest_key(&self) -> bool {
        let newest = self.context.keys.generation();
        self.current.lock().as_ref().is_none_or(|current| current.key_generation() == newest)
    }

    fn prepare(&self, need: Need, purpose: Purpose, unflushed: Unflushed<'_>) -> Result<bool> {
        let _one_at_a_time = self.preparing.lock();
        let (room_min, capacity, to_come) = {
            let state = self.state.lock();
            state.check(None)?;
            let doubled = state.current_capacity.saturating_mul(2).min(WAL_FILE_BYTES_MAX);
            let (room_min, capacity, most) = match need {
                // While this call waited for its turn the log may have begun anew, in a small file.
                Need::Ahead if !state.wants_spare() => return Ok(false),
                Need::Ahead => (0, doubled, u64::MAX),
                Need::Room(room_min) => (room_min, doubled.max(room_min.saturating_add(WAL_UNITS_AT)), u64::MAX),
                Need::Anew(most) => (0, self.context.first_bytes, most),
            };
            let room_min = room_min.max(state.room_owed());
            let needed = file_bytes(room_min);
            let (capacity, most) = (capacity.max(needed), most.max(needed));
            // One that was made before a key was rotated is no next file: the log would go on under the old key.
            let newest = self.context.keys.generation();
            let fits = |spare: &WalFile| {
                spare.room() >= room_min && spare.capacity() <= most && spare.key_generation() == newest
            };
            if state.spare.as_ref().is_some_and(fits) {
                return Ok(false);
            }
            // What still goes into the current file comes before the next one.
            let to_come = if matches!(need, Need::Ahead) { state.remaining } else { 0 };
            (room_min, capacity.next_multiple_of(4096), to_come)
        };
        self.check_owner()?;
        let LogContext { backend, keys, numbers, space, .. } = &self.context;
        let least = file_bytes(room_min);
        let unflushed = unflushed().min(self.bytes()).saturating_add(to_come);
        let fitting = space.log_bytes(purpose, least, capacity, unflushed);
        // A spent file is a help and no need: where it cannot be used again, a fresh one is made as if there had been none.
        let recycled = fitting.and_then(|fitting| self.take_spent(room_min, fitting));
        let recycled = recycled.and_then(|spent| WalFile::recycle(backend, keys, numbers.next(), &spent).ok());
        let made = match (recycled, fitting) {
            (Some(made), _) => made,
            (None, Some(fitting)) => self.create_unless_resting(least, fitting, purpose)?,
            (None, None) => return Err(no_space(FileKind::Wal.path(numbers.peek()))),
        };
        let replaced = self.state.lock().spare.replace(made.with_reserve(space));
        if let Some(unfit) = replaced {
            // Never named in the log, so nobody misses it.
            let path = FileKind::Wal.path(unfit.number());
            drop(unfit);
            let _ = self.context.backend.directory.remove(&path);
        }
        Ok(true)
    }

    /// Makes a fresh file; for what adds, not while that rests. Where the file system says that there is room and has none,
    /// each try writes up to it and removes that again.
    fn create_unless_resting(&self, least: u64, wanted: u64, purpose: Purpose) -> Result<WalFile> {
        let LogContext { backend, numbers, space, .. } = &self.context;
        if purpose != Purpose::Add {
            return self.create(least, wanted, purpose);
        }
        if !space.may_try(Work::LogFile, backend.clock.monotonic_nanos()) {
            return Err(no_space(FileKind::Wal.path(numbers.peek())));
        }
        let made = self.create(least, wanted, purpose);
        let found_none = made.as_ref().is_err_and(is_no_space);
        if made.is_ok() || found_none {
            space.tried(Work::LogFile, !found_none, backend.clock.monotonic_nanos());
        }
        made
    }

    /// Makes a fresh file, smaller than wanted where there is no room for more, and from the reserve for callers that may use it.
    fn create(&self, least: u64, wanted: u64, purpose: Purpose) -> Result<WalFile> {
        let LogContext { backend, keys, numbers, space, .. } = &self.context;
        let mut capacity = wanted;
        if purpose != Purpose::Add {
            space.release(capacity);
        }
        loop {
            match WalFile::create(backend, keys, numbers.next(), capacity) {
                Err(error) if is_no_space(&error) => {
                    let smaller = (capacity / 4).next_multiple_of(4096);
                    if smaller >= least.max(LOG_BYTES_LEAST) && smaller < capacity {
                        capacity = smaller;
                    } else if purpose == Purpose::Add || !space.give_up_reserve() {
                        return Err(error);
                    }
                }
                made => return made,
            }
        }
    }

    /// The spent file, when it is no larger than wanted, which would make the files of a small database large, and no
    /// smaller than half the current one, since a next one is wanted twice as large: so files grow until two of them
    /// hold what is not in segments yet, and from there on they take turns.
    fn take_spent(&self, room_min: u64, capacity: u64) -> Option<SpentFile> {
        let fits = |spent: &mut SpentFile| {
            let room = spent.capacity.saturating_sub(WAL_UNITS_AT);
            room >= room_min && spent.capacity <= capacity && spent.capacity >= capacity / 4
        };
        self.state.lock().spent.take_if(fits)
    }

    /// The files of the log as the manifest should list them once commits up to `floor` are in segments. A file whose end
    /// is not flushed has none in the manifest and is the last of the list: the log itself says where it goes on.
    pub(crate) fn files_after(&self, floor: Sequence) -> Vec<WalRef> {
        let state = self.state.lock();
        let mut list = Vec::new();
        for it in state.retired.iter().filter(|it| ends_after(&it.wal, floor)) {
            if it.unflushed.is_some() && !makes(Mistake::UnflushedEndListed) {
                list.push(WalRef { number: it.wal.number, seal: None });
                return list;
            }
            list.push(it.wal.clone());
        }
        list.push(WalRef { number: state.current_number, seal: None });
        list
    }

    /// The numbers of all files of the log that hold commits after `floor`, and of the newest.
    pub(crate) fn numbers_after(&self, floor: Sequence) -> Vec<FileNumber> {
        let state = self.state.lock();
        let ended = state.retired.iter().filter(|it| ends_after(&it.wal, floor)).map(|it| it.wal.number);
        ended.chain([state.current_number]).collect()
    }

    /// True when some file holds nothing after `floor`.
    pub(crate) fn has_files_before(&self, floor: Sequence) -> bool {
        self.state.lock().retired.iter().any(|it| !ends_after(&it.wal, floor))
    }

    /// How many files the log has.
    pub(crate) fn file_count(&self) -> usize {
        self.state.lock().retired.len().saturating_add(1)
    }

    /// Forgets the files that hold nothing after `floor`, now that the manifest has `listed` in their place. Returns
    /// those to remove; the largest that this session made is kept to make the next file of.
    ///
    /// A file that ended after the list was made is still in it, even if it holds nothing: recovery begins with the first
    /// file of the list and follows each one to the next.
    pub(crate) fn forget(&self, floor: Sequence, listed: &[WalRef]) -> Vec<FileNumber> {
        let renames = self.context.backend.directory.abilities().rename && !makes(Mistake::LogGoneBeforeInstall);
        let is_listed = |wal: &WalRef| {
            listed.iter().any(|listed| listed.number == wal.number) && !makes(Mistake::ListedFileForgotten)
        };
        let mut state = self.state.lock();
        let flushing = state.flushing;
        // One that is perhaps being flushed is open, and waits for the next call.
        let is_kept =
            |it: &Retired| ends_after(&it.wal, floor) || is_listed(&it.wal) || it.unflushed.is_some() && flushing;
        let (keep, gone): (Vec<_>, Vec<_>) = state.retired.drain(..).partition(is_kept);
        state.retired = keep;
        let mut remove = Vec::new();
        for Retired { wal, capacity, .. } in gone {
            let capacity = capacity.filter(|capacity| renames && *capacity <= WAL_FILE_BYTES_MAX);
            let larger = capacity.filter(|capacity| state.spent.as_ref().is_none_or(|kept| kept.capacity < *capacity));
            match larger {
                Some(capacity) => {
                    let smaller = state.spent.replace(SpentFile { number: wal.number, capacity });
                    remove.extend(smaller.map(|smaller| smaller.number));
                }
                None => remove.push(wal.number),
            }
        }
        remove
    }

    /// Gives up the spent file, whose room is needed. Returns it, to be removed.
    pub(crate) fn give_up_spent(&self) -> Option<FileNumber> {
        self.state.lock().spent.take().map(|spent| spent.number)
    }

    /// Gives up a spent file that is larger than a file that begins the log anew. Returns it, to be removed.
    pub(crate) fn forget_spent(&self) -> Option<FileNumber> {
        let first_bytes = self.context.first_bytes;
        self.state.lock().spent.take_if(|spent| spent.capacity > first_bytes).map(|spent| spent.number)
    }

    /// Goes on in the next file, so that the files before it can go once their commits are in segments.
    pub(crate) fn rotate(&self, unflushed: Unflushed<'_>) -> Result<()> {
        self.rotate_into(u64::MAX, unflushed)
    }

    /// Goes on in a fresh file, which is small unless one that is no larger than `most` was made ahead.
    fn rotate_into(&self, most: u64, unflushed: Unflushed<'_>) -> Result<()> {
        self.prepare(Need::Anew(most), Purpose::Anew, unflushed)?;
        let mut state = self.state.lock();
        loop {
            state.check(None)?;
            let idle = !state.writing && !state.flushing;
            if idle && state.pending.len() <= WAL_UNIT_HEADER_BYTES {
                // A commit may have been given room in the present file meanwhile; it must find it in the next one as well.
                if state.spare.as_ref().is_none_or(|next| next.room() >= state.room_owed()) {
                    break;
                }
                drop(state);
                self.prepare(Need::Anew(most), Purpose::Anew, unflushed)?;
                state = self.state.lock();
                continue;
            }
            // What is pending goes into the old file, or takes the new one itself.
            state = self.write_pending(state, true);
            if state.spare.is_none() {
                return state.check(None);
            }
        }
        let Some(next) = state.spare.take() else { return Ok(()) };
        state.remaining = next.room();
        // From here on, so that no large file is made ahead for the small one.
        state.current_capacity = next.capacity();
        state.writing = true;
        state.flushing = true;
        let last = state.written;
        drop(state);
        let moved = self.unwinding_stops(|| self.go_on_in(next, last));
        let mut state = self.state.lock();
        match &moved {
            Ok(()) => state = self.flush_written(state),
            Err(error) => state.stop(error),
        }
        state.writing = false;
        state.flushing = false;
        let checked = state.check(None);
        drop(state);
        self.wake_all();
        moved.and(checked)
    }

    /// As [`rotate`](Self::rotate), unless the current file holds nothing yet. Every commit so far is flushed.
    pub(crate) fn begin_anew(&self, unflushed: Unflushed<'_>) -> Result<()> {
        self.flush_all()?;
        if self.state.lock().is_unused() { Ok(()) } else { self.rotate(unflushed) }
    }

    /// As [`begin_anew`](Self::begin_anew), in a file no larger than the first of a log, so that all large ones can go: that
    /// which is current, and that which was made ahead of need.
    pub(crate) fn begin_small(&self, unflushed: Unflushed<'_>) -> Result<()> {
        self.flush_all()?;
        let most = self.context.first_bytes.next_multiple_of(4096);
        let is_small = {
            let state = self.state.lock();
            state.is_unused() && state.current_capacity <= most
        };
        if is_small { Ok(()) } else { self.rotate_into(most, unflushed) }
    }

    /// Counts a commit that came to stable storage without the log, right after a [`begin_anew`](Self::begin_anew):
    /// the current file then begins with the one after it, as the manifest's floor demands.
    pub(crate) fn pass_over(&self, sequence: Sequence) {
        let mut state = self.state.lock();
        state.appended = sequence;
        state.begun = sequence;
        state.written = sequence;
        self.reached(&mut state, sequence);
        drop(state);
        self.changed.notify_all();
    }

    /// Bytes of the log's files that hold commits.
    pub(crate) fn bytes(&self) -> u64 {
        let state = self.state.lock();
        let ended: u64 = state.retired.iter().filter_map(|it| it.wal.seal.as_ref()).map(|seal| seal.len).sum();
        ended.saturating_add(state.current_capacity.saturating_sub(state.remaining)).saturating_sub(WAL_UNITS_AT)
    }

    /// Bytes the log's files have on the disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let state = self.state.lock();
        let of_retired = |it: &Retired| it.capacity.or(it.wal.seal.as_ref().map(|seal| seal.len)).unwrap_or(0);
        let ended: u64 = state.retired.iter().map(of_retired).sum();
        let spare = state.spare.as_ref().map_or(0, WalFile::capacity);
        let spent = state.spent.as_ref().map_or(0, |spent| spent.capacity);
        ended.saturating_add(state.current_capacity).saturating_add(spare).saturating_add(spent)
    }

    /// Reads every file of the log back, each as far as it is written now. Once their commits are in segments they may go
    /// at any time, and what is wrong with one that has gone is wrong with nothing that anybody needs.
    pub(crate) fn verify(&self, report: &mut VerifyReport) {
        // No file is made the next one while it is read.
        let _none_is_recycled = self.preparing.lock();
        // The lock is that of a write, so each file ends behind a whole unit.
        let files: Vec<(FileNumber, u64)> = {
            let current = self.current.lock();
            let state = self.state.lock();
            let ended = state.retired.iter().map(|it| (it.wal.number, it.wal.seal.as_ref().map_or(0, |seal| seal.len)));
            ended.chain(current.as_ref().map(|current| (current.number(), current.len()))).collect()
        };
        // Closing waits for the lock above.
        let is_closed = || self.state.lock().closed;
        for (number, len) in files {
            let known = report.problems.len();
            verify_file(&self.context, number, len, &is_closed, report);
            if report.problems.len() > known && !self.numbers_after(Sequence::ZERO).contains(&number) {
                report.problems.truncate(known);
            }
        }
    }
}

impl State {
    fn wants_spare(&self) -> bool {
        // A small file is half used before the next is made, so that a small database stays small; a large one takes
        // so long to make that it is begun at once.
        let used = self.remaining < self.current_capacity / 2 || self.current_capacity >= AHEAD_BYTES_MIN;
        self.spare.is_none() && self.stopped.is_none() && !self.closed && used
    }

    /// True when nothing was written to the current file.
    pub(super) fn holds_nothing(&self) -> bool {
        self.current_capacity.saturating_sub(WAL_UNITS_AT).saturating_sub(self.remaining) == 0
    }

    /// True when nothing was written to the current file, and nothing waits to be.
    fn is_unused(&self) -> bool {
        self.holds_nothing() && self.pending.len() <= WAL_UNIT_HEADER_BYTES
    }

    /// Files that ended and are not flushed yet.
    pub(super) fn unflushed_files(&self) -> usize {
        self.retired.iter().filter(|it| it.unflushed.is_some()).count()
    }
}

/// Reads a file of the log up to `len`, unless the log is closed meanwhile; what comes behind was never promised to anyone.
fn verify_file(
    context: &LogContext,
    number: FileNumber,
    len: u64,
    is_closed: &dyn Fn() -> bool,
    report: &mut VerifyReport,
) {
    let Some(mut reader) = report.note(0, WalReader::open(&context.backend, &context.keys, number)) else { return };
    while reader.offset() < len && !is_closed() {
        let before = reader.offset();
        match reader.step() {
            Err(error) | Ok(Step::Broken(error)) => {
                report.problems.push(error);
                return;
            }
            Ok(Step::Commits { .. } | Step::Continued(_) | Step::Closed) => {
                report.units = report.units.saturating_add(1);
                report.bytes = report.bytes.saturating_add(reader.offset().saturating_sub(before));
            }
        }
    }
}

/// What a file with this much room takes.
const fn file_bytes(room: u64) -> u64 {
    room.saturating_add(WAL_UNITS_AT).next_multiple_of(4096)
}

fn ends_after(wal: &WalRef, floor: Sequence) -> bool {
    wal.seal.as_ref().is_none_or(|seal| seal.last > floor)
}
