//! What the manifest says about one segment, and one change of the set of segments.
//!
//! Always: a segment's length, salt and footer tag are pinned here, so no other file can take its place.
//! Does not know: how manifest records are framed and sealed (`manifest`).
//! Format: docs/spec/file-format.md, "Version edit".

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::format::{FileNumber, Reader, Sequence, put_bytes, put_varint};

/// Levels a version may have.
pub(crate) const LEVELS_MAX: u8 = 16;

const EXCLUDED: u8 = 1;
const CUT: u8 = 2;

/// A segment with more deletions and older versions than one entry in this many is compacted early.
const STALE_WORTH: u64 = 4;

/// What the manifest says about one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentMeta {
    /// The number of the file.
    pub(crate) number: FileNumber,
    /// The level it is in; 0 holds the newest data.
    pub(crate) level: u8,
    /// The run of that level; a larger number holds newer data.
    pub(crate) run: u64,
    /// The length of the file.
    pub(crate) bytes: u64,
    /// The first key, or the start of the first range tombstone when that comes before. Of a segment that is cut, the key
    /// at which it was cut.
    pub(crate) smallest: Arc<[u8]>,
    /// True when what the file holds before `smallest` is no longer of this segment: a merge that was done up to there has
    /// taken it over. Counts, length and sequences stay those of the whole file.
    pub(crate) is_cut: bool,
    /// The last key, or the end of the last range tombstone when that comes after.
    pub(crate) largest: Arc<[u8]>,
    /// True when `largest` is the end of a range tombstone, which is not deleted itself.
    pub(crate) largest_is_excluded: bool,
    /// The oldest sequence inside.
    pub(crate) oldest: Sequence,
    /// The newest sequence inside.
    pub(crate) newest: Sequence,
    /// Entries.
    pub(crate) entry_count: u64,
    /// Entries that are deletions or older versions of a key: what compaction can make go.
    pub(crate) stale_count: u64,
    /// Fragments of range tombstones.
    pub(crate) fragment_count: u32,
    /// Keys and values before any sharing or compression.
    pub(crate) raw_bytes: u64,
    /// The salt in the file's header.
    pub(crate) salt: [u8; 32],
    /// The tag of the file's footer.
    pub(crate) tag: [u8; 16],
}

impl SegmentMeta {
    /// True when the key may be inside, as an entry or under a range tombstone.
    pub(crate) fn covers(&self, key: &[u8]) -> bool {
        key >= &*self.smallest && !self.is_before(key)
    }

    /// True when everything inside comes before `key`.
    pub(crate) fn is_before(&self, key: &[u8]) -> bool {
        #[cfg(test)]
        looks::note();
        if self.largest_is_excluded { &*self.largest <= key } else { &*self.largest < key }
    }

    /// True when so much of it is deletions and older versions that compacting it is worth while on that account.
    pub(crate) fn is_worth_cleaning(&self) -> bool {
        self.entry_count == 0 || self.stale_count.saturating_mul(STALE_WORTH) > self.entry_count
    }

    /// This segment without what comes before `key`, which lies inside it.
    pub(crate) fn cut_at(&self, key: &[u8]) -> Self {
        Self { smallest: key.into(), is_cut: true, ..self.clone() }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.level);
        out.push((if self.largest_is_excluded { EXCLUDED } else { 0 }) | (if self.is_cut { CUT } else { 0 }));
        let numbers = [
            self.number.0,
            self.run,
            self.bytes,
            self.oldest.0,
            self.newest.0,
            self.entry_count,
            self.stale_count,
            u64::from(self.fragment_count),
            self.raw_bytes,
        ];
        for number in numbers {
            put_varint(out, number);
        }
        put_bytes(out, &self.smallest);
        put_bytes(out, &self.largest);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.tag);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let level = reader.byte().filter(|level| *level < LEVELS_MAX)?;
        let flags = reader.byte().filter(|flags| flags & !(EXCLUDED | CUT) == 0)?;
        let mut number = || reader.varint();
        let meta = Self {
            level,
            largest_is_excluded: flags & EXCLUDED != 0,
            is_cut: flags & CUT != 0,
            number: FileNumber(number()?),
            run: number()?,
            bytes: number()?,
            oldest: Sequence(number()?),
            newest: Sequence(number()?),
            entry_count: number()?,
            stale_count: number()?,
            fragment_count: u32::try_from(number()?).ok()?,
            raw_bytes: number()?,
            smallest: reader.bytes()?.into(),
            largest: reader.bytes()?.into(),
            salt: reader.array()?,
            tag: reader.array()?,
        };
        (meta.smallest <= meta.largest && meta.oldest <= meta.newest).then_some(meta)
    }
}

