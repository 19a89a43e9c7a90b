//! Why the engine could not do what was asked.
//!
//! Always: damage is its own variant with file and offset, never "not found"; an unsure commit says so.
//! Does not know: the public error codes; `entidb_core` converts.

use crate::format::Sequence;

/// The result of an engine operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with bytes that should have been ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// A checksum or structure is wrong: bytes were changed or lost by accident.
    Damaged,
    /// The checksum is right and the authentication tag is wrong: bytes were changed on purpose or mixed up.
    Tampered,
    /// A file the database lists is not there.
    Missing,
}

/// An engine failure.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage below failed.
    #[error(transparent)]
    Storage(entidb_storage::Error),
    /// The disk or the quota is full, and a commit was refused before anything of it was written.
    #[error("no room is left {} ({cause})", no_room_text(*frees))]
    NoRoom {
        /// The commit only deletes.
        frees: bool,
        /// What found no room.
        cause: entidb_storage::Error,
    },
    /// Bytes on disk are not what was written.
    #[error("{file} is {} at byte {offset}: {detail}; restore a backup, or salvage what still verifies", damage_word(*damage))]
    Corrupt {
        /// What sort of damage.
        damage: Damage,
        /// Which file, relative to the database.
        file: String,
        /// At which byte.
        offset: u64,
        /// What was expected and found.
        detail: String,
    },
    /// A backup did not read back as it was written.
    #[error(
        "{path:?} does not read back as it was written ({detail}); the backup was removed, give another place for it"
    )]
    BadCopy {
        /// Which file of the copy, with the folder.
        path: String,
        /// What was found.
        detail: String,
    },
    /// The folder holds something else.
    #[error("{path:?} is not an EntiDB database: {detail}")]
    NotADatabase {
        /// The path.
        path: String,
        /// What was found.
        detail: String,
    },
    /// The folder holds no database and none may be made.
    #[error("no database at {path:?}; open with create to make one")]
    NoDatabase {
        /// The path.
        path: String,
    },
    /// The folder holds a database and a new one was asked for.
    #[error("there is a database at {path:?} already; open it without create_new, or give another path")]
    DatabaseExists {
        /// The path.
        path: String,
    },
    /// A newer version of EntiDB wrote this.
    #[error("{file} has format {found}, this library reads up to {newest}; use a newer EntiDB")]
    FormatTooNew {
        /// Which file.
        file: String,
        /// Its format.
        found: u32,
        /// The newest we read.
        newest: u32,
    },
    /// A newer version of EntiDB used features in this file that we do not know.
    #[error("{file} needs features {unknown:#x} this library does not know; use a newer EntiDB")]
    FeaturesUnknown {
        /// Which file.
        file: String,
        /// The feature bits we do not know.
        unknown: u32,
    },
    /// No key slot opens with this key or password.
    #[error("the key or password does not open this database; the files are untouched")]
    WrongKey,
    /// The database is encrypted and no key was given.
    #[error("the database is encrypted; give its key or password")]
    EncryptionRequired,
    /// A key was given and the database is not encrypted.
    #[error("the database is not encrypted; open it without a key")]
    NotEncrypted,
    /// The database is older than the caller knows it was.
    #[error("the database is at generation {found}, but {expected} was seen before: it was rolled back")]
    RollbackDetected {
        /// What is there.
        found: u64,
        /// What was expected at least.
        expected: u64,
    },
    /// A key, value or transaction is over its limit.
    #[error("the {what} has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// There are as many of something as there can be.
    #[error("the database has {limit} {what} already, which is the most; {remedy}")]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// How many there can be.
        limit: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// A change of the keys was written to one of the two copies of the keyring, or perhaps to none.
    #[error("{} ({cause}); {}", half_written_text(*is_made), half_written_remedy(*is_made))]
    KeyringHalfWritten {
        /// The change is made. Otherwise it may be made or not.
        is_made: bool,
        /// The failure.
        cause: String,
    },
    /// An option or argument makes no sense.
    #[error("{what} {problem}")]
    InvalidArgument {
        /// Which one.
        what: &'static str,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// The handle was closed.
    #[error("the database is closed; open it again")]
    Closed,
    /// The parent of this process opened it.
    #[error("the database was opened before the process forked; open it in the child, after the fork")]
    Forked,
    /// Opened for reading only.
    #[error("the database is open for reading only; open it for writing")]
    ReadOnly,
    /// An earlier failure to make bytes durable stopped all writing.
    #[error("writing stopped after a failure ({cause}); reads go on; close and open the database to recover")]
    WritesStopped {
        /// The first failure.
        cause: String,
    },
    /// The folder was moved, removed or replaced, or somebody else wrote the database, while it was open.
    #[error(
        "the database at {path:?} was replaced while it was open ({found}), so it takes no more writes; what was \
         committed is in the files that were opened; close it, look what is at the path now, and open that"
    )]
    Replaced {
        /// The path it was opened by.
        path: String,
        /// What was found.
        found: String,
    },
    /// The commit may or may not be durable: the failure came between writing it and knowing.
    #[error("it is not known whether commit {sequence} is durable ({cause}); reopen the database and look")]
    CommitUnknown {
        /// The commit.
        sequence: Sequence,
        /// The failure.
        cause: String,
    },
    /// Another write transaction is open and the wait is over.
    #[error("another write transaction is open; commit or abort it, or wait longer")]
    Busy,
    /// Something was not over in the time given.
    #[error("{what} took longer than {timeout_ms} ms")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        timeout_ms: u64,
    },
    /// The caller cancelled it.
    #[error("the call was cancelled before it was done; call again if the result is still wanted")]
    Cancelled,
    /// The deadline of a token its thread is in passed first.
    #[error("the call was not done within {timeout_ms} ms; allow more time, or ask for less at once")]
    DeadlineExceeded {
        /// The time of the token.
        timeout_ms: u64,
    },
    /// Memory for this could not be had.
    #[error("no memory for {what} ({bytes} bytes)")]
    OutOfMemory {
        /// What for.
        what: &'static str,
        /// How much.
        bytes: u64,
    },
    /// This build or platform cannot do it.
    #[error("{what} is not supported here")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// An invariant of ours does not hold: a defect in EntiDB.
    #[error("internal error: {detail}; please report it")]
    Internal {
        /// Which invariant.
        detail: String,
    },
}

