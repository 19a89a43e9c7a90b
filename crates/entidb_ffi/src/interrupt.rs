//! What belongs to a thread: the function that ends its calls before they are done, and what it acts for.
//!
//! Always: both are of one thread, for all databases it calls. Does not know: who wants a call to end, and why.
//!
//! Unsafe: calling the caller's function, which it promises to keep callable until it is taken away.

use std::ffi::c_void;

use entidb_core::interrupt;

use crate::boundary::quiet;

/// Returns whether the current call is to end: 0 continues. Gets the `user_data` it was set with. It must not call
/// EntiDB.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub type entidb_interrupt = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// Sets the function that calls of this thread ask, every 10 ms while they work or wait, on any database; NULL
/// removes it. If it returns anything but 0, the call ends with CANCELLED and changes nothing: a transaction is as it
/// was before the call, a feed keeps its position, a cursor has ended. A commit that is applied, and closing, are not
/// ended. The function may read a flag that other threads set, or the clock.
///
/// Threads: any; each thread has its own function. Does not block.
///
/// # Safety
/// `ask` may be called with `user_data` by this thread until it is removed or the thread ends.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_interrupt_set(ask: entidb_interrupt, user_data: *mut c_void) {
    quiet((), || {
        interrupt::ask(ask.map(|ask| -> interrupt::Ask {
            // SAFETY: the caller promises that it may be called for as long as it is set, on this thread.
            Box::new(move || unsafe { ask(user_data) } != 0)
        }));
    });
}

/// Says what this thread acts for from now on, for hosts that move their tasks between threads: DEADLOCK is then returned for a
/// transaction of the same caller, whichever thread made its last call, and not for one of this thread. Numbers are the host's own,
/// below 2^63; 0 is the thread itself.
///
/// Threads: any; each thread acts for one caller. Does not block.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub extern "C" fn entidb_caller_set(caller: u64) {
    quiet((), || entidb_core::set_caller(caller));
}
