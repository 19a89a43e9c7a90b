//! The calls on names that Unix systems offer: Linux, Android, macOS, iOS, the BSDs.
//!
//! Always: everything is asked relative to the open root folder, so renaming or replacing the path of the root while
//! we run cannot make us touch another database. Our own files and folders are never reached through a link, and a
//! pipe or device is refused before it is opened.
//! Does not know: what an error means to the caller beyond its kind.

use std::fs::{File, TryLockError};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::held::FileId;
use super::lock::Taken;
use crate::directory::{Abilities, Entry, LockKind, OpenMode, Whereabouts};
use crate::error::ErrorKind;
use crate::flushes::Flushes;
use crate::name::Name;

type Result<T> = std::result::Result<T, ErrorKind>;

/// The open root folder.
#[derive(Debug)]
pub(super) struct Root {
    folder: OwnedFd,
    renames_atomically: bool,
    /// Of the names in any folder: once one failed, no later one can be believed.
    flushes: Flushes,
}

/// How many files the process may have open at once.
pub(super) fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// A folder under the root, or the root.
enum Folder<'a> {
    Root(BorrowedFd<'a>),
    Under(OwnedFd),
}

impl AsFd for Folder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(folder) => *folder,
            Self::Under(folder) => folder.as_fd(),
        }
    }
}

