//! Commits sharing writes and flushes: whoever waits first does the work for everyone.
//!
//! Always: sequences reach the file in order and without gaps; `visible` grows in order, past a durable commit only once
//! that commit is on stable storage; after a failed write or flush nothing is ever acknowledged again. Flushes never
//! overlap, because a system reports a failure to one of them only. A commit is refused before it is applied when the
//! log has no room for it, so a full disk costs nothing that was applied.
//! Does not know: what a commit means, or who reads what is visible.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entidb_storage::{Backend, File};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::crypto::Keys;
use crate::error::{Error, Result};
use crate::format::{
    FileKind, FileNumber, Sequence, WAL_END_BYTES, WAL_UNIT_HEADER_BYTES, WAL_UNITS_AT, put_bytes, varint_len,
    wal_unit_bytes,
};
use crate::options::Durability;
use crate::planted::{Mistake, makes};
use crate::verify::VerifyReport;
use crate::version::{FileNumbers, WalRef};
use crate::wal::reader::{Step, WalReader};
use crate::wal::writer::{WAL_FILE_BYTES_MAX, WalFile};

/// Pending bytes of commits that wait for nothing are handed to the system at this size.
const PENDING_BYTES_MAX: usize = 256 * 1024;
/// Unflushed bytes that are flushed without waiting for the interval.
const UNFLUSHED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// From this size of the current file on, the next one is made as soon as there is none.
const AHEAD_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// How long commits without durability may stay unflushed while the process lives.
const LAZY_FLUSH_NANOS: u64 = 100_000_000;

/// What the log needs from the database around it.
pub(crate) struct LogContext {
    pub(crate) backend: Backend,
    pub(crate) keys: Arc<Keys>,
    pub(crate) numbers: Arc<FileNumbers>,
    /// The size of a file that begins the log anew.
    pub(crate) first_bytes: u64,
}

/// The log of an open database.
pub(crate) struct Log {
    context: LogContext,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by whoever has the writing role.
    current: Mutex<WalFile>,
    /// One preparation of a next file at a time.
    preparing: Mutex<()>,
    visible: AtomicU64,
    durable: AtomicU64,
    writes: AtomicU64,
    flushes: AtomicU64,
    bytes_written: AtomicU64,
}

struct State {
    /// Encoded commits, after room for a unit's clear header.
    pending: Vec<u8>,
    pending_first: Sequence,
    /// A buffer to use next, so that steady commits allocate nothing.
    recycled: Vec<u8>,
    appended: Sequence,
    written: Sequence,
    writing: bool,
    flushing: bool,
    /// Bytes left in the current file, the write in flight taken off.
    remaining: u64,
    overhead: usize,
    spare: Option<WalFile>,
    /// Files that ended, oldest first.
    retired: Vec<WalRef>,
    current_number: FileNumber,
    current_capacity: u64,
    /// The file to flush.
    file: Arc<dyn File>,
    /// Durable commits that are not durable yet.
    durable_waits: VecDeque<Sequence>,
    unflushed_bytes: u64,
    /// When commits that do not wait must be flushed.
    flush_due_nanos: Option<u64>,
    stopped: Option<Stop>,
    closed: bool,
}

#[derive(Clone)]
struct Stop {
    cause: String,
    /// Commits up to here may be on disk; later ones are certainly not.
    unknown_to: Sequence,
}

/// One write, taken from the pending commits.
struct Group {
    body: Vec<u8>,
    first: Sequence,
    last: Sequence,
    /// The file to go on in, when the group does not fit the current one.
    next: Option<WalFile>,
}

impl Log {
    /// A log that goes on after `last` in a fresh file; `retired` are the files before it.
    pub(crate) fn new(context: LogContext, current: WalFile, retired: Vec<WalRef>, last: Sequence) -> Self {
        let state = State {
            pending: empty_unit(),
            pending_first: last.next(),
            recycled: empty_unit(),
            appended: last,
            written: last,
            writing: false,
            flushing: false,
            remaining: current.room(),
            overhead: current.overhead(),
            spare: None,
            retired,
            current_number: current.number(),
            current_capacity: current.capacity(),
            file: current.file(),
            durable_waits: VecDeque::new(),
            unflushed_bytes: 0,
            flush_due_nanos: None,
            stopped: None,
            closed: false,
        };
        Self {
            context,
            state: Mutex::new(state),
            changed: Condvar::new(),
            current: Mutex::new(current),
            preparing: Mutex::new(()),
            visible: AtomicU64::new(last.0),
            durable: AtomicU64::new(last.0),
            writes: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        }
    }

