//! A place in history that reads go to.
//!
//! Always: what it shows never changes while it lives, and what it needs is kept until it goes.
//! Does not know: the changes of an open write transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::compaction::LiveSnapshots;
use crate::engine::Shared;
use crate::engine::super_version::SuperVersion;
use crate::error::Result;
use crate::format::Sequence;
use crate::iterator::{KeyRange, Span, View, ViewSource};
use crate::options::invalid;
use crate::value::Value;

/// Keys that are counted one by one; beyond that a count is an estimate.
const COUNTED_MAX: u64 = 10_000;

/// The sequences readers are at, with how many are at each.
#[derive(Default)]
pub(crate) struct Readers(Mutex<BTreeMap<Sequence, usize>>);

impl Readers {
    /// The sequences that must stay readable, when `visible` is the one a reader who comes now gets.
    pub(crate) fn live(&self, visible: impl FnOnce() -> Sequence) -> LiveSnapshots {
        // Asked under the lock, so that a reader who is registering is either counted or sees at least that.
        let readers = self.0.lock();
        let visible = visible();
        LiveSnapshots::new(readers.keys().copied(), visible)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.lock().values().map(|count| *count as u64).sum()
    }

    pub(crate) fn first(&self) -> Option<Sequence> {
        self.0.lock().keys().next().copied()
    }
}

pub(crate) struct ReadPoint {
    shared: Arc<Shared>,
    view: Arc<SuperVersion>,
    at: Sequence,
    /// Set when the transaction this point belonged to is over.
    ended: AtomicBool,
}

impl ReadPoint {
    /// The database as readers see it now.
    pub(crate) fn newest(shared: &Arc<Shared>) -> Self {
        let at = {
            let mut readers = shared.readers.0.lock();
            let at = shared.visible();
            *readers.entry(at).or_insert(0) += 1;
            at
        };
        // Loaded after registering: from here on nothing this sequence sees is dropped from any later one.
        Self { shared: Arc::clone(shared), view: shared.current.load_full(), at, ended: AtomicBool::new(false) }
    }

    /// The database as the one writer sees it: with commits that are not visible to others yet.
    pub(crate) fn applied(shared: &Arc<Shared>) -> Self {
        let commit = shared.commit.lock();
        let at = commit.applied;
        *shared.readers.0.lock().entry(at).or_insert(0) += 1;
        let view = shared.current.load_full();
        drop(commit);
        Self { shared: Arc::clone(shared), view, at, ended: AtomicBool::new(false) }
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
    pub(crate) fn view(&self, own: Option<ViewSource>, range: &KeyRange) -> Result<View> {
        self.check_open()?;
        let at = if own.is_some() { self.at.next() } else { self.at };
        let span = Span::from(range);
        let mut sources: Vec<ViewSource> = own.into_iter().collect();
        sources.extend(self.view.sources(&span)?);
        Ok(View::new(sources, at, span))
    }

    pub(crate) fn approximate_count(&self, range: &KeyRange) -> Result<u64> {
        let mut view = self.view(None, range)?;
        view.seek_first()?;
        let mut count = 0_u64;
        while view.is_valid() {
            if count >= COUNTED_MAX {
                return Ok(self.view.estimate(&Span::from(range))?.max(count));
            }
            count = count.saturating_add(1);
            view.next()?;
        }
        Ok(count)
    }
}

impl Drop for ReadPoint {
    fn drop(&mut self) {
        let mut readers = self.shared.readers.0.lock();
        if let Some(count) = readers.get_mut(&self.at) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                readers.remove(&self.at);
            }
        }
    }
}
