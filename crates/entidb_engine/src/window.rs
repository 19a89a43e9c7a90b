//! Reads a file from its beginning to its end through a window, so that what is in memory follows what is looked at and not
//! the length a file claims: a sparse file of a terabyte costs a window.
//!
//! Always: bytes are those of the file, or an error; what lies behind the end of the file is nothing and no error.
//! Does not know: what the bytes mean.

use std::sync::Arc;

use entidb_storage::File;

use crate::error::{Error, Result};
use crate::planted::{Mistake, makes};

/// What is read at once, unless more is needed at once.
const WINDOW_BYTES: u64 = 1 << 20;

/// A part of a file in memory.
pub(crate) struct Window {
    file: Arc<dyn File>,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(crate) fn new(file: Arc<dyn File>) -> Result<Self> {
        let len = file.len()?;
        Ok(Self { file, len, start: 0, bytes: Vec::new() })
    }

    /// The length of the file, or of the part of it that is looked at.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Looks at nothing behind this offset any more.
    pub(crate) fn end_at(&mut self, len: u64) {
        self.len = self.len.min(len);
    }

    /// `count` bytes at an offset; nothing where the file ends before.
    #[inline]
    pub(crate) fn at(&mut self, offset: u64, count: usize) -> Result<Option<&[u8]>> {
        let Some(end) = offset.checked_add(count as u64).filter(|end| *end <= self.len) else { return Ok(None) };
        if offset < self.start || end > self.start.saturating_add(self.bytes.len() as u64) {
            self.fill(offset, count as u64)?;
        }
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from.saturating_add(count)))
    }

    /// The bytes from an offset on that are in the window; none at the end of the file.
    pub(crate) fn rest(&mut self, offset: u64) -> Result<&[u8]> {
        if offset >= self.len {
            return Ok(&[]);
        }
        self.at(offset, 1)?;
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let rest = self.bytes.get(from..).unwrap_or_default();
        Ok(rest.get(..left).unwrap_or(rest))
    }

    fn fill(&mut self, offset: u64, count: u64) -> Result<()> {
        let bytes = count.max(WINDOW_BYTES).min(self.len.saturating_sub(offset));
        let no_memory = || Error::OutOfMemory { what: "reading a file", bytes };
        let size = usize::try_from(bytes).map_err(|_| no_memory())?;
        // What one large unit needed does not stay.
        if self.bytes.capacity() as u64 > WINDOW_BYTES && bytes <= WINDOW_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.try_reserve_exact(size).map_err(|_| no_memory())?;
        self.bytes.resize(size, 0);
        self.start = offset;
        match self.file.read_exact_at(offset, &mut self.bytes) {
            Ok(()) => Ok(()),
            Err(_) if makes(Mistake::ReadErrorIsZeros) => Ok(()),
            Err(error) => {
                self.bytes.clear();
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use entidb_storage::{Backend, OpenMode};

    use super::*;

    #[test]
    fn a_window_shows_what_the_file_has_in_any_order_and_nothing_behind_its_end() {
        let file = Backend::memory().directory.open("a", OpenMode::CreateNew).unwrap();
        let bytes: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all_at(0, &bytes).unwrap();
        let mut window = Window::new(file).unwrap();
        for (offset, count) in
            [(0, 4), (1_048_570, 20), (2_799_990, 10), (5, 2_000_000), (1_048_577, 3), (0, 2_800_000)]
        {
            assert_eq!(window.at(offset, count).unwrap(), bytes.get(offset as usize..offset as usize + count));
        }
        assert!(window.at(2_799_990, 11).unwrap().is_none() && window.at(u64::MAX, 1).unwrap().is_none());
        let mut seen = Vec::new();
        while !window.rest(seen.len() as u64).unwrap().is_empty() {
            let offset = seen.len() as u64;
            seen.extend_from_slice(window.rest(offset).unwrap());
        }
        assert!(seen == bytes);
        window.end_at(100);
        assert_eq!((window.len(), window.rest(90).unwrap().len()), (100, 10));
        assert!(window.at(90, 11).unwrap().is_none());
    }

    #[test]
    fn a_file_of_a_terabyte_costs_a_window() {
        let file = Backend::memory().directory.open("a", OpenMode::CreateNew).unwrap();
        file.set_len(1 << 40).unwrap();
        let mut window = Window::new(file).unwrap();
        assert_eq!(window.at(1 << 39, 16).unwrap(), Some(&[0; 16][..]));
        assert!(window.bytes.capacity() as u64 <= WINDOW_BYTES);
    }
}
