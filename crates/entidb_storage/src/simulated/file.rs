//! An open file of a simulated world.
//!
//! Always: reads see the live bytes; only a flush makes them durable. Does not know: names, after it was opened.

use std::sync::Arc;

use super::content::Content;
use super::dice::Dice;
use super::disk::{FileIndex, Pending};
use super::fault::FaultKind;
use super::world::{State, Subject, World};
use crate::error::{ErrorKind, Operation, Result};
use crate::file::File;

pub(super) struct SimulatedFile {
    pub(super) world: Arc<World>,
    pub(super) file: FileIndex,
    pub(super) path: Arc<str>,
    pub(super) writable: bool,
}

/// How far a misdirected write goes astray.
const MISDIRECTED_BYTES: u64 = 512;

impl SimulatedFile {
    fn subject(&self, operation: Operation, offset: u64, len: u64) -> Subject<'_> {
        Subject { operation, path: &self.path, offset, len }
    }

    fn store(
        &self,
        state: &mut State,
        subject: &Subject<'_>,
        fault: Option<FaultKind>,
        offset: u64,
        change: Pending,
    ) -> Result<()> {
        if !self.writable {
            return Err(subject.fail(ErrorKind::ReadOnly));
        }
        let end = match &change {
            Pending::Write { bytes, .. } => offset.checked_add(bytes.len() as u64),
            Pending::Zeros { len, .. } => offset.checked_add(*len),
            Pending::SetLen { len } => Some(*len),
        };
        let len = state.disk.len(self.file);
        let copied = match (&change, end) {
            (Pending::SetLen { .. }, _) | (_, None) => 0,
            (_, Some(end)) => state.copied_by(self.file, offset, end),
        };
        if copied > 0 && state.free_bytes().is_some_and(|free| free < copied) {
            return Err(subject.fail(ErrorKind::NoSpace));
        }
        let end_max = state.end_max(len).saturating_sub(copied);
        if end.is_none_or(|end| end > len && end > end_max) {
            // What was written ahead until the room was used up stays.
            if let Pending::Zeros { offset, len } = change
                && state.capacity_bytes.is_some()
                && let Some(len) = end_max.checked_sub(offset).map(|room| room.min(len)).filter(|len| *len > 0)
                && end.is_some()
            {
                state.disk.change_bytes(self.file, Pending::Zeros { offset, len });
            }
            return Err(subject.fail(ErrorKind::NoSpace));
        }
        if let Pending::Write { bytes, .. } = &change {
            state.trace.add_bytes(bytes);
        }
        state.disk.change_bytes(self.file, change);
        if copied > 0 {
            *state.copied.entry(self.file).or_default() += copied;
        }
        if fault == Some(FaultKind::DelayedDevice)
            && let Some(inode) = state.disk.file_mut(self.file)
        {
            inode.doomed = true;
        }
        Ok(())
    }

    /// As many of the bytes as find room, as a system takes them; all of them where none does, to be refused.
    fn that_fit<'a>(&self, state: &State, offset: u64, bytes: &'a [u8]) -> &'a [u8] {
        let len = state.disk.len(self.file);
        let room = state.end_max(len).max(len).saturating_sub(offset);
        match usize::try_from(room) {
            Ok(room) if room > 0 && self.writable => bytes.get(..room).unwrap_or(bytes),
            _ => bytes,
        }
    }

    fn flush(&self, operation: Operation) -> Result<()> {
        let subject = self.subject(operation, 0, 0);
        self.world.call(subject, |state, fault| {
            let doomed = state.disk.file(self.file).is_some_and(|inode| inode.doomed);
            let is_changed = state.disk.file(self.file).is_some_and(|inode| !inode.pending.is_empty());
            let too_full = is_changed && state.free_bytes().is_some_and(|free| free < state.flush_bytes);
            if fault.is_some() || doomed || too_full {
                let nothing_lands = fault == Some(FaultKind::FlushLost);
                state.disk.fail_flush(self.file, state.cache_law, nothing_lands, &mut state.dice);
                let no_space = fault == Some(FaultKind::NoSpaceAtFlush) || too_full && fault.is_none() && !doomed;
                return Err(if no_space { subject.fail(ErrorKind::NoSpace) } else { subject.device() });
            }
            state.copied.remove(&self.file);
            if !state.flushes_lie {
                state.disk.flush(self.file, &self.world.laws, operation == Operation::FlushAll);
            }
            Ok(())
        })
    }
}

