//! Tokens that end calls before they are done.
//!
//! Always: a thread leaves a token it entered, however the work in it ends. Does not know: who cancels.

use entidb_ffi as ffi;

use crate::call;
use crate::error::Result;

/// A token that ends calls: cancelled from any thread, or over at its deadline.
#[derive(Debug)]
pub struct Cancel(*mut ffi::entidb_cancel);

// SAFETY: the header says that a token may be used by any number of threads at once.
unsafe impl Send for Cancel {}
// SAFETY: as above.
unsafe impl Sync for Cancel {}

impl Cancel {
    /// A token, with a deadline in milliseconds from now or without one.
    ///
    /// # Errors
    /// Those of `entidb_cancel_new`.
    pub fn new(timeout_ms: Option<u64>) -> Result<Self> {
        let timeout = timeout_ms.unwrap_or(ffi::ENTIDB_NO_LIMIT);
        // SAFETY: the places may be written.
        call::handle(|out, error| unsafe { ffi::entidb_cancel_new(timeout, out, error) }).map(Self)
    }

    /// Ends the calls of every thread that is in it.
    pub fn cancel(&self) {
        // SAFETY: the token is live.
        unsafe { ffi::entidb_cancel_cancel(self.0) };
    }

    /// Fails as a call of a thread in it would.
    ///
    /// # Errors
    /// Those of `entidb_cancel_check`.
    pub fn check(&self) -> Result<()> {
        // SAFETY: the token is live.
        call::done(|error| unsafe { ffi::entidb_cancel_check(self.0, error) })
    }

    /// From now on calls of this thread end when the token says so.
    ///
    /// # Errors
    /// Those of `entidb_cancel_enter`.
    pub fn enter(&self) -> Result<()> {
        // SAFETY: the token is live.
        call::done(|error| unsafe { ffi::entidb_cancel_enter(self.0, error) })
    }

    /// Takes the last [`enter`](Self::enter) of this thread back.
    ///
    /// # Errors
    /// Those of `entidb_cancel_leave`.
    pub fn leave(&self) -> Result<()> {
        // SAFETY: the token is live.
        call::done(|error| unsafe { ffi::entidb_cancel_leave(self.0, error) })
    }

    /// Runs something with this thread in the token.
    ///
    /// # Errors
    /// Those of `entidb_cancel_enter`, and what `run` fails with.
    pub fn within<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        struct Inside<'a>(&'a Cancel);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                // It was entered below, so there is nothing to tell.
                let _ = self.0.leave();
            }
        }
        self.enter()?;
        let _inside = Inside(self);
        run()
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used afterwards.
        unsafe { ffi::entidb_cancel_free(self.0) };
    }
}
