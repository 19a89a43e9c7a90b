//! A data block: a few kilobytes of sorted entries that are stored, verified and cached as one.
//!
//! Always: entries are in entry order, in groups of eight. The first key of a group is whole (but for the prefix all
//! keys of the block share); the other seven say how much they share with it, so any entry is decoded without a chain.
//! Where entries are found by ordinal they share nothing, so that one entry is one place in memory.
//! Bytes are judged: a block that was not written by us is `None`, never a panic and never another block's answer.
//! Does not know: checksums, compression, where the block is stored.
//! Format: docs/spec/file-format.md, "Data block".

use std::ops::Range;

use crate::format::{EntryKind, Reader, Sequence, put_varint, varint_len};
use crate::options::KEY_BYTES_MAX;

/// Entries in a group.
pub(crate) const GROUP_ENTRIES: usize = 8;
/// The numbers a block begins with.
const HEADER_BYTES: usize = 16;
/// Entries in a block at most, so that two bytes count them.
pub(crate) const BLOCK_ENTRIES_MAX: usize = 32_768;

/// Offsets take four bytes each, not two.
const WIDE: u8 = 1;
/// There is one offset per entry, not one per group.
const PER_ENTRY: u8 = 2;

/// Collects entries and writes the block of them.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    per_entry: bool,
    keys: Vec<u8>,
    values: Vec<u8>,
    items: Vec<Item>,
    /// Where the key of the present group's first entry is in `keys`.
    head: Range<usize>,
    size: Size,
}

/// What the block takes at most.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// All of it.
    pub(crate) bytes: usize,
    /// Entries with whole keys and without tags.
    body: usize,
    /// Keys that are stored whole, but for what all share.
    whole_keys: usize,
    /// Bytes all keys share.
    prefix_len: usize,
    /// What the entry added last shares with its group's first one.
    shared: usize,
    oldest: u64,
    newest: u64,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    key_end: usize,
    value_end: usize,
    /// Bytes shared with the key of the group's first entry; 0 for that entry itself.
    shared: usize,
    sequence: u64,
    kind: EntryKind,
}

/// Why a block cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unencodable {
    /// The layout has no place for its entries.
    Layout,
    /// There is no memory for this number of bytes.
    Memory(usize),
}

impl BlockBuilder {
    /// An empty block; `per_entry` for zones whose entries are found by ordinal.
    pub(crate) fn new(per_entry: bool) -> Self {
        Self { per_entry, ..Self::default() }
    }

    /// What the block takes at most with an entry more, whose place is after the one before.
    pub(crate) fn size_with(&self, key: &[u8], sequence: Sequence, value_len: usize) -> Size {
        let (before, count) = (&self.size, self.items.len() + 1);
        let is_first = count == 1;
        let is_head = self.items.len().is_multiple_of(GROUP_ENTRIES);
        let is_whole = is_head || self.per_entry;
        let shared = if is_whole { 0 } else { shared_len(self.keys.get(self.head.clone()).unwrap_or_default(), key) };
        let own = key.len() - shared;
        let mut body = before.body + own + value_len + varint_len(own as u64) + varint_len(value_len as u64);
        if !is_head {
            body += varint_len(shared as u64);
        }
        let whole_keys = before.whole_keys + usize::from(is_whole);
        let prefix = if is_first { key } else { self.keys.get(..before.prefix_len).unwrap_or_default() };
        let prefix_len = shared_len(prefix, key);
        let oldest = if is_first { sequence.0 } else { before.oldest.min(sequence.0) };
        let newest = before.newest.max(sequence.0);
        let tags = count * varint_len((newest - oldest).saturating_mul(4).saturating_add(3));
        let groups = count.div_ceil(GROUP_ENTRIES);
        let offsets = if self.per_entry { count } else { groups };
        let offset_bytes = if body + tags > usize::from(u16::MAX) { 4 } else { 2 };
        let bytes = HEADER_BYTES + groups * 8 + offsets * offset_bytes + body + tags - prefix_len * (whole_keys - 1);
        Size { bytes, body, whole_keys, prefix_len, shared, oldest, newest }
    }

