//! A directory that counts what reaches the files beneath it, and may make flushes as slow as a disk's.

#![expect(clippy::disallowed_methods, reason = "a test slows a device down")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entidb_storage::{Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result, Whereabouts};

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
    let directory = Counting { inner: Arc::clone(&backend.directory), counts: Arc::clone(&counts), rename };
    (Backend { directory: Arc::new(directory), ..backend.clone() }, counts)
}

struct Counting {
    inner: Arc<dyn Directory>,
    counts: Arc<Counts>,
    rename: bool,
}

struct CountingFile {
    inner: Arc<dyn File>,
    counts: Arc<Counts>,
    is_log: bool,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Directory for Counting {
    fn location(&self) -> &str {
        self.inner.location()
    }
    fn abilities(&self) -> Abilities {
        Abilities { rename: self.rename, ..self.inner.abilities() }
    }
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        count(&self.counts.others);
        let (inner, counts) = (self.inner.open(name, mode)?, Arc::clone(&self.counts));
        Ok(Arc::new(CountingFile { inner, counts, is_log: name.starts_with("wal/") }))
    }
    fn create_folder(&self, name: &str) -> Result<()> {
        self.inner.create_folder(name)
    }
    fn remove_folder(&self, name: &str) -> Result<()> {
        self.inner.remove_folder(name)
    }
    fn remove(&self, name: &str) -> Result<()> {
        count(&self.counts.others);
        self.inner.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        assert!(self.rename, "a storage without rename is asked for one");
        self.inner.rename(from, to)
    }
    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.inner.hard_link(from, to)
    }
    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.inner.list(folder)
    }
    fn flush_names(&self, folder: &str) -> Result<()> {
        count(&self.counts.others);
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

impl File for CountingFile {
    fn path(&self) -> &str {
        self.inner.path()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.inner.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        count(&self.counts.writes);
        if self.is_log {
            self.counts.log_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        self.inner.write_at(offset, bytes)
    }
    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        count(&self.counts.writes);
        self.inner.append(parts)
    }
    fn len(&self) -> Result<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> Result<()> {
        count(&self.counts.others);
        self.inner.set_len(len)
    }
    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        count(&self.counts.others);
        if self.is_log {
            self.counts.log_zeros.fetch_add(len, Ordering::Relaxed);
        }
        self.inner.preallocate(offset, len)
    }
    fn flush_data(&self) -> Result<()> {
        count(&self.counts.flushes);
        std::thread::sleep(Duration::from_micros(self.counts.flush_micros.load(Ordering::Relaxed)));
        self.inner.flush_data()
    }
    fn flush_all(&self) -> Result<()> {
        count(&self.counts.others);
        self.inner.flush_all()
    }
}
