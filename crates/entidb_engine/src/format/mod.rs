//! Every byte on disk starts here: layouts, limits and versions.
//!
//! Always: one layout is written once, as constants beside its encode and decode.
//! Format: docs/spec/file-format.md.

pub(crate) mod block;
pub(crate) mod file_header;
pub(crate) mod keyring_copy;
pub(crate) mod segment_footer;
mod sequence;
pub(crate) mod unit;
mod varint;

pub use file_header::{Cipher, DatabaseId, FileKind};
pub use sequence::{EntryKind, FileNumber, Sequence};
pub(crate) use varint::{Reader, put_bytes, put_varint};
