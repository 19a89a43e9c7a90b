//! The error object of C as a value.
//!
//! Always: everything the object says is copied out and the object freed. Does not know: classes of host languages.

use std::ffi::{CStr, c_char};
use std::fmt;

use entidb_ffi as ffi;

use crate::Id;
use crate::version::{code_hint, code_name};

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call failed. Boxed, so that results stay small on the paths that succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Failure>);

/// What an error says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// The number of the code.
    pub code: i32,
    /// One sentence.
    pub message: String,
    /// The path of the database or file.
    pub path: Option<String>,
    /// The collection.
    pub collection: Option<String>,
    /// The index.
    pub index: Option<String>,
    /// The entity.
    pub id: Option<Id>,
    /// The byte offset.
    pub offset: Option<i64>,
    /// The operating system's number.
    pub os_code: Option<i32>,
}

impl Error {
    /// An error a binding finds by itself, with a code of the table.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self(Box::new(Failure { code, message: message.into(), ..Failure::default() }))
    }

    /// The name of the code, such as `DATABASE_LOCKED`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        code_name(self.0.code)
    }

    /// What a caller can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        code_hint(self.0.code)
    }

    /// Takes an error object over: copies it and frees it.
    pub(crate) fn take(status: i32, object: *mut ffi::entidb_error) -> Self {
        let mut taken = Self::new(status, code_name(status));
        if object.is_null() {
            return taken;
        }
        let error = &mut *taken.0;
        // SAFETY: the object is live until it is freed below; so for every read here.
        error.message = copied(unsafe { ffi::entidb_error_message(object) }).unwrap_or_default();
        // SAFETY: as above.
        error.path = copied(unsafe { ffi::entidb_error_path(object) });
        // SAFETY: as above.
        error.collection = copied(unsafe { ffi::entidb_error_collection(object) });
        // SAFETY: as above.
        error.index = copied(unsafe { ffi::entidb_error_index(object) });
        // SAFETY: as above.
        let id = unsafe { ffi::entidb_error_id(object) };
        if !id.is_null() {
            // SAFETY: a non-null id is 16 bytes that live as long as the object.
            error.id = Some(unsafe { id.cast::<Id>().read() });
        }
        // SAFETY: the object is live.
        let offset = unsafe { ffi::entidb_error_offset(object) };
        error.offset = (offset >= 0).then_some(offset);
        // SAFETY: as above.
        let os_code = unsafe { ffi::entidb_error_os_code(object) };
        error.os_code = (os_code != 0).then_some(os_code);
        // SAFETY: the object was given to us and is not used afterwards.
        unsafe { ffi::entidb_error_free(object) };
        taken
    }
}

fn copied(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the header promises UTF-8 that ends in NUL.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl std::ops::Deref for Error {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

impl From<entidb_codec::Error> for Error {
    /// The codec's own refusal under the code that C gives for it.
    fn from(error: entidb_codec::Error) -> Self {
        let code = code_of(error.kind());
        let mut refused = Self::new(code, error.to_string());
        refused.0.offset = i64::try_from(error.offset()).ok();
        refused
    }
}

/// The code of a codec failure; the same table as the core's.
fn code_of(kind: entidb_codec::ErrorKind) -> i32 {
    use entidb_codec::ErrorKind as Kind;
    match kind {
        Kind::Truncated => ffi::ENTIDB_ERROR_TRUNCATED,
        Kind::TrailingBytes => ffi::ENTIDB_ERROR_TRAILING_BYTES,
        Kind::Malformed => ffi::ENTIDB_ERROR_MALFORMED,
        Kind::NotShortest | Kind::NotShortestFloat | Kind::IndefiniteLength | Kind::KeyOrder | Kind::TagForm => {
            ffi::ENTIDB_ERROR_NOT_CANONICAL
        }
        Kind::InvalidUtf8 => ffi::ENTIDB_ERROR_INVALID_UTF8,
        Kind::DuplicateKey => ffi::ENTIDB_ERROR_DUPLICATE_KEY,
        Kind::KeyType => ffi::ENTIDB_ERROR_INVALID_KEY,
        Kind::UnsupportedSimple => ffi::ENTIDB_ERROR_UNSUPPORTED_ITEM,
        Kind::TagContent => ffi::ENTIDB_ERROR_INVALID_TAG_CONTENT,
        Kind::TooDeep => ffi::ENTIDB_ERROR_TOO_DEEP,
        Kind::TooLarge | Kind::TooManyItems => ffi::ENTIDB_ERROR_DOCUMENT_TOO_LARGE,
        Kind::OutOfRange => ffi::ENTIDB_ERROR_NUMBER_OUT_OF_RANGE,
        Kind::TypeMismatch => ffi::ENTIDB_ERROR_WRONG_TYPE,
        Kind::PathInvalid => ffi::ENTIDB_ERROR_INVALID_ARGUMENT,
        Kind::PathMissing => ffi::ENTIDB_ERROR_PATCH_MISMATCH,
        Kind::OrderedKey => ffi::ENTIDB_ERROR_CORRUPT,
        Kind::Misuse => ffi::ENTIDB_ERROR_INTERNAL,
        Kind::Custom => ffi::ENTIDB_ERROR_UNREPRESENTABLE,
        Kind::OutOfMemory => ffi::ENTIDB_ERROR_OUT_OF_MEMORY,
    }
}
