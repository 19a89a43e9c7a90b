//! Manual indexes: keys the application gives to entities.
//!
//! Always: keys are CBOR values, in the order of values. Does not know: how they are kept.

use entidb_core::{EntityId, KeyRange, ManualIndex, Value};

use crate::boundary::{call_unit, clear, give, need};
use crate::bytes::{self, entidb_buffer};
use crate::collection::{entidb_collection, target};
use crate::cursor::{self, entidb_cursor};
use crate::error::entidb_error;
use crate::handle::Touched;
use crate::status::entidb_status;

/// The most keys that one `entidb_collection_range_keys` gives.
pub const ENTIDB_KEYS_MAX: u64 = 1000;

fn index(
    touched: &mut Touched,
    collection: *const entidb_collection,
    name: *const u8,
    name_len: usize,
) -> Result<ManualIndex, entidb_core::Error> {
    target(touched, collection)?.manual_index(bytes::text(name, name_len, "index")?)
}

fn value(data: *const u8, len: usize, name: &str) -> Result<Value, entidb_core::Error> {
    Ok(entidb_core::decode(bytes::slice(data, len, name)?)?)
}

/// Changes a key of an entity, and gives 1 where that made a difference. The place for it may be NULL.
fn change(
    touched: &mut Touched,
    (collection, index_name, index_name_len): (*const entidb_collection, *const u8, usize),
    (key, key_len): (*const u8, usize),
    id: *const u8,
    out_changed: (*mut i32, &str),
    act: impl FnOnce(&ManualIndex, Value, EntityId) -> Result<bool, entidb_core::Error>,
) -> Result<(), entidb_core::Error> {
    let index = index(touched, collection, index_name, index_name_len)?;
    let changed = act(&index, value(key, key_len, "key")?, bytes::id(id, "id")?)?;
    if out_changed.0.is_null() { Ok(()) } else { give(out_changed.0, i32::from(changed), out_changed.1) }
}

/// Adds a key, a CBOR value, to an entity in an index of the kind `manual`. `*out_inserted` is 0 when the entity has the key
/// already. Deleting an entity removes its keys.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Errors: ENTITY_NOT_FOUND, UNIQUE_VIOLATION when another entity has the key of a unique index, TOO_LARGE for a key of more
/// than 4,000 bytes in ordered form, INDEX_NOT_FOUND, INVALID_ARGUMENT for an index of another kind, and those of
/// `entidb_collection_put`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_insert_key(
    collection: *const entidb_collection,
    index_name: *const u8,
    index_name_len: usize,
    key: *const u8,
    key_len: usize,
    id: *const u8,
    out_inserted: *mut i32,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    let (index, out) = ((collection, index_name, index_name_len), (out_inserted, "out_inserted"));
    call_unit(out_error, |touched| {
        change(touched, index, (key, key_len), id, out, |index, key, id| index.insert(key, id))
    })
}

/// Removes a key from an entity. `*out_removed` is 0 when the entity does not have it.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Errors: INDEX_NOT_FOUND, INVALID_ARGUMENT for an index of another kind, TOO_LARGE, encoding errors of the key, and those of
/// `entidb_collection_delete`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_remove_key(
    collection: *const entidb_collection,
    index_name: *const u8,
    index_name_len: usize,
    key: *const u8,
    key_len: usize,
    id: *const u8,
    out_removed: *mut i32,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    let (index, out) = ((collection, index_name, index_name_len), (out_removed, "out_removed"));
    call_unit(out_error, |touched| {
        change(touched, index, (key, key_len), id, out, |index, key, id| index.remove(key, id))
    })
}

/// Returns the ids of the entities with a key, 16 bytes each, in order.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_ids` on success; free with `entidb_buffer_free`.
/// Errors: INDEX_NOT_FOUND, INVALID_ARGUMENT for an index of another kind, TOO_LARGE, encoding errors of the key, and those of
/// `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_lookup_key(
    collection: *const entidb_collection,
    index_name: *const u8,
    index_name_len: usize,
    key: *const u8,
    key_len: usize,
    out_ids: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_ids, entidb_buffer::EMPTY, "out_ids")?;
        let ids = index(touched, collection, index_name, index_name_len)?.lookup(value(key, key_len, "key")?)?;
        let mut found = Vec::with_capacity(ids.len() * 16);
        ids.iter().for_each(|id| found.extend_from_slice(id.as_bytes()));
        give(out_ids, entidb_buffer::of(found), "out_ids")
    })
}

/// Returns a cursor over keys in order, with the ids of their entities, for `entidb_cursor_next_batch`. All keys are of one
/// state: in a write transaction of what it was at this call. `range` is as for `entidb_collection_range_keys`, with no
/// bound on the limit.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_cursor` on success; free with `entidb_cursor_free`.
/// Errors: those of `entidb_collection_range_keys`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_scan_keys(
    collection: *const entidb_collection,
    index_name: *const u8,
    index_name_len: usize,
    range: *const u8,
    range_len: usize,
    out_cursor: *mut *mut entidb_cursor,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_cursor);
    call_unit(out_error, |touched| {
        need(out_cursor, "out_cursor")?;
        let range = KeyRange::from_value(&value(range, range_len, "range")?)?;
        let collection = target(touched, collection)?;
        let keys = collection.manual_index(bytes::text(index_name, index_name_len, "index")?)?.range(range)?;
        give(out_cursor, cursor::of_keys(keys), "out_cursor")
    })
}

/// Returns keys in order, with the ids of their entities: a CBOR array of arrays of a key and an id of 16 bytes. `range` is a
/// CBOR map of optional fields: `from`, `to`, `from_open` and `to_open` (true excludes the bound), `reverse`, `limit`, and
/// `after` (an array of a key and an id to continue after). A call returns at most `ENTIDB_KEYS_MAX` keys: continue with
/// `after` until a call returns fewer than its limit. Each call reads what there is then, in a read transaction of one commit;
/// `entidb_collection_scan_keys` reads one state in every case. A side without a bound ends with the class of the other
/// side's value, as in a query.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_keys` on success; free with `entidb_buffer_free`.
/// Errors: INVALID_ARGUMENT for a malformed range or an index of another kind, INDEX_NOT_FOUND, TOO_LARGE, encoding errors of
/// the range, and those of `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_range_keys(
    collection: *const entidb_collection,
    index_name: *const u8,
    index_name_len: usize,
    range: *const u8,
    range_len: usize,
    out_keys: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_keys, entidb_buffer::EMPTY, "out_keys")?;
        let index = index(touched, collection, index_name, index_name_len)?;
        let mut range = KeyRange::from_value(&value(range, range_len, "range")?)?;
        range.limit = Some(range.limit.unwrap_or(ENTIDB_KEYS_MAX).min(ENTIDB_KEYS_MAX));
        let pair = |(key, id): (Value, EntityId)| Value::Array(vec![key, Value::Bytes(id.as_bytes().to_vec())]);
        let keys = index.range(range)?.map(|found| found.map(pair)).collect::<Result<Vec<_>, _>>()?;
        give(out_keys, entidb_buffer::of(entidb_core::encode(&Value::Array(keys))), "out_keys")
    })
}

/// Returns the number of keys of a manual index, over all entities.
///
/// Threads: any. Blocks: for disk access.
/// Errors: INDEX_NOT_FOUND, INVALID_ARGUMENT for an index of another kind, and those of `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_count_keys(
    collection: *const entidb_collection,
    index_name: *const u8,
    index_name_len: usize,
    out_count: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_count, 0, "out_count")?;
        give(out_count, index(touched, collection, index_name, index_name_len)?.len()?, "out_count")
    })
}
