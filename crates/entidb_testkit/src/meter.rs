//! A directory that counts what is written to the storage beneath it.
//!
//! Always: bytes written ahead count like bytes written; what failed counts for nothing.
//! Does not know: who writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_storage::{Backend, Call, Operation, Result, Watcher};

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    bytes: Arc<AtomicU64>,
}

impl Meter {
    /// The backend, metered.
    #[must_use]
    pub fn metered(&self, backend: &Backend) -> Backend {
        backend.watched(Arc::new(self.clone()))
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Watcher for Meter {
    fn after(&self, call: &Call<'_>) -> Result<()> {
        if matches!(call.operation, Operation::Write | Operation::Preallocate) {
            self.bytes.fetch_add(call.bytes, Ordering::Relaxed);
        }
        Ok(())
    }
}