    /// Appends an entry, which must come after the one before.
    #[cfg(test)]
    pub(crate) fn add(&mut self, key: &[u8], sequence: Sequence, kind: EntryKind, value: &[u8]) {
        self.add_sized(key, sequence, kind, value, self.size_with(key, sequence, value.len()));
    }

    /// Appends the entry for which [`size_with`](Self::size_with) said this.
    pub(crate) fn add_sized(&mut self, key: &[u8], sequence: Sequence, kind: EntryKind, value: &[u8], size: Size) {
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.values.extend_from_slice(value);
        if self.items.len().is_multiple_of(GROUP_ENTRIES) {
            self.head = start..self.keys.len();
        }
        let (key_end, value_end) = (self.keys.len(), self.values.len());
        self.items.push(Item { key_end, value_end, shared: size.shared, sequence: sequence.0, kind });
        self.size = size;
    }

    /// Makes room for an entry, so that adding it asks for nothing large.
    ///
    /// # Errors
    /// `Memory`.
    pub(crate) fn reserve(&mut self, key: &[u8], value: &[u8]) -> Result<(), Unencodable> {
        let no_memory = |_| Unencodable::Memory(key.len().saturating_add(value.len()));
        self.keys.try_reserve(key.len()).map_err(no_memory)?;
        self.values.try_reserve(value.len()).map_err(no_memory)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// True when there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many bytes the block has at most.
    pub(crate) const fn bytes_max(&self) -> usize {
        self.size.bytes
    }

    /// The last key added.
    pub(crate) fn last_key(&self) -> &[u8] {
        self.key(self.items.len().wrapping_sub(1))
    }

    fn key(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.items.get(before)).map_or(0, |item| item.key_end);
        let end = self.items.get(index).map_or(start, |item| item.key_end);
        self.keys.get(start..end).unwrap_or_default()
    }

    /// Appends the block's bytes and empties the builder.
    ///
    /// # Errors
    /// `Unencodable` past the limits of the layout; the engine's own limits lie well inside them.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        // Keys are sorted, so what the first and the last share, all share.
        let prefix_len = shared_len(self.key(0), self.last_key());
        let mut entries = Vec::new();
        entries.try_reserve_exact(self.size.bytes).map_err(|_| Unencodable::Memory(self.size.bytes))?;
        let mut heads = Vec::with_capacity(self.items.len().div_ceil(GROUP_ENTRIES));
        let mut offsets: Vec<u32> = Vec::with_capacity(self.items.len());
        let (mut key_start, mut value_start) = (0, 0);
        for (index, item) in self.items.iter().enumerate() {
            let suffix = self.keys.get(key_start + prefix_len..item.key_end).ok_or(Unencodable::Layout)?;
            let value = self.values.get(value_start..item.value_end).ok_or(Unencodable::Layout)?;
            (key_start, value_start) = (item.key_end, item.value_end);
            let is_head = index.is_multiple_of(GROUP_ENTRIES);
            if is_head {
                heads.push(head_of(suffix));
            }
            if is_head || self.per_entry {
                offsets.push(u32::try_from(entries.len()).map_err(|_| Unencodable::Layout)?);
            }
            let mut shared = 0;
            if !is_head {
                // Where entries are found by ordinal every key is whole: comparing it must not touch the group's first.
                if !self.per_entry {
                    shared = item.shared.checked_sub(prefix_len).ok_or(Unencodable::Layout)?;
                }
                put_varint(&mut entries, shared as u64);
            }
            let own = suffix.get(shared..).ok_or(Unencodable::Layout)?;
            put_varint(&mut entries, own.len() as u64);
            put_varint(&mut entries, tag_of(item.sequence - self.size.oldest, item.kind).ok_or(Unencodable::Layout)?);
            put_varint(&mut entries, value.len() as u64);
            entries.extend_from_slice(own);
            entries.extend_from_slice(value);
        }
        out.try_reserve(self.size.bytes).map_err(|_| Unencodable::Memory(self.size.bytes))?;
        let wide = entries.len() > usize::from(u16::MAX);
        u32::try_from(entries.len()).map_err(|_| Unencodable::Layout)?;
        let flags = if wide { WIDE } else { 0 } | if self.per_entry { PER_ENTRY } else { 0 };
        let count = u16::try_from(self.items.len()).map_err(|_| Unencodable::Layout)?;
        let groups = u16::try_from(heads.len()).map_err(|_| Unencodable::Layout)?;
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&groups.to_le_bytes());
        out.extend_from_slice(&u16::try_from(prefix_len).map_err(|_| Unencodable::Layout)?.to_le_bytes());
        out.extend_from_slice(&[flags, 0]);
        out.extend_from_slice(&self.size.oldest.to_le_bytes());
        out.extend_from_slice(self.key(0).get(..prefix_len).ok_or(Unencodable::Layout)?);
        for head in heads {
            out.extend_from_slice(&head.to_le_bytes());
        }
        for offset in offsets {
            if wide {
                out.extend_from_slice(&offset.to_le_bytes());
            } else {
                out.extend_from_slice(&(offset as u16).to_le_bytes());
            }
        }
        out.extend_from_slice(&entries);
        *self = Self::new(self.per_entry);
        Ok(())
    }
}

