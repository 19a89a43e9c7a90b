//! Calls that other threads end, and calls that end in a panic, through the C functions.
//!
//! Always: after an ended call every handle can be freed, and the database goes on. Does not know: the core's own tests of the same.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test is about real threads")]

use std::ptr::{null, null_mut};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use entidb_ffi::*;

/// Calls C functions, each in a block of its own.
macro_rules! c {
    ($call:expr) => {
        // SAFETY: every handle here is live until it is freed, and a place for an error may be NULL.
        unsafe { $call }
    };
}

const HOUR: u64 = 3_600_000;
const DOCUMENT: &[u8] = b"\xa1\x61n\x01";

/// A handle that another thread may use, as C has it.
struct Lent<T>(*mut T);

impl<T> Clone for Lent<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Lent<T> {}
// SAFETY: the functions under test say which handles may be used by other threads.
unsafe impl<T> Send for Lent<T> {}

impl<T> Lent<T> {
    /// As a method, so that a closure takes all of it with it.
    fn get(self) -> *mut T {
        self.0
    }
}

/// Calls a C function that fills a place.
macro_rules! made {
    ($function:ident($($argument:expr),*), $empty:expr) => {{
        let mut place = $empty;
        // SAFETY: the handles are live and the places may be written.
        let status = unsafe { $function($($argument,)* &raw mut place, null_mut()) };
        assert_eq!(status, ENTIDB_OK, stringify!($function));
        place
    }};
}

fn memory() -> *mut entidb_database {
    made!(entidb_database_open_memory(null(), 0), null_mut())
}

fn notes(db: *const entidb_database) -> *mut entidb_collection {
    made!(entidb_database_collection(db, b"notes".as_ptr(), 5), null_mut())
}

fn next(feed: *mut entidb_change_feed, timeout_ms: u64) -> entidb_status {
    let mut batch = std::mem::MaybeUninit::<entidb_buffer>::uninit();
    // SAFETY: the feed lives until the call has returned, and the place may be written.
    let status = unsafe { entidb_change_feed_next(feed, timeout_ms, batch.as_mut_ptr(), null_mut()) };
    // SAFETY: every call fills the place, with no bytes where it fails.
    unsafe { entidb_buffer_free(batch.as_mut_ptr()) };
    status
}

/// A feed, a thread that waits in it, and what the wait gave.
fn waiting(db: *const entidb_database) -> (*mut entidb_change_feed, thread::JoinHandle<entidb_status>) {
    let feed = made!(entidb_database_changes(db, null(), 0), null_mut());
    let (begun, begins) = mpsc::channel();
    let lent = Lent(feed);
    let waiter = thread::spawn(move || {
        begun.send(()).unwrap();
        next(lent.get(), HOUR)
    });
    begins.recv().unwrap();
    thread::sleep(Duration::from_millis(5));
    (feed, waiter)
}

#[test]
fn freeing_a_feed_ends_the_wait_of_another_thread_in_it() {
    // The waiter went on in the memory that was freed.
    let db = memory();
    for _ in 0..20 {
        let (feed, waiter) = waiting(db);
        // No call on it begins from here on.
        c!(entidb_change_feed_free(feed));
        assert_eq!(waiter.join().unwrap(), ENTIDB_ERROR_CLOSED);
    }
    c!(entidb_database_free(db));
}

#[test]
fn closing_a_feed_ends_the_wait_and_every_later_call() {
    let db = memory();
    let (feed, waiter) = waiting(db);
    assert_eq!(c!(entidb_change_feed_close(feed, null_mut())), ENTIDB_OK);
    assert_eq!(waiter.join().unwrap(), ENTIDB_ERROR_CLOSED);
    assert_eq!(next(feed, 0), ENTIDB_ERROR_CLOSED);
    assert_eq!(c!(entidb_change_feed_close(feed, null_mut())), ENTIDB_OK);
    c!(entidb_change_feed_free(feed));
    c!(entidb_database_free(db));
}

