//! The error object.
//!
//! Always: text is UTF-8, ends in NUL, and lives until the error is freed. Does not know: which call failed.
//!
//! Unsafe: reading an error the caller promises to be live.

use std::ffi::{CString, c_char};

use entidb_core::{Error, ErrorCode};

use crate::boundary::quiet;
use crate::handle::{self, Noun, Touched};
use crate::status::entidb_status;

/// Why a call failed. Free with `entidb_error_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_error {
    _private: [u8; 0],
}

struct Failure {
    error: Error,
    message: CString,
    path: Option<CString>,
    collection: Option<CString>,
    index: Option<CString>,
}

impl Noun for Failure {
    type Opaque = entidb_error;
    const TAG: u32 = 0x4552_524f;
    const OF_MEMORY: bool = true;
    const NAME: &'static str = "error";
}

fn text(from: &str) -> CString {
    CString::new(from.replace('\0', "\u{fffd}")).unwrap_or_default()
}

pub(crate) fn make(error: Error) -> *mut entidb_error {
    let context = error.context();
    let optional = |field: &Option<String>| field.as_deref().map(text);
    let (path, collection, index) = (optional(&context.path), optional(&context.collection), optional(&context.index));
    let message = text(error.message());
    handle::make(Failure { error, message, path, collection, index })
}

fn with<T>(error: *const entidb_error, fallback: T, read: impl FnOnce(&'static Failure) -> T) -> T {
    let found = quiet(None, || Touched::default().get::<Failure>(error).ok().map(read));
    found.unwrap_or(fallback)
}

fn pointer(text: Option<&'static CString>) -> *const c_char {
    text.map_or(std::ptr::null(), |text| text.as_ptr())
}

/// The status code of the error, one of `ENTIDB_ERROR_...`; 0 for NULL.
///
/// Threads: any.
///
/// # Safety
/// `error` is NULL or a live error of this library.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_code(error: *const entidb_error) -> entidb_status {
    with(error, 0, |failure| failure.error.code().number())
}

/// One sentence: what was asked, what was found, what to do. UTF-8 that ends in NUL; valid until the error is freed.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_message(error: *const entidb_error) -> *const c_char {
    with(error, c"".as_ptr(), |failure| failure.message.as_ptr())
}

/// The operating system's error number, or 0.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_os_code(error: *const entidb_error) -> i32 {
    with(error, 0, |failure| failure.error.context().os_code.unwrap_or(0))
}

/// The path of the database or file concerned, or NULL. Valid until the error is freed.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_path(error: *const entidb_error) -> *const c_char {
    with(error, std::ptr::null(), |failure| pointer(failure.path.as_ref()))
}

/// The collection concerned, or NULL. Valid until the error is freed.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_collection(error: *const entidb_error) -> *const c_char {
    with(error, std::ptr::null(), |failure| pointer(failure.collection.as_ref()))
}

/// The index concerned, or NULL. Valid until the error is freed.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_index(error: *const entidb_error) -> *const c_char {
    with(error, std::ptr::null(), |failure| pointer(failure.index.as_ref()))
}

/// The 16 bytes of the id of the entity concerned, or NULL; for a unique violation the entity that has the key. Valid
/// until the error is freed.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_id(error: *const entidb_error) -> *const u8 {
    with(error, std::ptr::null(), |failure| {
        failure.error.context().id.as_ref().map_or(std::ptr::null(), |id| id.as_bytes().as_ptr())
    })
}

/// The byte offset in the file or in the bytes passed in, or -1.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_offset(error: *const entidb_error) -> i64 {
    with(error, -1, |failure| {
        failure.error.context().offset.and_then(|offset| i64::try_from(offset).ok()).unwrap_or(-1)
    })
}

/// Frees an error. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_error_code`; the error is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_error_free(error: *mut entidb_error) {
    handle::free::<Failure>(error);
}

/// What a caller can do about an error of this code, as a static text; empty for an unknown code.
///
/// Threads: any.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub extern "C" fn entidb_code_hint(code: entidb_status, out_len: *mut usize) -> *const u8 {
    static_text(ErrorCode::from_number(code).map_or("", ErrorCode::hint), out_len)
}

/// The name of a code, such as `DATABASE_LOCKED`, as a static text; empty for an unknown code.
///
/// Threads: any.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub extern "C" fn entidb_code_name(code: entidb_status, out_len: *mut usize) -> *const u8 {
    static_text(ErrorCode::from_number(code).map_or("", ErrorCode::name), out_len)
}

pub(crate) fn static_text(text: &'static str, out_len: *mut usize) -> *const u8 {
    if !out_len.is_null() {
        // SAFETY: the caller promises that a non-null out-pointer may be written.
        unsafe { out_len.write(text.len()) };
    }
    text.as_ptr()
}
