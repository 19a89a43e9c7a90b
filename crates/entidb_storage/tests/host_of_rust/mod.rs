//! A host written in Rust: its functions are another directory's.
//!
//! Always: it counts the handles that are out, so a test can see each given back once. Does not know: where the
//! bytes are.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;

use entidb_storage::{
    Abilities, Directory, File, HostError, HostFunctions, HostHandle, HostResult, Lock, LockKind, OpenMode, Result,
};

/// A host over another directory.
pub(crate) struct HostOfRust {
    directory: Arc<dyn Directory>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    files: HashMap<u64, Arc<dyn File>>,
    locks: HashMap<u64, Box<dyn Lock>>,
}

fn host<T>(result: Result<T>) -> HostResult<T> {
    result.map_err(|error| HostError::from(&error.kind))
}

impl HostOfRust {
    pub(crate) fn new(directory: Arc<dyn Directory>) -> Self {
        Self { directory, state: Mutex::default() }
    }

    fn file(&self, file: HostHandle) -> HostResult<Arc<dyn File>> {
        let state = self.state.lock().unwrap();
        state.files.get(&file.0).cloned().ok_or(HostError::new(HostError::DEVICE))
    }
}

impl HostFunctions for HostOfRust {
    fn abilities(&self) -> Abilities {
        self.directory.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> HostResult<HostHandle> {
        let file = host(self.directory.open(name, mode))?;
        let mut state = self.state.lock().unwrap();
        state.next += 1;
        let handle = state.next;
        state.files.insert(handle, file);
        Ok(HostHandle(handle))
    }

    fn close(&self, file: HostHandle) {
        assert!(self.state.lock().unwrap().files.remove(&file.0).is_some(), "a file was closed twice");
    }

    fn read_at(&self, file: HostHandle, offset: u64, buffer: &mut [u8]) -> HostResult<usize> {
        host(self.file(file)?.read_at(offset, buffer))
    }

    fn write_at(&self, file: HostHandle, offset: u64, bytes: &[u8]) -> HostResult<usize> {
        host(self.file(file)?.write_at(offset, bytes))
    }

    fn len(&self, file: HostHandle) -> HostResult<u64> {
        host(self.file(file)?.len())
    }

    fn set_len(&self, file: HostHandle, len: u64) -> HostResult<()> {
        host(self.file(file)?.set_len(len))
    }

    fn flush_data(&self, file: HostHandle) -> HostResult<()> {
        host(self.file(file)?.flush_data())
    }

    fn create_folder(&self, name: &str) -> HostResult<()> {
        host(self.directory.create_folder(name))
    }

    fn remove(&self, name: &str) -> HostResult<()> {
        host(self.directory.remove(name))
    }

    fn rename(&self, from: &str, to: &str) -> HostResult<()> {
        host(self.directory.rename(from, to))
    }

    fn hard_link(&self, from: &str, to: &str) -> HostResult<()> {
        host(self.directory.hard_link(from, to))
    }

    fn list(&self, folder: &str, entry: &mut dyn FnMut(&str, bool)) -> HostResult<()> {
        // Backwards, because a host owes no order.
        for found in host(self.directory.list(folder))?.iter().rev() {
            entry(&found.name, found.is_folder);
        }
        Ok(())
    }

    fn flush_names(&self, folder: &str) -> HostResult<()> {
        host(self.directory.flush_names(folder))
    }

    fn free_bytes(&self) -> HostResult<u64> {
        host(self.directory.free_bytes())
    }

    fn lock(&self, name: &str, kind: LockKind) -> HostResult<HostHandle> {
        let lock = host(self.directory.lock(name, kind))?;
        let mut state = self.state.lock().unwrap();
        state.next += 1;
        let handle = state.next;
        state.locks.insert(handle, lock);
        Ok(HostHandle(handle))
    }

    fn unlock(&self, lock: HostHandle) {
        assert!(self.state.lock().unwrap().locks.remove(&lock.0).is_some(), "a lock was let go twice");
    }
}
