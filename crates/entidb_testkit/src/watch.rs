//! A directory that looks at every byte on its way to the storage.
//!
//! Always: it changes nothing of what passes. A needle is found also where it is spread over several writes.
//! Does not know: what the bytes mean.

use std::sync::Arc;

use entidb_storage::{Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result, Whereabouts};
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
        let directory = Watched { inner: Arc::clone(&backend.directory), watch: self.clone() };
        Backend { directory: Arc::new(directory), ..backend.clone() }
    }

    /// Bytes seen, and the places where the needle was.
    #[must_use]
    pub fn seen(&self) -> (u64, Vec<String>) {
        let seen = self.seen.lock();
        (seen.bytes, seen.found.clone())
    }

    /// Looks at `count` bytes that were just written at `offset`, and at what is around them.
    fn look(&self, file: &dyn File, offset: u64, count: usize) -> Result<()> {
        let margin = self.needle.len() as u64;
        let start = offset.saturating_sub(margin);
        let end = (offset + count as u64 + margin).min(file.len()?);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        file.read_exact_at(start, &mut bytes)?;
        let mut seen = self.seen.lock();
        seen.bytes += count as u64;
        if bytes.windows(self.needle.len()).any(|window| window == &*self.needle) {
            seen.found.push(format!("{} near byte {offset}", file.path()));
        }
        Ok(())
    }
}

struct Watched {
    inner: Arc<dyn Directory>,
    watch: Watch,
}

impl Directory for Watched {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let inner = self.inner.open(name, mode)?;
        Ok(Arc::new(WatchedFile { inner, watch: self.watch.clone() }))
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

struct WatchedFile {
    inner: Arc<dyn File>,
    watch: Watch,
}

impl File for WatchedFile {
    fn path(&self) -> &str {
        self.inner.path()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        let count = self.inner.write_at(offset, bytes)?;
        self.watch.look(&*self.inner, offset, count)?;
        Ok(count)
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        let offset = self.inner.append(parts)?;
        self.watch.look(&*self.inner, offset, parts.iter().map(|part| part.len()).sum())?;
        Ok(offset)
    }

    fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.inner.set_len(len)
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.preallocate(offset, len)
    }

    fn flush_data(&self) -> Result<()> {
        self.inner.flush_data()
    }

    fn flush_all(&self) -> Result<()> {
        self.inner.flush_all()
    }
}
