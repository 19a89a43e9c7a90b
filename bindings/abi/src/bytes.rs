//! Bytes the library gave to keep.
//!
//! Always: freed when dropped. Does not know: what they mean.

use std::ops::Deref;

use entidb_ffi as ffi;

use crate::call;
use crate::error::Result;

/// Bytes owned by the library's allocator.
#[derive(Debug)]
pub struct Buffer(ffi::entidb_buffer);

// SAFETY: the buffer is owned memory that nothing else refers to.
unsafe impl Send for Buffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Calls a C function that fills a buffer.
    pub(crate) fn fill(
        run: impl FnOnce(*mut ffi::entidb_buffer, *mut *mut ffi::entidb_error) -> ffi::entidb_status,
    ) -> Result<Self> {
        Self::fill_outcome(run).map(|(buffer, _)| buffer)
    }

    /// Calls a C function that fills a buffer with text.
    pub(crate) fn fill_text(
        run: impl FnOnce(*mut ffi::entidb_buffer, *mut *mut ffi::entidb_error) -> ffi::entidb_status,
    ) -> Result<String> {
        Ok(String::from_utf8_lossy(&Self::fill(run)?).into_owned())
    }

    /// As `fill`, with the outcome.
    pub(crate) fn fill_outcome(
        run: impl FnOnce(*mut ffi::entidb_buffer, *mut *mut ffi::entidb_error) -> ffi::entidb_status,
    ) -> Result<(Self, i32)> {
        let mut buffer = Self(ffi::entidb_buffer { data: std::ptr::null_mut(), len: 0, capacity: 0 });
        let outcome = call::outcome(|error| run(&raw mut buffer.0, error))?;
        Ok((buffer, outcome))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.0.data.is_null() {
            return &[];
        }
        // SAFETY: the library filled pointer and length, and the memory is ours until it is freed.
        unsafe { std::slice::from_raw_parts(self.0.data, self.0.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the buffer is as the library filled it.
        unsafe { ffi::entidb_buffer_free(&raw mut self.0) };
    }
}
