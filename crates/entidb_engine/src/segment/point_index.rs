//! Hash lines: from the hash of a key to the block and the entry that may hold it, in one line of memory.
//!
//! Always: a key that is in the segment is found; one that is not is found by mistake about once in 600 times, and the
//! reader compares keys anyway. A slot points at the newest version of its key in the segment.
//! Does not know: keys, only their hashes.
//! Format: docs/spec/file-format.md, "Point index".

use std::sync::Arc;

use crate::memory::{Memory, PageBuffer};
use crate::prefetch;

/// Blocks a segment with a point index may have, because a slot has 13 bits for them.
pub(crate) const POINT_BLOCKS_MAX: usize = 1 << 13;

const SLOTS: usize = 14;
const LINE_BYTES: usize = 64;
/// The word of a line that holds its flags.
const FLAGS: usize = 14;
/// Some keys of this line are in the next one.
const OVERFLOWED: u32 = 1;
/// Slots filled out of a hundred, on average. More saves memory and sends more keys to the next line.
const LOAD_PERCENT: usize = 85;

/// One line: fourteen slots of fingerprint (13 bits), block (13 bits) and ordinal (6 bits), then flags and a zero word,
/// as the file has them.
type Line = [u8; LINE_BYTES];

/// The point index of a segment in memory.
#[derive(Debug)]
pub(crate) struct PointIndex {
    /// Begins with a page, so that each line is one of the processor's.
    buffer: PageBuffer,
    count: usize,
}

/// The slots of a line.
#[inline]
fn slots(line: &Line) -> impl Iterator<Item = u32> {
    line.as_chunks::<4>().0.iter().take(SLOTS).map(|word| u32::from_le_bytes(*word))
}

#[inline]
fn word(line: &Line, index: usize) -> u32 {
    line.as_chunks::<4>().0.get(index).map_or(0, |word| u32::from_le_bytes(*word))
}

/// Where a key may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The block.
    pub(crate) block: usize,
    /// The ordinal, in units of `1 << ordinal_shift(count)` entries.
    pub(crate) coarse: usize,
}

/// What is known of where a key is in a segment before anything is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likely {
    /// Nothing: what would say so is not in memory.
    Unknown,
    /// It has no version there.
    Absent,
    /// Most likely it is at this place; the next places to look at are those of its hash.
    At(Candidate),
    /// In this block, when it is there.
    In(usize),
}

/// How many low bits of an ordinal a slot leaves out, for a block with `count` entries.
#[inline]
pub(crate) fn ordinal_shift(count: usize) -> u32 {
    let last = count.saturating_sub(1);
    (usize::BITS - last.leading_zeros()).saturating_sub(6)
}

#[inline]
fn fingerprint(hash: u64) -> u32 {
    // Never zero, so that a used slot is never zero.
    let low = (hash & 0x1fff) as u32;
    low.max(1)
}

#[inline]
fn home(hash: u64, lines: usize) -> usize {
    // Multiply and shift spreads the upper half of the hash over the lines without a division.
    (((hash >> 32) * lines as u64) >> 32) as usize
}

#[inline]
const fn candidate(slot: u32) -> Candidate {
    Candidate { block: (slot >> 6 & 0x1fff) as usize, coarse: (slot & 0x3f) as usize }
}

impl PointIndex {
    #[inline]
    fn lines(&self) -> &[Line] {
        self.buffer.as_chunks().0.get(..self.count).unwrap_or_default()
    }

    /// How many slots are used.
    pub(crate) fn slot_count(&self) -> usize {
        self.lines().iter().map(|line| slots(line).filter(|slot| *slot != 0).count()).sum()
    }

    /// Fetches the line of a hash, so that it is in the processor's cache when it is probed.
    #[inline]
    pub(crate) fn fetch(&self, hash: u64) {
        if let Some(line) = self.lines().get(home(hash, self.count)) {
            prefetch::whole(line);
        }
    }

