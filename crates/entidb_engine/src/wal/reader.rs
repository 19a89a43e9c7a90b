//! Reads one file of the log, unit by unit, to where it stops making sense.
//!
//! Always: what it yields passed its checksum, and its tag where the database is encrypted; it never judges why a file
//! ends, that takes the whole chain (`recovery`).
//! Does not know: which commits are already in segments.
//! Format: docs/spec/file-format.md, "Write-ahead log".

use entidb_storage::{Backend, ErrorKind, OpenMode};

use crate::crypto::{Keys, Protection};
use crate::error::{Damage, Error, Result};
use crate::format::{
    FILE_HEADER_BYTES, FileHeader, FileKind, FileNumber, RECYCLED, Sequence, Stream, TAG_BYTES, Tag, Unit,
    WAL_UNIT_ALIGNMENT, WAL_UNIT_HEADER_BYTES, WAL_UNITS_AT, WalSuccessor, WalUnitHeader, WalUnitKind, wal_unit_bytes,
};
use crate::value::copy_of;
use crate::window::Window;

/// How often a scan for proof may read the bytes of a file; beyond that the file is taken for damaged.
const SCAN_PASSES_MAX: u64 = 4;

/// What comes next in a log file.
pub(crate) enum Step {
    /// Commits `header.first..=header.last`, decrypted.
    Commits { header: WalUnitHeader, body: Vec<u8> },
    /// The file ends here and the log goes on there.
    Continued(WalSuccessor),
    /// The log ends here in order.
    Closed,
    /// Nothing that can be read. The reason is kept for the case that something should be here.
    Broken(Error),
}

/// The length a log file is made with, in its first unit.
const CAPACITY_BYTES: usize = 8;

/// No log file is made with more: a unit is no longer than its length can say. A file that claims more was not made by us.
const CAPACITY_MAX: u64 = (1 << 32) + (1 << 16);

/// A log file open for reading, through a window.
pub(crate) struct WalReader {
    number: FileNumber,
    path: String,
    header: FileHeader,
    protection: Protection,
    window: Window,
    offset: u64,
    unit_number: u32,
    previous_tag: Tag,
}

impl WalReader {
    /// Opens a file and verifies its header.
    pub(crate) fn open(backend: &Backend, keys: &Keys, number: FileNumber) -> Result<Self> {
        let path = FileKind::Wal.path(number);
        let file = backend.directory.open(&path, OpenMode::Read).map_err(|error| match error.kind {
            ErrorKind::NotFound => Error::Corrupt {
                damage: Damage::Missing,
                file: path.clone(),
                offset: 0,
                detail: "the log goes on in it".to_owned(),
            },
            _ => error.into(),
        })?;
        let mut window = Window::new(file)?;
        let len = window.len();
        let bytes = window.rest(0)?;
        let header = FileHeader::decode(&path, bytes)?;
        header.expect(FileKind::Wal, number, keys.database_id())?;
        let protection = keys.open_file(&header)?;
        let mut proof = Vec::new();
        let proof_end = FILE_HEADER_BYTES.saturating_add(CAPACITY_BYTES).saturating_add(protection.overhead());
        proof.extend_from_slice(bytes.get(FILE_HEADER_BYTES..proof_end).unwrap_or_default());
        let unit = Unit {
            stream: Stream::HeaderCheck,
            number: 0,
            offset: FILE_HEADER_BYTES as u64,
            header: &[],
            previous_tag: [0; TAG_BYTES],
        };
        let (_, previous_tag) = protection.open(unit, &mut proof)?;
        let capacity = proof.first_chunk::<CAPACITY_BYTES>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if len < capacity {
            return Err(Error::damaged(path, len, format!("the file was made with {capacity} bytes and has {len}")));
        }
        if capacity > CAPACITY_MAX {
            let detail = format!("it says that it was made with {capacity} bytes, which is more than any log file has");
            return Err(Error::tampered(path, FILE_HEADER_BYTES as u64, detail));
        }
        // Nothing of ours is written behind it.
        window.end_at(capacity);
        Ok(Self { number, path, header, protection, window, offset: WAL_UNITS_AT, unit_number: 0, previous_tag })
    }

