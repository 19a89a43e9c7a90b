//! Collections: entities by id, batches, indexes and queries.
//!
//! Always: a collection taken from a transaction reads and writes in it; one taken from the database makes a transaction
//! of its own for each call. Documents are canonical CBOR. Does not know: how any of it is kept.

use entidb_core::{
    BatchItem, Collection, Error, ErrorCode, IndexDefinition, Patch, Query, ScanOptions, Sequence, Value, WriteMode,
};

use crate::boundary::{call, call_unit, clear, give, need};
use crate::bytes::{self, entidb_buffer};
use crate::cursor::{self, entidb_cursor};
use crate::error::entidb_error;
use crate::handle::{self, Noun, Touched};
use crate::modes::{ENTIDB_INSERT, ENTIDB_PUT, ENTIDB_REPLACE, ENTIDB_REPLACE_VERSION};
use crate::options::ENTIDB_NO_LIMIT;
use crate::status::{ENTIDB_NOT_FOUND, ENTIDB_OK, entidb_status};
use crate::value::{self, entidb_value};

/// The size at which a batch of versions ends.
const HISTORY_BYTES: usize = 1 << 20;

/// A collection of entities. Shareable: any number of threads at once. Free with `entidb_collection_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_collection {
    _private: [u8; 0],
}

struct Named(Collection);

impl Noun for Named {
    type Opaque = entidb_collection;
    const TAG: u32 = 0x434f_4c4c;
    const NAME: &'static str = "collection";
}

pub(crate) fn make(collection: Collection) -> *mut entidb_collection {
    handle::make(Named(collection))
}

/// The collection of a handle.
pub(crate) fn target<'a>(touched: &mut Touched, pointer: *const entidb_collection) -> Result<&'a Collection, Error> {
    touched.get::<Named>(pointer).map(|named| &named.0)
}

/// Stores a document. If `id` is NULL, the library generates an id; `mode` must then be `ENTIDB_PUT` or
/// `ENTIDB_INSERT`. `version` is used with `ENTIDB_REPLACE_VERSION` only.
///
/// Threads: any. Blocks: outside a transaction, while another write transaction is open, and for the commit.
/// Owns: nothing; the 16 bytes of the id are written to `out_id` unless it is NULL.
/// Errors: ALREADY_EXISTS, ENTITY_NOT_FOUND, VERSION_MISMATCH, UNIQUE_VIOLATION, TOO_LARGE, WRONG_TYPE when the
/// document is not a map, encoding errors with the offset, BUSY, DEADLOCK when this thread has a write transaction
/// open, READ_ONLY, NO_SPACE, WRITES_STOPPED, COMMIT_UNKNOWN, COLLECTION_NOT_FOUND when the collection was dropped
/// after the handle was created, CLOSED, TRANSACTION_ENDED.
///
/// # Safety
/// `collection` is a live collection of this library; pointers with lengths describe readable bytes, ids are 16
/// readable bytes; out-pointers are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_put(
    collection: *const entidb_collection,
    id: *const u8,
    document: *const u8,
    document_len: usize,
    mode: u32,
    version: u64,
    out_id: *mut u8,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let target = target(touched, collection)?;
        let given = bytes::optional_id(id)?;
        let document = bytes::slice(document, document_len, "document")?;
        let mode = match mode {
            ENTIDB_PUT => WriteMode::Put,
            ENTIDB_INSERT => WriteMode::Insert,
            ENTIDB_REPLACE => WriteMode::Replace,
            ENTIDB_REPLACE_VERSION => WriteMode::ReplaceVersion(version),
            other => {
                let problem = format!("mode is {other}; give ENTIDB_PUT, _INSERT, _REPLACE or _REPLACE_VERSION");
                return Err(Error::new(ErrorCode::InvalidArgument, problem));
            }
        };
        let stored = target.write(given, document, mode)?;
        bytes::give_id(out_id, stored);
        Ok(())
    })
}

/// Applies a patch, in CBOR, to an entity.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Errors: ENTITY_NOT_FOUND, PATCH_MISMATCH, and those of `entidb_collection_put`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_update(
    collection: *const entidb_collection,
    id: *const u8,
    patch: *const u8,
    patch_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let target = target(touched, collection)?;
        let patch = Patch::decode(bytes::slice(patch, patch_len, "patch")?)?;
        target.update(bytes::id(id, "id")?, &patch)
    })
}

