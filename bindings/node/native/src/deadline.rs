//! Deadlines of the calls of a thread, one inside the other.
//!
//! Always: the inner deadline ends before the outer one; a worker that ends drops its deadlines. Does not know: which calls they
//! limit.

use std::cell::RefCell;

use entidb_abi::Cancel;
use napi::Result;
use napi_derive::napi;

use crate::failure::given;

thread_local! {
    static ENTERED: RefCell<Vec<Cancel>> = const { RefCell::new(Vec::new()) };
}

/// From now on calls of this thread end after the given milliseconds, until the deadline is left.
#[napi]
pub fn deadline_enter(timeout_ms: u32) -> Result<()> {
    let cancel = given(Cancel::new(Some(u64::from(timeout_ms))))?;
    given(cancel.enter())?;
    ENTERED.with_borrow_mut(|entered| entered.push(cancel));
    Ok(())
}

/// Leaves the innermost deadline.
#[napi]
pub fn deadline_leave() -> Result<()> {
    match ENTERED.with_borrow_mut(Vec::pop) {
        Some(cancel) => given(cancel.leave()),
        None => Ok(()),
    }
}
