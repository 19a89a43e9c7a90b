//! Every byte on disk starts here: layouts, limits and versions.
//!
//! Always: one layout is written once, as constants beside its encode and decode.
//! Format: docs/spec/file-format.md.

mod sequence;
mod varint;

pub use sequence::{EntryKind, FileNumber, Sequence};
pub(crate) use varint::{Reader, put_bytes, put_varint};
