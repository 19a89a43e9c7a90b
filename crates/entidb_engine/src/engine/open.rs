//! From a folder to an open database: look, lock, look again, then read or make.
//!
//! Always: nothing is written before the folder is known to be ours or empty, and nothing at all when reading only or
//! when opening fails on what was found.
//! Does not know: what the log and the manifest hold (`recover`).

use std::sync::Arc;

use entidb_storage::{Backend, Entry, ErrorKind, File, Lock, LockKind, OpenMode};

use crate::crypto::Surroundings;
use crate::engine::shared::Shared;
use crate::engine::{create, recover};
use crate::error::{Damage, Error, Result};
use crate::format::{FileKind, WAL_UNIT_HEADER_BYTES, WAL_UNITS_AT, WalUnitHeader};
use crate::open_files::{OpenFiles, SparingDirectory, Tenure};
use crate::options::Options;
use crate::version::{RootFile, UNFINISHED, list_files, number_of, read_root_file};

/// The name of the lock in a database's folder.
pub(crate) const LOCK: &str = "LOCK";
/// The name of the file that everything else hangs from.
pub(crate) const ROOT: &str = "ROOT";
/// The name of the file with the wrapped data keys.
pub(crate) const KEYRING: &str = "KEYRING";

pub(crate) fn open(backend: Backend, mut options: Options) -> Result<Arc<Shared>> {
    options.validate()?;
    options.settle();
    let open_files = OpenFiles::new(options.open_files_max, backend.directory.as_ref());
    let directory = SparingDirectory::new(&backend.directory, &open_files);
    let backend = Backend { directory: directory.clone(), ..backend };
    // Looked at before the lock is taken, because taking it makes a file.
    if let Err(error) = judge(&backend, &options, &backend.directory.list("")?) {
        judge_with_lock(&backend, &options, error)?;
    }
    let lock = if options.read_only {
        lock_for_reading(&backend)?
    } else {
        backend.directory.lock(LOCK, LockKind::Exclusive)?
    };
    let lock = Box::new(Tenure::new(lock, directory));
    let entries = backend.directory.list("")?;
    let found = judge(&backend, &options, &entries)?;
    match found {
        Found::Database => {
            if !options.read_only && entries.iter().any(|entry| entry.name == UNFINISHED) {
                // ROOT is whole, so the copy is. Should ROOT be damaged later, the mark would be taken for that of a copy that
                // was cut short.
                backend.directory.remove(UNFINISHED)?;
                backend.directory.flush_names("")?;
            }
            recover::recover(backend, options, lock, open_files)
        }
        Found::Nothing => create::create(backend, options, lock, open_files),
        Found::Unfinished => {
            create::sweep_unfinished(&backend)?;
            create::create(backend, options, lock, open_files)
        }
    }
}

/// Judges once more what was refused without the lock: the holder of the lock may be making the database at this moment, and what is there of
/// it is no damage. A lock for reading is enough to know, and writes nothing; where there is no lock file, nobody is at work.
fn judge_with_lock(backend: &Backend, options: &Options, refused: Error) -> Result<()> {
    if !backend.directory.list("")?.iter().any(|entry| entry.name == LOCK) {
        return Err(refused);
    }
    let lock = match backend.directory.lock(LOCK, LockKind::Shared) {
        Ok(lock) => lock,
        Err(error) if matches!(error.kind, ErrorKind::Locked { .. }) => return Err(error.into()),
        Err(_) => return Err(refused),
    };
    let judged = judge(backend, options, &backend.directory.list("")?);
    drop(lock);
    judged.map(drop)
}

/// A reader's lock. A copy that nobody has opened for writing where it is now has no lock file yet: it is made, or where
/// this directory cannot be written, done without. Should a writer come in spite of that, the reader meets missing files.
fn lock_for_reading(backend: &Backend) -> Result<Box<dyn Lock>> {
    match backend.directory.lock(LOCK, LockKind::Shared) {
        Err(error) if error.kind == ErrorKind::NotFound => {}
        taken => return Ok(taken?),
    }
    match backend.directory.open(LOCK, OpenMode::CreateOrOpen) {
        Ok(_) => Ok(backend.directory.lock(LOCK, LockKind::Shared)?),
        Err(error) if error.kind == ErrorKind::ReadOnly => Ok(Box::new(Needless)),
        Err(error) => Err(error.into()),
    }
}

/// The lock where none can be made.
struct Needless;

impl Lock for Needless {
    fn kind(&self) -> LockKind {
        LockKind::Shared
    }
}

pub(crate) fn surroundings(backend: &Backend, options: &Options) -> Surroundings {
    Surroundings {
        directory: Arc::clone(&backend.directory),
        random: Arc::clone(&backend.random),
        provider: Arc::clone(&options.provider),
    }
}

enum Found {
    Database,
    Nothing,
    /// The remains of making a database that never became one.
    Unfinished,
}

