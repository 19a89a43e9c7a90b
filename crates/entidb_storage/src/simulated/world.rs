//! The state a simulated backend shares with its handles, and the one door every call goes through.
//!
//! Always: a call is counted, shown to the observer, judged by the faults and traced, in that order.
//! Does not know: what each operation does (`directory`, `file`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sync::Mutex;

use super::clock::SimulatedClock;
use super::dice::{Dice, mix};
use super::disk::{Disk, FileIndex};
use super::fault::{EIO, Fault, FaultKind};
use super::law::{CacheLaw, Laws, Personality};
use super::trace::{Call, Trace};
use super::{CallPoint, Frozen};
use crate::directory::Whereabouts;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::random::SeededRandom;

/// What a system writes at once.
const BLOCK_BYTES: u64 = 4096;

/// Who holds the lock of a folder.
#[derive(Debug, Default)]
pub(super) struct Holders {
    pub(super) exclusive: bool,
    pub(super) shared: usize,
}

/// Sees each call before it happens.
pub(super) type Observer = Arc<dyn Fn(&CallPoint<'_>) + Send + Sync>;

/// All that changes.
pub(super) struct State {
    pub(super) disk: Disk,
    pub(super) trace: Trace,
    pub(super) faults: Vec<Fault>,
    pub(super) faults_struck: u64,
    pub(super) cache_law: CacheLaw,
    pub(super) flushes_lie: bool,
    pub(super) capacity_bytes: Option<u64>,
    /// Told to be free beyond what is.
    pub(super) overstated_bytes: u64,
    /// A block that is written again goes to a new place; the old one is free once the file is flushed.
    pub(super) copies_overwrites: bool,
    /// Blocks that were written again since their file was flushed, in bytes.
    pub(super) copied: BTreeMap<FileIndex, u64>,
    /// What a flush takes for itself while it lasts.
    pub(super) flush_bytes: u64,
    pub(super) open_files_max: Option<usize>,
    pub(super) power_off_at: Option<u64>,
    pub(super) calls_max: Option<u64>,
    pub(super) observer: Option<Observer>,
    /// How many handles are open on each file.
    pub(super) open: BTreeMap<FileIndex, usize>,
    /// By folder.
    pub(super) locks: BTreeMap<Arc<str>, Holders>,
    /// Grows when all locks are forgotten; a lock of an earlier epoch lets nothing go.
    pub(super) lock_epoch: u64,
    pub(super) whereabouts: Whereabouts,
    pub(super) dice: Dice,
}

/// One simulated machine with its device.
pub(super) struct World {
    pub(super) personality: Personality,
    pub(super) laws: Laws,
    pub(super) seed: u64,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) random: Arc<SeededRandom>,
    pub(super) state: Mutex<State>,
}

/// What a call is about, for the trace and for errors.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) operation: Operation,
    pub(super) path: &'a Arc<str>,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Subject<'_> {
    pub(super) fn fail(&self, kind: ErrorKind) -> Error {
        let error = Error::new(self.operation, self.path.as_ref(), kind);
        if matches!(self.operation, Operation::Read | Operation::Write) { error.at(self.offset) } else { error }
    }

    pub(super) fn device(&self) -> Error {
        self.fail(ErrorKind::Device { os_code: Some(EIO) })
    }
}

impl World {
    pub(super) fn new(personality: Personality, seed: u64, disk: Disk) -> Self {
        let laws = personality.laws();
        Self {
            personality,
            laws,
            seed,
            clock: Arc::default(),
            random: Arc::new(SeededRandom::new(mix(seed, 1))),
            state: Mutex::new(State {
                disk,
                trace: Trace::default(),
                faults: Vec::new(),
                faults_struck: 0,
                cache_law: laws.after_failed_flush,
                flushes_lie: false,
                capacity_bytes: None,
                overstated_bytes: 0,
                copies_overwrites: false,
                copied: BTreeMap::new(),
                flush_bytes: 0,
                open_files_max: None,
                power_off_at: None,
                calls_max: None,
                observer: None,
                open: BTreeMap::new(),
                locks: BTreeMap::new(),
                lock_epoch: 0,
                whereabouts: Whereabouts::Here,
                dice: Dice::new(mix(seed, 2)),
            }),
        }
    }

