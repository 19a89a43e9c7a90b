//! A consistent copy of a database while it is in use.
//!
//! Always: the copy is the state after one commit, complete and closed in order; its ROOT is written last, so a copy
//! that was cut short is no database. Segments are copied as they are, encrypted ones stay encrypted.
//! Does not know: where the copy goes; the caller gives a backend.

use entidb_storage::{Backend, Error as StorageError, ErrorKind, LockKind, OpenMode, Operation};

use crate::engine::{LOCK, Shared};
use crate::error::{Damage, Error, Result};
use crate::format::{FileKind, FileNumber, KEYRING_FILE, Sequence};
use crate::version::{FileNumbers, InstallContext, create_folders, write_closed};

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// What a backup copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// The last commit in the copy.
    pub sequence: Sequence,
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
}

pub(crate) fn backup(shared: &Shared, target: &Backend) -> Result<BackupReport> {
    check_empty(target)?;
    let lock = target.directory.lock(LOCK, LockKind::Exclusive)?;
    check_empty(target)?;
    shared.checkpoint()?;
    // Held until the copy is done: as long as this view lives, its files stay.
    let (view, floor) = {
        let installer = shared.installer.lock();
        let floor = installer.as_ref().ok_or(Error::Closed)?.floor();
        (shared.current.load_full(), floor)
    };
    create_folders(target)?;
    let mut report = BackupReport { sequence: floor, files: 0, bytes: 0 };
    if shared.keys.is_encrypted() {
        // Held so that no change of the keys is copied half done.
        let _keyring = shared.keyring.lock();
        let bytes = copy_file(&shared.backend, target, KEYRING_FILE, None)?;
        target.directory.flush_names("")?;
        report.files = report.files.saturating_add(1);
        report.bytes = report.bytes.saturating_add(bytes);
    }
    let mut greatest = FileNumber(0);
    for segment in view.version.segments() {
        let meta = segment.meta();
        let bytes = copy_file(&shared.backend, target, &segment.path(), Some(meta.bytes))?;
        report.files = report.files.saturating_add(1);
        report.bytes = report.bytes.saturating_add(bytes);
        greatest = greatest.max(meta.number);
    }
    target.directory.flush_names(FileKind::Segment.folder())?;
    let numbers = FileNumbers::starting_at(FileNumber(greatest.0.saturating_add(1)));
    let context = InstallContext { backend: target, keys: &shared.keys, numbers: &numbers };
    write_closed(&context, 1, &view.version, floor)?;
    drop(lock);
    Ok(report)
}

fn check_empty(target: &Backend) -> Result<()> {
    if target.directory.list("")?.iter().any(|entry| entry.name != LOCK) {
        let path = target.directory.location();
        return Err(StorageError::new(Operation::OpenRoot, path, ErrorKind::FolderNotEmpty).into());
    }
    Ok(())
}

/// Copies a file and flushes it. Its length is checked where it is known.
fn copy_file(from: &Backend, to: &Backend, path: &str, len: Option<u64>) -> Result<u64> {
    let source = from.directory.open(path, OpenMode::Read).map_err(|error| match error.kind {
        ErrorKind::NotFound => Error::Corrupt {
            damage: Damage::Missing,
            file: path.to_owned(),
            offset: 0,
            detail: "the database lists it".to_owned(),
        },
        _ => error.into(),
    })?;
    let found = source.len()?;
    if let Some(len) = len
        && len != found
    {
        return Err(Error::damaged(path, found, format!("it has {found} bytes, the manifest says {len}")));
    }
    let target = to.directory.open(path, OpenMode::CreateNew)?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0_u64;
    while offset < found {
        let left = usize::try_from(found.saturating_sub(offset)).unwrap_or(usize::MAX).min(COPY_BYTES);
        let Some(part) = buffer.get_mut(..left) else { break };
        source.read_exact_at(offset, part)?;
        target.write_all_at(offset, part)?;
        offset = offset.saturating_add(left as u64);
    }
    target.flush_all()?;
    Ok(found)
}
