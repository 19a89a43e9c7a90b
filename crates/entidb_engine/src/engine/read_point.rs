//! A place in history that reads go to.
//!
//! Always: what it shows never changes while it lives, and what it needs is kept until it goes.
//! Does not know: the changes of an open write transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::sync::Mutex;

use crate::compaction::LiveSnapshots;
use crate::engine::Shared;
use crate::engine::source::SourceCursor;
use crate::engine::super_version::SuperVersion;
use crate::error::Result;
use crate::format::Sequence;
use crate::iterator::{EntryCursor, KeyRange, Span, View, ViewSource};
use crate::options::invalid;
use crate::value::Value;

/// Keys that are counted one by one; beyond that a count is an estimate.
const COUNTED_MAX: u64 = 10_000;

/// Parts of the list of readers. A thread keeps to one, so that threads which begin and end reads at once do not wait
/// for each other.
const SHARDS: usize = 16;

/// The sequences readers are at.
#[derive(Default)]
pub(crate) struct Readers([Shard; SHARDS]);

/// On a line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Vec<Reading>>);

/// How many readers are at a sequence. A list of them is short: most readers are at the newest commit.
struct Reading {
    at: Sequence,
    count: usize,
}

impl Readers {
    /// The sequences that must stay readable, when `visible` is the one a reader who comes now gets.
    pub(crate) fn live(&self, visible: impl FnOnce() -> Sequence) -> LiveSnapshots {
        // Asked under all locks, so that a reader who is registering is either counted or sees at least that.
        let shards: Vec<_> = self.0.iter().map(|shard| shard.0.lock()).collect();
        let visible = visible();
        LiveSnapshots::new(shards.iter().flat_map(|shard| shard.iter().map(|reading| reading.at)), visible)
    }

    pub(crate) fn count(&self) -> u64 {
        let count_in = |shard: &Shard| shard.0.lock().iter().map(|reading| reading.count as u64).sum::<u64>();
        self.0.iter().map(count_in).sum()
    }

    pub(crate) fn first(&self) -> Option<Sequence> {
        self.0.iter().filter_map(|shard| shard.0.lock().iter().map(|reading| reading.at).min()).min()
    }

    /// Registers a reader at the sequence that `at` says under the lock. Returns it with the shard.
    fn enter(&self, at: impl FnOnce() -> Sequence) -> (Sequence, usize) {
        thread_local! {
            static SHARD: usize = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
            };
        }
        let number = SHARD.with(|shard| *shard);
        let Some(shard) = self.0.get(number) else { return (at(), number) };
        let mut shard = shard.0.lock();
        let at = at();
        match shard.iter_mut().find(|reading| reading.at == at) {
            Some(reading) => reading.count = reading.count.saturating_add(1),
            None => shard.push(Reading { at, count: 1 }),
        }
        (at, number)
    }

    fn leave(&self, at: Sequence, number: usize) {
        let Some(shard) = self.0.get(number) else { return };
        let mut shard = shard.0.lock();
        let Some(place) = shard.iter().position(|reading| reading.at == at) else { return };
        let Some(reading) = shard.get_mut(place) else { return };
        reading.count = reading.count.saturating_sub(1);
        if reading.count == 0 {
            shard.swap_remove(place);
        }
    }
}

pub(crate) struct ReadPoint {
    shared: Arc<Shared>,
    view: Arc<SuperVersion>,
    at: Sequence,
    /// Where it is registered.
    shard: usize,
    /// Set when the transaction this point belonged to is over.
    ended: AtomicBool,
}

impl ReadPoint {
    /// The database as readers see it now.
    pub(crate) fn newest(shared: &Arc<Shared>) -> Self {
        let (at, shard) = shared.readers.enter(|| shared.visible());
        // Loaded after registering: from here on nothing this sequence sees is dropped from any later one.
        Self { shared: Arc::clone(shared), view: shared.current.load_full(), at, shard, ended: AtomicBool::new(false) }
    }

    /// The database as the one writer sees it: with commits that are not visible to others yet.
    pub(crate) fn applied(shared: &Arc<Shared>) -> Self {
        let commit = shared.commit.lock();
        let (at, shard) = shared.readers.enter(|| commit.applied);
        let view = shared.current.load_full();
        drop(commit);
        Self { shared: Arc::clone(shared), view, at, shard, ended: AtomicBool::new(false) }
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.at
    }

    /// No read is answered from here on: the transaction's sequence now belongs to a commit.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        self.shared.check_open()?;
        if self.ended.load(Ordering::Acquire) {
            return Err(invalid("iterator", "is of a write transaction that has ended; begin another"));
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.check_open()?;
        self.view.get(key, self.at)
    }

    pub(crate) fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        self.check_open()?;
        self.view.multi_get(keys, self.at)
    }

    /// A view of the range, with a source in front of all others when there is one.
    pub(crate) fn view(
        &self,
        own: Option<ViewSource<Box<dyn EntryCursor>>>,
        range: KeyRange,
    ) -> Result<View<SourceCursor>> {
        self.check_open()?;
        let at = if own.is_some() { self.at.next() } else { self.at };
        self.view.view(own, Span::from(range), at)
    }

    pub(crate) fn approximate_count(&self, range: KeyRange) -> Result<u64> {
        let mut view = self.view(None, range)?;
        view.seek_first()?;
        let mut count = 0_u64;
        while view.is_valid() {
            if count >= COUNTED_MAX {
                return Ok(self.view.estimate(view.range())?.max(count));
            }
            count = count.saturating_add(1);
            view.next()?;
        }
        Ok(count)
    }
}

impl Drop for ReadPoint {
    fn drop(&mut self) {
        self.shared.readers.leave(self.at, self.shard);
    }
}
