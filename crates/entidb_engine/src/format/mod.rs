//! Every byte on disk starts here: layouts, limits and versions.
//!
//! Always: one layout is written once, as constants beside its encode and decode.
//! Format: docs/spec/file-format.md.

pub(crate) mod block;
pub(crate) mod file_header;
pub(crate) mod keyring_copy;
mod manifest_record;
mod root;
pub(crate) mod segment_footer;
mod sequence;
#[cfg(test)]
mod spec_tests;
pub(crate) mod unit;
mod varint;
mod wal_record;

pub use file_header::{Cipher, DatabaseId, FileKind};
pub(crate) use file_header::{FILE_HEADER_BYTES, FileHeader, RECYCLED};
pub(crate) use keyring_copy::KEYRING_FILE;
pub(crate) use manifest_record::{
    MANIFEST_RECORD_HEADER_BYTES, MANIFEST_RECORDS_AT, ManifestRecord, ManifestRecordHeader, ManifestRecordKind,
};
pub(crate) use root::{OWNER_BYTES, ROOT_SLOT_BYTES, Root};
pub use sequence::{EntryKind, FileNumber, Sequence};
pub(crate) use unit::{ENCRYPTED_TRAILER_BYTES, PLAIN_TRAILER_BYTES, Stream, TAG_BYTES, Tag, Unit};
pub(crate) use varint::varint_len;
pub(crate) use varint::{Reader, put_bytes, put_varint};
pub(crate) use wal_record::{
    Commits, WAL_END_BYTES, WAL_UNIT_ALIGNMENT, WAL_UNIT_HEADER_BYTES, WAL_UNITS_AT, WalSuccessor, WalUnitHeader,
    WalUnitKind, decode_commit, encode_commit, wal_unit_bytes,
};
