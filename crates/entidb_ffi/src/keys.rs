//! Changing who can open an encrypted database, and under which key its files are.
//!
//! Always: no key is in an error or kept beyond the call. Does not know: how keys are kept.
//!
//! Unsafe: reading the caller's keys.

use entidb_core::{Error, ErrorCode, Key, Value};

use crate::boundary::{call_unit, give, need};
use crate::bytes::entidb_buffer;
use crate::database::{self, entidb_database};
use crate::error::entidb_error;
use crate::options;
use crate::status::entidb_status;

/// A key or a password; the other one is NULL with length 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct entidb_key {
    /// 32 bytes of key, or NULL.
    pub key: *const u8,
    /// 32 with a key, 0 without.
    pub key_len: usize,
    /// A password, or NULL.
    pub password: *const u8,
    /// Its length.
    pub password_len: usize,
}

fn read(pointer: *const entidb_key, name: &str) -> Result<Key, Error> {
    let refuse = |problem: &str| Error::new(ErrorCode::InvalidArgument, format!("{name} {problem}"));
    if pointer.is_null() {
        return Err(refuse("is NULL; give a key or a password"));
    }
    // SAFETY: the caller promises that a non-null pointer may be read; it need not be aligned.
    let given = unsafe { pointer.read_unaligned() };
    let key = options::key(given.key, given.key_len, given.password, given.password_len)?;
    key.ok_or_else(|| match (given.key.is_null(), given.password.is_null()) {
        (true, false) => refuse("holds an empty password; give one that is not empty"),
        (false, true) => refuse("holds an empty key; give 32 bytes"),
        (true, true) | (false, false) => refuse("holds neither a key nor a password; give one of them"),
    })
}

/// Returns the keys and passwords that open the database, a CBOR array of maps: `slot`, `kind` (`key` or `password`) and, for a
/// password, `password_memory_kib`, what one guess takes. It never holds a key.
///
/// Threads: any.
/// Owns: `*out_keys` on success; free with `entidb_buffer_free`.
/// Errors: NOT_ENCRYPTED, CLOSED.
///
/// # Safety
/// As `entidb_database_change_key`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_keys(
    database: *const entidb_database,
    out_keys: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_keys, entidb_buffer::EMPTY, "out_keys")?;
        let keys = database::with(touched, database, |open| open.keys())?;
        let keys = Value::Array(keys.iter().map(entidb_core::KeySlot::to_value).collect());
        give(out_keys, entidb_buffer::of(entidb_core::encode(&keys)), "out_keys")
    })
}

/// Replaces a key or password. No data is rewritten. After a crash either the old or the new one opens the database. The
/// same password again gives it the cost `password_memory_kib` of the options.
///
/// Threads: any. Blocks: for disk writes, and where passwords are given while keys are derived, about half a second for
/// each password the database has.
/// Errors: WRONG_KEY when `from` does not open the database; INVALID_ARGUMENT also when `to` is another key or password
/// that opens the database already; NOT_ENCRYPTED, READ_ONLY, CLOSED, NO_SPACE, IO. The keys are as before then, unless the message says that the change is made; after COMMIT_UNKNOWN either of the two may open the database.
///
/// # Safety
/// `database` is a live database of this library; keys may be read, and their bytes for their lengths; out-pointers
/// are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_change_key(
    database: *const entidb_database,
    from: *const entidb_key,
    to: *const entidb_key,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let (from, to) = (read(from, "from")?, read(to, "to")?);
        database::with(touched, database, |open| open.change_key(&from, &to))
    })
}

/// Adds a key or password; `existing` is one that opens the database already. A database has at most eight.
///
/// Threads: any. Blocks: as `entidb_database_change_key`.
/// Errors: as `entidb_database_change_key`; INVALID_ARGUMENT also when `added` opens the database already; TOO_LARGE when
/// the database has eight.
///
/// # Safety
/// As `entidb_database_change_key`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_add_key(
    database: *const entidb_database,
    existing: *const entidb_key,
    added: *const entidb_key,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let (existing, added) = (read(existing, "existing")?, read(added, "added")?);
        database::with(touched, database, |open| open.add_key(&existing, &added))
    })
}

/// Removes a key or password. The last one cannot be removed.
///
/// Threads: any. Blocks: as `entidb_database_change_key`.
/// Errors: as `entidb_database_change_key`; INVALID_ARGUMENT for the last one.
///
/// # Safety
/// As `entidb_database_change_key`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_remove_key(
    database: *const entidb_database,
    key: *const entidb_key,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let key = read(key, "key")?;
        database::with(touched, database, |open| open.remove_key(&key))
    })
}

/// Encrypts every new file with a new data key. Existing files keep theirs until they are rewritten. Keys and
/// passwords that open the database stay valid.
///
/// Threads: any. Blocks: for disk access.
/// Errors: NOT_ENCRYPTED, READ_ONLY, CLOSED, NO_SPACE, IO.
///
/// # Safety
/// As `entidb_database_change_key`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_rotate_key(
    database: *const entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| database::with(touched, database, |open| open.rotate_key()))
}

/// Rewrites the whole database with a new data key and erases the old ones. Sets `*out_complete` to 0 if an open
/// cursor or a backup still reads old files: these files and their keys then stay until another call finishes the
/// work.
///
/// Threads: any. Blocks: until everything is rewritten; other reads and writes continue.
/// Errors: as `entidb_database_rotate_key` and `entidb_database_compact`; after an error all keys stay in use.
///
/// # Safety
/// As `entidb_database_change_key`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_rekey(
    database: *const entidb_database,
    out_complete: *mut i32,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        need(out_complete, "out_complete")?;
        let complete = database::with(touched, database, |open| open.rekey())?;
        give(out_complete, i32::from(complete), "out_complete")
    })
}
