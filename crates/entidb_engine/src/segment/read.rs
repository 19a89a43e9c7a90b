//! Reading blocks and exact keys of a segment.
//!
//! Always: a block is verified, decrypted and decompressed before it is believed, and believed only as far as it makes
//! sense. Does not know: other segments, or which of the versions found a range tombstone hides.

use std::ops::Range;
use std::sync::Arc;

use arc_swap::Guard;

use super::block::{BadBlock, Block};
use super::file::OpenUnit;
use super::open::{Opened, Segment};
use super::point_index::{Candidate, Likely, ordinal_shift};
use crate::cache::Entering;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::format::segment_footer::{SegmentPart, UNIT_FRAME_BYTES, UnitPlace};
use crate::format::unit::Stream;
use crate::iterator::Found;
use crate::memory::{Memory, PageBuffer, Pages};

/// A block that is in use: borrowed from its slot, or read just now.
pub(super) enum Held {
    Cached(Guard<Option<Arc<Block>>>),
    Read(Arc<Block>),
}

impl Held {
    /// The block; `None` never happens, because a guard is kept only when there is a block behind it.
    #[inline]
    pub(super) fn block(&self) -> Option<&Arc<Block>> {
        match self {
            Self::Cached(guard) => guard.as_ref(),
            Self::Read(block) => Some(block),
        }
    }
}

impl Segment {
    /// The newest version of `key` at or before `at`. `hash` is XXH3-64 of the key.
    ///
    /// # Errors
    /// `Corrupt` and those of the storage.
    #[inline]
    pub(crate) fn get(&self, key: &[u8], hash: u64, at: Sequence) -> Result<Option<Found>> {
        if at < self.meta().oldest {
            return Ok(None);
        }
        let opened = self.opened()?;
        if let Some(points) = self.points(opened)? {
            let found = points.probe(hash, |candidate| self.get_at(opened, candidate, key, at))?;
            return Ok(found.flatten());
        }
        self.get_in(opened, opened.index.find(key), key, at)
    }

    /// As [`get`](Self::get), when [`fetch_block`](Self::fetch_block) has said where the key likely is.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[inline]
    pub(crate) fn get_likely(&self, key: &[u8], hash: u64, likely: Likely, at: Sequence) -> Result<Option<Found>> {
        if at < self.meta().oldest {
            return Ok(None);
        }
        match likely {
            Likely::Absent => Ok(None),
            Likely::Unknown => self.get_anywhere(key, hash, at),
            Likely::In(block) => self.get_in(self.opened()?, block, key, at),
            Likely::At(candidate) => match self.get_at(self.opened()?, candidate, key, at)? {
                Some(found) => Ok(found),
                None => self.get_anywhere(key, hash, at),
            },
        }
    }

    #[cold]
    fn get_anywhere(&self, key: &[u8], hash: u64, at: Sequence) -> Result<Option<Found>> {
        self.get(key, hash, at)
    }

    /// The newest version of `key` at or before `at`, when the key is at this place; `None` when another key is.
    // A call of it costs a read a fortieth of its instructions (2026-11-30).
    #[inline(always)]
    fn get_at(&self, opened: &Opened, candidate: Candidate, key: &[u8], at: Sequence) -> Result<Option<Option<Found>>> {
        let Some(place) = opened.index.place(candidate.block) else {
            let detail = format!("the point index names block {}, there are {}", candidate.block, opened.index.len());
            return Err(opened.file.wrong(opened.footer.points.offset, detail));
        };
        opened.slots.fetch(candidate.block);
        let held = self.held(opened, candidate.block, Entering::Warm)?;
        let Some(block) = held.block() else { return Ok(None) };
        let shift = ordinal_shift(block.count());
        let first = candidate.coarse << shift;
        for ordinal in first..block.count().min(first + (1 << shift)) {
            let entry = block.entry(ordinal).map_err(|bad| senseless(opened, place, bad))?;
            if block.key_is(ordinal, &entry, key).map_err(|bad| senseless(opened, place, bad))? {
                if entry.sequence <= at {
                    let value = block.pin_value(&entry);
                    return Ok(Some(Some(Found { sequence: entry.sequence, kind: entry.kind, value })));
                }
                return self.older(opened, candidate.block, ordinal, key, at).map(Some);
            }
        }
        Ok(None)
    }

