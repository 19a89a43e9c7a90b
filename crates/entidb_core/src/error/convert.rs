//! Gives every failure of the layers below its code.
//!
//! Always: no wildcard arms over our own kinds, so a new failure below cannot compile until it has a code here.
//! Does not know: what the caller does with it.

use entidb_codec::ErrorKind as CodecKind;
use entidb_engine::Damage;
use entidb_storage::ErrorKind as StorageKind;

use super::{Error, ErrorCode};

impl From<entidb_codec::Error> for Error {
    fn from(error: entidb_codec::Error) -> Self {
        let code = match error.kind() {
            CodecKind::Truncated => ErrorCode::Truncated,
            CodecKind::TrailingBytes => ErrorCode::TrailingBytes,
            CodecKind::Malformed => ErrorCode::Malformed,
            CodecKind::NotShortest
            | CodecKind::NotShortestFloat
            | CodecKind::IndefiniteLength
            | CodecKind::KeyOrder
            | CodecKind::TagForm => ErrorCode::NotCanonical,
            CodecKind::InvalidUtf8 => ErrorCode::InvalidUtf8,
            CodecKind::DuplicateKey => ErrorCode::DuplicateKey,
            CodecKind::KeyType => ErrorCode::InvalidKey,
            CodecKind::UnsupportedSimple => ErrorCode::UnsupportedItem,
            CodecKind::TagContent => ErrorCode::InvalidTagContent,
            CodecKind::TooDeep => ErrorCode::TooDeep,
            CodecKind::TooLarge | CodecKind::TooManyItems => ErrorCode::DocumentTooLarge,
            CodecKind::OutOfRange => ErrorCode::NumberOutOfRange,
            CodecKind::TypeMismatch => ErrorCode::WrongType,
            CodecKind::PathInvalid => ErrorCode::InvalidArgument,
            CodecKind::PathMissing => ErrorCode::PatchMismatch,
            CodecKind::OrderedKey => ErrorCode::Corrupt,
            CodecKind::Misuse => ErrorCode::Internal,
            CodecKind::Custom => ErrorCode::Unrepresentable,
            CodecKind::OutOfMemory => ErrorCode::OutOfMemory,
        };
        Self::new(code, error.to_string()).with_offset(error.offset() as u64)
    }
}

fn storage_code(kind: &StorageKind) -> ErrorCode {
    match kind {
        StorageKind::NotAFolder => ErrorCode::NotADirectory,
        StorageKind::IsAFolder | StorageKind::NotARegularFile => ErrorCode::NotARegularFile,
        StorageKind::PermissionDenied => ErrorCode::PermissionDenied,
        StorageKind::ReadOnly => ErrorCode::ReadOnlyStorage,
        StorageKind::NoSpace => ErrorCode::NoSpace,
        StorageKind::Locked { .. } => ErrorCode::DatabaseLocked,
        StorageKind::Closed => ErrorCode::Closed,
        StorageKind::Forked => ErrorCode::Forked,
        StorageKind::TooManyOpenFiles => ErrorCode::TooManyOpenFiles,
        StorageKind::InvalidName { .. } => ErrorCode::InvalidArgument,
        StorageKind::Unsupported => ErrorCode::Unsupported,
        StorageKind::FolderNotEmpty => ErrorCode::TargetNotEmpty,
        StorageKind::NotFound
        | StorageKind::AlreadyExists
        | StorageKind::Interrupted
        | StorageKind::UnexpectedEnd { .. }
        | StorageKind::WroteNothing
        | StorageKind::Device { .. } => ErrorCode::Io,
        // The kinds are open for new ones; until this file knows one it is a failure of the device.
        _ => ErrorCode::Io,
    }
}

impl From<entidb_storage::Error> for Error {
    fn from(error: entidb_storage::Error) -> Self {
        let os_code = match error.kind {
            StorageKind::Device { os_code } => os_code,
            _ => None,
        };
        let converted =
            Self::new(storage_code(&error.kind), error.to_string()).with_path(&error.path).with_os_code(os_code);
        match error.offset {
            Some(offset) => converted.with_offset(offset),
            None => converted,
        }
    }
}

impl From<entidb_engine::Error> for Error {
    fn from(error: entidb_engine::Error) -> Self {
        use entidb_engine::Error as Engine;
        let message = error.to_string();
        match error {
            Engine::Storage(storage) => storage.into(),
            Engine::NoRoom { cause, .. } => Self::new(ErrorCode::NoSpace, message).with_path(&cause.path),
            Engine::Corrupt { damage, file, offset, .. } => {
                let code = match damage {
                    Damage::Tampered => ErrorCode::Tampered,
                    Damage::Damaged | Damage::Missing => ErrorCode::Corrupt,
                };
                Self::new(code, message).with_path(&file).with_offset(offset)
            }
            Engine::BadCopy { path, .. } => Self::new(ErrorCode::Io, message).with_path(&path),
            Engine::NotADatabase { path, .. } => Self::new(ErrorCode::NotADatabase, message).with_path(&path),
            Engine::NoDatabase { path } => Self::new(ErrorCode::DatabaseNotFound, message).with_path(&path),
            Engine::DatabaseExists { path } => Self::new(ErrorCode::AlreadyExists, message).with_path(&path),
            Engine::FormatTooNew { file, .. } | Engine::FeaturesUnknown { file, .. } => {
                Self::new(ErrorCode::FormatTooNew, message).with_path(&file)
            }
            Engine::WrongKey => Self::new(ErrorCode::WrongKey, message),
            Engine::EncryptionRequired => Self::new(ErrorCode::EncryptionRequired, message),
            Engine::NotEncrypted => Self::new(ErrorCode::NotEncrypted, message),
            Engine::RollbackDetected { .. } => Self::new(ErrorCode::RollbackDetected, message),
            Engine::TooLarge { .. } | Engine::TooMany { .. } => Self::new(ErrorCode::TooLarge, message),
            Engine::InvalidArgument { .. } => Self::new(ErrorCode::InvalidArgument, message),
            Engine::KeyringHalfWritten { is_made: true, .. } => Self::new(ErrorCode::Io, message),
            Engine::KeyringHalfWritten { is_made: false, .. } => Self::new(ErrorCode::CommitUnknown, message),
            Engine::Closed => Self::new(ErrorCode::Closed, message),
            Engine::Forked => Self::new(ErrorCode::Forked, message),
            Engine::ReadOnly => Self::new(ErrorCode::ReadOnly, message),
            Engine::Replaced { path, .. } => Self::new(ErrorCode::DatabaseReplaced, message).with_path(&path),
            Engine::WritesStopped { .. } => Self::new(ErrorCode::WritesStopped, message),
            Engine::CommitUnknown { .. } => Self::new(ErrorCode::CommitUnknown, message),
            Engine::Busy => Self::new(ErrorCode::Busy, message),
            Engine::Timeout { .. } => Self::new(ErrorCode::Timeout, message),
            Engine::DeadlineExceeded { .. } => Self::new(ErrorCode::Timeout, message),
            Engine::Cancelled => Self::new(ErrorCode::Cancelled, message),
            Engine::OutOfMemory { .. } => Self::new(ErrorCode::OutOfMemory, message),
            Engine::Unsupported { .. } => Self::new(ErrorCode::Unsupported, message),
            Engine::Internal { .. } => Self::new(ErrorCode::Internal, message),
            _ => Self::new(ErrorCode::Internal, message),
        }
    }
}
