//! Tokens that end calls before they are done: cancelled from any thread, or over at a deadline.
//!
//! Always: a token is of no database, and any number of threads may be in one. Does not know: what calls do about it.

use entidb_core::{Cancel, Error, ErrorCode, interrupt};

use crate::boundary::{call_unit, clear, give, need, quiet};
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::options::{self, ENTIDB_NO_LIMIT};
use crate::status::entidb_status;

/// Tokens a thread may be in at once: more of them are calls that forgot to leave.
const ENTERED_MAX: usize = 64;

/// A token that ends calls. Shareable: any number of threads at once. Free with `entidb_cancel_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_cancel {
    _private: [u8; 0],
}

struct Token(Cancel);

impl Drop for Token {
    fn drop(&mut self) {
        // Threads that are still in it cannot leave it any more.
        self.0.retire();
    }
}

impl Noun for Token {
    type Opaque = entidb_cancel;
    const TAG: u32 = 0x434e_434c;
    const NAME: &'static str = "cancel token";
    const OF_MEMORY: bool = true;
}

/// Creates a token that ends calls when it is cancelled or when `timeout_ms` from now have passed; `ENTIDB_NO_LIMIT`
/// sets no deadline.
///
/// From then on calls of a thread that has entered the token fail with CANCELLED or TIMEOUT and change nothing: a
/// transaction is as it was before the call, except that a failed commit aborts it; a feed keeps its position; a
/// cursor has ended. A running call notices within 10 ms. A call that finishes earlier succeeds, and a commit that is
/// applied stays applied.
///
/// Threads: any.
/// Owns: `*out_cancel` on success; free with `entidb_cancel_free`.
/// Errors: INVALID_ARGUMENT, also for `ENTIDB_DEFAULT`.
///
/// # Safety
/// `cancel` is a live token of this library; out-pointers are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cancel_new(
    timeout_ms: u64,
    out_cancel: *mut *mut entidb_cancel,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_cancel);
    call_unit(out_error, |_| {
        need(out_cancel, "out_cancel")?;
        let cancel = match timeout_ms {
            ENTIDB_NO_LIMIT => Cancel::new(),
            timeout_ms => Cancel::within(options::wait(timeout_ms)?),
        };
        give(out_cancel, handle::make(Token(cancel)), "out_cancel")
    })
}

/// Ends the current and later calls of every thread that has entered the token. Cancelling again does nothing.
/// Accepts NULL.
///
/// Threads: any, also while other threads have entered it. Does not block.
///
/// # Safety
/// As `entidb_cancel_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cancel_cancel(cancel: *const entidb_cancel) {
    quiet((), || {
        if let Ok(token) = Touched::default().get::<Token>(cancel) {
            token.0.cancel();
        }
    });
}

/// Fails if the token is cancelled or past its deadline: for a loop of the caller, or before a call too short to
/// notice.
///
/// Threads: any; the thread need not have entered the token.
/// Errors: CANCELLED, TIMEOUT.
///
/// # Safety
/// As `entidb_cancel_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cancel_check(
    cancel: *const entidb_cancel,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| Ok(touched.get::<Token>(cancel)?.0.check()?))
}

/// Makes the token apply to calls of this thread, on any database, until `entidb_cancel_leave`. A thread may enter
/// several tokens, and one token several times; the first that ends applies.
///
/// Threads: any; a thread enters for itself only.
/// Errors: TOO_LARGE when the thread has entered 64 tokens; some call of it does not leave.
///
/// # Safety
/// As `entidb_cancel_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cancel_enter(
    cancel: *const entidb_cancel,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let token = touched.get::<Token>(cancel)?;
        if interrupt::depth() >= ENTERED_MAX {
            let problem = format!("this thread is in {ENTERED_MAX} cancel tokens already; leave those that are over");
            return Err(Error::new(ErrorCode::TooLarge, problem));
        }
        interrupt::enter(&token.0);
        Ok(())
    })
}

/// Reverts the last `entidb_cancel_enter` of this token on this thread.
///
/// Threads: the one that entered.
/// Errors: INVALID_ARGUMENT when this thread has not entered the token.
///
/// # Safety
/// As `entidb_cancel_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cancel_leave(
    cancel: *const entidb_cancel,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        if interrupt::leave(&touched.get::<Token>(cancel)?.0) {
            return Ok(());
        }
        let problem = "this thread is not in the cancel token; leave it where it was entered, once for each time";
        Err(Error::new(ErrorCode::InvalidArgument, problem))
    })
}

/// Frees a token. It no longer ends calls of threads that have entered it; leave it first all the same. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_cancel_new`; the token is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cancel_free(cancel: *mut entidb_cancel) {
    handle::free::<Token>(cancel);
}