/// Returns the entity with this id, or `ENTIDB_NOT_FOUND`.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_value` on success; free with `entidb_value_free`.
/// Errors: CORRUPT, IO, COLLECTION_NOT_FOUND when the collection was dropped after the handle was created, CLOSED,
/// TRANSACTION_ENDED.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_get(
    collection: *const entidb_collection,
    id: *const u8,
    out_value: *mut *mut entidb_value,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_value);
    call(out_error, |touched| {
        need(out_value, "out_value")?;
        match target(touched, collection)?.get(bytes::id(id, "id")?)? {
            Some(entity) => {
                give(out_value, value::make(entity), "out_value")?;
                Ok(ENTIDB_OK)
            }
            None => Ok(ENTIDB_NOT_FOUND),
        }
    })
}

/// Returns the entity with this id as it was after an earlier commit, given by its sequence, or `ENTIDB_NOT_FOUND`.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_value` on success; free with `entidb_value_free`.
/// Errors: SNAPSHOT_EXPIRED when retention removed what is needed; INVALID_ARGUMENT for a commit that does not exist; UNSUPPORTED when
/// the database keeps no change feed; otherwise as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_get_as_of(
    collection: *const entidb_collection,
    id: *const u8,
    sequence: u64,
    out_value: *mut *mut entidb_value,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_value);
    call(out_error, |touched| {
        need(out_value, "out_value")?;
        match target(touched, collection)?.get_as_of(bytes::id(id, "id")?, Sequence(sequence))? {
            Some(entity) => {
                give(out_value, value::make(entity), "out_value")?;
                Ok(ENTIDB_OK)
            }
            None => Ok(ENTIDB_NOT_FOUND),
        }
    })
}

/// Returns versions of an entity, oldest first: those written after the commit `after`, 0 for all that are kept. Each
/// version is 8 bytes, little-endian, with the sequence of the commit that replaced or deleted it, 0 for the current one,
/// and a frame as of `entidb_cursor_next_batch`. A call returns about 1 MiB; pass the last version returned as `after` to
/// continue. No bytes: there are no more.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_frames` on success; free with `entidb_buffer_free`.
/// Errors: UNSUPPORTED when the database keeps no change feed, and for a collection of a write transaction or of a read of
/// an earlier commit; otherwise as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_history(
    collection: *const entidb_collection,
    id: *const u8,
    after: u64,
    out_frames: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_frames, entidb_buffer::EMPTY, "out_frames")?;
        let mut frames = Vec::new();
        for version in target(touched, collection)?.history(bytes::id(id, "id")?)?.after(Sequence(after)) {
            let version = version?;
            frames.extend_from_slice(&version.until.map_or(0, |until| until.0).to_le_bytes());
            cursor::frame(&version.entity, &mut frames)?;
            if frames.len() >= HISTORY_BYTES {
                break;
            }
        }
        give(out_frames, entidb_buffer::of(frames), "out_frames")
    })
}

/// Returns the entities with these ids from one snapshot, in the order of the ids, framed as by
/// `entidb_cursor_next_batch`. The frame of an id without an entity is the length `0xffffffff` and the id, nothing
/// more.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_frames` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`; `ids` are `16 * count` readable bytes.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_get_many(
    collection: *const entidb_collection,
    ids: *const u8,
    count: usize,
    out_frames: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_frames, entidb_buffer::EMPTY, "out_frames")?;
        let ids = bytes::ids(ids, count)?;
        let mut frames = Vec::new();
        for (id, entity) in ids.iter().zip(target(touched, collection)?.get_many(&ids)?) {
            match entity {
                Some(entity) => cursor::frame(&entity, &mut frames)?,
                None => {
                    frames.extend_from_slice(&u32::MAX.to_le_bytes());
                    frames.extend_from_slice(id.as_bytes());
                }
            }
        }
        give(out_frames, entidb_buffer::of(frames), "out_frames")
    })
}

/// Sets `*out_exists` to 1 if an entity has this id, otherwise to 0.
///
/// Threads: any. Blocks: for disk access.
/// Errors: as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_exists(
    collection: *const entidb_collection,
    id: *const u8,
    out_exists: *mut i32,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_exists, 0, "out_exists")?;
        let exists = target(touched, collection)?.exists(bytes::id(id, "id")?)?;
        give(out_exists, i32::from(exists), "out_exists")
    })
}

/// Returns the exact number of entities, for the cost of one read.
///
/// Threads: any.
/// Errors: as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_count(
    collection: *const entidb_collection,
    out_count: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_count, 0, "out_count")?;
        give(out_count, target(touched, collection)?.count()?, "out_count")
    })
}

/// Deletes an entity of any version; returns `ENTIDB_NOT_FOUND` if there is none.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Errors: TOO_LARGE when the transaction exceeds its limit, BUSY, DEADLOCK, READ_ONLY, NO_SPACE, WRITES_STOPPED,
/// COMMIT_UNKNOWN, COLLECTION_NOT_FOUND, CLOSED, TRANSACTION_ENDED.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_delete(
    collection: *const entidb_collection,
    id: *const u8,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |touched| {
        let deleted = target(touched, collection)?.delete(bytes::id(id, "id")?)?;
        Ok(if deleted { ENTIDB_OK } else { ENTIDB_NOT_FOUND })
    })
}

