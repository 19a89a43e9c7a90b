//! A directory that tells of every write to its files, once it is done.
//!
//! Always: it changes nothing of what passes, and what failed is not told of. Does not know: what is done with it.

use std::sync::Arc;

use entidb_storage::{Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result, Whereabouts};

/// What was done to a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Write {
    /// Bytes were written.
    Bytes {
        /// Where they begin.
        offset: u64,
        /// How many.
        count: usize,
    },
    /// Room was taken for bytes to come.
    Ahead {
        /// How many.
        count: u64,
    },
}

/// Told of a write; what it fails with, the write fails with.
type Observer = Arc<dyn Fn(&dyn File, Write) -> Result<()> + Send + Sync>;

/// The backend, observed.
pub(crate) fn observed(
    backend: &Backend,
    observer: impl Fn(&dyn File, Write) -> Result<()> + Send + Sync + 'static,
) -> Backend {
    let directory = Observed { inner: Arc::clone(&backend.directory), observer: Arc::new(observer) };
    Backend { directory: Arc::new(directory), ..backend.clone() }
}

struct Observed {
    inner: Arc<dyn Directory>,
    observer: Observer,
}

impl Directory for Observed {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let inner = self.inner.open(name, mode)?;
        Ok(Arc::new(ObservedFile { inner, observer: Arc::clone(&self.observer) }))
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

    fn open_files_max(&self) -> Option<u64> {
        self.inner.open_files_max()
    }
}

struct ObservedFile {
    inner: Arc<dyn File>,
    observer: Observer,
}

impl File for ObservedFile {
    fn path(&self) -> &str {
        self.inner.path()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        let count = self.inner.write_at(offset, bytes)?;
        (self.observer)(&*self.inner, Write::Bytes { offset, count })?;
        Ok(count)
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        let offset = self.inner.append(parts)?;
        let count = parts.iter().map(|part| part.len()).sum();
        (self.observer)(&*self.inner, Write::Bytes { offset, count })?;
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
        (self.observer)(&*self.inner, Write::Ahead { count: len })
    }

    fn flush_data(&self) -> Result<()> {
        self.inner.flush_data()
    }

    fn flush_all(&self) -> Result<()> {
        self.inner.flush_all()
    }
}
