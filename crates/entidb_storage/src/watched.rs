//! A directory that shows a watcher every call on it and on its files: before the call is made, and when it has succeeded.
//!
//! Always: everything a directory and a file can do is handed on, so that what is built on this one forgets no call. What
//! the watcher refuses does not happen.
//! Does not know: what the calls mean. For tests and benches.

use std::sync::Arc;

use crate::backend::Backend;
use crate::directory::{Abilities, Directory, Entry, Lock, LockKind, OpenMode, Whereabouts};
use crate::error::{Operation, Result};
use crate::file::{Advice, File};

/// A call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// What is done.
    pub operation: Operation,
    /// The file or folder; empty for a call on the directory itself.
    pub path: &'a str,
    /// The new name, for a rename and a link.
    pub to: &'a str,
    /// Where the bytes begin that are read, written or preallocated.
    pub offset: u64,
    /// How many bytes: of the request before the call, of the result after it.
    pub bytes: u64,
    /// The open file, for calls on one.
    pub file: Option<&'a dyn File>,
}

/// Sees the calls on a directory and its files.
pub trait Watcher: Send + Sync {
    /// Sees a call before it is made, and refuses it with what it returns.
    ///
    /// # Errors
    /// What the call is to fail with.
    fn before(&self, call: &Call<'_>) -> Result<()> {
        let _ = call;
        Ok(())
    }

    /// Sees a call that has succeeded; what it returns, the call returns.
    ///
    /// # Errors
    /// What the call is to fail with although it was done.
    fn after(&self, call: &Call<'_>) -> Result<()> {
        let _ = call;
        Ok(())
    }

    /// What the directory says it can do.
    fn abilities(&self, found: Abilities) -> Abilities {
        found
    }
}

impl Backend {
    /// This backend, with the calls on its directory shown to a watcher.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use entidb_storage::{Backend, Call, OpenMode, Operation, Watcher};
    ///
    /// #[derive(Default)]
    /// struct Flushes(AtomicU64);
    ///
    /// impl Watcher for Flushes {
    ///     fn after(&self, call: &Call<'_>) -> entidb_storage::Result<()> {
    ///         self.0.fetch_add(u64::from(call.operation == Operation::FlushData), Ordering::Relaxed);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let flushes = Arc::new(Flushes::default());
    /// let backend = Backend::memory().watched(Arc::clone(&flushes) as _);
    /// backend.directory.open("note", OpenMode::CreateNew)?.flush_data()?;
    /// assert_eq!(flushes.0.load(Ordering::Relaxed), 1);
    /// # Ok::<(), entidb_storage::Error>(())
    /// ```
    #[must_use]
    pub fn watched(&self, watcher: Arc<dyn Watcher>) -> Self {
        let directory = Watched { inner: Arc::clone(&self.directory), watcher };
        Self { directory: Arc::new(directory), ..self.clone() }
    }
}

/// A directory or a file, and the watcher of the calls on it.
struct Watched<Inner: ?Sized> {
    inner: Arc<Inner>,
    watcher: Arc<dyn Watcher>,
}

impl<Inner: ?Sized> Watched<Inner> {
    fn pass<T>(
        &self,
        call: Call<'_>,
        make: impl FnOnce(&Inner) -> Result<T>,
        bytes: impl FnOnce(&T) -> u64,
    ) -> Result<T> {
        self.watcher.before(&call)?;
        let made = make(&self.inner)?;
        self.watcher.after(&Call { bytes: bytes(&made), ..call })?;
        Ok(made)
    }
}

impl Watched<dyn Directory> {
    fn named<T>(
        &self,
        operation: Operation,
        path: &str,
        to: &str,
        make: impl FnOnce(&(dyn Directory + 'static)) -> Result<T>,
    ) -> Result<T> {
        self.pass(Call { operation, path, to, offset: 0, bytes: 0, file: None }, make, |_| 0)
    }
}

impl Watched<dyn File> {
    fn call(&self, operation: Operation, offset: u64, bytes: u64) -> Call<'_> {
        Call { operation, path: self.inner.path(), to: "", offset, bytes, file: Some(&*self.inner) }
    }
}

impl Directory for Watched<dyn Directory> {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn abilities(&self) -> Abilities {
        self.watcher.abilities(self.inner.abilities())
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let inner = self.named(Operation::Open, name, "", |inner| inner.open(name, mode))?;
        Ok(Arc::new(Watched { inner, watcher: Arc::clone(&self.watcher) }))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        self.named(Operation::CreateFolder, name, "", |inner| inner.create_folder(name))
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        self.named(Operation::RemoveFolder, name, "", |inner| inner.remove_folder(name))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.named(Operation::Remove, name, "", |inner| inner.remove(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.named(Operation::Rename, from, to, |inner| inner.rename(from, to))
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.named(Operation::HardLink, from, to, |inner| inner.hard_link(from, to))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.named(Operation::List, folder, "", |inner| inner.list(folder))
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        self.named(Operation::FlushNames, folder, "", |inner| inner.flush_names(folder))
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        self.named(Operation::Lock, name, "", |inner| inner.lock(name, kind))
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        self.named(Operation::Locate, "", "", |inner| inner.whereabouts())
    }

    fn free_bytes(&self) -> Result<u64> {
        self.named(Operation::FreeBytes, "", "", |inner| inner.free_bytes())
    }

    fn open_files_max(&self) -> Option<u64> {
        self.inner.open_files_max()
    }
}

impl File for Watched<dyn File> {
    fn path(&self) -> &str {
        self.inner.path()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let call = self.call(Operation::Read, offset, buffer.len() as u64);
        self.pass(call, |inner| inner.read_at(offset, buffer), |read| *read as u64)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        let call = self.call(Operation::Write, offset, bytes.len() as u64);
        self.pass(call, |inner| inner.write_at(offset, bytes), |written| *written as u64)
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        let call = self.call(Operation::Write, 0, bytes);
        self.watcher.before(&call)?;
        let offset = self.inner.append(parts)?;
        self.watcher.after(&Call { offset, ..call })?;
        Ok(offset)
    }

    fn len(&self) -> Result<u64> {
        self.pass(self.call(Operation::Len, 0, 0), |inner| inner.len(), |_| 0)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.pass(self.call(Operation::SetLen, len, 0), |inner| inner.set_len(len), |()| 0)
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.pass(self.call(Operation::Preallocate, offset, len), |inner| inner.preallocate(offset, len), |()| len)
    }

    fn flush_data(&self) -> Result<()> {
        self.pass(self.call(Operation::FlushData, 0, 0), |inner| inner.flush_data(), |()| 0)
    }

    fn flush_all(&self) -> Result<()> {
        self.pass(self.call(Operation::FlushAll, 0, 0), |inner| inner.flush_all(), |()| 0)
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.start_writeback(offset, len)
    }

    fn advise(&self, offset: u64, len: u64, advice: Advice) {
        self.inner.advise(offset, len, advice);
    }
}
