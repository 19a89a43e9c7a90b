//! The sources of an ordered read as one type, so that a walk calls them directly and keeps them side by side.
//!
//! Always: does what the cursor inside does.
//! Does not know: which source is newer.

use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::iterator::{EntryCursor, Here};
use crate::memtable::MemtableCursor;
use crate::segment::RunCursor;
use crate::value::Value;

/// A position among the entries of a source.
#[expect(
    clippy::large_enum_variant,
    reason = "one to a few of a read, kept in one vector; a box each is what this spares"
)]
pub(crate) enum SourceCursor {
    /// A transaction's own changes.
    Own(Box<dyn EntryCursor>),
    Memtable(MemtableCursor),
    Run(RunCursor),
}

/// Does the same with whichever cursor it is.
macro_rules! each {
    ($source:expr, $cursor:ident => $act:expr) => {
        match $source {
            SourceCursor::Own($cursor) => $act,
            SourceCursor::Memtable($cursor) => $act,
            SourceCursor::Run($cursor) => $act,
        }
    };
}

impl EntryCursor for SourceCursor {
    fn seek_first(&mut self) -> Result<()> {
        each!(self, cursor => cursor.seek_first())
    }

    fn seek_last(&mut self) -> Result<()> {
        each!(self, cursor => cursor.seek_last())
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        each!(self, cursor => cursor.seek(key))
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        each!(self, cursor => cursor.seek_before(key))
    }

    fn aim(&mut self, key: &[u8]) {
        each!(self, cursor => cursor.aim(key));
    }

    fn land(&mut self, key: &[u8]) -> Result<()> {
        each!(self, cursor => cursor.land(key))
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        each!(self, cursor => cursor.next())
    }

    #[inline]
    fn next_key(&mut self) -> Result<()> {
        each!(self, cursor => cursor.next_key())
    }

    #[inline]
    fn previous(&mut self) -> Result<()> {
        each!(self, cursor => cursor.previous())
    }

    #[inline]
    fn is_valid(&self) -> bool {
        each!(self, cursor => cursor.is_valid())
    }

    #[inline]
    fn key(&self) -> &[u8] {
        each!(self, cursor => cursor.key())
    }

    #[inline]
    fn sequence(&self) -> Sequence {
        each!(self, cursor => cursor.sequence())
    }

    #[inline]
    fn kind(&self) -> EntryKind {
        each!(self, cursor => cursor.kind())
    }

    #[inline]
    fn here(&self) -> Option<Here<'_>> {
        each!(self, cursor => cursor.here())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        each!(self, cursor => cursor.value())
    }

    fn pin_value(&self) -> Value {
        each!(self, cursor => cursor.pin_value())
    }
}
