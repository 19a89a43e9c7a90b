//! What the simulated device holds: files, names, and for each what is durable and what still waits.
//!
//! Always: the live state is the durable one with every waiting change applied, unless a failed flush forgot some.
//! A clone shares all bytes. Does not know: calls, faults or handles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::content::Content;
use super::dice::Dice;
use super::law::{CacheLaw, Laws, NamesWithFile};

/// The number of a file inside one world.
pub(super) type FileIndex = usize;

/// Removed files whose bytes are kept, for the fault that brings one back.
const REMOVED_MAX: usize = 64;

/// A change of a file's bytes that is not durable yet.
#[derive(Debug, Clone)]
pub(super) enum Pending {
    Write { offset: u64, bytes: Arc<[u8]> },
    Zeros { offset: u64, len: u64 },
    SetLen { len: u64 },
}

impl Pending {
    pub(super) fn apply(&self, content: &mut Content) {
        match self {
            Self::Write { offset, bytes } => content.write(*offset, bytes),
            Self::Zeros { offset, len } => content.zero(*offset, *len),
            Self::SetLen { len } => content.set_len(*len),
        }
    }
}

/// One file, whatever its names.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) live: Arc<Content>,
    pub(super) durable: Arc<Content>,
    pub(super) pending: Vec<Pending>,
    /// A failed flush forgot changes, so `live` is no longer `durable` plus `pending`.
    pub(super) diverged: bool,
    /// A write was accepted that the device will refuse: the next flush fails.
    pub(super) doomed: bool,
}

impl Inode {
    /// A file as a crash leaves it: what is there is durable.
    pub(super) fn settled(content: Arc<Content>) -> Self {
        Self { live: Arc::clone(&content), durable: content, ..Self::default() }
    }

    fn change(&mut self, change: Pending) {
        change.apply(Arc::make_mut(&mut self.live));
        self.pending.push(change);
    }

    fn make_durable(&mut self, kept: usize) {
        if kept == 0 && !self.diverged {
            self.durable = Arc::clone(&self.live);
            self.pending.clear();
            return;
        }
        let settle = self.pending.len().saturating_sub(kept);
        let durable = Arc::make_mut(&mut self.durable);
        for change in self.pending.drain(..settle) {
            change.apply(durable);
        }
    }
}

/// A change of names that is not durable yet.
#[derive(Debug, Clone)]
pub(super) enum NameChange {
    /// A name for a file: a new file or a hard link.
    Name { path: Arc<str>, file: FileIndex },
    /// The name goes.
    Unname { path: Arc<str> },
    /// One name goes and another comes, never half.
    Rename { from: Arc<str>, to: Arc<str>, file: FileIndex },
    /// A folder under the root.
    Folder { name: Arc<str> },
    /// The folder goes, if it holds nothing.
    Unfolder { name: Arc<str> },
}

/// The folder of a path; `""` is the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Names and folders at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) files: Arc<BTreeMap<Arc<str>, FileIndex>>,
    pub(super) folders: Arc<BTreeSet<Arc<str>>>,
}

impl Names {
    pub(super) fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Name { path, file } => {
                Arc::make_mut(&mut self.files).insert(Arc::clone(path), *file);
            }
            NameChange::Unname { path } => {
                Arc::make_mut(&mut self.files).remove(path);
            }
            NameChange::Rename { from, to, file } => {
                let files = Arc::make_mut(&mut self.files);
                // Another file may have taken the old name since; then that one keeps it.
                if files.get(from) == Some(file) {
                    files.remove(from);
                }
                files.insert(Arc::clone(to), *file);
            }
            NameChange::Folder { name } => {
                Arc::make_mut(&mut self.folders).insert(Arc::clone(name));
            }
            // Where the removals before it did not survive it cannot have happened.
            NameChange::Unfolder { name } if !self.files.keys().any(|path| folder_of(path) == &**name) => {
                Arc::make_mut(&mut self.folders).remove(name);
            }
            NameChange::Unfolder { .. } => {}
        }
    }

    /// Drops files whose folder did not survive.
    pub(super) fn drop_orphans(&mut self) {
        let lost = |path: &str| {
            let folder = folder_of(path);
            !folder.is_empty() && !self.folders.contains(folder)
        };
        if self.files.keys().any(|path| lost(path)) {
            let files: BTreeMap<_, _> = self
                .files
                .iter()
                .filter(|(path, _)| !lost(path))
                .map(|(path, file)| (Arc::clone(path), *file))
                .collect();
            self.files = Arc::new(files);
        }
    }
}

