//! Immutable sorted files: written once, read until no version lists them.
//!
//! Always: a segment holds keys of one zone; every unit of it is verified before a byte of it is believed.
//! Does not know: which level it is in, or what newer files say about its keys.
//! Format: docs/spec/file-format.md, "Segment".

mod block;
mod cursor;
mod fences;
mod file;
mod index;
mod open;
mod point_index;
mod read;
mod removals;
mod run_cursor;
mod verify;
mod writer;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use entidb_storage::{Directory, Random};

pub(crate) use block::Block;
pub(crate) use fences::Fences;
pub(crate) use open::Segment;
pub(crate) use point_index::Likely;
pub(crate) use removals::{Removals, SegmentFile, Waiting};
pub(crate) use run_cursor::RunCursor;
pub(crate) use writer::SegmentWriter;

use crate::cache::BlockCache;
use crate::crypto::Keys;
use crate::open_files::OpenFiles;

/// What every segment of a database needs to be written and read.
pub(crate) struct SegmentContext {
    /// The folder of the database.
    pub(crate) directory: Arc<dyn Directory>,
    /// The keys files are protected with.
    pub(crate) keys: Arc<Keys>,
    /// Salts for new files.
    pub(crate) random: Arc<dyn Random>,
    /// The files of segments that are open.
    pub(crate) open_files: Arc<OpenFiles>,
    /// Decoded blocks.
    pub(crate) cache: Arc<BlockCache>,
    /// Files that no version lists any more.
    pub(crate) removals: Arc<Removals>,
}

impl std::fmt::Debug for SegmentContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentContext").finish_non_exhaustive()
    }
}

/// A context on files in memory, for tests of what lies above.
#[cfg(test)]
pub(crate) fn context_for_tests() -> Arc<SegmentContext> {
    tests::context(false, 1 << 20)
}