/// Deletes an entity that must have this version; returns `ENTIDB_NOT_FOUND` if there is none. Versions begin at 1.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Errors: VERSION_MISMATCH, and those of `entidb_collection_delete`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_delete_version(
    collection: *const entidb_collection,
    id: *const u8,
    version: u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |touched| {
        let deleted = target(touched, collection)?.delete_if(bytes::id(id, "id")?, version)?;
        Ok(if deleted { ENTIDB_OK } else { ENTIDB_NOT_FOUND })
    })
}

/// Deletes these entities in one transaction and returns how many existed.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Errors: as `entidb_collection_delete`.
///
/// # Safety
/// As `entidb_collection_put`; `ids` are `16 * count` readable bytes.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_delete_many(
    collection: *const entidb_collection,
    ids: *const u8,
    count: usize,
    out_deleted: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_deleted, 0, "out_deleted")?;
        let deleted = target(touched, collection)?.delete_many(&bytes::ids(ids, count)?)?;
        give(out_deleted, deleted, "out_deleted")
    })
}

/// Stores many documents in one transaction: all of them or, after an error, none. The frame of each: `u32` length of
/// the document; a byte, 1 if an id follows and 0 if the library generates one; the 16 bytes of the id, if any; the
/// document. Integers are little-endian. Returns the ids in the same order, 16 bytes each.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Owns: `*out_ids` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_collection_put`, and TRUNCATED when the frames end early.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_put_many(
    collection: *const entidb_collection,
    frames: *const u8,
    frames_len: usize,
    out_ids: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_ids, entidb_buffer::EMPTY, "out_ids")?;
        let items = unframe(bytes::slice(frames, frames_len, "frames")?)?;
        let ids = target(touched, collection)?.put_batch(&items)?;
        let ids: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        give(out_ids, entidb_buffer::of(ids), "out_ids")
    })
}

fn unframe(frames: &[u8]) -> Result<Vec<BatchItem<'_>>, Error> {
    let mut items = Vec::new();
    let mut rest = frames;
    let short = || Error::new(ErrorCode::Truncated, "the frames of a batch end inside one; pass whole frames");
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (has_id, after) = after.split_first().ok_or_else(short)?;
        let (id, after) = match has_id {
            0 => (None, after),
            1 => {
                let (id, after) = after.split_first_chunk::<16>().ok_or_else(short)?;
                (Some(entidb_core::EntityId::from_bytes(*id)), after)
            }
            other => {
                let problem = format!("a frame says {other} where 1 means an id and 0 none");
                return Err(Error::new(ErrorCode::InvalidArgument, problem));
            }
        };
        let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| short())?;
        let (document, after) = after.split_at_checked(len).ok_or_else(short)?;
        items.push(BatchItem { id, document });
        rest = after;
    }
    Ok(items)
}

/// Creates an index and builds it. The definition is a CBOR map of `columns` (paths; `-` before a path for descending
/// order), `name`, `unique` and `multi`; or of `kind` "manual", `name` and `unique` for an index whose keys come from
/// `entidb_collection_insert_key`. Sets `*out_created` to 0 if the same index exists already.
///
/// Threads: any. Blocks: until the index is built.
/// Errors: INDEX_EXISTS, UNIQUE_VIOLATION, INVALID_ARGUMENT, and those of `entidb_collection_put`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_create_index(
    collection: *const entidb_collection,
    definition: *const u8,
    definition_len: usize,
    out_created: *mut i32,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        let value = entidb_core::decode(bytes::slice(definition, definition_len, "definition")?)?;
        let created = target(touched, collection)?.create_index(IndexDefinition::from_value(&value)?)?;
        if out_created.is_null() { Ok(()) } else { give(out_created, i32::from(created), "out_created") }
    })
}

/// Removes an index.
///
/// Threads: any.
/// Errors: COLLECTION_NOT_FOUND, INDEX_NOT_FOUND, and those of `entidb_collection_delete`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_drop_index(
    collection: *const entidb_collection,
    name: *const u8,
    name_len: usize,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| target(touched, collection)?.drop_index(bytes::text(name, name_len, "name")?))
}

/// Returns the indexes as a CBOR array of definitions.
///
/// Threads: any.
/// Owns: `*out_indexes` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_indexes(
    collection: *const entidb_collection,
    out_indexes: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_indexes, entidb_buffer::EMPTY, "out_indexes")?;
        let indexes = target(touched, collection)?.indexes()?;
        let list = Value::Array(indexes.iter().map(IndexDefinition::to_value).collect());
        give(out_indexes, entidb_buffer::of(entidb_core::encode(&list)), "out_indexes")
    })
}

