//! Checks one segment against itself and against what the manifest says about it.
//!
//! Always: reads the file, not the cache; goes on after a problem as far as there is something to go on with.
//! Does not know: other segments.

use std::cmp::Ordering;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::block::Block;
use super::file::{SealedFile, zeroed};
use super::open::{Opened, Segment};
use super::point_index::{Candidate, PointIndex, ordinal_shift};
use crate::error::{Error, Result};
use crate::format::file_header::FILE_HEADER_BYTES;
use crate::format::segment_footer::{SegmentPart, UNIT_FRAME_BYTES, UnitFrame, UnitPlace};
use crate::format::unit::{Stream, Tag, Unit};
use crate::format::{EntryKind, Sequence};
use crate::interrupt;
use crate::iterator::entry_order;
use crate::verify::{VerifyLevel, VerifyReport};

/// What the walk over the blocks has seen.
#[derive(Default)]
struct Walk {
    tags: Vec<Tag>,
    last: Option<(Vec<u8>, Sequence)>,
    first: Vec<u8>,
    entries: u64,
    stale: u64,
    keys: u64,
    oldest: Option<Sequence>,
    newest: Sequence,
    /// False once a block could not be read: then sums over all blocks say nothing.
    complete: bool,
}

impl Segment {
    /// Checks the segment.
    pub(crate) fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        let mut report = VerifyReport { segments: 1, ..VerifyReport::default() };
        // Opened anew, not taken from memory: what counts is what is in the file now.
        let fresh = Self::new(self.meta().clone(), Arc::clone(self.context()));
        match fresh.opened() {
            Ok(opened) => {
                report.units += 2 + u64::from(opened.footer.tombstones.len > 0);
                if level == VerifyLevel::Full {
                    fresh.verify_parts(opened, &mut report)?;
                }
            }
            Err(error) => {
                let skipped = match &error {
                    Error::Corrupt { offset, .. } => Some(*offset),
                    _ => None,
                };
                report.problems.push(error);
                if level == VerifyLevel::Full
                    && let Ok(file) = fresh.open_file()
                {
                    walk_frames(&file, skipped, &mut report);
                }
            }
        }
        Ok(report)
    }

    /// Reads every unit of the file and checks it, and all of them against the digest in the footer, which the manifest
    /// pins: then each byte is what was written. Costs a reading; what the entries mean is not looked at.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn check_units(&self) -> Result<()> {
        let fresh = Self::new(self.meta().clone(), Arc::clone(self.context()));
        let opened = fresh.opened()?;
        let (file, footer) = (&opened.file, &opened.footer);
        let mut tags: Vec<Tag> = Vec::new();
        let mut bytes = Vec::new();
        for number in 0..opened.index.len() {
            let Some(place) = opened.index.place(number) else { break };
            interrupt::check()?;
            if bytes.len() < place.len as usize {
                bytes = zeroed(place.len as usize)?;
            }
            let Some(unit) = bytes.get_mut(..place.len as usize) else { break };
            file.read(place.offset, unit)?;
            tags.push(file.open_unit(Stream::Data, number as u64, place.offset, SegmentPart::Data, unit)?.tag);
        }
        for (number, (place, part)) in (opened.index.len() as u64..).zip(parts_of(opened)) {
            tags.push(file.read_whole(number, place, part)?.1);
        }
        if xxh3_128(tags.as_flattened()).to_le_bytes() == footer.digest {
            return Ok(());
        }
        Err(file.wrong(footer.index.end(), "the digest of the units is not the one in the footer"))
    }

    fn verify_parts(&self, opened: &Opened, report: &mut VerifyReport) -> Result<()> {
        let file = &opened.file;
        let points = match self.read_points(opened) {
            Ok(points) => points,
            Err(error) => {
                report.problems.push(error);
                None
            }
        };
        let mut walk = Walk { complete: true, ..Walk::default() };
        for number in 0..opened.index.len() {
            let Some(place) = opened.index.place(number) else { break };
            interrupt::check()?;
            let read = self.read_for_verify(opened, number, place);
            let Some((tag, block)) = report.note(u64::from(place.len), read) else {
                walk.complete = false;
                walk.last = None;
                continue;
            };
            walk.tags.push(tag);
            let before = walk.entries;
            match walk.block(opened, number, &block, points) {
                Ok(()) => report.entries += walk.entries - before,
                Err(detail) => {
                    report.problems.push(file.wrong(place.offset, detail));
                    walk.complete = false;
                }
            }
        }
        for (number, (place, part)) in (opened.index.len() as u64..).zip(parts_of(opened)) {
            // Read once more for its tag; what is wrong with it was found when the segment was opened.
            match file.read_whole(number, place, part) {
                Ok((_, tag)) => walk.tags.push(tag),
                Err(_) => walk.complete = false,
            }
            report.bytes += u64::from(place.len);
        }
        if opened.footer.points.len > 0 && points.is_some() {
            report.units += 1;
        }
        if walk.complete
            && let Err(detail) = self.verify_sums(opened, &walk, points)
        {
            report.problems.push(file.wrong(opened.footer.index.end(), detail));
        }
        Ok(())
    }

    fn read_for_verify(&self, opened: &Opened, number: usize, place: UnitPlace) -> Result<(Tag, Arc<Block>)> {
        let mut bytes = zeroed(place.len as usize)?;
        opened.file.read(place.offset, &mut bytes)?;
        let mut copy = bytes.clone();
        let unit = opened.file.open_unit(Stream::Data, number as u64, place.offset, SegmentPart::Data, &mut copy)?;
        Ok((unit.tag, self.decode_block(opened, number, place, &mut bytes)?))
    }

    /// Compares what was counted with the footer and the manifest.
    fn verify_sums(
        &self,
        opened: &Opened,
        walk: &Walk,
        points: Option<&PointIndex>,
    ) -> std::result::Result<(), String> {
        let (footer, meta) = (&opened.footer, self.meta());
        let counted = (walk.entries, walk.stale);
        if counted != (footer.entry_count, footer.stale_count) || counted != (meta.entry_count, meta.stale_count) {
            return Err(format!(
                "{} entries, {} of them stale, were found, not what is listed",
                walk.entries, walk.stale
            ));
        }
        let (mut oldest, mut newest) = (walk.oldest.unwrap_or(Sequence::MAX), walk.newest);
        if let Some((from, to)) = opened.tombstones.sequence_range() {
            (oldest, newest) = (oldest.min(from), newest.max(to));
        }
        if (oldest, newest) != (footer.oldest, footer.newest) || (oldest, newest) != (meta.oldest, meta.newest) {
            return Err(format!("sequences {oldest} to {newest} were found, not what is listed"));
        }
        if xxh3_128(walk.tags.as_flattened()).to_le_bytes() != footer.digest {
            return Err("the digest of the units is not the one in the footer".to_owned());
        }
        if let Some(points) = points
            && points.slot_count() as u64 != walk.keys
        {
            return Err(format!("the point index has {} keys, there are {}", points.slot_count(), walk.keys));
        }
        if walk.entries > 0 {
            let last = walk.last.as_ref().map_or(&[][..], |(key, _)| key.as_slice());
            // Of a segment that is cut the file may hold anything before the cut.
            let inside = |key: &[u8]| meta.covers(key) || (meta.is_cut && *key < *meta.smallest);
            if !inside(&walk.first) || !inside(last) || opened.index.smallest() != walk.first {
                return Err("the first or last key lies outside the bounds that are listed".to_owned());
            }
        }
        if let Some((first, last)) = opened.tombstones.bounds()
            && ((first < &*meta.smallest && !meta.is_cut) || last > &*meta.largest)
        {
            return Err("a range tombstone reaches outside the bounds that are listed".to_owned());
        }
        Ok(())
    }
}