impl Root {
    /// Opens the folder. A link to a folder is followed here and only here: it is the caller's own path.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(kind)?;
        let renames_atomically = renames_atomically(&folder);
        Ok(Self { folder, renames_atomically, flushes: Flushes::default() })
    }

    /// What this folder does beyond the minimum.
    pub(super) fn abilities(&self) -> Abilities {
        Abilities { rename: self.renames_atomically, hard_link: true, names_need_flush: true }
    }

    /// What a path leads to now.
    pub(super) fn whereabouts(&self, path: &Path) -> Result<Whereabouts> {
        let there = match rustix::fs::statat(CWD, path, AtFlags::empty()) {
            Ok(there) => id(&there),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Whereabouts::Gone),
            Err(error) => return Err(kind(error)),
        };
        let here = id(&rustix::fs::fstat(&self.folder).map_err(kind)?);
        Ok(if there == here { Whereabouts::Here } else { Whereabouts::Elsewhere })
    }

    /// Makes the folder, for us alone.
    pub(super) fn make(path: &Path) -> Result<()> {
        rustix::fs::mkdirat(CWD, path, Mode::RWXU).map_err(kind)
    }

    /// Makes a folder above the root, which may be for others too, as far as the system's mask lets them.
    pub(super) fn make_above(path: &Path) -> Result<()> {
        rustix::fs::mkdirat(CWD, path, Mode::RWXU | Mode::RWXG | Mode::RWXO).map_err(kind)
    }

    /// Takes back the folder that [`make`](Self::make) made. It goes only when it is empty, so nothing can be lost.
    pub(super) fn unmake(path: &Path) -> Result<()> {
        rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(kind)
    }

    /// Makes the name of the root itself durable.
    pub(super) fn flush_parent(path: &Path) -> Result<()> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            Some(_) => PathBuf::from("."),
            None => return Ok(()),
        };
        let parent = Self::open(&parent)?;
        flush(parent.folder)
    }

    /// Opens a regular file.
    pub(super) fn open_file(&self, name: Name<'_>, mode: OpenMode) -> Result<File> {
        let folder = self.folder(name.folder)?;
        if mode != OpenMode::CreateNew {
            // Opening a device can do things (rewind a tape, arm a watchdog), so we look before we open.
            match file_type(&folder, name.file) {
                Ok(found) => regular(found)?,
                Err(ErrorKind::NotFound) if mode == OpenMode::CreateOrOpen => {}
                Err(other) => return Err(other),
            }
        }
        let access = match mode {
            OpenMode::Read => OFlags::RDONLY,
            OpenMode::Write => OFlags::RDWR,
            OpenMode::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            OpenMode::CreateOrOpen => OFlags::RDWR | OFlags::CREATE,
        };
        // NONBLOCK so that a pipe put there since we looked cannot hold us; it means nothing to a regular file.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name.file, flags, Mode::RUSR | Mode::WUSR).map_err(kind)?;
        let found = rustix::fs::fstat(&file).map_err(kind)?;
        regular(FileType::from_raw_mode(found.st_mode))?;
        Ok(File::from(file))
    }

    /// Takes a lock without waiting.
    pub(super) fn lock_file(&self, name: Name<'_>, kind: LockKind) -> Result<Taken> {
        let mode = match kind {
            LockKind::Exclusive => OpenMode::CreateOrOpen,
            LockKind::Shared => OpenMode::Read,
        };
        let file = self.open_file(name, mode)?;
        let taken = match kind {
            LockKind::Exclusive => file.try_lock(),
            LockKind::Shared => file.try_lock_shared(),
        };
        match taken {
            Ok(()) => Ok(Taken::Held(file)),
            Err(TryLockError::WouldBlock) => Ok(Taken::Busy(Some(file))),
            Err(TryLockError::Error(error)) => Err(ErrorKind::from_os(&error)),
        }
    }

    /// Opens the folder of a name, to be locked.
    pub(super) fn open_folder(&self, name: Name<'_>) -> Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.folder(name.folder)? {
            Folder::Under(folder) => Ok(Some(File::from(folder))),
            // Opened anew: a lock is held on an open file, and that of the root is open for as long as the root is.
            Folder::Root(root) => {
                let folder = rustix::fs::openat(root, ".", flags, Mode::empty()).map_err(kind)?;
                Ok(Some(File::from(folder)))
            }
        }
    }

    /// Takes a lock on a folder itself, without waiting; false when somebody else has it. A file system that locks files
    /// and no folders (POSIX asks for a handle that may write, which no folder has) leaves it at the lock of the file.
    pub(super) fn lock_folder(folder: &File, kind: LockKind) -> Result<bool> {
        let taken = match kind {
            LockKind::Exclusive => folder.try_lock(),
            LockKind::Shared => folder.try_lock_shared(),
        };
        let lacking = |error: &std::io::Error| {
            error.kind() == std::io::ErrorKind::Unsupported
                || [Errno::BADF, Errno::NOLCK, Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS]
                    .iter()
                    .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
        };
        match taken {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) if lacking(&error) => Ok(true),
            Err(TryLockError::Error(error)) => Err(ErrorKind::from_os(&error)),
        }
    }

    /// Which file or folder an open one is.
    pub(super) fn id_of(file: &File) -> Result<Option<FileId>> {
        let found = rustix::fs::fstat(file).map_err(kind)?;
        Ok(Some(id(&found)))
    }

    /// Which file has a name, if any.
    pub(super) fn id_of_name(&self, name: Name<'_>) -> Result<Option<FileId>> {
        let folder = self.folder(name.folder)?;
        match rustix::fs::statat(&folder, name.file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok(Some(id(&named))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(kind(error)),
        }
    }

    /// True when `name` still means the file behind `file`.
    pub(super) fn is_same_file(&self, name: Name<'_>, file: &File) -> Result<bool> {
        Ok(self.id_of_name(name)? == Self::id_of(file)?)
    }

    /// Makes a folder under the root, or finds it there.
    pub(super) fn create_folder(&self, name: &str) -> Result<()> {
        match rustix::fs::mkdirat(&self.folder, name, Mode::RWXU) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => match file_type(&self.folder, name)? {
                FileType::Directory => Ok(()),
                _ => Err(ErrorKind::NotAFolder),
            },
            Err(error) => Err(kind(error)),
        }
    }

    /// Removes a folder under the root, if it is empty.
    pub(super) fn remove_folder(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.folder, name, AtFlags::REMOVEDIR) {
            // POSIX leaves the choice between the two.
            Err(Errno::EXIST | Errno::NOTEMPTY) => Err(ErrorKind::FolderNotEmpty),
            removed => removed.map_err(kind),
        }
    }

    /// Removes a regular file's name.
    pub(super) fn remove(&self, name: Name<'_>) -> Result<()> {
        let folder = self.folder(name.folder)?;
        regular(file_type(&folder, name.file)?)?;
        rustix::fs::unlinkat(&folder, name.file, AtFlags::empty()).map_err(kind)
    }

    /// Gives a regular file another name, replacing what had it.
    pub(super) fn rename(&self, from: Name<'_>, to: Name<'_>) -> Result<()> {
        let (old, new) = (self.folder(from.folder)?, self.folder(to.folder)?);
        regular(file_type(&old, from.file)?)?;
        rustix::fs::renameat(&old, from.file, &new, to.file).map_err(kind)
    }

    /// Gives a regular file a second name.
    pub(super) fn hard_link(&self, from: Name<'_>, to: Name<'_>) -> Result<()> {
        let (old, new) = (self.folder(from.folder)?, self.folder(to.folder)?);
        regular(file_type(&old, from.file)?)?;
        match rustix::fs::linkat(&old, from.file, &new, to.file, AtFlags::empty()) {
            Ok(()) => Ok(()),
            // What FAT, exFAT and some network file systems answer: they have no second names.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => Err(ErrorKind::Unsupported),
            Err(error) => Err(kind(error)),
        }
    }

    /// The entries of a folder, in no order. A name that is not text is shown with replacement characters: it is not
    /// one of ours and can only be reported.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let folder = self.folder(folder)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&folder).map_err(kind)? {
            let entry = entry.map_err(kind)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let is_folder = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) => FileType::from_raw_mode(found.st_mode) == FileType::Directory,
                    // Removed since the folder was read.
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(kind(error)),
                },
                known => known == FileType::Directory,
            };
            entries.push(Entry { name: name.to_string_lossy().into_owned(), is_folder });
        }
        Ok(entries)
    }

    /// Makes the names in a folder durable.
    pub(super) fn flush_names(&self, folder: &str) -> Result<()> {
        let folder = match self.folder(folder)? {
            Folder::Root(root) => root.try_clone_to_owned().map_err(|error| ErrorKind::from_os(&error))?,
            Folder::Under(folder) => folder,
        };
        self.flushes.flush(|| flush(folder))
    }

    /// Bytes an ordinary user can still write to the file system of the root.
    pub(super) fn free_bytes(&self) -> Result<u64> {
        let found = rustix::fs::fstatvfs(&self.folder).map_err(kind)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn folder(&self, name: &str) -> Result<Folder<'_>> {
        if name.is_empty() {
            return Ok(Folder::Root(self.folder.as_fd()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.folder, name, flags, Mode::empty()) {
            Ok(folder) => Ok(Folder::Under(folder)),
            // A link where a folder should be: macOS says LOOP, Linux NOTDIR.
            Err(Errno::LOOP) => Err(ErrorKind::NotAFolder),
            Err(error) => Err(kind(error)),
        }
    }
}

/// True when a process with this number is running, as far as we may see.
pub(super) fn is_running(process: u32) -> bool {
    let Some(process) = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    match rustix::process::test_kill_process(process) {
        Ok(()) => true,
        Err(error) => error == Errno::PERM,
    }
}

/// True where a crash leaves a renamed file one name, the old one or the new.
///
/// FAT and exFAT keep no journal, and the drivers write the new entry before they take the old one away: a crash in
/// between leaves two entries for one chain of clusters. Removing either then frees the bytes of the other, and the system
/// may go read-only over it. What lies behind FUSE is not told; it may be one of the two. Where nobody tells the kind of
/// file system the answer is no as well, because nothing needs a yes.
fn renames_atomically(folder: &OwnedFd) -> bool {
    #[cfg(not(any(target_os = "solaris", target_os = "illumos", target_os = "netbsd", target_os = "haiku")))]
    return rustix::fs::fstatfs(folder).is_ok_and(|found| !is_fat(&found));
    #[cfg(any(target_os = "solaris", target_os = "illumos", target_os = "netbsd", target_os = "haiku"))]
    return false;
}

/// True for FAT, exFAT, and what may be one of them.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_fat(found: &rustix::fs::StatFs) -> bool {
    is_fat_magic(u64::try_from(found.f_type).unwrap_or(0))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const fn is_fat_magic(magic: u64) -> bool {
    const MSDOS: u64 = 0x4d44;
    const EXFAT: u64 = 0x2011_bab0;
    const FUSE: u64 = 0x6573_5546;
    const SDCARDFS: u64 = 0x5dca_2df5;
    matches!(magic, MSDOS | EXFAT | FUSE | SDCARDFS)
}

/// True for FAT and exFAT.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "solaris",
    target_os = "illumos",
    target_os = "netbsd",
    target_os = "haiku"
)))]
fn is_fat(found: &rustix::fs::StatFs) -> bool {
    let name: Vec<u8> =
        found.f_fstypename.iter().map(|byte| byte.to_ne_bytes()[0]).take_while(|byte| *byte != 0).collect();
    [&b"msdos"[..], b"msdosfs", b"exfat"].contains(&name.as_slice())
}

