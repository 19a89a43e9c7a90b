//! The write-ahead log: every commit is here before it is anywhere else on disk.
//!
//! Always: what is acknowledged as durable was flushed; files form a chain, each naming the next; a file is written
//! by one handle in one life, and after that again only by the same handle, under a new name with a new header.
//! Does not know: what a commit means to the keyspace (`engine`), or when its files may go (`checkpoint`).
//! Format: docs/spec/file-format.md, "Write-ahead log".

mod group;
mod reader;
mod recovery;
mod writer;

pub(crate) use group::{Log, LogContext};
pub(crate) use recovery::{Replayed, replay};
pub(crate) use writer::{WAL_FILE_BYTES_MAX, WAL_FILE_BYTES_MIN, WalFile, WalSeal};
