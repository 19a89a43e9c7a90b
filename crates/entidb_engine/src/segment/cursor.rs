//! A position among the entries of one segment.
//!
//! Always: the block it stands in stays in memory while it stands there. Blocks that follow one another are read ahead,
//! more with each, and do not drive out of the cache what others use.
//! Does not know: range tombstones, or which versions a reader may see.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::Guard;

use super::block::Block;
use super::open::Segment;
use super::read::senseless;
use crate::cache::Entering;
use crate::error::{Error, Result};
use crate::format::block::{EntryPlace, GROUP_ENTRIES};
use crate::format::{EntryKind, Sequence};
use crate::iterator::{EntryCursor, Here, moved_while_invalid};
use crate::value::Value;

/// The first read ahead; each doubles the last.
const AHEAD_BYTES_MIN: u64 = 32 * 1024;
/// The longest read ahead.
const AHEAD_BYTES_MAX: u64 = 256 * 1024;

/// A position among the entries of one segment.
pub(crate) struct SegmentCursor {
    segment: Arc<Segment>,
    block: Option<Arc<Block>>,
    number: usize,
    ordinal: usize,
    place: Option<EntryPlace>,
    key: Vec<u8>,
    /// Blocks read ahead, with their numbers.
    ahead: VecDeque<(usize, Arc<Block>)>,
    ahead_bytes: u64,
    /// False for compactions, which leave the cache as they found it.
    caches: bool,
    failed: Option<Error>,
}

impl SegmentCursor {
    /// A cursor for a reader.
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        Self {
            segment,
            block: None,
            number: 0,
            ordinal: 0,
            place: None,
            key: Vec::new(),
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            caches: true,
            failed: None,
        }
    }

    /// A cursor that reads everything once and puts nothing into the cache.
    pub(crate) fn passing_by(segment: Arc<Segment>) -> Self {
        Self { caches: false, ahead_bytes: AHEAD_BYTES_MAX / 2, ..Self::new(segment) }
    }

    fn guarded(&mut self, act: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        act(self).inspect_err(|error| {
            self.place = None;
            self.block = None;
            self.failed = Some(error.clone());
        })
    }

    fn block_count(&self) -> Result<usize> {
        Ok(self.segment.opened()?.index.len())
    }

    /// Makes block `number` the present one.
    fn enter(&mut self, number: usize, follows: bool) -> Result<()> {
        if self.block.is_some() && self.number == number {
            return Ok(());
        }
        let segment = Arc::clone(&self.segment);
        let opened = segment.opened()?;
        self.number = number;
        self.block = None;
        if !follows && self.caches {
            self.ahead.clear();
            self.ahead_bytes = 0;
        }
        if let Some(guard) = opened.slots.get(number) {
            self.block = Guard::into_inner(guard);
            return Ok(());
        }
        while let Some((ahead, block)) = self.ahead.pop_front() {
            if ahead == number {
                self.block = Some(block);
                return Ok(());
            }
        }
        if !follows {
            let entering = if self.caches { Entering::Warm } else { Entering::Never };
            let block = segment.read_block(opened, number)?;
            opened.slots.put(number, &block, entering);
            self.block = Some(block);
            return Ok(());
        }
        self.ahead_bytes = (self.ahead_bytes * 2).clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
        let mut end = number + 1;
        let mut bytes = opened.index.place(number).map_or(0, |place| u64::from(place.len));
        while let Some(place) = opened.index.place(end).filter(|place| bytes + u64::from(place.len) <= self.ahead_bytes)
        {
            bytes += u64::from(place.len);
            end += 1;
        }
        let entering = if self.caches { Entering::Cold } else { Entering::Never };
        let ahead = &mut self.ahead;
        segment.read_blocks(opened, number..end, |number, block| {
            opened.slots.put(number, &block, entering);
            ahead.push_back((number, block));
        })?;
        self.block = self.ahead.pop_front().map(|(_, block)| block);
        Ok(())
    }

    /// Stands on an entry of the present block.
    fn stand(&mut self, ordinal: usize) -> Result<()> {
        let Some(block) = &self.block else { return Err(moved_while_invalid()) };
        let place = block.entry(ordinal).and_then(|place| {
            block.key_into(ordinal, &place, &mut self.key)?;
            Ok(place)
        });
        self.place = Some(place.map_err(|_| self.senseless())?);
        self.ordinal = ordinal;
        Ok(())
    }

    fn senseless(&self) -> Error {
        match self.segment.opened() {
            Ok(opened) => {
                let place = opened.index.place(self.number).unwrap_or_default();
                senseless(opened, place, super::block::BadBlock)
            }
            Err(error) => error,
        }
    }

    /// To the first entry of block `number`, or nowhere when there is no such block.
    fn enter_block_start(&mut self, number: usize, follows: bool) -> Result<()> {
        self.place = None;
        if number >= self.block_count()? {
            return Ok(());
        }
        self.enter(number, follows)?;
        self.stand(0)
    }

    /// To the last entry of the block before block `number`, or nowhere when there is none.
    fn enter_block_end_before(&mut self, number: usize) -> Result<()> {
        self.place = None;
        let Some(number) = number.checked_sub(1) else { return Ok(()) };
        self.enter(number, false)?;
        let count = self.block.as_ref().map_or(0, |block| block.count());
        self.stand(count.saturating_sub(1))
    }

    /// Enters the block where `key` belongs and returns the ordinal of the first entry not below it.
    fn find(&mut self, key: &[u8]) -> Result<Option<usize>> {
        self.place = None;
        let number = self.segment.opened()?.index.find(key);
        if number >= self.block_count()? {
            return Ok(None);
        }
        self.enter(number, false)?;
        let ordinal = self.block.as_ref().map_or(Ok(0), |block| block.seek(key));
        ordinal.map(Some).map_err(|_| self.senseless())
    }

    fn step(&mut self) -> Result<()> {
        let (Some(block), Some(place)) = (&self.block, self.place) else { return Err(moved_while_invalid()) };
        let ordinal = self.ordinal + 1;
        if ordinal == block.count() {
            return self.enter_block_start(self.number + 1, true);
        }
        let (bytes, layout) = (block.bytes(), block.layout());
        let is_head = ordinal.is_multiple_of(GROUP_ENTRIES);
        let next = layout.entry_at(bytes, place.end, is_head);
        // Keys of a group are sorted, so what this key shares with the first one, the key before shares too.
        let kept = layout.prefix(bytes).len() + next.map_or(0, |next| next.shared);
        let Some(next) = next.filter(|_| kept <= self.key.len()) else { return Err(self.senseless()) };
        self.key.truncate(kept);
        self.key.extend_from_slice(block.suffix(&next));
        self.place = Some(next);
        self.ordinal = ordinal;
        Ok(())
    }
}

