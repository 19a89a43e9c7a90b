//! A decoded block in memory, and finding keys in it.
//!
//! Always: immutable once decoded; a value borrowed from it keeps it alive.
//! Does not know: which segment it belongs to (its callers name file and offset when its bytes make no sense).

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering as Memory};

use crate::format::block::{BlockLayout, EntryPlace, GROUP_ENTRIES, head_of, shared_len};
use crate::memory::PageBuffer;
use crate::prefetch;
use crate::value::{Pinned, Value};

/// Values up to this size are copied out; larger ones keep their block in memory instead.
///
/// A small value that pins eight kilobytes would let a caller hold far more memory than it knows.
const COPY_BYTES_MAX: usize = 512;

/// Reads of a block that are remembered: it outlives that many turns of the clock.
const USED_MAX: u8 = 3;

/// Cache lines of a group that are fetched before they are read: eight entries of 250 bytes.
const FETCHED_LINES_MAX: usize = 32;

/// Cache lines of one entry that are fetched before it is read.
const ENTRY_LINES_MAX: usize = 8;

/// The bytes of a block do not make sense although their checksum was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadBlock;

/// A decoded block.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: PageBuffer,
    layout: BlockLayout,
    /// Counted up by reads, down by the cache's clock.
    used: AtomicU8,
}

impl Block {
    /// The block whose body is `bytes[body]`.
    pub(crate) fn new(bytes: PageBuffer, body: Range<usize>) -> Result<Self, BadBlock> {
        let layout = BlockLayout::parse(&bytes, body).ok_or(BadBlock)?;
        Ok(Self { bytes, layout, used: AtomicU8::new(0) })
    }

