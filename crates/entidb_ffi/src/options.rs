//! Options for opening a database: a CBOR map of names and values, and a handle that builds one.
//!
//! Always: the map is the one way in which options cross; a name that is not known and a value out of bounds are refused when
//! they are set, and again when they are encoded. A number means itself, zero too, except `ENTIDB_DEFAULT` and `ENTIDB_NO_LIMIT`.
//! Does not know: which options there are; `entidb_core` does.
//!
//! Unsafe: reading names that end in NUL.

use std::ffi::{CStr, c_char};
use std::time::Duration;

use entidb_core::{Error, ErrorCode, Key, Options, Value};
use entidb_storage::sync::Mutex;

use crate::boundary::{call_unit, clear, give, need, quiet};
use crate::bytes::{self, entidb_buffer};
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::status::{ENTIDB_ERROR_PANIC, ENTIDB_OK, entidb_status};

/// As the options of the database say: for the wait for the write lock.
pub const ENTIDB_DEFAULT: u64 = u64::MAX;
/// Without a limit, or an end: for every timeout, and for every count of what is wanted.
pub const ENTIDB_NO_LIMIT: u64 = u64::MAX - 1;

/// A wait that has no default: the caller says how long.
pub(crate) fn wait(timeout_ms: u64) -> Result<Duration, Error> {
    if timeout_ms == ENTIDB_DEFAULT {
        let problem =
            "timeout_ms is ENTIDB_DEFAULT, and this wait has no default; give milliseconds or ENTIDB_NO_LIMIT";
        return Err(Error::new(ErrorCode::InvalidArgument, problem));
    }
    Ok(Duration::from_millis(timeout_ms))
}

/// Options being gathered. Movable: any thread, one call at a time. Free with `entidb_options_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_options {
    _private: [u8; 0],
}

struct Gathered(Mutex<Open>);

#[derive(Default)]
struct Open {
    named: Vec<(String, Value)>,
    /// The first option that was refused: without it a database would be opened otherwise than was meant.
    refused: Option<Error>,
}

impl Noun for Gathered {
    type Opaque = entidb_options;
    const TAG: u32 = 0x4f50_5449;
    const NAME: &'static str = "options";
}

fn concurrent() -> Error {
    Error::new(ErrorCode::ConcurrentUse, "another thread is using these options; give each thread its own")
}

/// Sets one option. One that is refused spoils the options, so that encoding them fails for callers that look only there.
fn set(
    options: *mut entidb_options,
    name: *const c_char,
    value: impl FnOnce() -> Result<Value, Error>,
) -> entidb_status {
    quiet(ENTIDB_ERROR_PANIC, || {
        let mut touched = Touched::default();
        let done = touched
            .get::<Gathered>(options)
            .and_then(|gathered| gathered.0.try_lock().ok_or_else(concurrent))
            .and_then(|mut open| {
                let judged = named(name).and_then(|name| {
                    let value = value()?;
                    let alone = Value::Map([(name, value.clone())].into_iter().collect());
                    Options::from_value(&alone)?;
                    Ok((name.to_owned(), value))
                });
                match judged {
                    Ok((name, value)) => {
                        open.named.retain(|(known, _)| *known != name);
                        open.named.push((name, value));
                        Ok(())
                    }
                    Err(error) => {
                        open.refused.get_or_insert_with(|| error.clone());
                        Err(error)
                    }
                }
            });
        done.map_or_else(|error| error.code().number(), |()| ENTIDB_OK)
    })
}

fn named<'a>(name: *const c_char) -> Result<&'a str, Error> {
    if name.is_null() {
        return Err(Error::new(ErrorCode::InvalidArgument, "name is NULL; give one of ENTIDB_OPTION_..."));
    }
    // SAFETY: the caller promises that a non-null name ends in NUL.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().map_err(|_| Error::new(ErrorCode::UnknownOption, "the name of an option is not UTF-8"))
}

/// Makes options with nothing set.
///
/// Threads: any.
/// Owns: `*out_options` on success; free with `entidb_options_free`.
/// Errors: INVALID_ARGUMENT.
///
/// # Safety
/// Handles are live ones of this library; names end in NUL; texts and bytes are readable for their lengths; out-pointers are
/// NULL or may be written. So for every function here.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_options_new(
    out_options: *mut *mut entidb_options,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_options);
    call_unit(out_error, |_| {
        need(out_options, "out_options")?;
        give(out_options, handle::make(Gathered(Mutex::default())), "out_options")
    })
}

