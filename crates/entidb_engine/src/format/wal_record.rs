//! The bytes of the log: the clear header of a unit, and the commits inside it.
//!
//! Always: a unit holds whole commits with consecutive sequences; a commit lists its range deletes first, then one change
//! per key in key order. The header says in the clear which file the unit belongs to, so bytes left over from something
//! else never look like a unit.
//! Does not know: checksums and encryption (`crypto`), or where in the file a unit stands (`wal`).
//! Format: docs/spec/file-format.md, "Write-ahead log".

use crate::error::{Error, Result};
use crate::format::{EntryKind, FileNumber, Reader, Sequence, put_bytes, put_varint};
use crate::transaction::WriteBuffer;

/// The first unit of commits begins here; the file header and its proof fill the page before it.
pub(crate) const WAL_UNITS_AT: u64 = 4096;
/// The length of the clear header of a unit.
pub(crate) const WAL_UNIT_HEADER_BYTES: usize = 48;
/// Units begin at multiples of this.
pub(crate) const WAL_UNIT_ALIGNMENT: u64 = 8;
/// Room kept at the end of a file for the unit that ends it.
pub(crate) const WAL_END_BYTES: u64 = 160;

/// More than a change takes in a commit beside its key and its value: kind, three lengths.
const CHANGE_HEAD_BYTES: usize = 32;

const MAGIC: [u8; 4] = *b"EWU1";

/// What the clear header says a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalUnitKind {
    /// Commits.
    Commits = 0,
    /// The end of this file; the log goes on in another.
    Continued = 1,
    /// The end of the log: the database was closed in order.
    Closed = 2,
}

/// The clear header of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalUnitHeader {
    pub(crate) body_len: u32,
    pub(crate) file: FileNumber,
    pub(crate) number: u32,
    pub(crate) kind: WalUnitKind,
    /// The first commit of the unit; of an end, the last commit before it.
    pub(crate) first: Sequence,
    /// The last commit of the unit.
    pub(crate) last: Sequence,
    /// The last commit known to be on stable storage when the unit was written.
    pub(crate) durable: Sequence,
}

impl WalUnitHeader {
    pub(crate) fn encode(&self) -> [u8; WAL_UNIT_HEADER_BYTES] {
        let mut bytes = [0; WAL_UNIT_HEADER_BYTES];
        let (words, _) = bytes.as_chunks_mut::<8>();
        let fields = [
            u64::from(u32::from_le_bytes(MAGIC)) | u64::from(self.body_len) << 32,
            self.file.0,
            u64::from(self.number) | u64::from(self.kind as u32) << 32,
            self.first.0,
            self.last.0,
            self.durable.0,
        ];
        for (to, from) in words.iter_mut().zip(fields) {
            *to = from.to_le_bytes();
        }
        bytes
    }

    /// The header in `bytes`, when it is one of this file.
    pub(crate) fn decode(bytes: &[u8], file: FileNumber) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.array::<4>()? != MAGIC {
            return None;
        }
        let body_len = reader.u32()?;
        let found = FileNumber(reader.u64()?);
        let number = reader.u32()?;
        let kind = match reader.u32()? {
            0 => WalUnitKind::Commits,
            1 => WalUnitKind::Continued,
            2 => WalUnitKind::Closed,
            _ => return None,
        };
        let (first, last) = (Sequence(reader.u64()?), Sequence(reader.u64()?));
        let durable = Sequence(reader.u64()?);
        (found == file).then_some(Self { body_len, file, number, kind, first, last, durable })
    }
}

/// The whole length of a unit in the file, its padding included.
pub(crate) fn wal_unit_bytes(body_len: u64, overhead: usize) -> u64 {
    let len = (WAL_UNIT_HEADER_BYTES as u64).saturating_add(body_len).saturating_add(overhead as u64);
    len.checked_next_multiple_of(WAL_UNIT_ALIGNMENT).unwrap_or(u64::MAX)
}

/// Where the log goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WalSuccessor {
    pub(crate) number: FileNumber,
    pub(crate) salt: [u8; 32],
}

impl WalSuccessor {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.number.0);
        out.extend_from_slice(&self.salt);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let found = Self { number: FileNumber(reader.varint()?), salt: reader.array()? };
        reader.is_done().then_some(found)
    }
}

/// Appends the changes of one commit.
pub(crate) fn encode_commit(buffer: &WriteBuffer, out: &mut Vec<u8>) -> Result<()> {
    put_varint(out, (buffer.ranges().len() as u64).saturating_add(buffer.point_count()));
    buffer.ranges().for_each(None, |range| {
        out.push(EntryKind::DeleteRange as u8);
        put_varint(out, 0);
        put_bytes(out, range.start);
        put_bytes(out, range.end);
    });
    let mut previous = Vec::with_capacity(64);
    buffer.visit_points(|key, kind, value| {
        let bytes = key.len().saturating_add(value.len()).saturating_add(CHANGE_HEAD_BYTES);
        out.try_reserve(bytes).map_err(|_| Error::OutOfMemory { what: "a commit", bytes: bytes as u64 })?;
        let shared = shared_prefix(&previous, key);
        out.push(kind as u8);
        put_varint(out, shared as u64);
        put_bytes(out, key.get(shared..).unwrap_or_default());
        match kind {
            EntryKind::Put | EntryKind::DeleteRange => put_bytes(out, value),
            EntryKind::Add => out.extend_from_slice(value),
            EntryKind::Delete => {}
        }
        previous.clear();
        previous.extend_from_slice(key);
        Ok(())
    })
}

