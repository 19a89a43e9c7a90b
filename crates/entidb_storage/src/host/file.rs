//! An open file of a host.
//!
//! Always: the host's handle is closed once, when the last owner lets go; counts that the host returns are judged.
//! Does not know: how the host keeps bytes.

use std::sync::Arc;

use crate::sync::Mutex;

use super::{HostFunctions, HostHandle, judge_count, told};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::file::{self, File};
use crate::flushes::Flushes;

/// Hosts count offsets as systems do, in signed 64-bit numbers; a C callback gets `int64_t`.
const LEN_MAX: u64 = i64::MAX as u64;

pub(super) struct HostFile {
    functions: Arc<dyn HostFunctions>,
    handle: HostHandle,
    name: Box<str>,
    writable: bool,
    flushes: Flushes,
    /// Held from asking the length to writing behind it, so that two appends never overlap.
    appending: Mutex<()>,
}

impl HostFile {
    pub(super) fn new(functions: Arc<dyn HostFunctions>, handle: HostHandle, name: &str, writable: bool) -> Self {
        let (flushes, appending) = (Flushes::default(), Mutex::new(()));
        Self { functions, handle, name: name.into(), writable, flushes, appending }
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
}

impl Drop for HostFile {
    fn drop(&mut self) {
        self.functions.close(self.handle);
    }
}

impl File for HostFile {
    fn path(&self) -> &str {
        &self.name
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let buffer = file::clip(buffer, LEN_MAX.saturating_sub(offset));
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = told(self.functions.read_at(self.handle, offset, buffer), Operation::Read, &self.name)
            .map_err(|error| error.at(offset))?;
        judge_count(count, buffer.len(), Operation::Read, &self.name, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.judge(Operation::Write, offset, bytes.len() as u64)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let count = told(self.functions.write_at(self.handle, offset, bytes), Operation::Write, &self.name)
            .map_err(|error| error.at(offset))?;
        judge_count(count, bytes.len(), Operation::Write, &self.name, offset)
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        let _one_at_a_time = self.appending.lock();
        let start = self.len()?;
        let total = parts.iter().map(|part| part.len() as u64).fold(0, u64::saturating_add);
        self.judge(Operation::Write, start, total)?;
        let mut offset = start;
        for part in parts {
            self.write_all_at(offset, part)?;
            offset = offset.saturating_add(part.len() as u64);
        }
        Ok(start)
    }

    fn len(&self) -> Result<u64> {
        told(self.functions.len(self.handle), Operation::Len, &self.name)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.judge(Operation::SetLen, len, 0)?;
        told(self.functions.set_len(self.handle, len), Operation::SetLen, &self.name).map_err(|error| error.at(len))
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.judge(Operation::Preallocate, offset, len)?;
        file::write_zeros(self, offset, len)
    }

    fn flush_data(&self) -> Result<()> {
        if !self.writable {
            return Ok(());
        }
        let flushed = self.flushes.flush(|| self.functions.flush_data(self.handle).map_err(super::HostError::kind));
        flushed.map_err(|kind| Error::new(Operation::FlushData, &*self.name, kind))
    }

    fn flush_all(&self) -> Result<()> {
        if !self.writable {
            return Ok(());
        }
        let flushed = self.flushes.flush(|| self.functions.flush_all(self.handle).map_err(super::HostError::kind));
        flushed.map_err(|kind| Error::new(Operation::FlushAll, &*self.name, kind))
    }
}