    /// The first place in the line of a hash where its key may be.
    #[inline]
    pub(crate) fn likely(&self, hash: u64) -> Likely {
        let Some(line) = self.lines().get(home(hash, self.count)) else { return Likely::Unknown };
        let wanted = fingerprint(hash);
        match slots(line).find(|slot| slot >> 19 == wanted) {
            Some(slot) => Likely::At(candidate(slot)),
            None if word(line, FLAGS) & OVERFLOWED != 0 => Likely::Unknown,
            None => Likely::Absent,
        }
    }

    /// Asks `visit` about each place the key with this hash may be, until it has an answer.
    #[inline]
    pub(crate) fn probe<T, E>(
        &self,
        hash: u64,
        mut visit: impl FnMut(Candidate) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let wanted = fingerprint(hash);
        let lines = self.lines();
        let mut at = home(hash, lines.len());
        for _ in 0..lines.len() {
            let Some(line) = lines.get(at) else { return Ok(None) };
            let mut matches = 0_u32;
            for (index, slot) in slots(line).enumerate() {
                matches |= u32::from(slot >> 19 == wanted) << index;
            }
            while matches != 0 {
                let index = matches.trailing_zeros() as usize;
                matches &= matches - 1;
                if let Some(found) = visit(candidate(word(line, index)))? {
                    return Ok(Some(found));
                }
            }
            if word(line, FLAGS) & OVERFLOWED == 0 {
                return Ok(None);
            }
            at = if at + 1 == lines.len() { 0 } else { at + 1 };
        }
        Ok(None)
    }

    /// The index in `bytes`, copied to `buffer`, which is at least as long; `None` when it is not one we would have written.
    pub(crate) fn decode(bytes: &[u8], mut buffer: PageBuffer) -> Option<Self> {
        let (lines, rest) = bytes.as_chunks::<LINE_BYTES>();
        if lines.is_empty() || !rest.is_empty() {
            return None;
        }
        if lines.iter().any(|line| word(line, FLAGS) & !OVERFLOWED != 0 || word(line, FLAGS + 1) != 0) {
            return None;
        }
        buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { buffer, count: lines.len() })
    }
}

/// Collects keys and writes the point index over them.
#[derive(Debug)]
pub(crate) struct PointIndexBuilder {
    memory: Arc<Memory>,
    /// Hashes and slots of ended blocks, in buffers that are filled one after the other.
    ended: Vec<PageBuffer>,
    count: usize,
    /// Hashes and ordinals of the present block's keys.
    present: Vec<(u64, u32)>,
    block: u32,
}

/// Bytes of a key in a buffer: its hash and its slot.
const KEY_BYTES: usize = 12;
const BUFFER_BYTES: usize = 64 * 1024;
const KEYS_IN_BUFFER: usize = BUFFER_BYTES / KEY_BYTES;

impl PointIndexBuilder {
    /// No keys yet.
    pub(crate) fn new(memory: &Arc<Memory>) -> Self {
        Self { memory: Arc::clone(memory), ended: Vec::new(), count: 0, present: Vec::new(), block: 0 }
    }

    /// Notes a key's hash and its ordinal in the present block.
    pub(crate) fn add(&mut self, hash: u64, ordinal: usize) {
        self.present.push((hash, u32::try_from(ordinal).unwrap_or(u32::MAX)));
    }

