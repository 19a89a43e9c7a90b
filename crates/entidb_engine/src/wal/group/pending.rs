//! The commits nobody has written yet: room for them, and their place in line.
//!
//! Always: a commit has room before it is taken, so taking it cannot fail; what is pending is written as one unit.
//! Does not know: who writes it (`leader`).

use crate::error::{Error, Result};
use crate::format::{Sequence, WAL_END_BYTES, WAL_UNIT_HEADER_BYTES, put_bytes, varint_len, wal_unit_bytes};
use crate::options::Durability;
use crate::planted::{Mistake, makes};
use crate::space::Purpose;
use crate::wal::group::wait::UNFLUSHED_BYTES_MAX;
use crate::wal::group::{Log, State, Unflushed};
use crate::wal::writer::{WAL_FILE_BYTES_MAX, WalFile};

/// Pending bytes of commits that wait for nothing are handed to the system at this size.
pub(super) const PENDING_BYTES_MAX: usize = 256 * 1024;
/// More than sealing and padding add to a unit.
const SEALING_BYTES: usize = 64;
/// How long commits without durability may stay unflushed while the process lives.
const LAZY_FLUSH_NANOS: u64 = 100_000_000;

/// One write, taken from the pending commits.
pub(super) struct Group {
    pub(super) body: Vec<u8>,
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    /// The file to go on in, when the group does not fit the current one.
    pub(super) next: Option<WalFile>,
}

impl Log {
    /// Makes sure that a commit of `len` bytes will fit. To be called before anything of it is applied, by the one
    /// writer: an error here means that nothing happened.
    pub(crate) fn reserve(&self, len: usize, purpose: Purpose, unflushed: Unflushed<'_>) -> Result<()> {
        loop {
            let mut state = self.state.lock();
            state.check(None)?;
            let framed = len.saturating_add(varint_len(len as u64));
            let alone = wal_unit_bytes(framed as u64, state.overhead).saturating_add(WAL_END_BYTES);
            let body = state.pending.len().saturating_sub(WAL_UNIT_HEADER_BYTES).saturating_add(framed);
            // What is pending may be written first, and then it is a unit of its own.
            let whole = state.pending_bytes().saturating_add(alone);
            let spare_room = state.spare.as_ref().map(WalFile::room);
            if body as u64 <= u64::from(u32::MAX)
                && (whole <= state.remaining || spare_room.is_some_and(|room| whole <= room))
            {
                // With what sealing adds, so that the writer of the unit asks for nothing.
                let no_memory = |_| Error::OutOfMemory { what: "the log", bytes: framed as u64 };
                state.pending.try_reserve(framed.saturating_add(SEALING_BYTES)).map_err(no_memory)?;
                state.promised = framed;
                return Ok(());
            }
            let has_pending = state.pending.len() > WAL_UNIT_HEADER_BYTES;
            if has_pending && (spare_room.is_some() || whole > WAL_FILE_BYTES_MAX) {
                // The spare is spoken for by what is pending: let that go first.
                drop(self.write_pending(state, false));
                continue;
            }
            drop(state);
            self.prepare_next(if has_pending { whole } else { alone }, purpose, unflushed)?;
        }
    }

    /// Takes back what `reserve` promised, for a commit that was refused after it.
    pub(crate) fn release(&self) {
        self.state.lock().promised = 0;
    }

    /// Takes the encoded commit with the next sequence. `reserve` was called for it and the commit is applied. True
    /// when a flush is due now that was not, so that the background flusher must check the clock.
    pub(crate) fn append(&self, sequence: Sequence, commit: &[u8], durability: Durability) -> bool {
        let now = self.context.backend.clock.monotonic_nanos();
        let mut state = self.state.lock();
        state.promised = 0;
        if state.stopped.is_some() {
            // Its waiters get the reason; no reader ever sees it.
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
            Durability::Grouped { interval_ms } => {
                state.written_waits.push_back(sequence);
                now.saturating_add(u64::from(interval_ms).saturating_mul(1_000_000))
            }
            Durability::None => now.saturating_add(LAZY_FLUSH_NANOS),
        };
        // The thread of the log flushes what has become much, and files that ended. One that is under way comes first.
        let is_much = state.unflushed_bytes >= UNFLUSHED_BYTES_MAX || state.unflushed_files() > 0;
        let is_much = is_much && !state.flushing && self.has_thread();
        let due = if is_much { now } else { due };
        let sooner = state.flush_due_nanos().is_none_or(|before| due < before);
        state.pending_due_nanos = Some(state.pending_due_nanos.map_or(due, |before| due.min(before)));
        self.publish(&state);
        sooner
    }
}

impl State {
    /// When the first commit that does not wait must be flushed.
    pub(super) fn flush_due_nanos(&self) -> Option<u64> {
        let due = [self.pending_due_nanos, self.written_due_nanos];
        due.into_iter().flatten().min()
    }

    /// Bytes of the unit that what is pending makes, if anything is.
    fn pending_bytes(&self) -> u64 {
        if self.pending.len() > WAL_UNIT_HEADER_BYTES { self.unit_bytes() } else { 0 }
    }

    /// The room that a file must have which is to be the next one now: for what is pending, and for the commit that was
    /// given room.
    pub(super) fn room_owed(&self) -> u64 {
        let promised = if self.promised > 0 { wal_unit_bytes(self.promised as u64, self.overhead) } else { 0 };
        let owed = self.pending_bytes().saturating_add(promised);
        if owed > 0 { owed.saturating_add(WAL_END_BYTES) } else { 0 }
    }

    fn unit_bytes(&self) -> u64 {
        wal_unit_bytes(self.pending.len().saturating_sub(WAL_UNIT_HEADER_BYTES) as u64, self.overhead)
    }

    pub(super) fn does_not_fit(&self) -> bool {
        self.pending.len() > WAL_UNIT_HEADER_BYTES && self.unit_bytes().saturating_add(WAL_END_BYTES) > self.remaining
    }

    /// Takes what is pending as one write and books its room.
    pub(super) fn take_group(&mut self) -> Option<Group> {
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
        self.begun = self.appended;
        self.written_due_nanos = self.flush_due_nanos();
        self.pending_due_nanos = None;
        Some(Group { body, first: self.pending_first, last: self.appended, next })
    }
}

pub(super) fn empty_unit() -> Vec<u8> {
    vec![0; WAL_UNIT_HEADER_BYTES]
}
