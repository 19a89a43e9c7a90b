//! The edge between C and Rust: every function goes through `call`.
//!
//! Always: a panic never crosses; the error object is made only when the caller has a place for it; out-pointers are
//! written only on success. Does not know: what a function does.
//!
//! Unsafe: writing through the caller's out-pointers, which it promises to be valid or NULL.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use entidb_core::{Error, ErrorCode};

use crate::error::{self, entidb_error};
use crate::handle::Touched;
use crate::status::{ENTIDB_OK, entidb_status};

/// Runs the body of an exported function.
pub(crate) fn call(
    out_error: *mut *mut entidb_error,
    body: impl FnOnce(&mut Touched) -> Result<entidb_status, Error>,
) -> entidb_status {
    clear(out_error);
    let mut touched = Touched::default();
    let outcome = catch_unwind(AssertUnwindSafe(|| body(&mut touched)));
    let failure = match outcome {
        Ok(Ok(status)) => return status,
        Ok(Err(failure)) => failure,
        Err(payload) => {
            touched.mark_panicked();
            let problem = text(&*payload);
            discard(payload);
            Error::new(ErrorCode::Panic, format!("a defect in EntiDB stopped the call: {problem}; please report it"))
        }
    };
    let status = failure.code().number();
    if !out_error.is_null() {
        // Making the object allocates; if even that panics the status alone has to do.
        if let Ok(object) = catch_unwind(AssertUnwindSafe(|| error::make(failure))) {
            // SAFETY: the caller promises that a non-null out-pointer may be written.
            unsafe { out_error.write(object) };
        }
    }
    status
}

/// As `call`, for functions that give nothing but success.
pub(crate) fn call_unit(
    out_error: *mut *mut entidb_error,
    body: impl FnOnce(&mut Touched) -> Result<(), Error>,
) -> entidb_status {
    call(out_error, |touched| body(touched).map(|()| ENTIDB_OK))
}

/// Runs the body of a function that cannot report; a panic gives the fallback.
pub(crate) fn quiet<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        discard(payload);
        fallback
    })
}

/// Drops what a panic carried, which may itself panic.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        // Whatever cannot even be dropped is leaked rather than let loose on C.
        std::mem::forget(again);
    }
}

/// Sets an out-pointer to a pointer to NULL, as every function does on entry.
pub(crate) fn clear<T>(out: *mut *mut T) {
    if !out.is_null() {
        // SAFETY: the caller promises that a non-null out-pointer may be written.
        unsafe { out.write(std::ptr::null_mut()) };
    }
}

/// Writes a result to where the caller wants it.
pub(crate) fn give<T>(out: *mut T, value: T, name: &str) -> Result<(), Error> {
    if out.is_null() {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{name} is NULL; pass a place for the result")));
    }
    // SAFETY: the caller promises that a non-null out-pointer may be written.
    unsafe { out.write(value) };
    Ok(())
}

/// Reads what the caller lets a call move on.
pub(crate) fn read<T: Copy>(from: *const T, name: &str) -> Result<T, Error> {
    if from.is_null() {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{name} is NULL; pass a place for the result")));
    }
    // SAFETY: the caller promises that a non-null pointer may be read.
    Ok(unsafe { from.read() })
}

/// Refuses a missing out-pointer before anything is done whose result could then not be told.
pub(crate) fn need<T>(out: *mut T, name: &str) -> Result<(), Error> {
    if out.is_null() {
        return Err(Error::new(ErrorCode::InvalidArgument, format!("{name} is NULL; pass a place for the result")));
    }
    Ok(())
}

fn text(payload: &(dyn Any + Send)) -> String {
    let known =
        payload.downcast_ref::<&str>().map(ToString::to_string).or_else(|| payload.downcast_ref::<String>().cloned());
    known.unwrap_or_else(|| "no message".to_owned())
}