    /// The newest version of `key` at or before `at`, where the block it must be in is known.
    fn get_in(&self, opened: &Opened, number: usize, key: &[u8], at: Sequence) -> Result<Option<Found>> {
        let Some(place) = opened.index.place(number) else { return Ok(None) };
        opened.slots.fetch(number);
        let held = self.held(opened, number, Entering::Warm)?;
        let Some(block) = held.block() else { return Ok(None) };
        let ordinal = block.seek(key).map_err(|bad| senseless(opened, place, bad))?;
        self.older(opened, number, ordinal, key, at)
    }

    /// Fetches the line of the point index for this hash. The three stages of fetching change nothing and read nothing
    /// from the file: what is not in memory is left to the read itself.
    #[inline]
    pub(crate) fn fetch_line(&self, hash: u64) {
        if let Some(points) = self.opened_already().and_then(Opened::points_in_memory) {
            points.fetch(hash);
        }
    }

    /// Fetches the block that may hold the key, once `fetch_line` has come, and says where in it the key may be.
    #[inline]
    pub(crate) fn fetch_block(&self, key: &[u8], hash: u64) -> Likely {
        let Some(opened) = self.opened_already() else { return Likely::Unknown };
        let likely = match opened.points_in_memory() {
            Some(points) => points.likely(hash),
            // It may be read yet, or there may be no room for it.
            None if opened.has_points() => Likely::Unknown,
            None => Likely::In(opened.index.find(key)),
        };
        if let Likely::At(Candidate { block, .. }) | Likely::In(block) = likely {
            opened.slots.fetch(block);
        }
        likely
    }

    /// Fetches the entry that may be the key's, or those around it, once `fetch_block` has come.
    #[inline]
    pub(crate) fn fetch_entry(&self, key: &[u8], likely: Likely) {
        let (Likely::At(Candidate { block, .. }) | Likely::In(block)) = likely else { return };
        let Some(guard) = self.opened_already().and_then(|opened| opened.slots.peek(block)) else { return };
        let Some(block) = guard.as_ref() else { return };
        match likely {
            Likely::At(Candidate { coarse, .. }) => block.fetch_entry(coarse << ordinal_shift(block.count())),
            _ => block.fetch_around(key),
        }
    }

    /// From an entry on, the first version of `key` at or before `at`; versions may run over the end of a block.
    fn older(
        &self,
        opened: &Opened,
        mut number: usize,
        mut ordinal: usize,
        key: &[u8],
        at: Sequence,
    ) -> Result<Option<Found>> {
        while let Some(place) = opened.index.place(number) {
            let held = self.held(opened, number, Entering::Warm)?;
            let Some(block) = held.block() else { return Ok(None) };
            while ordinal < block.count() {
                let entry = block.entry(ordinal).map_err(|bad| senseless(opened, place, bad))?;
                if !block.key_is(ordinal, &entry, key).map_err(|bad| senseless(opened, place, bad))? {
                    return Ok(None);
                }
                if entry.sequence <= at {
                    let value = block.pin_value(&entry);
                    return Ok(Some(Found { sequence: entry.sequence, kind: entry.kind, value }));
                }
                ordinal += 1;
            }
            number += 1;
            ordinal = 0;
        }
        Ok(None)
    }

    /// A block, from memory or from the file.
    #[inline]
    pub(super) fn held(&self, opened: &Opened, number: usize, entering: Entering) -> Result<Held> {
        if let Some(guard) = opened.slots.get(number) {
            return Ok(Held::Cached(guard));
        }
        let block = self.read_block(opened, number)?;
        opened.slots.put(number, &block, entering);
        Ok(Held::Read(block))
    }

    /// Reads a block from the file.
    #[cold]
    pub(super) fn read_block(&self, opened: &Opened, number: usize) -> Result<Arc<Block>> {
        let place = place_of(opened, number)?;
        let mut bytes = self.memory().take(place.len as usize)?;
        let unit = bytes.get_mut(..place.len as usize).unwrap_or_default();
        opened.file.read(place.offset, unit)?;
        let unit = open_block(opened, number, place, unit)?;
        self.block_of(opened, place, &unit, bytes)
    }