/// The device.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    pub(super) files: Vec<Arc<Inode>>,
    pub(super) names: Names,
    pub(super) durable_names: Names,
    pub(super) pending_names: Vec<NameChange>,
    /// The names removed last, for the fault that brings one back.
    pub(super) removed: VecDeque<(Arc<str>, FileIndex)>,
    /// Files removed longer ago, whose bytes go once nobody can reach them.
    pub(super) unnamed: Vec<FileIndex>,
    /// Counts the changes, so that equal states need not be looked at twice.
    pub(super) version: u64,
}

impl Disk {
    pub(super) fn file(&self, file: FileIndex) -> Option<&Inode> {
        self.files.get(file).map(AsRef::as_ref)
    }

    pub(super) fn file_mut(&mut self, file: FileIndex) -> Option<&mut Inode> {
        self.version += 1;
        self.files.get_mut(file).map(Arc::make_mut)
    }

    pub(super) fn live(&self, file: FileIndex) -> Option<&Content> {
        self.file(file).map(|inode| inode.live.as_ref())
    }

    pub(super) fn len(&self, file: FileIndex) -> u64 {
        self.live(file).map_or(0, Content::len)
    }

    /// True when a crash now could lose or keep anything.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending_names.is_empty() || self.files.iter().any(|inode| !inode.pending.is_empty() || inode.diverged)
    }

    /// Bytes of the files that have a name, and of those that `open` says are open without one: a removed file gives its
    /// room back with its last handle.
    pub(super) fn used_bytes(&self, open: &BTreeMap<FileIndex, usize>) -> u64 {
        let mut files: Vec<FileIndex> = self.names.files.values().chain(open.keys()).copied().collect();
        files.sort_unstable();
        files.dedup();
        files.into_iter().map(|file| self.len(file)).sum()
    }

    /// Forgets the bytes of removed files that nobody can reach any more, before a crash or after one. A long run on a
    /// small device would hold all that was ever written to it.
    pub(super) fn forget_unreachable(&mut self, open: &BTreeMap<FileIndex, usize>) {
        let Self { files, names, durable_names, pending_names, removed, unnamed, .. } = self;
        unnamed.retain(|file| {
            let named = |names: &Names| names.files.values().any(|one| one == file);
            let is_reachable = open.contains_key(file)
                || removed.iter().any(|(_, one)| one == file)
                || named(names)
                || named(durable_names)
                || pending_names.iter().any(|change| change.is_of(*file));
            if !is_reachable && let Some(inode) = files.get_mut(*file) {
                *inode = Arc::default();
            }
            is_reachable
        });
    }

    pub(super) fn change_bytes(&mut self, file: FileIndex, change: Pending) {
        if let Some(inode) = self.file_mut(file) {
            inode.change(change);
        }
    }

    pub(super) fn change_names(&mut self, change: NameChange) {
        self.version += 1;
        self.names.apply(&change);
        self.pending_names.push(change);
    }

    pub(super) fn create(&mut self, path: &Arc<str>) -> FileIndex {
        let file = self.files.len();
        self.files.push(Arc::new(Inode::default()));
        self.change_names(NameChange::Name { path: Arc::clone(path), file });
        file
    }

    pub(super) fn remove(&mut self, path: &Arc<str>, file: FileIndex) {
        self.removed.push_back((Arc::clone(path), file));
        if self.removed.len() > REMOVED_MAX {
            self.unnamed.extend(self.removed.pop_front().map(|(_, file)| file));
        }
        self.change_names(NameChange::Unname { path: Arc::clone(path) });
    }

    /// Makes a file's bytes durable and what the laws let go with it.
    pub(super) fn flush(&mut self, file: FileIndex, laws: &Laws, all: bool) {
        let kept = self.file(file).map_or(0, |inode| {
            if all || !laws.set_len_needs_flush_all {
                return 0;
            }
            // `flush_data` owes the bytes and the length to read them, not a length set after the last write.
            inode.pending.iter().rev().take_while(|change| matches!(change, Pending::SetLen { .. })).count()
        });
        if let Some(inode) = self.file_mut(file) {
            inode.make_durable(kept);
        }
        match laws.flush_names_too {
            NamesWithFile::Nothing => {}
            NamesWithFile::AllEarlier => {
                // One by one, not a copy of the live names: a failed flush may have forgotten some of those.
                for change in self.pending_names.drain(..) {
                    self.durable_names.apply(&change);
                }
            }
            NamesWithFile::Own => self.flush_own_names(file),
        }
    }

    /// Makes the names of one file durable, with their folders. An older change of the same name is past then: it
    /// must not be able to undo the newer one after a crash.
    fn flush_own_names(&mut self, file: FileIndex) {
        let own_paths: Vec<Arc<str>> = (self.pending_names.iter())
            .filter_map(|change| match change {
                NameChange::Name { path, file: of } | NameChange::Rename { to: path, file: of, .. } if *of == file => {
                    Some(Arc::clone(path))
                }
                _ => None,
            })
            .collect();
        if own_paths.is_empty() {
            return;
        }
        let mut waiting = Vec::new();
        for change in self.pending_names.drain(..) {
            let own = match &change {
                NameChange::Name { file: of, .. } | NameChange::Rename { file: of, .. } => *of == file,
                NameChange::Folder { name } => own_paths.iter().any(|path| folder_of(path) == &**name),
                NameChange::Unname { .. } | NameChange::Unfolder { .. } => false,
            };
            if own {
                self.durable_names.apply(&change);
                if let NameChange::Name { path, .. } | NameChange::Rename { to: path, .. } = &change {
                    waiting.retain(|older| !matches!(older, NameChange::Unname { path: gone } if gone == path));
                }
            } else {
                waiting.push(change);
            }
        }
        self.pending_names = waiting;
    }

    /// A flush that fails: by the dice some bytes reach the disk, the rest is treated by the cache law.
    pub(super) fn fail_flush(&mut self, file: FileIndex, law: CacheLaw, nothing_lands: bool, dice: &mut Dice) {
        let Some(inode) = self.file_mut(file) else { return };
        inode.doomed = false;
        if !nothing_lands {
            let durable = Arc::make_mut(&mut inode.durable);
            for change in &inode.pending {
                if dice.coin() {
                    change.apply(durable);
                }
            }
        }
        match law {
            CacheLaw::StaysDirty => inode.diverged = true,
            CacheLaw::MarkedClean => {
                inode.pending.clear();
                inode.diverged = true;
            }
            CacheLaw::Reverted => {
                inode.pending.clear();
                inode.live = Arc::clone(&inode.durable);
                inode.diverged = false;
            }
        }
    }

    /// Makes the names of a folder durable.
    pub(super) fn flush_names(&mut self, folder: &str) {
        self.version += 1;
        let durable = &mut self.durable_names;
        let mut waiting = Vec::new();
        for change in self.pending_names.drain(..) {
            match &change {
                NameChange::Rename { from, to, file } if folder_of(from) != folder && folder_of(to) == folder => {
                    // The new name is in the flushed folder, the old one is not: it may stay beside it.
                    durable.apply(&NameChange::Name { path: Arc::clone(to), file: *file });
                    waiting.push(NameChange::Unname { path: Arc::clone(from) });
                }
                _ if change.touches(folder) => durable.apply(&change),
                _ => waiting.push(change),
            }
        }
        self.pending_names = waiting;
    }
}

