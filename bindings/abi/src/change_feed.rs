//! Reading the change feed.
//!
//! Always: one commit a call. Does not know: who reads.

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;

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

    /// The next commit as CBOR, waiting so long; none when the time is over.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_next`.
    pub fn next_commit(&self, timeout_ms: u64) -> Result<Option<Buffer>> {
        let (buffer, outcome) = Buffer::fill_outcome(|out, error| {
            // SAFETY: the feed is live and the places may be written.
            unsafe { ffi::entidb_change_feed_next(self.0, timeout_ms, out, error) }
        })?;
        Ok((outcome == ffi::ENTIDB_OK).then_some(buffer))
    }

    /// The sequence of the last commit given.
    #[must_use]
    pub fn position(&self) -> u64 {
        // SAFETY: the feed is live.
        unsafe { ffi::entidb_change_feed_position(self.0) }
    }
}

impl Drop for ChangeFeed {
    fn drop(&mut self) {
        // SAFETY: the feed is ours and is not used afterwards.
        unsafe { ffi::entidb_change_feed_free(self.0) };
    }
}
