//! The root folder of a simulated world.
//!
//! Always: it answers as a folder of a real system does, with the same errors; names wait until they are flushed.
//! Does not know: the bytes of files (`file`), or what a crash makes of names (`crash`).

use std::sync::Arc;

use super::disk::{FileIndex, NameChange, folder_of};
use super::fault::FaultKind;
use super::file::SimulatedFile;
use super::world::{State, Subject, World};
use crate::directory::{Abilities, Directory, Entry, Lock, LockKind, OpenMode, Whereabouts};
use crate::error::{ErrorKind, Operation, Result};
use crate::file::File;
use crate::name::Name;

pub(super) struct SimulatedDirectory {
    pub(super) world: Arc<World>,
    pub(super) location: String,
}

/// What a simulated device says is free when it was given no size.
const FREE_BYTES: u64 = 1 << 40;

/// Accepts a relative name of at most one folder and one file.
fn accept(operation: Operation, name: &str, folders: usize) -> Result<Arc<str>> {
    if folders == 0 {
        Name::parse_folder(operation, name)?;
    } else {
        Name::parse(operation, name)?;
    }
    Ok(Arc::from(name))
}

impl State {
    /// The file that has this name, or the error a system gives for it.
    fn file_named(&self, subject: &Subject<'_>, path: &str) -> Result<FileIndex> {
        self.check_folder(subject, path)?;
        if self.disk.names.folders.contains(path) {
            return Err(subject.fail(ErrorKind::IsAFolder));
        }
        self.disk.names.files.get(path).copied().ok_or_else(|| subject.fail(ErrorKind::NotFound))
    }

    /// Errors when the folder of a path is not one.
    fn check_folder(&self, subject: &Subject<'_>, path: &str) -> Result<()> {
        let folder = folder_of(path);
        if folder.is_empty() || self.disk.names.folders.contains(folder) {
            Ok(())
        } else if self.disk.names.files.contains_key(folder) {
            Err(subject.fail(ErrorKind::NotAFolder))
        } else {
            Err(subject.fail(ErrorKind::NotFound))
        }
    }

    /// Makes a file vanish, or a removed one come back, as the fault says.
    fn haunt(&mut self, fault: Option<FaultKind>, path: &str, is_folder: bool) {
        let names = &self.disk.names.files;
        match fault {
            Some(FaultKind::LostFile) => {
                let inside = |name: &&Arc<str>| folder_of(name) == path;
                let lost = if is_folder {
                    names.keys().rev().find(inside).cloned()
                } else {
                    names.get_key_value(path).map(|(name, _)| Arc::clone(name))
                };
                if let Some(lost) = lost {
                    self.disk.version += 1;
                    let gone = NameChange::Unname { path: lost };
                    self.disk.names.apply(&gone);
                    self.disk.durable_names.apply(&gone);
                }
            }
            Some(FaultKind::ResurrectedFile) => {
                let back = self.disk.removed.iter().rev().find(|(name, _)| !names.contains_key(name)).cloned();
                if let Some((path, file)) = back {
                    self.disk.version += 1;
                    let back = NameChange::Name { path, file };
                    self.disk.names.apply(&back);
                    self.disk.durable_names.apply(&back);
                }
            }
            _ => {}
        }
    }
}

impl SimulatedDirectory {
    fn call<T>(
        &self,
        operation: Operation,
        path: &Arc<str>,
        act: impl FnOnce(&mut State, &Subject<'_>, Option<FaultKind>) -> Result<T>,
    ) -> Result<T> {
        let subject = Subject { operation, path, offset: 0, len: 0 };
        self.world.call(subject, |state, fault| act(state, &subject, fault))
    }
}

impl Directory for SimulatedDirectory {
    fn location(&self) -> &str {
        &self.location
    }

