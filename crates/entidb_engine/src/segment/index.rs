//! The block index of a segment: where each data block is, and a key that separates it from the next.
//!
//! Always: block i holds only keys at or below separator i and above separator i - 1, but for versions of one key that
//! run over the end of a block; then the separator is that key.
//! Does not know: what is in the blocks.
//! Format: docs/spec/file-format.md, "Block index".

use super::fences::Fences;
use crate::format::block::shared_len;
use crate::format::segment_footer::UnitPlace;
use crate::format::{Reader, put_bytes, put_varint};

/// The block index in memory.
#[derive(Debug)]
pub(crate) struct BlockIndex {
    separators: Fences,
    /// Where each block begins, and where the last one ends.
    offsets: Vec<u64>,
    smallest: Vec<u8>,
}

impl BlockIndex {
    /// How many blocks there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.separators.len()
    }

    /// Where a block is.
    #[inline]
    pub(crate) fn place(&self, block: usize) -> Option<UnitPlace> {
        let (offset, end) = (*self.offsets.get(block)?, *self.offsets.get(block + 1)?);
        Some(UnitPlace { offset, len: u32::try_from(end.checked_sub(offset)?).ok()? })
    }

    /// The first block that can hold `key` or a later one; the block count when there is none.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> usize {
        self.separators.below(key)
    }

    /// A key at or above all of the block's and below or at all of the next one's.
    pub(crate) fn separator(&self, block: usize) -> Vec<u8> {
        self.separators.key(block)
    }

    /// The first key of the segment.
    pub(crate) fn smallest(&self) -> &[u8] {
        &self.smallest
    }

    /// The byte after the last block.
    pub(crate) fn end(&self) -> u64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.separators.memory_bytes() + self.offsets.capacity() * 8
    }

    /// The index in `bytes`, for blocks that begin at `start`; `None` when it is not one we would have written.
    pub(crate) fn decode(bytes: &[u8], start: u64, block_count: usize) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let smallest = reader.bytes()?.to_vec();
        // Two bytes a block is the least an honest index has: a count that promises more is not believed.
        if block_count > bytes.len() {
            return None;
        }
        let mut offsets = Vec::with_capacity(block_count + 1);
        let mut separators: Vec<Vec<u8>> = Vec::with_capacity(block_count);
        let mut offset = start;
        offsets.push(offset);
        for _ in 0..block_count {
            let len = reader.varint()?;
            offset = offset.checked_add(len)?;
            offsets.push(offset);
            let shared = reader.size()?;
            let own = reader.bytes()?;
            let mut separator = separators.last().map_or(&[][..], Vec::as_slice).get(..shared)?.to_vec();
            separator.extend_from_slice(own);
            separators.push(separator);
        }
        let first_fits = separators.first().is_none_or(|first| smallest <= *first);
        (reader.is_done() && first_fits).then_some(())?;
        Some(Self { separators: Fences::new(&separators)?, offsets, smallest })
    }
}

/// Writes a block index, block by block.
#[derive(Debug, Default)]
pub(crate) struct BlockIndexBuilder {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl BlockIndexBuilder {
    /// Notes the first key of the segment. Must come first.
    pub(crate) fn start(&mut self, smallest: &[u8]) {
        put_bytes(&mut self.bytes, smallest);
    }

    /// Notes a block of `len` bytes that ends with `last`, when the next one begins with `next`.
    pub(crate) fn add(&mut self, len: u32, last: &[u8], next: Option<&[u8]>) {
        let separator = separator(last, next);
        let shared = shared_len(&self.last, &separator);
        put_varint(&mut self.bytes, u64::from(len));
        put_varint(&mut self.bytes, shared as u64);
        put_bytes(&mut self.bytes, separator.get(shared..).unwrap_or_default());
        self.last = separator;
    }

    /// Bytes of memory it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The shortest key that is at least `last` and below `next`.
fn separator(last: &[u8], next: Option<&[u8]>) -> Vec<u8> {
    let Some(next) = next else { return last.to_vec() };
    let shared = shared_len(last, next);
    let (Some(mine), Some(theirs)) = (last.get(shared), next.get(shared)) else { return last.to_vec() };
    let mut short = last.get(..shared).unwrap_or_default().to_vec();
    if mine.saturating_add(1) < *theirs {
        short.push(mine.saturating_add(1));
        return short;
    }
    if next.len() > shared + 1 {
        short.push(*theirs);
        return short;
    }
    last.to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_separator_lies_between_and_is_no_longer_than_needed(
            a in prop::collection::vec(0_u8..5, 1..8),
            b in prop::collection::vec(0_u8..5, 1..8),
        ) {
            let (last, next) = if a < b { (a, b) } else { (b, a) };
            let between = separator(&last, Some(&next));
            prop_assert!(last <= between && (between < next || last == next));
            prop_assert!(between.len() <= last.len().max(shared_len(&last, &next) + 1));
        }

        #[test]
        fn an_index_finds_the_block_of_every_key(
            mut keys in prop::collection::vec(prop::collection::vec(0_u8..4, 1..6), 1..60),
            per_block in 1_usize..6,
        ) {
            keys.sort();
            let blocks: Vec<&[Vec<u8>]> = keys.chunks(per_block).collect();
            let mut builder = BlockIndexBuilder::default();
            builder.start(&keys[0]);
            for (number, block) in blocks.iter().enumerate() {
                let next = blocks.get(number + 1).map(|next| next[0].as_slice());
                builder.add(100 + number as u32, block.last().unwrap(), next);
            }
            let bytes = builder.finish();
            let index = BlockIndex::decode(&bytes, 128, blocks.len()).unwrap();
            prop_assert_eq!(index.smallest(), keys[0].as_slice());
            for key in &keys {
                // The first block that holds the key at all is the one that must be found.
                let holding = blocks.iter().position(|block| block.last().unwrap() >= key).unwrap();
                prop_assert_eq!(index.find(key), holding);
            }
            prop_assert_eq!(index.place(0).unwrap().offset, 128);
            for cut in 0..bytes.len() {
                prop_assert!(BlockIndex::decode(&bytes[..cut], 128, blocks.len()).is_none());
            }
        }
    }
}
