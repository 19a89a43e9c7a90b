//! The 128 bytes every file of a database begins with: what it is, whose it is and how it is protected.
//!
//! Always: the header is in the clear and carries its own checksum, so a file can be told apart without a key; its
//! size, magic and checksum place stay the same in every future version. A fresh salt is drawn for every new file.
//! Does not know: keys, or what follows the header.
//! Format: docs/spec/file-format.md, "File header".

use std::fmt;

use crate::error::{Damage, Error, Result};
use crate::format::FileNumber;

/// The length of a header.
pub(crate) const FILE_HEADER_BYTES: usize = 128;
/// The format this library writes, and the newest it reads.
pub(crate) const FORMAT_VERSION: u16 = 1;
/// The first eight bytes of every file. The first byte is no text, the line feed shows a transfer in text mode.
pub(crate) const MAGIC: [u8; 8] = *b"\x89EntiDB\n";
/// A compatible feature of log files: what follows the last unit may be left over from an earlier life of the file.
pub(crate) const RECYCLED: u32 = 1;
/// Incompatible features this library understands: none yet.
pub(crate) const INCOMPATIBLE_KNOWN: u32 = 0;
/// Features that forbid writing to those who do not know them, and that this library knows: none yet.
pub(crate) const READ_ONLY_KNOWN: u32 = 0;

const VERSION_AT: usize = 8;
const KIND_AT: usize = 10;
const CIPHER_AT: usize = 11;
const COMPATIBLE_AT: usize = 12;
const READ_ONLY_AT: usize = 16;
const INCOMPATIBLE_AT: usize = 20;
const NUMBER_AT: usize = 24;
const DATABASE_ID_AT: usize = 32;
const KEY_GENERATION_AT: usize = 48;
const SALT_AT: usize = 56;
const CHECKSUM_AT: usize = 124;

/// The random name a database gets when it is made; never changes, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DatabaseId(pub [u8; 16]);

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FileKind {
    /// Points at the manifest.
    Root = 1,
    /// Which files are live.
    Manifest = 2,
    /// Commits not yet in segments.
    Wal = 3,
    /// Sorted entries.
    Segment = 4,
    /// The wrapped data keys.
    Keyring = 5,
    /// Large values.
    Blob = 6,
    /// Work in progress that is removed at the next open.
    Temporary = 7,
}

impl FileKind {
    /// The kind a byte stands for.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Root),
            2 => Some(Self::Manifest),
            3 => Some(Self::Wal),
            4 => Some(Self::Segment),
            5 => Some(Self::Keyring),
            6 => Some(Self::Blob),
            7 => Some(Self::Temporary),
            _ => None,
        }
    }

    /// The folder its files live in; empty for the root of the database.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Root | Self::Keyring => "",
            Self::Manifest => "manifest",
            Self::Wal => "wal",
            Self::Segment => "seg",
            Self::Blob => "blob",
            Self::Temporary => "tmp",
        }
    }

    /// The name of a file of this kind, relative to the database.
    #[must_use]
    pub fn path(self, number: FileNumber) -> String {
        match self {
            Self::Root => "ROOT".to_owned(),
            Self::Keyring => "KEYRING".to_owned(),
            _ => format!("{}/{number}", self.folder()),
        }
    }
}

/// How the units of a file are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cipher {
    /// A checksum against accidents; anyone can read and change the file.
    Plain = 0,
    /// AES-256-GCM: secret and tamper-proof, plus a checksum that needs no key.
    Aes256Gcm = 1,
}

impl Cipher {
    /// The cipher a byte stands for.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Plain),
            1 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }
}

/// The header of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// What the file is for.
    pub(crate) kind: FileKind,
    /// How its units are protected.
    pub(crate) cipher: Cipher,
    /// Features anyone may ignore.
    pub(crate) compatible: u32,
    /// Features that forbid writing to those who do not know them.
    pub(crate) read_only: u32,
    /// Features that forbid reading to those who do not know them.
    pub(crate) incompatible: u32,
    /// The number of the file.
    pub(crate) number: FileNumber,
    /// The database it belongs to.
    pub(crate) database_id: DatabaseId,
    /// Which data key its key was made from; 0 in a plain file.
    pub(crate) key_generation: u32,
    /// Random, new for every file ever begun, so that no key and no checksum seed is used twice.
    pub(crate) salt: [u8; 32],
}