    fn abilities(&self) -> Abilities {
        let laws = &self.world.laws;
        Abilities { rename: laws.rename, hard_link: laws.hard_link, names_need_flush: laws.names_need_flush }
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        let path = accept(Operation::Open, name, 1)?;
        let file = self.call(Operation::Open, &path, |state, subject, fault| {
            state.haunt(fault, &path, false);
            if state.open_files_max.is_some_and(|most| state.open.values().sum::<usize>() >= most) {
                return Err(subject.fail(ErrorKind::TooManyOpenFiles));
            }
            let file = match (state.file_named(subject, &path), mode) {
                (Ok(_), OpenMode::CreateNew) => return Err(subject.fail(ErrorKind::AlreadyExists)),
                // A name is taken by whatever has it.
                (Err(error), OpenMode::CreateNew) if error.kind == ErrorKind::IsAFolder => {
                    return Err(subject.fail(ErrorKind::AlreadyExists));
                }
                (Ok(file), _) => file,
                (Err(error), OpenMode::CreateNew | OpenMode::CreateOrOpen) if error.kind == ErrorKind::NotFound => {
                    state.check_folder(subject, &path)?;
                    state.disk.create(&path)
                }
                (Err(error), _) => return Err(error),
            };
            *state.open.entry(file).or_default() += 1;
            Ok(file)
        })?;
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(SimulatedFile { world: Arc::clone(&self.world), file, path, writable }))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        let path = accept(Operation::CreateFolder, name, 0)?;
        self.call(Operation::CreateFolder, &path, |state, subject, _| {
            if state.disk.names.files.contains_key(&path) {
                return Err(subject.fail(ErrorKind::NotAFolder));
            }
            if !state.disk.names.folders.contains(&path) {
                state.disk.change_names(NameChange::Folder { name: Arc::clone(&path) });
            }
            Ok(())
        })
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        let path = accept(Operation::RemoveFolder, name, 0)?;
        self.call(Operation::RemoveFolder, &path, |state, subject, _| {
            state.check_is_folder(subject)?;
            if state.disk.names.files.keys().any(|file| folder_of(file) == &*path) {
                return Err(subject.fail(ErrorKind::FolderNotEmpty));
            }
            state.disk.change_names(NameChange::Unfolder { name: Arc::clone(&path) });
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = accept(Operation::Remove, name, 1)?;
        self.call(Operation::Remove, &path, |state, subject, _| {
            let file = state.file_named(subject, &path)?;
            state.disk.remove(&path, file);
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let from = accept(Operation::Rename, from, 1)?;
        let to = accept(Operation::Rename, to, 1)?;
        self.call(Operation::Rename, &from, |state, subject, _| {
            if !self.world.laws.rename {
                return Err(subject.fail(ErrorKind::Unsupported));
            }
            let file = state.file_named(subject, &from)?;
            state.check_folder(subject, &to)?;
            if state.disk.names.folders.contains(&to) {
                return Err(subject.fail(ErrorKind::IsAFolder));
            }
            if state.disk.names.files.get(&to) == Some(&file) {
                // Two names of one file: a rename between them does nothing, as POSIX says.
                return Ok(());
            }
            state.disk.change_names(NameChange::Rename { from: Arc::clone(&from), to: Arc::clone(&to), file });
            Ok(())
        })
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        let from = accept(Operation::HardLink, from, 1)?;
        let to = accept(Operation::HardLink, to, 1)?;
        self.call(Operation::HardLink, &from, |state, subject, _| {
            if !self.world.laws.hard_link {
                return Err(subject.fail(ErrorKind::Unsupported));
            }
            let file = state.file_named(subject, &from)?;
            state.check_folder(subject, &to)?;
            if state.disk.names.files.contains_key(&to) || state.disk.names.folders.contains(&to) {
                return Err(subject.fail(ErrorKind::AlreadyExists));
            }
            state.disk.change_names(NameChange::Name { path: Arc::clone(&to), file });
            Ok(())
        })
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        let path = if folder.is_empty() { Arc::from("") } else { accept(Operation::List, folder, 0)? };
        self.call(Operation::List, &path, |state, subject, fault| {
            state.haunt(fault, &path, true);
            state.check_is_folder(subject)?;
            let names = &state.disk.names;
            let inside = |name: &&Arc<str>| folder_of(name) == &*path;
            let base = |name: &str| name.rsplit_once('/').map_or(name, |(_, base)| base).to_owned();
            let files = names.files.keys().filter(inside).map(|name| Entry { name: base(name), is_folder: false });
            let folders = names.folders.iter().filter(|_| path.is_empty());
            let folders = folders.map(|name| Entry { name: name.to_string(), is_folder: true });
            let mut entries: Vec<Entry> = files.chain(folders).collect();
            entries.sort();
            Ok(entries)
        })
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        let path = if folder.is_empty() { Arc::from("") } else { accept(Operation::FlushNames, folder, 0)? };
        self.call(Operation::FlushNames, &path, |state, subject, fault| {
            state.check_is_folder(subject)?;
            if let Some(kind) = fault {
                // The names stay waiting under every cache law: no journal forgets names and goes on. A system whose
                // journal fails goes read-only, which is a fault of its own.
                let error = kind.error(Operation::FlushNames, &path);
                return Err(error.unwrap_or_else(|| subject.device()));
            }
            if self.world.laws.names_need_flush && !state.flushes_lie {
                state.disk.flush_names(&path);
            }
            state.disk.forget_unreachable(&state.open);
            Ok(())
        })
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        let path = accept(Operation::Lock, name, 1)?;
        let folder: Arc<str> = Arc::from(folder_of(&path));
        self.call(Operation::Lock, &path, |state, subject, _| {
            state.check_folder(subject, &path)?;
            // The lock is the folder's, whatever its name; one that is refused makes no file.
            let holders = state.locks.get(&folder);
            let (exclusive, shared) = holders.map_or((false, 0), |holders| (holders.exclusive, holders.shared));
            if exclusive || (kind == LockKind::Exclusive && shared > 0) {
                // The holder of the simulated lock is always this process; a shared one leaves no number.
                let holder_pid = exclusive.then(std::process::id);
                return Err(subject.fail(ErrorKind::Locked { holder_pid }));
            }
            match state.file_named(subject, &path) {
                Err(error) if error.kind == ErrorKind::NotFound && kind == LockKind::Exclusive => {
                    state.disk.create(&path);
                }
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            let holders = state.locks.entry(Arc::clone(&folder)).or_default();
            match kind {
                LockKind::Exclusive => holders.exclusive = true,
                LockKind::Shared => holders.shared += 1,
            }
            Ok(state.lock_epoch)
        })
        .map(|epoch| Box::new(SimulatedLock { world: Arc::clone(&self.world), folder, kind, epoch }) as Box<dyn Lock>)
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        self.call(Operation::Locate, &Arc::from(self.location.as_str()), |state, _, _| Ok(state.whereabouts))
    }

    fn free_bytes(&self) -> Result<u64> {
        self.call(Operation::FreeBytes, &Arc::from(""), |state, _, _| {
            Ok(state.free_bytes().map_or(FREE_BYTES, |free| free.saturating_add(state.overstated_bytes)))
        })
    }

    fn open_files_max(&self) -> Option<u64> {
        self.world.state.lock().open_files_max.map(|most| most as u64)
    }
}

impl State {
    fn check_is_folder(&self, subject: &Subject<'_>) -> Result<()> {
        let path = subject.path;
        if path.is_empty() || self.disk.names.folders.contains(path) {
            Ok(())
        } else if self.disk.names.files.contains_key(path) {
            Err(subject.fail(ErrorKind::NotAFolder))
        } else {
            Err(subject.fail(ErrorKind::NotFound))
        }
    }
}

struct SimulatedLock {
    world: Arc<World>,
    folder: Arc<str>,
    kind: LockKind,
    epoch: u64,
}

impl Lock for SimulatedLock {
    fn kind(&self) -> LockKind {
        self.kind
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut state = self.world.state.lock();
        if state.lock_epoch != self.epoch {
            return;
        }
        if let Some(holders) = state.locks.get_mut(&self.folder) {
            match self.kind {
                LockKind::Exclusive => holders.exclusive = false,
                LockKind::Shared => holders.shared = holders.shared.saturating_sub(1),
            }
        }
    }
}
