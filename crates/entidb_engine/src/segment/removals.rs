//! The files of segments, from the switch that drops them to their removal.
//!
//! Always: a file is queued for removal once, by the last reference to it, and only after the switch that drops it is on
//! stable storage. The thread that drops the last reference waits for no device: files are removed by those who take them
//! from the queue.
//! Does not know: how a file is removed, or who refers to it. A reader process is another reference: its lease will be
//! asked where files are taken from the queue, and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::Error;
use crate::format::FileNumber;
use crate::sync::Mutex;

/// How long a file that could not be removed is left alone the first time, and at most.
const REST_NANOS_MIN: u64 = 1_000_000_000;
const REST_NANOS_MAX: u64 = 60_000_000_000;
/// Says that nothing is queued.
const NEVER: u64 = u64::MAX;

/// The file of a segment, shared by every segment object that reads it.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    number: FileNumber,
    bytes: u64,
    dropped: AtomicBool,
    removals: Arc<Removals>,
}

impl SegmentFile {
    pub(super) fn new(number: FileNumber, bytes: u64, removals: &Arc<Removals>) -> Arc<Self> {
        Arc::new(Self { number, bytes, dropped: AtomicBool::new(false), removals: Arc::clone(removals) })
    }

    /// Its number.
    pub(crate) const fn number(&self) -> FileNumber {
        self.number
    }

    /// Says that no later version lists the file, and that this is on stable storage: it goes with its last reference.
    pub(crate) fn drop_from_versions(&self) {
        if !self.dropped.swap(true, Ordering::AcqRel) {
            self.removals.state.lock().held.insert(self.number, self.bytes);
        }
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        if *self.dropped.get_mut() {
            self.removals.release(self.number);
        }
    }
}

/// A file that nobody refers to any more.
#[derive(Debug)]
pub(crate) struct Removable {
    pub(crate) number: FileNumber,
    bytes: u64,
    /// Not to be tried before this time; 0 is at once.
    after_nanos: u64,
    rest_nanos: u64,
}

/// The files no version lists any more.
#[derive(Debug)]
pub(crate) struct Removals {
    state: Mutex<State>,
    /// When the next of the queue may be tried, for who looks without the lock.
    due_nanos: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Those somebody still reads, with their bytes.
    held: BTreeMap<FileNumber, u64>,
    queue: VecDeque<Removable>,
    removed: u64,
    failures: u64,
    failure: Option<Error>,
}

/// How many files wait for their removal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Of these, those that somebody still reads.
    pub(crate) files_held: u64,
    pub(crate) bytes_held: u64,
    /// Files removed, and tries that failed.
    pub(crate) removed: u64,
    pub(crate) failures: u64,
    /// Why a file that is still there could not be removed.
    pub(crate) failure: Option<Error>,
}

impl Default for Removals {
    fn default() -> Self {
        Self { state: Mutex::default(), due_nanos: AtomicU64::new(NEVER) }
    }
}

impl Removals {
    /// Queues files that no segment object of this handle ever stood for.
    pub(crate) fn add_orphans(&self, files: impl IntoIterator<Item = (FileNumber, u64)>) {
        let mut state = self.state.lock();
        for (number, bytes) in files {
            state.queue.push_back(Removable { number, bytes, after_nanos: 0, rest_nanos: 0 });
        }
        self.note_due(&state);
    }

    fn release(&self, number: FileNumber) {
        let mut state = self.state.lock();
        let bytes = state.held.remove(&number).unwrap_or(0);
        state.queue.push_back(Removable { number, bytes, after_nanos: 0, rest_nanos: 0 });
        self.note_due(&state);
    }

    /// True when a file may be removed now. `now_nanos` is asked only when one waits.
    pub(crate) fn is_due(&self, now_nanos: impl FnOnce() -> u64) -> bool {
        let due = self.due_nanos.load(Ordering::Acquire);
        due != NEVER && due <= now_nanos()
    }

    /// Takes a file that is to be removed now. It is the caller's until it says how that went.
    pub(crate) fn take(&self, now_nanos: u64) -> Option<Removable> {
        let mut state = self.state.lock();
        let at = state.queue.iter().position(|file| file.after_nanos <= now_nanos)?;
        let file = state.queue.remove(at);
        self.note_due(&state);
        file
    }

