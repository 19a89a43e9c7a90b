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
/// Room for a key that is taken at once.
const KEY_BYTES_USUAL: usize = 64;
/// The longest read ahead, and which part of the budget it may be: a merge reads ahead in some twenty runs.
const AHEAD_BYTES_MAX: u64 = 256 * 1024;
const AHEAD_PART: u64 = 256;

/// A position among the entries of one segment.
pub(crate) struct SegmentCursor {
    segment: Arc<Segment>,
    block: Option<Arc<Block>>,
    number: usize,
    ordinal: usize,
    place: Option<EntryPlace>,
    key: Vec<u8>,
    /// The key that was left last, while the next is compared with it.
    left: Vec<u8>,
    /// The entries of a group of the present block, for a walk backward; empty when none is known.
    group: Vec<EntryPlace>,
    /// The first of them.
    group_first: usize,
    /// The block that `aim` found, until `land`.
    aimed: Option<usize>,
    /// Blocks read ahead, with their numbers.
    ahead: VecDeque<(usize, Arc<Block>)>,
    ahead_bytes: u64,
    /// False for compactions, which leave the cache as they found it.
    caches: bool,
    /// Where the segment begins, when it is cut: what the file holds before that is not shown.
    cut: Option<Arc<[u8]>>,
    failed: Option<Error>,
}