#[test]
fn a_token_ends_the_calls_of_the_threads_that_are_in_it() {
    let db = memory();
    let token = made!(entidb_cancel_new(ENTIDB_NO_LIMIT), null_mut());
    let (begun, begins) = mpsc::channel();
    let (lent, cancel) = (Lent(db), Lent(token));
    let waiter = thread::spawn(move || {
        assert_eq!(c!(entidb_cancel_enter(cancel.get(), null_mut())), ENTIDB_OK);
        begun.send(()).unwrap();
        let status = c!(entidb_database_wait_durable(lent.get(), 1000, HOUR, null_mut()));
        assert_eq!(c!(entidb_cancel_leave(cancel.get(), null_mut())), ENTIDB_OK);
        assert_eq!(c!(entidb_cancel_leave(cancel.get(), null_mut())), ENTIDB_ERROR_INVALID_ARGUMENT);
        (status, c!(entidb_database_wait_durable(lent.get(), 1000, 1, null_mut())))
    });
    begins.recv().unwrap();
    thread::sleep(Duration::from_millis(20));
    c!(entidb_cancel_cancel(token));
    assert_eq!(waiter.join().unwrap(), (ENTIDB_ERROR_CANCELLED, ENTIDB_ERROR_TIMEOUT));
    assert_eq!(c!(entidb_cancel_check(token, null_mut())), ENTIDB_ERROR_CANCELLED);
    for _ in 0..64 {
        assert_eq!(c!(entidb_cancel_enter(token, null_mut())), ENTIDB_OK);
    }
    assert_eq!(c!(entidb_cancel_enter(token, null_mut())), ENTIDB_ERROR_TOO_LARGE);
    let create = || c!(entidb_database_create_collection(db, b"a".as_ptr(), 1, null_mut()));
    assert_eq!(create(), ENTIDB_ERROR_CANCELLED);
    // One that this thread is still in ends nothing any more.
    c!(entidb_cancel_free(token));
    assert_eq!(create(), ENTIDB_OK);
    c!(entidb_cancel_cancel(null()));
    c!(entidb_database_free(db));
}

/// They cannot be left any more, and each took one of the 64 places of its thread for ever.
#[test]
fn tokens_that_were_freed_take_no_place_of_a_thread_that_is_in_them() {
    for _ in 0..200 {
        let token = made!(entidb_cancel_new(ENTIDB_NO_LIMIT), null_mut());
        assert_eq!(c!(entidb_cancel_enter(token, null_mut())), ENTIDB_OK);
        c!(entidb_cancel_free(token));
    }
    assert!(entidb_core::interrupt::depth() <= 1, "{}", entidb_core::interrupt::depth());
}

#[test]
fn a_panic_in_a_call_dooms_the_transaction_it_happened_in() {
    let db = memory();
    let outside = notes(db);
    let put = |collection: *const entidb_collection| {
        let mut id = [0; 16];
        // SAFETY: the collection is live, the document readable and the place may be written.
        unsafe {
            let (bytes, len) = (DOCUMENT.as_ptr(), DOCUMENT.len());
            entidb_collection_put(collection, null(), bytes, len, ENTIDB_PUT, 0, id.as_mut_ptr(), null_mut())
        }
    };
    let count = |collection: *const entidb_collection| made!(entidb_collection_count(collection), 0);
    assert_eq!(put(outside), ENTIDB_OK);
    let tx = made!(entidb_database_begin_write(db, ENTIDB_DEFAULT), null_mut());
    let inside = made!(entidb_transaction_collection(tx, b"notes".as_ptr(), 5), null_mut());
    let untouched = made!(entidb_transaction_collection(tx, b"notes".as_ptr(), 5), null_mut());
    assert_eq!(put(inside), ENTIDB_OK);
    // The function a thread asks runs in the middle of the call.
    entidb_core::interrupt::ask(Some(Box::new(|| std::panic::panic_any("planted"))));
    assert_eq!(put(inside), ENTIDB_ERROR_PANIC);
    entidb_core::interrupt::ask(None);
    assert_eq!(put(inside), ENTIDB_ERROR_PANIC, "the handle it came through");
    assert_eq!(put(untouched), ENTIDB_ERROR_PANIC, "another handle of the same transaction");
    let commit = c!(entidb_transaction_commit(tx, ENTIDB_DURABILITY_DEFAULT, null_mut(), null_mut()));
    assert_eq!(commit, ENTIDB_ERROR_PANIC);
    assert_eq!(count(outside), 1, "nothing of it was committed");
    assert_eq!(put(outside), ENTIDB_OK, "others go on");
    // A panic in a call that makes its own transaction leaves nothing of that.
    entidb_core::interrupt::ask(Some(Box::new(|| std::panic::panic_any("planted"))));
    assert_eq!(put(outside), ENTIDB_ERROR_PANIC);
    entidb_core::interrupt::ask(None);
    let again = notes(db);
    assert_eq!(count(again), 2);
    assert_eq!(put(again), ENTIDB_OK, "the lock was given back");
    for collection in [outside, inside, untouched, again] {
        c!(entidb_collection_free(collection));
    }
    c!(entidb_transaction_free(tx));
    assert_eq!(c!(entidb_database_close(db, null_mut())), ENTIDB_OK);
    c!(entidb_database_free(db));
}
