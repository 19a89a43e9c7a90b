//! A directory that counts what reaches the files beneath it, and may make flushes as slow as a disk's.

#![expect(clippy::disallowed_methods, reason = "a test slows a device down")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entidb_storage::{Abilities, Backend, Call, Operation, Result, Watcher};

/// What was counted so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) writes: AtomicU64,
    pub(crate) flushes: AtomicU64,
    /// Everything else that changes a file or a name.
    pub(crate) others: AtomicU64,
    /// Bytes written to files of the log, and bytes of zeros they were made of.
    pub(crate) log_bytes: AtomicU64,
    pub(crate) log_zeros: AtomicU64,
    /// How long a flush takes at least.
    pub(crate) flush_micros: AtomicU64,
}

/// The backend, counted; as one whose directory cannot rename unless `rename`.
pub(crate) fn counted(backend: &Backend, rename: bool) -> (Backend, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    (backend.watched(Arc::new(Counting { counts: Arc::clone(&counts), rename })), counts)
}

struct Counting {
    counts: Arc<Counts>,
    rename: bool,
}

impl Watcher for Counting {
    fn abilities(&self, found: Abilities) -> Abilities {
        Abilities { rename: self.rename, ..found }
    }

    fn before(&self, call: &Call<'_>) -> Result<()> {
        let (counts, is_log) = (&self.counts, call.path.starts_with("wal/"));
        match call.operation {
            Operation::Rename => assert!(self.rename, "a storage without rename is asked for one"),
            Operation::Write => {
                count(&counts.writes, 1);
                count(&counts.log_bytes, if is_log { call.bytes } else { 0 });
            }
            Operation::FlushData => {
                count(&counts.flushes, 1);
                std::thread::sleep(Duration::from_micros(counts.flush_micros.load(Ordering::Relaxed)));
            }
            Operation::Preallocate => {
                count(&counts.others, 1);
                count(&counts.log_zeros, if is_log { call.bytes } else { 0 });
            }
            Operation::Open | Operation::Remove | Operation::FlushNames | Operation::SetLen | Operation::FlushAll => {
                count(&counts.others, 1)
            }
            _ => {}
        }
        Ok(())
    }
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
