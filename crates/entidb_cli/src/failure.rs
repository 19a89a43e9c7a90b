//! Why a command failed, and the exit code that says so.
//!
//! Always: a usage mistake, a busy database, a broken disk and damaged data have exit codes of their own.
//! Does not know: how it is printed.

use entidb_core::ErrorCode;
use entidb_core::error::Family;

/// The answer is no.
pub(crate) const NO: u8 = 1;

/// A failed command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database refused.
    Database(entidb_core::Error),
    /// What was asked for is not there.
    Missing(ErrorCode, String),
    /// An argument makes no sense.
    Usage(String),
    /// The system failed outside the database: a file to read or write, a child process.
    System(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            // The path is an argument, and it names the wrong folder.
            Self::Missing(ErrorCode::DatabaseNotFound, _) => 2,
            Self::Missing(..) => NO,
            Self::Usage(_) => 2,
            Self::System(_) => 4,
            Self::Database(error) => match error.code() {
                ErrorCode::EntityNotFound | ErrorCode::CollectionNotFound | ErrorCode::IndexNotFound => NO,
                ErrorCode::DatabaseNotFound | ErrorCode::TargetNotEmpty | ErrorCode::NotADirectory => 2,
                ErrorCode::CommitUnknown => 4,
                ErrorCode::UniqueViolation
                | ErrorCode::AlreadyExists
                | ErrorCode::VersionMismatch
                | ErrorCode::IndexExists
                | ErrorCode::CollectionExists => 6,
                code => match code.family() {
                    Family::Usage | Family::Encoding | Family::Query => 2,
                    Family::State => 3,
                    Family::Storage => 4,
                    Family::Data => 5,
                    _ => 7,
                },
            },
        }
    }

    pub(crate) fn code_name(&self) -> &'static str {
        match self {
            Self::Database(error) => error.code().name(),
            Self::Missing(code, _) => code.name(),
            Self::Usage(_) => ErrorCode::InvalidArgument.name(),
            Self::System(_) => ErrorCode::Io.name(),
        }
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Database(error) => error.message(),
            Self::Missing(_, message) | Self::Usage(message) | Self::System(message) => message,
        }
    }

    /// A failure of the system while doing something.
    pub(crate) fn system(doing: &str, error: &std::io::Error) -> Self {
        Self::System(format!("could not {doing}: {error}"))
    }
}

impl From<entidb_core::Error> for Failure {
    fn from(error: entidb_core::Error) -> Self {
        Self::Database(error)
    }
}

/// The result of a command.
pub(crate) type Result<T> = std::result::Result<T, Failure>;
