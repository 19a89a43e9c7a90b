//! From a full memtable to segments of level 0.
//!
//! Always: a segment holds keys of one zone; what lies in the memtable under a range delete is written all the same,
//! compaction sorts that out. Nothing is visible before it is installed.
//! Does not know: which memtables are full.

use std::sync::Arc;

use crate::error::Result;
use crate::format::{FileKind, FileNumber};
use crate::iterator::EntryCursor;
use crate::memtable::Memtable;
use crate::options::ZonePolicies;
use crate::range_tombstone::RangeTombstones;
use crate::segment::{SegmentContext, SegmentWriter};
use crate::version::{FileNumbers, VersionEdit};

/// Segments of level 0 end at this size.
const LEVEL_ZERO_SEGMENT_BYTES: u64 = 32 * 1024 * 1024;

/// What writing a memtable needs.
pub(crate) struct FlushContext<'a> {
    pub(crate) segments: &'a SegmentContext,
    pub(crate) numbers: &'a FileNumbers,
    pub(crate) zones: &'a ZonePolicies,
}

/// Writes a memtable as one run of level 0. The files are flushed, and so are their names.
pub(crate) fn write_memtable(context: &FlushContext<'_>, memtable: &Arc<Memtable>, run: u64) -> Result<VersionEdit> {
    let mut flush = Flush {
        context,
        tombstones: memtable.range_tombstones(),
        run,
        edit: VersionEdit::default(),
        writer: None,
        reached: Vec::new(),
    };
    let written = flush.write(memtable);
    if let Err(error) = written {
        flush.remove_files();
        return Err(error);
    }
    Ok(flush.edit)
}

struct Flush<'a> {
    context: &'a FlushContext<'a>,
    tombstones: Arc<RangeTombstones>,
    run: u64,
    edit: VersionEdit,
    writer: Option<(FileNumber, SegmentWriter)>,
    /// Range deletes before this key are written.
    reached: Vec<u8>,
}

impl Flush<'_> {
    fn write(&mut self, memtable: &Arc<Memtable>) -> Result<()> {
        let mut cursor = memtable.cursor();
        let mut zone: Option<u8> = None;
        cursor.seek_first()?;
        while cursor.is_valid() {
            let key = cursor.key();
            let of = key.first().copied();
            let full = self.writer.as_ref().is_some_and(|(_, writer)| {
                let new_key = writer.last_key() != Some(key);
                new_key && (writer.is_full() || writer.bytes() >= LEVEL_ZERO_SEGMENT_BYTES)
            });
            if of != zone {
                self.end_segment(zone.map(after_zone).as_ref().and_then(|end| end.as_deref()))?;
                self.write_lone_tombstones(of)?;
                zone = of;
            } else if full {
                let key = key.to_vec();
                self.end_segment(Some(&key))?;
            }
            if self.writer.is_none() {
                self.writer = Some(self.begin(of.unwrap_or(0))?);
            }
            if let Some((_, writer)) = &mut self.writer {
                writer.add(cursor.key(), cursor.sequence(), cursor.kind(), cursor.value())?;
            }
            cursor.next()?;
        }
        self.end_segment(zone.map(after_zone).as_ref().and_then(|end| end.as_deref()))?;
        self.write_lone_tombstones(None)?;
        if !self.edit.added.is_empty() {
            self.context.segments.directory.flush_names(FileKind::Segment.folder())?;
        }
        Ok(())
    }

    fn begin(&self, zone: u8) -> Result<(FileNumber, SegmentWriter)> {
        let number = self.context.numbers.next();
        let writer = SegmentWriter::create(self.context.segments, number, self.context.zones.policy(zone))?;
        Ok((number, writer))
    }

    /// Ends the open segment, giving it the range deletes from where the last one ended up to `end`.
    fn end_segment(&mut self, end: Option<&[u8]>) -> Result<()> {
        let Some((_, mut writer)) = self.writer.take() else { return Ok(()) };
        writer.set_tombstones(self.tombstones.clipped(&self.reached, end));
        self.edit.added.push(writer.finish(0, self.run)?);
        if let Some(end) = end {
            self.reached = end.to_vec();
        } else {
            self.tombstones = Arc::default();
        }
        Ok(())
    }

    /// Writes the range deletes in zones without entries, up to the zone `before` (`None`: to the last), each zone to
    /// a segment of its own.
    fn write_lone_tombstones(&mut self, before: Option<u8>) -> Result<()> {
        let limit = before.map(|zone| vec![zone]);
        loop {
            let rest = self.tombstones.clipped(&self.reached, limit.as_deref());
            let Some(first) = rest.fragments().first() else { break };
            let zone = first.start.first().copied().unwrap_or(0);
            let end = after_zone(zone);
            let (_, mut writer) = self.begin(zone)?;
            writer.set_tombstones(rest.clipped(&[], end.as_deref()));
            self.edit.added.push(writer.finish(0, self.run)?);
            match end {
                Some(end) => self.reached = end,
                None => {
                    self.tombstones = Arc::default();
                    break;
                }
            }
        }
        if let Some(limit) = limit
            && limit > self.reached
        {
            self.reached = limit;
        }
        Ok(())
    }

    /// Gives the space of a flush that failed back; what cannot be removed is an orphan for the next open.
    fn remove_files(&mut self) {
        let open = self.writer.take().map(|(number, writer)| {
            drop(writer);
            number
        });
        for number in self.edit.added.iter().map(|meta| meta.number).chain(open) {
            let _ = self.context.segments.directory.remove(&FileKind::Segment.path(number));
        }
    }
}

/// The first key after every key of a zone.
fn after_zone(zone: u8) -> Option<Vec<u8>> {
    zone.checked_add(1).map(|next| vec![next])
}