impl FileHeader {
    /// The bytes on disk.
    #[must_use]
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0_u8; FILE_HEADER_BYTES];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, VERSION_AT, &FORMAT_VERSION.to_le_bytes());
        put(&mut bytes, KIND_AT, &[self.kind as u8]);
        put(&mut bytes, CIPHER_AT, &[self.cipher as u8]);
        put(&mut bytes, COMPATIBLE_AT, &self.compatible.to_le_bytes());
        put(&mut bytes, READ_ONLY_AT, &self.read_only.to_le_bytes());
        put(&mut bytes, INCOMPATIBLE_AT, &self.incompatible.to_le_bytes());
        put(&mut bytes, NUMBER_AT, &self.number.0.to_le_bytes());
        put(&mut bytes, DATABASE_ID_AT, &self.database_id.0);
        put(&mut bytes, KEY_GENERATION_AT, &self.key_generation.to_le_bytes());
        put(&mut bytes, SALT_AT, &self.salt);
        let checksum = crc32fast::hash(self.bound(&bytes));
        put(&mut bytes, CHECKSUM_AT, &checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of a file the database lists, so bytes that are not ours are damage.
    ///
    /// # Errors
    /// `Corrupt` when bytes are missing or changed, `FormatTooNew` and `FeaturesUnknown` when a newer library wrote it.
    pub(crate) fn decode(file: &str, bytes: &[u8]) -> Result<Self> {
        let Some(bytes) = bytes.first_chunk::<FILE_HEADER_BYTES>() else {
            let found = bytes.len();
            return Err(Error::damaged(file, 0, format!("the file header has {found} of {FILE_HEADER_BYTES} bytes")));
        };
        if !Self::is_ours(bytes) {
            return Err(Error::damaged(file, 0, "the file does not begin with the magic of EntiDB"));
        }
        let stored = u32::from_le_bytes(take(bytes, CHECKSUM_AT));
        let computed = crc32fast::hash(bytes.first_chunk::<CHECKSUM_AT>().map_or(&[], <[u8; CHECKSUM_AT]>::as_slice));
        if stored != computed {
            let detail = format!("the file header has checksum {stored:08x}, its bytes give {computed:08x}");
            return Err(Error::damaged(file, 0, detail));
        }
        // The checksum is right: from here on a strange field was written so, by a newer library or on purpose.
        let version = u16::from_le_bytes(take(bytes, VERSION_AT));
        if version > FORMAT_VERSION {
            let (found, newest) = (u32::from(version), u32::from(FORMAT_VERSION));
            return Err(Error::FormatTooNew { file: file.to_owned(), found, newest });
        }
        let incompatible = u32::from_le_bytes(take(bytes, INCOMPATIBLE_AT));
        let unknown = incompatible & !INCOMPATIBLE_KNOWN;
        if unknown != 0 {
            return Err(Error::FeaturesUnknown { file: file.to_owned(), unknown });
        }
        let [kind] = take(bytes, KIND_AT);
        let [cipher] = take(bytes, CIPHER_AT);
        let (Some(kind), Some(cipher), 1..) = (FileKind::from_byte(kind), Cipher::from_byte(cipher), version) else {
            let detail = format!("the file header has version {version}, kind {kind} and cipher {cipher}");
            return Err(Error::tampered(file, 0, detail));
        };
        let header = Self {
            kind,
            cipher,
            compatible: u32::from_le_bytes(take(bytes, COMPATIBLE_AT)),
            read_only: u32::from_le_bytes(take(bytes, READ_ONLY_AT)),
            incompatible,
            number: FileNumber(u64::from_le_bytes(take(bytes, NUMBER_AT))),
            database_id: DatabaseId(take(bytes, DATABASE_ID_AT)),
            key_generation: u32::from_le_bytes(take(bytes, KEY_GENERATION_AT)),
            salt: take(bytes, SALT_AT),
        };
        // Version 1 has nothing in the reserved bytes, so a header that does not encode back was not written by us.
        if header.encode() != *bytes {
            return Err(Error::tampered(file, 0, "reserved bytes of the file header are not zero"));
        }
        Ok(header)
    }

    /// Reads the header of the file that shows whether a folder is a database at all.
    ///
    /// # Errors
    /// `NotADatabase` when the bytes do not begin as ours do, otherwise as [`decode`](Self::decode).
    pub(crate) fn decode_first(location: &str, file: &str, bytes: &[u8]) -> Result<Self> {
        if !Self::is_ours(bytes) {
            let detail = format!("{file} does not begin with the magic of EntiDB");
            return Err(Error::NotADatabase { path: location.to_owned(), detail });
        }
        Self::decode(file, bytes)
    }

    /// True when the bytes begin as every file of ours does.
    #[must_use]
    pub(crate) fn is_ours(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// True when the file has features that forbid us to write.
    #[must_use]
    pub(crate) const fn forbids_writing(&self) -> bool {
        self.read_only & !READ_ONLY_KNOWN != 0
    }

    /// Checks that this is the header of the file that was asked for.
    ///
    /// # Errors
    /// `Corrupt` (tampered) when it belongs to another file or another database: whole files were mixed up.
    pub(crate) fn expect(&self, kind: FileKind, number: FileNumber, database_id: DatabaseId) -> Result<()> {
        if (self.kind, self.number, self.database_id) == (kind, number, database_id) {
            return Ok(());
        }
        let detail = format!(
            "it is {:?} {} of database {}, not {kind:?} {number} of database {database_id}",
            self.kind, self.number, self.database_id
        );
        Err(Error::tampered(kind.path(number), 0, detail))
    }

    /// The name of the file, relative to the database.
    #[must_use]
    pub(crate) fn path(&self) -> String {
        self.kind.path(self.number)
    }

    /// The part of an encoded header that keys and checksums are bound to: all but its own checksum.
    #[expect(clippy::unused_self, reason = "says whose bytes these are")]
    pub(crate) fn bound<'a>(&self, encoded: &'a [u8; FILE_HEADER_BYTES]) -> &'a [u8] {
        encoded.first_chunk::<CHECKSUM_AT>().map_or(&[], <[u8; CHECKSUM_AT]>::as_slice)
    }
}

