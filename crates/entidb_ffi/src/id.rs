//! Ids of entities: making one, and their text.
//!
//! Always: an id is 16 bytes, its text 36 characters of five groups. Does not know: entities.
//!
//! Unsafe: writing ids and text to places of a stated size.

use entidb_core::{Database, EntityId};

use crate::boundary::{call_unit, need};
use crate::bytes;
use crate::database::{self, entidb_database};
use crate::error::entidb_error;
use crate::status::entidb_status;

/// Bytes of the text of an id, with the NUL at its end: for `entidb_id_text`.
pub const ENTIDB_ID_TEXT_BYTES: usize = 37;

/// Makes an id that no other call makes, in the order of time: for programs that must know an id before the entity is stored.
/// `out_id` gets its 16 bytes.
///
/// Threads: any.
/// Errors: INVALID_ARGUMENT, CLOSED.
///
/// # Safety
/// `database` is a live database of this library; texts are readable for their lengths, ids 16 bytes that are readable or may be
/// written; other out-pointers are NULL or may be written. So for every function here.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_database_new_id(
    database: *const entidb_database,
    out_id: *mut u8,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        need(out_id, "out_id")?;
        let made = database::with(touched, database, Database::new_id)?;
        bytes::give_id(out_id, made);
        Ok(())
    })
}

/// Writes the text of an id and a NUL: `ENTIDB_ID_TEXT_BYTES` bytes.
///
/// Threads: any.
/// Errors: INVALID_ARGUMENT.
///
/// # Safety
/// As `entidb_database_new_id`; `out_text` has room for `ENTIDB_ID_TEXT_BYTES` bytes.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_id_text(
    id: *const u8,
    out_text: *mut std::ffi::c_char,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |_| {
        need(out_text, "out_text")?;
        let mut text = bytes::id(id, "id")?.to_string().into_bytes();
        text.resize(ENTIDB_ID_TEXT_BYTES, 0);
        // SAFETY: the caller promises room for as many bytes, and the text is on our side.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), out_text.cast(), ENTIDB_ID_TEXT_BYTES) };
        Ok(())
    })
}

/// Reads the text of an id, with hyphens or without. `out_id` gets its 16 bytes.
///
/// Threads: any.
/// Errors: INVALID_ARGUMENT for text that is no id.
///
/// # Safety
/// As `entidb_database_new_id`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_id_parse(
    text: *const u8,
    text_len: usize,
    out_id: *mut u8,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |_| {
        need(out_id, "out_id")?;
        let id = bytes::text(text, text_len, "text")?.parse::<EntityId>()?;
        bytes::give_id(out_id, id);
        Ok(())
    })
}
