//! What the newest view no longer has: memtables that are in segments, and files that no version lists.
//!
//! Always: a file goes only after the record that drops it is on stable storage and its last reader is gone, whatever
//! was made or dropped after it. Removing waits under no lock that a commit needs.
//! Does not know: who reads (`read_point`), or how references are counted (`segment::Removals`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use entidb_storage::ErrorKind;

use crate::engine::shared::Shared;
use crate::engine::super_version::{Frozen, SuperVersion};
use crate::format::FileKind;
use crate::memtable::{MemoryWatch, Memtable};
use crate::planted::{Mistake, makes};
use crate::segment::{SegmentFile, Waiting};
use crate::sync::Mutex;

/// Files removed in one step: giving back the space of a large one can take as long as writing some of it.
const REMOVED_AT_ONCE: usize = 4;

/// Memtables that are in segments and whose memory somebody may still hold.
#[derive(Default)]
pub(crate) struct RetiredMemtables(Mutex<Vec<MemoryWatch>>);

impl RetiredMemtables {
    fn add(&self, memtable: &Memtable) {
        let mut list = self.0.lock();
        // Those whose memory was given back leave the list, so it is as long as memory is held.
        list.retain(|memory| memory.held_bytes().is_some());
        list.push(memtable.watch());
    }

    /// Bytes that are still held.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.0.lock().iter().filter_map(MemoryWatch::held_bytes).map(|bytes| bytes as u64).sum()
    }
}

impl Shared {
    /// Shows readers another view.
    pub(crate) fn swap_view(&self, next: impl Fn(&SuperVersion) -> SuperVersion) {
        drop(self.current.rcu(|old| Arc::new(next(old))));
        self.idle.store(false, Ordering::Release);
    }

    /// Lets go of what the switch that is now on stable storage, and in the newest view, has dropped.
    pub(crate) fn retire(&self, files: &[Arc<SegmentFile>], flushed: &[Frozen]) {
        flushed.iter().for_each(|frozen| self.retired_memtables.add(&frozen.memtable));
        if !flushed.is_empty() || !files.is_empty() {
            // Iterators see it with their next move, and look at the newest view from there on.
            self.view_changes.fetch_add(1, Ordering::Release);
        }
        if makes(Mistake::RemovedWhileRead) {
            for file in files {
                let _ = self.backend.directory.remove(&FileKind::Segment.path(file.number()));
            }
        }
        files.iter().for_each(|file| file.drop_from_versions());
    }

    /// Removes a few files that nobody can read any more; false when none waits.
    pub(crate) fn remove_some(&self) -> bool {
        let mut any = false;
        for _ in 0..REMOVED_AT_ONCE {
            if !self.remove_one() {
                break;
            }
            any = true;
        }
        any
    }

    /// Removes every file that nobody can read any more, however long it takes.
    pub(crate) fn remove_obsolete(&self) {
        while self.remove_one() {}
    }

    fn remove_one(&self) -> bool {
        let clock = &self.backend.clock;
        if !self.removals.is_due(|| clock.monotonic_nanos()) {
            return false;
        }
        let Some(file) = self.removals.take(clock.monotonic_nanos()) else { return false };
        match self.backend.directory.remove(&FileKind::Segment.path(file.number)) {
            Err(error) if error.kind != ErrorKind::NotFound => {
                self.removals.failed(file, error.into(), clock.monotonic_nanos());
            }
            _ => {
                self.removals.removed();
                self.space.gave_back();
            }
        }
        true
    }

    /// The files that wait for their removal.
    pub(crate) fn files_waiting(&self) -> Waiting {
        self.removals.waiting()
    }
}
