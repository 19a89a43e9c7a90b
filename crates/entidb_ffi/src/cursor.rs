//! Answers one by one, or many at a time in one buffer.
//!
//! Always: lazy; all answers are of one snapshot. A cursor gives an error once, after all it has read before it, and is at
//! its end then.
//! Does not know: what was asked.

use entidb_core::{Entities, Entity, EntityId, Error, ErrorCode, Found, ManualKeys, PagePlace, Value};
use entidb_storage::sync::Mutex;

use crate::boundary::{call, clear, give, need};
use crate::bytes::entidb_buffer;
use crate::error::entidb_error;
use crate::handle::{self, Noun};
use crate::status::{ENTIDB_END, ENTIDB_NOT_FOUND, ENTIDB_OK, entidb_status};
use crate::value::{self, entidb_value};

/// A cursor over entities, or over the keys of a manual index. Movable: any thread, one call at a time. Free with `entidb_cursor_free`.
#[expect(non_camel_case_types, reason = "the name is the name in C")]
pub struct entidb_cursor {
    _private: [u8; 0],
}

enum Walk {
    Entities(Box<Entities>),
    Found(Box<Found>),
    Keys(Box<ManualKeys>),
}

/// What a cursor gives.
enum Item {
    Entity(Entity),
    Key(Value, EntityId),
}

impl Walk {
    fn next(&mut self) -> Option<Result<Item, Error>> {
        match self {
            Self::Entities(entities) => entities.next().map(|read| read.map(Item::Entity)),
            Self::Found(found) => found.next().map(|read| read.map(Item::Entity)),
            Self::Keys(keys) => keys.next().map(|read| read.map(|(key, id)| Item::Key(key, id))),
        }
    }
}

struct Cursor {
    walk: Mutex<State>,
}

struct State {
    walk: Walk,
    /// What the walk failed with after answers that the last call gave: the next call gives it.
    failure: Option<Error>,
    /// The places of what the last call that gave any gave, for page tokens.
    places: Vec<PagePlace>,
    /// Whether this call has given nothing yet.
    is_first: bool,
}

impl State {
    /// Begins a call, unless the one before left an error to it.
    fn begin(&mut self) -> Result<(), Error> {
        self.is_first = true;
        self.take_failure().map_or(Ok(()), Err)
    }

    /// The error that the call before left. Whether an entity follows the last is not known then: there is no token of it, because
    /// to say that none follows would end the pages there.
    fn take_failure(&mut self) -> Option<Error> {
        let failure = self.failure.take()?;
        self.places.clear();
        Some(failure)
    }

    fn next(&mut self) -> Result<Option<Item>, Error> {
        let next = self.walk.next().transpose();
        if next.is_err() && self.is_first {
            self.places.clear();
        }
        let next = next?;
        if let (Some(_), Walk::Found(found)) = (&next, &self.walk) {
            if self.is_first {
                // The end keeps the places of the last answers: a page token is wanted there most of all.
                self.places.clear();
                self.is_first = false;
            }
            self.places.extend(found.place());
        }
        Ok(next)
    }
}

impl Noun for Cursor {
    type Opaque = entidb_cursor;
    const TAG: u32 = 0x4355_5253;
    const NAME: &'static str = "cursor";
}

pub(crate) fn of_entities(entities: Entities) -> *mut entidb_cursor {
    make(Walk::Entities(Box::new(entities)))
}

pub(crate) fn of_found(found: Found) -> *mut entidb_cursor {
    make(Walk::Found(Box::new(found)))
}

pub(crate) fn of_keys(keys: ManualKeys) -> *mut entidb_cursor {
    make(Walk::Keys(Box::new(keys)))
}

fn make(walk: Walk) -> *mut entidb_cursor {
    let state = State { walk, failure: None, places: Vec::new(), is_first: true };
    handle::make(Cursor { walk: Mutex::new(state) })
}

fn concurrent() -> Error {
    Error::new(ErrorCode::ConcurrentUse, "another thread is using this cursor; give each thread its own")
}

/// Returns the next entity, or `ENTIDB_END`. After an error other than CONCURRENT_USE the cursor has ended and
/// returns `ENTIDB_END`.
///
/// Threads: any, one call at a time. Blocks: for disk access.
/// Owns: `*out_value` on success; free with `entidb_value_free`.
/// Errors: UNSUPPORTED for a cursor over keys, which is read with `entidb_cursor_next_batch`; CLOSED, TRANSACTION_ENDED,
/// CONCURRENT_USE, CORRUPT, IO.
///
/// # Safety
/// `cursor` is a live cursor of this library; out-pointers are NULL or may be written.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cursor_next(
    cursor: *mut entidb_cursor,
    out_value: *mut *mut entidb_value,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    clear(out_value);
    call(out_error, |touched| {
        need(out_value, "out_value")?;
        let mut state = touched.get::<Cursor>(cursor)?.walk.try_lock().ok_or_else(concurrent)?;
        if matches!(state.walk, Walk::Keys(_)) {
            let problem = "this cursor is over keys; read it with entidb_cursor_next_batch";
            return Err(Error::new(ErrorCode::Unsupported, problem));
        }
        state.begin()?;
        let Some(Item::Entity(entity)) = state.next()? else { return Ok(ENTIDB_END) };
        give(out_value, value::make(entity), "out_value")?;
        Ok(ENTIDB_OK)
    })
}