impl EntryCursor for SegmentCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.guarded(|cursor| {
            let follows = !cursor.caches;
            cursor.enter_block_start(0, follows)
        })
    }

    fn seek_last(&mut self) -> Result<()> {
        self.guarded(|cursor| {
            let count = cursor.block_count()?;
            cursor.enter_block_end_before(count)
        })
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.guarded(|cursor| match cursor.find(key)? {
            None => Ok(()),
            Some(ordinal) if cursor.block.as_ref().is_some_and(|block| ordinal < block.count()) => {
                cursor.stand(ordinal)
            }
            Some(_) => cursor.enter_block_start(cursor.number + 1, false),
        })
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.guarded(|cursor| match cursor.find(key)? {
            None => {
                let count = cursor.block_count()?;
                cursor.enter_block_end_before(count)
            }
            Some(0) => cursor.enter_block_end_before(cursor.number),
            Some(ordinal) => cursor.stand(ordinal - 1),
        })
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        self.guarded(Self::step)
    }

    fn previous(&mut self) -> Result<()> {
        self.guarded(|cursor| match (cursor.place, cursor.ordinal.checked_sub(1)) {
            (None, _) => Err(moved_while_invalid()),
            (Some(_), Some(ordinal)) => cursor.stand(ordinal),
            (Some(_), None) => cursor.enter_block_end_before(cursor.number),
        })
    }

    #[inline]
    fn is_valid(&self) -> bool {
        self.place.is_some()
    }

    #[inline]
    fn key(&self) -> &[u8] {
        if self.place.is_some() { &self.key } else { &[] }
    }

    #[inline]
    fn here(&self) -> Option<Here<'_>> {
        self.place.map(|place| Here { key: &self.key, sequence: place.sequence, kind: place.kind })
    }

    #[inline]
    fn sequence(&self) -> Sequence {
        self.place.map_or(Sequence::ZERO, |place| place.sequence)
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        self.place.map_or(EntryKind::Delete, |place| place.kind)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        match (&self.block, &self.place) {
            (Some(block), Some(place)) => block.value(place),
            _ => &[],
        }
    }

    fn pin_value(&self) -> Value {
        match (&self.block, &self.place) {
            (Some(block), Some(place)) => block.pin_value(place),
            _ => Value::owned([].as_slice()),
        }
    }
}
