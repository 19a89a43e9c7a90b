//! A directory that closes files of segments where the system has no more to give, and asks again.
//!
//! Always: everything is passed on as it is; what fails for another reason, or when no segment is open any more, fails as
//! it did below. Does not know: what its files are for: a log file gets its place as a segment does.

use std::sync::Arc;

use entidb_storage::{
    Abilities, Backend, Directory, Entry, ErrorKind, File, Lock, LockKind, OpenMode, Result, Whereabouts,
};

use super::OpenFiles;

/// A directory that makes room for the files it opens.
pub(crate) struct SparingDirectory {
    below: Arc<dyn Directory>,
    open_files: Arc<OpenFiles>,
}

impl SparingDirectory {
    /// The backend with such a directory.
    pub(crate) fn over(backend: &Backend, open_files: &Arc<OpenFiles>) -> Backend {
        let directory = Self { below: Arc::clone(&backend.directory), open_files: Arc::clone(open_files) };
        Backend { directory: Arc::new(directory), ..backend.clone() }
    }

    fn sparing<T>(&self, mut act: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match act() {
                Err(error) if error.kind == ErrorKind::TooManyOpenFiles && self.open_files.halve() > 0 => {}
                done => return done,
            }
        }
    }
}

impl Directory for SparingDirectory {
    fn location(&self) -> &str {
        self.below.location()
    }

    fn abilities(&self) -> Abilities {
        self.below.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        self.sparing(|| self.below.open(name, mode))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        self.sparing(|| self.below.create_folder(name))
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        self.sparing(|| self.below.remove_folder(name))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.sparing(|| self.below.remove(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.sparing(|| self.below.rename(from, to))
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.sparing(|| self.below.hard_link(from, to))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.sparing(|| self.below.list(folder))
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        self.sparing(|| self.below.flush_names(folder))
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        self.sparing(|| self.below.lock(name, kind))
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        self.below.whereabouts()
    }

    fn free_bytes(&self) -> Result<u64> {
        self.below.free_bytes()
    }

    fn open_files_max(&self) -> Option<u64> {
        self.below.open_files_max()
    }
}
