//! Ending the calls of a thread before they are done.
//!
//! Always: what is asked belongs to one thread, for all databases it calls. Does not know: who wants a call to end, and why.
//!
//! Unsafe: calling the caller's function, which it promises to keep callable until it is taken away.

use std::ffi::c_void;

use entidb_core::interrupt;

use crate::boundary::quiet;

/// Answers whether the call under way is to end: 0 goes on. Gets what was given with it. It may not call EntiDB.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub type entidb_interrupt = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// What this thread asks from now on while it works or waits in calls of EntiDB, on any database, at most every 10 ms; NULL
/// takes it away. When the answer is not 0 the call ends with CANCELLED and changes nothing: a transaction is as before the
/// call, a feed stays where it is, a cursor is over. What must be done to its end is: a commit once it is applied, and
/// closing. Other threads can end a call through a flag that the function looks at, and a deadline is a look at the clock.
///
/// Threads: any; each has its own. Does not block.
///
/// # Safety
/// `ask` may be called with `user_data` by this thread until it is taken away or the thread ends.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_interrupt_set(ask: entidb_interrupt, user_data: *mut c_void) {
    quiet((), || {
        interrupt::ask(ask.map(|ask| -> interrupt::Ask {
            // SAFETY: the caller promises that it may be called for as long as it is set, on this thread.
            Box::new(move || unsafe { ask(user_data) } != 0)
        }));
    });
}