/// Where the parts of a decoded block are in its bytes. Small numbers: it shares a cache line with the block's slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockLayout {
    /// The sequence the entries' sequences are counted from.
    base: u64,
    prefix_at: u32,
    heads_at: u32,
    offsets_at: u32,
    entries_at: u32,
    end: u32,
    count: u16,
    wide: bool,
    per_entry: bool,
}

/// One entry of a block, as places in the block's bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryPlace {
    /// Bytes shared with the group's first key, after the block's prefix.
    pub(crate) shared: usize,
    /// Where the rest of the key begins.
    pub(crate) suffix_at: usize,
    /// Where the value begins, right after the key.
    pub(crate) value_at: usize,
    /// Where the value ends and the next entry begins.
    pub(crate) end: usize,
    /// The commit that wrote the entry.
    pub(crate) sequence: Sequence,
    /// What the entry says.
    pub(crate) kind: EntryKind,
}

impl BlockLayout {
    /// The layout of the block in `bytes[body]`; `None` when the parts do not fit in it.
    pub(crate) fn parse(bytes: &[u8], body: Range<usize>) -> Option<Self> {
        let mut reader = Reader::new(bytes.get(body.clone())?);
        let count = reader.u16()?;
        let groups = usize::from(reader.u16()?);
        let prefix_len = usize::from(reader.u16()?);
        let flags = reader.byte()?;
        let zero = reader.byte()?;
        let base = reader.u64()?;
        if count == 0
            || groups != usize::from(count).div_ceil(GROUP_ENTRIES)
            || zero != 0
            || flags & !(WIDE | PER_ENTRY) != 0
        {
            return None;
        }
        let (wide, per_entry) = (flags & WIDE != 0, flags & PER_ENTRY != 0);
        let prefix_at = body.start + reader.position();
        let heads_at = prefix_at + prefix_len;
        let offsets_at = heads_at + groups * 8;
        let entries_at = offsets_at + if per_entry { usize::from(count) } else { groups } * if wide { 4 } else { 2 };
        let place = |place: usize| u32::try_from(place).ok();
        (entries_at < body.end).then_some(())?;
        Some(Self {
            base,
            prefix_at: place(prefix_at)?,
            heads_at: place(heads_at)?,
            offsets_at: place(offsets_at)?,
            entries_at: place(entries_at)?,
            end: place(body.end)?,
            count,
            wide,
            per_entry,
        })
    }

    /// How many entries there are; never 0.
    #[inline]
    pub(crate) const fn count(&self) -> usize {
        self.count as usize
    }

    /// True when every key is whole.
    #[inline]
    pub(crate) const fn has_whole_keys(&self) -> bool {
        self.per_entry
    }

