//! Why an operation on bytes, names or locks failed, with the operation and the path.
//!
//! Always: every error names what was asked (`operation`), of what (`path`) and what was found (`kind`).
//! Does not know: error codes of the public table; `entidb_core` converts.

use std::fmt;

/// The result of a storage operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What was asked of the storage when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Opening the root folder of a backend.
    OpenRoot,
    /// Opening or creating a file.
    Open,
    /// Creating a folder.
    CreateFolder,
    /// Removing a file.
    Remove,
    /// Removing a folder.
    RemoveFolder,
    /// Giving a file another name.
    Rename,
    /// Giving a file a second name.
    HardLink,
    /// Listing a folder.
    List,
    /// Making the names in a folder durable.
    FlushNames,
    /// Taking a lock.
    Lock,
    /// Asking what the name of a folder leads to.
    Locate,
    /// Asking how much room is left.
    FreeBytes,
    /// Reading bytes of a file.
    Read,
    /// Writing bytes of a file.
    Write,
    /// Asking the length of a file.
    Len,
    /// Changing the length of a file.
    SetLen,
    /// Writing zeros ahead of use.
    Preallocate,
    /// Making bytes durable.
    FlushData,
    /// Making bytes and metadata durable.
    FlushAll,
    /// Drawing random bytes.
    Random,
    /// Starting a thread.
    SpawnThread,
}

impl Operation {
    /// The verb phrase used in messages.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::OpenRoot => "open folder",
            Self::Open => "open file",
            Self::CreateFolder => "create folder",
            Self::Remove => "remove file",
            Self::RemoveFolder => "remove folder",
            Self::Rename => "rename file",
            Self::HardLink => "link file",
            Self::List => "list folder",
            Self::FlushNames => "flush the names in folder",
            Self::Lock => "lock",
            Self::Locate => "ask for the whereabouts of",
            Self::FreeBytes => "ask for free space of",
            Self::Read => "read file",
            Self::Write => "write file",
            Self::Len => "ask the length of file",
            Self::SetLen => "set the length of file",
            Self::Preallocate => "preallocate file",
            Self::FlushData => "flush file",
            Self::FlushAll => "flush file and its metadata",
            Self::Random => "draw random bytes from",
            Self::SpawnThread => "start a thread for",
        }
    }
}

/// What was found instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing has that name.
    #[error("it does not exist")]
    NotFound,
    /// The name is taken already.
    #[error("it exists already")]
    AlreadyExists,
    /// A folder was needed and something else was found.
    #[error("it is not a folder; give the path of a folder or of nothing yet")]
    NotAFolder,
    /// A file was needed and a folder was found.
    #[error("it is a folder, not a file")]
    IsAFolder,
    /// A symbolic link, pipe, device or socket where only a regular file is accepted.
    #[error("it is not a regular file (links, pipes and devices are refused)")]
    NotARegularFile,
    /// A folder that should be empty is not.
    #[error("the folder is not empty")]
    FolderNotEmpty,
    /// The operating system refuses us.
    #[error("permission denied; check the owner and mode of the path")]
    PermissionDenied,
    /// The file system, or this handle, is read-only.
    #[error("it is read-only")]
    ReadOnly,
    /// No room is left on the device, or the quota is used up.
    #[error("no space is left; free some and try again")]
    NoSpace,
    /// Somebody else holds the lock.
    #[error("it is locked by {}; close it there first", HolderText(*holder_pid))]
    Locked {
        /// The process that holds it, when the holder left its number.
        holder_pid: Option<u32>,
    },
    /// The process has too many open files.
    #[error("too many files are open; raise the limit of the process")]
    TooManyOpenFiles,
    /// A signal interrupted the call before anything happened; the same call may be made again.
    #[error("a signal interrupted it; try again")]
    Interrupted,
    /// Fewer bytes were there than asked for.
    #[error("the file ends after {found} of {wanted} bytes")]
    UnexpectedEnd {
        /// Bytes asked for.
        wanted: u64,
        /// Bytes found.
        found: u64,
    },
    /// A write made no progress.
    #[error("the device accepted no bytes")]
    WroteNothing,
    /// The name is not one of the accepted form.
    #[error("the name is not accepted: {reason}")]
    InvalidName {
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The handle was closed.
    #[error("it is closed; open it again")]
    Closed,
    /// The parent of this process opened the handle.
    #[error("the parent of this process opened it; open it in the child, after the fork")]
    Forked,
    /// The platform cannot do this.
    #[error("this storage cannot do that")]
    Unsupported,
    /// The device failed.
    #[error("the device failed{}", OsText(*os_code))]
    Device {
        /// The operating system's number, where there is one.
        os_code: Option<i32>,
    },
}

struct HolderText(Option<u32>);
impl fmt::Display for HolderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "another handle (pid {pid})"),
            None => f.write_str("another handle (pid unknown)"),
        }
    }
}

struct OsText(Option<i32>);
impl fmt::Display for OsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => write!(f, " (os error {code})"),
            None => Ok(()),
        }
    }
}

/// A storage failure: what was asked, of what, and what was found.
///
/// ```
/// use entidb_storage::{Error, ErrorKind, Operation};
/// let error = Error::new(Operation::Lock, "LOCK", ErrorKind::Locked { holder_pid: Some(4121) });
/// assert_eq!(
///     error.to_string(),
///     "could not lock \"LOCK\": it is locked by another handle (pid 4121); close it there first"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was asked.
    pub operation: Operation,
    /// Of which file or folder, as the caller would find it again.
    pub path: String,
    /// At which byte of the file, where that matters.
    pub offset: Option<u64>,
    /// What was found.
    pub kind: ErrorKind,
}

impl Error {
    /// An error of `operation` on `path`.
    #[must_use]
    pub fn new(operation: Operation, path: impl Into<String>, kind: ErrorKind) -> Self {
        Self { operation, path: path.into(), offset: None, kind }
    }

    /// The same error, at a byte offset.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// An error of the operating system, sorted into a kind.
    #[must_use]
    pub fn from_os(operation: Operation, path: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new(operation, path, ErrorKind::from_os(error))
    }

    /// True when the same call may simply be made again.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.kind == ErrorKind::Interrupted
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {} {:?}", self.operation.phrase(), self.path)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for Error {}

impl ErrorKind {
    /// Sorts an operating system error into a kind.
    #[must_use]
    pub fn from_os(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Os;
        match error.kind() {
            Os::NotFound => Self::NotFound,
            Os::AlreadyExists => Self::AlreadyExists,
            Os::NotADirectory => Self::NotAFolder,
            Os::IsADirectory => Self::IsAFolder,
            Os::DirectoryNotEmpty => Self::FolderNotEmpty,
            Os::PermissionDenied => Self::PermissionDenied,
            Os::ReadOnlyFilesystem => Self::ReadOnly,
            Os::StorageFull | Os::QuotaExceeded | Os::FileTooLarge => Self::NoSpace,
            Os::Interrupted => Self::Interrupted,
            Os::Unsupported => Self::Unsupported,
            _ => match error.raw_os_error() {
                #[cfg(unix)]
                Some(libc::EMFILE | libc::ENFILE) => Self::TooManyOpenFiles,
                #[cfg(unix)]
                Some(libc::ELOOP | libc::ENXIO) => Self::NotARegularFile,
                // ERROR_TOO_MANY_OPEN_FILES
                #[cfg(windows)]
                Some(4) => Self::TooManyOpenFiles,
                os_code => Self::Device { os_code },
            },
        }
    }
}
