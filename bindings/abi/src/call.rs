//! One checked call.
//!
//! Always: a status from 100 on becomes an `Error`; smaller ones are outcomes. Does not know: which function was called.

use entidb_ffi as ffi;

use crate::error::{Error, Result};

/// Calls a C function that takes a place for an error, and gives its outcome.
pub(crate) fn outcome(run: impl FnOnce(*mut *mut ffi::entidb_error) -> ffi::entidb_status) -> Result<i32> {
    let mut object = std::ptr::null_mut();
    let status = run(&raw mut object);
    if status >= 100 { Err(Error::take(status, object)) } else { Ok(status) }
}

/// As `outcome`, for functions whose only outcome is success.
pub(crate) fn done(run: impl FnOnce(*mut *mut ffi::entidb_error) -> ffi::entidb_status) -> Result<()> {
    outcome(run).map(|_| ())
}

/// Calls a C function that fills a place with a handle.
pub(crate) fn handle<T>(
    run: impl FnOnce(*mut *mut T, *mut *mut ffi::entidb_error) -> ffi::entidb_status,
) -> Result<*mut T> {
    let mut made = std::ptr::null_mut();
    done(|error| run(&raw mut made, error))?;
    Ok(made)
}

/// Calls a C function that fills a place with a plain value.
pub(crate) fn value<T: Default>(
    run: impl FnOnce(*mut T, *mut *mut ffi::entidb_error) -> ffi::entidb_status,
) -> Result<T> {
    let mut filled = T::default();
    done(|error| run(&raw mut filled, error))?;
    Ok(filled)
}
