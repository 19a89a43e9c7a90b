//! A directory made of functions that the program around us supplies: C callbacks, or the imports of a WASM module.
//!
//! Always: names are judged before the host sees them; what the host answers is judged before anyone believes it.
//! Every handle the host gave is given back once.
//! Does not know: how the host keeps bytes. The C form of these functions is the business of `entidb_ffi`.

mod error;
mod file;

use std::sync::Arc;

use crate::directory::{Abilities, Directory, Entry, Lock, LockKind, OpenMode, Whereabouts};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::file::File;
use crate::flushes::Flushes;
use crate::name::Name;
use file::HostFile;

pub use error::{HostError, HostResult};

/// What the host calls an open file or a held lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostHandle(pub u64);

/// The functions a host supplies.
///
/// They may be called from several threads at once. Each keeps the promise of the method of the same name of
/// [`Directory`] or [`File`], durability above all: a flush that returns before the bytes are on stable storage loses
/// acknowledged commits, and nothing here can notice. A failure is a [`HostError`].
pub trait HostFunctions: Send + Sync {
    /// The place for messages.
    fn location(&self) -> String {
        "host storage".to_owned()
    }

    /// What works beyond the minimum.
    fn abilities(&self) -> Abilities;

    /// Opens a file; see [`Directory::open`].
    ///
    /// # Errors
    /// As there.
    fn open(&self, name: &str, mode: OpenMode) -> HostResult<HostHandle>;

    /// The file is used no more. Called once for each handle that [`open`](HostFunctions::open) gave.
    fn close(&self, file: HostHandle);

    /// Reads; see [`File::read_at`].
    ///
    /// # Errors
    /// As there.
    fn read_at(&self, file: HostHandle, offset: u64, buffer: &mut [u8]) -> HostResult<usize>;

    /// Writes; see [`File::write_at`].
    ///
    /// # Errors
    /// As there.
    fn write_at(&self, file: HostHandle, offset: u64, bytes: &[u8]) -> HostResult<usize>;

    /// The length in bytes.
    ///
    /// # Errors
    /// As [`File::len`].
    fn len(&self, file: HostHandle) -> HostResult<u64>;

    /// Cuts or grows with zeros; see [`File::set_len`].
    ///
    /// # Errors
    /// As there.
    fn set_len(&self, file: HostHandle, len: u64) -> HostResult<()>;

    /// Makes bytes durable; see [`File::flush_data`].
    ///
    /// # Errors
    /// As there.
    fn flush_data(&self, file: HostHandle) -> HostResult<()>;

    /// Makes bytes and metadata durable. A host with one kind of flush need not write this one.
    ///
    /// # Errors
    /// As [`File::flush_all`].
    fn flush_all(&self, file: HostHandle) -> HostResult<()> {
        self.flush_data(file)
    }

    /// Makes a folder under the root; see [`Directory::create_folder`].
    ///
    /// # Errors
    /// As there.
    fn create_folder(&self, name: &str) -> HostResult<()>;

    /// Removes a file's name; see [`Directory::remove`].
    ///
    /// # Errors
    /// As there.
    fn remove(&self, name: &str) -> HostResult<()>;

    /// Gives a file another name; see [`Directory::rename`].
    ///
    /// # Errors
    /// As there; `UNSUPPORTED` unless written.
    fn rename(&self, from: &str, to: &str) -> HostResult<()> {
        let _ = (from, to);
        Err(HostError::new(HostError::UNSUPPORTED))
    }

    /// Gives a file a second name; see [`Directory::hard_link`].
    ///
    /// # Errors
    /// As there; `UNSUPPORTED` unless written.
    fn hard_link(&self, from: &str, to: &str) -> HostResult<()> {
        let _ = (from, to);
        Err(HostError::new(HostError::UNSUPPORTED))
    }

    /// Tells `entry` the name of each entry of a folder, and whether it is a folder; in any order.
    ///
    /// # Errors
    /// As [`Directory::list`].
    fn list(&self, folder: &str, entry: &mut dyn FnMut(&str, bool)) -> HostResult<()>;

    /// Makes names durable; see [`Directory::flush_names`].
    ///
    /// # Errors
    /// As there.
    fn flush_names(&self, folder: &str) -> HostResult<()>;

    /// Takes a lock; see [`Directory::lock`]. There is no default: a lock that excludes nobody loses databases.
    ///
    /// # Errors
    /// As there; `LOCKED` carries the holder's process number.
    fn lock(&self, name: &str, kind: LockKind) -> HostResult<HostHandle>;

