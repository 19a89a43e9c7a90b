//! The frame of every unit of a segment, and the footer that says where its parts are.
//!
//! Always: the footer is the last unit and has a fixed length, so it is found from the end of the file. Its digest
//! covers the tags of all units before it, so a segment cannot be put together from parts of others.
//! Does not know: what is in the parts.
//! Format: docs/spec/file-format.md, "Segment".

use crate::format::{Reader, Sequence};

/// The frame in front of a unit's body.
pub(crate) const UNIT_FRAME_BYTES: usize = 12;
/// The body of the footer.
pub(crate) const SEGMENT_FOOTER_BYTES: usize = 160;
/// The first bytes of the footer's body.
const FOOTER_MAGIC: [u8; 8] = *b"EDB-SEG1";
/// LZ4 makes at most 255 bytes out of one; more is not ours.
const LZ4_RATIO_MAX: u64 = 255;

/// What a unit of a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum SegmentPart {
    /// Entries.
    Data = 1,
    /// Range tombstones.
    Tombstones = 2,
    /// Where the blocks are and what keys they end with.
    Index = 3,
    /// Hash lines for exact keys.
    Points = 4,
    /// The footer.
    Footer = 5,
}

/// The frame of a unit: what is stored in the clear in front of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnitFrame {
    /// What the unit holds.
    pub(crate) part: SegmentPart,
    /// True when the body is compressed with LZ4.
    pub(crate) compressed: bool,
    /// The length of the body as stored, without frame and trailer.
    pub(crate) stored_len: u32,
    /// The length of the body once decompressed.
    pub(crate) body_len: u32,
}

impl UnitFrame {
    /// The bytes on disk: stored length u32, body length u32, part u8, compression u8, zero u16.
    pub(crate) fn encode(&self) -> [u8; UNIT_FRAME_BYTES] {
        let [a, b, c, d] = self.stored_len.to_le_bytes();
        let [e, f, g, h] = self.body_len.to_le_bytes();
        [a, b, c, d, e, f, g, h, self.part as u8, u8::from(self.compressed), 0, 0]
    }

    /// The frame in `bytes`; `None` when it is not one we would have written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (stored_len, body_len) = (reader.u32()?, reader.u32()?);
        let part = match reader.byte()? {
            1 => SegmentPart::Data,
            2 => SegmentPart::Tombstones,
            3 => SegmentPart::Index,
            4 => SegmentPart::Points,
            5 => SegmentPart::Footer,
            _ => return None,
        };
        let compression = reader.byte()?;
        let sizes_fit = match compression {
            0 => stored_len == body_len,
            1 => u64::from(body_len) <= u64::from(stored_len) * LZ4_RATIO_MAX,
            _ => false,
        };
        (sizes_fit && reader.u16()? == 0).then_some(Self { part, compressed: compression == 1, stored_len, body_len })
    }
}

/// Where a unit is in its file, frame and trailer included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct UnitPlace {
    /// The byte it begins at.
    pub(crate) offset: u64,
    /// Its length; 0 when the segment has no such unit.
    pub(crate) len: u32,
}

impl UnitPlace {
    /// The byte after it.
    pub(crate) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.len as u64)
    }
}

/// The footer: what a segment holds and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentFooter {
    /// Data blocks, which are units 0 on.
    pub(crate) block_count: u32,
    /// Fragments of range tombstones.
    pub(crate) fragment_count: u32,
    /// Entries.
    pub(crate) entry_count: u64,
    /// Entries that are deletions or older versions of a key: what compaction can make go.
    pub(crate) stale_count: u64,
    /// Keys and values before any sharing or compression.
    pub(crate) raw_bytes: u64,
    /// The oldest sequence inside.
    pub(crate) oldest: Sequence,
    /// The newest sequence inside.
    pub(crate) newest: Sequence,
    /// The range tombstones.
    pub(crate) tombstones: UnitPlace,
    /// The block index.
    pub(crate) index: UnitPlace,
    /// The point index.
    pub(crate) points: UnitPlace,
    /// XXH3-128 of the tags of all units before the footer, in order.
    pub(crate) digest: [u8; 16],
}

impl SegmentFooter {
    /// The bytes on disk.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_FOOTER_BYTES);
        out.extend_from_slice(&FOOTER_MAGIC);
        out.extend_from_slice(&self.block_count.to_le_bytes());
        out.extend_from_slice(&self.fragment_count.to_le_bytes());
        for number in [self.entry_count, self.stale_count, self.raw_bytes, self.oldest.0, self.newest.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for place in [self.tombstones, self.index, self.points] {
            out.extend_from_slice(&place.offset.to_le_bytes());
            out.extend_from_slice(&place.len.to_le_bytes());
        }
        out.extend_from_slice(&self.digest);
        out.resize(SEGMENT_FOOTER_BYTES, 0);
        out
    }

    /// The footer in `bytes`; `None` when it is not one we would have written.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if bytes.len() != SEGMENT_FOOTER_BYTES || reader.array::<8>()? != FOOTER_MAGIC {
            return None;
        }
        let (block_count, fragment_count) = (reader.u32()?, reader.u32()?);
        let (entry_count, stale_count, raw_bytes) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (oldest, newest) = (Sequence(reader.u64()?), Sequence(reader.u64()?));
        let mut place = || Some(UnitPlace { offset: reader.u64()?, len: reader.u32()? });
        let (tombstones, index, points) = (place()?, place()?, place()?);
        let digest = reader.array()?;
        let footer = Self {
            block_count,
            fragment_count,
            entry_count,
            stale_count,
            raw_bytes,
            oldest,
            newest,
            tombstones,
            index,
            points,
            digest,
        };
        (footer.encode() == bytes).then_some(footer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_reads_back_and_every_other_length_is_refused() {
        let place = |offset| UnitPlace { offset, len: 77 };
        let footer = SegmentFooter {
            block_count: 3,
            fragment_count: 1,
            entry_count: 1 << 40,
            stale_count: 2,
            raw_bytes: 99,
            oldest: Sequence(4),
            newest: Sequence(u64::MAX),
            tombstones: UnitPlace::default(),
            index: place(1 << 33),
            points: place(5),
            digest: [9; 16],
        };
        let bytes = footer.encode();
        assert_eq!(bytes.len(), SEGMENT_FOOTER_BYTES);
        assert_eq!(SegmentFooter::decode(&bytes), Some(footer));
        assert_eq!(SegmentFooter::decode(&bytes[1..]), None);
        for at in (0..8).chain(108..SEGMENT_FOOTER_BYTES) {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(SegmentFooter::decode(&bad).is_none(), "byte {at}");
        }
    }

    #[test]
    fn a_frame_that_promises_too_much_is_refused() {
        let frame = UnitFrame { part: SegmentPart::Data, compressed: true, stored_len: 10, body_len: 2550 };
        assert_eq!(UnitFrame::decode(&frame.encode()), Some(frame));
        let bomb = UnitFrame { body_len: 2551, ..frame };
        assert_eq!(UnitFrame::decode(&bomb.encode()), None);
        let plain = UnitFrame { compressed: false, ..frame };
        assert_eq!(UnitFrame::decode(&plain.encode()), None);
        for at in 8..12 {
            let mut bytes = frame.encode();
            bytes[at] = 9;
            assert_eq!(UnitFrame::decode(&bytes), None);
        }
    }
}
