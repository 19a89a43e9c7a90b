//! A directory in memory, for databases that need not outlive the process, and for tests.
//!
//! Always: it behaves as the operating system's files do, locks and errors included. A removed file lives on in its
//! open handles. When a capacity is set, bytes count against it as they would on a device.
//! Does not know: crashes; see `simulated`.

mod content;
mod lock;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::sync::Mutex;

use crate::directory::{Abilities, Directory, Entry, Lock, LockKind, OpenMode, Whereabouts};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::file::File;
use crate::name::Name;
use content::{Content, MemoryFile, Room};
use lock::Locks;

/// A directory in memory.
///
/// ```
/// use entidb_storage::{Directory, MemoryDirectory, OpenMode};
/// let directory = MemoryDirectory::new();
/// directory.open("note", OpenMode::CreateNew)?.append(&[b"hello"])?;
/// assert_eq!(directory.open("note", OpenMode::Read)?.len()?, 5);
/// # Ok::<(), entidb_storage::Error>(())
/// ```
#[derive(Debug)]
pub struct MemoryDirectory {
    names: Mutex<Names>,
    locks: Locks,
    room: Arc<Room>,
}

#[derive(Debug, Default)]
struct Names {
    folders: BTreeSet<String>,
    /// By whole name, `file` or `folder/file`.
    files: BTreeMap<String, Arc<Content>>,
}

impl Default for MemoryDirectory {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDirectory {
    /// An empty directory that may grow as far as memory goes.
    #[must_use]
    pub fn new() -> Self {
        Self { names: Mutex::default(), locks: Locks::default(), room: Arc::new(Room::new(None)) }
    }

    /// An empty directory whose files hold no more than `capacity_bytes` together; past that is `NoSpace`.
    #[must_use]
    pub fn with_capacity(capacity_bytes: u64) -> Self {
        Self { names: Mutex::default(), locks: Locks::default(), room: Arc::new(Room::new(Some(capacity_bytes))) }
    }

    /// Bytes the files hold together. Holes cost nothing.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.room.used()
    }
}

impl Names {
    /// The file of that name, with the errors a file system would give on the way.
    fn file(&self, whole: &str, name: Name<'_>) -> std::result::Result<&Arc<Content>, ErrorKind> {
        self.enter(name.folder)?;
        match self.files.get(whole) {
            Some(content) => Ok(content),
            None if name.folder.is_empty() && self.folders.contains(name.file) => Err(ErrorKind::IsAFolder),
            None => Err(ErrorKind::NotFound),
        }
    }

    fn enter(&self, folder: &str) -> std::result::Result<(), ErrorKind> {
        if folder.is_empty() || self.folders.contains(folder) {
            Ok(())
        } else if self.files.contains_key(folder) {
            Err(ErrorKind::NotAFolder)
        } else {
            Err(ErrorKind::NotFound)
        }
    }

    fn open(
        &mut self,
        whole: &str,
        name: Name<'_>,
        mode: OpenMode,
        room: &Arc<Room>,
    ) -> std::result::Result<Arc<Content>, ErrorKind> {
        match self.file(whole, name) {
            Ok(_) if mode == OpenMode::CreateNew => Err(ErrorKind::AlreadyExists),
            Ok(content) => Ok(Arc::clone(content)),
            // A name is taken by whatever has it.
            Err(ErrorKind::IsAFolder) if mode == OpenMode::CreateNew => Err(ErrorKind::AlreadyExists),
            Err(ErrorKind::NotFound) if matches!(mode, OpenMode::CreateNew | OpenMode::CreateOrOpen) => {
                self.enter(name.folder)?;
                let content = Arc::new(Content::new(Arc::clone(room)));
                self.files.insert(whole.to_owned(), Arc::clone(&content));
                Ok(content)
            }
            Err(kind) => Err(kind),
        }
    }
}

fn told<T>(result: std::result::Result<T, ErrorKind>, operation: Operation, name: &str) -> Result<T> {
    result.map_err(|kind| Error::new(operation, name, kind))
}

