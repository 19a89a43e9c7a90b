//! Reading the change feed.
//!
//! Always: whole commits in order, in batches of bounded size; a wait ends with its time, and when the feed is closed or freed;
//! after an error the feed is where it was. Does not know: who reads.
//!
//! Unsafe: calling the caller's waker, which it promises to keep callable until it is taken away or the feed is freed.

use std::ffi::c_void;

use entidb_core::{ChangeCursor, Error, ErrorCode, FeedCloser, Wake};
use entidb_storage::sync::{Mutex, MutexGuard};

use crate::boundary::{call, call_unit, give};
use crate::bytes::entidb_buffer;
use crate::change_batch;
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::options;
use crate::status::{ENTIDB_OK, ENTIDB_TIMEOUT, entidb_status};

/// A reader of the change feed. Movable: any thread, one call at a time; another thread may close or free it during a
/// wait. Free with `entidb_change_feed_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_change_feed {
    _private: [u8; 0],
}

struct Feed {
    cursor: Mutex<ChangeCursor>,
    closer: FeedCloser,
}

impl Noun for Feed {
    type Opaque = entidb_change_feed;
    const TAG: u32 = 0x4645_4544;
    const NAME: &'static str = "change feed";
    const MAY_WAIT: bool = true;

    fn end(&self) {
        self.closer.close();
    }
}

pub(crate) fn make(cursor: ChangeCursor) -> *mut entidb_change_feed {
    let closer = cursor.closer();
    handle::make(Feed { cursor: Mutex::new(cursor), closer })
}

/// The cursor of a feed that nobody else is using.
fn cursor<'a>(touched: &mut Touched, feed: *const entidb_change_feed) -> Result<MutexGuard<'a, ChangeCursor>, Error> {
    touched.get::<Feed>(feed)?.cursor.try_lock().ok_or_else(|| {
        Error::new(ErrorCode::ConcurrentUse, "another thread is using this change feed; give each thread its own")
    })
}

/// Returns the next changes, or `ENTIDB_TIMEOUT` when no commit arrives within `timeout_ms`.
///
/// A batch holds changes of one commit: all of them, or the next part of a large commit. It has at most 1 MiB, or one
/// larger change. Read it with `entidb_change_batch_read` and `entidb_change_batch_next`; its layout is in
/// crates/entidb_ffi/src/change_batch.rs.
///
/// Threads: any, one call at a time. Blocks: up to `timeout_ms`; 0 does not wait, `ENTIDB_NO_LIMIT` waits without
/// end.
/// Owns: `*out_batch` on success; free with `entidb_buffer_free`.
/// Errors: GAP when retention removed changes before they were read; CLOSED, also when the feed is closed or freed
/// during the call; INVALID_ARGUMENT for `ENTIDB_DEFAULT`, since this wait has no default; CONCURRENT_USE, CORRUPT.
/// After an error the feed keeps its position.
///
/// # Safety
/// `feed` is a live feed of this library; out-pointers are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_next(
    feed: *mut entidb_change_feed,
    timeout_ms: u64,
    out_batch: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |touched| {
        give(out_batch, entidb_buffer::EMPTY, "out_batch")?;
        let wait = options::wait(timeout_ms)?;
        let mut cursor = cursor(touched, feed)?;
        let Some(batch) = cursor.next_batch(wait)? else { return Ok(ENTIDB_TIMEOUT) };
        let encoded = change_batch::encode(&batch).inspect_err(|_| cursor.unread())?;
        give(out_batch, entidb_buffer::of(encoded), "out_batch")?;
        Ok(ENTIDB_OK)
    })
}