/// Returns the next entities in one buffer: at most `count_max`, and no further one once the buffer has `bytes_max`
/// bytes. The frame of each: `u32` length of the document, 16 bytes of id, `u64` version, the document. Integers are
/// little-endian. For a cursor over keys the document is the key, and the version 0. Returns `ENTIDB_END` after the last. Entities read before an error are returned first; the next
/// call returns the error.
///
/// Threads: any, one call at a time. Blocks: for disk access.
/// Owns: `*out_frames` on success; free with `entidb_buffer_free`.
/// Errors: as `entidb_cursor_next`.
///
/// # Safety
/// As `entidb_cursor_next`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cursor_next_batch(
    cursor: *mut entidb_cursor,
    count_max: usize,
    bytes_max: usize,
    out_frames: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |touched| {
        give(out_frames, entidb_buffer::EMPTY, "out_frames")?;
        let mut state = touched.get::<Cursor>(cursor)?.walk.try_lock().ok_or_else(concurrent)?;
        state.begin()?;
        let mut frames = Vec::new();
        for _ in 0..count_max.max(1) {
            let read = match state.next() {
                Ok(Some(Item::Entity(entity))) => frame(&entity, &mut frames),
                Ok(Some(Item::Key(key, id))) => framed(id.as_bytes(), 0, &entidb_core::encode(&key), &mut frames),
                Ok(None) => break,
                Err(failure) => Err(failure),
            };
            match read {
                Ok(()) if frames.len() < bytes_max => {}
                Ok(()) => break,
                Err(failure) if frames.is_empty() => return Err(failure),
                // What was read before it is given first.
                Err(failure) => {
                    state.failure = Some(failure);
                    break;
                }
            }
        }
        if frames.is_empty() {
            return Ok(ENTIDB_END);
        }
        give(out_frames, entidb_buffer::of(frames), "out_frames")?;
        Ok(ENTIDB_OK)
    })
}

/// Writes one entity as `entidb_cursor_next_batch` describes.
pub(crate) fn frame(entity: &Entity, out: &mut Vec<u8>) -> Result<(), Error> {
    framed(entity.id_bytes(), entity.version(), entity.bytes(), out)
}

fn framed(id: &[u8; 16], version: u64, document: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let len = u32::try_from(document.len())
        .map_err(|_| Error::new(ErrorCode::TooLarge, "the document is too large for a frame; read it with next"))?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(id);
    out.extend_from_slice(&version.to_le_bytes());
    out.extend_from_slice(document);
    Ok(())
}

/// Returns a page token for the entity at `position`, counted from 0, among the entities that the last call returned.
/// Passed as `after` of the same query, it continues behind that entity. Returns `ENTIDB_END` if no result follows,
/// so that there is no next page; for the last entity the cursor reads one result ahead to know. Returns
/// `ENTIDB_NOT_FOUND` if there is no entity at `position`.
///
/// Threads: any, one call at a time. Blocks: for disk access.
/// Owns: `*out_token` on success; free with `entidb_buffer_free`.
/// Errors: UNSUPPORTED for the cursor of a scan or over keys, which continues by id or key; those of `entidb_cursor_next`.
///
/// # Safety
/// As `entidb_cursor_next`.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cursor_token(
    cursor: *mut entidb_cursor,
    position: usize,
    out_token: *mut entidb_buffer,
    out_error: *mut *mut entidb_error,
) -> entidb_status {
    call(out_error, |touched| {
        give(out_token, entidb_buffer::EMPTY, "out_token")?;
        let mut state = touched.get::<Cursor>(cursor)?.walk.try_lock().ok_or_else(concurrent)?;
        // The position is any number of the caller's, so nothing is added to it.
        let last = state.places.len().checked_sub(1);
        if last == Some(position)
            && let Some(failure) = state.take_failure()
        {
            return Err(failure);
        }
        let State { walk, places, .. } = &mut *state;
        let Walk::Found(found) = walk else {
            return Err(Error::new(
                ErrorCode::Unsupported,
                "a scan has no page token; continue behind the last id or key",
            ));
        };
        let Some(place) = places.get(position) else { return Ok(ENTIDB_NOT_FOUND) };
        let token = if last == Some(position) { found.token()? } else { Some(found.token_of(place)?) };
        let Some(token) = token else { return Ok(ENTIDB_END) };
        give(out_token, entidb_buffer::of(token), "out_token")?;
        Ok(ENTIDB_OK)
    })
}

/// Frees a cursor. Accepts NULL.
///
/// Threads: any.
///
/// # Safety
/// As `entidb_cursor_next`; the cursor is not used afterwards.
#[cfg_attr(feature = "export", unsafe(no_mangle))]
pub unsafe extern "C" fn entidb_cursor_free(cursor: *mut entidb_cursor) {
    handle::free::<Cursor>(cursor);
}
