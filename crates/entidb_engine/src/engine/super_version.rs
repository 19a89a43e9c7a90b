//! Everything a read looks at: the newest writes, the frozen ones, and the segments.
//!
//! Always: immutable but for the active memtable, which only grows; swapped whole.
//! Does not know: which sequence a reader is at.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::source::SourceCursor;
use crate::error::Result;
use crate::format::{EntryKind, Sequence};
use crate::interrupt;
use crate::iterator::{Deleted, Found, PointRead, Span, View, ViewSource, counter_value};
use crate::memtable::{Found as MemtableFound, Memtable};
use crate::segment::RunCursor;
use crate::value::Value;
use crate::version::{KEYS_AT_ONCE, Version};

#[derive(Clone)]
pub(crate) struct SuperVersion {
    pub(crate) active: Arc<Memtable>,
    /// Full and waiting to be written to segments, newest first.
    pub(crate) frozen: Vec<Frozen>,
    /// The segments.
    pub(crate) version: Arc<Version>,
}

/// A full memtable.
#[derive(Clone)]
pub(crate) struct Frozen {
    pub(crate) memtable: Arc<Memtable>,
    /// Its last commit.
    pub(crate) last: Sequence,
}

impl SuperVersion {
    /// The value of a key at a sequence.
    pub(crate) fn get(&self, key: &[u8], at: Sequence) -> Result<Option<Value>> {
        let mut read = PointRead::new(at);
        if !self.read_memtables(key, &mut read)? {
            self.version.read(key, xxh3_64(key), &mut read)?;
        }
        read.finish()
    }

    /// As [`get`](Self::get), without what is in memtables alone.
    pub(crate) fn get_written(&self, key: &[u8], at: Sequence) -> Result<Option<Value>> {
        let mut read = PointRead::new(at);
        self.version.read(key, xxh3_64(key), &mut read)?;
        read.finish()
    }

    /// The values of keys at a sequence, in the order of the keys.
    pub(crate) fn multi_get(&self, keys: &[&[u8]], at: Sequence) -> Result<Vec<Option<Value>>> {
        let mut values = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS_AT_ONCE) {
            interrupt::check()?;
            let mut hashes = [0; KEYS_AT_ONCE];
            for (hash, key) in hashes.iter_mut().zip(some) {
                *hash = xxh3_64(key);
            }
            self.memtables().filter(|memtable| !memtable.is_empty()).for_each(|memtable| memtable.fetch(some));
            let located = self.version.locate(some, &hashes);
            for (number, (key, hash)) in some.iter().zip(hashes).enumerate() {
                let mut read = PointRead::new(at);
                if !self.read_memtables(key, &mut read)? {
                    located.read(number, key, hash, &mut read)?;
                }
                values.push(read.finish()?);
            }
        }
        Ok(values)
    }

    /// Asks the memtables about a key, newest first. Returns true when the answer is known.
    #[inline]
    fn read_memtables(&self, key: &[u8], read: &mut PointRead) -> Result<bool> {
        for memtable in self.memtables().filter(|memtable| !memtable.is_empty()) {
            let done = if memtable.has_no_range_tombstones() {
                // A counter may have as many additions here as there were commits: they are taken as one.
                let newest_at = |at| Ok(memtable.get(key, at).map(|it| sum_of_adds(&it).unwrap_or_else(|| found(&it))));
                read.visit(None, newest_at)?
            } else {
                let newest_at = |at| Ok(memtable.get(key, at).map(|it| found(&it)));
                read.visit(memtable.covering(key, read.at()), newest_at)?
            };
            if done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a view what is to be looked at for its range, behind the sources it has.
    pub(crate) fn aim(&self, view: &mut View<SourceCursor>) {
        let at = view.at();
        view.reserve(1 + self.frozen.len() + self.version.levels().iter().map(|level| level.runs.len()).sum::<usize>());
        for memtable in self.memtables().filter(|memtable| !memtable.is_empty()) {
            let deleted = memtable.ranges_at(at).map(Deleted::Map);
            view.push(ViewSource { cursor: SourceCursor::Memtable(memtable.cursor()), deleted });
        }
        for run in self.version.runs() {
            let within = run.overlapping(view.range());
            if !within.is_empty() {
                let deleted = (run.totals().fragments > 0).then(|| Deleted::Run(Arc::clone(run)));
                view.push(ViewSource { cursor: SourceCursor::Run(RunCursor::new(Arc::clone(run), within)), deleted });
            }
        }
    }

    /// The memtables, newest first.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        std::iter::once(&self.active).chain(self.frozen.iter().map(|frozen| &frozen.memtable))
    }

    /// About how many keys lie in the span, from where its ends stand in the indexes of segments and in memtables.
    pub(crate) fn estimate(&self, span: &Span) -> Result<u64> {
        let in_memory: u64 =
            self.memtables().map(|memtable| memtable.approximate_count(span.start(), span.end())).sum();
        Ok(self.version.approximate_count(span)?.saturating_add(in_memory))
    }

    /// Bytes in memtables.
    pub(crate) fn memtable_bytes(&self) -> u64 {
        self.memtables().map(|memtable| memtable.bytes() as u64).sum()
    }
}

fn found(version: &MemtableFound<'_>) -> Found {
    Found { sequence: version.sequence, kind: version.kind, value: version.pin() }
}

/// An addition and those right below it as one, as old as the oldest of them.
fn sum_of_adds(version: &MemtableFound<'_>) -> Option<Found> {
    let run = version.add_run()?;
    Some(Found { sequence: run.oldest, kind: EntryKind::Add, value: counter_value(run.sum) })
}