impl From<entidb_storage::Error> for Error {
    fn from(error: entidb_storage::Error) -> Self {
        match error.kind {
            // The directory of a database is closed with it; a reader at that moment learns no more than that.
            entidb_storage::ErrorKind::Closed => Self::Closed,
            entidb_storage::ErrorKind::Forked => Self::Forked,
            _ => Self::Storage(error),
        }
    }
}

fn no_room_text(frees: bool) -> &'static str {
    if frees {
        "on the disk or in the quota, not even to note what this change deletes; nothing of it is kept, all that was committed \
         is, and reading and close still work; free some on the disk, 256 KiB at least, and the change can be made again"
    } else {
        "on the disk or in the quota for this change; nothing of it is kept, all that was committed is, and reading, deleting, \
         compact and close still work; delete what is not needed, or free room on the disk, and writing goes on by itself"
    }
}

fn half_written_text(is_made: bool) -> &'static str {
    if is_made {
        "the change of the keys is made, but one of the two copies of the keyring still has the keys of before"
    } else {
        "whether the change of the keys is made is not known"
    }
}

fn half_written_remedy(is_made: bool) -> &'static str {
    if is_made {
        "free room or mend the device; the next change of the keys, or opening the database for writing, writes that copy anew"
    } else {
        "keep the keys of before and after it, and open the database again to see which of them open it"
    }
}

fn damage_word(damage: Damage) -> &'static str {
    match damage {
        Damage::Damaged => "damaged",
        Damage::Tampered => "tampered with",
        Damage::Missing => "missing",
    }
}

impl Error {
    /// True when the caller ended the call, by a token or by the function its thread asks.
    #[must_use]
    pub const fn is_interruption(&self) -> bool {
        matches!(self, Self::Cancelled | Self::DeadlineExceeded { .. })
    }

    /// True when the disk or the quota is full.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Storage(inner) => inner.kind == entidb_storage::ErrorKind::NoSpace,
            Self::NoRoom { .. } => true,
            _ => false,
        }
    }

    /// Damage found in a file.
    pub(crate) fn damaged(file: impl Into<String>, offset: u64, detail: impl Into<String>) -> Self {
        Self::Corrupt { damage: Damage::Damaged, file: file.into(), offset, detail: detail.into() }
    }
}
