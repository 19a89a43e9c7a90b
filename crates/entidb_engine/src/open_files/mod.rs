//! The files of segments that are open, of which there are no more than a bound.
//!
//! Always: an open file is found without a lock; a read of a closed file opens it once, however many threads want it at
//! the same time. Where the bound is reached, the file that was not read for longest is closed first, about: a clock over
//! all of them. A reader that has a file keeps it until its read is done, so there is at most one file beyond the bound
//! for each thread that reads at that moment. Where the system refuses one more file, half of them are closed and the
//! bound becomes that, to grow again by one with each file that is closed for another.
//! Does not know: what is in a file, or whether it is still the same one when it is opened again (`segment::file`).

mod sparing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::sync::Mutex;
use arc_swap::ArcSwapOption;
use entidb_storage::{Directory, File};

use crate::error::Result;
use crate::planted::{Mistake, makes};
pub(crate) use sparing::{SparingDirectory, Tenure};

/// What is open when nobody knows the limit of the process, or there is none.
const UNLIMITED: u64 = 4096;
/// The least that is kept open, however low the limit is: below, every read would open a file.
pub(crate) const FILES_MIN: u64 = 4;
/// The part of the process's limit that segments may take. The rest is for the program around us, its other databases,
/// and the dozen files we have beside segments.
const PART_OF_LIMIT: u64 = 4;

/// The bound, and the files that are open under it.
pub(crate) struct OpenFiles {
    most: usize,
    /// Files that are open; changed under the lock of `state` where it grows.
    open: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// The bound as it is now.
    bound: usize,
    /// From here on no file stays open.
    closed: bool,
    /// The slots with an open file, and some of segments that have gone.
    ring: VecDeque<Weak<FileSlot>>,
}

/// The place of one file: empty, or with the open file.
#[derive(Default)]
pub(crate) struct FileSlot {
    file: ArcSwapOption<OpenFile>,
    /// Read since the clock last passed.
    used: AtomicBool,
    /// Held by who opens it.
    opening: Mutex<()>,
}

/// An open file. Closed when the last holder lets go.
pub(crate) struct OpenFile {
    file: Arc<dyn File>,
    _counted: Counted,
}

/// One file that counts as open.
struct Counted(Arc<OpenFiles>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl OpenFile {
    /// The file, for reading.
    pub(crate) fn file(&self) -> &dyn File {
        self.file.as_ref()
    }
}

impl OpenFiles {
    /// At most `most` open files; 0 for a quarter of the process's limit, which `directory` knows.
    pub(crate) fn new(most: u64, directory: &dyn Directory) -> Arc<Self> {
        let most = match (most, directory.open_files_max()) {
            (0, Some(limit)) => (limit / PART_OF_LIMIT).clamp(FILES_MIN, UNLIMITED),
            (0, None) => UNLIMITED,
            (given, _) => given,
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let state = Mutex::new(State { bound: most, closed: false, ring: VecDeque::new() });
        Arc::new(Self { most, open: AtomicUsize::new(0), state })
    }

    /// How many files are open.
    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The file of a slot, opened by `open` when it is not.
    ///
    /// # Errors
    /// Those of `open`.
    pub(crate) fn get(
        self: &Arc<Self>,
        slot: &Arc<FileSlot>,
        open: impl FnOnce() -> Result<Arc<dyn File>>,
    ) -> Result<Arc<OpenFile>> {
        if let Some(file) = slot.get() {
            return Ok(file);
        }
        let _one_at_a_time = slot.opening.lock();
        if let Some(file) = slot.get() {
            return Ok(file);
        }
        let counted = self.reserve();
        let file = Arc::new(OpenFile { file: open()?, _counted: counted });
        slot.file.store(Some(Arc::clone(&file)));
        // One that is never read again leaves before those that are.
        slot.used.store(false, Ordering::Relaxed);
        let mut state = self.state.lock();
        if state.closed {
            // For this one read, which began before.
            drop(state);
            slot.file.store(None);
            return Ok(file);
        }
        // Segments that went leave their places behind until the clock comes by, which in a small database is never.
        if state.ring.len() > self.count().saturating_mul(2).saturating_add(64) {
            state.ring.retain(|slot| slot.strong_count() > 0);
        }
        state.ring.push_back(Arc::downgrade(slot));
        Ok(file)
    }

    /// Makes room for one more file, as far as there are any that can be closed.
    fn reserve(self: &Arc<Self>) -> Counted {
        loop {
            let mut state = self.state.lock();
            let fits = self.count() < state.bound || makes(Mistake::OpenFilesUnbounded);
            let closed = if fits { None } else { state.take() };
            let Some(closed) = closed else {
                self.open.fetch_add(1, Ordering::Relaxed);
                return Counted(Arc::clone(self));
            };
            state.bound = state.bound.saturating_add(1).min(self.most);
            drop(state);
            // Outside of the lock: closing may take a while on some storages.
            drop(closed);
        }
    }

    /// Closes all files for good: one that is opened all the same is closed after its read.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let slots = std::mem::take(&mut state.ring);
        drop(state);
        slots.iter().filter_map(Weak::upgrade).for_each(|slot| slot.file.store(None));
    }

    /// Closes half of the files, because the system has no more of them to give, and keeps to that. Returns how many.
    pub(crate) fn halve(&self) -> usize {
        let mut state = self.state.lock();
        let half = self.count().div_ceil(2);
        let closed: Vec<_> = std::iter::from_fn(|| state.take()).take(half).collect();
        if !closed.is_empty() {
            state.bound = half.max(1);
        }
        drop(state);
        closed.len()
    }
}

impl State {
    /// Takes the file out of a slot that was not read since the clock came by last.
    fn take(&mut self) -> Option<Arc<OpenFile>> {
        // Two turns: in the first, every slot may have been read.
        for _ in 0..self.ring.len().saturating_mul(2) {
            let slot = self.ring.pop_front()?;
            let Some(held) = slot.upgrade() else { continue };
            if held.used.swap(false, Ordering::Relaxed) {
                self.ring.push_back(slot);
            } else if let Some(file) = held.file.swap(None) {
                return Some(file);
            }
        }
        None
    }
}

impl FileSlot {
    /// The file, when it is open.
    fn get(&self) -> Option<Arc<OpenFile>> {
        let file = self.file.load_full()?;
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        Some(file)
    }
}