impl NameChange {
    fn is_of(&self, file: FileIndex) -> bool {
        matches!(self, Self::Name { file: of, .. } | Self::Rename { file: of, .. } if *of == file)
    }

    pub(super) fn touches(&self, folder: &str) -> bool {
        match self {
            Self::Name { path, .. } | Self::Unname { path } => folder_of(path) == folder,
            Self::Rename { from, to, .. } => folder_of(from) == folder || folder_of(to) == folder,
            Self::Folder { .. } | Self::Unfolder { .. } => folder.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_long_removed_files_are_forgotten_and_those_of_open_ones_are_not() {
        let mut disk = Disk::default();
        let (path, mut open) = (Arc::<str>::from("a"), BTreeMap::new());
        for turn in 0..1000 {
            let file = disk.create(&path);
            disk.change_bytes(file, Pending::Zeros { offset: 0, len: 1 << 20 });
            if turn == 3 {
                open.insert(file, 1);
            }
            disk.remove(&path, file);
            if turn % 2 == 0 {
                disk.flush_names("");
            }
            disk.forget_unreachable(&open);
        }
        disk.flush_names("");
        disk.forget_unreachable(&open);
        assert_eq!(disk.files.iter().filter(|inode| inode.live.len() > 0).count(), REMOVED_MAX + 1);
        assert_eq!(disk.len(3), 1 << 20);
        assert_eq!(disk.used_bytes(&open), 1 << 20);
    }
}
