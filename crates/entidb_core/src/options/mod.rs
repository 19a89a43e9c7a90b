//! What a database is opened with, and what each setting is when nobody sets it.
//!
//! Always: a setting outside its bounds is refused by name before anything is touched.
//! Does not know: how the engine uses them.

mod named;
mod table;

use entidb_codec::Limits;
use entidb_engine::Durability;

use crate::change_feed::Retention;
use crate::error::{Error, ErrorCode, Result};

pub use table::Options;

/// What opens an encrypted database, or makes a new one encrypted.
///
/// ```
/// use entidb_core::{Database, ErrorCode, Key, Options};
/// let backend = entidb_storage::Backend::memory();
/// let keyed = Options { key: Some(Key::Raw([7; 32])), ..Options::default() };
/// Database::open_on(backend.clone(), keyed)?.close()?;
/// let error = Database::open_on(backend, Options::default()).unwrap_err();
/// assert_eq!(error.code(), ErrorCode::EncryptionRequired);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Clone)]
pub enum Key {
    /// 32 bytes from a key store.
    Raw([u8; 32]),
    /// A password, stretched by Argon2id.
    Password(Vec<u8>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw(_) => "Key::Raw(..)",
            Self::Password(_) => "Key::Password(..)",
        })
    }
}

/// What happens when a query can only be answered by looking at every entity.
///
/// ```
/// use entidb_core::{field, Database, ErrorCode, Options, ScanPolicy};
/// let db = Database::open_memory_with(Options { scan_policy: ScanPolicy::Forbid, ..Options::default() })?;
/// let notes = db.collection("notes")?;
/// notes.put(&entidb_core::doc! { "n": 1 })?;
/// let error = notes.find(field("n").eq(1)).list().unwrap_err();
/// assert_eq!(error.code(), ErrorCode::ScanForbidden);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScanPolicy {
    /// It runs and is counted in the statistics.
    #[default]
    Allow,
    /// It is refused with `ScanForbidden`.
    Forbid,
    /// It is refused unless the query has a limit.
    ForbidUnbounded,
}

impl Options {
    /// What every language reads and sends.
    pub(crate) const ENTITY_BYTES_MOST: u64 = Limits::DEFAULT.bytes_max as u64;

    pub(crate) const fn retention(&self) -> Retention {
        Retention {
            commits_max: self.feed_commits_max,
            age_ms_max: self.feed_age_ms_max,
            bytes_max: self.feed_bytes_max,
        }
    }

    /// What a grouped commit waits for.
    ///
    /// ```
    /// use entidb_core::{Durability, Options};
    /// let options = Options { grouped_interval_ms: 5, ..Options::default() };
    /// assert_eq!(options.grouped(), Durability::Grouped { interval_ms: 5 });
    /// ```
    #[must_use]
    pub fn grouped(&self) -> Durability {
        let interval_ms = u32::try_from(named::grouped_interval_ms(self)).unwrap_or(u32::MAX);
        Durability::Grouped { interval_ms }
    }

    pub(crate) fn check(&self) -> Result<()> {
        for setting in table::SETTINGS {
            setting.judge(self)?;
        }
        if self.read_only && self.create_new {
            let problem = "create_new needs writing, and the options say read_only; choose one";
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
        if self.create_parents && (self.read_only || !(self.create || self.create_new)) {
            let problem = "create_parents makes folders for a database that is made, and the options make none; open with \
                           create, or without create_parents";
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
        }
        // The engine judges what it is given too, but only once the folder was made.
        Ok(crate::database::engine_options(self).validate()?)
    }
}