/// One change of the set of segments. What is removed goes before what is added comes, so a segment may move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VersionEdit {
    /// Segments that are new, or new in their level.
    pub(crate) added: Vec<SegmentMeta>,
    /// Segments that are no longer listed.
    pub(crate) removed: Vec<FileNumber>,
}

impl VersionEdit {
    /// Files that are listed before the edit and not after it.
    pub(crate) fn obsolete(&self) -> impl Iterator<Item = FileNumber> + '_ {
        let stays: BTreeSet<FileNumber> = self.added.iter().map(|meta| meta.number).collect();
        self.removed.iter().copied().filter(move |number| !stays.contains(number))
    }

    /// Segments that are in no level before the edit.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = FileNumber> + '_ {
        let moved: BTreeSet<FileNumber> = self.removed.iter().copied().collect();
        self.added.iter().map(|meta| meta.number).filter(move |number| !moved.contains(number))
    }

    /// Appends the edit's bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.removed.len() as u64);
        for number in &self.removed {
            put_varint(out, number.0);
        }
        put_varint(out, self.added.len() as u64);
        for meta in &self.added {
            meta.encode(out);
        }
    }

    /// Reads an edit; `None` when the bytes are not one we would have written.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut edit = Self::default();
        for _ in 0..reader.size()? {
            edit.removed.push(FileNumber(reader.varint()?));
        }
        for _ in 0..reader.size()? {
            edit.added.push(SegmentMeta::decode(reader)?);
        }
        Some(edit)
    }
}

/// Counts how often a thread looks at what is known of a segment: work that must not grow with the square of segments.
#[cfg(test)]
pub(crate) mod looks {
    use std::cell::Cell;

    thread_local! {
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn note() {
        COUNT.with(|count| count.set(count.get() + 1));
    }

    /// How often this thread looked in the course of `act`.
    pub(crate) fn during(act: impl FnOnce()) -> u64 {
        let before = COUNT.with(Cell::get);
        act();
        COUNT.with(Cell::get) - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn meta(number: u64, smallest: &[u8], largest: &[u8], excluded: bool) -> SegmentMeta {
        SegmentMeta {
            number: FileNumber(number),
            level: 3,
            run: 0,
            bytes: 1 << 20,
            smallest: smallest.into(),
            largest: largest.into(),
            largest_is_excluded: excluded,
            is_cut: false,
            oldest: Sequence(4),
            newest: Sequence(5),
            entry_count: 6,
            stale_count: 1,
            fragment_count: 2,
            raw_bytes: 7,
            salt: [8; 32],
            tag: [9; 16],
        }
    }

    #[test]
    fn an_edit_reads_back_and_every_cut_of_it_is_refused() {
        let edit = VersionEdit {
            added: vec![meta(7, b"a", b"m", true).cut_at(b"c"), meta(9, b"n", b"n", false), meta(8, b"o", b"p", true)],
            removed: vec![FileNumber(3), FileNumber(7)],
        };
        let mut bytes = Vec::new();
        edit.encode(&mut bytes);
        assert_eq!(VersionEdit::decode(&mut Reader::new(&bytes)), Some(edit.clone()));
        for cut in 0..bytes.len() {
            assert_eq!(VersionEdit::decode(&mut Reader::new(&bytes[..cut])), None);
        }
        assert_eq!(edit.obsolete().collect::<Vec<_>>(), [FileNumber(3)]);
    }

    #[test]
    fn the_end_of_a_tombstone_is_not_inside() {
        let segment = meta(1, b"b", b"f", true);
        assert!(segment.covers(b"b") && segment.covers(b"ezz") && !segment.covers(b"f") && !segment.covers(b"a"));
        assert!(meta(1, b"b", b"f", false).covers(b"f"));
    }
}
