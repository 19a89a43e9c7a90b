//! Options for opening a database, as a sized struct or as a CBOR map of names.
//!
//! Always: a number means itself, zero too, except `ENTIDB_DEFAULT` and `ENTIDB_NO_LIMIT`; a larger struct than this library
//! knows is accepted when the rest is as `entidb_open_options_init` leaves it.
//! Does not know: what the options do.
//!
//! Unsafe: reading the caller's struct by the size it states.

use std::mem::MaybeUninit;
use std::time::Duration;

use entidb_core::{Durability, Error, ErrorCode, Key, Options, ScanPolicy};

use crate::bytes;
use crate::transaction::{
    ENTIDB_DURABILITY_DEFAULT, ENTIDB_DURABILITY_DURABLE, ENTIDB_DURABILITY_GROUPED, ENTIDB_DURABILITY_NONE,
};

/// As the options of the database say, or in those the library: for every setting and every timeout.
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

/// Do not make a database when there is none. For `flags` of `entidb_open_options`.
pub const ENTIDB_OPEN_EXISTING: u32 = 1;
/// Fail when there is a database already.
pub const ENTIDB_OPEN_CREATE_NEW: u32 = 2;
/// Refuse all changes.
pub const ENTIDB_OPEN_READ_ONLY: u32 = 4;
/// Make the folders above the database too, where it is made.
pub const ENTIDB_OPEN_CREATE_PARENTS: u32 = 8;
/// Show the key in the message of a unique violation; otherwise no message shows what documents hold.
pub const ENTIDB_OPEN_SHOW_UNIQUE_KEYS: u32 = 16;

/// Every flag there is.
const FLAGS: u32 = ENTIDB_OPEN_EXISTING
    | ENTIDB_OPEN_CREATE_NEW
    | ENTIDB_OPEN_READ_ONLY
    | ENTIDB_OPEN_CREATE_PARENTS
    | ENTIDB_OPEN_SHOW_UNIQUE_KEYS;

/// Run queries no index serves. For `scan_policy` of `entidb_open_options`.
pub const ENTIDB_SCAN_ALLOW: u32 = 0;
/// Refuse queries no index serves.
pub const ENTIDB_SCAN_FORBID: u32 = 1;
/// Refuse queries no index serves unless they have a limit.
pub const ENTIDB_SCAN_FORBID_UNBOUNDED: u32 = 2;

/// How to open a database. Let `entidb_open_options_init` fill it, then set what you want otherwise.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct entidb_open_options {
    /// The size of this struct.
    pub struct_size: u32,
    /// `ENTIDB_OPEN_...` flags.
    pub flags: u32,
    /// One of `ENTIDB_DURABILITY_...`.
    pub durability: u32,
    /// One of `ENTIDB_SCAN_...`.
    pub scan_policy: u32,
    /// 32 bytes of key, or NULL.
    pub key: *const u8,
    /// 32 with a key, 0 without.
    pub key_len: usize,
    /// A password, or NULL. Not together with a key.
    pub password: *const u8,
    /// Its length.
    pub password_len: usize,
    /// Memory for caches and newest writes.
    pub memory_bytes: u64,
    /// The largest document.
    pub entity_bytes_max: u64,
    /// The most a transaction may change.
    pub transaction_bytes_max: u64,
    /// How long to wait for another writer, in milliseconds; 0 for not at all.
    pub lock_timeout_ms: u64,
    /// Commits the change feed keeps; 0 for no feed.
    pub feed_commits_max: u64,
    /// Data files that may be open at once, at least 4; by default a quarter of what the process may have.
    pub open_files_max: u64,
}

/// Nothing set.
const DEFAULTS: entidb_open_options = entidb_open_options {
    struct_size: size_of::<entidb_open_options>() as u32,
    flags: 0,
    durability: ENTIDB_DURABILITY_DEFAULT,
    scan_policy: ENTIDB_SCAN_ALLOW,
    key: std::ptr::null(),
    key_len: 0,
    password: std::ptr::null(),
    password_len: 0,
    memory_bytes: ENTIDB_DEFAULT,
    entity_bytes_max: ENTIDB_DEFAULT,
    transaction_bytes_max: ENTIDB_DEFAULT,
    lock_timeout_ms: ENTIDB_DEFAULT,
    feed_commits_max: ENTIDB_DEFAULT,
    open_files_max: ENTIDB_DEFAULT,
};

