//! The manifest: an append-only list of changes to the set of live files.
//!
//! Always: a record is on stable storage before anyone relies on it; a file is written by one handle in one life; a
//! damaged record is refused unless it is the torn end of a file whose writer never got an answer. Behind the last record the
//! file has zeros, so that the next records need no room of a disk that is full.
//! Does not know: what a version means to readers.
//! Format: docs/spec/file-format.md, "Manifest".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_storage::{Backend, ErrorKind, File, OpenMode};

use crate::crypto::{Keys, Protection};
use crate::error::{Damage, Error, Result};
use crate::format::{
    FileHeader, FileKind, FileNumber, MANIFEST_RECORD_HEADER_BYTES, MANIFEST_RECORDS_AT, ManifestRecord,
    ManifestRecordHeader, ManifestRecordKind, Stream, TAG_BYTES, Tag, Unit,
};
use crate::planted::{Mistake, makes};
use crate::space::Space;
use crate::value::copy_of;
use crate::wal::WalSeal;
use crate::window::Window;

/// No record is longer than its length can say.
const RECORD_BYTES_MAX: u64 = (1 << 32) + 64;
/// The zeros behind the last record of a manifest in use: dozens of records of a few segments each.
pub(crate) const TAIL_BYTES: u64 = 16 * 1024;
/// With fewer of them there are more made, as soon as the disk has room for them.
const TAIL_BYTES_MIN: u64 = TAIL_BYTES / 2;
/// More zeros than these are no tail: a file could be made to have any number of them.
const TAIL_BYTES_MAX: u64 = 4 * TAIL_BYTES;

/// A log file as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WalRef {
    pub(crate) number: FileNumber,
    /// Where it ended, once it has.
    pub(crate) seal: Option<WalSeal>,
}

/// Gives out file numbers; none twice.
#[derive(Debug)]
pub(crate) struct FileNumbers(AtomicU64);

impl FileNumbers {
    pub(crate) fn starting_at(first: FileNumber) -> Self {
        Self(AtomicU64::new(first.0))
    }

    pub(crate) fn next(&self) -> FileNumber {
        FileNumber(self.0.fetch_add(1, Ordering::Relaxed))
    }

    /// No number from here on was given out.
    pub(crate) fn peek(&self) -> FileNumber {
        FileNumber(self.0.load(Ordering::Relaxed))
    }
}

/// A manifest open for appending.
pub(crate) struct ManifestWriter {
    number: FileNumber,
    file: Arc<dyn File>,
    protection: Protection,
    offset: u64,
    /// Where the zeros behind the last record end.
    end: u64,
    record_number: u32,
    previous_tag: Tag,
    snapshot_bytes: u64,
}

impl ManifestWriter {
    /// Makes a manifest with its first record, all of it on stable storage, and room for the next ones where the disk has it.
    pub(crate) fn create(
        backend: &Backend,
        keys: &Keys,
        number: FileNumber,
        snapshot: &ManifestRecord,
    ) -> Result<Self> {
        let path = FileKind::Manifest.path(number);
        let (header, protection) = keys.new_file(FileKind::Manifest, number, backend.random.as_ref())?;
        let file = backend.directory.open(&path, OpenMode::CreateNew)?;
        let mut writer = Self {
            number,
            file,
            protection,
            offset: 0,
            end: 0,
            record_number: 0,
            previous_tag: [0; TAG_BYTES],
            snapshot_bytes: 0,
        };
        let made = writer.begin(backend, &header, snapshot);
        match made {
            Ok(()) => Ok(writer),
            Err(error) => {
                drop(writer);
                let _ = backend.directory.remove(&path);
                Err(error)
            }
        }
    }

    fn begin(&mut self, backend: &Backend, header: &FileHeader, snapshot: &ManifestRecord) -> Result<()> {
        let mut bytes = header.encode().to_vec();
        self.seal(ManifestRecordKind::Snapshot, snapshot, &mut bytes)?;
        self.file.write_all_at(0, &bytes)?;
        self.offset = bytes.len() as u64;
        self.end = self.offset;
        self.snapshot_bytes = self.offset;
        self.keep_tail();
        if !makes(Mistake::ManifestNotFlushed) {
            self.file.flush_all()?;
        }
        if !makes(Mistake::ManifestNameNotFlushed) {
            backend.directory.flush_names(FileKind::Manifest.folder())?;
        }
        Ok(())
    }

    pub(crate) fn number(&self) -> FileNumber {
        self.number
    }

    /// Where the last record ends.
    pub(crate) fn len(&self) -> u64 {
        self.offset
    }