/// The parts behind the blocks that the segment has, in file order.
fn parts_of(opened: &Opened) -> impl Iterator<Item = (UnitPlace, SegmentPart)> {
    let footer = &opened.footer;
    let parts = [
        (footer.tombstones, SegmentPart::Tombstones),
        (footer.index, SegmentPart::Index),
        (footer.points, SegmentPart::Points),
    ];
    parts.into_iter().filter(|(place, _)| place.len > 0)
}

impl Walk {
    /// Checks the entries of one block: order, bounds, sequences, and that the point index leads to each key.
    fn block(
        &mut self,
        opened: &Opened,
        number: usize,
        block: &Block,
        points: Option<&PointIndex>,
    ) -> std::result::Result<(), String> {
        let separator = opened.index.separator(number);
        let mut key = Vec::new();
        for ordinal in 0..block.count() {
            let senseless = || format!("entry {ordinal} makes no sense");
            let place = block.entry(ordinal).map_err(|_| senseless())?;
            block.key_into(ordinal, &place, &mut key).map_err(|_| senseless())?;
            let mut is_new_key = true;
            match &self.last {
                Some((last, sequence)) => {
                    if entry_order(last, *sequence, &key, place.sequence) != Ordering::Less {
                        return Err(format!("entry {ordinal} is out of order"));
                    }
                    if last.first() != key.first() {
                        return Err(format!("entry {ordinal} is of another zone"));
                    }
                    is_new_key = *last != key;
                }
                None => self.first.clone_from(&key),
            }
            // After a block that could not be read, the first key may have begun in it.
            let begins_here = is_new_key && (self.complete || self.last.is_some());
            if key > separator || (begins_here && opened.index.find(&key) != number) {
                return Err(format!("the block index does not lead to entry {ordinal}"));
            }
            if begins_here && let Some(points) = points {
                let wanted = Candidate { block: number, coarse: ordinal >> ordinal_shift(block.count()) };
                let found = points.probe(xxh3_64(&key), |place| Ok::<_, String>((place == wanted).then_some(())))?;
                if found.is_none() {
                    return Err(format!("the point index does not lead to entry {ordinal}"));
                }
            }
            self.keys += u64::from(is_new_key);
            self.entries += 1;
            self.stale += u64::from(place.kind == EntryKind::Delete || !is_new_key);
            self.oldest = Some(self.oldest.map_or(place.sequence, |oldest| oldest.min(place.sequence)));
            self.newest = self.newest.max(place.sequence);
            match &mut self.last {
                Some((last, sequence)) => {
                    last.clone_from(&key);
                    *sequence = place.sequence;
                }
                none => *none = Some((key.clone(), place.sequence)),
            }
        }
        Ok(())
    }
}