    /// Lets go. Called once for each handle that [`lock`](HostFunctions::lock) gave.
    fn unlock(&self, lock: HostHandle);

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// As [`Directory::free_bytes`]; `UNSUPPORTED` unless written.
    fn free_bytes(&self) -> HostResult<u64> {
        Err(HostError::new(HostError::UNSUPPORTED))
    }
}

/// A directory made of a host's functions.
pub struct HostDirectory {
    functions: Arc<dyn HostFunctions>,
    location: String,
    flushes: Flushes,
}

impl std::fmt::Debug for HostDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostDirectory").field("location", &self.location).finish_non_exhaustive()
    }
}

impl HostDirectory {
    /// A directory on these functions.
    #[must_use]
    pub fn new(functions: Arc<dyn HostFunctions>) -> Self {
        let location = functions.location();
        Self { functions, location, flushes: Flushes::default() }
    }
}

/// Puts the operation and the name to what the host answered.
fn told<T>(result: HostResult<T>, operation: Operation, name: &str) -> Result<T> {
    result.map_err(|error| Error::new(operation, name, error.kind()))
}

impl Directory for HostDirectory {
    fn location(&self) -> &str {
        &self.location
    }

    fn abilities(&self) -> Abilities {
        self.functions.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        Name::parse(Operation::Open, name)?;
        let handle = told(self.functions.open(name, mode), Operation::Open, name)?;
        Ok(Arc::new(HostFile::new(Arc::clone(&self.functions), handle, name, mode != OpenMode::Read)))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        Name::parse_folder(Operation::CreateFolder, name)?;
        told(self.functions.create_folder(name), Operation::CreateFolder, name)
    }

    /// A host is not asked to: a folder stays once it was made.
    fn remove_folder(&self, name: &str) -> Result<()> {
        Err(Error::new(Operation::RemoveFolder, name, ErrorKind::Unsupported))
    }

    fn remove(&self, name: &str) -> Result<()> {
        Name::parse(Operation::Remove, name)?;
        told(self.functions.remove(name), Operation::Remove, name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        Name::parse(Operation::Rename, from)?;
        Name::parse(Operation::Rename, to)?;
        told(self.functions.rename(from, to), Operation::Rename, from)
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        Name::parse(Operation::HardLink, from)?;
        Name::parse(Operation::HardLink, to)?;
        told(self.functions.hard_link(from, to), Operation::HardLink, from)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        Name::parse_folder_or_root(Operation::List, folder)?;
        let mut entries = Vec::new();
        let mut add = |name: &str, is_folder| entries.push(Entry { name: name.to_owned(), is_folder });
        told(self.functions.list(folder, &mut add), Operation::List, folder)?;
        entries.sort();
        Ok(entries)
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        Name::parse_folder_or_root(Operation::FlushNames, folder)?;
        // That a folder is missing is found before anything is flushed; what else fails is a lost flush.
        let mut early = None;
        let flushed = self.flushes.flush(|| match self.functions.flush_names(folder).map_err(HostError::kind) {
            Err(kind @ (ErrorKind::NotFound | ErrorKind::NotAFolder | ErrorKind::TooManyOpenFiles)) => {
                early = Some(kind);
                Ok(())
            }
            flushed => flushed,
        });
        early.map_or(flushed, Err).map_err(|kind| Error::new(Operation::FlushNames, folder, kind))
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        Name::parse(Operation::Lock, name)?;
        let handle = told(self.functions.lock(name, kind), Operation::Lock, name)?;
        Ok(Box::new(HostLock { functions: Arc::clone(&self.functions), handle, kind }))
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        Ok(Whereabouts::Here)
    }

    fn free_bytes(&self) -> Result<u64> {
        told(self.functions.free_bytes(), Operation::FreeBytes, &self.location)
    }

    fn open_files_max(&self) -> Option<u64> {
        None
    }
}

struct HostLock {
    functions: Arc<dyn HostFunctions>,
    handle: HostHandle,
    kind: LockKind,
}

impl Lock for HostLock {
    fn kind(&self) -> LockKind {
        self.kind
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        self.functions.unlock(self.handle);
    }
}

/// The answer of a host that claims to have moved more bytes than it was given.
fn judge_count(count: usize, given: usize, operation: Operation, name: &str, offset: u64) -> Result<usize> {
    if count <= given {
        Ok(count)
    } else {
        Err(Error::new(operation, name, ErrorKind::Device { os_code: None }).at(offset))
    }
}