    pub(crate) fn number(&self) -> FileNumber {
        self.number
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn salt(&self) -> [u8; 32] {
        self.header.salt
    }

    /// Where the next unit is expected.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The tag of the last unit read.
    pub(crate) fn tag(&self) -> Tag {
        self.previous_tag
    }

    /// Reads the unit at the current place and moves behind it; stays when there is none.
    ///
    /// # Errors
    /// A failure to read, which says nothing about the file.
    pub(crate) fn step(&mut self) -> Result<Step> {
        let Some(header) = self.header_at(self.offset)? else {
            let detail = format!("no unit {} is here", self.unit_number);
            return Ok(Step::Broken(Error::damaged(self.path.as_str(), self.offset, detail)));
        };
        if header.number != self.unit_number {
            let detail = format!("unit {} is here, {} was expected", header.number, self.unit_number);
            return Ok(Step::Broken(Error::damaged(self.path.as_str(), self.offset, detail)));
        }
        let Some(stored) = self.stored_at(self.offset, &header)? else {
            let detail = format!("no whole unit {} is here", self.unit_number);
            return Ok(Step::Broken(Error::damaged(self.path.as_str(), self.offset, detail)));
        };
        let mut body = copy_of(stored, "reading a file")?;
        let encoded = header.encode();
        let unit = unit_of(&header, &encoded, self.offset, self.previous_tag);
        let tag = match self.protection.open(unit, &mut body) {
            Ok((len, tag)) => {
                body.truncate(len);
                tag
            }
            Err(error) => return Ok(Step::Broken(error)),
        };
        let step = match header.kind {
            WalUnitKind::Commits => Step::Commits { header, body },
            WalUnitKind::Closed => Step::Closed,
            WalUnitKind::Continued => match WalSuccessor::decode(&body) {
                Some(successor) => Step::Continued(successor),
                None => {
                    let detail = "the end of the file does not say where the log goes on";
                    return Ok(Step::Broken(Error::tampered(self.path.as_str(), self.offset, detail)));
                }
            },
        };
        self.offset =
            self.offset.saturating_add(wal_unit_bytes(u64::from(header.body_len), self.protection.overhead()));
        self.unit_number = self.unit_number.saturating_add(1);
        self.previous_tag = tag;
        Ok(step)
    }

    /// Looks in the rest of the file for a unit that proves that commit `missing` was on stable storage once.
    pub(crate) fn proves_durable(&mut self, missing: Sequence) -> Result<bool> {
        let (mut offset, len) = (self.offset, self.window.len());
        // A file made to be slow could have a header at every place. Honest files need one pass over their bytes.
        let mut left = len.saturating_mul(SCAN_PASSES_MAX);
        while offset < len {
            let header = self.header_at(offset)?.filter(|header| header.durable >= missing);
            if let Some(header) = header
                && let Some(stored) = self.stored_at(offset, &header)?
            {
                left = match left.checked_sub(stored.len() as u64) {
                    Some(left) => left,
                    None => return Ok(true),
                };
                let (stored, encoded) = (copy_of(stored, "reading a file")?, header.encode());
                // The checksum needs no chain: what follows a damaged unit can still bear witness.
                let unit = unit_of(&header, &encoded, offset, [0; TAG_BYTES]);
                if self.protection.check(unit, &stored).is_ok() {
                    return Ok(true);
                }
            }
            offset = offset.saturating_add(WAL_UNIT_ALIGNMENT);
        }
        Ok(false)
    }

    /// Bytes from the current place to the end of what was written behind it. In a file that was zeros before, that is
    /// the last byte that is not zero; in a recycled one, the end of the last unit that was begun in this life, as far as
    /// the headers of units tell.
    pub(crate) fn bytes_left_over(&mut self) -> Result<u64> {
        if self.header.compatible & RECYCLED != 0 {
            return self.units_left_over();
        }
        let (mut offset, mut end) = (self.offset, self.offset);
        loop {
            let part = self.window.rest(offset)?;
            if part.is_empty() {
                return Ok(end.saturating_sub(self.offset));
            }
            let found = len_without_zeros(part) as u64;
            if found > 0 {
                end = offset.saturating_add(found);
            }
            offset = offset.saturating_add(part.len() as u64);
        }
    }

    fn units_left_over(&mut self) -> Result<u64> {
        let len = self.window.len();
        let step = usize::try_from(WAL_UNIT_ALIGNMENT).unwrap_or(1);
        let mut end = self.offset;
        for offset in (self.offset..len).step_by(step) {
            if let Some(header) = self.header_at(offset)? {
                let bytes = wal_unit_bytes(u64::from(header.body_len), self.protection.overhead());
                end = end.max(offset.saturating_add(bytes).min(len));
            }
        }
        Ok(end.saturating_sub(self.offset))
    }

    /// The clear header at an offset, when one of this file is there.
    fn header_at(&mut self, offset: u64) -> Result<Option<WalUnitHeader>> {
        let number = self.number;
        let bytes = self.window.at(offset, WAL_UNIT_HEADER_BYTES)?;
        Ok(bytes.and_then(|bytes| WalUnitHeader::decode(bytes, number)))
    }

    /// The stored bytes of the unit with this header, when the file is long enough.
    fn stored_at(&mut self, offset: u64, header: &WalUnitHeader) -> Result<Option<&[u8]>> {
        let stored_len =
            usize::try_from(header.body_len).ok().and_then(|len| len.checked_add(self.protection.overhead()));
        let Some(stored_len) = stored_len else { return Ok(None) };
        self.window.at(offset.saturating_add(WAL_UNIT_HEADER_BYTES as u64), stored_len)
    }
}

/// How long bytes are without the zeros at their end. A log file is mostly zeros behind its last unit, tens of megabytes
/// of them, so they are looked at by the line.
fn len_without_zeros(bytes: &[u8]) -> usize {
    let (mut len, lines) = (bytes.len(), bytes.rchunks_exact(64));
    for line in lines {
        if line.iter().fold(0, |seen, byte| seen | byte) != 0 {
            break;
        }
        len -= line.len();
    }
    let rest = bytes.get(..len).unwrap_or_default();
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn unit_of<'a>(header: &WalUnitHeader, encoded: &'a [u8], offset: u64, previous_tag: Tag) -> Unit<'a> {
    let stream = match header.kind {
        WalUnitKind::Commits => Stream::Data,
        WalUnitKind::Continued | WalUnitKind::Closed => Stream::Footer,
    };
    Unit { stream, number: u64::from(header.number), offset, header: encoded, previous_tag }
}

#[cfg(test)]
mod tests {
    use super::len_without_zeros;

    #[test]
    fn zeros_at_the_end_are_left_out_wherever_they_begin() {
        for len in 0..200 {
            let mut bytes = vec![0; len];
            assert_eq!(len_without_zeros(&bytes), 0, "of {len} zeros");
            for last in 0..len {
                bytes[last] = 1;
                assert_eq!(len_without_zeros(&bytes), last + 1, "of {len}, the last at {last}");
                bytes[last] = 0;
            }
        }
    }
}
