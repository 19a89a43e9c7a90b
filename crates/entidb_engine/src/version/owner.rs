//! The session that may write a database, and how it finds out that it is not any more.
//!
//! Always: each session that writes leaves a random number of its own in ROOT. Before a new file of the log and before a
//! change of the manifest, ROOT is read again by its name: a writer that finds another number there, no ROOT, or another folder
//! at the path of the database, has been replaced and stops writing. What was acknowledged stays in the files it was
//! written to.
//! Does not know: the lock that keeps two sessions apart, of which this is the second line. A lock is lost where a file
//! server forgets it; a folder is moved, restored or removed by people, whom no lock keeps out.

use entidb_storage::{Backend, ErrorKind, Random, Whereabouts};

use crate::crypto::Keys;
use crate::error::{Error, Result};
use crate::format::OWNER_BYTES;
use crate::planted::{Mistake, makes};
use crate::version::read_root_file;

/// A session that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner([u8; OWNER_BYTES]);

impl Owner {
    /// Who owns a copy that nobody has opened yet.
    pub(crate) const NOBODY: Self = Self([0; OWNER_BYTES]);

    pub(crate) fn new(random: &dyn Random) -> Result<Self> {
        let mut stamp = [0; OWNER_BYTES];
        random.fill(&mut stamp)?;
        Ok(Self(stamp))
    }

    /// The number that goes to ROOT.
    pub(crate) fn stamp(&self) -> [u8; OWNER_BYTES] {
        self.0
    }

    /// Finds out whether the database is still this session's.
    ///
    /// `Replaced` when it is not; a failure of the storage leaves it open.
    pub(crate) fn check(&self, backend: &Backend, keys: &Keys) -> Result<()> {
        if makes(Mistake::OwnerNotChecked) {
            return Ok(());
        }
        match self.look(backend, keys) {
            // Once more, because a reader may be given what somebody is just writing.
            Err(Error::Replaced { .. }) => self.look(backend, keys),
            looked => looked,
        }
    }

    fn look(&self, backend: &Backend, keys: &Keys) -> Result<()> {
        let replaced = |found: String| {
            let path = backend.directory.location().to_owned();
            Err(Error::Replaced { path, found })
        };
        match backend.directory.whereabouts() {
            Ok(Whereabouts::Here) => {}
            Ok(Whereabouts::Gone) => return replaced("its folder was moved or removed".to_owned()),
            Ok(Whereabouts::Elsewhere) => return replaced("another folder is at its path".to_owned()),
            // Who gave up rights after opening may still use what is open.
            Err(error) if error.kind == ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error.into()),
        }
        match read_root_file(backend).and_then(|file| file.newest(keys)) {
            Ok((root, _)) if root.owner == self.0 => Ok(()),
            Ok(_) => replaced("its ROOT was written by somebody else".to_owned()),
            Err(Error::Storage(error)) if error.kind == ErrorKind::NotFound => {
                replaced("its ROOT was removed".to_owned())
            }
            Err(
                error @ (Error::Corrupt { .. }
                | Error::NotADatabase { .. }
                | Error::FormatTooNew { .. }
                | Error::FeaturesUnknown { .. }),
            ) => replaced(format!("its ROOT is not what was written ({error})")),
            Err(error) => Err(error),
        }
    }
}