impl Directory for MemoryDirectory {
    fn location(&self) -> &'static str {
        "memory"
    }

    fn abilities(&self) -> Abilities {
        Abilities { rename: true, hard_link: true, names_need_flush: false }
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let parsed = Name::parse(Operation::Open, name)?;
        let content = told(self.names.lock().open(name, parsed, mode, &self.room), Operation::Open, name)?;
        Ok(Arc::new(MemoryFile::new(content, name, mode != OpenMode::Read)))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        let folder = Name::parse_folder(Operation::CreateFolder, name)?;
        let mut names = self.names.lock();
        if names.files.contains_key(folder) {
            return Err(Error::new(Operation::CreateFolder, name, ErrorKind::NotAFolder));
        }
        names.folders.insert(folder.to_owned());
        Ok(())
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        let folder = Name::parse_folder(Operation::RemoveFolder, name)?;
        let mut names = self.names.lock();
        told(names.enter(folder), Operation::RemoveFolder, name)?;
        if names.files.keys().any(|whole| whole.split_once('/').is_some_and(|(inside, _)| inside == folder)) {
            return Err(Error::new(Operation::RemoveFolder, name, ErrorKind::FolderNotEmpty));
        }
        names.folders.remove(folder);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        let parsed = Name::parse(Operation::Remove, name)?;
        let mut names = self.names.lock();
        told(names.file(name, parsed).map(|_| ()), Operation::Remove, name)?;
        names.files.remove(name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let old = Name::parse(Operation::Rename, from)?;
        let new = Name::parse(Operation::Rename, to)?;
        let mut names = self.names.lock();
        let content = Arc::clone(told(names.file(from, old), Operation::Rename, from)?);
        match names.file(to, new) {
            Ok(_) => {}
            Err(ErrorKind::NotFound) => told(names.enter(new.folder), Operation::Rename, from)?,
            Err(kind) => return Err(Error::new(Operation::Rename, from, kind)),
        }
        // Two names of one file: a rename from one to the other changes nothing, as on Unix.
        if names.files.get(to).is_some_and(|other| Arc::ptr_eq(other, &content)) {
            return Ok(());
        }
        names.files.remove(from);
        names.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        let old = Name::parse(Operation::HardLink, from)?;
        let new = Name::parse(Operation::HardLink, to)?;
        let mut names = self.names.lock();
        let content = Arc::clone(told(names.file(from, old), Operation::HardLink, from)?);
        match names.file(to, new) {
            Ok(_) | Err(ErrorKind::IsAFolder) => {
                return Err(Error::new(Operation::HardLink, from, ErrorKind::AlreadyExists));
            }
            Err(ErrorKind::NotFound) => told(names.enter(new.folder), Operation::HardLink, from)?,
            Err(kind) => return Err(Error::new(Operation::HardLink, from, kind)),
        }
        names.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let folder = Name::parse_folder_or_root(Operation::List, folder)?;
        let names = self.names.lock();
        told(names.enter(folder), Operation::List, folder)?;
        let files = names.files.keys().filter_map(|whole| {
            let (inside, name) = whole.rsplit_once('/').unwrap_or(("", whole));
            (inside == folder).then(|| Entry { name: name.to_owned(), is_folder: false })
        });
        let mut entries: Vec<_> = files.collect();
        if folder.is_empty() {
            entries.extend(names.folders.iter().map(|name| Entry { name: name.clone(), is_folder: true }));
        }
        entries.sort();
        Ok(entries)
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        let folder = Name::parse_folder_or_root(Operation::FlushNames, folder)?;
        told(self.names.lock().enter(folder), Operation::FlushNames, folder)
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        let parsed = Name::parse(Operation::Lock, name)?;
        let mode = match kind {
            LockKind::Exclusive => OpenMode::CreateOrOpen,
            LockKind::Shared => OpenMode::Read,
        };
        // First what its folder says, so that a refused lock makes no file.
        told(self.names.lock().enter(parsed.folder), Operation::Lock, name)?;
        let lock = told(self.locks.take(parsed.folder, kind), Operation::Lock, name)?;
        told(self.names.lock().open(name, parsed, mode, &self.room), Operation::Lock, name)?;
        Ok(Box::new(lock))
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        Ok(Whereabouts::Here)
    }

    fn free_bytes(&self) -> Result<u64> {
        self.room.free().ok_or_else(|| Error::new(Operation::FreeBytes, self.location(), ErrorKind::Unsupported))
    }

    fn open_files_max(&self) -> Option<u64> {
        None
    }
}
