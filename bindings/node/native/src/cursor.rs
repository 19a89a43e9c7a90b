//! Answers and changes as JavaScript pulls them.
//!
//! Always: a batch is framed entities behind the number of the cursor, as the C ABI frames them; a cursor that gave its last
//! is let go of with that batch. Does not know: how a frame is read; JavaScript does that.

use entidb_abi::{ChangeFeed, Cursor};
use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::buffer::Call;
use crate::failure::given;
use crate::table::{Table, call, with};

/// The first batch of a cursor, which is held only when there may be more, or when it is kept for page tokens.
pub(crate) fn open(
    table: &mut Table,
    call: &Call,
    cursor: Cursor,
    count_max: u32,
    bytes_max: u32,
    is_kept: bool,
) -> Result<f64> {
    let (cursor, parts) = given(first(cursor, count_max as usize, bytes_max as usize, is_kept))?;
    let number = match cursor {
        Some(cursor) => table.handles.hold(cursor, Some(call.handle))?,
        None => 0.0,
    };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(batch), Some(more)) => table.buffers.give(call.buffer_index, number, [&*batch, &*more].concat()),
        (Some(batch), None) => table.buffers.give(call.buffer_index, number, batch),
        (None, _) => table.buffers.give(call.buffer_index, number, Vec::new()),
    }
}

/// The first batch of a cursor, and the cursor where there may be more or it is kept.
pub(crate) fn first(
    cursor: Cursor,
    count_max: usize,
    bytes_max: usize,
    is_kept: bool,
) -> entidb_abi::Result<(Option<Cursor>, Vec<entidb_abi::Buffer>)> {
    let batch = cursor.next_batch(count_max, bytes_max)?;
    let is_short = batch
        .as_ref()
        .is_none_or(|frames| frames.as_bytes().len() < bytes_max && frames.count_up_to(count_max) < count_max);
    // A short batch is the last one, or what came before a failure: the next call tells them apart, and the failure must not
    // look like the end.
    let more = if is_short && !is_kept && batch.is_some() { cursor.next_batch(count_max, bytes_max)? } else { None };
    let is_last = is_short && more.is_none();
    let parts = batch.into_iter().chain(more).map(entidb_abi::Frames::into_bytes).collect();
    Ok(((!is_last || is_kept).then_some(cursor), parts))
}

/// Writes the next entities to the buffer, behind a head; gives how many bytes they have, 0 at the end. Numbers: the most
/// entities and bytes.
#[napi]
pub fn cursor_next_batch() -> Result<f64> {
    call(|table, call| {
        let cursor = table.handles.get::<Cursor>(call.handle)?;
        match given(cursor.next_batch(call.whole(0) as usize, call.whole(1) as usize))? {
            Some(frames) => table.buffers.give(call.buffer_index, call.handle, frames.into_bytes()),
            None => Ok(0.0),
        }
    })
}

/// The next keys of a cursor over keys, framed as entities are; null at the end.
#[napi]
pub fn cursor_next_keys(handle: f64, count_max: u32, bytes_max: u32) -> Result<Option<Buffer>> {
    let batch = with(handle, |cursor: &Cursor| cursor.next_batch(count_max as usize, bytes_max as usize))?;
    Ok(batch.map(|frames| Buffer::from(frames.as_bytes().to_vec())))
}

/// The page token of the entity at a position of the last batch.
#[napi]
pub fn cursor_token(handle: f64, position: u32) -> Result<Option<Buffer>> {
    let token = with(handle, |cursor: &Cursor| cursor.token(position as usize))?;
    Ok(token.map(|token| Buffer::from(token.to_vec())))
}

/// The next changes as a batch, waiting up to the given milliseconds; null on a timeout.
#[napi]
pub fn feed_next(handle: f64, timeout_ms: u32) -> Result<Option<Buffer>> {
    let batch = with(handle, |feed: &ChangeFeed| feed.next_batch(u64::from(timeout_ms)))?;
    Ok(batch.map(|batch| Buffer::from(batch.as_bytes().to_vec())))
}

/// From the next batch on, gives the document before updates and deletes too.
#[napi]
pub fn feed_with_before(handle: f64) -> Result<()> {
    with(handle, |feed: &ChangeFeed| feed.give_before())
}

/// Closes a feed: a request that waits at it, and every later call, fails with CLOSED.
#[napi]
pub fn feed_close(handle: f64) -> Result<()> {
    with(handle, |feed: &ChangeFeed| feed.close())
}

/// Takes the batch given last back.
#[napi]
pub fn feed_unread(handle: f64) -> Result<()> {
    with(handle, |feed: &ChangeFeed| feed.unread())
}

/// The position after the batch given last.
#[napi]
pub fn feed_position(handle: f64) -> Result<String> {
    with(handle, |feed: &ChangeFeed| feed.position())
}