    /// The last commit readers may see.
    pub(crate) fn visible(&self) -> Sequence {
        Sequence(self.visible.load(Ordering::Acquire))
    }

    /// The last commit known to be on stable storage.
    pub(crate) fn durable(&self) -> Sequence {
        Sequence(self.durable.load(Ordering::Acquire))
    }

    /// The last commit handed to the log.
    pub(crate) fn appended(&self) -> Sequence {
        self.state.lock().appended
    }

    /// Writes and flushes made, and bytes written.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.writes), load(&self.flushes), load(&self.bytes_written))
    }

    /// Makes sure that a commit of `len` bytes will fit. To be called before anything of it is applied, by the one
    /// writer: an error here means that nothing happened.
    pub(crate) fn reserve(&self, len: usize) -> Result<()> {
        loop {
            let mut state = self.state.lock();
            state.check(None)?;
            let framed = len.saturating_add(varint_len(len as u64));
            let alone = wal_unit_bytes(framed as u64, state.overhead).saturating_add(WAL_END_BYTES);
            let body = state.pending.len().saturating_sub(WAL_UNIT_HEADER_BYTES).saturating_add(framed);
            let whole = wal_unit_bytes(body as u64, state.overhead).saturating_add(WAL_END_BYTES);
            let spare_room = state.spare.as_ref().map(WalFile::room);
            if body as u64 <= u64::from(u32::MAX)
                && (whole <= state.remaining || spare_room.is_some_and(|room| whole <= room))
            {
                return state
                    .pending
                    .try_reserve(framed)
                    .map_err(|_| Error::OutOfMemory { what: "the log", bytes: framed as u64 });
            }
            let has_pending = state.pending.len() > WAL_UNIT_HEADER_BYTES;
            if has_pending && (spare_room.is_some() || whole > WAL_FILE_BYTES_MAX) {
                // The spare is spoken for by what is pending: let that go first.
                drop(self.write_pending(state, false));
                continue;
            }
            drop(state);
            self.prepare_next(if has_pending { whole } else { alone })?;
        }
    }

    /// Takes the encoded commit with the next sequence. `reserve` was called for it and the commit is applied. True
    /// when a flush is due now that was not, so that whoever flushes in the background should look at the clock.
    pub(crate) fn append(&self, sequence: Sequence, commit: &[u8], durability: Durability) -> bool {
        let now = self.context.backend.clock.monotonic_nanos();
        let mut state = self.state.lock();
        if state.stopped.is_some() {
            // Whoever waits for it learns why; nobody ever sees it.
            return false;
        }
        if state.pending.len() <= WAL_UNIT_HEADER_BYTES {
            state.pending_first = sequence;
        }
        put_bytes(&mut state.pending, commit);
        state.appended = sequence;
        let due = match durability {
            Durability::Durable => {
                state.durable_waits.push_back(sequence);
                if makes(Mistake::VisibleBeforeDurable) {
                    self.publish(&state);
                }
                return false;
            }
            Durability::Grouped { interval_ms } => now.saturating_add(u64::from(interval_ms).saturating_mul(1_000_000)),
            Durability::None => now.saturating_add(LAZY_FLUSH_NANOS),
        };
        let sooner = state.flush_due_nanos.is_none_or(|before| due < before);
        if sooner {
            state.flush_due_nanos = Some(due);
        }
        self.publish(&state);
        sooner
    }

    /// Waits for what the commit's durability promises, and until readers see it.
    pub(crate) fn wait(&self, sequence: Sequence, durability: Durability) -> Result<()> {
        match durability {
            Durability::Durable => self.flush_to(sequence),
            Durability::Grouped { .. } => {
                let mut state = self.state.lock();
                while state.written < sequence {
                    state.check(Some(sequence))?;
                    state = self.write_pending(state, false);
                }
                let over = state.unflushed_bytes >= UNFLUSHED_BYTES_MAX;
                drop(state);
                self.wait_visible(sequence)?;
                self.flush_if_due(over)
            }
            Durability::None => {
                let mut state = self.state.lock();
                if self.visible() < sequence {
                    state.check(Some(sequence))?;
                }
                if state.pending.len() >= PENDING_BYTES_MAX && !state.writing {
                    state = self.write_pending(state, false);
                }
                let over = state.unflushed_bytes >= UNFLUSHED_BYTES_MAX;
                drop(state);
                self.wait_visible(sequence)?;
                self.flush_if_due(over)
            }
        }
    }

    /// Makes every commit up to `sequence` durable.
    pub(crate) fn flush_to(&self, sequence: Sequence) -> Result<()> {
        let mut state = self.state.lock();
        let sequence = sequence.min(state.appended.max(self.durable()));
        loop {
            if self.durable() >= sequence {
                return Ok(());
            }
            state.check(Some(sequence))?;
            state = self.write_pending(state, true);
        }
    }

    /// Makes every commit so far durable.
    pub(crate) fn flush_all(&self) -> Result<()> {
        self.check()?;
        let appended = self.appended();
        self.flush_to(appended)
    }

    /// Flushes when the interval of some commit that did not wait is over (or `now` says so). With threads the
    /// background does this; without, the commits themselves.
    pub(crate) fn flush_if_due(&self, over: bool) -> Result<()> {
        if self.context.backend.threads.parallelism() > 0 && !over {
            return Ok(());
        }
        if over || self.flush_due_in().is_some_and(|time| time.is_zero()) {
            return self.flush_all();
        }
        Ok(())
    }

    /// How long until some commit that did not wait must be flushed.
    pub(crate) fn flush_due_in(&self) -> Option<Duration> {
        let due = self.state.lock().flush_due_nanos?;
        Some(Duration::from_nanos(due.saturating_sub(self.context.backend.clock.monotonic_nanos())))
    }

    /// Waits until `visible` has passed `after`; false when the time is over.
    pub(crate) fn wait_visible_after(&self, after: Sequence, timeout: Duration, closed: &dyn Fn() -> bool) -> bool {
        let clock = &self.context.backend.clock;
        let until = clock.monotonic_nanos().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        let mut state = self.state.lock();
        loop {
            if self.visible() > after {
                return true;
            }
            let left = until.saturating_sub(clock.monotonic_nanos());
            if closed() || left == 0 || self.context.backend.threads.parallelism() == 0 {
                return false;
            }
            self.changed.wait_for(&mut state, Duration::from_nanos(left));
        }
    }

    /// Waits until `durable` has reached `sequence` without doing the work; false when the time is over.
    pub(crate) fn wait_durable(&self, sequence: Sequence, timeout: Duration) -> Result<bool> {
        if self.durable() >= sequence {
            return Ok(true);
        }
        if sequence > self.appended()
            && !self.wait_visible_after(Sequence(sequence.0.saturating_sub(1)), timeout, &|| false)
        {
            return Ok(false);
        }
        self.flush_to(sequence).map(|()| true)
    }

    /// Wakes everyone who waits, to look again.
    pub(crate) fn wake(&self) {
        let guard = self.state.lock();
        drop(guard);
        self.changed.notify_all();
    }

    /// Refuses all further commits.
    pub(crate) fn stop(&self, cause: &str) {
        let mut state = self.state.lock();
        let written = state.written;
        state.stop(cause.to_owned(), written);
        drop(state);
        self.changed.notify_all();
    }

    /// The failure that stopped the log.
    pub(crate) fn check(&self) -> Result<()> {
        self.state.lock().check(None)
    }

    /// True when the next file should be made ahead of need.
    pub(crate) fn wants_spare(&self) -> bool {
        let state = self.state.lock();
        // A small file is half used before the next is made, so that a small database stays small; a large one takes
        // so long to make that it is begun at once.
        let used = state.remaining < state.current_capacity / 2 || state.current_capacity >= AHEAD_BYTES_MIN;
        state.spare.is_none() && state.stopped.is_none() && !state.closed && used
    }

    /// Makes the next file, of at least `room_min` bytes of room, when there is none that large.
    pub(crate) fn prepare_next(&self, room_min: u64) -> Result<()> {
        let doubled = self.state.lock().current_capacity.saturating_mul(2).min(WAL_FILE_BYTES_MAX);
        self.prepare(room_min, doubled.max(room_min.saturating_add(WAL_UNITS_AT)).next_multiple_of(4096))
    }

    /// As [`prepare_next`](Self::prepare_next), of just this size.
    fn prepare_next_of(&self, capacity: u64) -> Result<()> {
        self.prepare(0, capacity)
    }

    fn prepare(&self, room_min: u64, capacity: u64) -> Result<()> {
        let _one_at_a_time = self.preparing.lock();
        {
            let state = self.state.lock();
            state.check(None)?;
            if state.spare.as_ref().is_some_and(|spare| spare.room() >= room_min) {
                return Ok(());
            }
        }
        let number = self.context.numbers.next();
        let made = WalFile::create(&self.context.backend, &self.context.keys, number, capacity)?;
        let replaced = self.state.lock().spare.replace(made);
        if let Some(small) = replaced {
            // Never named in the log, so nobody misses it.
            let path = FileKind::Wal.path(small.number());
            drop(small);
            let _ = self.context.backend.directory.remove(&path);
        }
        Ok(())
    }

    /// The files of the log as the manifest should list them once commits up to `floor` are in segments.
    pub(crate) fn files_after(&self, floor: Sequence) -> Vec<WalRef> {
        let state = self.state.lock();
        let mut list: Vec<WalRef> = state.retired.iter().filter(|wal| ends_after(wal, floor)).cloned().collect();
        list.push(WalRef { number: state.current_number, seal: None });
        list
    }

    /// Forgets the files that hold nothing after `floor`, now that the manifest has. Returns them.
    pub(crate) fn forget(&self, floor: Sequence) -> Vec<FileNumber> {
        let mut state = self.state.lock();
        let (keep, gone): (Vec<WalRef>, Vec<WalRef>) = state.retired.drain(..).partition(|wal| ends_after(wal, floor));
        state.retired = keep;
        gone.into_iter().map(|wal| wal.number).collect()
    }

    /// Goes on in a fresh, small file, so that the files before it can go once their commits are in segments.
    pub(crate) fn rotate(&self) -> Result<()> {
        self.prepare_next_of(self.context.first_bytes)?;
        let mut state = self.state.lock();
        loop {
            state.check(None)?;
            let idle = !state.writing && !state.flushing;
            if idle && state.pending.len() <= WAL_UNIT_HEADER_BYTES {
                break;
            }
            // What is pending goes into the old file, or takes the new one itself.
            state = self.write_pending(state, true);
            if state.spare.is_none() {
                return Ok(());
            }
        }
        let Some(next) = state.spare.take() else { return Ok(()) };
        state.remaining = next.room();
        state.writing = true;
        state.flushing = true;
        let last = state.written;
        drop(state);
        let moved = self.go_on_in(next, last);
        let mut state = self.state.lock();
        state.writing = false;
        state.flushing = false;
        if let Err(error) = &moved {
            state.stop(error.to_string(), last);
        }
        drop(state);
        self.changed.notify_all();
        moved
    }

    /// Bytes of the log's files that hold commits.
    pub(crate) fn bytes(&self) -> u64 {
        let state = self.state.lock();
        let ended: u64 = state.retired.iter().filter_map(|wal| wal.seal.as_ref()).map(|seal| seal.len).sum();
        ended.saturating_add(state.current_capacity.saturating_sub(state.remaining)).saturating_sub(WAL_UNITS_AT)
    }

    /// Reads every file of the log back. Commits wait while the newest is read.
    pub(crate) fn verify(&self, report: &mut VerifyReport) {
        let current = self.current.lock();
        let ended = self.state.lock().retired.clone();
        let ended = ended.iter().filter_map(|wal| Some((wal.number, wal.seal.as_ref()?.len)));
        for (number, len) in ended.chain([(current.number(), current.len())]) {
            verify_file(&self.context, number, len, report);
        }
    }

    /// Flushes everything and ends the log in order. Returns its files for the manifest.
    pub(crate) fn close(&self) -> Result<Vec<WalRef>> {
        self.flush_all()?;
        let mut state = self.state.lock();
        while state.writing || state.flushing {
            self.changed.wait(&mut state);
        }
        state.check(None)?;
        state.closed = true;
        let (appended, number) = (state.appended, state.current_number);
        drop(state);
        let sealed = self.current.lock().finish(None, appended, self.durable());
        let mut state = self.state.lock();
        let spare = state.spare.take();
        if let Some(spare) = spare {
            let path = FileKind::Wal.path(spare.number());
            drop(spare);
            let _ = self.context.backend.directory.remove(&path);
        }
        match sealed {
            Ok(seal) => {
                let mut list = state.retired.clone();
                list.push(WalRef { number, seal: Some(seal) });
                Ok(list)
            }
            Err(error) => {
                state.stop(error.to_string(), appended);
                Err(error)
            }
        }
    }

    fn wait_visible(&self, sequence: Sequence) -> Result<()> {
        if self.visible() >= sequence {
            return Ok(());
        }
        let mut state = self.state.lock();
        while self.visible() < sequence {
            // A durable commit is ahead; whoever made it is about to flush or waits for the one who does.
            if self.context.backend.threads.parallelism() == 0 {
                drop(state);
                return self.flush_to(sequence);
            }
            state.check(Some(sequence))?;
            self.changed.wait(&mut state);
        }
        Ok(())
    }

    /// Does one write of what is pending, and with `flush` one flush; or waits for whoever does it now. Returns with
    /// the lock held again; the caller looks whether it got what it needs, or whether the log was stopped.
    fn write_pending<'a>(&'a self, mut state: MutexGuard<'a, State>, flush: bool) -> MutexGuard<'a, State> {
        if state.stopped.is_some() {
            return state;
        }
        let rotates = state.does_not_fit();
        if state.writing || ((flush || rotates) && state.flushing) {
            self.changed.wait(&mut state);
            return state;
        }
        let group = state.take_group();
        if group.is_none() && !flush {
            return state;
        }
        state.writing = group.is_some();
        state.flushing |= flush || rotates;
        if let Some(group) = group {
            let unknown_to = group.last;
            drop(state);
            let written = self.write_group(group);
            state = self.state.lock();
            state.writing = false;
            match written {
                Ok((last, spent)) => {
                    state.written = last;
                    state.recycled = spent;
                }
                Err(error) => state.stop(error.to_string(), unknown_to),
            }
        }
        if !flush {
            if rotates {
                state.flushing = false;
            }
            self.changed.notify_all();
            return state;
        }
        if state.stopped.is_none() {
            state = self.flush_written(state);
        }
        state.flushing = false;
        self.changed.notify_all();
        state
    }

    /// Flushes what is written; the caller has the flushing role.
    fn flush_written<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let (file, reached) = (Arc::clone(&state.file), state.written);
        let bytes_before = state.unflushed_bytes;
        state.flush_due_nanos = None;
        drop(state);
        // Those who only write may go on meanwhile.
        self.changed.notify_all();
        let flushed = if makes(Mistake::LogNotFlushed) { Ok(()) } else { file.flush_data() };
        let flushed = match flushed {
            Err(_) if makes(Mistake::LogFlushRetried) => file.flush_data(),
            flushed => flushed,
        };
        self.flushes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        match flushed {
            Ok(()) => {
                state.unflushed_bytes = state.unflushed_bytes.saturating_sub(bytes_before);
                self.reached(&mut state, reached);
            }
            Err(error) => {
                let unknown_to = state.written;
                state.stop(error.to_string(), unknown_to);
            }
        }
        state
    }

    /// Writes a group, going on in the next file first when it must. Returns the last commit and the spent buffer.
    fn write_group(&self, group: Group) -> Result<(Sequence, Vec<u8>)> {
        if let Some(next) = group.next {
            self.go_on_in(next, Sequence(group.first.0.saturating_sub(1)))?;
        }
        let mut current = self.current.lock();
        let before = current.len();
        let durable = if makes(Mistake::DurableMarkTooHigh) { group.last } else { self.durable() };
        let mut spent = current.write_commits(group.body, group.first, group.last, durable)?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        let len = current.len().saturating_sub(before);
        self.bytes_written.fetch_add(len, Ordering::Relaxed);
        drop(current);
        let mut state = self.state.lock();
        state.unflushed_bytes = state.unflushed_bytes.saturating_add(len);
        drop(state);
        spent.clear();
        spent.resize(WAL_UNIT_HEADER_BYTES, 0);
        Ok((group.last, spent))
    }

    /// Ends the current file after `last` and goes on in `next`. The caller has both roles.
    fn go_on_in(&self, next: WalFile, last: Sequence) -> Result<()> {
        let mut current = self.current.lock();
        let ended = current.number();
        let seal = current.finish(Some(&next.successor_mark()), last, self.durable())?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.flushes.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.file = next.file();
        state.current_number = next.number();
        state.current_capacity = next.capacity();
        state.retired.push(WalRef { number: ended, seal: Some(seal) });
        state.unflushed_bytes = 0;
        self.reached(&mut state, last);
        drop(state);
        *current = next;
        Ok(())
    }

    /// Commits up to `sequence` are on stable storage now.
    fn reached(&self, state: &mut State, sequence: Sequence) {
        self.durable.fetch_max(sequence.0, Ordering::AcqRel);
        while state.durable_waits.front().is_some_and(|first| *first <= sequence) {
            state.durable_waits.pop_front();
        }
        self.publish(state);
    }

    fn publish(&self, state: &State) {
        let last = match state.durable_waits.front() {
            Some(first) if !makes(Mistake::VisibleBeforeDurable) => Sequence(first.0.saturating_sub(1)),
            _ => state.appended,
        };
        if self.visible.fetch_max(last.0, Ordering::AcqRel) < last.0 {
            self.changed.notify_all();
        }
    }
}

