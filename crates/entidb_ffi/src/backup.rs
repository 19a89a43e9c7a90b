//! Backups: checking one, and making a database of it.
//!
//! Always: a backup is read and never written. Options are those of `entidb_database_open`; a backup needs its key of them.
//! Does not know: how a backup is made; `entidb_database_backup` does that.

use entidb_core::{Database, Options};

use crate::boundary::{call_unit, clear, give, need};
use crate::bytes::{self, entidb_buffer};
use crate::database::{self, entidb_database};
use crate::error::entidb_error;
use crate::options;
use crate::status::entidb_status;

/// Reads a backup, or any database that nobody has open, and checks every byte and every index of it. Gives the report of
/// `entidb_database_verify`. Of the options the key or password counts, and the rest is left alone.
///
/// Threads: any. Blocks: on the disk, as long as reading everything takes.
/// Owns: `*out_report` on success; free with `entidb_buffer_free`.
/// Errors: DATABASE_NOT_FOUND, NOT_A_DATABASE, FORMAT_TOO_NEW, CORRUPT and TAMPERED where it does not open at all, WRONG_KEY,
/// ENCRYPTION_REQUIRED, NOT_ENCRYPTED, DATABASE_LOCKED, PERMISSION_DENIED, NOT_A_DIRECTORY, TOO_LARGE for a log larger than memory,
/// UNKNOWN_OPTION, INVALID_ARGUMENT, encoding errors with the offset for options that are no CBOR, IO.
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

/// Makes a database in a new or an empty folder of a backup, which is checked before. `out_report` may be NULL; it gets a CBOR
/// map of `sequence`, `files` and `bytes`. Of the options the key or password counts.
///
/// Threads: any. Blocks: on the disk.
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

/// Makes a database in memory of a backup, which is checked before, and opens it with the options.
///
/// Threads: any. Blocks: on the disk.
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
    clear(out_database);
    call_unit(out_error, |_| {
        need(out_database, "out_database")?;
        let backup = bytes::text(backup, backup_len, "backup")?;
        let restored = Database::restore_memory(backup, options::read(options, options_len)?)?;
        give(out_database, database::make(restored), "out_database")
    })
}