/// Tells a reader that its feed may have something new. Gets the `user_data` it was set with. It runs on any thread, in
/// the call that committed or closed; it must not block and must not call EntiDB.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub type entidb_waker = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// The waker of a caller.
struct Waker {
    call: unsafe extern "C" fn(user_data: *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the caller promises that it may be called on any thread.
unsafe impl Send for Waker {}
// SAFETY: as above; calls of it never overlap.
unsafe impl Sync for Waker {}

impl Waker {
    fn wake(&self) {
        // SAFETY: the caller promises that it may be called until it is taken away, and it is called under the lock that
        // taking away takes.
        unsafe { (self.call)(self.user_data) };
    }
}

/// Sets the function that is called when the feed has something to read, for a reader without a thread to wait in; NULL
/// removes it. After `entidb_change_feed_next` returned `ENTIDB_TIMEOUT`, the waker is called once: at the first commit
/// since then, or when the feed or the database is closed, or writing stops. It is not called again before another
/// `ENTIDB_TIMEOUT`. So a reader calls `entidb_change_feed_next` with 0 until it returns `ENTIDB_TIMEOUT`, and goes on when
/// the waker is called. A waker that is set is called for what comes after the next `ENTIDB_TIMEOUT`.
///
/// When this returns, the waker before is not running and is not called any more; neither is it after
/// `entidb_change_feed_free`.
///
/// Threads: any, one call at a time; not inside a waker. Blocks: until a waker that is running returns.
/// Errors: CONCURRENT_USE.
///
/// # Safety
/// As `entidb_change_feed_next`; `waker` may be called with `user_data` on any thread until it is removed or the feed is
/// freed.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_set_waker(
    feed: *mut entidb_change_feed,
    waker: entidb_waker,
    user_data: *mut c_void,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let waker = waker.map(|call| Waker { call, user_data });
        cursor(touched, feed)?.set_waker(waker.map(|waker| -> Wake { Box::new(move || waker.wake()) }));
        Ok(())
    })
}

/// From the next batch on, returns with each update and delete the document before it, in `before` of `entidb_change`.
///
/// Threads: any, one call at a time.
/// Errors: CONCURRENT_USE.
///
/// # Safety
/// As `entidb_change_feed_next`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_with_before(
    feed: *mut entidb_change_feed,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        cursor(touched, feed)?.give_before();
        Ok(())
    })
}

/// Makes the next call return the last batch again, for a caller that could not process it. Does nothing when no
/// batch was returned yet.
///
/// Threads: any, one call at a time.
/// Errors: CONCURRENT_USE.
///
/// # Safety
/// As `entidb_change_feed_next`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_unread(
    feed: *mut entidb_change_feed,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        cursor(touched, feed)?.unread();
        Ok(())
    })
}

/// Returns the position after the last batch, as text. Store it and pass it to `entidb_database_changes` to continue
/// there. It begins with the sequence of the commit.
///
/// Threads: any, one call at a time.
/// Owns: `*out_position` on success; free with `entidb_buffer_free`.
/// Errors: CONCURRENT_USE.
///
/// # Safety
/// As `entidb_change_feed_next`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_position(
    feed: *const entidb_change_feed,
    out_position: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_position, entidb_buffer::EMPTY, "out_position")?;
        let position = cursor(touched, feed)?.position().to_string();
        give(out_position, entidb_buffer::of(position.into_bytes()), "out_position")
    })
}

/// Closes a reader: a call that waits in another thread ends with CLOSED, and so does every later one. Closing again
/// does nothing. The handle must still be freed.
///
/// Threads: any, also while another thread waits in it. Does not block.
/// Errors: INVALID_HANDLE.
///
/// # Safety
/// As `entidb_change_feed_next`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_close(
    feed: *const entidb_change_feed,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        touched.get::<Feed>(feed)?.closer.close();
        Ok(())
    })
}

/// Frees a reader of the change feed. A call that waits in another thread ends with CLOSED first. Accepts NULL.
///
/// Threads: any, also while another thread waits in it. Blocks: until that thread has left.
///
/// # Safety
/// As `entidb_change_feed_next`; the feed is not used afterwards, and no call on it begins meanwhile.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_change_feed_free(feed: *mut entidb_change_feed) {
    handle::free::<Feed>(feed);
}
