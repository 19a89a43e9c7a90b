//! The locks of a directory in memory: one for each folder, whatever the name it is asked under.
//!
//! Always: it excludes as the locks of the operating system do. Does not know: files.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sync::Mutex;

use crate::directory::{Lock, LockKind};
use crate::error::ErrorKind;

/// Who holds the lock of a folder.
#[derive(Debug, Default)]
struct Holders {
    exclusive: bool,
    shared: usize,
}

/// The locks of a directory, by folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Locks(Arc<Mutex<BTreeMap<String, Holders>>>);

/// A held lock.
#[derive(Debug)]
pub(super) struct MemoryLock {
    locks: Locks,
    folder: String,
    kind: LockKind,
}

impl Locks {
    /// Takes the lock of a folder, or says who holds it: always this process.
    pub(super) fn take(&self, folder: &str, kind: LockKind) -> Result<MemoryLock, ErrorKind> {
        let mut locks = self.0.lock();
        let holders = locks.entry(folder.to_owned()).or_default();
        if holders.exclusive || (kind == LockKind::Exclusive && holders.shared > 0) {
            let holder_pid = if holders.exclusive { this_process() } else { None };
            return Err(ErrorKind::Locked { holder_pid });
        }
        match kind {
            LockKind::Exclusive => holders.exclusive = true,
            LockKind::Shared => holders.shared += 1,
        }
        Ok(MemoryLock { locks: self.clone(), folder: folder.to_owned(), kind })
    }
}

/// Browsers have no processes, and the standard library panics when asked there.
fn this_process() -> Option<u32> {
    if cfg!(any(unix, windows)) { Some(std::process::id()) } else { None }
}

impl Lock for MemoryLock {
    fn kind(&self) -> LockKind {
        self.kind
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut locks = self.locks.0.lock();
        let Some(holders) = locks.get_mut(&self.folder) else { return };
        match self.kind {
            LockKind::Exclusive => holders.exclusive = false,
            LockKind::Shared => holders.shared = holders.shared.saturating_sub(1),
        }
    }
}
