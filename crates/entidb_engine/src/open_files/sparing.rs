//! The directory of an open database: it closes files of segments where the system has no more to give, and asks again.
//!
//! Always: everything is passed on as it is; what fails for another reason, or when no segment is open any more, fails as
//! it did below. Once it is closed, or in a child made by `fork`, it passes nothing on: no handle that somebody still
//! holds keeps the folder open, and nothing a child drops removes a file.
//! Does not know: what its files are for: a log file gets its place as a segment does.

use std::sync::Arc;

use entidb_storage::{
    Abilities, Backend, Directory, Entry, Error, ErrorKind, File, Lock, LockKind, OpenMode, Operation, Process, Result,
    Whereabouts,
};

use super::OpenFiles;
use crate::sync::Mutex;

/// A directory that makes room for the files it opens.
pub(crate) struct SparingDirectory {
    /// None once it is closed.
    below: Mutex<Option<Arc<dyn Directory>>>,
    location: String,
    abilities: Abilities,
    open_files_max: Option<u64>,
    open_files: Arc<OpenFiles>,
    process: Process,
}

impl SparingDirectory {
    pub(crate) fn new(directory: &Arc<dyn Directory>, open_files: &Arc<OpenFiles>) -> Arc<Self> {
        Arc::new(Self {
            location: directory.location().to_owned(),
            abilities: directory.abilities(),
            open_files_max: directory.open_files_max(),
            below: Mutex::new(Some(Arc::clone(directory))),
            open_files: Arc::clone(open_files),
            process: Process::current(),
        })
    }

    /// The backend with such a directory.
    pub(crate) fn over(backend: &Backend, open_files: &Arc<OpenFiles>) -> Backend {
        Backend { directory: Self::new(&backend.directory, open_files), ..backend.clone() }
    }

    /// Lets go of the folder, and of every segment that is open.
    fn close(&self) {
        // In a child another thread of the parent may have held the locks.
        if self.process.is_current() {
            self.open_files.close();
            let below = self.below.lock().take();
            drop(below);
        }
    }

    fn below(&self, operation: Operation, name: &str) -> Result<Arc<dyn Directory>> {
        if !self.process.is_current() {
            return Err(Error::new(operation, name, ErrorKind::Forked));
        }
        self.below.lock().clone().ok_or_else(|| Error::new(operation, name, ErrorKind::Closed))
    }

    fn sparing<T>(
        &self,
        operation: Operation,
        name: &str,
        mut act: impl FnMut(&dyn Directory) -> Result<T>,
    ) -> Result<T> {
        let below = self.below(operation, name)?;
        loop {
            match act(below.as_ref()) {
                Err(error) if error.kind == ErrorKind::TooManyOpenFiles && self.open_files.halve() > 0 => {}
                done => return done,
            }
        }
    }
}

/// The lock of a database. Letting go of it closes the directory, so that after `close` nothing of it is open, whatever
/// handles there still are.
pub(crate) struct Tenure {
    // Before the directory.
    lock: Option<Box<dyn Lock>>,
    directory: Arc<SparingDirectory>,
}

impl Tenure {
    pub(crate) fn new(lock: Box<dyn Lock>, directory: Arc<SparingDirectory>) -> Self {
        Self { lock: Some(lock), directory }
    }
}

impl Lock for Tenure {
    fn kind(&self) -> LockKind {
        self.lock.as_ref().map_or(LockKind::Shared, |lock| lock.kind())
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.directory.close();
        drop(self.lock.take());
    }
}

impl Directory for SparingDirectory {
    fn location(&self) -> &str {
        &self.location
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        self.sparing(Operation::Open, name, |below| below.open(name, mode))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        self.sparing(Operation::CreateFolder, name, |below| below.create_folder(name))
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        self.sparing(Operation::RemoveFolder, name, |below| below.remove_folder(name))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.sparing(Operation::Remove, name, |below| below.remove(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.sparing(Operation::Rename, from, |below| below.rename(from, to))
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.sparing(Operation::HardLink, from, |below| below.hard_link(from, to))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.sparing(Operation::List, folder, |below| below.list(folder))
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        self.sparing(Operation::FlushNames, folder, |below| below.flush_names(folder))
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        self.sparing(Operation::Lock, name, |below| below.lock(name, kind))
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        self.below(Operation::Locate, &self.location)?.whereabouts()
    }

    fn free_bytes(&self) -> Result<u64> {
        self.below(Operation::FreeBytes, &self.location)?.free_bytes()
    }

    fn open_files_max(&self) -> Option<u64> {
        self.open_files_max
    }
}
