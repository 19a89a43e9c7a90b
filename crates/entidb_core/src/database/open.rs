//! Opening: on disk, in memory, or on a backend of the caller's.
//!
//! Always: options are judged before anything is touched; a database with a newer keyspace is refused untouched.
//! Does not know: recovery, which is the engine's.

use std::path::Path;
use std::sync::Arc;

use entidb_engine::{Compression, Engine, KdfParameters, KeySource, ZonePolicies, ZonePolicy};
use entidb_storage::{Backend, RootMode};

use super::shared::read_catalog;
use super::{Database, Shared};
use crate::change_feed::{Session, newest_mark};
use crate::error::{Error, ErrorCode, Result};
use crate::index::{clear_unfinished, kind};
use crate::keyspace;
use crate::options::{Key, Options};

impl Database {
    /// Opens the database in a folder, making it when there is none.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("entidb-doc-{}", std::process::id()));
    /// let db = entidb_core::Database::open(&folder)?;
    /// assert!(db.open_report().created);
    /// db.close()?;
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `DatabaseLocked` with the pid of the holder, `Corrupt`, `NotADatabase`, `FormatTooNew`, `EncryptionRequired`,
    /// `PermissionDenied`, `NotADirectory`, `Io`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::default())
    }

    /// Opens the database in a folder with these settings.
    ///
    /// ```
    /// use entidb_core::{Database, ErrorCode, Options};
    /// let missing = Options { create: false, ..Options::default() };
    /// let error = Database::open_with("no/such/folder", missing).unwrap_err();
    /// assert_eq!(error.code(), ErrorCode::DatabaseNotFound);
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open), and `DatabaseNotFound` when it must exist, `AlreadyExists` when it must not, `WrongKey`,
    /// `NotEncrypted`, `InvalidArgument`.
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        options.check()?;
        let path = path.as_ref();
        check_path(path)?;
        let mode = if options.read_only {
            RootMode::ReadOnly
        } else if options.create_parents {
            RootMode::CreateWithParents
        } else if options.create || options.create_new {
            RootMode::CreateIfMissing
        } else {
            RootMode::Existing
        };
        let backend = Backend::file(path, mode).map_err(|error| {
            let missing = error.kind == entidb_storage::ErrorKind::NotFound;
            if !missing {
                return Error::from(error);
            }
            let shown = path.display().to_string();
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            // Asked to make it, so what is missing is the place for it.
            let problem = match (mode, above) {
                (RootMode::CreateIfMissing, Some(above)) => format!(
                    "there is no folder {:?} to make the database {shown:?} in; make that folder first, or open \
                     with create_parents (`--parents` on the command line)",
                    above.display().to_string()
                ),
                (RootMode::CreateIfMissing | RootMode::CreateWithParents, _) => {
                    format!("there is no place to make {shown:?} in; give a whole path, below a folder that is there")
                }
                (RootMode::ReadOnly, _) => {
                    format!(
                        "there is no database at {shown:?} to read; check the path, or open for writing to make one"
                    )
                }
                _ => format!("there is no database at {shown:?}; check the path, or open with create"),
            };
            Error::new(ErrorCode::DatabaseNotFound, problem).with_path(&shown)
        })?;
        Self::open_in(backend, options, Some(path))
    }

    /// Opens a database that lives in memory and is gone when its last handle is.
    ///
    /// ```
    /// use entidb_core::Database;
    /// let db = Database::open_memory()?;
    /// assert_eq!(db.collections()?.len(), 0);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn open_memory() -> Result<Self> {
        Self::open_memory_with(Options::default())
    }

    /// Opens a database in memory with these settings.
    ///
    /// ```
    /// use entidb_core::{Database, Options, ScanPolicy};
    /// let db = Database::open_memory_with(Options { scan_policy: ScanPolicy::Forbid, ..Options::default() })?;
    /// assert_eq!(db.options().scan_policy, ScanPolicy::Forbid);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument`, `OutOfMemory`.
    pub fn open_memory_with(options: Options) -> Result<Self> {
        Self::open_on(Backend::memory(), options)
    }

    /// Opens a database on any backend: a simulated disk, a browser's storage, functions of the host.
    ///
    /// ```
    /// use entidb_core::{Database, Options};
    /// let backend = entidb_storage::Backend::memory();
    /// Database::open_on(backend.clone(), Options::default())?.close()?;
    /// let again = Database::open_on(backend, Options::default())?;
    /// assert!(again.open_report().clean);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open_on(backend: Backend, options: Options) -> Result<Self> {
        Self::open_in(backend, options, None)
    }

    fn open_in(backend: Backend, options: Options, folder: Option<&Path>) -> Result<Self> {
        options.check()?;
        let engine = Engine::open(backend.clone(), engine_options(&options))?;
        match finish_open(engine.clone(), backend, options) {
            Ok(mut shared) => {
                if let Some(folder) = folder {
                    shared.set_folder(folder);
                }
                Ok(Self { shared: Arc::new(shared) })
            }
            Err(error) => {
                // The first failure is the one to tell; the engine recovers from whatever closing leaves.
                let _ = engine.close();
                Err(error)
            }
        }
    }
}