    /// What every key of the block begins with.
    #[inline]
    pub(crate) fn prefix<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.prefix_at as usize..self.heads_at as usize).unwrap_or_default()
    }

    /// The heads of the groups: eight bytes each, low first.
    #[inline]
    pub(crate) fn heads<'a>(&self, bytes: &'a [u8]) -> &'a [[u8; 8]] {
        bytes.get(self.heads_at as usize..self.offsets_at as usize).unwrap_or_default().as_chunks().0
    }

    #[inline]
    fn offset(&self, bytes: &[u8], index: usize) -> Option<usize> {
        let offsets = bytes.get(self.offsets_at as usize..self.entries_at as usize)?;
        let offset = if self.wide {
            u32::from_le_bytes(*offsets.as_chunks::<4>().0.get(index)?) as usize
        } else {
            usize::from(u16::from_le_bytes(*offsets.as_chunks::<2>().0.get(index)?))
        };
        Some(self.entries_at as usize + offset)
    }

    /// Entry number `ordinal`, wherever in its group it is.
    #[inline]
    pub(crate) fn entry(&self, bytes: &[u8], ordinal: usize) -> Option<EntryPlace> {
        if ordinal >= self.count() {
            return None;
        }
        let in_group = ordinal % GROUP_ENTRIES;
        if self.per_entry || in_group == 0 {
            let index = if self.per_entry { ordinal } else { ordinal / GROUP_ENTRIES };
            return self.entry_at(bytes, self.offset(bytes, index)?, in_group == 0);
        }
        let mut place = self.group_head(bytes, ordinal)?;
        for _ in 0..in_group {
            place = self.entry_at(bytes, place.end, false)?;
        }
        Some(place)
    }

    /// The first entry of the group that entry `ordinal` is in.
    #[inline]
    pub(crate) fn group_head(&self, bytes: &[u8], ordinal: usize) -> Option<EntryPlace> {
        let group = ordinal / GROUP_ENTRIES;
        let index = if self.per_entry { group * GROUP_ENTRIES } else { group };
        self.entry_at(bytes, self.offset(bytes, index)?, true)
    }

    /// The bytes of a group; nothing when there is no such group.
    #[inline]
    pub(crate) fn group_bytes<'a>(&self, bytes: &'a [u8], group: usize) -> &'a [u8] {
        let step = if self.per_entry { GROUP_ENTRIES } else { 1 };
        let Some(start) = self.offset(bytes, group * step) else { return &[] };
        let end = self.offset(bytes, (group + 1) * step).unwrap_or(self.end as usize);
        bytes.get(start..end).unwrap_or_default()
    }

    /// The bytes of an entry that has an offset of its own; of its group, when it has none.
    #[inline]
    pub(crate) fn entry_bytes<'a>(&self, bytes: &'a [u8], ordinal: usize) -> &'a [u8] {
        if !self.per_entry {
            return self.group_bytes(bytes, ordinal / GROUP_ENTRIES);
        }
        let Some(start) = self.offset(bytes, ordinal) else { return &[] };
        let end = self.offset(bytes, ordinal + 1).unwrap_or(self.end as usize);
        bytes.get(start..end).unwrap_or_default()
    }

    /// How many bytes every key of the block begins with.
    #[inline]
    pub(crate) const fn prefix_len(&self) -> usize {
        (self.heads_at - self.prefix_at) as usize
    }

    /// Where the prefix is, which the heads and the offsets follow.
    #[inline]
    pub(crate) const fn prefix_at(&self) -> usize {
        self.prefix_at as usize
    }

    /// The entry whose bytes begin at `at`; `is_head` when it is the first of its group.
    #[inline]
    pub(crate) fn entry_at(&self, bytes: &[u8], at: usize, is_head: bool) -> Option<EntryPlace> {
        let end_of_all = self.end as usize;
        let bytes = bytes.get(..end_of_all)?;
        let Numbers { shared, own_len, tag, value_len, len } = match short_numbers(bytes, at, is_head) {
            Some(numbers) => numbers,
            None => long_numbers(bytes, at, is_head)?,
        };
        let suffix_at = at + len;
        let value_at = suffix_at.checked_add(own_len)?;
        let end = value_at.checked_add(value_len)?;
        if end > end_of_all || shared > KEY_BYTES_MAX {
            return None;
        }
        let kind = match tag & 3 {
            0 => EntryKind::Put,
            1 => EntryKind::Delete,
            2 => EntryKind::Add,
            _ => return None,
        };
        let sequence = Sequence(self.base.checked_add(tag >> 2)?);
        Some(EntryPlace { shared, suffix_at, value_at, end, sequence, kind })
    }
}

/// The numbers an entry begins with.
struct Numbers {
    shared: usize,
    own_len: usize,
    tag: u64,
    value_len: usize,
    /// The bytes they take.
    len: usize,
}