impl Error {
    /// Bytes whose checksum is right and that are still not what was written there.
    pub(crate) fn tampered(file: impl Into<String>, offset: u64, detail: impl Into<String>) -> Self {
        Self::Corrupt { damage: Damage::Tampered, file: file.into(), offset, detail: detail.into() }
    }
}

/// Copies a field into its place; every place here is a constant inside the header.
fn put(bytes: &mut [u8; FILE_HEADER_BYTES], at: usize, field: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(field) {
        *to = *from;
    }
}

/// The field at a place; every place here is a constant inside the header.
fn take<const N: usize>(bytes: &[u8; FILE_HEADER_BYTES], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<N>).copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FileHeader {
        FileHeader {
            kind: FileKind::Wal,
            cipher: Cipher::Aes256Gcm,
            compatible: 7,
            read_only: 0,
            incompatible: 0,
            number: FileNumber(0x0102_0304_0506),
            database_id: DatabaseId(*b"sixteen bytes id"),
            key_generation: 3,
            salt: std::array::from_fn(|index| index as u8),
        }
    }

    fn with_checksum(mut bytes: [u8; FILE_HEADER_BYTES]) -> [u8; FILE_HEADER_BYTES] {
        let checksum = crc32fast::hash(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        assert_eq!(FileHeader::decode("wal/1", &header().encode()).unwrap(), header());
    }

    #[test]
    fn every_changed_bit_of_a_header_is_damage() {
        let good = header().encode();
        for at in 0..FILE_HEADER_BYTES {
            for bit in 0..8 {
                let mut bytes = good;
                bytes[at] ^= 1 << bit;
                let error = FileHeader::decode("wal/1", &bytes).unwrap_err();
                let Error::Corrupt { damage: Damage::Damaged, file, offset: 0, .. } = &error else {
                    panic!("byte {at} bit {bit}: {error:?}")
                };
                assert_eq!(file, "wal/1");
            }
        }
    }

    #[test]
    fn every_short_header_is_damage() {
        for len in 0..FILE_HEADER_BYTES {
            let error = FileHeader::decode("seg/9", &header().encode()[..len]).unwrap_err();
            assert!(matches!(error, Error::Corrupt { damage: Damage::Damaged, .. }), "{len}: {error:?}");
        }
    }

    #[test]
    fn a_newer_version_or_feature_is_refused_by_name() {
        let mut bytes = header().encode();
        bytes[VERSION_AT] = 2;
        let error = FileHeader::decode("wal/1", &with_checksum(bytes)).unwrap_err();
        assert!(matches!(error, Error::FormatTooNew { found: 2, newest: 1, .. }), "{error:?}");
        let mut bytes = header().encode();
        bytes[INCOMPATIBLE_AT] = 4;
        let error = FileHeader::decode("wal/1", &with_checksum(bytes)).unwrap_err();
        assert!(matches!(error, Error::FeaturesUnknown { unknown: 4, .. }), "{error:?}");
        let mut bytes = header().encode();
        bytes[READ_ONLY_AT] = 4;
        assert!(FileHeader::decode("wal/1", &with_checksum(bytes)).unwrap().forbids_writing());
    }

    #[test]
    fn a_strange_field_under_a_right_checksum_is_tampering() {
        for (at, value) in [(VERSION_AT, 0), (KIND_AT, 0), (KIND_AT, 99), (CIPHER_AT, 77), (52, 1), (88, 1), (123, 1)] {
            let mut bytes = header().encode();
            bytes[at] = value;
            let error = FileHeader::decode("wal/1", &with_checksum(bytes)).unwrap_err();
            assert!(matches!(error, Error::Corrupt { damage: Damage::Tampered, .. }), "byte {at}: {error:?}");
        }
    }

    #[test]
    fn a_foreign_first_file_is_not_a_database() {
        let error = FileHeader::decode_first("/data", "ROOT", b"SQLite format 3\0").unwrap_err();
        assert!(matches!(error, Error::NotADatabase { .. }), "{error:?}");
    }

    #[test]
    fn a_file_of_another_place_is_mixed_up() {
        let header = header();
        header.expect(FileKind::Wal, header.number, header.database_id).unwrap();
        for result in [
            header.expect(FileKind::Segment, header.number, header.database_id),
            header.expect(FileKind::Wal, FileNumber(1), header.database_id),
            header.expect(FileKind::Wal, header.number, DatabaseId([0; 16])),
        ] {
            assert!(matches!(result.unwrap_err(), Error::Corrupt { damage: Damage::Tampered, .. }));
        }
    }
}
