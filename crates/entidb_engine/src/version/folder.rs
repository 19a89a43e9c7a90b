//! The folders a database keeps its files in.
//!
//! Always: a folder that is not there is an empty one, because some storages keep no empty folders.
//! Does not know: what the files hold.

use entidb_storage::{Backend, Entry, ErrorKind};

use crate::error::Result;
use crate::format::FileKind;

/// The folders of a database.
pub(crate) const FOLDERS: [FileKind; 4] = [FileKind::Wal, FileKind::Manifest, FileKind::Segment, FileKind::Temporary];

/// The files of a kind.
pub(crate) fn list_files(backend: &Backend, kind: FileKind) -> Result<Vec<Entry>> {
    match backend.directory.list(kind.folder()) {
        Ok(entries) => Ok(entries),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Makes the folders that are missing and puts their names on stable storage.
pub(crate) fn create_folders(backend: &Backend) -> Result<()> {
    let entries = backend.directory.list("")?;
    let mut made = false;
    for kind in FOLDERS {
        if !entries.iter().any(|entry| entry.name == kind.folder()) {
            backend.directory.create_folder(kind.folder())?;
            made = true;
        }
    }
    if made {
        backend.directory.flush_names("")?;
    }
    Ok(())
}