    /// Reads blocks that lie behind one another with one read of the file, and gives each to `take`.
    pub(super) fn read_blocks(
        &self,
        opened: &Opened,
        numbers: Range<usize>,
        mut take: impl FnMut(usize, Arc<Block>),
    ) -> Result<()> {
        let first = place_of(opened, numbers.start)?;
        let last = place_of(opened, numbers.end.saturating_sub(1).max(numbers.start))?;
        let len = usize::try_from(last.end().saturating_sub(first.offset)).unwrap_or(usize::MAX);
        let mut bytes = self.memory().take(len)?;
        opened.file.read(first.offset, bytes.get_mut(..len).unwrap_or_default())?;
        for number in numbers {
            let place = place_of(opened, number)?;
            let start = usize::try_from(place.offset.saturating_sub(first.offset)).unwrap_or(usize::MAX);
            let own = bytes.get_mut(start..start.saturating_add(place.len as usize)).unwrap_or_default();
            take(number, self.decode_block(opened, number, place, own)?);
        }
        Ok(())
    }

    /// Verifies a block as read and decodes it.
    pub(super) fn decode_block(
        &self,
        opened: &Opened,
        number: usize,
        place: UnitPlace,
        bytes: &mut [u8],
    ) -> Result<Arc<Block>> {
        let unit = open_block(opened, number, place, bytes)?;
        self.body_of(opened, place, &unit, bytes)
    }

    /// The block in a buffer of its own that holds its unit, which is verified: in place, unless that takes more pages.
    fn block_of(&self, opened: &Opened, place: UnitPlace, unit: &OpenUnit, bytes: PageBuffer) -> Result<Arc<Block>> {
        let stored = stored_in(unit);
        if unit.frame.compressed || Pages::bytes_for(stored.len()) < bytes.len() {
            return self.body_of(opened, place, unit, &bytes);
        }
        Ok(Arc::new(Block::new(bytes, stored).map_err(|bad| senseless(opened, place, bad))?))
    }

    /// The block in a new buffer, out of the bytes of its unit, which is verified.
    fn body_of(&self, opened: &Opened, place: UnitPlace, unit: &OpenUnit, bytes: &[u8]) -> Result<Arc<Block>> {
        let stored = bytes.get(stored_in(unit)).unwrap_or_default();
        let len = if unit.frame.compressed { unit.frame.body_len as usize } else { stored.len() };
        let mut buffer = self.memory().take(len)?;
        let body = buffer.get_mut(..len).unwrap_or_default();
        if !unit.frame.compressed {
            body.copy_from_slice(stored);
        } else if lz4_flex::block::decompress_into(stored, body).ok() != Some(len) {
            return Err(opened.file.wrong(place.offset, "the block does not decompress to the length it states"));
        }
        Ok(Arc::new(Block::new(buffer, 0..len).map_err(|bad| senseless(opened, place, bad))?))
    }

    fn memory(&self) -> &Arc<Memory> {
        self.context().cache.memory()
    }
}

fn place_of(opened: &Opened, number: usize) -> Result<UnitPlace> {
    opened.index.place(number).ok_or_else(|| Error::Internal {
        detail: format!("block {number} of {} was asked for, it has {}", opened.file.path, opened.index.len()),
    })
}

/// Verifies the unit of a block, and decrypts it in place.
fn open_block(opened: &Opened, number: usize, place: UnitPlace, bytes: &mut [u8]) -> Result<OpenUnit> {
    opened.file.open_unit(Stream::Data, number as u64, place.offset, SegmentPart::Data, bytes)
}

/// Where in the bytes of a unit its body is, as it is stored.
const fn stored_in(unit: &OpenUnit) -> Range<usize> {
    UNIT_FRAME_BYTES..UNIT_FRAME_BYTES + unit.frame.stored_len as usize
}

/// The error of a block whose checksum is right and whose bytes make no sense.
pub(super) fn senseless(opened: &Opened, place: UnitPlace, _: BadBlock) -> Error {
    opened.file.wrong(place.offset, "the block's entries make no sense")
}
