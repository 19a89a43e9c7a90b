//! What library this is.
//!
//! Always: texts are static. Does not know: databases.

use entidb_ffi as ffi;

use crate::error::{Error, Result};

fn text(read: impl FnOnce(*mut usize) -> *const u8) -> &'static str {
    let mut len = 0;
    let data = read(&raw mut len);
    if data.is_null() {
        return "";
    }
    // SAFETY: the header promises a static text of that many bytes.
    let bytes: &'static [u8] = unsafe { std::slice::from_raw_parts(data, len) };
    std::str::from_utf8(bytes).unwrap_or("")
}

/// The version of the library.
#[must_use]
pub fn version() -> &'static str {
    text(|len| ffi::entidb_version(len))
}

/// The version of the ABI.
#[must_use]
pub fn abi_version() -> u32 {
    ffi::entidb_abi_version()
}

/// The newest file format the library writes.
#[must_use]
pub fn format_version() -> u32 {
    ffi::entidb_format_version()
}

/// Whether the library has a feature.
#[must_use]
pub fn has_feature(name: &str) -> bool {
    // SAFETY: the name is readable for its length.
    unsafe { ffi::entidb_has_feature(name.as_ptr(), name.len()) != 0 }
}

/// The name of a code.
#[must_use]
pub fn code_name(code: i32) -> &'static str {
    text(|len| ffi::entidb_code_name(code, len))
}

/// What a caller can do about a code.
#[must_use]
pub fn code_hint(code: i32) -> &'static str {
    text(|len| ffi::entidb_code_hint(code, len))
}

/// Refuses a library of another ABI than this wrapper was built for.
///
/// # Errors
/// `LIBRARY_MISMATCH` naming both versions.
pub fn check_library() -> Result<()> {
    let (found, built) = (abi_version(), ffi::ENTIDB_ABI_VERSION);
    if found / 1000 == built / 1000 && found >= built {
        return Ok(());
    }
    let problem =
        format!("the library speaks ABI {found}, this package was built for {built}; install matching versions");
    Err(Error::new(ffi::ENTIDB_ERROR_LIBRARY_MISMATCH, problem))
}
