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
    /// It is opened, or made, and the folders above it that are missing are made too.
    CreateWithParents,
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
            // Its maker may have stopped before its name was durable. We cannot know, and asking costs one
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
        RootMode::CreateWithParents => match open_root(path, RootMode::CreateIfMissing) {
            Err(ErrorKind::NotFound) => {
                let made = make_parents(path)?;
                let opened = open_root(path, RootMode::CreateIfMissing);
                if opened.is_err() {
                    unmake_all(&made);
                }
                opened
            }
            opened => opened,
        },
        RootMode::CreateNew => {
            let (root, made) = open_or_make(path)?;
            if !made && !root.list("")?.is_empty() {
                return Err(ErrorKind::FolderNotEmpty);
            }
            Ok(root)
        }
    }
}

/// Makes the folders above a path that are missing, from the top, each durable before the next. Gives those it made; on a
/// failure they are gone again.
fn make_parents(path: &Path) -> Result<Vec<&Path>, ErrorKind> {
    let mut missing = Vec::new();
    for above in path.ancestors().skip(1).take_while(|above| !above.as_os_str().is_empty()) {
        match Root::open(above) {
            Err(ErrorKind::NotFound) => missing.push(above),
            // What cannot be looked at may still be walked through; making what is below it tells.
            _ => break,
        }
    }
    let mut made = Vec::new();
    for folder in missing.into_iter().rev() {
        match Root::make_above(folder) {
            Ok(()) => made.push(folder),
            Err(ErrorKind::AlreadyExists) => continue,
            Err(kind) => {
                unmake_all(&made);
                return Err(kind);
            }
        }
        match Root::flush_parent(folder) {
            // A folder above that we may write to and not read cannot be flushed by us.
            Ok(()) | Err(ErrorKind::PermissionDenied) => {}
            Err(kind) => {
                unmake_all(&made);
                return Err(kind);
            }
        }
    }
    Ok(made)
}

fn unmake_all(made: &[&Path]) {
    for folder in made.iter().rev() {
        let _best_effort = Root::unmake(folder);
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