impl File for SimulatedFile {
    fn path(&self) -> &str {
        &self.path
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let subject = self.subject(Operation::Read, offset, buffer.len() as u64);
        self.world.call(subject, |state, fault| {
            let wanted = if fault == Some(FaultKind::ShortRead) { buffer.len().div_ceil(2) } else { buffer.len() };
            let Some(buffer) = buffer.get_mut(..wanted) else { return Ok(0) };
            if fault == Some(FaultKind::FlippedBit) {
                flip(state, self.file, offset, buffer.len() as u64);
            }
            let Some(inode) = state.disk.file(self.file) else { return Ok(0) };
            let count = if fault == Some(FaultKind::StaleRead) {
                inode.durable.read(offset, buffer)
            } else {
                inode.live.read(offset, buffer)
            };
            if fault == Some(FaultKind::FlippedBitOnce) {
                let bit = state.dice.below(count as u64 * 8);
                if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| buffer.get_mut(at)) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Ok(count)
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        let subject = self.subject(Operation::Write, offset, bytes.len() as u64);
        self.world.call(subject, |state, fault| {
            let bytes = match fault {
                Some(FaultKind::ZeroWrite) => return Ok(0),
                Some(FaultKind::ShortWrite) => bytes.get(..bytes.len().div_ceil(2)).unwrap_or_default(),
                Some(FaultKind::TornWrite) => taken_of(bytes, &mut state.dice),
                _ => bytes,
            };
            let offset = if fault == Some(FaultKind::MisdirectedWrite) {
                offset.saturating_add(MISDIRECTED_BYTES)
            } else {
                offset
            };
            let bytes = self.that_fit(state, offset, bytes);
            self.store(state, &subject, fault, offset, Pending::Write { offset, bytes: Arc::from(bytes) })?;
            if fault == Some(FaultKind::TornWrite) { Err(subject.device()) } else { Ok(bytes.len()) }
        })
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        let all = parts.concat();
        let subject = self.subject(Operation::Write, 0, all.len() as u64);
        self.world.call(subject, |state, fault| {
            let end = state.disk.len(self.file);
            if all.is_empty() {
                return Ok(end);
            }
            match fault {
                Some(FaultKind::ZeroWrite) => Err(subject.fail(ErrorKind::WroteNothing)),
                Some(kind @ (FaultKind::ShortWrite | FaultKind::TornWrite)) => {
                    let torn = kind == FaultKind::TornWrite;
                    let half = all.get(..all.len() / 2).unwrap_or_default();
                    let prefix = if torn { taken_of(&all, &mut state.dice) } else { half };
                    self.store(state, &subject, fault, end, Pending::Write { offset: end, bytes: Arc::from(prefix) })?;
                    Err(subject.device())
                }
                _ => {
                    let astray = if fault == Some(FaultKind::MisdirectedWrite) { MISDIRECTED_BYTES } else { 0 };
                    let offset = end.saturating_add(astray);
                    let fit = self.that_fit(state, offset, &all);
                    let bytes = Arc::from(fit);
                    self.store(state, &subject, fault, offset, Pending::Write { offset, bytes })?;
                    if fit.len() < all.len() { Err(subject.fail(ErrorKind::NoSpace)) } else { Ok(end) }
                }
            }
        })
    }

    fn len(&self) -> Result<u64> {
        let subject = self.subject(Operation::Len, 0, 0);
        self.world.call(subject, |state, _| Ok(state.disk.len(self.file)))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let subject = self.subject(Operation::SetLen, 0, len);
        self.world.call(subject, |state, fault| self.store(state, &subject, fault, 0, Pending::SetLen { len }))
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        let subject = self.subject(Operation::Preallocate, offset, len);
        self.world
            .call(subject, |state, fault| self.store(state, &subject, fault, offset, Pending::Zeros { offset, len }))
    }

    fn flush_data(&self) -> Result<()> {
        self.flush(Operation::FlushData)
    }

    fn flush_all(&self) -> Result<()> {
        self.flush(Operation::FlushAll)
    }
}

/// What a torn write leaves: as often all of the bytes as some of them, since a system may fail a call that did its work.
fn taken_of<'a>(bytes: &'a [u8], dice: &mut Dice) -> &'a [u8] {
    let some = usize::try_from(dice.below(bytes.len() as u64 + 1)).unwrap_or(0);
    if dice.coin() { bytes } else { bytes.get(..some).unwrap_or_default() }
}

/// Flips a bit of the device inside a range, wherever it is held.
fn flip(state: &mut State, file: FileIndex, offset: u64, len: u64) {
    let range = state.disk.len(file).saturating_sub(offset).min(len);
    if range == 0 {
        return;
    }
    let bit = state.dice.below(range * 8);
    let at = offset + bit / 8;
    let Some(inode) = state.disk.file_mut(file) else { return };
    for content in [&mut inode.live, &mut inode.durable] {
        flip_in(content, at, 1 << (bit % 8));
    }
}

fn flip_in(content: &mut Arc<Content>, at: u64, mask: u8) {
    let mut byte = [0_u8];
    if content.read(at, &mut byte) == 1 {
        let [byte] = byte;
        Arc::make_mut(content).write(at, &[byte ^ mask]);
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = self.world.state.lock();
        if let Some(handles) = state.open.get_mut(&self.file) {
            *handles = handles.saturating_sub(1);
            if *handles == 0 {
                state.open.remove(&self.file);
            }
        }
    }
}

impl std::fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedFile").field("path", &self.path).finish_non_exhaustive()
    }
}