/// Checks the units of a segment whose footer or index is lost, from frame to frame as far as frames lead.
fn walk_frames(file: &SealedFile, known: Option<u64>, report: &mut VerifyReport) {
    let mut offset = FILE_HEADER_BYTES as u64;
    let overhead = file.protection.overhead();
    let mut number = 0;
    loop {
        let mut frame_bytes = [0; UNIT_FRAME_BYTES];
        if offset + UNIT_FRAME_BYTES as u64 > file.len || file.read(offset, &mut frame_bytes).is_err() {
            return;
        }
        let Some(frame) = UnitFrame::decode(&frame_bytes) else { return };
        let len = frame.stored_len as usize + overhead;
        let end = offset.saturating_add((UNIT_FRAME_BYTES + len) as u64);
        if end > file.len || frame.part == SegmentPart::Footer {
            return;
        }
        let unit = Unit { stream: Stream::Data, number, offset, header: &frame_bytes, previous_tag: [0; 16] };
        let checked = zeroed(len).and_then(|mut bytes| {
            file.read(offset + UNIT_FRAME_BYTES as u64, &mut bytes)?;
            file.protection.open(unit, &mut bytes)
        });
        // The unit that kept the segment from opening is in the report already.
        if known != Some(offset) || checked.is_ok() {
            report.note(end - offset, checked);
        }
        offset = end;
        number += 1;
    }
}
