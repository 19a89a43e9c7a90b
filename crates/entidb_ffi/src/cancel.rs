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

/// Makes a token that ends calls when it is cancelled, and when `timeout_ms` are over, counted from now; `ENTIDB_NO_LIMIT` for
/// no deadline.
///
/// Calls of a thread that has entered it then fail with CANCELLED or TIMEOUT and change nothing: a transaction is as before the
/// call, except that a commit has aborted it; a feed stays where it is, a cursor is over. Work and waits look at most 10 ms
/// later. Calls that are done before they look are done, and so is a commit once it is applied.
///
/// Threads: any.
/// Owns: `*out_cancel` on success; free with `entidb_cancel_free`.
/// Errors: INVALID_ARGUMENT, also for `ENTIDB_DEFAULT`.
///
/// # Safety
/// `cancel` is a live token of this library; out-pointers are NULL or may be written. So for every function here.
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

/// Ends the calls of every thread that is in the token, now and later. Again is fine. NULL is left alone.
///
/// Threads: any, also while others are in it. Does not block.
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

/// Fails as a call of a thread in the token would: for a loop of one's own, or before a call that is too short to look.
///
/// Threads: any; it need not be in the token.
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

/// From now on calls of this thread, on any database, end when the token says so, until `entidb_cancel_leave`. A thread may be in
/// several, and in one several times: the first that has ended counts.
///
/// Threads: any; each enters for itself.
/// Errors: TOO_LARGE when the thread is in 64 already, which are calls that forgot to leave.
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

/// Takes back the last `entidb_cancel_enter` of this token on this thread.
///
/// Threads: the one that entered.
/// Errors: INVALID_ARGUMENT when this thread is not in it.
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

/// Frees a token. For threads that are still in it, it ends nothing any more; leave it first all the same. NULL is fine.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_cancel_new`; the token is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cancel_free(cancel: *mut entidb_cancel) {
    handle::free::<Token>(cancel);
}
