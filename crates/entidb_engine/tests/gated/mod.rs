//! A directory whose calls on names, and writes and flushes of files, a test may refuse, or hold for as long as it wants.
//!
//! Always: the hook sees a call before it happens; what it refuses does not happen.
//! Does not know: the bytes of files.

use std::sync::Arc;

use entidb_storage::{
    Abilities, Backend, Directory, Entry, Error, ErrorKind, File, Lock, LockKind, OpenMode, Operation, Result,
    Whereabouts,
};

/// Sees each call on a name; refuses it with what it returns.
pub(crate) type Hook = Arc<dyn Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync>;

/// The backend, with `hook` before its calls on names and before writes.
pub(crate) fn gated(
    backend: &Backend,
    hook: impl Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync + 'static,
) -> Backend {
    let directory = Gated { inner: Arc::clone(&backend.directory), hook: Arc::new(hook) };
    Backend { directory: Arc::new(directory), ..backend.clone() }
}

struct Gated {
    inner: Arc<dyn Directory>,
    hook: Hook,
}

impl Gated {
    fn pass(&self, operation: Operation, name: &str) -> Result<()> {
        (self.hook)(operation, name).map_or(Ok(()), |kind| Err(Error::new(operation, name, kind)))
    }
}

impl Directory for Gated {
    fn location(&self) -> &str {
        self.inner.location()
    }
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        self.pass(Operation::Open, name)?;
        Ok(Arc::new(GatedFile { inner: self.inner.open(name, mode)?, hook: Arc::clone(&self.hook) }))
    }
    fn create_folder(&self, name: &str) -> Result<()> {
        self.pass(Operation::CreateFolder, name)?;
        self.inner.create_folder(name)
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        self.pass(Operation::RemoveFolder, name)?;
        self.inner.remove_folder(name)
    }
    fn remove(&self, name: &str) -> Result<()> {
        self.pass(Operation::Remove, name)?;
        self.inner.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.pass(Operation::Rename, to)?;
        self.inner.rename(from, to)
    }
    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.pass(Operation::HardLink, from)?;
        self.inner.hard_link(from, to)
    }
    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.inner.list(folder)
    }
    fn flush_names(&self, folder: &str) -> Result<()> {
        self.pass(Operation::FlushNames, folder)?;
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

struct GatedFile {
    inner: Arc<dyn File>,
    hook: Hook,
}

impl GatedFile {
    fn pass(&self, operation: Operation) -> Result<()> {
        let name = self.inner.path();
        (self.hook)(operation, name).map_or(Ok(()), |kind| Err(Error::new(operation, name, kind)))
    }
}

impl File for GatedFile {
    fn path(&self) -> &str {
        self.inner.path()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
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
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.inner.set_len(len)
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.inner.preallocate(offset, len)
    }

    fn flush_data(&self) -> Result<()> {
        self.pass(Operation::FlushData)?;
        self.inner.flush_data()
    }

    fn flush_all(&self) -> Result<()> {
        self.inner.flush_all()
    }
}