/// Sets an option that is true or false: 0 for false. `name` is one of `ENTIDB_OPTION_...`, or such text, ended by NUL.
/// Setting an option again replaces its value.
///
/// Threads: any, one call at a time.
/// Errors: UNKNOWN_OPTION for a name that is not known, INVALID_ARGUMENT for a value of another type or out of bounds,
/// INVALID_HANDLE, CONCURRENT_USE. `entidb_options_encode` reports them again, with a message.
///
/// # Safety
/// As `entidb_options_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_options_set_flag(
    options: *mut entidb_options,
    name: *const c_char,
    value: i32,
) -> entidb_status {
    set(options, name, || Ok(Value::Bool(value != 0)))
}

/// Sets an option that is a number.
///
/// Threads: any, one call at a time.
/// Errors: as `entidb_options_set_flag`.
///
/// # Safety
/// As `entidb_options_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_options_set_number(
    options: *mut entidb_options,
    name: *const c_char,
    value: u64,
) -> entidb_status {
    set(options, name, || Ok(Value::from(value)))
}

/// Sets an option that is a word, or a password, by text, UTF-8.
///
/// Threads: any, one call at a time.
/// Errors: as `entidb_options_set_flag`.
///
/// # Safety
/// As `entidb_options_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_options_set_text(
    options: *mut entidb_options,
    name: *const c_char,
    text: *const u8,
    text_len: usize,
) -> entidb_status {
    set(options, name, || Ok(Value::from(bytes::text(text, text_len, "text")?)))
}

/// Sets an option that is bytes: a key, or a password.
///
/// Threads: any, one call at a time.
/// Errors: as `entidb_options_set_flag`.
///
/// # Safety
/// As `entidb_options_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_options_set_bytes(
    options: *mut entidb_options,
    name: *const c_char,
    data: *const u8,
    data_len: usize,
) -> entidb_status {
    set(options, name, || Ok(Value::Bytes(bytes::slice(data, data_len, "data")?.to_vec())))
}

/// Gives the options as `entidb_database_open` takes them: a CBOR map of names and values. The options stay as they are.
///
/// Threads: any, one call at a time.
/// Owns: `*out_map` on success; free with `entidb_buffer_free`.
/// Errors: UNKNOWN_OPTION and INVALID_ARGUMENT, as a setter refused; INVALID_ARGUMENT for options that contradict each other,
/// INVALID_HANDLE, CONCURRENT_USE.
///
/// # Safety
/// As `entidb_options_new`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_options_encode(
    options: *const entidb_options,
    out_map: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_map, entidb_buffer::EMPTY, "out_map")?;
        let open = touched.get::<Gathered>(options)?.0.try_lock().ok_or_else(concurrent)?;
        if let Some(refused) = &open.refused {
            return Err(refused.clone());
        }
        let map = Value::Map(open.named.iter().map(|(name, value)| (name.as_str(), value.clone())).collect());
        Options::from_value(&map)?;
        give(out_map, entidb_buffer::of(entidb_core::encode(&map)), "out_map")
    })
}

/// Frees options. NULL is fine.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_options_new`; the options are not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_options_free(options: *mut entidb_options) {
    handle::free::<Gathered>(options);
}

/// A key or a password; neither for none.
pub(crate) fn key(
    key: *const u8,
    key_len: usize,
    password: *const u8,
    password_len: usize,
) -> Result<Option<Key>, Error> {
    let refuse = |problem: String| Err(Error::new(ErrorCode::InvalidArgument, problem));
    let (key, password) = (bytes::slice(key, key_len, "key")?, bytes::slice(password, password_len, "password")?);
    match (key, password) {
        ([], []) => Ok(None),
        (key, []) => match <[u8; 32]>::try_from(key) {
            Ok(key) => Ok(Some(Key::Raw(key))),
            Err(_) => refuse(format!("key has {} bytes; give 32", key.len())),
        },
        ([], password) => Ok(Some(Key::Password(password.to_vec()))),
        _ => refuse("key and password are both given; a database opens with one of them".to_owned()),
    }
}

/// The options in a CBOR map of names; the defaults for no bytes.
pub(crate) fn read(options: *const u8, options_len: usize) -> Result<Options, Error> {
    match bytes::slice(options, options_len, "options")? {
        [] => Ok(Options::default()),
        options => Options::from_value(&entidb_core::decode(options)?),
    }
}
