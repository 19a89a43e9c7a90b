//! What a database is opened with, and what each setting is when nobody sets it.
//!
//! Always: a setting outside its bounds is refused by name before anything is touched.
//! Does not know: how the engine uses them.

mod named;

use entidb_codec::Limits;
use entidb_engine::Durability;

use crate::change_feed::Retention;
use crate::error::{Error, ErrorCode, Result};

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

/// Settings of a database for one session of use.
///
/// ```
/// use entidb_core::{Database, Options};
/// let db = Database::open_memory_with(Options { entity_bytes_max: 1 << 20, ..Options::default() })?;
/// assert_eq!(db.options().entity_bytes_max, 1 << 20);
/// # Ok::<(), entidb_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// Make the database when there is none. Default true.
    pub create: bool,
    /// Fail when there is one already. Default false.
    pub create_new: bool,
    /// Make the folders above it too, where the database is made. Default false: a path with a mistake in it makes none.
    pub create_parents: bool,
    /// Refuse all changes, and let others read at the same time. Default false.
    pub read_only: bool,
    /// The key of an encrypted database. Default none.
    pub key: Option<Key>,
    /// What a commit promises when it returns. Default durable.
    pub durability: Durability,
    /// Memory for newest writes, cached blocks and indexes. Beside it are transactions that are not committed yet, and what
    /// queries sort. Default 256 MiB.
    pub memory_bytes: u64,
    /// Newest writes held in memory before they go to a segment; four times as much is in memory while they go. 0 takes an
    /// eighth of `memory_bytes`, at most 32 MiB; more than that eighth may be more than `memory_bytes` holds. Default 0.
    pub memtable_bytes: u64,
    /// Data files that may be open at once, at least 4; about a dozen other files come to them. 0 takes a quarter of what
    /// the process may have. Default 0.
    pub open_files_max: u64,
    /// The largest document, encoded. Default 64 MiB, which is the most.
    pub entity_bytes_max: u64,
    /// The most a transaction may change. Default 1 GiB, at most 4 GiB.
    pub transaction_bytes_max: u64,
    /// How long to wait for the one writer before `Busy`. Default 5 seconds.
    pub lock_timeout_ms: u64,
    /// How many commits the change feed and the history keep; 0 keeps no feed and no history. Default 1,000,000.
    pub feed_commits_max: u64,
    /// How long a commit stays in the feed and the history, in milliseconds; 0 for as long as the other limits let it. They
    /// are trimmed with commits, so a database that nobody writes to keeps what it has. Default 0.
    pub feed_age_ms_max: u64,
    /// How many bytes of the newest commits the feed and the history keep, before compression; 0 for as many as the other
    /// limits let them. One commit and a sixteenth may come on top. Default 0.
    pub feed_bytes_max: u64,
    /// What to do with queries no index serves. Default allow.
    pub scan_policy: ScanPolicy,
    /// Memory a query may use to sort. Default 256 MiB.
    pub sort_bytes_max: u64,
    /// How much of an index one step of building it writes; other changes come between the steps. Default 1 MiB.
    pub index_build_bytes: u64,
    /// Show the key in the message of a unique violation. Default false: no message shows what documents hold.
    pub show_unique_keys: bool,
    /// Argon2id memory for a new password, in KiB. 0 takes the engine's default of 64 MiB.
    pub password_memory_kib: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            create_new: false,
            create_parents: false,
            read_only: false,
            key: None,
            durability: Durability::Durable,
            memory_bytes: 256 << 20,
            memtable_bytes: 0,
            open_files_max: 0,
            entity_bytes_max: 64 << 20,
            transaction_bytes_max: 1 << 30,
            lock_timeout_ms: 5_000,
            feed_commits_max: 1_000_000,
            feed_age_ms_max: 0,
            feed_bytes_max: 0,
            scan_policy: ScanPolicy::Allow,
            sort_bytes_max: 256 << 20,
            index_build_bytes: 1 << 20,
            show_unique_keys: false,
            password_memory_kib: 0,
        }
    }
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

    pub(crate) fn check(&self) -> Result<()> {
        let bounds = [
            ("memory_bytes", self.memory_bytes, 1 << 20, 1 << 44),
            ("entity_bytes_max", self.entity_bytes_max, 64, Self::ENTITY_BYTES_MOST),
            ("transaction_bytes_max", self.transaction_bytes_max, 4096, 1 << 32),
            ("lock_timeout_ms", self.lock_timeout_ms, 0, 86_400_000),
            ("sort_bytes_max", self.sort_bytes_max, 1 << 16, 1 << 40),
        ];
        let interval = match self.durability {
            Durability::Grouped { interval_ms } => Some(("grouped_interval_ms", u64::from(interval_ms), 1, 60_000)),
            Durability::Durable | Durability::None => None,
        };
        let kib = u64::from(self.password_memory_kib);
        let memory = (kib > 0).then_some(("password_memory_kib", kib, 19_456, 262_144));
        for (name, value, least, most) in bounds.into_iter().chain(interval).chain(memory) {
            if value < least || value > most {
                let problem = format!("{name} is {value}; give a value from {least} to {most}");
                return Err(Error::new(ErrorCode::InvalidArgument, problem));
            }
        }
        if matches!(self.open_files_max, 1..4 | 0x10_0001..) {
            let problem = format!("open_files_max is {}; give a value from 4 to 1048576, or 0", self.open_files_max);
            return Err(Error::new(ErrorCode::InvalidArgument, problem));
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
