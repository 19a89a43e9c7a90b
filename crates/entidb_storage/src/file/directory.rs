//! A folder of the operating system as the root of a database.
//!
//! Always: only regular files directly in the root or one folder below are touched; files are made for their owner
//! alone (0600, folders 0700). A read-only root refuses every change before asking the system.
//! Does not know: what the files hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::File;
use super::handle::SystemFile;
use super::lock;
use super::open::{self, RootMode};
use super::platform::{self, Root};
use crate::directory::{Abilities, Directory, Entry, Lock, LockKind, OpenMode, Whereabouts};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::name::Name;

/// A folder of the operating system.
///
/// ```
/// use entidb_storage::{Directory, FileDirectory, OpenMode, RootMode};
/// # let place = std::env::temp_dir().join(format!("entidb-doc-{}", std::process::id()));
/// let directory = FileDirectory::open(&place, RootMode::CreateIfMissing)?;
/// let file = directory.open("note", OpenMode::CreateOrOpen)?;
/// file.write_all_at(0, b"kept")?;
/// file.flush_data()?; // the bytes
/// directory.flush_names("")?; // the name
/// # drop(file); directory.remove("note")?; std::fs::remove_dir(&place).ok();
/// # Ok::<(), entidb_storage::Error>(())
/// ```
#[derive(Debug)]
pub struct FileDirectory {
    root: Root,
    location: String,
    /// From the top, so that a later change of the current folder does not matter; none where there is no current folder.
    path: Option<PathBuf>,
    read_only: bool,
}

impl FileDirectory {
    /// Opens or makes the root folder, as `mode` says. A path that is a link to a folder is followed.
    ///
    /// # Errors
    /// `NotFound` (also when the folder above is missing), `NotAFolder`, `FolderNotEmpty` for
    /// [`RootMode::CreateNew`], `PermissionDenied`, `ReadOnly`, `NoSpace`, `TooManyOpenFiles`, `Device`. A failed
    /// open leaves nothing behind.
    pub fn open(path: impl AsRef<Path>, mode: RootMode) -> Result<Self> {
        let path = path.as_ref();
        let location = path.to_string_lossy().into_owned();
        let whole = std::path::absolute(path).ok();
        match open::open_root(path, mode) {
            Ok(root) => Ok(Self { root, location, path: whole, read_only: mode == RootMode::ReadOnly }),
            Err(kind) => Err(Error::new(Operation::OpenRoot, location, kind)),
        }
    }

    /// Removes the root folder at a path if it holds nothing: for a caller that made it in vain.
    ///
    /// # Errors
    /// `NotFound`, `NotAFolder`, `FolderNotEmpty`, `PermissionDenied`, `ReadOnly`, `Device`.
    pub fn remove_empty_root(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        told(Root::unmake(path), Operation::RemoveFolder, &path.to_string_lossy())
    }

    /// Whether a path is that of a folder or lies below it, links followed. Of what does not exist yet the nearest folder above
    /// decides; where that cannot be told it is false.
    ///
    /// ```
    /// use entidb_storage::FileDirectory;
    /// let folder = std::env::temp_dir();
    /// assert!(FileDirectory::is_within(folder.join("new").join("newer"), &folder));
    /// assert!(!FileDirectory::is_within(&folder, folder.join("new")));
    /// ```
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub fn is_within(path: impl AsRef<Path>, folder: impl AsRef<Path>) -> bool {
        let real = |path: &Path| {
            let whole = std::path::absolute(path).ok()?;
            whole.ancestors().find_map(|above| {
                let rest = whole.strip_prefix(above).ok()?;
                Some(std::fs::canonicalize(above).ok()?.join(rest))
            })
        };
        match (real(path.as_ref()), real(folder.as_ref())) {
            (Some(path), Some(folder)) => path.starts_with(folder),
            _ => false,
        }
    }

    fn refuse_if_read_only(&self, operation: Operation, name: &str) -> Result<()> {
        if self.read_only { Err(Error::new(operation, name, ErrorKind::ReadOnly)) } else { Ok(()) }
    }
}

/// Puts the operation and the name to what the platform found.
fn told<T>(result: std::result::Result<T, ErrorKind>, operation: Operation, name: &str) -> Result<T> {
    result.map_err(|kind| Error::new(operation, name, kind))
}

impl Directory for FileDirectory {
    fn location(&self) -> &str {
        &self.location
    }

    fn abilities(&self) -> Abilities {
        self.root.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let parsed = Name::parse(Operation::Open, name)?;
        let writable = mode != OpenMode::Read;
        if writable {
            self.refuse_if_read_only(Operation::Open, name)?;
        }
        let handle = told(self.root.open_file(parsed, mode), Operation::Open, name)?;
        Ok(Arc::new(SystemFile::new(handle, name, writable)))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        let parsed = Name::parse_folder(Operation::CreateFolder, name)?;
        self.refuse_if_read_only(Operation::CreateFolder, name)?;
        told(self.root.create_folder(parsed), Operation::CreateFolder, name)
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        let parsed = Name::parse_folder(Operation::RemoveFolder, name)?;
        self.refuse_if_read_only(Operation::RemoveFolder, name)?;
        told(self.root.remove_folder(parsed), Operation::RemoveFolder, name)
    }

    fn remove(&self, name: &str) -> Result<()> {
        let parsed = Name::parse(Operation::Remove, name)?;
        self.refuse_if_read_only(Operation::Remove, name)?;
        told(self.root.remove(parsed), Operation::Remove, name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let old = Name::parse(Operation::Rename, from)?;
        let new = Name::parse(Operation::Rename, to)?;
        self.refuse_if_read_only(Operation::Rename, from)?;
        if !self.abilities().rename {
            return Err(Error::new(Operation::Rename, from, ErrorKind::Unsupported));
        }
        told(self.root.rename(old, new), Operation::Rename, from)
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        let old = Name::parse(Operation::HardLink, from)?;
        let new = Name::parse(Operation::HardLink, to)?;
        self.refuse_if_read_only(Operation::HardLink, from)?;
        told(self.root.hard_link(old, new), Operation::HardLink, from)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let parsed = Name::parse_folder_or_root(Operation::List, folder)?;
        let mut entries = told(self.root.list(parsed), Operation::List, folder)?;
        entries.sort();
        Ok(entries)
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        let parsed = Name::parse_folder_or_root(Operation::FlushNames, folder)?;
        if self.read_only {
            // No name was changed through this directory, so there is nothing to make durable.
            return Ok(());
        }
        told(self.root.flush_names(parsed), Operation::FlushNames, folder)
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        let parsed = Name::parse(Operation::Lock, name)?;
        // With the folder: a process that is kept out asks which database it is, and the name is the same in all of them.
        let path = Path::new(&self.location).join(name).to_string_lossy().into_owned();
        if kind == LockKind::Exclusive {
            self.refuse_if_read_only(Operation::Lock, &path)?;
        }
        let lock = told(lock::take(&self.root, parsed, kind), Operation::Lock, &path)?;
        Ok(Box::new(lock))
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        match &self.path {
            Some(path) => told(self.root.whereabouts(path), Operation::Locate, &self.location),
            None => Ok(Whereabouts::Here),
        }
    }

    fn free_bytes(&self) -> Result<u64> {
        told(self.root.free_bytes(), Operation::FreeBytes, &self.location)
    }

    fn open_files_max(&self) -> Option<u64> {
        platform::open_files_max()
    }
}
