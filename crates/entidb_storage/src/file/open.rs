//! How the root folder of a database on disk is opened or made.
//!
//! Always: a failed open creates nothing and changes nothing; a folder we make is ours alone (0700) and its name is
//! durable before we say so.
//! Does not know: what is in the folder.

use std::path::Path;

use super::platform::Root;
use crate::error::ErrorKind;

/// How the root folder is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RootMode {
    /// It must exist. Nothing is created.
    #[default]
    Existing,
    /// It is made when missing; the folder above it must exist.
    CreateIfMissing,
    /// It is made, or is there and empty.
    CreateNew,
    /// It must exist, and nothing in it can be created, changed or removed through this directory.
    ReadOnly,
}

/// Opens the root, and says of a failure whose path it is about when that is not the root's.
pub(super) fn open_root(path: &Path, mode: RootMode) -> Result<Root, ErrorKind> {
    match mode {
        RootMode::Existing | RootMode::ReadOnly => Root::open(path),
        RootMode::CreateIfMissing => {
            let (root, made) = open_or_make(path)?;
            // Whoever made it may have stopped before its name was durable. We cannot know, and asking costs one
            // flush at the birth of a database.
            if !made && root.list("")?.is_empty() {
                match Root::flush_parent(path) {
                    // We may not look at the folder above, so we cannot have made this one either.
                    Ok(()) | Err(ErrorKind::PermissionDenied) => {}
                    Err(kind) => return Err(kind),
                }
            }
            Ok(root)
        }
        RootMode::CreateNew => {
            let (root, made) = open_or_make(path)?;
            if !made && !root.list("")?.is_empty() {
                return Err(ErrorKind::FolderNotEmpty);
            }
            Ok(root)
        }
    }
}

/// The root, and whether it is of our making.
fn open_or_make(path: &Path) -> Result<(Root, bool), ErrorKind> {
    match Root::open(path) {
        Ok(root) => return Ok((root, false)),
        Err(ErrorKind::NotFound) => {}
        Err(kind) => return Err(kind),
    }
    match Root::make(path) {
        Ok(()) => {}
        // Another process was quicker: the folder is theirs.
        Err(ErrorKind::AlreadyExists) => return Ok((Root::open(path)?, false)),
        Err(kind) => return Err(kind),
    }
    // From here on a failure must take the folder away again, or a failed open would have created something.
    match Root::flush_parent(path).and_then(|()| Root::open(path)) {
        Ok(root) => Ok((root, true)),
        Err(kind) => {
            let _best_effort = Root::unmake(path);
            Err(kind)
        }
    }
}
