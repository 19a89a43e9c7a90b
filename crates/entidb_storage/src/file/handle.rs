//! An open file of the operating system.
//!
//! Always: positional calls only; a handle opened for reading never writes. An offset the system cannot express is
//! judged here, the same on every platform.
//! Does not know: names beyond the one for messages; how flushes are remembered (`flush`).

use std::fs::File as SystemHandle;

use crate::sync::Mutex;

use super::{Advice, File, flush};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::flushes::Flushes;

/// Systems count offsets in signed 64-bit numbers.
const LEN_MAX: u64 = i64::MAX as u64;

/// An open file of the operating system.
#[derive(Debug)]
pub(super) struct SystemFile {
    handle: SystemHandle,
    name: Box<str>,
    writable: bool,
    flushes: Flushes,
    /// Held from asking the length to writing behind it, so that two appends never overlap.
    appending: Mutex<()>,
}

impl SystemFile {
    pub(super) fn new(handle: SystemHandle, name: &str, writable: bool) -> Self {
        Self { handle, name: name.into(), writable, flushes: Flushes::default(), appending: Mutex::new(()) }
    }

    fn error(&self, operation: Operation, error: &std::io::Error) -> Error {
        Error::from_os(operation, &*self.name, error)
    }

    fn refuse_unless_writable(&self, operation: Operation) -> Result<()> {
        if self.writable { Ok(()) } else { Err(Error::new(operation, &*self.name, ErrorKind::ReadOnly)) }
    }

    /// Says no to a range that no file can have, before the system answers with something unclear.
    fn refuse_beyond_max(&self, operation: Operation, offset: u64, len: u64) -> Result<()> {
        match offset.checked_add(len) {
            Some(end) if end <= LEN_MAX => Ok(()),
            _ => Err(Error::new(operation, &*self.name, ErrorKind::NoSpace).at(offset)),
        }
    }

    fn append_locked(&self, offset: u64, parts: &[&[u8]]) -> Result<()> {
        // One call for all parts where the platform has it; what it leaves over is written part by part.
        let mut skip = self.write_parts(offset, parts)?;
        let mut offset = offset;
        for part in parts {
            let done = skip.min(part.len());
            skip -= done;
            if let Some(rest) = part.get(done..).filter(|rest| !rest.is_empty()) {
                self.write_all_at(offset.saturating_add(done as u64), rest)?;
            }
            offset = offset.saturating_add(part.len() as u64);
        }
        Ok(())
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn write_parts(&self, offset: u64, parts: &[&[u8]]) -> Result<usize> {
        // The system takes at most 1024 parts in a call.
        let slices: Vec<_> = parts.iter().take(1024).map(|part| std::io::IoSlice::new(part)).collect();
        match rustix::io::pwritev(&self.handle, &slices, offset) {
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(self.error(Operation::Write, &error.into()).at(offset)),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn write_parts(&self, _offset: u64, _parts: &[&[u8]]) -> Result<usize> {
        Ok(0)
    }
}

impl File for SystemFile {
    fn path(&self) -> &str {
        &self.name
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        // No file has bytes there, and systems refuse a range that ends beyond.
        let buffer = super::clip(buffer, LEN_MAX.saturating_sub(offset));
        if buffer.is_empty() {
            return Ok(0);
        }
        read_at(&self.handle, buffer, offset).map_err(|error| self.error(Operation::Read, &error).at(offset))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.refuse_unless_writable(Operation::Write)?;
        self.refuse_beyond_max(Operation::Write, offset, bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        write_at(&self.handle, bytes, offset).map_err(|error| self.error(Operation::Write, &error).at(offset))
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        self.refuse_unless_writable(Operation::Write)?;
        let _one_at_a_time = self.appending.lock();
        let offset = self.len()?;
        let total = parts.iter().map(|part| part.len() as u64).fold(0, u64::saturating_add);
        self.refuse_beyond_max(Operation::Write, offset, total)?;
        if total > 0 {
            self.append_locked(offset, parts)?;
        }
        Ok(offset)
    }

    fn len(&self) -> Result<u64> {
        match self.handle.metadata() {
            Ok(found) => Ok(found.len()),
            Err(error) => Err(self.error(Operation::Len, &error)),
        }
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.refuse_unless_writable(Operation::SetLen)?;
        self.refuse_beyond_max(Operation::SetLen, len, 0)?;
        self.handle.set_len(len).map_err(|error| self.error(Operation::SetLen, &error).at(len))
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.refuse_unless_writable(Operation::Preallocate)?;
        self.refuse_beyond_max(Operation::Preallocate, offset, len)?;
        super::write_zeros(self, offset, len)
    }

    fn flush_data(&self) -> Result<()> {
        // Nothing was written through a handle for reading, and Windows would refuse to flush it.
        if !self.writable {
            return Ok(());
        }
        let flushed = self.flushes.flush(|| flush::data(&self.handle));
        flushed.map_err(|kind| Error::new(Operation::FlushData, &*self.name, kind))
    }

    fn flush_all(&self) -> Result<()> {
        if !self.writable {
            return Ok(());
        }
        let flushed = self.flushes.flush(|| flush::all(&self.handle));
        flushed.map_err(|kind| Error::new(Operation::FlushAll, &*self.name, kind))
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        if self.writable {
            flush::start_writeback(&self.handle, offset, len);
        }
        Ok(())
    }

    fn advise(&self, offset: u64, len: u64, advice: Advice) {
        advise(&self.handle, offset, len, advice);
    }
}

#[cfg(unix)]
fn read_at(handle: &SystemHandle, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(handle, buffer, offset)
}

#[cfg(unix)]
fn write_at(handle: &SystemHandle, bytes: &[u8], offset: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(handle, bytes, offset)
}

/// Moves the cursor of the handle as a side effect, which nothing here uses.
#[cfg(windows)]
fn read_at(handle: &SystemHandle, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(handle, buffer, offset)
}

#[cfg(windows)]
fn write_at(handle: &SystemHandle, bytes: &[u8], offset: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(handle, bytes, offset)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn advise(handle: &SystemHandle, offset: u64, len: u64, advice: Advice) {
    let advice = match advice {
        Advice::Sequential => rustix::fs::Advice::Sequential,
        Advice::Random => rustix::fs::Advice::Random,
        Advice::WillNeed => rustix::fs::Advice::WillNeed,
        Advice::DontNeed => rustix::fs::Advice::DontNeed,
    };
    let _hint = rustix::fs::fadvise(handle, offset, std::num::NonZero::new(len), advice);
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn advise(_handle: &SystemHandle, _offset: u64, _len: u64, _advice: Advice) {}
