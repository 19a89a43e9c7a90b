//! Reading the change feed.
//!
//! Always: changes of one commit a call. Does not know: who reads.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use entidb_ffi as ffi;

use crate::bytes::Buffer;
use crate::error::Result;
use crate::{ChangeBatch, call};

/// What a feed is told by.
type Wake = Box<dyn Fn() + Send + Sync>;

/// A reader of the change feed.
pub struct ChangeFeed {
    feed: *mut ffi::entidb_change_feed,
    /// What the library has a pointer to; it does not move. Freed after the feed.
    waker: Mutex<Option<Box<Wake>>>,
}

impl std::fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ChangeFeed").field(&self.feed).finish()
    }
}

/// Calls the waker that `user_data` points to.
unsafe extern "C" fn wake(user_data: *mut c_void) {
    // SAFETY: it is the waker of a feed, which stays until the library has forgotten it.
    let wake = unsafe { &*user_data.cast::<Wake>() };
    // A panic must not cross into the library.
    let _ = catch_unwind(AssertUnwindSafe(wake));
}

// SAFETY: the header says that a feed may move between threads.
unsafe impl Send for ChangeFeed {}
// SAFETY: two calls at once give CONCURRENT_USE, not a race.
unsafe impl Sync for ChangeFeed {}

impl ChangeFeed {
    pub(crate) fn own(pointer: *mut ffi::entidb_change_feed) -> Self {
        Self { feed: pointer, waker: Mutex::new(None) }
    }

    /// Sets what is called once when there may be something to read after a call that found nothing, on any thread; none takes it
    /// away. It must not block or call the library.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_set_waker`.
    pub fn set_waker(&self, wake_up: Option<Box<dyn Fn() + Send + Sync>>) -> Result<()> {
        let mut held = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        let new = wake_up.map(Box::new);
        let (function, user_data) = match &new {
            Some(new) => (wake as unsafe extern "C" fn(*mut c_void), (&raw const **new).cast_mut().cast()),
            None => return self.remove_waker(&mut held),
        };
        // SAFETY: the feed is live; the waker stays where it is until it is replaced, which is after the library forgot it.
        call::done(|error| unsafe { ffi::entidb_change_feed_set_waker(self.feed, Some(function), user_data, error) })?;
        *held = new;
        Ok(())
    }

    fn remove_waker(&self, held: &mut Option<Box<Wake>>) -> Result<()> {
        // SAFETY: the feed is live.
        call::done(|error| unsafe { ffi::entidb_change_feed_set_waker(self.feed, None, std::ptr::null_mut(), error) })?;
        *held = None;
        Ok(())
    }

    /// The next changes; waits up to `timeout_ms` milliseconds for them, and gives none after that.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_next`.
    pub fn next_batch(&self, timeout_ms: u64) -> Result<Option<ChangeBatch>> {
        let (buffer, outcome) = Buffer::fill_outcome(|out, error| {
            // SAFETY: the feed is live and the places may be written.
            unsafe { ffi::entidb_change_feed_next(self.feed, timeout_ms, out, error) }
        })?;
        if outcome == ffi::ENTIDB_OK { ChangeBatch::read(buffer).map(Some) } else { Ok(None) }
    }

    /// Ends a call of another thread that waits, and every later one, with `CLOSED`.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_close`.
    pub fn close(&self) -> Result<()> {
        // SAFETY: the feed is live.
        call::done(|error| unsafe { ffi::entidb_change_feed_close(self.feed, error) })
    }

    /// Gives the document before an update or a delete too, from the next batch on.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_with_before`.
    pub fn give_before(&self) -> Result<()> {
        // SAFETY: the feed is live.
        call::done(|error| unsafe { ffi::entidb_change_feed_with_before(self.feed, error) })
    }

    /// Takes the batch given last back.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_unread`.
    pub fn unread(&self) -> Result<()> {
        // SAFETY: the feed is live.
        call::done(|error| unsafe { ffi::entidb_change_feed_unread(self.feed, error) })
    }

    /// The position after the batch given last.
    ///
    /// # Errors
    /// Those of `entidb_change_feed_position`.
    pub fn position(&self) -> Result<String> {
        // SAFETY: the feed is live and the places may be written.
        Buffer::fill_text(|out, error| unsafe { ffi::entidb_change_feed_position(self.feed, out, error) })
    }
}

impl Drop for ChangeFeed {
    fn drop(&mut self) {
        // SAFETY: the feed is ours and is not used afterwards.
        unsafe { ffi::entidb_change_feed_free(self.feed) };
    }
}