impl State {
    /// The error of everyone who comes after a failure; for a commit that waited, what is known of it.
    fn check(&self, waiting: Option<Sequence>) -> Result<()> {
        match (&self.stopped, waiting) {
            (Some(stop), Some(sequence)) if sequence <= stop.unknown_to => {
                Err(Error::CommitUnknown { sequence, cause: stop.cause.clone() })
            }
            (Some(stop), _) => Err(Error::WritesStopped { cause: stop.cause.clone() }),
            (None, _) if self.closed => Err(Error::Closed),
            (None, _) => Ok(()),
        }
    }

    fn stop(&mut self, cause: String, unknown_to: Sequence) {
        if self.stopped.is_none() {
            self.stopped = Some(Stop { cause, unknown_to });
            self.flush_due_nanos = None;
        }
    }

    fn unit_bytes(&self) -> u64 {
        wal_unit_bytes(self.pending.len().saturating_sub(WAL_UNIT_HEADER_BYTES) as u64, self.overhead)
    }

    fn does_not_fit(&self) -> bool {
        self.pending.len() > WAL_UNIT_HEADER_BYTES && self.unit_bytes().saturating_add(WAL_END_BYTES) > self.remaining
    }

    /// Takes what is pending as one write and books its room.
    fn take_group(&mut self) -> Option<Group> {
        if self.pending.len() <= WAL_UNIT_HEADER_BYTES {
            return None;
        }
        let bytes = self.unit_bytes();
        let next = if self.does_not_fit() { self.spare.take() } else { None };
        if let Some(next) = &next {
            self.remaining = next.room();
        }
        self.remaining = self.remaining.saturating_sub(bytes);
        let mut fresh = std::mem::take(&mut self.recycled);
        if fresh.capacity() > PENDING_BYTES_MAX.saturating_mul(4) || fresh.len() != WAL_UNIT_HEADER_BYTES {
            fresh = empty_unit();
        }
        let body = std::mem::replace(&mut self.pending, fresh);
        Some(Group { body, first: self.pending_first, last: self.appended, next })
    }
}

/// Reads a file of the log up to `len`; what comes behind was never promised to anyone.
fn verify_file(context: &LogContext, number: FileNumber, len: u64, report: &mut VerifyReport) {
    let Some(mut reader) = report.note(0, WalReader::open(&context.backend, &context.keys, number)) else { return };
    while reader.offset() < len {
        let before = reader.offset();
        match reader.step() {
            Step::Broken(error) => {
                report.problems.push(error);
                return;
            }
            Step::Commits { .. } | Step::Continued(_) | Step::Closed => {
                report.units = report.units.saturating_add(1);
                report.bytes = report.bytes.saturating_add(reader.offset().saturating_sub(before));
            }
        }
    }
}

fn ends_after(wal: &WalRef, floor: Sequence) -> bool {
    wal.seal.as_ref().is_none_or(|seal| seal.last > floor)
}

fn empty_unit() -> Vec<u8> {
    vec![0; WAL_UNIT_HEADER_BYTES]
}
