//! What this library is: versions, and what it was built with.
//!
//! Always: one place says each version. Does not know: databases.

use crate::bytes;
use crate::error::static_text;

/// The version of this ABI: `major * 1000 + minor`. A minor version adds, a major version changes.
pub const ENTIDB_ABI_VERSION: u32 = 1000;

/// The version of the library, such as `0.1.0`, as a static text of `*out_len` bytes.
///
/// Threads: any.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub extern "C" fn entidb_version(out_len: *mut usize) -> *const u8 {
    static_text(env!("CARGO_PKG_VERSION"), out_len)
}

/// The version of the ABI in the library. Compare it with `ENTIDB_ABI_VERSION` of the header.
///
/// Threads: any.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub extern "C" fn entidb_abi_version() -> u32 {
    ENTIDB_ABI_VERSION
}

/// The newest file format the library writes.
///
/// Threads: any.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub extern "C" fn entidb_format_version() -> u32 {
    entidb_core::FORMAT_VERSION
}

/// 1 if the library has the feature: `encryption`, `file`, `memory`, `change_feed`; otherwise 0.
///
/// Threads: any.
///
/// # Safety
/// `name` points at `name_len` readable bytes.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_has_feature(name: *const u8, name_len: usize) -> i32 {
    let known = bytes::text(name, name_len, "name")
        .is_ok_and(|name| matches!(name, "encryption" | "file" | "memory" | "change_feed"));
    i32::from(known)
}
