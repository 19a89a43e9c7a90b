//! The locks this process holds, by what they are held on and not by name.
//!
//! Always: a file or folder that is listed is never opened for a lock again in this process, under whatever name: link,
//! bind mount or hard link. On a network file system a lock may be one of POSIX underneath, which does not exclude a
//! second handle in the process and lets go when any handle on the file is closed; asking here first prevents both.
//! What a parent listed before a fork does not count in its child.
//! Does not know: other processes.

use std::collections::BTreeMap;

use crate::sync::Mutex;

use crate::directory::LockKind;
use crate::fork::Process;

/// A file or folder, as the system tells it from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// Who holds a lock on a file or folder.
#[derive(Debug)]
struct Holders {
    process: u32,
    exclusive: bool,
    shared: usize,
}

type List = Mutex<BTreeMap<FileId, Holders>>;

/// A list for each process in a line of forks: the one of a parent may have been locked by another of its threads at the
/// moment of the fork, and then stays so in the child. A line longer than this shares lists; the number of the process
/// tells whose an entry is.
static LISTS: [List; 16] = [const { Mutex::new(BTreeMap::new()) }; 16];

fn list() -> &'static List {
    #[cfg(unix)]
    let depth = Process::current().depth();
    #[cfg(not(unix))]
    let depth = 0;
    LISTS.get(depth % LISTS.len()).unwrap_or(&LISTS[0])
}

/// What one lock is listed under. Dropping it takes it off the list.
#[derive(Debug)]
pub(super) struct Listed {
    ids: Vec<FileId>,
    kind: LockKind,
    made_in: Process,
}

impl Listed {
    pub(super) fn new(kind: LockKind) -> Self {
        Self { ids: Vec::new(), kind, made_in: Process::current() }
    }

    /// Lists the lock under one more file or folder; an error when another lock of this process excludes it, with true
    /// where that is an exclusive one.
    pub(super) fn add(&mut self, id: Option<FileId>) -> Result<(), bool> {
        let Some(id) = id.filter(|id| !self.ids.contains(id)) else { return Ok(()) };
        let mut list = list().lock();
        let process = std::process::id();
        let free = Holders { process, exclusive: false, shared: 0 };
        let holders = list.entry(id).or_insert(free);
        if holders.process != process {
            *holders = Holders { process, exclusive: false, shared: 0 };
        }
        if holders.exclusive || (self.kind == LockKind::Exclusive && holders.shared > 0) {
            return Err(holders.exclusive);
        }
        match self.kind {
            LockKind::Exclusive => holders.exclusive = true,
            LockKind::Shared => holders.shared = holders.shared.saturating_add(1),
        }
        self.ids.push(id);
        Ok(())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if self.ids.is_empty() || !self.made_in.is_current() {
            return;
        }
        let mut list = list().lock();
        for id in &self.ids {
            let Some(holders) = list.get_mut(id) else { continue };
            match self.kind {
                LockKind::Exclusive => holders.exclusive = false,
                LockKind::Shared => holders.shared = holders.shared.saturating_sub(1),
            }
            if !holders.exclusive && holders.shared == 0 {
                list.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(kind: LockKind, inode: u64) -> Result<Listed, bool> {
        let mut listed = Listed::new(kind);
        listed.add(Some(FileId { device: u64::MAX, inode })).map(|()| listed)
    }

    #[test]
    fn a_file_is_listed_once_or_by_those_who_share_it() {
        let first = listed(LockKind::Exclusive, 1).unwrap();
        assert!(listed(LockKind::Shared, 1).unwrap_err());
        let other = listed(LockKind::Exclusive, 2).unwrap();
        drop((first, other));
        let shared = [listed(LockKind::Shared, 1).unwrap(), listed(LockKind::Shared, 1).unwrap()];
        assert!(!listed(LockKind::Exclusive, 1).unwrap_err());
        drop(shared);
        drop(listed(LockKind::Exclusive, 1).unwrap());
        assert!(!list().lock().keys().any(|id| id.device == u64::MAX), "nothing stays listed");
    }

    #[test]
    fn what_a_process_of_another_number_listed_does_not_count() {
        let id = FileId { device: u64::MAX - 1, inode: 1 };
        list().lock().insert(id, Holders { process: u32::MAX, exclusive: true, shared: 0 });
        let mut ours = Listed::new(LockKind::Exclusive);
        assert_eq!(ours.add(Some(id)), Ok(()));
        assert_eq!(ours.add(Some(id)), Ok(()), "the same lock once more is no other one");
    }
}
