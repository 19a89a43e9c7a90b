//! Checking a backup, and restoring a database from it.
//!
//! Always: a backup is only read. `options` are those of `entidb_database_open`, of which these calls use the key.
//! Does not know: how a backup is made; `entidb_database_backup` does that.

use entidb_core::{Database, Options};

use crate::boundary::{call_unit, give};
use crate::bytes::{self, entidb_buffer};
use crate::database::{self, entidb_database};
use crate::error::entidb_error;
use crate::options;
use crate::status::entidb_status;

/// Checks every byte and every index of a backup, or of any database that is not open. Returns the report of
/// `entidb_database_verify`. Of the options it uses the key or password.
///
/// Threads: any. Blocks: for disk reads of the whole backup.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: DATABASE_NOT_FOUND, NOT_A_DATABASE, FORMAT_TOO_NEW, CORRUPT and TAMPERED when it cannot be opened, WRONG_KEY,
/// ENCRYPTION_REQUIRED, NOT_ENCRYPTED, DATABASE_LOCKED, PERMISSION_DENIED, NOT_A_DIRECTORY, TOO_LARGE for a log larger than memory,
/// UNKNOWN_OPTION, INVALID_ARGUMENT, encoding errors with the offset for options that are not CBOR, IO.
///
/// # Safety
/// Texts and bytes are readable for their lengths; out-pointers are NULL or may be written. So for every function here.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_backup_validate(
    backup: *const u8,
    backup_len: usize,
    options: *const u8,
    options_len: usize,
    out_report: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |_| {
        give(out_report, entidb_buffer::EMPTY, "out_report")?;
        let backup = bytes::text(backup, backup_len, "backup")?;
        let Options { key, .. } = options::read(options, options_len)?;
        let report = Database::validate_backup(backup, key)?;
        give(out_report, entidb_buffer::of(entidb_core::encode(&report.to_value())), "out_report")
    })
}

/// Restores a backup into a new or empty folder, after checking it. `out_report` may be NULL; otherwise it receives a CBOR
/// map of `sequence`, `files`, `bytes` and `spares_repaired`. Of the options it uses the key or password.
///
/// Threads: any. Blocks: for disk reads and writes.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_backup_validate`, CORRUPT when the check finds a problem, and as `entidb_database_backup`. Nothing is left in
/// the folder then.
///
/// # Safety
/// As `entidb_backup_validate`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_backup_restore(
    backup: *const u8,
    backup_len: usize,
    path: *const u8,
    path_len: usize,
    options: *const u8,
    options_len: usize,
    out_report: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |_| {
        database::clear_report(out_report);
        let (backup, path) = (bytes::text(backup, backup_len, "backup")?, bytes::text(path, path_len, "path")?);
        let Options { key, .. } = options::read(options, options_len)?;
        let report = Database::restore(backup, path, key)?;
        database::give_report(out_report, &report.to_value())
    })
}

/// Restores a backup into memory, after checking it, and opens it with the options.
///
/// Threads: any. Blocks: for disk reads.
/// Owns: `*out_database` on success; free with `entidb_database_free`.
/// Errors: as `entidb_backup_restore`, OUT_OF_MEMORY.
///
/// # Safety
/// As `entidb_backup_validate`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_backup_open_memory(
    backup: *const u8,
    backup_len: usize,
    options: *const u8,
    options_len: usize,
    out_database: *mut *mut entidb_database,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    database::give_opened(out_database, out_error, || {
        let backup = bytes::text(backup, backup_len, "backup")?;
        Database::restore_memory(backup, options::read(options, options_len)?)
    })
}
