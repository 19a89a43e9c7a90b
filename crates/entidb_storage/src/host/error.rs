//! The numbers by which a host says what went wrong.
//!
//! Always: a number keeps its meaning for ever; one we do not know becomes a failure of the device that carries it.
//! Does not know: the numbers of any operating system.

use crate::error::ErrorKind;

/// What a host function answers.
pub type HostResult<T> = Result<T, HostError>;

/// Why a host function failed.
///
/// ```
/// use entidb_storage::{ErrorKind, HostError};
/// assert_eq!(HostError::new(HostError::NO_SPACE).kind(), ErrorKind::NoSpace);
/// let held = HostError { number: HostError::LOCKED, detail: 4121 };
/// assert_eq!(held.kind(), ErrorKind::Locked { holder_pid: Some(4121) });
/// assert_eq!(HostError::new(-7).kind(), ErrorKind::Device { os_code: Some(-7) });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostError {
    /// One of the constants.
    pub number: i32,
    /// With `LOCKED` the holder's process number, with `DEVICE` the host's own error number; 0 is unknown.
    pub detail: i32,
}

impl HostError {
    /// Nothing has that name.
    pub const NOT_FOUND: i32 = 1;
    /// The name is taken already.
    pub const ALREADY_EXISTS: i32 = 2;
    /// A folder was needed and something else was found.
    pub const NOT_A_FOLDER: i32 = 3;
    /// A file was needed and a folder was found.
    pub const IS_A_FOLDER: i32 = 4;
    /// Something that is neither a regular file nor a folder.
    pub const NOT_A_REGULAR_FILE: i32 = 5;
    /// The host refuses us.
    pub const PERMISSION_DENIED: i32 = 6;
    /// The storage or the handle is read-only.
    pub const READ_ONLY: i32 = 7;
    /// No room, or the quota is used up.
    pub const NO_SPACE: i32 = 8;
    /// Somebody else holds the lock; `detail` is the process.
    pub const LOCKED: i32 = 9;
    /// Too many open files.
    pub const TOO_MANY_OPEN_FILES: i32 = 10;
    /// Nothing happened; the same call may be made again.
    pub const INTERRUPTED: i32 = 11;
    /// The host cannot do this.
    pub const UNSUPPORTED: i32 = 12;
    /// The device failed; `detail` is the host's own number.
    pub const DEVICE: i32 = 13;
    /// The host does not take the name.
    pub const INVALID_NAME: i32 = 14;
    /// A folder that should be empty is not.
    pub const FOLDER_NOT_EMPTY: i32 = 15;

    /// A failure with no detail.
    #[must_use]
    pub const fn new(number: i32) -> Self {
        Self { number, detail: 0 }
    }

    /// What the number means.
    #[must_use]
    pub fn kind(self) -> ErrorKind {
        match self.number {
            Self::NOT_FOUND => ErrorKind::NotFound,
            Self::ALREADY_EXISTS => ErrorKind::AlreadyExists,
            Self::NOT_A_FOLDER => ErrorKind::NotAFolder,
            Self::IS_A_FOLDER => ErrorKind::IsAFolder,
            Self::NOT_A_REGULAR_FILE => ErrorKind::NotARegularFile,
            Self::PERMISSION_DENIED => ErrorKind::PermissionDenied,
            Self::READ_ONLY => ErrorKind::ReadOnly,
            Self::NO_SPACE => ErrorKind::NoSpace,
            Self::LOCKED => ErrorKind::Locked { holder_pid: u32::try_from(self.detail).ok().filter(|pid| *pid > 0) },
            Self::TOO_MANY_OPEN_FILES => ErrorKind::TooManyOpenFiles,
            Self::INTERRUPTED => ErrorKind::Interrupted,
            Self::UNSUPPORTED => ErrorKind::Unsupported,
            Self::DEVICE => ErrorKind::Device { os_code: (self.detail != 0).then_some(self.detail) },
            Self::INVALID_NAME => ErrorKind::InvalidName { reason: "the host does not take it" },
            Self::FOLDER_NOT_EMPTY => ErrorKind::FolderNotEmpty,
            unknown => ErrorKind::Device { os_code: Some(unknown) },
        }
    }
}

impl From<&ErrorKind> for HostError {
    /// For hosts that are written in Rust over another backend.
    fn from(kind: &ErrorKind) -> Self {
        let number = match kind {
            ErrorKind::NotFound => Self::NOT_FOUND,
            ErrorKind::AlreadyExists => Self::ALREADY_EXISTS,
            ErrorKind::NotAFolder => Self::NOT_A_FOLDER,
            ErrorKind::IsAFolder => Self::IS_A_FOLDER,
            ErrorKind::NotARegularFile => Self::NOT_A_REGULAR_FILE,
            ErrorKind::FolderNotEmpty => Self::FOLDER_NOT_EMPTY,
            ErrorKind::PermissionDenied => Self::PERMISSION_DENIED,
            ErrorKind::ReadOnly => Self::READ_ONLY,
            ErrorKind::NoSpace => Self::NO_SPACE,
            ErrorKind::Locked { holder_pid } => {
                let detail = holder_pid.and_then(|pid| i32::try_from(pid).ok()).unwrap_or(0);
                return Self { number: Self::LOCKED, detail };
            }
            ErrorKind::TooManyOpenFiles => Self::TOO_MANY_OPEN_FILES,
            ErrorKind::Interrupted => Self::INTERRUPTED,
            ErrorKind::InvalidName { .. } => Self::INVALID_NAME,
            ErrorKind::Unsupported => Self::UNSUPPORTED,
            ErrorKind::UnexpectedEnd { .. } | ErrorKind::WroteNothing | ErrorKind::Closed | ErrorKind::Forked => {
                Self::DEVICE
            }
            ErrorKind::Device { os_code } => {
                return Self { number: Self::DEVICE, detail: os_code.unwrap_or(0) };
            }
        };
        Self::new(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_its_kind() {
        for number in HostError::NOT_FOUND..=HostError::FOLDER_NOT_EMPTY {
            assert_eq!(HostError::from(&HostError::new(number).kind()), HostError::new(number));
        }
    }
}