    /// The present block ends with `count` entries.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn end_block(&mut self, count: usize) -> crate::error::Result<()> {
        let shift = ordinal_shift(count);
        for (hash, ordinal) in self.present.drain(..) {
            let slot = (self.block & 0x1fff) << 6 | (ordinal >> shift & 0x3f);
            let place = self.count % KEYS_IN_BUFFER;
            if place == 0 {
                self.ended.push(self.memory.take(BUFFER_BYTES)?);
            }
            let keys = self.ended.last_mut().map(|buffer| buffer.as_chunks_mut::<KEY_BYTES>().0);
            if let Some(key) = keys.and_then(|keys| keys.get_mut(place)) {
                let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
                let [i, j, k, l] = slot.to_le_bytes();
                *key = [a, b, c, d, e, f, g, h, i, j, k, l];
            }
            self.count += 1;
        }
        self.block += 1;
        Ok(())
    }

    /// The bytes, and how many there are; nothing when there are no keys.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn finish(self) -> crate::error::Result<Option<(PageBuffer, usize)>> {
        if self.count == 0 {
            return Ok(None);
        }
        let count = (self.count * 100).div_ceil(SLOTS * LOAD_PERCENT);
        let mut bytes = self.memory.take(count * LINE_BYTES)?;
        bytes.fill(0);
        let lines = bytes.as_chunks_mut::<LINE_BYTES>().0;
        let keys = self.ended.iter().flat_map(|buffer| buffer.as_chunks::<KEY_BYTES>().0.iter().take(KEYS_IN_BUFFER));
        for key in keys.take(self.count) {
            let [a, b, c, d, e, f, g, h, i, j, k, l] = *key;
            let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            let slot = fingerprint(hash) << 19 | u32::from_le_bytes([i, j, k, l]);
            let mut at = home(hash, count);
            // There are more slots than keys, so this ends.
            while let Some(line) = lines.get_mut(at) {
                let words = line.as_chunks_mut::<4>().0;
                if let Some(free) = words.iter_mut().take(SLOTS).find(|word| **word == [0; 4]) {
                    *free = slot.to_le_bytes();
                    break;
                }
                if let Some(flags) = words.get_mut(FLAGS) {
                    *flags = OVERFLOWED.to_le_bytes();
                }
                at = if at + 1 == count { 0 } else { at + 1 };
            }
        }
        Ok(Some((bytes, count * LINE_BYTES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<PointIndex> {
        PointIndex::decode(bytes, crate::memory::Pages::new().take(bytes.len()).unwrap())
    }

    fn hash(number: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())
    }

    #[test]
    fn every_key_is_found_and_few_others_are() {
        for (keys, per_block) in [(1_u64, 1_u64), (13, 4), (15, 200), (5_000, 40), (20_000, 300)] {
            let mut builder = PointIndexBuilder::new(&Memory::new(1 << 30));
            for number in 0..keys {
                builder.add(hash(number), (number % per_block) as usize);
                if number % per_block == per_block - 1 {
                    builder.end_block(per_block as usize).unwrap();
                }
            }
            builder.end_block((keys % per_block) as usize).unwrap();
            let (bytes, len) = builder.finish().unwrap().unwrap();
            let index = decode(&bytes[..len]).unwrap();
            assert_eq!(index.slot_count() as u64, keys);
            for number in 0..keys {
                let count = if number / per_block == keys / per_block { keys % per_block } else { per_block };
                let shift = ordinal_shift(count as usize);
                let wanted =
                    Candidate { block: (number / per_block) as usize, coarse: (number % per_block) as usize >> shift };
                let found = index.probe(hash(number), |place| Ok::<_, ()>((place == wanted).then_some(())));
                assert_eq!(found, Ok(Some(())), "key {number} of {keys}");
            }
            let mut mistakes = 0_u32;
            for number in keys..keys + 10_000 {
                let _ = index.probe(hash(number), |_| {
                    mistakes += 1;
                    Ok::<Option<()>, ()>(None)
                });
            }
            assert!(mistakes < 60, "{mistakes} of 10,000 absent keys had a candidate");
        }
    }

    #[test]
    fn six_bits_of_ordinal_reach_every_entry() {
        for count in 1..2_000 {
            let shift = ordinal_shift(count);
            assert!((count - 1) >> shift < 64, "{count}");
            assert!(shift == 0 || (count - 1) >> (shift - 1) >= 64, "{count}");
        }
    }

    #[test]
    fn lines_that_are_not_ours_are_refused() {
        assert!(decode(&[]).is_none());
        assert!(decode(&[0; 63]).is_none());
        let mut bytes = [0; 64];
        assert!(decode(&bytes).is_some());
        bytes[63] = 1;
        assert!(decode(&bytes).is_none());
    }
}
