//! The bytes of a manifest record: which files are live, and how far the log is in segments.
//!
//! Always: every record says the whole state of the log and the counters; only the list of segments is told as changes,
//! from the first record of the file on, which adds them all.
//! Does not know: checksums and encryption (`crypto`), or what a segment holds.
//! Format: docs/spec/file-format.md, "Manifest".

use crate::format::{FileNumber, Reader, Sequence, put_bytes, put_varint};
use crate::version::WalRef;
use crate::wal::WalSeal;

/// The length of the clear header of a record.
pub(crate) const MANIFEST_RECORD_HEADER_BYTES: usize = 16;
/// The first record begins here; the file header fills the page before it.
pub(crate) const MANIFEST_RECORDS_AT: u64 = 128;

const MAGIC: [u8; 4] = *b"EMR1";

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManifestRecordKind {
    /// The whole state: the first record of a file.
    Snapshot = 0,
    /// A change of segments.
    Edit = 1,
    /// The database was closed in order.
    Closed = 2,
}

/// The clear header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ManifestRecordHeader {
    pub(crate) body_len: u32,
    pub(crate) number: u32,
    pub(crate) kind: ManifestRecordKind,
}

impl ManifestRecordHeader {
    pub(crate) fn encode(&self) -> [u8; MANIFEST_RECORD_HEADER_BYTES] {
        let mut bytes = [0; MANIFEST_RECORD_HEADER_BYTES];
        let kind = self.kind as u32;
        let fields: [&[u8]; 4] =
            [&MAGIC, &self.body_len.to_le_bytes(), &self.number.to_le_bytes(), &kind.to_le_bytes()];
        for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.array::<4>()? != MAGIC {
            return None;
        }
        let (body_len, number) = (reader.u32()?, reader.u32()?);
        let kind = match reader.u32()? {
            0 => ManifestRecordKind::Snapshot,
            1 => ManifestRecordKind::Edit,
            2 => ManifestRecordKind::Closed,
            _ => return None,
        };
        Some(Self { body_len, number, kind })
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManifestRecord {
    /// Grows with every record ever written for this database, so that a set of files can be dated.
    pub(crate) generation: u64,
    /// No file has this number or a greater one.
    pub(crate) next_file: FileNumber,
    /// Every commit up to here is in segments.
    pub(crate) floor: Sequence,
    /// The files of the log, oldest first. All but the last have ended.
    pub(crate) wals: Vec<WalRef>,
    /// The change of segments, as `VersionEdit` encodes it.
    pub(crate) edit: Vec<u8>,
}

impl ManifestRecord {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.generation);
        put_varint(out, self.next_file.0);
        put_varint(out, self.floor.0);
        put_varint(out, self.wals.len() as u64);
        for wal in &self.wals {
            put_varint(out, wal.number.0);
            match &wal.seal {
                None => out.push(0),
                Some(seal) => {
                    out.push(1);
                    put_varint(out, seal.len);
                    out.extend_from_slice(&seal.tag);
                    put_varint(out, seal.last.0);
                }
            }
        }
        put_bytes(out, &self.edit);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let generation = reader.varint()?;
        let next_file = FileNumber(reader.varint()?);
        let floor = Sequence(reader.varint()?);
        let count = reader.size()?;
        let mut wals = Vec::new();
        for _ in 0..count {
            let number = FileNumber(reader.varint()?);
            let seal = match reader.byte()? {
                0 => None,
                1 => Some(WalSeal { len: reader.varint()?, tag: reader.array()?, last: Sequence(reader.varint()?) }),
                _ => return None,
            };
            wals.push(WalRef { number, seal });
        }
        let edit = reader.bytes()?.to_vec();
        reader.is_done().then_some(Self { generation, next_file, floor, wals, edit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written_and_not_when_cut() {
        let record = ManifestRecord {
            generation: 300,
            next_file: FileNumber(9),
            floor: Sequence(1 << 40),
            wals: vec![
                WalRef { number: FileNumber(3), seal: Some(WalSeal { len: 8192, tag: [3; 16], last: Sequence(77) }) },
                WalRef { number: FileNumber(8), seal: None },
            ],
            edit: vec![1, 2, 3],
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(ManifestRecord::decode(&bytes), Some(record));
        for len in 0..bytes.len() {
            assert_eq!(ManifestRecord::decode(&bytes[..len]), None, "cut at {len}");
        }
    }
}