    pub(super) fn freeze(&self, state: &State) -> Frozen {
        Frozen {
            personality: self.personality,
            seed: mix(self.seed, state.trace.calls.len() as u64),
            flushes_lie: state.flushes_lie,
            capacity_bytes: state.capacity_bytes,
            copies_overwrites: state.copies_overwrites,
            flush_bytes: state.flush_bytes,
            disk: state.disk.clone(),
        }
    }

    /// Makes one call.
    pub(super) fn call<T>(
        &self,
        subject: Subject<'_>,
        act: impl FnOnce(&mut State, Option<FaultKind>) -> Result<T>,
    ) -> Result<T> {
        self.clock.advance_nanos(1000);
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let index = state.trace.calls.len() as u64;
        if let Some(observer) = &state.observer {
            let observer = Arc::clone(observer);
            observer(&CallPoint { world: self, state, index, operation: subject.operation, path: subject.path });
        }
        let result = if state.power_off_at.is_some_and(|at| index >= at) || state.is_over(index) {
            Err(subject.device())
        } else {
            let strikes = |fault: &&Fault| fault.strikes(index, subject.operation);
            let fault = state.faults.iter().find(strikes).map(|fault| fault.kind);
            state.faults_struck += u64::from(fault.is_some());
            let flushes =
                matches!(subject.operation, Operation::FlushData | Operation::FlushAll | Operation::FlushNames);
            match fault.filter(|_| !flushes).and_then(|kind| kind.error(subject.operation, subject.path)) {
                Some(error) => Err(error),
                None => act(state, fault),
            }
        };
        state.trace.push(Call {
            operation: subject.operation,
            path: Arc::clone(subject.path),
            offset: subject.offset,
            len: subject.len,
            failed: result.is_err(),
        });
        result
    }
}

impl State {
    /// True when the run has made more calls than it may.
    fn is_over(&self, index: u64) -> bool {
        let Some(max) = self.calls_max else { return false };
        if index >= max.saturating_mul(2) {
            give_up(max);
        }
        index >= max
    }

    /// Bytes the device can still take, when it has a size.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let capacity = self.capacity_bytes?;
        Some(capacity.saturating_sub(self.used_bytes()))
    }

    /// Bytes the device holds, with the old places of blocks that were written again.
    pub(super) fn used_bytes(&self) -> u64 {
        let names = &self.disk.names.files;
        let is_there = |file: &FileIndex| self.open.contains_key(file) || names.values().any(|named| named == file);
        let copied = self.copied.iter().filter(|(file, _)| is_there(file)).map(|(_, bytes)| bytes);
        self.disk.used_bytes(&self.open) + copied.sum::<u64>()
    }

    /// Bytes of the blocks in a part of a file that a write of it has to put elsewhere.
    pub(super) fn copied_by(&self, file: FileIndex, offset: u64, end: u64) -> u64 {
        let end = end.min(self.disk.len(file));
        if !self.copies_overwrites || offset >= end {
            return 0;
        }
        (end.div_ceil(BLOCK_BYTES) - offset / BLOCK_BYTES) * BLOCK_BYTES
    }

    /// How far a file of `len` bytes can be written.
    pub(super) fn end_max(&self, len: u64) -> u64 {
        let max = super::content::FILE_BYTES_MAX;
        self.free_bytes().map_or(max, |free| len.saturating_add(free).min(max))
    }
}

/// Ends a run that does not end by itself: every call has failed for as long as the whole run was allowed to take.
#[expect(clippy::panic, reason = "the code under test loops for ever on errors; only unwinding gets out of it")]
fn give_up(max: u64) -> ! {
    panic!("hang: still calling after {max} calls and as many failures");
}
