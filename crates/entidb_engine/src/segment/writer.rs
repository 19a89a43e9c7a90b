//! Writes a segment: sorted entries in, a sealed file out.
//!
//! Always: entries come in entry order, all in one zone; a file is a segment only once its footer is flushed; what was
//! begun and not finished is an orphan that the next open removes. Nothing is ever written twice.
//! Does not know: which entries are still needed, or when a segment is large enough.
//! Format: docs/spec/file-format.md, "Segment".

use std::sync::Arc;

use entidb_storage::{File, OpenMode};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::SegmentContext;
use super::index::BlockIndexBuilder;
use super::point_index::{POINT_BLOCKS_MAX, PointIndexBuilder};
use crate::crypto::Protection;
use crate::error::{Error, Result};
use crate::format::block::{BlockBuilder, Unencodable};
use crate::format::file_header::FileHeader;
use crate::format::segment_footer::{SegmentFooter, SegmentPart, UNIT_FRAME_BYTES, UnitFrame, UnitPlace};
use crate::format::unit::{Stream, Tag, Unit};
use crate::format::{EntryKind, FileKind, FileNumber, Sequence};
use crate::memory::{Charge, Use};
use crate::options::{Compression, ZonePolicy};
use crate::planted::{Mistake, makes};
use crate::range_tombstone::RangeTombstones;
use crate::version::SegmentMeta;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 256 * 1024;
/// Compression must save one byte in this many, or the block is stored as it is and costs nothing to read.
const SAVING_MIN: usize = 8;

/// Memory for compressing that is kept for the next block.
const PACKED_BYTES_MAX: usize = 1 << 20;

fn no_memory(bytes: usize) -> Error {
    Error::OutOfMemory { what: "a block of a segment", bytes: bytes as u64 }
}

/// A segment being written.
pub(crate) struct SegmentWriter {
    file: Arc<dyn File>,
    path: String,
    header: FileHeader,
    protection: Protection,
    policy: ZonePolicy,
    builder: BlockBuilder,
    index: BlockIndexBuilder,
    points: Option<PointIndexBuilder>,
    tombstones: RangeTombstones,
    tags: Vec<Tag>,
    /// Sealed units not yet written, and the offset of the first byte of them.
    buffer: Vec<u8>,
    buffer_at: u64,
    scratch: Vec<u8>,
    /// Memory for compressing, zeros and what was there before.
    packed: Vec<u8>,
    blocks: u32,
    /// What is gathered here until the segment is sealed.
    charge: Charge,
    smallest: Vec<u8>,
    last: Option<(Vec<u8>, Sequence)>,
    footer: SegmentFooter,
}

impl SegmentWriter {
    /// Begins file `number`, whose entries follow `policy`.
    ///
    /// # Errors
    /// Those of the storage.
    pub(crate) fn create(context: &SegmentContext, number: FileNumber, policy: ZonePolicy) -> Result<Self> {
        let (header, protection) = context.keys.new_file(FileKind::Segment, number, context.random.as_ref())?;
        let path = FileKind::Segment.path(number);
        let file = context.directory.open(&path, OpenMode::CreateNew)?;
        Ok(Self {
            file,
            path,
            buffer: header.encode().to_vec(),
            header,
            protection,
            policy,
            builder: BlockBuilder::new(policy.point_index),
            index: BlockIndexBuilder::default(),
            points: policy.point_index.then(|| PointIndexBuilder::new(context.cache.memory())),
            tombstones: RangeTombstones::default(),
            tags: Vec::new(),
            buffer_at: 0,
            scratch: Vec::new(),
            packed: Vec::new(),
            blocks: 0,
            charge: context.cache.memory().charge(Use::Writing),
            smallest: Vec::new(),
            last: None,
            footer: SegmentFooter {
                block_count: 0,
                fragment_count: 0,
                entry_count: 0,
                stale_count: 0,
                raw_bytes: 0,
                oldest: Sequence::MAX,
                newest: Sequence::ZERO,
                tombstones: UnitPlace::default(),
                index: UnitPlace::default(),
                points: UnitPlace::default(),
                digest: [0; 16],
            },
        })
    }

    /// Bytes of the file so far, with what is not yet written.
    pub(crate) fn bytes(&self) -> u64 {
        self.end() + self.builder.bytes_max() as u64
    }

    /// True when the segment should end before the next key, whatever its size: no more blocks can be pointed at.
    pub(crate) fn is_full(&self) -> bool {
        // One block is in the making and one key's versions may need another few; two hundred is far more than that.
        self.points.is_some() && self.blocks as usize + 200 > POINT_BLOCKS_MAX
    }

