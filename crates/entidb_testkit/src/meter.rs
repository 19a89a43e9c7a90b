//! A directory that counts what is written to the storage beneath it.
//!
//! Always: bytes written ahead count like bytes written; what failed counts for nothing.
//! Does not know: who writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_storage::Backend;

use crate::observed::{Write, observed};

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    bytes: Arc<AtomicU64>,
}

impl Meter {
    /// The backend, metered.
    #[must_use]
    pub fn metered(&self, backend: &Backend) -> Backend {
        let meter = self.clone();
        observed(backend, move |_, write| {
            let bytes = match write {
                Write::Bytes { count, .. } => count as u64,
                Write::Ahead { count } => count,
            };
            meter.bytes.fetch_add(bytes, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
