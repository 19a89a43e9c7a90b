//! Calls on a collection.
//!
//! Always: a call takes its bytes from its buffer and writes its result there: an id is 16 bytes, documents, patches
//! and queries are CBOR. Does not know: what either means to JavaScript.

use entidb_abi::{Collection, WriteMode, modes};
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::buffer::Call;
use crate::cursor::open;
use crate::failure::{given, id_at, ids, refused, thrown};
use crate::table::{Table, call, count, table, take, with};

fn version(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| refused("version must be at least 1"))
}

/// A collection and its buffer, for a call that uses both.
fn of<'a>(table: &'a mut Table, call: &Call) -> Result<(&'a Collection, &'a mut [u8])> {
    Ok((table.handles.get::<Collection>(call.handle)?, table.buffers.get(call.buffer_index)?))
}

fn split(io: &mut [u8], len: u32) -> Result<(&mut [u8; 16], &mut [u8])> {
    io.split_first_chunk_mut::<16>()
        .and_then(|(at, rest)| Some((at, rest.get_mut(..len as usize)?)))
        .ok_or_else(|| refused("the document is longer than its buffer"))
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// An id as JavaScript has it.
pub(crate) fn text_of(id: &[u8; 16]) -> String {
    let mut text = [0; 36];
    write_text(id, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes an id as JavaScript has it.
fn write_text(id: &[u8; 16], out: &mut [u8; 36]) {
    let mut places = out.iter_mut();
    for (position, byte) in id.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10)
            && let Some(place) = places.next()
        {
            *place = b'-';
        }
        for digit in [byte >> 4, byte & 15] {
            if let (Some(place), Some(letter)) = (places.next(), DIGITS.get(usize::from(digit))) {
                *place = *letter;
            }
        }
    }
}

/// Stores the document that follows 16 free bytes in the buffer, under a new id; returns the id as text.
/// Numbers: the length of the document, whether there must be none yet.
#[napi]
pub fn collection_put_new() -> Result<String> {
    let id = call(|table, call| {
        let (collection, io) = of(table, call)?;
        let (_, document) = split(io, call.whole(0))?;
        given(collection.put(None, document, if call.is(1) { WriteMode::Insert } else { WriteMode::Put }))
    })?;
    Ok(text_of(&id))
}

/// Stores the document that follows its id in the buffer. Numbers: the length of the document, a mode (put, insert or
/// replace), the version it must have, 0 for any.
#[napi]
pub fn collection_put() -> Result<()> {
    call(|table, call| {
        let mode = match (call.whole(1), call.integer(2)) {
            (modes::WRITE_MODE_PUT, _) => WriteMode::Put,
            (modes::WRITE_MODE_INSERT, _) => WriteMode::Insert,
            (modes::WRITE_MODE_REPLACE, 0) => WriteMode::Replace,
            (modes::WRITE_MODE_REPLACE, number) => WriteMode::ReplaceVersion(version(number)?),
            _ => return Err(refused("the mode is put, insert or replace")),
        };
        let (collection, io) = of(table, call)?;
        let (at, document) = split(io, call.whole(0))?;
        given(collection.put(Some(&*at), document, mode)).map(drop)
    })
}

/// Changes parts of an entity: the buffer holds its id, then the patch. Number: the length of the patch.
#[napi]
pub fn collection_update() -> Result<()> {
    call(|table, call| {
        let (collection, io) = of(table, call)?;
        let (at, patch) = split(io, call.whole(0))?;
        given(collection.update(at, patch))
    })
}

/// Reads the entity whose id is at the start of the buffer, and writes over it 8 bytes of version, little-endian, then the document.
/// Gives how many bytes that needs; nothing is written when they are more than the buffer has. −1 when it is not there.
#[napi]
pub fn collection_get() -> Result<f64> {
    call(|table, call| {
        let (collection, io) = of(table, call)?;
        let Some(entity) = given(collection.get(&id_at(io)?))? else { return Ok(-1.0) };
        let document = entity.bytes();
        if let Some((head, rest)) = io.split_first_chunk_mut::<8>()
            && let Some(place) = rest.get_mut(..document.len())
        {
            *head = entity.version().to_le_bytes();
            place.copy_from_slice(document);
        }
        Ok(count(8 + document.len() as u64))
    })
}

fn one_id(bytes: &[u8]) -> Result<[u8; 16]> {
    bytes.try_into().map_err(|_| refused("an id has 16 bytes"))
}

/// The entity as it was after an earlier commit, framed; null when it was not there.
#[napi]
pub fn collection_get_as_of(handle: f64, id: &[u8], sequence: i64) -> Result<Option<Buffer>> {
    let (id, sequence) = (one_id(id)?, version(sequence)?);
    let found = with(handle, |collection: &Collection| collection.get_as_of(&id, sequence))?;
    Ok(found.map(|entity| {
        let document = entity.bytes();
        let len = u32::try_from(document.len()).unwrap_or(u32::MAX);
        Buffer::from([&len.to_le_bytes()[..], &id, &entity.version().to_le_bytes(), document].concat())
    }))
}

/// Versions of an entity that were written after a sequence: each 8 bytes with the sequence that ended it, and a frame.
#[napi]
pub fn collection_history(handle: f64, id: &[u8], after: i64) -> Result<Buffer> {
    let (id, after) = (one_id(id)?, version(after)?);
    let frames = with(handle, |collection: &Collection| collection.history(&id, after))?;
    Ok(Buffer::from(frames.as_bytes().to_vec()))
}

/// The entities whose ids are in the buffer, framed behind a head.
#[napi]
pub fn collection_get_many(handle: f64, buffer_index: u32, len: u32) -> Result<f64> {
    table(|table| {
        let ids = ids(table.buffers.read(buffer_index, len)?)?;
        let frames = given(table.handles.get::<Collection>(handle)?.get_many(&ids))?;
        table.buffers.give(buffer_index, 0.0, frames.into_bytes())
    })
}

/// Whether the entity whose id is at the start of the buffer is there.
#[napi]
pub fn collection_exists() -> Result<bool> {
    call(|table, call| {
        let (collection, io) = of(table, call)?;
        given(collection.exists(&id_at(io)?))
    })
}

/// The number of entities.
#[napi]
pub fn collection_count(handle: f64) -> Result<f64> {
    with(handle, |collection: &Collection| collection.count()).map(count)
}

/// Removes the entity whose id is at the start of the buffer; true when it was there. Number: the version it must have, 0 for any.
#[napi]
pub fn collection_delete() -> Result<bool> {
    call(|table, call| {
        let expected = if call.is(0) { Some(version(call.integer(0))?) } else { None };
        let (collection, io) = of(table, call)?;
        given(collection.delete(&id_at(io)?, expected))
    })
}

/// Removes the entities whose ids are in the buffer; gives how many were there.
#[napi]
pub fn collection_delete_many(handle: f64, buffer_index: u32, len: u32) -> Result<f64> {
    table(|table| {
        let ids = ids(table.buffers.read(buffer_index, len)?)?;
        given(table.handles.get::<Collection>(handle)?.delete_many(&ids)).map(count)
    })
}

/// Stores the documents whose frames are in the buffer. Where ids are asked for, their texts are written behind a head, 36
/// bytes each; gives how many bytes these are.
#[napi]
pub fn collection_put_many(handle: f64, buffer_index: u32, len: u32, wants_ids: bool) -> Result<f64> {
    table(|table| {
        let frames = table.buffers.read(buffer_index, len)?;
        let ids = given(table.handles.get::<Collection>(handle)?.put_many(frames))?;
        if !wants_ids {
            return Ok(0.0);
        }
        let mut texts = vec![0; ids.len() * 36];
        for (id, text) in ids.iter().zip(texts.as_chunks_mut::<36>().0) {
            write_text(id, text);
        }
        table.buffers.give(buffer_index, 0.0, texts)
    })
}

/// Declares an index; false when the same was there.
#[napi]
pub fn collection_create_index(handle: f64, definition: &[u8]) -> Result<bool> {
    with(handle, |collection: &Collection| collection.create_index(definition))
}

/// Removes an index.
#[napi]
pub fn collection_drop_index(handle: f64, name: String) -> Result<()> {
    with(handle, |collection: &Collection| collection.drop_index(&name))
}

/// The declared indexes, CBOR.
#[napi]
pub fn collection_indexes(handle: f64) -> Result<Buffer> {
    with(handle, |collection: &Collection| collection.indexes()).map(|indexes| Buffer::from(indexes.to_vec()))
}

/// The number, the name and the size of the collection and its indexes, CBOR.
#[napi]
pub fn collection_stats(handle: f64) -> Result<Buffer> {
    with(handle, |collection: &Collection| collection.stats()).map(|stats| Buffer::from(stats.to_vec()))
}

/// Gives an entity a key of a manual index, CBOR; false when it has the key.
#[napi]
pub fn collection_insert_key(handle: f64, index: String, key: &[u8], id: &[u8]) -> Result<bool> {
    let id = whole_id(id)?;
    with(handle, |collection: &Collection| collection.insert_key(&index, key, id))
}

/// Takes a key from an entity; false when it has no such key.
#[napi]
pub fn collection_remove_key(handle: f64, index: String, key: &[u8], id: &[u8]) -> Result<bool> {
    let id = whole_id(id)?;
    with(handle, |collection: &Collection| collection.remove_key(&index, key, id))
}

/// The ids of the entities that have a key, 16 bytes each.
#[napi]
pub fn collection_lookup_key(handle: f64, index: String, key: &[u8]) -> Result<Buffer> {
    with(handle, |collection: &Collection| collection.lookup_key(&index, key)).map(|ids| Buffer::from(ids.concat()))
}

/// A cursor over keys of a range with their ids.
#[napi]
pub fn collection_scan_keys(handle: f64, index: String, range: &[u8]) -> Result<f64> {
    take(handle, |collection: &Collection| collection.scan_keys(&index, range))
}

/// The number of keys.
#[napi]
pub fn collection_count_keys(handle: f64, index: String) -> Result<f64> {
    with(handle, |collection: &Collection| collection.count_keys(&index)).map(count)
}

fn whole_id(id: &[u8]) -> Result<&[u8; 16]> {
    id.try_into().map_err(|_| refused("an id has 16 bytes"))
}

/// Walks all entities in the order of ids, after the one whose id is at the start of the buffer where one does. As `collection_find` in
/// what it gives. Numbers: whether there is an id, whether to go backwards, the limit or −1, the most entities and bytes.
#[napi]
pub fn collection_scan() -> Result<f64> {
    call(|table, call| {
        let (collection, io) = of(table, call)?;
        let after = if call.is(0) { Some(id_at(io)?) } else { None };
        let cursor = given(collection.scan(after.as_ref(), call.is(1), u64::try_from(call.integer(2)).ok()))?;
        open(table, call, cursor, call.whole(3), call.whole(4), false)
    })
}

/// Runs the query in the buffer, and writes the first results to it: the number of the cursor, then frames. The
/// number is 0 when these were all, and nothing has to be let go of then, unless it is kept for page tokens. Gives how
/// many bytes the frames have. Numbers: the length of the query, the most entities and bytes, whether it is kept.
#[napi]
pub fn collection_find() -> Result<f64> {
    call(|table, call| {
        let query = table.buffers.read(call.buffer_index, call.whole(0))?;
        let cursor = given(table.handles.get::<Collection>(call.handle)?.find(query))?;
        open(table, call, cursor, call.whole(1), call.whole(2), call.is(3))
    })
}

type Asked<R> = fn(&Collection, &[u8]) -> entidb_abi::Result<R>;

fn asked<R>(handle: f64, buffer_index: u32, len: u32, run: Asked<R>) -> Result<R> {
    table(|table| {
        let query = table.buffers.read(buffer_index, len)?;
        run(table.handles.get(handle)?, query).map_err(|error| thrown(&error))
    })
}

/// Counts the results of the query in the buffer.
#[napi]
pub fn collection_find_count(handle: f64, buffer_index: u32, len: u32) -> Result<f64> {
    asked(handle, buffer_index, len, |collection, query| collection.find_count(query)).map(count)
}

/// Removes the results of the query in the buffer.
#[napi]
pub fn collection_find_delete(handle: f64, buffer_index: u32, len: u32) -> Result<f64> {
    asked(handle, buffer_index, len, |collection, query| collection.find_delete(query)).map(count)
}

/// The plan of the query in the buffer, CBOR.
#[napi]
pub fn collection_find_explain(handle: f64, buffer_index: u32, len: u32) -> Result<Buffer> {
    asked(handle, buffer_index, len, |collection, query| collection.find_explain(query))
        .map(|explanation| Buffer::from(explanation.to_vec()))
}
