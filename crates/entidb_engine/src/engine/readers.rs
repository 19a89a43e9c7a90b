//! Who reads at which commit.
//!
//! Always: a sequence that is registered can be read at until it is given up, in any view from then on. Registering
//! touches no line of memory that another thread registers on.
//! Does not know: what is read, or which versions a sequence needs (`compaction`).

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::compaction::LiveSnapshots;
use crate::format::Sequence;
use crate::planted::{Mistake, makes};
use crate::sync::Mutex;

/// Parts of the list of readers. A thread keeps to one, so that threads which begin and end reads at once do not wait
/// for each other.
const SHARDS: usize = 16;

/// The sequences readers are at.
#[derive(Default)]
pub(crate) struct Readers([Shard; SHARDS]);

/// On a line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    readings: Mutex<Vec<Reading>>,
    iterators: IteratorCount,
}

/// Readers of one kind at one sequence. A list of them is short: most readers are at the newest commit.
struct Reading {
    at: Sequence,
    holder: &'static str,
    count: usize,
    /// When it was first noticed. Asking the clock when a reader comes would cost a read a tenth of its time.
    noticed_nanos: Option<u64>,
}

/// A place in the list.
pub(crate) struct Registered {
    pub(crate) at: Sequence,
    holder: &'static str,
    shard: usize,
}

impl Reading {
    fn is_of(&self, at: Sequence, holder: &'static str) -> bool {
        self.at == at && std::ptr::eq(self.holder, holder)
    }
}

/// Iterators that hold memtables and segments.
#[derive(Default)]
pub(crate) struct IteratorCount(AtomicU64);

impl IteratorCount {
    pub(crate) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The reader at the oldest sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OldestReader {
    pub(crate) at: Sequence,
    pub(crate) holder: &'static str,
    /// How long it has been there at least.
    pub(crate) age_nanos: u64,
}

impl Readers {
    /// The sequences that must stay readable, when `visible` is the one a reader who comes now gets.
    pub(crate) fn live(&self, visible: impl FnOnce() -> Sequence) -> LiveSnapshots {
        // Asked under all locks, so that a reader who is registering is either counted or sees at least that.
        let shards: Vec<_> = self.0.iter().map(|shard| shard.readings.lock()).collect();
        let visible = visible();
        if makes(Mistake::SnapshotsForgotten) {
            return LiveSnapshots::new([], visible);
        }
        LiveSnapshots::new(shards.iter().flat_map(|shard| shard.iter().map(|reading| reading.at)), visible)
    }

    /// How many readers there are.
    pub(crate) fn count(&self) -> u64 {
        let count_in = |shard: &Shard| shard.readings.lock().iter().map(|reading| reading.count as u64).sum::<u64>();
        self.0.iter().map(count_in).sum()
    }

    /// How many iterators hold memtables and segments.
    pub(crate) fn iterator_count(&self) -> u64 {
        self.0.iter().map(|shard| shard.iterators.0.load(Ordering::Relaxed)).sum()
    }

    /// Notices the readers that came since the last time.
    pub(crate) fn notice(&self, now_nanos: u64) {
        for shard in &self.0 {
            for reading in shard.readings.lock().iter_mut() {
                reading.noticed_nanos.get_or_insert(now_nanos);
            }
        }
    }

    /// The reader at the oldest sequence.
    pub(crate) fn oldest(&self, now_nanos: u64) -> Option<OldestReader> {
        self.notice(now_nanos);
        let oldest_in = |shard: &Shard| {
            let oldest = |reading: &Reading| OldestReader {
                at: reading.at,
                holder: reading.holder,
                age_nanos: now_nanos.saturating_sub(reading.noticed_nanos.unwrap_or(now_nanos)),
            };
            shard.readings.lock().iter().map(oldest).min_by_key(|it| (it.at, u64::MAX - it.age_nanos))
        };
        self.0.iter().filter_map(oldest_in).min_by_key(|it| (it.at, u64::MAX - it.age_nanos))
    }

    /// Registers a reader at the sequence that `at` says under the lock.
    pub(crate) fn enter(&self, holder: &'static str, at: impl FnOnce() -> Sequence) -> Registered {
        thread_local! {
            static SHARD: usize = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
            };
        }
        let number = SHARD.with(|shard| *shard);
        let Some(shard) = self.0.get(number) else { return Registered { at: at(), holder, shard: number } };
        let mut readings = shard.readings.lock();
        let at = at();
        match readings.iter_mut().find(|reading| reading.is_of(at, holder)) {
            Some(reading) => reading.count = reading.count.saturating_add(1),
            None => readings.push(Reading { at, holder, count: 1, noticed_nanos: None }),
        }
        Registered { at, holder, shard: number }
    }

    /// Gives a place up.
    pub(crate) fn leave(&self, place: &Registered) {
        let Some(shard) = self.0.get(place.shard) else { return };
        let mut readings = shard.readings.lock();
        let Some(at) = readings.iter().position(|reading| reading.is_of(place.at, place.holder)) else { return };
        let Some(reading) = readings.get_mut(at) else { return };
        reading.count = reading.count.saturating_sub(1);
        if reading.count == 0 {
            readings.swap_remove(at);
        }
    }

    /// The count of iterators that read at this place.
    pub(crate) fn iterators(&self, place: &Registered) -> Option<&IteratorCount> {
        self.0.get(place.shard).map(|shard| &shard.iterators)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_reader_is_told_with_its_holder_and_its_age() {
        let readers = Readers::default();
        assert_eq!((readers.count(), readers.oldest(1)), (0, None));
        let first = readers.enter("backup", || Sequence(5));
        let twin = readers.enter("backup", || Sequence(5));
        let other = readers.enter("walk", || Sequence(9));
        readers.notice(100);
        assert_eq!(readers.count(), 3);
        let oldest = |now| readers.oldest(now).map(|it| (it.at.0, it.holder, it.age_nanos));
        assert_eq!(oldest(350), Some((5, "backup", 250)));
        readers.leave(&first);
        assert_eq!(oldest(400), Some((5, "backup", 300)));
        readers.leave(&twin);
        assert_eq!(oldest(400), Some((9, "walk", 300)));
        readers.leave(&other);
        assert_eq!((readers.count(), readers.oldest(500)), (0, None));
    }

    #[test]
    fn live_sequences_are_those_that_are_registered_and_the_newest() {
        let readers = Readers::default();
        let place = readers.enter("walk", || Sequence(3));
        let live = readers.live(|| Sequence(8));
        assert!(!live.same_stripe(Sequence(3), Sequence(4)) && live.same_stripe(Sequence(4), Sequence(8)));
        readers.leave(&place);
        assert!(readers.live(|| Sequence(8)).same_stripe(Sequence(3), Sequence(8)));
    }
}
