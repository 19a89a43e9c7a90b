//! A backend with a keeper: a function that sees each call before it is made and may hold it up, make it fail, or do
//! something else in the meantime.
//!
//! Always: nothing of the gate is locked while the keeper runs, so it may use the database whose call it sees, as another
//! thread could at that moment; it sees the calls that this leads to as well.
//! Does not know: what the calls mean.

use std::sync::Arc;

use entidb_storage::{
    Abilities, Advice, Backend, Directory, Entry, Error, ErrorKind, File, Lock, LockKind, OpenMode, Operation, Result,
    Whereabouts,
};
use parking_lot::Mutex;

/// Sees an operation and the path it is about; the kind of error the call is to fail with, if it is to fail.
type Keeper = Arc<dyn Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync>;

/// The place the calls of a backend go through.
#[derive(Clone, Default)]
pub struct Gate {
    keeper: Arc<Mutex<Option<Keeper>>>,
}

impl Gate {
    /// The backend, with all its calls on files and names going through this gate.
    #[must_use]
    pub fn guarded(&self, backend: &Backend) -> Backend {
        let directory = GuardedDirectory { inner: Arc::clone(&backend.directory), gate: self.clone() };
        Backend { directory: Arc::new(directory), ..backend.clone() }
    }

    /// Lets the keeper see every call from now on.
    pub fn keep(&self, keeper: impl Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync + 'static) {
        *self.keeper.lock() = Some(Arc::new(keeper));
    }

    /// Lets every call pass from now on.
    pub fn open(&self) {
        *self.keeper.lock() = None;
    }

    fn pass(&self, operation: Operation, path: &str) -> Result<()> {
        let keeper = self.keeper.lock().clone();
        let kind = keeper.and_then(|keeper| keeper(operation, path));
        kind.map_or(Ok(()), |kind| Err(Error::new(operation, path, kind)))
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("kept", &self.keeper.lock().is_some()).finish()
    }
}

struct GuardedDirectory {
    inner: Arc<dyn Directory>,
    gate: Gate,
}

impl Directory for GuardedDirectory {
    fn location(&self) -> &str {
        self.inner.location()
    }

    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        self.gate.pass(Operation::Open, name)?;
        let inner = self.inner.open(name, mode)?;
        Ok(Arc::new(GuardedFile { inner, gate: self.gate.clone() }))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        self.gate.pass(Operation::CreateFolder, name)?;
        self.inner.create_folder(name)
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        self.gate.pass(Operation::RemoveFolder, name)?;
        self.inner.remove_folder(name)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.gate.pass(Operation::Remove, name)?;
        self.inner.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.gate.pass(Operation::Rename, from)?;
        self.inner.rename(from, to)
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.gate.pass(Operation::HardLink, from)?;
        self.inner.hard_link(from, to)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.gate.pass(Operation::List, folder)?;
        self.inner.list(folder)
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        self.gate.pass(Operation::FlushNames, folder)?;
        self.inner.flush_names(folder)
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        self.gate.pass(Operation::Lock, name)?;
        self.inner.lock(name, kind)
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        self.gate.pass(Operation::Locate, "")?;
        self.inner.whereabouts()
    }

    fn free_bytes(&self) -> Result<u64> {
        self.gate.pass(Operation::FreeBytes, "")?;
        self.inner.free_bytes()
    }

    fn open_files_max(&self) -> Option<u64> {
        self.inner.open_files_max()
    }
}

struct GuardedFile {
    inner: Arc<dyn File>,
    gate: Gate,
}

impl GuardedFile {
    fn pass(&self, operation: Operation) -> Result<()> {
        self.gate.pass(operation, self.inner.path())
    }
}

impl File for GuardedFile {
    fn path(&self) -> &str {
        self.inner.path()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.pass(Operation::Read)?;
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.pass(Operation::Write)?;
        self.inner.write_at(offset, bytes)
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        self.pass(Operation::Write)?;
        self.inner.append(parts)
    }

    fn len(&self) -> Result<u64> {
        self.pass(Operation::Len)?;
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.pass(Operation::SetLen)?;
        self.inner.set_len(len)
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.pass(Operation::Preallocate)?;
        self.inner.preallocate(offset, len)
    }

    fn flush_data(&self) -> Result<()> {
        self.pass(Operation::FlushData)?;
        self.inner.flush_data()
    }

    fn flush_all(&self) -> Result<()> {
        self.pass(Operation::FlushAll)?;
        self.inner.flush_all()
    }

    fn start_writeback(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.start_writeback(offset, len)
    }

    fn advise(&self, offset: u64, len: u64, advice: Advice) {
        self.inner.advise(offset, len, advice);
    }
}