fn judge(backend: &Backend, options: &Options, entries: &[Entry]) -> Result<Found> {
    let path = || backend.directory.location().to_owned();
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    let folder = |kind: FileKind| has(kind.folder());
    // A crash while a database was being made may have left the name of one folder only, whichever.
    let empty = |kind: FileKind| Ok::<bool, Error>(folder(kind) && list_files(backend, kind)?.is_empty());
    let ours = folder(FileKind::Wal)
        || folder(FileKind::Manifest)
        || folder(FileKind::Segment)
        || has(KEYRING)
        || empty(FileKind::Temporary)?;
    let found = if has(UNFINISHED) && !has_whole_root(backend, has(ROOT)) {
        let detail = format!(
            "a copy of a database is being made here or was cut short, as the file {UNFINISHED} says; if nothing is making it any \
             more, delete the folder and make the copy again"
        );
        return Err(Error::NotADatabase { path: path(), detail });
    } else if has(ROOT) {
        match read_root_file(backend) {
            Ok(root) if root.has_whole_slot() || !ours || !is_blank(backend)? => Found::Database,
            Ok(_) => unfinished(Error::damaged(ROOT, 0, "no slot of it is whole"), options)?,
            Err(error) if ours && is_blank(backend)? => unfinished(error, options)?,
            // The other files say that this is a database, so what ROOT lacks was lost.
            Err(Error::NotADatabase { detail, .. }) if ours => return Err(Error::damaged(ROOT, 0, detail)),
            Err(error) => return Err(error),
        }
    } else if ours {
        let missing = Error::Corrupt {
            damage: Damage::Missing,
            file: ROOT.to_owned(),
            offset: 0,
            detail: "the folder has files of a database".to_owned(),
        };
        if !is_blank(backend)? {
            return Err(missing);
        }
        unfinished(missing, options)?
    } else if let Some(foreign) = entries.iter().find(|entry| entry.name != LOCK) {
        let detail = format!("it holds {:?} and no {ROOT}; give an empty folder to make a database in", foreign.name);
        return Err(Error::NotADatabase { path: path(), detail });
    } else {
        Found::Nothing
    };
    match found {
        Found::Database if options.create_new => Err(Error::DatabaseExists { path: path() }),
        Found::Nothing | Found::Unfinished if options.read_only || !(options.create || options.create_new) => {
            Err(Error::NoDatabase { path: path() })
        }
        found => Ok(found),
    }
}

/// A copy is complete when its ROOT is, which is written last, in one write of both slots.
fn has_whole_root(backend: &Backend, is_there: bool) -> bool {
    let is_whole = |root: RootFile| root.has_whole_slot() && root.is_untorn();
    is_there && read_root_file(backend).is_ok_and(is_whole)
}

/// What was being made and never finished may be made again, but only when making is asked for.
fn unfinished(error: Error, options: &Options) -> Result<Found> {
    if options.read_only || !(options.create || options.create_new) { Err(error) } else { Ok(Found::Unfinished) }
}

/// True when the files could be those of a database that was being made: no segments, at most one manifest, and at
/// most one log file that was never written to. Making ends with ROOT, and nothing is committed before. Anything else in
/// the folders speaks against it: a new database is not made around what belongs to somebody.
fn is_blank(backend: &Backend) -> Result<bool> {
    let manifests = list_files(backend, FileKind::Manifest)?.len();
    if !list_files(backend, FileKind::Segment)?.is_empty() || manifests > 1 {
        return Ok(false);
    }
    let wals = list_files(backend, FileKind::Wal)?;
    let [wal] = wals.as_slice() else { return Ok(wals.is_empty()) };
    if wal.is_folder || number_of(&wal.name).is_none() {
        return Ok(false);
    }
    let file = backend.directory.open(&format!("{}/{}", FileKind::Wal.folder(), wal.name), OpenMode::Read)?;
    let len = file.len()?;
    let mut offset = WAL_UNITS_AT;
    let mut buffer = vec![0; 64 * 1024];
    while offset < len {
        let count = file.read_at(offset, &mut buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if count == 0 || bytes.iter().any(|byte| *byte != 0) {
            // Before the manifest exists the zeros of the log may not have reached the disk, and where its length
            // did, any bytes may stand there. What was written to as a log begins with a unit.
            return Ok(count > 0 && manifests == 0 && !begins_with_a_unit(file.as_ref(), &wal.name)?);
        }
        offset = offset.saturating_add(count as u64);
    }
    Ok(true)
}

fn begins_with_a_unit(file: &dyn File, name: &str) -> Result<bool> {
    let mut header = [0; WAL_UNIT_HEADER_BYTES];
    match file.read_exact_at(WAL_UNITS_AT, &mut header) {
        Ok(()) => {}
        Err(error) if matches!(error.kind, ErrorKind::UnexpectedEnd { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    Ok(number_of(name).is_some_and(|number| WalUnitHeader::decode(&header, number).is_some()))
}