    /// How many entries there are; never 0.
    #[inline]
    pub(crate) const fn count(&self) -> usize {
        self.layout.count()
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Remembers that the block was read, up to three times. A store only when it changes something: the line of a block
    /// that is read all the time stays shared between cores.
    #[inline]
    pub(crate) fn touch(&self) {
        let used = self.used.load(Memory::Relaxed);
        if used < USED_MAX {
            self.used.store(used + 1, Memory::Relaxed);
        }
    }

    /// Forgets one of the times the block was read; false when there is none left.
    pub(crate) fn take_touch(&self) -> bool {
        let used = self.used.load(Memory::Relaxed);
        self.used.store(used.saturating_sub(1), Memory::Relaxed);
        used > 0
    }

    /// The layout, for walks over every entry.
    pub(crate) const fn layout(&self) -> &BlockLayout {
        &self.layout
    }

    /// Where the block and what is searched first of its bytes are, as numbers.
    pub(crate) fn places(&self) -> [usize; 2] {
        [std::ptr::from_ref(self).addr(), self.bytes.as_ptr().addr().wrapping_add(self.layout.prefix_at())]
    }

    /// All the bytes that places point into.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Entry number `ordinal`.
    #[inline]
    pub(crate) fn entry(&self, ordinal: usize) -> Result<EntryPlace, BadBlock> {
        self.layout.entry(&self.bytes, ordinal).ok_or(BadBlock)
    }

    /// The part of the entry's key that is its own.
    #[inline]
    pub(crate) fn suffix(&self, place: &EntryPlace) -> &[u8] {
        self.bytes.get(place.suffix_at..place.value_at).unwrap_or_default()
    }

    /// The entry's value.
    #[inline]
    pub(crate) fn value(&self, place: &EntryPlace) -> &[u8] {
        self.bytes.get(place.value_at..place.end).unwrap_or_default()
    }

    /// The entry's value as one that outlives the block's place in the cache.
    pub(crate) fn pin_value(self: &Arc<Self>, place: &EntryPlace) -> Value {
        let len = place.end - place.value_at;
        if len <= COPY_BYTES_MAX {
            return Value::owned(self.value(place));
        }
        Value::pinned(Arc::<Self>::clone(self), place.value_at, len)
    }

    /// Puts together the key of an entry.
    pub(crate) fn key_into(&self, ordinal: usize, place: &EntryPlace, key: &mut Vec<u8>) -> Result<(), BadBlock> {
        key.clear();
        key.extend_from_slice(self.layout.prefix(&self.bytes));
        if place.shared > 0 {
            let head = self.layout.group_head(&self.bytes, ordinal).ok_or(BadBlock)?;
            key.extend_from_slice(self.suffix(&head).get(..place.shared).ok_or(BadBlock)?);
        }
        key.extend_from_slice(self.suffix(place));
        Ok(())
    }

    /// True when the entry's key is `key`.
    #[inline]
    pub(crate) fn key_is(&self, ordinal: usize, place: &EntryPlace, key: &[u8]) -> Result<bool, BadBlock> {
        let Some(rest) = key.strip_prefix(self.layout.prefix(&self.bytes)) else { return Ok(false) };
        let suffix = self.suffix(place);
        if rest.len() != place.shared + suffix.len() || !rest.ends_with(suffix) {
            return Ok(false);
        }
        if place.shared == 0 {
            return Ok(true);
        }
        let head = self.layout.group_head(&self.bytes, ordinal).ok_or(BadBlock)?;
        let shared = self.suffix(&head).get(..place.shared).ok_or(BadBlock)?;
        Ok(rest.starts_with(shared))
    }

    /// The ordinal of the first entry whose key is at least `key`; the entry count when there is none.
    pub(crate) fn seek(&self, key: &[u8]) -> Result<usize, BadBlock> {
        let prefix = self.layout.prefix(&self.bytes);
        let Some(rest) = key.strip_prefix(prefix) else {
            let before = key.get(..prefix.len()).unwrap_or(key) < prefix;
            return Ok(if before { 0 } else { self.count() });
        };
        // The last group whose first key is below the sought one holds the boundary.
        let sought = head_of(rest);
        let heads = self.layout.heads(&self.bytes);
        let mut low = heads.partition_point(|head| u64::from_le_bytes(*head) < sought);
        let from = heads.get(low..).unwrap_or_default();
        // Mostly there is none like it, and one look tells.
        if from.first().is_some_and(|head| u64::from_le_bytes(*head) == sought) {
            let high = low + from.partition_point(|head| u64::from_le_bytes(*head) == sought);
            low = self.first_group_not_below(low, high, rest)?;
        }
        let Some(group) = low.checked_sub(1) else {
            self.fetch_group(0);
            return Ok(0);
        };
        self.fetch_group(group);
        self.seek_in_group(group, rest)
    }

    /// Fetches the entries of a group into the processor's cache, so that a walk over them waits once and not for each.
    #[inline]
    pub(crate) fn fetch_group(&self, group: usize) {
        prefetch::lines(self.layout.group_bytes(&self.bytes, group), FETCHED_LINES_MAX);
    }

    /// Fetches an entry that is found by its ordinal.
    #[inline]
    pub(crate) fn fetch_entry(&self, ordinal: usize) {
        prefetch::lines(self.layout.entry_bytes(&self.bytes, ordinal), ENTRY_LINES_MAX);
    }

    /// Fetches the group a key is most likely in.
    #[inline]
    pub(crate) fn fetch_around(&self, key: &[u8]) {
        let Some(rest) = key.strip_prefix(self.layout.prefix(&self.bytes)) else { return };
        let sought = head_of(rest);
        let below = self.layout.heads(&self.bytes).partition_point(|head| u64::from_le_bytes(*head) < sought);
        self.fetch_group(below.saturating_sub(1));
    }

    /// Among groups whose heads are equal to the sought one, the first whose first key is not below it.
    fn first_group_not_below(&self, mut low: usize, mut high: usize, rest: &[u8]) -> Result<usize, BadBlock> {
        while low < high {
            let middle = low + (high - low) / 2;
            let head = self.layout.group_head(&self.bytes, middle * GROUP_ENTRIES).ok_or(BadBlock)?;
            if self.suffix(&head) < rest {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The first entry of `group`, or after it, that is not below the sought key; the group's first key is below it.
    fn seek_in_group(&self, group: usize, rest: &[u8]) -> Result<usize, BadBlock> {
        let first = group * GROUP_ENTRIES;
        let end = (first + GROUP_ENTRIES).min(self.count());
        let mut place = self.layout.group_head(&self.bytes, first).ok_or(BadBlock)?;
        let common = shared_len(self.suffix(&place), rest);
        for ordinal in first + 1..end {
            place = self.layout.entry_at(&self.bytes, place.end, false).ok_or(BadBlock)?;
            let below = if self.layout.has_whole_keys() {
                self.suffix(&place) < rest
            } else {
                self.is_below(&place, common, rest)?
            };
            if !below {
                return Ok(ordinal);
            }
        }
        Ok(end)
    }

    /// True when an entry's key is below the sought one, of which `common` bytes agree with the group's first key.
    fn is_below(&self, place: &EntryPlace, common: usize, rest: &[u8]) -> Result<bool, BadBlock> {
        Ok(match place.shared.cmp(&common) {
            // It agrees with the first key for longer than the sought one does, and the first key is below that.
            Ordering::Greater => true,
            // It leaves the first key upward before the sought one does.
            Ordering::Less => false,
            Ordering::Equal => self.suffix(place) < rest.get(common..).ok_or(BadBlock)?,
        })
    }
}

impl Pinned for Block {
    fn bytes(&self, start: usize, len: usize) -> &[u8] {
        self.bytes.get(start..start + len).unwrap_or_default()
    }
}
