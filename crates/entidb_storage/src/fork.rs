//! Notices that the process was forked: a child inherits every handle of its parent and may use none of them.
//!
//! Always: asking costs one load. Where there is no fork every process is the one that was asked first.
//! Does not know: handles, or what a child does instead.
//!
//! Unsafe: registering the hook is a C call.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static FORKS: AtomicU32 = AtomicU32::new(0);
static REGISTER: Once = Once::new();

#[cfg(unix)]
extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The process something was made in, as far as forks tell processes apart.
///
/// ```
/// use entidb_storage::Process;
/// let process = Process::current();
/// assert!(process.is_current(), "and in a child made by `fork` it is not");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// The process that asks.
    #[must_use]
    pub fn current() -> Self {
        REGISTER.call_once(|| {
            #[cfg(unix)]
            // SAFETY: the hook only adds to an atomic, which is allowed in the child of a fork.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// False in a child made by `fork` from this process, and in its children.
    #[inline]
    #[must_use]
    pub fn is_current(self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }

    /// How many forks lie between the first question and this process.
    #[cfg(unix)]
    pub(crate) fn depth(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }
}
