//! Ending the calls of a thread before they are done.
//!
//! Always: what is asked lives until it is taken away, or the thread ends. Does not know: who wants a call to end.

use std::cell::RefCell;
use std::ffi::c_void;

use entidb_ffi as ffi;

thread_local! {
    /// Where what is asked lives; the library has the place of it.
    static ASKED: RefCell<Option<Box<Ask>>> = const { RefCell::new(None) };
}

struct Ask(Box<dyn Fn() -> bool>);

impl Drop for Ask {
    /// At the end of a thread nothing is asked of what is gone.
    fn drop(&mut self) {
        // SAFETY: from here on the library does not ask.
        unsafe { ffi::entidb_interrupt_set(None, std::ptr::null_mut()) };
    }
}

unsafe extern "C" fn answer(user_data: *mut c_void) -> i32 {
    // SAFETY: the place of an `Ask` of this thread, which is taken from the library before it is dropped.
    let ask = unsafe { &*user_data.cast::<Ask>() };
    i32::from((ask.0)())
}

/// What this thread asks from now on while it works or waits in calls of the library, at most every 10 ms; true ends the call
/// with `CANCELLED`. None takes it away. It must not call the library.
pub fn set_interrupt(ask: Option<Box<dyn Fn() -> bool>>) {
    let ask = ask.map(|ask| Box::new(Ask(ask)));
    let Ok(before) = ASKED.try_with(|place| place.replace(ask)) else { return };
    drop(before);
    let _ = ASKED.try_with(|place| {
        if let Some(ask) = place.borrow().as_deref() {
            let user_data = std::ptr::from_ref(ask).cast_mut().cast::<c_void>();
            // SAFETY: the box stays where it is until it is taken away above, and only this thread calls it.
            unsafe { ffi::entidb_interrupt_set(Some(answer), user_data) };
        }
    });
}