    /// True when the next records may need room of the disk.
    pub(crate) fn wants_tail(&self) -> bool {
        self.end.saturating_sub(self.offset) < TAIL_BYTES_MIN
    }

    /// Takes room for the next records, where there is any. Nothing of it needs to be on stable storage: it is the room
    /// that is wanted.
    fn keep_tail(&mut self) {
        // Without this room a record meets a full disk, which is what the second of these mistakes is about.
        if !self.wants_tail() || makes(Mistake::ManifestTailNotKept) || makes(Mistake::UnwrittenRecordDoubted) {
            return;
        }
        let end = self.offset.saturating_add(TAIL_BYTES);
        match self.file.preallocate(self.end, end.saturating_sub(self.end)) {
            Ok(()) => self.end = end,
            // What there was room for would be in the way of others who need it. A record that finds no room says so.
            Err(_) => {
                let _ = self.file.set_len(self.end);
            }
        }
    }

    /// True when the changes outweigh what they change, and a fresh manifest would be much shorter.
    pub(crate) fn wants_rewrite(&self) -> bool {
        self.offset > self.snapshot_bytes.saturating_mul(4).max(64 * 1024)
    }

    /// Appends a record and flushes it.
    pub(crate) fn append(
        &mut self,
        kind: ManifestRecordKind,
        record: &ManifestRecord,
        space: Option<&Space>,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        self.seal(kind, record, &mut bytes)?;
        let write = || self.file.write_all_at(self.offset, &bytes);
        space.map_or_else(write, |space| space.overwrite(bytes.len(), write))?;
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        self.end = self.end.max(self.offset);
        if !makes(Mistake::ManifestRecordNotFlushed) {
            self.file.flush_data()?;
        }
        // Behind a record that closes nothing follows, and what is not flushed may be anything after a crash.
        if kind != ManifestRecordKind::Closed {
            self.keep_tail();
        }
        Ok(())
    }

    /// Seals a record behind what is in `out`, for the place it will have in the file.
    fn seal(&mut self, kind: ManifestRecordKind, record: &ManifestRecord, out: &mut Vec<u8>) -> Result<()> {
        let mut body = Vec::new();
        record.encode(&mut body);
        let Ok(body_len) = u32::try_from(body.len()) else {
            return Err(Error::TooLarge {
                what: "manifest record",
                size: body.len() as u64,
                limit: u64::from(u32::MAX),
            });
        };
        let number = self.record_number;
        self.record_number = self.record_number.saturating_add(1);
        let header = ManifestRecordHeader { body_len, number, kind }.encode();
        let offset = self.offset.saturating_add(out.len() as u64);
        out.extend_from_slice(&header);
        let start = out.len();
        out.extend_from_slice(&body);
        self.previous_tag = self.protection.seal(unit_of(number, offset, &header, self.previous_tag), out, start)?;
        Ok(())
    }
}

fn unit_of(number: u32, offset: u64, header: &[u8], previous_tag: Tag) -> Unit<'_> {
    Unit { stream: Stream::Data, number: u64::from(number), offset, header, previous_tag }
}

/// What a manifest says.
pub(crate) struct ManifestRead {
    /// Every record's kind and content, in order.
    pub(crate) records: Vec<(ManifestRecordKind, ManifestRecord)>,
    /// Where the last of them ends.
    pub(crate) len: u64,
    /// Bytes of a torn end that were dropped.
    pub(crate) bytes_dropped: u64,
    /// What was wrong with them.
    pub(crate) torn: Option<Error>,
}

