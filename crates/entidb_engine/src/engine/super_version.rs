//! Everything a read looks at: the newest writes, the frozen ones, and the segments.
//!
//! Always: immutable but for the active memtable, which only grows; swapped whole.
//! Does not know: which sequence a reader is at.

use std::sync::Arc;

use crate::error::Result;
use crate::format::Sequence;
use crate::iterator::{Found, PointRead, ViewSource};
use crate::memtable::Memtable;
use crate::range_tombstone::RangeTombstones;
use crate::value::Value;

#[derive(Clone)]
pub(crate) struct SuperVersion {
    pub(crate) active: Arc<Memtable>,
    /// Full and waiting to be written to segments, newest first.
    pub(crate) frozen: Vec<Arc<Memtable>>,
}

impl SuperVersion {
    /// The value of a key at a sequence.
    pub(crate) fn get(&self, key: &[u8], at: Sequence) -> Result<Option<Value>> {
        let mut read = PointRead::new(at);
        for memtable in std::iter::once(&self.active).chain(&self.frozen) {
            let newest_at = |at| {
                Ok(memtable.get(key, at).map(|it| Found { sequence: it.sequence, kind: it.kind, value: it.pin() }))
            };
            let done = if memtable.has_no_range_tombstones() {
                read.visit(&RangeTombstones::default(), key, newest_at)?
            } else {
                read.visit(&memtable.range_tombstones(), key, newest_at)?
            };
            if done {
                break;
            }
        }
        read.finish()
    }

    /// The sources of an ordered read, newest first.
    pub(crate) fn sources(&self) -> Vec<ViewSource> {
        let memtables = std::iter::once(&self.active).chain(&self.frozen);
        memtables
            .map(|memtable| ViewSource { cursor: Box::new(memtable.cursor()), tombstones: memtable.range_tombstones() })
            .collect()
    }

    /// Bytes in memtables.
    pub(crate) fn memtable_bytes(&self) -> u64 {
        std::iter::once(&self.active).chain(&self.frozen).map(|memtable| memtable.bytes() as u64).sum()
    }
}
