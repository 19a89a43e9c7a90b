//! A commit that reads go to.
//!
//! Always: what it shows never changes while it lives, and what it needs is kept until it goes. It is a sequence and
//! holds no memory and no file: each read looks at the newest view there is, because every later view still has all
//! that a registered sequence can see.
//! Does not know: the changes of an open write transaction, or who else is registered (`readers`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::Shared;
use crate::engine::readers::{IteratorCount, Registered};
use crate::engine::source::SourceCursor;
use crate::error::Result;
use crate::format::Sequence;
use crate::iterator::{KeyRange, Span, View};
use crate::options::invalid;
use crate::value::Value;

pub(crate) struct ReadPoint {
    shared: Arc<Shared>,
    /// Says that what this sequence sees is needed.
    place: Registered,
    /// Set when the transaction this point belonged to is over.
    ended: AtomicBool,
}

impl ReadPoint {
    /// The database as readers see it now.
    pub(crate) fn newest(shared: &Arc<Shared>, holder: &'static str) -> Self {
        let place = shared.readers.enter(holder, || shared.visible());
        Self { shared: Arc::clone(shared), place, ended: AtomicBool::new(false) }
    }

    /// The database as the one writer sees it: with commits that are not visible to others yet.
    pub(crate) fn applied(shared: &Arc<Shared>, holder: &'static str) -> Self {
        let commit = shared.commit.lock();
        let place = shared.readers.enter(holder, || commit.applied);
        drop(commit);
        Self { shared: Arc::clone(shared), place, ended: AtomicBool::new(false) }
    }

    pub(crate) fn sequence(&self) -> Sequence {
        self.place.at
    }

    /// No read is answered from here on: the transaction's sequence now belongs to a commit.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        self.shared.check_open()?;
        if self.ended.load(Ordering::Acquire) {
            return Err(invalid("iterator", "is of a write transaction that has ended; begin another"));
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.check_open()?;
        self.shared.watch_indexes();
        self.shared.current.load().get(key, self.place.at)
    }

    pub(crate) fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        self.check_open()?;
        self.shared.watch_indexes();
        self.shared.current.load().multi_get(keys, self.place.at)
    }

    /// How often the newest view has let go of something: while this stays the same, a view that was aimed holds nothing
    /// that is no longer needed.
    #[inline]
    pub(crate) fn view_changes(&self) -> u64 {
        self.shared.view_changes.load(Ordering::Acquire)
    }

    /// Gives a view the memtables and segments there are now.
    pub(crate) fn aim(&self, view: &mut View<SourceCursor>) {
        self.shared.watch_indexes();
        self.shared.current.load().aim(view);
    }

    /// True in a child made by `fork`.
    pub(crate) fn is_of_parent(&self) -> bool {
        !self.shared.process.is_current()
    }

    /// Where its iterators are counted.
    pub(crate) fn iterators(&self) -> Option<&IteratorCount> {
        self.shared.readers.iterators(&self.place)
    }

    /// About how many keys a range has: counted up to `counted_max`, estimated beyond.
    pub(crate) fn approximate_count(&self, range: KeyRange, counted_max: u64) -> Result<u64> {
        self.check_open()?;
        let mut view = View::new(self.place.at, Span::from(range));
        self.aim(&mut view);
        view.seek_first()?;
        let mut count = 0_u64;
        while view.is_valid() {
            if count >= counted_max {
                return Ok(self.shared.current.load().estimate(view.range())?.max(count));
            }
            count = count.saturating_add(1);
            view.next()?;
        }
        Ok(count)
    }
}

impl Drop for ReadPoint {
    fn drop(&mut self) {
        if self.shared.stays_as_it_is() {
            return;
        }
        self.shared.readers.leave(&self.place);
    }
}
