//! What indexes keep in memory of their committed rows, and how they learn of commits.
//!
//! Always: an index learns of each commit that changes its rows exactly once, in the order of commits, when readers can see
//! the commit and before one of them reads at it. Of a transaction that is aborted or refused, and of changes that were
//! taken back, it never learns. Where no index keeps anything in memory, a commit and a read pay one load each.
//! Does not know: what is kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entidb_engine::{Sequence, WriteSnapshot, WriteTransaction};
use entidb_storage::sync::Mutex;

use crate::catalog::{Catalog, IndexRecord};
use crate::error::Result;
use crate::id::IndexId;
use crate::keyspace;

/// What an index keeps in memory of its committed rows.
pub(crate) trait Memory: Send + Sync {
    /// A commit changed rows of the index, and readers can see it from now on. Must be short and must not call the database.
    /// Where it fails to take a commit in, the index must forget what it keeps and read its rows instead.
    fn committed(&self, commit: &CommittedRows);
}

/// What a commit did to the rows of one index.
pub(crate) struct CommittedRows {
    /// The commit.
    pub(crate) sequence: Sequence,
    /// Whether all rows there were went before those below came.
    #[cfg_attr(not(test), expect(dead_code, reason = "no kind keeps anything in memory yet but that of tests"))]
    pub(crate) is_emptied: bool,
    index: Arc<IndexRecord>,
    /// What the transaction changed.
    changes: WriteSnapshot,
}

impl CommittedRows {
    /// Passes each changed row to `row`, by zone and key: its key, and its value unless it was removed.
    #[cfg_attr(not(test), expect(dead_code, reason = "no kind keeps anything in memory yet but that of tests"))]
    pub(crate) fn each(&self, mut row: impl FnMut(&[u8], Option<&[u8]>)) -> Result<()> {
        for zone in self.index.zones() {
            let number = self.index.id.0;
            let (start, end) = (keyspace::prefix(*zone, number), keyspace::prefix_end(*zone, number));
            let mut rows = self.changes.own_changes(&start, &end);
            while rows.advance()? {
                row(rows.key(), rows.value());
            }
        }
        Ok(())
    }
}

/// What a transaction that is about to commit tells the indexes that keep something in memory. `is_emptied` says of which
/// the transaction removed all rows.
pub(crate) fn staged(
    catalog: &Catalog,
    tx: &WriteTransaction,
    is_emptied: impl Fn(IndexId) -> bool,
) -> Vec<CommittedRows> {
    let mut staged = Vec::new();
    for index in catalog.with_memory() {
        let is_emptied = is_emptied(index.id);
        let is_changed = |zone: &u8| {
            let (start, end) = (keyspace::prefix(*zone, index.id.0), keyspace::prefix_end(*zone, index.id.0));
            // Where it cannot be known for want of memory, there may be some.
            tx.own_changes(&start, &end).advance().unwrap_or(true)
        };
        if is_emptied || index.zones().iter().any(is_changed) {
            let (sequence, index, changes) = (tx.next_sequence(), Arc::clone(index), tx.snapshot());
            staged.push(CommittedRows { sequence, is_emptied, index, changes });
        }
    }
    staged
}

/// Commits that indexes have not learnt of yet, the oldest first. There are no more than commits under way.
#[derive(Default)]
pub(crate) struct Watch {
    is_any: AtomicBool,
    staged: Mutex<VecDeque<CommittedRows>>,
}

impl Watch {
    /// Takes in what a commit tells, before anyone can see the commit.
    pub(crate) fn stage(&self, commit: Vec<CommittedRows>) {
        if !commit.is_empty() {
            self.staged.lock().extend(commit);
            self.is_any.store(true, Ordering::Release);
        }
    }

    /// Forgets a commit that was refused.
    pub(crate) fn withdraw(&self, sequence: Sequence) {
        if self.is_any.load(Ordering::Acquire) {
            self.staged.lock().retain(|staged| staged.sequence != sequence);
        }
    }

    /// Readers can see the commits up to this one: tells the indexes of them.
    pub(crate) fn show(&self, visible: Sequence) {
        // A commit is staged before it is seen, so a thread that sees it finds this set.
        if !self.is_any.load(Ordering::Acquire) {
            return;
        }
        // Held while indexes learn, so that they learn in order, and a reader waits until they know what it sees.
        let mut staged = self.staged.lock();
        while let Some(next) = staged.pop_front_if(|staged| staged.sequence <= visible) {
            if let Some(memory) = next.index.memory() {
                memory.committed(&next);
            }
        }
        self.is_any.store(!staged.is_empty(), Ordering::Release);
    }
}
