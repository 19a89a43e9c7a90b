//! The bytes of one file in memory, its lock, and a handle on it.
//!
//! Always: bytes never written read as zeros and cost nothing; a write that does not fit leaves a prefix, never a hole.
//! Does not know: names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::RwLock;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::file::File;

/// Bytes of a file are held in pieces of this size. Large enough that finding the piece is nothing beside copying,
/// small enough that growing one copies little.
const CHUNK_BYTES: u64 = 256 * 1024;

/// As on the operating system: offsets are signed 64-bit numbers there.
const LEN_MAX: u64 = i64::MAX as u64;

/// How many bytes all files together hold, and may hold.
#[derive(Debug)]
pub(super) struct Room {
    capacity: Option<u64>,
    used: AtomicU64,
}

impl Room {
    pub(super) fn new(capacity: Option<u64>) -> Self {
        Self { capacity, used: AtomicU64::new(0) }
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn free(&self) -> Option<u64> {
        self.capacity.map(|capacity| capacity.saturating_sub(self.used()))
    }

    fn take(&self, bytes: u64) -> std::result::Result<(), ErrorKind> {
        let capacity = self.capacity.unwrap_or(u64::MAX);
        let fits = |used: u64| used.checked_add(bytes).filter(|now| *now <= capacity);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(ErrorKind::NoSpace),
        }
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One file.
#[derive(Debug)]
pub(super) struct Content {
    bytes: RwLock<Bytes>,
    room: Arc<Room>,
}

#[derive(Debug, Default)]
struct Bytes {
    len: u64,
    /// By number of the chunk. One may be missing or short: what it lacks is zeros.
    chunks: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { bytes: RwLock::default(), room }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.room.give_back(self.bytes.get_mut().held());
    }
}

impl Bytes {
    fn held(&self) -> u64 {
        self.chunks.values().map(|chunk| chunk.len() as u64).sum()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let left = self.len.saturating_sub(offset);
        let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let mut rest = buffer.get_mut(..count).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let (number, start, len) = piece(at, rest.len());
            let (now, later) = rest.split_at_mut(len);
            let chunk = self.chunks.get(&number).map_or(&[][..], Vec::as_slice);
            let there = chunk.get(start..).unwrap_or_default();
            let there = there.get(..len).unwrap_or(there);
            let (copied, zeroed) = now.split_at_mut(there.len());
            copied.copy_from_slice(there);
            zeroed.fill(0);
            at += len as u64;
            rest = later;
        }
        count
    }

    /// Writes one part. The length grows with every piece, so a failure leaves a true prefix.
    fn write(&mut self, offset: u64, bytes: &[u8], room: &Room) -> std::result::Result<(), ErrorKind> {
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let (number, start, len) = piece(at, rest.len());
            let (now, later) = rest.split_at(len);
            let chunk = self.chunks.entry(number).or_default();
            let end = start + len;
            if let Some(more) = end.checked_sub(chunk.len()).filter(|more| *more > 0) {
                room.take(more as u64)?;
                if chunk.try_reserve(more).is_err() {
                    room.give_back(more as u64);
                    return Err(ErrorKind::NoSpace);
                }
                if chunk.len() < start {
                    chunk.resize(start, 0);
                }
                // What overlaps is replaced, the remainder added, so no byte is written twice.
                let overlap = chunk.len() - start;
                let (old, new) = now.split_at(overlap.min(now.len()));
                if let Some(place) = chunk.get_mut(start..) {
                    place.copy_from_slice(old);
                }
                chunk.extend_from_slice(new);
            } else if let Some(place) = chunk.get_mut(start..end) {
                place.copy_from_slice(now);
            }
            at += len as u64;
            self.len = self.len.max(at);
            rest = later;
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64, room: &Room) {
        if len < self.len {
            let before = self.held();
            let (number, start, _) = piece(len, 1);
            let _dropped = self.chunks.split_off(&(number + 1));
            if let Some(chunk) = self.chunks.get_mut(&number) {
                chunk.truncate(start);
                chunk.shrink_to_fit();
            }
            room.give_back(before - self.held());
        }
        self.len = len;
    }
}

/// The chunk an offset falls in, the place inside it, and how many of `len` bytes are in the same chunk.
#[expect(clippy::cast_possible_truncation, reason = "a place inside a chunk is below 256 KiB")]
fn piece(offset: u64, len: usize) -> (u64, usize, usize) {
    let start = (offset % CHUNK_BYTES) as usize;
    (offset / CHUNK_BYTES, start, len.min(CHUNK_BYTES as usize - start))
}

/// A handle on a file in memory.
#[derive(Debug)]
pub(super) struct MemoryFile {
    content: Arc<Content>,
    name: Box<str>,
    writable: bool,
}

impl MemoryFile {
    pub(super) fn new(content: Arc<Content>, name: &str, writable: bool) -> Self {
        Self { content, name: name.into(), writable }
    }

    fn judge(&self, operation: Operation, offset: u64, len: u64) -> Result<()> {
        if !self.writable {
            return Err(Error::new(operation, &*self.name, ErrorKind::ReadOnly));
        }
        match offset.checked_add(len) {
            Some(end) if end <= LEN_MAX => Ok(()),
            _ => Err(Error::new(operation, &*self.name, ErrorKind::NoSpace).at(offset)),
        }
    }

    fn told(&self, result: std::result::Result<(), ErrorKind>, operation: Operation, offset: u64) -> Result<()> {
        result.map_err(|kind| Error::new(operation, &*self.name, kind).at(offset))
    }
}

impl File for MemoryFile {
    fn path(&self) -> &str {
        &self.name
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.content.bytes.read().read(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.judge(Operation::Write, offset, bytes.len() as u64)?;
        let written = self.content.bytes.write().write(offset, bytes, &self.content.room);
        self.told(written, Operation::Write, offset)?;
        Ok(bytes.len())
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        let mut bytes = self.content.bytes.write();
        let start = bytes.len;
        let total = parts.iter().map(|part| part.len() as u64).fold(0, u64::saturating_add);
        self.judge(Operation::Write, start, total)?;
        for part in parts {
            let offset = bytes.len;
            self.told(bytes.write(offset, part, &self.content.room), Operation::Write, offset)?;
        }
        Ok(start)
    }

    fn len(&self) -> Result<u64> {
        Ok(self.content.bytes.read().len)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.judge(Operation::SetLen, len, 0)?;
        self.content.bytes.write().set_len(len, &self.content.room);
        Ok(())
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        static ZEROS: [u8; 4096] = [0; 4096];
        self.judge(Operation::Preallocate, offset, len)?;
        let mut bytes = self.content.bytes.write();
        let mut done = 0;
        while done < len {
            let step = usize::try_from(len - done).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            let zeros = ZEROS.get(..step).unwrap_or(&ZEROS);
            self.told(bytes.write(offset + done, zeros, &self.content.room), Operation::Preallocate, offset)?;
            done += step as u64;
        }
        Ok(())
    }

    fn flush_data(&self) -> Result<()> {
        Ok(())
    }

    fn flush_all(&self) -> Result<()> {
        Ok(())
    }
}