impl SegmentCursor {
    /// A cursor for a reader.
    pub(crate) fn new(segment: Arc<Segment>) -> Self {
        let cut = segment.meta().is_cut.then(|| Arc::clone(&segment.meta().smallest));
        Self {
            segment,
            cut,
            block: None,
            number: 0,
            ordinal: 0,
            place: None,
            key: Vec::with_capacity(KEY_BYTES_USUAL),
            left: Vec::new(),
            group: Vec::new(),
            group_first: 0,
            aimed: None,
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
        // The same block may lie elsewhere in its next buffer.
        self.group.clear();
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
        let ahead_max = segment.context().cache.memory().part(AHEAD_PART).min(AHEAD_BYTES_MAX);
        self.ahead_bytes = (self.ahead_bytes * 2).max(AHEAD_BYTES_MIN).min(ahead_max);
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

    /// Stands on the entry before the present one. Entries of a group are found from its first on, so it is decoded once for
    /// all of them.
    fn stand_back(&mut self, ordinal: usize) -> Result<()> {
        let Some(block) = self.block.as_ref().filter(|block| !block.layout().has_whole_keys()) else {
            return self.stand(ordinal);
        };
        let (bytes, layout) = (block.bytes(), block.layout());
        let first = ordinal - ordinal % GROUP_ENTRIES;
        if self.group.is_empty() || self.group_first != first {
            self.group.clear();
            let end = block.count().min(first + GROUP_ENTRIES);
            let mut at = layout.group_head(bytes, first);
            for ordinal in first..end {
                let Some(place) = at else {
                    self.group.clear();
                    return Err(self.senseless());
                };
                self.group.push(place);
                if ordinal + 1 < end {
                    at = layout.entry_at(bytes, place.end, false);
                }
            }
            self.group_first = first;
            if let Some(before) = (first / GROUP_ENTRIES).checked_sub(1) {
                block.fetch_group(before);
            }
        }
        let (Some(head), Some(place)) = (self.group.first(), self.group.get(ordinal - first)) else {
            return Err(self.senseless());
        };
        // What the block's keys share stays, whichever of them was here.
        let prefix_len = layout.prefix_len();
        let shared = block.suffix(head).get(..place.shared);
        let Some(shared) = shared.filter(|_| prefix_len <= self.key.len()) else { return Err(self.senseless()) };
        self.key.truncate(prefix_len);
        self.key.extend_from_slice(shared);
        self.key.extend_from_slice(block.suffix(place));
        self.place = Some(*place);
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

    /// Nowhere, when this is before where the segment begins.
    fn stay_inside(&mut self) {
        if self.cut.as_ref().is_some_and(|cut| self.key.as_slice() < &**cut) {
            self.place = None;
        }
    }

    /// Enters the block where `key` belongs and returns the ordinal of the first entry not below it.
    fn find(&mut self, key: &[u8]) -> Result<Option<usize>> {
        let number = self.segment.opened()?.index.find(key);
        self.find_in(number, key)
    }

    /// To the first entry not below `key`.
    fn seek_at_or_after(&mut self, key: &[u8]) -> Result<()> {
        let cut = self.cut.clone();
        let found = self.find(cut.as_deref().map_or(key, |cut| cut.max(key)))?;
        self.stand_found(found)
    }

    /// As `find`, when the block is known.
    fn find_in(&mut self, number: usize, key: &[u8]) -> Result<Option<usize>> {
        self.place = None;
        if number >= self.block_count()? {
            return Ok(None);
        }
        self.enter(number, false)?;
        let ordinal = self.block.as_ref().map_or(Ok(0), |block| block.seek(key));
        ordinal.map(Some).map_err(|_| self.senseless())
    }

    /// Stands at the first entry not below a key, where that was found.
    fn stand_found(&mut self, found: Option<usize>) -> Result<()> {
        match found {
            None => Ok(()),
            Some(ordinal) if self.block.as_ref().is_some_and(|block| ordinal < block.count()) => self.stand(ordinal),
            Some(_) => self.enter_block_start(self.number + 1, false),
        }
    }

    /// To the next entry; past all of this key when `KEY`.
    #[inline]
    fn step<const KEY: bool>(&mut self) -> Result<()> {
        let (Some(block), Some(place)) = (&self.block, self.place) else { return Err(moved_while_invalid()) };
        let (bytes, layout) = (block.bytes(), block.layout());
        let (mut ordinal, mut at) = (self.ordinal, place.end);
        loop {
            ordinal += 1;
            if ordinal == block.count() {
                return self.step_out::<KEY>();
            }
            let is_head = ordinal.is_multiple_of(GROUP_ENTRIES);
            if is_head {
                block.fetch_group(ordinal / GROUP_ENTRIES + 1);
            }
            let next = layout.entry_at(bytes, at, is_head);
            // Keys of a group are sorted, so what this key shares with the first one, the key before shares too.
            let kept = layout.prefix_len() + next.map_or(0, |next| next.shared);
            let Some(next) = next.filter(|_| kept <= self.key.len()) else { return Err(self.senseless()) };
            let suffix = block.suffix(&next);
            if KEY && self.key.get(kept..) == Some(suffix) {
                at = next.end;
                continue;
            }
            self.key.truncate(kept);
            self.key.extend_from_slice(suffix);
            self.place = Some(next);
            self.ordinal = ordinal;
            return Ok(());
        }
    }

    /// From the last entry of a block to the next one's first; on to another key when `KEY`.
    #[cold]
    fn step_out<const KEY: bool>(&mut self) -> Result<()> {
        if !KEY {
            return self.enter_block_start(self.number + 1, true);
        }
        std::mem::swap(&mut self.key, &mut self.left);
        self.enter_block_start(self.number + 1, true)?;
        // Versions of one key may run over the end of a block, or of several.
        while self.place.is_some() && self.key == self.left {
            self.step::<false>()?;
        }
        Ok(())
    }
}

impl EntryCursor for SegmentCursor {
    fn seek_first(&mut self) -> Result<()> {
        self.guarded(|cursor| {
            if cursor.cut.is_some() {
                return cursor.seek_at_or_after(&[]);
            }
            let follows = !cursor.caches;
            cursor.enter_block_start(0, follows)
        })
    }

    fn seek_last(&mut self) -> Result<()> {
        self.guarded(|cursor| {
            let count = cursor.block_count()?;
            cursor.enter_block_end_before(count)?;
            cursor.stay_inside();
            Ok(())
        })
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.guarded(|cursor| cursor.seek_at_or_after(key))
    }

    fn aim(&mut self, key: &[u8]) {
        if self.cut.as_ref().is_some_and(|cut| key < &**cut) {
            self.aimed = None;
            return;
        }
        // A segment that does not open is tried again in `land`, where the failure can be told.
        self.aimed = self.segment.opened().ok().map(|opened| {
            let number = opened.index.find(key);
            opened.slots.fetch(number);
            number
        });
    }

    fn land(&mut self, key: &[u8]) -> Result<()> {
        self.guarded(|cursor| match cursor.aimed.take() {
            Some(number) => {
                let found = cursor.find_in(number, key)?;
                cursor.stand_found(found)
            }
            None => cursor.seek_at_or_after(key),
        })
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.guarded(|cursor| {
            match cursor.find(key)? {
                None => {
                    let count = cursor.block_count()?;
                    cursor.enter_block_end_before(count)?;
                }
                Some(0) => cursor.enter_block_end_before(cursor.number)?,
                Some(ordinal) => cursor.stand(ordinal - 1)?,
            }
            cursor.stay_inside();
            Ok(())
        })
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        self.guarded(Self::step::<false>)
    }

    #[inline]
    fn next_key(&mut self) -> Result<()> {
        self.guarded(Self::step::<true>)
    }

    fn previous(&mut self) -> Result<()> {
        self.guarded(|cursor| {
            match (cursor.place, cursor.ordinal.checked_sub(1)) {
                (None, _) => return Err(moved_while_invalid()),
                (Some(_), Some(ordinal)) => cursor.stand_back(ordinal)?,
                (Some(_), None) => cursor.enter_block_end_before(cursor.number)?,
            }
            cursor.stay_inside();
            Ok(())
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