/// The numbers of nearly every entry, out of eight bytes at once: the first two have one byte each, the others up to
/// three. `None` for all others, among them those that are not in shortest form.
#[inline]
fn short_numbers(bytes: &[u8], at: usize, is_head: bool) -> Option<Numbers> {
    let word = u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
    // The first of a group shares nothing and does not say so.
    let skipped = u32::from(!is_head);
    let shared = if is_head { 0 } else { word & 0xff };
    let word = word >> (skipped * 8);
    let own_len = word & 0xff;
    if (shared | own_len) & 0x80 != 0 {
        return None;
    }
    let word = word >> 8;
    let (tag, tag_bits) = short_varint(word)?;
    let (value_len, value_len_bits) = short_varint(word >> tag_bits)?;
    let len = 1 + skipped + (tag_bits + value_len_bits) / 8;
    Some(Numbers {
        shared: shared as usize,
        own_len: own_len as usize,
        tag,
        value_len: value_len as usize,
        len: len as usize,
    })
}

/// A number of up to three bytes at the low end of `word`, and how many bits it takes.
#[inline]
fn short_varint(word: u64) -> Option<(u64, u32)> {
    let bits = (!word & 0x0080_8080).trailing_zeros() + 1;
    if bits > 24 {
        return None;
    }
    let own = word & ((1 << bits) - 1);
    let number = own & 0x7f | own >> 1 & 0x3f80 | own >> 2 & 0x001f_c000;
    // Its last byte is zero: a shorter form would have done.
    if bits > 8 && own >> (bits - 8) == 0 { None } else { Some((number, bits)) }
}

#[cold]
fn long_numbers(bytes: &[u8], at: usize, is_head: bool) -> Option<Numbers> {
    let mut reader = Reader::at(bytes, at);
    let shared = if is_head { 0 } else { reader.size()? };
    let own_len = reader.size()?;
    let tag = reader.varint()?;
    let value_len = reader.size()?;
    Some(Numbers { shared, own_len, tag, value_len, len: reader.position().checked_sub(at)? })
}

fn tag_of(delta: u64, kind: EntryKind) -> Option<u64> {
    let code = match kind {
        EntryKind::Put => 0,
        EntryKind::Delete => 1,
        EntryKind::Add => 2,
        // Range tombstones have a block of their own.
        EntryKind::DeleteRange => return None,
    };
    Some(delta.checked_mul(4)? | code)
}

/// The first eight bytes of a key as a number that sorts as they do; missing bytes are zero.
#[inline]
pub(crate) fn head_of(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    key.iter().zip([56, 48, 40, 32, 24, 16, 8]).fold(0, |head, (byte, shift)| head | u64::from(*byte) << shift)
}

/// How many bytes two keys share from the front.
#[inline]
pub(crate) fn shared_len(a: &[u8], b: &[u8]) -> usize {
    let ((a_words, _), (b_words, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut len = 0;
    for (x, y) in a_words.iter().zip(b_words) {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return len + differing.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    let rest = |bytes| <[u8]>::get(bytes, len..).unwrap_or_default();
    len + rest(a).iter().zip(rest(b)).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(numbers: &Numbers) -> (usize, usize, u64, usize, usize) {
        (numbers.shared, numbers.own_len, numbers.tag, numbers.value_len, numbers.len)
    }

    proptest! {
        #[test]
        fn numbers_read_at_once_are_those_read_one_by_one(
            small in prop::array::uniform4(prop_oneof![0_u64..0x80, 0_u64..0x4000, 0_u64..0x20_0000, any::<u64>()]),
            noise in prop::collection::vec(prop_oneof![0_u8..2, 0x7e_u8..0x82, any::<u8>()], 0..20),
            written in any::<bool>(),
            is_head in any::<bool>(),
            at in 0_usize..4,
        ) {
            let mut bytes = vec![0; at];
            if written {
                small.iter().skip(usize::from(is_head)).for_each(|number| put_varint(&mut bytes, *number));
            }
            bytes.extend(noise);
            if let Some(short) = short_numbers(&bytes, at, is_head) {
                prop_assert_eq!(Some(parts(&short)), long_numbers(&bytes, at, is_head).as_ref().map(parts));
            }
        }
    }
}
