//! The calls on names that Windows offers.
//!
//! Always: our own files are never reached through a reparse point, and only ordinary files are accepted. Names are
//! durable with the file's own flush: Windows has no flush of a folder.
//! Does not know: free space, for which the standard library has no call.

use std::fs::{File, FileType, OpenOptions};
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::held::FileId;
use super::lock::Taken;
use crate::directory::{Abilities, Entry, LockKind, OpenMode, Whereabouts};
use crate::error::ErrorKind;
use crate::name::Name;

type Result<T> = std::result::Result<T, ErrorKind>;

/// Opens the link itself instead of what it points to.
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x0000_0400;
const FILE_SHARE_READ: u32 = 1;
/// What the standard library opens with: reading, writing and deleting by others.
const FILE_SHARE_ALL: u32 = 7;
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_ACCESS_DENIED: i32 = 5;
/// A scanner or indexer that looks at a fresh file lets go within milliseconds; 10 tries make half a second.
const TRIES: u32 = 10;

/// The root folder, by its full path.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
}

/// Handles have no limit of their own here.
pub(super) const fn open_files_max() -> Option<u64> {
    None
}

impl Root {
    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn open(path: &Path) -> Result<Self> {
        // The full path now, so that a later change of the current folder does not move the database.
        let path = std::path::absolute(path).map_err(kind)?;
        if !std::fs::metadata(&path).map_err(kind)?.is_dir() {
            return Err(ErrorKind::NotAFolder);
        }
        Ok(Self { path })
    }

    /// What this folder does beyond the minimum.
    pub(super) fn abilities(&self) -> Abilities {
        Abilities { rename: true, hard_link: true, names_need_flush: false }
    }