/// Reads a manifest. `sealed_len` is its length when the database was closed in order.
pub(crate) fn read_manifest(
    backend: &Backend,
    keys: &Keys,
    number: FileNumber,
    sealed_len: Option<u64>,
) -> Result<ManifestRead> {
    let path = FileKind::Manifest.path(number);
    let file = backend.directory.open(&path, OpenMode::Read).map_err(|error| match error.kind {
        ErrorKind::NotFound => Error::Corrupt {
            damage: Damage::Missing,
            file: path.clone(),
            offset: 0,
            detail: "ROOT names it as the manifest".to_owned(),
        },
        _ => error.into(),
    })?;
    let mut window = Window::new(file)?;
    let len = window.len();
    let header = FileHeader::decode(&path, window.rest(0)?)?;
    header.expect(FileKind::Manifest, number, keys.database_id())?;
    let protection = keys.open_file(&header)?;
    let mut read = ManifestRead { records: Vec::new(), len: 0, bytes_dropped: 0, torn: None };
    let mut offset = MANIFEST_RECORDS_AT;
    let mut previous_tag = [0; TAG_BYTES];
    while offset < len && !is_tail(&mut window, offset)? {
        let expected = u32::try_from(read.records.len()).unwrap_or(u32::MAX);
        match record_at(&protection, &mut window, offset, expected, previous_tag)? {
            Ok((kind, record, bytes, tag)) => {
                if (read.records.is_empty()) != (kind == ManifestRecordKind::Snapshot) {
                    return Err(Error::tampered(path, offset, "the first record, and only it, is a snapshot"));
                }
                read.records.push((kind, record));
                previous_tag = tag;
                offset = offset.saturating_add(bytes);
            }
            Err(error) => {
                let tampered = matches!(&error, Error::Corrupt { damage: Damage::Tampered, .. });
                if tampered
                    || read.records.is_empty()
                    || sealed_len.is_some()
                    || later_record(&protection, &mut window, offset)?
                {
                    return Err(error);
                }
                read.bytes_dropped = len.saturating_sub(offset);
                read.torn = Some(error);
                break;
            }
        }
    }
    if let Some(len) = sealed_len
        && len != offset
    {
        let detail = format!("ROOT says it ends at {len}, it ends at {offset}");
        return Err(Error::damaged(path, offset, detail));
    }
    if read.records.is_empty() {
        return Err(Error::damaged(path, offset, "the manifest has no records"));
    }
    read.len = offset;
    Ok(read)
}

/// True when nothing but the zeros behind the last record begins here.
fn is_tail(window: &mut Window, offset: u64) -> Result<bool> {
    let left = window.len().saturating_sub(offset);
    if left > TAIL_BYTES_MAX {
        return Ok(false);
    }
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    Ok(window.at(offset, left)?.is_some_and(|rest| rest.iter().all(|byte| *byte == 0)))
}

type RecordAt = (ManifestRecordKind, ManifestRecord, u64, Tag);

/// The record at a place, or what is wrong there. The outer error is a failure to read.
fn record_at(
    protection: &Protection,
    window: &mut Window,
    offset: u64,
    expected: u32,
    previous: Tag,
) -> Result<Result<RecordAt>> {
    let wrong = |detail: &str| Ok(Err(Error::damaged(protection.path(), offset, detail)));
    let Some(header) = header_at(window, offset)? else { return wrong("no whole record is here") };
    if header.number != expected {
        return wrong(&format!("record {} is here, {expected} was expected", header.number));
    }
    let Some(stored) = stored_at(protection, window, offset, &header)? else { return wrong("no whole record is here") };
    let mut body = copy_of(stored, "reading a file")?;
    let bytes = (MANIFEST_RECORD_HEADER_BYTES as u64).saturating_add(body.len() as u64);
    let encoded = header.encode();
    let (len, tag) = match protection.open(unit_of(header.number, offset, &encoded, previous), &mut body) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    body.truncate(len);
    let record = ManifestRecord::decode(&body)
        .ok_or_else(|| Error::tampered(protection.path(), offset, "the record does not decode"));
    Ok(record.map(|record| (header.kind, record, bytes, tag)))
}

fn header_at(window: &mut Window, offset: u64) -> Result<Option<ManifestRecordHeader>> {
    Ok(window.at(offset, MANIFEST_RECORD_HEADER_BYTES)?.and_then(ManifestRecordHeader::decode))
}

fn stored_at<'a>(
    protection: &Protection,
    window: &'a mut Window,
    offset: u64,
    header: &ManifestRecordHeader,
) -> Result<Option<&'a [u8]>> {
    let len = usize::try_from(header.body_len).ok().and_then(|len| len.checked_add(protection.overhead()));
    let Some(len) = len else { return Ok(None) };
    window.at(offset.saturating_add(MANIFEST_RECORD_HEADER_BYTES as u64), len)
}

/// A record is written only after the one before it is on stable storage: a good one behind a bad one is proof. So is more
/// than the one record that was being written can have.
fn later_record(protection: &Protection, window: &mut Window, offset: u64) -> Result<bool> {
    let len = window.len();
    if len.saturating_sub(offset) > RECORD_BYTES_MAX {
        return Ok(true);
    }
    // A file made to be slow could have a header at every place; beyond a few passes it is taken for damaged.
    let mut left = len.saturating_mul(4);
    for at in offset.saturating_add(1)..len {
        let Some(header) = header_at(window, at)? else { continue };
        let Some(stored) = stored_at(protection, window, at, &header)? else { continue };
        left = left.saturating_sub(stored.len() as u64);
        let encoded = header.encode();
        let unit = unit_of(header.number, at, &encoded, [0; TAG_BYTES]);
        if left == 0 || protection.check(unit, stored).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}
