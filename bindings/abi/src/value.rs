//! An entity that was read.
//!
//! Always: its bytes are borrowed from the engine and live as long as it does. Does not know: its collection.

use entidb_ffi as ffi;

use crate::Id;

/// An entity that was read.
#[derive(Debug)]
pub struct Entity(*mut ffi::entidb_value);

// SAFETY: the header says that a value may be used from any thread.
unsafe impl Send for Entity {}
// SAFETY: as above; every function on it only reads.
unsafe impl Sync for Entity {}

impl Entity {
    pub(crate) fn own(pointer: *mut ffi::entidb_value) -> Self {
        Self(pointer)
    }

    /// The document, canonical CBOR.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let mut view = ffi::entidb_bytes { data: std::ptr::null(), len: 0 };
        // SAFETY: the value is live and the view may be written.
        unsafe { ffi::entidb_value_bytes(self.0, &raw mut view) };
        if view.data.is_null() {
            return &[];
        }
        // SAFETY: the view lives as long as the value.
        unsafe { std::slice::from_raw_parts(view.data, view.len) }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> Id {
        // SAFETY: the value is live.
        let id = unsafe { ffi::entidb_value_id(self.0) };
        if id.is_null() {
            return [0; 16];
        }
        // SAFETY: a non-null id is 16 bytes that live as long as the value.
        unsafe { id.cast::<Id>().read() }
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> u64 {
        // SAFETY: the value is live.
        unsafe { ffi::entidb_value_version(self.0) }
    }
}

impl Drop for Entity {
    fn drop(&mut self) {
        // SAFETY: the value is ours and is not used afterwards.
        unsafe { ffi::entidb_value_free(self.0) };
    }
}
