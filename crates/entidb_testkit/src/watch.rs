//! A directory that looks at every byte on its way to the storage.
//!
//! Always: it changes nothing of what passes. A needle is found also where it is spread over several writes.
//! Does not know: what the bytes mean.

use std::sync::Arc;

use entidb_storage::{Backend, Call, File, Operation, Result, Watcher};
use parking_lot::Mutex;

/// What was written, and whether the needle was in it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Bytes written.
    pub bytes: u64,
    /// Where the needle was found.
    pub found: Vec<String>,
}

/// Looks for a needle in everything that is written through a backend.
#[derive(Debug, Clone)]
pub struct Watch {
    needle: Arc<[u8]>,
    seen: Arc<Mutex<Seen>>,
}

impl Watch {
    /// Looks for `needle`.
    #[must_use]
    pub fn for_needle(needle: &[u8]) -> Self {
        Self { needle: needle.into(), seen: Arc::default() }
    }

    /// The backend, watched.
    #[must_use]
    pub fn watched(&self, backend: &Backend) -> Backend {
        backend.watched(Arc::new(self.clone()))
    }

    /// Bytes seen, and the places where the needle was.
    #[must_use]
    pub fn seen(&self) -> (u64, Vec<String>) {
        let seen = self.seen.lock();
        (seen.bytes, seen.found.clone())
    }

    /// Looks at `count` bytes that were just written at `offset`, and at what is around them.
    fn look(&self, file: &dyn File, offset: u64, count: u64) -> Result<()> {
        let margin = self.needle.len() as u64;
        let start = offset.saturating_sub(margin);
        let end = (offset + count + margin).min(file.len()?);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        file.read_exact_at(start, &mut bytes)?;
        let mut seen = self.seen.lock();
        seen.bytes += count;
        if bytes.windows(self.needle.len()).any(|window| window == &*self.needle) {
            seen.found.push(format!("{} near byte {offset}", file.path()));
        }
        Ok(())
    }
}

impl Watcher for Watch {
    fn after(&self, call: &Call<'_>) -> Result<()> {
        match call.file {
            Some(file) if call.operation == Operation::Write => self.look(file, call.offset, call.bytes),
            _ => Ok(()),
        }
    }
}