    /// Everything is asked by the path here, and a folder in which a file is locked keeps its name.
    pub(super) fn whereabouts(&self, _path: &Path) -> Result<Whereabouts> {
        Ok(if self.folder_path("").is_ok() { Whereabouts::Here } else { Whereabouts::Gone })
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn make(path: &Path) -> Result<()> {
        std::fs::create_dir(path).map_err(kind)
    }

    pub(super) fn make_above(path: &Path) -> Result<()> {
        Self::make(path)
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn unmake(path: &Path) -> Result<()> {
        std::fs::remove_dir(path).map_err(kind)
    }

    pub(super) fn flush_parent(_path: &Path) -> Result<()> {
        Ok(())
    }

    pub(super) fn open_file(&self, name: Name<'_>, mode: OpenMode) -> Result<File> {
        self.open_shared(name, mode, FILE_SHARE_ALL, TRIES)
    }

    /// Takes a lock by opening its file in a sharing mode. An exclusive holder writes and lets others only read; a
    /// shared one reads and lets others only read: so each keeps out whom it must, and the number in the file can be
    /// read all the while. `LockFileEx` would forbid that, since locks of ranges are mandatory here.
    ///
    /// A scanner that looks at the file reads and shares all, which is in nobody's way.
    pub(super) fn lock_file(&self, name: Name<'_>, kind: LockKind) -> Result<Taken> {
        let mode = match kind {
            LockKind::Exclusive => OpenMode::CreateOrOpen,
            LockKind::Shared => OpenMode::Read,
        };
        let busy = ErrorKind::Device { os_code: Some(ERROR_SHARING_VIOLATION) };
        match self.open_shared(name, mode, FILE_SHARE_READ, 1) {
            Ok(file) => return Ok(Taken::Held(file)),
            Err(found) if found == busy => {}
            Err(found) => return Err(found),
        }
        // Where nobody writes the holders are shared ones, and a number in the file is that of somebody long gone.
        if self.open_shared(name, OpenMode::Read, FILE_SHARE_READ, 1).is_ok() {
            return Ok(Taken::Busy(None));
        }
        Ok(Taken::Busy(self.open_shared(name, OpenMode::Read, FILE_SHARE_ALL, 1).ok()))
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    fn open_shared(&self, name: Name<'_>, mode: OpenMode, share: u32, tries: u32) -> Result<File> {
        let path = self.path_of(name)?;
        match std::fs::symlink_metadata(&path) {
            Ok(found) if mode != OpenMode::CreateNew => regular(found.file_type(), found.file_attributes())?,
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(kind(error)),
            Ok(_) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read);
        options.share_mode(share).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
        match mode {
            OpenMode::Read | OpenMode::Write => {}
            OpenMode::CreateNew => {
                options.create_new(true);
            }
            OpenMode::CreateOrOpen => {
                options.create(true).truncate(false);
            }
        }
        let file = patiently(tries, || options.open(&path))?;
        let found = file.metadata().map_err(kind)?;
        regular(found.file_type(), found.file_attributes())?;
        Ok(file)
    }

    /// No folder is locked beside its file: the file of the lock is open in a sharing mode that lets nobody remove or
    /// rename it, nor the folder it is in.
    pub(super) fn open_folder(&self, _name: Name<'_>) -> Result<Option<File>> {
        Ok(None)
    }

    pub(super) fn lock_folder(_folder: &File, _kind: LockKind) -> Result<bool> {
        Ok(true)
    }

    /// Nobody asks: sharing modes hold between the handles of one process too.
    pub(super) fn id_of(_file: &File) -> Result<Option<FileId>> {
        Ok(None)
    }

    pub(super) fn id_of_name(&self, _name: Name<'_>) -> Result<Option<FileId>> {
        Ok(None)
    }

    /// An open file cannot be taken out from under its name here without our sharing mode allowing it, and the lock
    /// file is never removed; so the name is believed.
    pub(super) fn is_same_file(&self, _name: Name<'_>, _file: &File) -> Result<bool> {
        Ok(true)
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn create_folder(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let found = std::fs::symlink_metadata(&path).map_err(kind)?;
                if found.is_dir() { Ok(()) } else { Err(ErrorKind::NotAFolder) }
            }
            Err(error) => Err(kind(error)),
        }
    }

    /// Removes a folder under the root, if it is empty. A file of that name is no folder, and is left alone.
    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn remove_folder(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        if !std::fs::symlink_metadata(&path).map_err(kind)?.is_dir() {
            return Err(ErrorKind::NotAFolder);
        }
        patiently(TRIES, || std::fs::remove_dir(&path))
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn remove(&self, name: Name<'_>) -> Result<()> {
        let path = self.regular_path(name)?;
        patiently(TRIES, || std::fs::remove_file(&path))
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn rename(&self, from: Name<'_>, to: Name<'_>) -> Result<()> {
        let (from, to) = (self.regular_path(from)?, self.path_of(to)?);
        if std::fs::symlink_metadata(&to).is_ok_and(|found| found.is_dir()) {
            return Err(ErrorKind::IsAFolder);
        }
        patiently(TRIES, || std::fs::rename(&from, &to))
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn hard_link(&self, from: Name<'_>, to: Name<'_>) -> Result<()> {
        let (from, to) = (self.regular_path(from)?, self.path_of(to)?);
        std::fs::hard_link(from, to).map_err(kind)
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let folder = self.folder_path(folder)?;
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(kind)? {
            let entry = entry.map_err(kind)?;
            let is_folder = entry.file_type().map_err(kind)?.is_dir();
            entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), is_folder });
        }
        Ok(entries)
    }

    pub(super) fn flush_names(&self, folder: &str) -> Result<()> {
        self.folder_path(folder).map(|_| ())
    }

    pub(super) fn free_bytes(&self) -> Result<u64> {
        Err(ErrorKind::Unsupported)
    }

    /// The path of a folder that is there and is no link.
    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    fn folder_path(&self, folder: &str) -> Result<PathBuf> {
        if folder.is_empty() {
            return Ok(self.path.clone());
        }
        let path = self.path.join(folder);
        let found = std::fs::symlink_metadata(&path).map_err(kind)?;
        if found.is_dir() && found.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
            Ok(path)
        } else {
            Err(ErrorKind::NotAFolder)
        }
    }

    fn path_of(&self, name: Name<'_>) -> Result<PathBuf> {
        Ok(self.folder_path(name.folder)?.join(name.file))
    }

    #[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
    fn regular_path(&self, name: Name<'_>) -> Result<PathBuf> {
        let path = self.path_of(name)?;
        let found = std::fs::symlink_metadata(&path).map_err(kind)?;
        regular(found.file_type(), found.file_attributes())?;
        Ok(path)
    }
}

/// Nobody can say without a call the standard library does not have; [`Root::lock_file`] gives a file to read the
/// number from only while its writer holds the lock.
pub(super) fn is_running(_process: u32) -> bool {
    true
}

fn regular(found: FileType, attributes: u32) -> Result<()> {
    if found.is_dir() {
        Err(ErrorKind::IsAFolder)
    } else if found.is_file() && attributes & FILE_ATTRIBUTE_REPARSE_POINT == 0 {
        Ok(())
    } else {
        Err(ErrorKind::NotARegularFile)
    }
}

/// Tries again while a scanner holds the file, and not for ever.
#[expect(clippy::disallowed_methods, reason = "the backend that wraps the system's files")]
fn patiently<T>(tries_max: u32, mut call: impl FnMut() -> std::io::Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match call() {
            Ok(done) => return Ok(done),
            Err(error)
                if tries < tries_max
                    && matches!(error.raw_os_error(), Some(ERROR_SHARING_VIOLATION | ERROR_ACCESS_DENIED)) =>
            {
                std::thread::sleep(Duration::from_millis(u64::from(tries) * 10));
                tries += 1;
            }
            Err(error) => return Err(kind(error)),
        }
    }
}

fn kind(error: std::io::Error) -> ErrorKind {
    ErrorKind::from_os(&error)
}
