//! Reading the change feed.
//!
//! Always: changes of one commit a call. Does not know: who reads.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;
use crate::{ChangeBatch, call};

/// A reader of the change feed.
#[derive(Debug)]
pub struct ChangeFeed(*mut ffi::entidb_change_feed);

// SAFETY: the header says that a feed may move between threads.
unsafe impl Send for ChangeFeed {}
// SAFETY: two calls at once give CONCURRENT_USE, not a race.
unsafe impl Sync for ChangeFeed {}

impl ChangeFeed {
    pub(crate) fn own(pointer: *mut ffi::entidb_change_feed) -> Self {
        Self(pointer)
    }

    /// The next changes, waiting so long; none when the time is over.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_next`.
    pub fn next_batch(&self, timeout_ms: u64) -> Result<Option<ChangeBatch>> {
        let (buffer, outcome) = Buffer::fill_outcome(|out, error| {
            // SAFETY: the feed is live and the places may be written.
            unsafe { ffi::entidb_change_feed_next(self.0, timeout_ms, out, error) }
        })?;
        if outcome == ffi::ENTIDB_OK { ChangeBatch::read(buffer).map(Some) } else { Ok(None) }
    }

    /// Ends a call of another thread that waits, and every later one, with `CLOSED`.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_close`.
    pub fn close(&self) -> Result<()> {
        // SAFETY: the feed is live.
        call::done(|error| unsafe { ffi::entidb_change_feed_close(self.0, error) })
    }

    /// Gives the document before an update or a delete too, from the next batch on.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_with_before`.
    pub fn give_before(&self) -> Result<()> {
        // SAFETY: the feed is live.
        call::done(|error| unsafe { ffi::entidb_change_feed_with_before(self.0, error) })
    }

    /// Takes the batch given last back.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_unread`.
    pub fn unread(&self) -> Result<()> {
        // SAFETY: the feed is live.
        call::done(|error| unsafe { ffi::entidb_change_feed_unread(self.0, error) })
    }

    /// The position after the batch given last.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_position`.
    pub fn position(&self) -> Result<String> {
        // SAFETY: the feed is live and the places may be written.
        Buffer::fill_text(|out, error| unsafe { ffi::entidb_change_feed_position(self.0, out, error) })
    }
}

impl Drop for ChangeFeed {
    fn drop(&mut self) {
        // SAFETY: the feed is ours and is not used afterwards.
        unsafe { ffi::entidb_change_feed_free(self.0) };
    }
}