/// Fills the options with what a database opens with when nothing is said. NULL is left alone.
///
/// Threads: any.
///
/// # Safety
/// `options` is NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_open_options_init(options: *mut entidb_open_options) {
    if !options.is_null() {
        // SAFETY: the caller promises that it may be written; it need not be aligned or hold anything.
        unsafe { options.write_unaligned(DEFAULTS) };
    }
}

/// The options of a struct of the caller's; the defaults for NULL.
pub(crate) fn read(pointer: *const entidb_open_options) -> Result<Options, Error> {
    if pointer.is_null() {
        return Ok(Options::default());
    }
    let refuse = |problem: String| Err(Error::new(ErrorCode::InvalidArgument, problem));
    // SAFETY: the caller promises a struct that begins with its size.
    let stated = unsafe { pointer.cast::<u32>().read_unaligned() } as usize;
    let known = size_of::<entidb_open_options>();
    if !(size_of::<u32>()..=4096).contains(&stated) {
        return refuse(format!("struct_size is {stated}; set it to sizeof(entidb_open_options)"));
    }
    let given = bytes::slice(pointer.cast(), stated, "options")?;
    // What a newer library would leave there for nothing said: numbers of all ones, the rest zero.
    if given.iter().skip(known).any(|byte| *byte != 0 && *byte != u8::MAX) {
        return refuse("the options set fields this library does not know; use a newer EntiDB".to_owned());
    }
    let mut options = MaybeUninit::new(DEFAULTS);
    // Copied as bytes of a struct, so that its pointers stay pointers.
    // SAFETY: both places have `min(stated, known)` bytes, and they do not overlap: one is our stack.
    unsafe { std::ptr::copy_nonoverlapping(given.as_ptr(), options.as_mut_ptr().cast(), stated.min(known)) };
    // SAFETY: it began whole, and whatever the caller wrote over it is a value of its fields: integers and pointers.
    let options = unsafe { options.assume_init() };
    convert(&options)
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

fn convert(given: &entidb_open_options) -> Result<Options, Error> {
    let refuse = |problem: String| Err(Error::new(ErrorCode::InvalidArgument, problem));
    let mut options = Options::default();
    let unknown = given.flags & !FLAGS;
    if unknown != 0 {
        return Err(Error::new(
            ErrorCode::UnknownOption,
            format!("flags has the unknown bits {unknown:#x}; use ENTIDB_OPEN_..."),
        ));
    }
    options.create = given.flags & ENTIDB_OPEN_EXISTING == 0;
    options.create_new = given.flags & ENTIDB_OPEN_CREATE_NEW != 0;
    options.read_only = given.flags & ENTIDB_OPEN_READ_ONLY != 0;
    options.create_parents = given.flags & ENTIDB_OPEN_CREATE_PARENTS != 0;
    options.show_unique_keys = given.flags & ENTIDB_OPEN_SHOW_UNIQUE_KEYS != 0;
    options.durability = match given.durability {
        ENTIDB_DURABILITY_DEFAULT | ENTIDB_DURABILITY_DURABLE => Durability::Durable,
        ENTIDB_DURABILITY_GROUPED => Durability::Grouped { interval_ms: 20 },
        ENTIDB_DURABILITY_NONE => Durability::None,
        other => return refuse(format!("durability is {other}; give one of ENTIDB_DURABILITY_...")),
    };
    options.scan_policy = match given.scan_policy {
        ENTIDB_SCAN_ALLOW => ScanPolicy::Allow,
        ENTIDB_SCAN_FORBID => ScanPolicy::Forbid,
        ENTIDB_SCAN_FORBID_UNBOUNDED => ScanPolicy::ForbidUnbounded,
        other => return refuse(format!("scan_policy is {other}; give one of ENTIDB_SCAN_...")),
    };
    options.key = key(given.key, given.key_len, given.password, given.password_len)?;
    let set = |field: &mut u64, value: u64| {
        if value != ENTIDB_DEFAULT {
            *field = value;
        }
    };
    set(&mut options.memory_bytes, given.memory_bytes);
    set(&mut options.open_files_max, given.open_files_max);
    set(&mut options.entity_bytes_max, given.entity_bytes_max);
    set(&mut options.transaction_bytes_max, given.transaction_bytes_max);
    set(&mut options.lock_timeout_ms, given.lock_timeout_ms);
    set(&mut options.feed_commits_max, given.feed_commits_max);
    Ok(options)
}

/// The options in a CBOR map of names; the defaults for no bytes.
pub(crate) fn read_named(options: &[u8]) -> Result<Options, Error> {
    if options.is_empty() {
        return Ok(Options::default());
    }
    Options::from_value(&entidb_core::decode(options)?)
}