/// Refuses what no system takes for the path of a folder, which each of them refuses in words of its own.
pub(super) fn check_path(path: &Path) -> Result<()> {
    let problem = if path.as_os_str().is_empty() {
        "the path of a database is empty; give that of a folder"
    } else if path.as_os_str().as_encoded_bytes().contains(&0) {
        "the path of a database holds a zero byte; give one without"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorCode::InvalidArgument, problem).with_path(&path.display().to_string()))
}

fn finish_open(engine: Engine, backend: Backend, options: Options) -> Result<Shared> {
    let session = if options.read_only { None } else { Some(Session::begin(&*backend.random)?) };
    let snapshot = engine.snapshot()?;
    match snapshot.get(&keyspace::keyspace_version())? {
        Some(bytes) => {
            let found = <[u8; 4]>::try_from(bytes.as_bytes()).map(u32::from_be_bytes);
            let found = found.map_err(|_| Error::corrupt("the version of the keyspace"))?;
            if found > keyspace::KEYSPACE_VERSION {
                let newest = keyspace::KEYSPACE_VERSION;
                let problem = format!(
                    "the database has keyspace version {found}, this library reads up to {newest}; use a newer EntiDB"
                );
                return Err(Error::new(ErrorCode::FormatTooNew, problem).with_path(backend.directory.location()));
            }
        }
        None => {
            if let Some(session) = &session {
                let mut tx = engine.begin_write()?;
                tx.put(&keyspace::keyspace_version(), &keyspace::KEYSPACE_VERSION.to_be_bytes())?;
                session.commit(tx, None)?;
            }
        }
    }
    if let Some(session) = &session {
        session.set_mark(newest_mark(&engine.snapshot()?)?);
    }
    let mut catalog = read_catalog(&engine.snapshot()?)?;
    if let Some(session) = &session
        && clear_unfinished(&engine, &catalog, session)?
    {
        catalog = read_catalog(&engine.snapshot()?)?;
    }
    Ok(Shared::new(engine, backend, options, catalog, session))
}

pub(super) fn key_source(key: &Key) -> KeySource {
    match key {
        Key::Raw(bytes) => KeySource::raw(*bytes),
        Key::Password(password) => KeySource::password(password.clone()),
    }
}

pub(crate) fn engine_options(options: &Options) -> entidb_engine::Options {
    let mut engine = entidb_engine::Options {
        create: options.create || options.create_new,
        create_new: options.create_new,
        read_only: options.read_only,
        key: options.key.as_ref().map(key_source),
        durability: options.durability,
        memory_bytes: options.memory_bytes,
        open_files_max: options.open_files_max,
        // The engine counts bookkeeping too; a document may be as large as a transaction may.
        transaction_bytes_max: options.transaction_bytes_max,
        zones: zones(options.compression),
        ..entidb_engine::Options::default()
    };
    if options.memtable_bytes > 0 {
        engine.memtable_bytes = options.memtable_bytes;
    }
    match options.checkpoint_bytes {
        0 => engine.auto_checkpoint = false,
        bytes => engine.wal_bytes = bytes,
    }
    if options.password_memory_kib > 0 {
        let memory_kib = u32::try_from(options.password_memory_kib).unwrap_or(u32::MAX);
        engine.kdf = KdfParameters { memory_kib, ..engine.kdf };
    }
    engine
}

/// Zones read by exact key get a point index; zones only walked in order get larger blocks instead.
fn zones(compression: Compression) -> ZonePolicies {
    let read = ZonePolicies::uniform(ZonePolicy { compression, ..ZonePolicy::default() });
    let walked = ZonePolicy { point_index: false, block_bytes: 16 << 10, compression, expires: false };
    let kept_for_a_time = ZonePolicy { expires: true, ..walked };
    let zones = kind::walked_zones().fold(read, |zones, zone| zones.with(zone, walked));
    zones
        .with(keyspace::ZONE_FEED, kept_for_a_time)
        .with(keyspace::ZONE_HISTORY, kept_for_a_time)
        .watermark_at(keyspace::WATERMARK)
}
