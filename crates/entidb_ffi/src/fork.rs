//! Notices that the process was forked, so that a child never touches its parent's handles.
//!
//! Always: counting costs one load per call. Where there is no fork the count stays 0.
//! Does not know: handles.
//!
//! Unsafe: registering the hook is a C call.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static FORKS: AtomicU32 = AtomicU32::new(0);
static REGISTER: Once = Once::new();

#[cfg(unix)]
extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Release);
}

/// How many forks lie between the first use of the library and this process.
pub(crate) fn count() -> u32 {
    REGISTER.call_once(|| {
        #[cfg(unix)]
        // SAFETY: the hook only adds to an atomic, which is allowed in the child of a fork.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    FORKS.load(Ordering::Acquire)
}
