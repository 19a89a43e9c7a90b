//! The bytes of one simulated file, in shared chunks, so that a copy of a world costs next to nothing.
//!
//! Always: bytes past the length are zero when the file grows again; a missing chunk is zeros.
//! Does not know: which of the bytes are durable.

use std::sync::Arc;

/// Small enough that the copy a write after a snapshot makes is cheap, large enough that files have few chunks.
const CHUNK_BYTES: usize = 4096;

/// Past this the simulated device is full: a chunk table for more would eat the memory of the test.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 30;

type Chunk = [u8; CHUNK_BYTES];

/// The bytes of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    len: u64,
    chunks: Vec<Option<Arc<Chunk>>>,
}

/// The pieces of `offset..offset + len` by chunk: (chunk index, place in the chunk, length).
fn pieces(offset: u64, len: u64) -> impl Iterator<Item = (usize, usize, usize)> {
    let end = offset.saturating_add(len);
    let mut at = offset;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let chunk = CHUNK_BYTES as u64;
        let inside = at % chunk;
        let count = (chunk - inside).min(end - at);
        let index = usize::try_from(at / chunk).ok()?;
        at += count;
        Some((index, usize::try_from(inside).ok()?, usize::try_from(count).ok()?))
    })
}

impl Content {
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Reads at `offset`; the count is short only at the end.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let available = self.len.saturating_sub(offset).min(buffer.len() as u64);
        let mut done = 0_usize;
        for (index, inside, count) in pieces(offset, available) {
            let Some(to) = buffer.get_mut(done..done + count) else { break };
            match self.chunks.get(index).and_then(Option::as_ref).and_then(|chunk| chunk.get(inside..inside + count)) {
                Some(from) => to.copy_from_slice(from),
                None => to.fill(0),
            }
            done += count;
        }
        done
    }

    fn reach(&mut self, end: u64) {
        let count = usize::try_from(end.div_ceil(CHUNK_BYTES as u64)).unwrap_or(usize::MAX);
        if self.chunks.len() < count {
            self.chunks.resize(count, None);
        }
        self.len = self.len.max(end);
    }

    /// Writes at `offset`, growing with zeros.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.reach(offset.saturating_add(bytes.len() as u64));
        let mut done = 0_usize;
        for (index, inside, count) in pieces(offset, bytes.len() as u64) {
            let from = bytes.get(done..done + count).unwrap_or_default();
            if let Some(to) = self.chunk(index).and_then(|chunk| chunk.get_mut(inside..inside + count)) {
                to.copy_from_slice(from);
            }
            done += count;
        }
    }

    fn chunk(&mut self, index: usize) -> Option<&mut Chunk> {
        let slot = self.chunks.get_mut(index)?;
        Some(Arc::make_mut(slot.get_or_insert_with(|| Arc::new([0; CHUNK_BYTES]))))
    }

    /// Writes zeros, growing when needed.
    pub(super) fn zero(&mut self, offset: u64, len: u64) {
        if len == 0 {
            return;
        }
        self.reach(offset.saturating_add(len));
        self.clear(offset, len);
    }

    fn clear(&mut self, offset: u64, len: u64) {
        for (index, inside, count) in pieces(offset, len) {
            let Some(slot) = self.chunks.get_mut(index) else { break };
            if count == CHUNK_BYTES {
                *slot = None;
            } else if let Some(chunk) = slot
                && let Some(to) = Arc::make_mut(chunk).get_mut(inside..inside + count)
            {
                to.fill(0);
            }
        }
    }

    /// Cuts or grows with zeros.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let chunk_end = len.div_ceil(CHUNK_BYTES as u64);
            self.chunks.truncate(usize::try_from(chunk_end).unwrap_or(usize::MAX));
            // What is left of the last chunk must read as zeros when the file grows again.
            self.clear(len, chunk_end.saturating_mul(CHUNK_BYTES as u64).saturating_sub(len));
            self.len = len;
        } else {
            self.reach(len);
        }
    }

    /// True when both hold the same bytes.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.len == other.len
            && self.chunks.iter().zip(&other.chunks).all(|(a, b)| match (a, b) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
                (None, None) => true,
                (Some(one), None) | (None, Some(one)) => one.iter().all(|byte| *byte == 0),
            })
    }

    /// All bytes, for tests that look at an image.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(0)];
        let count = self.read(0, &mut bytes);
        bytes.truncate(count);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_file_grows_back_with_zeros() {
        let mut content = Content::default();
        content.write(4000, &[7; 300]);
        assert_eq!(content.len(), 4300);
        content.set_len(4001);
        content.set_len(5000);
        let bytes = content.to_vec();
        assert_eq!(bytes.len(), 5000);
        assert_eq!(bytes[4000], 7);
        assert!(bytes[4001..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn content_agrees_with_a_vector_under_random_changes() {
        let mut dice = super::super::Dice::new(42);
        let mut content = Content::default();
        let mut model: Vec<u8> = Vec::new();
        for step in 0..2000_u64 {
            let offset = dice.below(20_000);
            let len = dice.below(9_000);
            let (from, to) = (offset as usize, (offset + len) as usize);
            match dice.below(4) {
                0 => {
                    content.set_len(offset);
                    model.resize(from, 0);
                }
                1 => {
                    content.zero(offset, len);
                    if len > 0 {
                        model.resize(model.len().max(to), 0);
                        model[from..to].fill(0);
                    }
                }
                _ => {
                    let bytes = vec![step as u8; len as usize];
                    content.write(offset, &bytes);
                    if len > 0 {
                        model.resize(model.len().max(to), 0);
                        model[from..to].copy_from_slice(&bytes);
                    }
                }
            }
            assert_eq!(content.len(), model.len() as u64);
        }
        assert_eq!(content.to_vec(), model);
        let mut buffer = [0_u8; 77];
        let count = content.read(4090, &mut buffer);
        assert_eq!(&buffer[..count], &model[4090..4090 + count]);
    }
}
