//! Hash lines: from the hash of a key to the block and the entry that may hold it, in one line of memory.
//!
//! Always: a key that is in the segment is found; one that is not is found by mistake about once in 600 times, and the
//! reader compares keys anyway. A slot points at the newest version of its key in the segment.
//! Does not know: keys, only their hashes.
//! Format: docs/spec/file-format.md, "Point index".

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

/// One line: fourteen slots of fingerprint (13 bits), block (13 bits) and ordinal (6 bits), then flags and a zero word.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// The point index of a segment in memory.
#[derive(Debug)]
pub(crate) struct PointIndex {
    lines: Vec<Line>,
}

/// Where a key may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The block.
    pub(crate) block: usize,
    /// The ordinal, in units of `1 << ordinal_shift(count)` entries.
    pub(crate) coarse: usize,
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
    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.lines.capacity() * LINE_BYTES
    }

    /// How many slots are used.
    pub(crate) fn slot_count(&self) -> usize {
        self.lines.iter().map(|line| line.0.iter().take(SLOTS).filter(|slot| **slot != 0).count()).sum()
    }

    /// Fetches the line of a hash, so that it is in the processor's cache when it is probed.
    #[inline]
    pub(crate) fn fetch(&self, hash: u64) {
        if let Some(line) = self.lines.get(home(hash, self.lines.len())) {
            prefetch::whole(line);
        }
    }

    /// The first place in the line of a hash where its key may be.
    #[inline]
    pub(crate) fn first(&self, hash: u64) -> Option<Candidate> {
        let line = self.lines.get(home(hash, self.lines.len()))?;
        let wanted = fingerprint(hash);
        line.0.iter().take(SLOTS).find(|slot| **slot >> 19 == wanted).map(|slot| candidate(*slot))
    }

    /// Asks `visit` about each place the key with this hash may be, until it has an answer.
    #[inline]
    pub(crate) fn probe<T, E>(
        &self,
        hash: u64,
        mut visit: impl FnMut(Candidate) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let wanted = fingerprint(hash);
        let mut at = home(hash, self.lines.len());
        for _ in 0..self.lines.len() {
            let Some(line) = self.lines.get(at) else { return Ok(None) };
            let mut matches = 0_u32;
            for (index, slot) in line.0.iter().take(SLOTS).enumerate() {
                matches |= u32::from(slot >> 19 == wanted) << index;
            }
            while matches != 0 {
                let index = matches.trailing_zeros() as usize;
                matches &= matches - 1;
                let slot = line.0.get(index).copied().unwrap_or(0);
                if let Some(found) = visit(candidate(slot))? {
                    return Ok(Some(found));
                }
            }
            if line.0.get(FLAGS).copied().unwrap_or(0) & OVERFLOWED == 0 {
                return Ok(None);
            }
            at = if at + 1 == self.lines.len() { 0 } else { at + 1 };
        }
        Ok(None)
    }

    /// The index in `bytes`; `None` when it is not one we would have written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<LINE_BYTES>();
        if chunks.is_empty() || !rest.is_empty() {
            return None;
        }
        let mut lines = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let mut line = Line([0; 16]);
            for (word, bytes) in line.0.iter_mut().zip(chunk.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            let [.., flags, zero] = line.0;
            if flags & !OVERFLOWED != 0 || zero != 0 {
                return None;
            }
            lines.push(line);
        }
        Some(Self { lines })
    }
}

/// Collects keys and writes the point index over them.
#[derive(Debug, Default)]
pub(crate) struct PointIndexBuilder {
    keys: Vec<(u64, u32)>,
    /// Where in `keys` the present block begins.
    block_start: usize,
    block: u32,
}

impl PointIndexBuilder {
    /// Notes a key's hash and its ordinal in the present block.
    pub(crate) fn add(&mut self, hash: u64, ordinal: usize) {
        self.keys.push((hash, u32::try_from(ordinal).unwrap_or(u32::MAX)));
    }

    /// The present block ends with `count` entries.
    pub(crate) fn end_block(&mut self, count: usize) {
        let shift = ordinal_shift(count);
        for (_, slot) in self.keys.iter_mut().skip(self.block_start) {
            *slot = (self.block & 0x1fff) << 6 | (*slot >> shift & 0x3f);
        }
        self.block_start = self.keys.len();
        self.block += 1;
    }

    /// The bytes; nothing when there are no keys.
    pub(crate) fn finish(self) -> Vec<u8> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        let count = (self.keys.len() * 100).div_ceil(SLOTS * LOAD_PERCENT);
        let mut lines = vec![[0_u32; 16]; count];
        for (hash, place) in self.keys {
            let mut at = home(hash, count);
            // There are more slots than keys, so this ends.
            while let Some(line) = lines.get_mut(at) {
                if let Some(free) = line.iter_mut().take(SLOTS).find(|slot| **slot == 0) {
                    *free = fingerprint(hash) << 19 | place;
                    break;
                }
                if let Some(flags) = line.get_mut(FLAGS) {
                    *flags |= OVERFLOWED;
                }
                at = if at + 1 == count { 0 } else { at + 1 };
            }
        }
        lines.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())
    }

    #[test]
    fn every_key_is_found_and_few_others_are() {
        for (keys, per_block) in [(1_u64, 1_u64), (13, 4), (15, 200), (5_000, 40), (20_000, 300)] {
            let mut builder = PointIndexBuilder::default();
            for number in 0..keys {
                builder.add(hash(number), (number % per_block) as usize);
                if number % per_block == per_block - 1 {
                    builder.end_block(per_block as usize);
                }
            }
            builder.end_block((keys % per_block) as usize);
            let bytes = builder.finish();
            let index = PointIndex::decode(&bytes).unwrap();
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
        assert!(PointIndex::decode(&[]).is_none());
        assert!(PointIndex::decode(&[0; 63]).is_none());
        let mut bytes = [0; 64];
        assert!(PointIndex::decode(&bytes).is_some());
        bytes[63] = 1;
        assert!(PointIndex::decode(&bytes).is_none());
    }
}
