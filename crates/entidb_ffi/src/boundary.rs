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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{entidb_error_code, entidb_error_free, entidb_error_message};
    use crate::handle::{self, Noun};
    use crate::status::{ENTIDB_ERROR_INVALID_HANDLE, ENTIDB_ERROR_PANIC};

    struct Thing(u32);
    struct Opaque;

    impl Noun for Thing {
        type Opaque = Opaque;
        const TAG: u32 = 0x5445_5354;
        const NAME: &'static str = "thing";
    }

    struct Stubborn;

    impl Drop for Stubborn {
        fn drop(&mut self) {
            panic!("dropping panics as well");
        }
    }

    fn code_of(error: *mut entidb_error) -> entidb_status {
        // SAFETY: `call` made the error, or left NULL.
        let code = unsafe { entidb_error_code(error) };
        // SAFETY: as above, and it is not used again.
        unsafe { entidb_error_free(error) };
        code
    }

    fn read(thing: *const Opaque, out_error: *mut *mut entidb_error) -> entidb_status {
        call_unit(out_error, |touched| touched.get::<Thing>(thing).map(|thing| assert_eq!(thing.0, 7)))
    }

    #[test]
    fn a_panic_becomes_an_error_and_closes_the_handle() {
        let thing = handle::make(Thing(7));
        let mut error = std::ptr::null_mut();
        assert_eq!(read(thing, &raw mut error), ENTIDB_OK);
        let status = call(&raw mut error, |touched| {
            touched.get::<Thing>(thing)?;
            panic!("provoked {}", 1)
        });
        assert_eq!(status, ENTIDB_ERROR_PANIC);
        // SAFETY: the error is live.
        let message = unsafe { entidb_error_message(error) };
        // SAFETY: a message ends in NUL and lives as long as its error.
        let message = unsafe { std::ffi::CStr::from_ptr(message) };
        assert!(message.to_string_lossy().contains("provoked 1"), "{message:?}");
        assert_eq!(code_of(error), ENTIDB_ERROR_PANIC);
        assert_eq!(read(thing, &raw mut error), ENTIDB_ERROR_PANIC, "a marked handle refuses every further call");
        assert_eq!(code_of(error), ENTIDB_ERROR_PANIC);
        handle::free::<Thing>(thing);
    }

    #[test]
    fn a_panic_without_a_place_for_the_error_gives_the_status() {
        assert_eq!(call(std::ptr::null_mut(), |_| panic!("provoked")), ENTIDB_ERROR_PANIC);
    }

    #[test]
    fn a_panic_whose_message_panics_again_stays_inside() {
        let mut error = std::ptr::null_mut();
        assert_eq!(call(&raw mut error, |_| std::panic::panic_any(Stubborn)), ENTIDB_ERROR_PANIC);
        assert_eq!(code_of(error), ENTIDB_ERROR_PANIC);
        assert_eq!(quiet(5, || std::panic::panic_any(Stubborn)), 5);
    }

    #[test]
    fn handles_of_no_kind_are_refused() {
        let mut error = std::ptr::null_mut();
        assert_eq!(read(std::ptr::null(), &raw mut error), ENTIDB_ERROR_INVALID_HANDLE);
        assert_eq!(code_of(error), ENTIDB_ERROR_INVALID_HANDLE);
        let stranger = handle::make(Thing(7));
        let misaligned = stranger.cast::<u8>().wrapping_add(1).cast::<Opaque>();
        assert_eq!(read(misaligned, &raw mut error), ENTIDB_ERROR_INVALID_HANDLE);
        assert_eq!(code_of(error), ENTIDB_ERROR_INVALID_HANDLE);
        let mut value = std::ptr::null_mut();
        // SAFETY: the pointer is a live handle of this library, of a kind the call refuses.
        let status = unsafe { crate::cursor::entidb_cursor_next(stranger.cast(), &raw mut value, &raw mut error) };
        assert_eq!(status, ENTIDB_ERROR_INVALID_HANDLE, "a handle of another kind");
        assert_eq!(code_of(error), ENTIDB_ERROR_INVALID_HANDLE);
        handle::free::<Thing>(stranger);
        handle::free::<Thing>(std::ptr::null_mut());
    }

    #[test]
    fn what_a_freed_handle_held_is_dropped_and_a_panic_of_it_stays_inside() {
        struct Held(Stubborn);
        impl Noun for Held {
            type Opaque = Opaque;
            const TAG: u32 = 0x4845_4c44;
            const NAME: &'static str = "held";
        }
        handle::free::<Held>(handle::make(Held(Stubborn)));
    }
}