/// Systems differ in the types of both numbers.
#[expect(clippy::allow_attributes, reason = "which of the conversions is needless depends on the system")]
#[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, clippy::cast_lossless, reason = "only equality matters")]
fn id(found: &rustix::fs::Stat) -> FileId {
    FileId { device: found.st_dev as u64, inode: found.st_ino as u64 }
}

fn file_type(folder: &impl AsFd, name: &str) -> Result<FileType> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(kind)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

fn regular(found: FileType) -> Result<()> {
    match found {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(ErrorKind::IsAFolder),
        _ => Err(ErrorKind::NotARegularFile),
    }
}

/// Through the standard library, which asks for a full flush on Apple systems where `fsync` alone is not one.
fn flush(folder: OwnedFd) -> Result<()> {
    File::from(folder).sync_all().map_err(|error| ErrorKind::from_os(&error))
}

fn kind(error: Errno) -> ErrorKind {
    ErrorKind::from_os(&std::io::Error::from(error))
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn a_rename_is_not_called_atomic_on_fat() {
        for fat in [0x4d44, 0x2011_bab0, 0x6573_5546] {
            assert!(is_fat_magic(fat), "{fat:#x}");
        }
        // ext4, XFS, btrfs, tmpfs, overlayfs, F2FS, NFS.
        for other in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0xf2f5_2010, 0x6969] {
            assert!(!is_fat_magic(other), "{other:#x}");
        }
    }
}
