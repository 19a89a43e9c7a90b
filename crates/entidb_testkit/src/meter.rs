//! A directory that counts what is written to the storage beneath it.
//!
//! Always: bytes written ahead count like bytes written; what failed counts for nothing.
//! Does not know: who writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_storage::{Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result, Whereabouts};

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    bytes: Arc<AtomicU64>,
}

impl Meter {
    /// The backend, metered.
    #[must_use]
    pub fn metered(&self, backend: &Backend) -> Backend {
        let directory = Metered { inner: Arc::clone(&backend.directory), meter: self.clone() };
        Backend { directory: Arc::new(directory), ..backend.clone() }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

struct Metered {
    inner: Arc<dyn Directory>,
    meter: Meter,
}

impl Directory for Metered {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let inner = self.inner.open(name, mode)?;
        Ok(Arc::new(MeteredFile { inner, meter: self.meter.clone() }))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        self.inner.create_folder(name)
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        self.inner.remove_folder(name)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.inner.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.inner.hard_link(from, to)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.inner.list(folder)
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        self.inner.flush_names(folder)
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        self.inner.lock(name, kind)
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        self.inner.whereabouts()
    }

    fn free_bytes(&self) -> Result<u64> {
        self.inner.free_bytes()
    }
}

struct MeteredFile {
    inner: Arc<dyn File>,
    meter: Meter,
}

impl File for MeteredFile {
    fn path(&self) -> &str {
        self.inner.path()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        let count = self.inner.write_at(offset, bytes)?;
        self.meter.add(count as u64);
        Ok(count)
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        let offset = self.inner.append(parts)?;
        self.meter.add(parts.iter().map(|part| part.len() as u64).sum());
        Ok(offset)
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.inner.set_len(len)
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.preallocate(offset, len)?;
        self.meter.add(len);
        Ok(())
    }

    fn flush_data(&self) -> Result<()> {
        self.inner.flush_data()
    }

    fn flush_all(&self) -> Result<()> {
        self.inner.flush_all()
    }
}
