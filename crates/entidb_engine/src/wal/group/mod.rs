//! Group commit: commits share writes and flushes, and the first waiter does the work for all.
//!
//! Always: sequences reach the file in order and without gaps; `visible` grows in order, past a durable commit only once
//! that commit is on stable storage, and past a grouped one only once it is written; after a failed write or flush nothing is ever acknowledged again. Flushes never
//! overlap, because a system reports a failure to one of them only. Files are flushed in the order of the log: nothing in a
//! file is durable before all of the file before it is. A commit is refused before it is applied when the log has no room
//! for it, so a full disk costs nothing that was applied.
//! One commit passes through `pending`, `leader` and `wait`, in this order; `gather` says when it is worth waiting for
//! others, `files` and `end` are what surrounds it.
//! Does not know: what a commit means, or who reads what is visible.

mod end;
mod files;
mod flush_end;
mod gather;
mod leader;
mod pending;
mod wait;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::{Condvar, Mutex};
use entidb_storage::{Backend, File};

use crate::crypto::Keys;
use crate::error::{Error, Result};
use crate::format::{FileNumber, Sequence};
use crate::space::Space;
use crate::version::{FileNumbers, Owner, WalRef};
use crate::wal::writer::{SpentFile, WalFile};
use end::Stop;
use flush_end::FlushEnd;
use gather::Gather;
use pending::empty_unit;

/// What the log needs from the database around it.
pub(crate) struct LogContext {
    pub(crate) backend: Backend,
    pub(crate) keys: Arc<Keys>,
    pub(crate) numbers: Arc<FileNumbers>,
    pub(crate) space: Arc<Space>,
    pub(crate) owner: Owner,
    /// The size of a file that begins the log anew.
    pub(crate) first_bytes: u64,
}

/// Tells how many bytes are in memtables and not in segments. It is asked when a file is made, and takes no lock.
pub(crate) type Unflushed<'a> = &'a dyn Fn() -> u64;

/// The log of an open database.
pub(crate) struct Log {
    context: LogContext,
    state: Mutex<State>,
    /// Something is written, shown, or over.
    changed: Condvar,
    /// A flush is over, or the log is. Those who wait for one are woken by nothing less: eight writers who woke each other
    /// at every step spent four times as much time on that as on their commits.
    flushed: FlushEnd,
    /// Held by the leader. None after the end.
    current: Mutex<Option<WalFile>>,
    /// One preparation of a next file at a time.
    preparing: Mutex<()>,
    visible: AtomicU64,
    durable: AtomicU64,
    writes: AtomicU64,
    flushes: AtomicU64,
    longest_flush_nanos: AtomicU64,
    bytes_written: AtomicU64,
}

struct State {
    /// Encoded commits, after room for a unit's clear header.
    pending: Vec<u8>,
    pending_first: Sequence,
    /// A buffer to use next, so that steady commits allocate nothing.
    recycled: Vec<u8>,
    appended: Sequence,
    /// The last commit that some write was begun with, whatever came of it: those after it are on no disk.
    begun: Sequence,
    written: Sequence,
    writing: bool,
    flushing: bool,
    /// Bytes left in the current file, the write in flight taken off.
    remaining: u64,
    /// Bytes of the commit that was given room and is not handed over yet.
    promised: usize,
    overhead: usize,
    spare: Option<WalFile>,
    /// A file to make the next one of, so that nothing need be zero-written.
    spent: Option<SpentFile>,
    /// Files that ended, oldest first.
    retired: Vec<Retired>,
    current_number: FileNumber,
    current_capacity: u64,
    /// The file to flush. None after the end.
    file: Option<Arc<dyn File>>,
    /// Durable commits that are not durable yet.
    durable_waits: VecDeque<Sequence>,
    /// Grouped commits that are not written yet.
    written_waits: VecDeque<Sequence>,
    gather: Gather,
    unflushed_bytes: u64,
    /// When the first of the pending commits that does not wait must be flushed.
    pending_due_nanos: Option<u64>,
    /// The same for commits that are written, or about to be, and not flushed.
    written_due_nanos: Option<u64>,
    stopped: Option<Stop>,
    closed: bool,
}

/// A file that ended.
struct Retired {
    wal: WalRef,
    /// Its size, when this session made it. A session writes to no file it found: the cache may show bytes of it that a
    /// failed flush of the session before never brought to the disk.
    capacity: Option<u64>,
    /// Open as long as its end is not flushed.
    unflushed: Option<Arc<dyn File>>,
}

impl Log {
    /// A log that goes on after `last` in a fresh file; `retired` are the files before it.
    pub(crate) fn new(context: LogContext, current: WalFile, retired: Vec<WalRef>, last: Sequence) -> Self {
        let state = State {
            pending: empty_unit(),
            pending_first: last.next(),
            recycled: empty_unit(),
            appended: last,
            begun: last,
            written: last,
            writing: false,
            flushing: false,
            remaining: current.room(),
            promised: 0,
            overhead: current.overhead(),
            spare: None,
            spent: None,
            retired: retired.into_iter().map(|wal| Retired { wal, capacity: None, unflushed: None }).collect(),
            current_number: current.number(),
            current_capacity: current.capacity(),
            file: Some(current.file()),
            durable_waits: VecDeque::new(),
            written_waits: VecDeque::new(),
            gather: Gather::default(),
            unflushed_bytes: 0,
            pending_due_nanos: None,
            written_due_nanos: None,
            stopped: None,
            closed: false,
        };
        Self {
            context,
            state: Mutex::new(state),
            changed: Condvar::new(),
            flushed: FlushEnd::default(),
            current: Mutex::new(Some(current)),
            preparing: Mutex::new(()),
            visible: AtomicU64::new(last.0),
            durable: AtomicU64::new(last.0),
            writes: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            longest_flush_nanos: AtomicU64::new(0),
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

    /// The session it is the log of.
    pub(crate) fn owner(&self) -> Owner {
        self.context.owner
    }

    /// Refuses when the database is not this session's any more, and stops writing then.
    pub(crate) fn check_owner(&self) -> Result<()> {
        let checked = self.context.owner.check(&self.context.backend, &self.context.keys);
        if let Err(error @ Error::Replaced { .. }) = &checked {
            self.stop(error);
        }
        checked
    }

    /// The longest flush so far.
    pub(crate) fn longest_flush_nanos(&self) -> u64 {
        self.longest_flush_nanos.load(Ordering::Relaxed)
    }

    /// Writes and flushes made, and bytes written.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.writes), load(&self.flushes), load(&self.bytes_written))
    }
}