    /// The file is gone.
    pub(crate) fn removed(&self) {
        let mut state = self.state.lock();
        state.removed = state.removed.saturating_add(1);
        if state.queue.iter().all(|file| file.rest_nanos == 0) {
            state.failure = None;
        }
    }

    /// The file could not be removed: it is tried again later, each time after twice as long, and at the next open it is
    /// an orphan.
    pub(crate) fn failed(&self, mut file: Removable, error: Error, now_nanos: u64) {
        file.rest_nanos = file.rest_nanos.saturating_mul(2).clamp(REST_NANOS_MIN, REST_NANOS_MAX);
        file.after_nanos = now_nanos.saturating_add(file.rest_nanos);
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        state.failure = Some(error);
        state.queue.push_back(file);
        self.note_due(&state);
    }

    pub(crate) fn waiting(&self) -> Waiting {
        let state = self.state.lock();
        let (files_held, bytes_held) = (state.held.len() as u64, state.held.values().sum());
        Waiting {
            files: files_held.saturating_add(state.queue.len() as u64),
            bytes: state.queue.iter().map(|file| file.bytes).fold(bytes_held, u64::saturating_add),
            files_held,
            bytes_held,
            removed: state.removed,
            failures: state.failures,
            failure: state.failure.clone(),
        }
    }

    fn note_due(&self, state: &State) {
        let at_once = state.queue.front().is_some_and(|file| file.after_nanos == 0);
        let due = if at_once { Some(0) } else { state.queue.iter().map(|file| file.after_nanos).min() };
        let due = due.unwrap_or(NEVER);
        self.due_nanos.store(due, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u64, removals: &Arc<Removals>) -> Arc<SegmentFile> {
        SegmentFile::new(FileNumber(number), 100, removals)
    }

    #[test]
    fn a_file_is_queued_when_it_was_dropped_and_nobody_refers_to_it() {
        let removals = Arc::<Removals>::default();
        let (one, other) = (file(1, &removals), file(2, &removals));
        drop(other);
        assert_eq!((removals.waiting().files, removals.is_due(|| 0)), (0, false));
        let reader = Arc::clone(&one);
        one.drop_from_versions();
        one.drop_from_versions();
        drop(one);
        let waiting = removals.waiting();
        assert_eq!((waiting.files, waiting.files_held, waiting.bytes, waiting.bytes_held), (1, 1, 100, 100));
        assert!(removals.take(0).is_none());
        drop(reader);
        let waiting = removals.waiting();
        assert_eq!((waiting.files, waiting.files_held, waiting.bytes), (1, 0, 100));
        assert!(removals.is_due(|| 0));
        assert_eq!(removals.take(0).unwrap().number, FileNumber(1));
        assert!(removals.take(u64::MAX).is_none() && !removals.is_due(|| u64::MAX - 1));
    }

    #[test]
    fn a_file_that_could_not_be_removed_is_tried_again_after_twice_as_long_each_time() {
        let removals = Arc::<Removals>::default();
        removals.add_orphans([(FileNumber(1), 10), (FileNumber(2), 20)]);
        let (mut now, mut rests) = (0, Vec::new());
        for _ in 0..8 {
            let stuck = removals.take(now).unwrap();
            assert_eq!(stuck.number, FileNumber(1));
            removals.failed(stuck, Error::Closed, now);
            // The others go meanwhile.
            if let Some(other) = removals.take(now) {
                assert_eq!(other.number, FileNumber(2));
                removals.removed();
            }
            assert!(removals.waiting().failure.is_some());
            let due = (1..).map(|second| now + second * REST_NANOS_MIN).find(|due| removals.is_due(|| *due)).unwrap();
            rests.push((due - now) / REST_NANOS_MIN);
            now = due;
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        removals.take(now).unwrap();
        removals.removed();
        let waiting = removals.waiting();
        assert_eq!((waiting.files, waiting.removed, waiting.failures, waiting.failure.is_none()), (0, 2, 8, true));
    }
}
