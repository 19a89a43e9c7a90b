//! A directory that counts what is written to the storage beneath it, and to which files.
//!
//! Always: bytes written ahead count like bytes written; what failed counts for nothing.
//! Does not know: who writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_storage::{Backend, Call, Operation, Result, Watcher};

/// How the names of files begin that are counted together; the last begins every name.
const KINDS: [&str; 5] = ["wal/", "seg/", "manifest/", "RESERVE", ""];

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    bytes: Arc<[AtomicU64; KINDS.len()]>,
}

/// Bytes written by some moment, by kind of file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading([u64; KINDS.len()]);

impl Meter {
    /// The backend, metered.
    #[must_use]
    pub fn metered(&self, backend: &Backend) -> Backend {
        backend.watched(Arc::new(self.clone()))
    }

    /// Bytes written so far.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let mut read = Reading::default();
        read.0.iter_mut().zip(self.bytes.iter()).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
        read
    }

    /// Bytes written since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: Reading) -> Reading {
        let mut now = self.reading();
        now.0.iter_mut().zip(earlier.0).for_each(|(now, then)| *now -= then);
        now
    }
}

impl Reading {
    /// All of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.bytes())?;
        for (kind, bytes) in KINDS.iter().zip(self.0).filter(|(_, bytes)| *bytes > 0) {
            let name = if kind.is_empty() { "others" } else { kind };
            write!(f, ", {name} {bytes}")?;
        }
        Ok(())
    }
}

impl Watcher for Meter {
    fn after(&self, call: &Call<'_>) -> Result<()> {
        if matches!(call.operation, Operation::Write | Operation::Preallocate)
            && let Some((_, count)) =
                KINDS.iter().zip(self.bytes.iter()).find(|(kind, _)| call.path.starts_with(**kind))
        {
            count.fetch_add(call.bytes, Ordering::Relaxed);
        }
        Ok(())
    }
}
