//! What the folder of a database must do: name files, make names durable, hold the lock.
//!
//! Always: names are relative, written with `/`, at most one folder deep; anything else is `InvalidName`.
//! Does not know: what the files hold.

use std::sync::Arc;

use crate::error::Result;
use crate::file::File;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file, for reading and writing; it must not exist.
    CreateNew,
    /// A file for reading and writing, made when missing; its bytes are kept.
    CreateOrOpen,
}

/// Whether a lock excludes everyone or only exclusive holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockKind {
    /// Nobody else may hold it.
    Exclusive,
    /// Any number of shared holders, no exclusive one.
    Shared,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name inside the folder, without the folder.
    pub name: String,
    /// True for a folder.
    pub is_folder: bool,
}

/// What this directory can do beyond the minimum. Correctness never needs any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// `rename` replaces atomically; false where there is none, and on FAT, where a crash may leave both names.
    pub rename: bool,
    /// `hard_link` works.
    pub hard_link: bool,
    /// Names need `flush_names` to be durable (false: names are durable once the file is flushed).
    pub names_need_flush: bool,
}

/// What the name leads to by which a directory was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    /// To this directory.
    Here,
    /// To nothing: it was moved or removed.
    Gone,
    /// To another directory.
    Elsewhere,
}

/// A held lock; dropping it lets go.
///
/// ```
/// use entidb_storage::{Backend, LockKind};
/// let directory = Backend::memory().directory;
/// let held = directory.lock("LOCK", LockKind::Exclusive)?;
/// assert!(directory.lock("LOCK", LockKind::Exclusive).is_err());
/// drop(held);
/// let one = directory.lock("LOCK", LockKind::Shared)?;
/// let two = directory.lock("LOCK", LockKind::Shared)?;
/// # Ok::<(), entidb_storage::Error>(())
/// ```
pub trait Lock: Send + Sync {
    /// What is held.
    fn kind(&self) -> LockKind;
}

/// The root folder of a database.
///
/// ```
/// use entidb_storage::{Backend, OpenMode};
/// let directory = Backend::memory().directory;
/// directory.create_folder("seg")?;
/// directory.open("seg/2", OpenMode::CreateNew)?;
/// directory.open("seg/10", OpenMode::CreateNew)?;
/// let names: Vec<_> = directory.list("seg")?.into_iter().map(|entry| entry.name).collect();
/// assert_eq!(names, ["10", "2"]); // sorted as bytes
/// # Ok::<(), entidb_storage::Error>(())
/// ```
///
/// # Durability of names
///
/// A created, renamed or removed name is durable only after `flush_names` of its folder returned `Ok`. Until then
/// a crash may keep the old state, the new one, or for a rename both names or either. On Windows and in browsers
/// names become durable with the file and `flush_names` is a successful no-op; `abilities` says which.
/// A rename is atomic: never half.
pub trait Directory: Send + Sync {
    /// The place for messages: the path as the caller gave it, or a label such as `memory`.
    fn location(&self) -> &str;

    /// What works here beyond the minimum.
    fn abilities(&self) -> Abilities;

    /// Opens a regular file. Links, pipes and devices are refused, never followed.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists`, `IsAFolder`, `NotARegularFile`, `PermissionDenied`, `ReadOnly`, `NoSpace`,
    /// `TooManyOpenFiles`, `InvalidName`, `Device`. Nothing is created by a failed open.
    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>>;

    /// Creates a folder directly under the root; one that is there already is fine.
    ///
    /// # Errors
    /// `NotAFolder` when a file has the name, `PermissionDenied`, `ReadOnly`, `NoSpace`, `InvalidName`, `Device`.
    fn create_folder(&self, name: &str) -> Result<()>;

    /// Removes a folder under the root that holds nothing.
    ///
    /// # Errors
    /// `NotFound`, `NotAFolder`, `FolderNotEmpty`, `PermissionDenied`, `ReadOnly`, `InvalidName`, `Device`; `Unsupported`
    /// where a folder stays once it was made.
    fn remove_folder(&self, name: &str) -> Result<()>;

    /// Removes a file's name. Handles that are open on it keep working where the platform allows it.
    ///
    /// # Errors
    /// `NotFound`, `IsAFolder`, `PermissionDenied`, `ReadOnly`, `InvalidName`, `Device`.
    fn remove(&self, name: &str) -> Result<()>;

    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    /// `Unsupported` where no rename is atomic, otherwise as [`remove`](Directory::remove).
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Gives a file a second name, which must be free.
    ///
    /// # Errors
    /// `Unsupported` where the platform has none, `AlreadyExists`, otherwise as [`remove`](Directory::remove).
    fn hard_link(&self, from: &str, to: &str) -> Result<()>;

    /// The entries of a folder (`""` is the root), sorted by name.
    ///
    /// # Errors
    /// `NotFound`, `NotAFolder`, `PermissionDenied`, `InvalidName`, `Device`.
    fn list(&self, folder: &str) -> Result<Vec<Entry>>;

    /// Makes the names in a folder (`""` is the root) durable.
    ///
    /// # Errors
    /// `NotFound`, `Device`; then no name changed since the last good flush can be trusted.
    fn flush_names(&self, folder: &str) -> Result<()>;

    /// Takes the lock of the folder that `name` is in, without waiting. The lock is the operating system's: it dies with
    /// its holder, and it excludes a second handle in this process as it does another process, by whatever path the two
    /// came to the folder.
    ///
    /// It is held on the folder and on a file of that name: whoever removes the file, or takes a lock of another name,
    /// does not get in. An exclusive lock makes the file when it is missing; a shared one creates
    /// and writes nothing, so where nobody ever held an exclusive lock it is `NotFound`.
    ///
    /// # Errors
    /// `Locked` with the holder's pid where known, or as [`open`](Directory::open).
    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>>;

    /// What the name leads to by which this directory was opened: who opens it once more gets what is there. What has no
    /// name of its own is always here, and so is a directory whose name nobody can change while it is open.
    ///
    /// # Errors
    /// `PermissionDenied` and `Device` where the system does not say.
    fn whereabouts(&self) -> Result<Whereabouts>;

    /// Bytes the device can still take.
    ///
    /// # Errors
    /// `Unsupported` where nobody knows, `Device`.
    fn free_bytes(&self) -> Result<u64>;

    /// How many files the process may have open at once, where the system has a limit and tells it. It has no default: a
    /// directory that hands calls on to another would hide the limit of that one.
    fn open_files_max(&self) -> Option<u64>;
}