    /// True when there is nothing to seal.
    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_none() && self.tombstones.is_empty()
    }

    /// The last key added.
    pub(crate) fn last_key(&self) -> Option<&[u8]> {
        self.last.as_ref().map(|(key, _)| key.as_slice())
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// `Internal` for an entry out of order; those of the storage.
    pub(crate) fn add(&mut self, key: &[u8], sequence: Sequence, kind: EntryKind, value: &[u8]) -> Result<()> {
        let mut is_new_key = true;
        if let Some((last, last_sequence)) = &self.last {
            is_new_key = last.as_slice() != key;
            if crate::iterator::entry_order(last, *last_sequence, key, sequence).is_ge() {
                return Err(self.internal("an entry came out of order"));
            }
        } else {
            self.smallest.extend_from_slice(key);
            self.index.start(key);
        }
        let size = key.len() + value.len();
        let block_bytes = self.policy.block_bytes as usize;
        // A bound and no estimate: blocks are in memory by the page, and one just too long for its pages takes one more.
        let mut with = self.builder.size_with(key, sequence, value.len());
        if !self.builder.is_empty()
            && (with.bytes > block_bytes || self.builder.len() >= crate::format::block::BLOCK_ENTRIES_MAX)
        {
            self.end_block(Some(key))?;
            with = self.builder.size_with(key, sequence, value.len());
        }
        if is_new_key && let Some(points) = &mut self.points {
            points.add(xxh3_64(key), self.builder.len());
        }
        self.builder.reserve(key, value).map_err(|problem| self.unencodable(problem))?;
        self.builder.add_sized(key, sequence, kind, value, with);
        match &mut self.last {
            Some((last, last_sequence)) => {
                last.clear();
                last.extend_from_slice(key);
                *last_sequence = sequence;
            }
            last => *last = Some((key.to_vec(), sequence)),
        }
        self.footer.entry_count += 1;
        self.footer.stale_count += u64::from(kind == EntryKind::Delete || !is_new_key);
        self.footer.raw_bytes += size as u64;
        self.footer.oldest = self.footer.oldest.min(sequence);
        self.footer.newest = self.footer.newest.max(sequence);
        Ok(())
    }

    /// Gives the segment its range tombstones, all of them at once.
    pub(crate) fn set_tombstones(&mut self, tombstones: RangeTombstones) {
        self.tombstones = tombstones;
    }

    /// Seals the segment, flushes the file and says what is in it. Its *name* is durable only after the caller has
    /// flushed the names of the folder, once for all the segments of a job.
    ///
    /// # Errors
    /// `Internal` when there is nothing in it; those of the storage.
    pub(crate) fn finish(mut self, level: u8, run: u64) -> Result<SegmentMeta> {
        if self.is_empty() {
            return Err(self.internal("it has no entries"));
        }
        if self.last.is_none() {
            self.index.start(&[]);
        }
        self.end_block(None)?;
        self.footer.block_count = self.blocks;
        if let Some((oldest, newest)) = self.tombstones.sequence_range() {
            self.footer.oldest = self.footer.oldest.min(oldest);
            self.footer.newest = self.footer.newest.max(newest);
            self.footer.fragment_count = u32::try_from(self.tombstones.fragment_count())
                .map_err(|_| self.internal("it has too many range tombstones"))?;
            let mut body = Vec::new();
            self.tombstones.encode(&mut body);
            self.footer.tombstones = self.seal(SegmentPart::Tombstones, Compression::None, &body)?;
        }
        let index = std::mem::take(&mut self.index).finish();
        self.footer.index = self.seal(SegmentPart::Index, Compression::None, &index)?;
        // Versions of one key can push a segment past what a slot can point at; then exact keys use the block index.
        let points = self.points.take().filter(|_| self.blocks as usize <= POINT_BLOCKS_MAX);
        if let Some((points, len)) = points.map(PointIndexBuilder::finish).transpose()?.flatten() {
            // The largest of the parts: nothing else is gathered beside it.
            self.write_buffer()?;
            let body = points.get(..len).unwrap_or_default();
            self.buffer.reserve_exact(UNIT_FRAME_BYTES + len + self.protection.overhead());
            self.footer.points = self.seal(SegmentPart::Points, Compression::None, body)?;
            self.write_buffer()?;
        }
        self.footer.digest = xxh3_128(self.tags.as_flattened()).to_le_bytes();
        let footer = self.footer.encode();
        self.seal(SegmentPart::Footer, Compression::None, &footer)?;
        self.write_buffer()?;
        if !makes(Mistake::SegmentNotFlushed) {
            self.file.flush_data()?;
        }
        let tag = self.tags.last().copied().unwrap_or_default();
        Ok(self.meta(level, run, tag))
    }

    fn meta(self, level: u8, run: u64, tag: Tag) -> SegmentMeta {
        let mut smallest = self.smallest;
        let mut largest = self.last.map(|(key, _)| key).unwrap_or_default();
        let mut largest_is_excluded = false;
        if let Some((first, last)) = self.tombstones.bounds() {
            if self.footer.entry_count == 0 || first < smallest.as_slice() {
                smallest = first.to_vec();
            }
            if last > largest.as_slice() {
                largest = last.to_vec();
                largest_is_excluded = true;
            }
        }
        SegmentMeta {
            number: self.header.number,
            level,
            run,
            bytes: self.buffer_at,
            smallest: smallest.into(),
            largest: largest.into(),
            largest_is_excluded,
            is_cut: false,
            oldest: self.footer.oldest,
            newest: self.footer.newest,
            entry_count: self.footer.entry_count,
            stale_count: self.footer.stale_count,
            fragment_count: self.footer.fragment_count,
            raw_bytes: self.footer.raw_bytes,
            salt: self.header.salt,
            tag,
        }
    }

    fn end(&self) -> u64 {
        self.buffer_at + self.buffer.len() as u64
    }

    fn end_block(&mut self, next: Option<&[u8]>) -> Result<()> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let count = self.builder.len();
        let last = self.builder.last_key().to_vec();
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        self.builder.finish(&mut body).map_err(|problem| self.unencodable(problem))?;
        let place = self.seal(SegmentPart::Data, self.policy.compression, &body)?;
        self.scratch = body;
        self.index.add(place.len, &last, next);
        if let Some(points) = &mut self.points {
            points.end_block(count)?;
        }
        self.blocks += 1;
        self.charge.set(self.memory_bytes() as u64);
        if self.buffer.len() >= WRITE_BYTES {
            self.write_buffer()?;
        }
        Ok(())
    }

    /// Bytes of what is gathered.
    fn memory_bytes(&self) -> usize {
        self.index.memory_bytes() + self.buffer.capacity() + self.tags.capacity() * size_of::<Tag>()
    }

    /// Puts a unit behind the others and returns its place.
    fn seal(&mut self, part: SegmentPart, compression: Compression, body: &[u8]) -> Result<UnitPlace> {
        let offset = self.end();
        let start = self.buffer.len();
        let mut packed = std::mem::take(&mut self.packed);
        let compressed = match compression {
            Compression::None => None,
            Compression::Lz4 => {
                let bytes_max = lz4_flex::block::get_maximum_output_size(body.len());
                if packed.len() < bytes_max {
                    packed.try_reserve_exact(bytes_max - packed.len()).map_err(|_| no_memory(bytes_max))?;
                    packed.resize(bytes_max, 0);
                }
                let len = lz4_flex::block::compress_into(body, &mut packed)
                    .map_err(|_| self.internal("a block that is compressed is larger than it can be"))?;
                packed.get(..len).filter(|packed| packed.len() + body.len() / SAVING_MIN <= body.len())
            }
        };
        let stored = compressed.unwrap_or(body);
        let len = |len: usize| u32::try_from(len).map_err(|_| self.internal("a unit has more than 4 GiB"));
        let frame = UnitFrame {
            part,
            compressed: compressed.is_some(),
            stored_len: len(stored.len())?,
            body_len: len(body.len())?,
        };
        let whole = len(UNIT_FRAME_BYTES + stored.len() + self.protection.overhead())?;
        let frame = frame.encode();
        self.buffer.try_reserve(whole as usize).map_err(|_| no_memory(whole as usize))?;
        self.buffer.extend_from_slice(&frame);
        self.buffer.extend_from_slice(stored);
        if packed.capacity() <= PACKED_BYTES_MAX {
            self.packed = packed;
        }
        let (stream, number) = match part {
            SegmentPart::Footer => (Stream::Footer, 0),
            _ => (Stream::Data, self.tags.len() as u64),
        };
        let unit = Unit { stream, number, offset, header: &frame, previous_tag: [0; 16] };
        let tag = self.protection.seal(unit, &mut self.buffer, start + UNIT_FRAME_BYTES)?;
        self.tags.push(tag);
        Ok(UnitPlace { offset, len: whole })
    }

    fn write_buffer(&mut self) -> Result<()> {
        self.file.write_all_at(self.buffer_at, &self.buffer)?;
        // Spreads the writing back over the job, so that the flush at its end does not hold up commits.
        self.file.start_writeback(self.buffer_at, self.buffer.len() as u64)?;
        self.buffer_at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn unencodable(&self, problem: Unencodable) -> Error {
        match problem {
            Unencodable::Layout => self.internal("a block does not fit its layout"),
            Unencodable::Memory(bytes) => no_memory(bytes),
        }
    }

    fn internal(&self, what: &str) -> Error {
        Error::Internal { detail: format!("writing segment {}: {what}", self.path) }
    }
}