/// Returns the statistics of a collection as a CBOR map: `id`, the number of the collection, which never changes (absent before
/// the collection is created); `name`, its name now; `entities`; and `indexes`, an array of maps of `index`, `kind`, `rows`
/// and `exact`.
///
/// Threads: any. Blocks: for disk access.
/// Owns: `*out_stats` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_stats(
    collection: *const entidb_collection,
    out_stats: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_stats, entidb_buffer::EMPTY, "out_stats")?;
        let stats = target(touched, collection)?.stats()?;
        give(out_stats, entidb_buffer::of(entidb_core::encode(&stats.to_value())), "out_stats")
    })
}

/// Returns a cursor over the entities in the order of their ids: behind the id `after` unless it is NULL, in
/// descending order if `reverse` is not 0, and at most `limit` of them (`ENTIDB_NO_LIMIT` for all).
///
/// Threads: any.
/// Owns: `*out_cursor` on success; free with `entidb_cursor_free`.
/// Errors: as `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_scan(
    collection: *const entidb_collection,
    after: *const u8,
    reverse: i32,
    limit: u64,
    out_cursor: *mut *mut entidb_cursor,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_cursor);
    call_unit(out_error, |touched| {
        let options = ScanOptions {
            after: bytes::optional_id(after)?,
            reverse: reverse != 0,
            limit: (limit < ENTIDB_NO_LIMIT).then_some(limit),
        };
        let entities = target(touched, collection)?.scan(options)?;
        need(out_cursor, "out_cursor")?;
        give(out_cursor, cursor::of_entities(entities), "out_cursor")
    })
}

/// Runs a query, in the CBOR form of docs/spec/query.md, and returns a cursor over its results.
///
/// Threads: any. Blocks: for disk reads; until the results are sorted when no index has the order.
/// Owns: `*out_cursor` on success; free with `entidb_cursor_free`.
/// Errors: QUERY_INVALID, SCAN_FORBIDDEN, PAGE_TOKEN_INVALID, QUERY_TOO_LARGE, encoding errors with the offset, and
/// those of `entidb_collection_get`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_find(
    collection: *const entidb_collection,
    query: *const u8,
    query_len: usize,
    out_cursor: *mut *mut entidb_cursor,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_cursor);
    call_unit(out_error, |touched| {
        let query = Query::from_bytes(bytes::slice(query, query_len, "query")?)?;
        need(out_cursor, "out_cursor")?;
        let found = target(touched, collection)?.query(query).run()?;
        give(out_cursor, cursor::of_found(found), "out_cursor")
    })
}

/// Returns the number of results of a query.
///
/// Threads: any. Blocks: for disk access.
/// Errors: as `entidb_collection_find`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_find_count(
    collection: *const entidb_collection,
    query: *const u8,
    query_len: usize,
    out_count: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_count, 0, "out_count")?;
        let query = Query::from_bytes(bytes::slice(query, query_len, "query")?)?;
        give(out_count, target(touched, collection)?.query(query).count()?, "out_count")
    })
}

/// Deletes the results of a query in one transaction and returns how many there were.
///
/// Threads: any. Blocks: as `entidb_collection_put`.
/// Errors: as `entidb_collection_find` and `entidb_collection_delete`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_find_delete(
    collection: *const entidb_collection,
    query: *const u8,
    query_len: usize,
    out_deleted: *mut u64,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_deleted, 0, "out_deleted")?;
        let query = Query::from_bytes(bytes::slice(query, query_len, "query")?)?;
        give(out_deleted, target(touched, collection)?.query(query).delete()?, "out_deleted")
    })
}

/// Returns the plan of a query as a CBOR map: `collection`, `index`, `ranges`, `reverse`, `scan`, `sort`, `filter`,
/// and `text`, which says the same in words.
///
/// Threads: any.
/// Owns: `*out_explanation` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_collection_find`.
///
/// # Safety
/// As `entidb_collection_put`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_find_explain(
    collection: *const entidb_collection,
    query: *const u8,
    query_len: usize,
    out_explanation: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call_unit(out_error, |touched| {
        give(out_explanation, entidb_buffer::EMPTY, "out_explanation")?;
        let query = Query::from_bytes(bytes::slice(query, query_len, "query")?)?;
        let explanation = target(touched, collection)?.query(query).explain()?;
        give(out_explanation, entidb_buffer::of(entidb_core::encode(&explanation.to_value())), "out_explanation")
    })
}

/// Frees a handle of a collection, not the collection. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_collection_put`; the handle is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_collection_free(collection: *mut entidb_collection) {
    handle::free::<Named>(collection);
}