/// Shows every change of one encoded commit to `visit`: kind, key, value.
pub(crate) fn decode_commit(bytes: &[u8], mut visit: impl FnMut(EntryKind, &[u8], &[u8]) -> Result<()>) -> Result<()> {
    let mut reader = Reader::new(bytes);
    let mut key = Vec::new();
    let count = reader.varint().ok_or_else(malformed)?;
    for _ in 0..count {
        let kind = reader.byte().and_then(EntryKind::from_byte).ok_or_else(malformed)?;
        let shared = reader.size().filter(|shared| *shared <= key.len()).ok_or_else(malformed)?;
        key.truncate(shared);
        key.extend_from_slice(reader.bytes().ok_or_else(malformed)?);
        let value = match kind {
            EntryKind::Put | EntryKind::DeleteRange => reader.bytes().ok_or_else(malformed)?,
            EntryKind::Add => reader.take(8).ok_or_else(malformed)?,
            EntryKind::Delete => &[],
        };
        visit(kind, &key, value)?;
        if kind == EntryKind::DeleteRange {
            key.clear();
        }
    }
    if reader.is_done() { Ok(()) } else { Err(malformed()) }
}

/// The commits of a unit's body, in order.
pub(crate) struct Commits<'a> {
    reader: Reader<'a>,
}

impl<'a> Commits<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { reader: Reader::new(body) }
    }
}

impl<'a> Iterator for Commits<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_done() {
            return None;
        }
        let Some(commit) = self.reader.bytes() else {
            // Never again after a failure: the rest is without meaning.
            self.reader = Reader::new(&[]);
            return Some(Err(malformed()));
        };
        Some(Ok(commit))
    }
}

fn shared_prefix(a: &[u8], b: &[u8]) -> usize {
    let mut shared = 0;
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return shared + differs.trailing_zeros() as usize / 8;
        }
        shared += 8;
    }
    let (left, right) = (a.get(shared..).unwrap_or_default(), b.get(shared..).unwrap_or_default());
    shared + left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

/// A commit that passed its checksum and still makes no sense: the caller adds the place.
fn malformed() -> Error {
    Error::Internal { detail: "a commit in the log does not decode".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::Savepoints;

    type Changes = Vec<(EntryKind, Vec<u8>, Vec<u8>)>;

    fn changes(bytes: &[u8]) -> Result<Changes> {
        let mut found = Vec::new();
        decode_commit(bytes, |kind, key, value| {
            found.push((kind, key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_commit_reads_back_as_it_was_written() {
        let mut buffer = WriteBuffer::new(1 << 20);
        buffer.put(b"apple", b"red", &mut Savepoints::default()).unwrap();
        buffer.delete(b"apricot", &mut Savepoints::default()).unwrap();
        buffer.add(b"count", -5, &mut Savepoints::default()).unwrap();
        buffer.delete_range(b"x", b"y", &mut Savepoints::default()).unwrap();
        let mut bytes = Vec::new();
        encode_commit(&buffer, &mut bytes).unwrap();
        let expected = vec![
            (EntryKind::DeleteRange, b"x".to_vec(), b"y".to_vec()),
            (EntryKind::Put, b"apple".to_vec(), b"red".to_vec()),
            (EntryKind::Delete, b"apricot".to_vec(), Vec::new()),
            (EntryKind::Add, b"count".to_vec(), (-5_i64).to_le_bytes().to_vec()),
        ];
        assert_eq!(changes(&bytes).unwrap(), expected);
        for len in 0..bytes.len() {
            assert!(changes(&bytes[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn a_header_of_another_file_is_no_header() {
        let header = WalUnitHeader {
            body_len: 9,
            file: FileNumber(4),
            number: 7,
            kind: WalUnitKind::Continued,
            first: Sequence(1),
            last: Sequence(2),
            durable: Sequence(1),
        };
        assert_eq!(WalUnitHeader::decode(&header.encode(), FileNumber(4)), Some(header));
        assert_eq!(WalUnitHeader::decode(&header.encode(), FileNumber(5)), None);
    }

    #[test]
    fn the_end_of_a_file_fits_the_room_kept_for_it() {
        let successor = WalSuccessor { number: FileNumber(u64::MAX), salt: [7; 32] };
        let len = successor.encode().len() as u64;
        assert!(wal_unit_bytes(len, crate::format::unit::ENCRYPTED_TRAILER_BYTES) <= WAL_END_BYTES);
        assert_eq!(WalSuccessor::decode(&successor.encode()), Some(successor));
    }
}
