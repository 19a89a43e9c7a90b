//! Memory of JavaScript that both halves write to: bytes go in and come out without a call for them.
//!
//! Always: a room is lent until it is taken back or replaced, and keeps its memory alive so long. JavaScript waits while
//! the library reads or writes one. Does not know: what stands in it.

use std::ops::Deref;

use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::failure::refused;
use crate::table::{count, table};

/// What a batch of frames has before it: the number of the cursor.
pub(crate) const HEAD: usize = 8;

/// The rooms of a thread.
#[derive(Default)]
pub(crate) struct Rooms {
    lent: Vec<Option<Buffer>>,
    /// What did not fit, until JavaScript has made room.
    waiting: Option<Box<dyn Deref<Target = [u8]>>>,
}

impl Rooms {
    /// The memory of a room.
    pub(crate) fn get(&mut self, room: u32) -> Result<&mut [u8]> {
        match self.lent.get_mut(room as usize) {
            Some(Some(buffer)) => Ok(buffer),
            _ => Err(refused("there is no such room")),
        }
    }

    /// The bytes that JavaScript wrote to the start of a room.
    pub(crate) fn read(&mut self, room: u32, len: u32) -> Result<&[u8]> {
        self.get(room)?.get(..len as usize).ok_or_else(|| refused("the room is shorter than what should stand in it"))
    }

    /// Writes the head and, when they fit, the bytes; gives how many these are. What did not fit waits for `take`.
    pub(crate) fn give(&mut self, room: u32, head: f64, bytes: impl Deref<Target = [u8]> + 'static) -> Result<f64> {
        let len = bytes.len();
        let (first, rest) = self.get(room)?.split_first_chunk_mut::<HEAD>().ok_or_else(|| refused("the room has no head"))?;
        *first = head.to_le_bytes();
        match rest.get_mut(..len) {
            Some(place) => place.copy_from_slice(&bytes),
            None => self.waiting = Some(Box::new(bytes)),
        }
        Ok(count(len as u64))
    }
}

/// Lends a room, in the place of the one that had the number.
#[napi]
pub fn lend(room: u32, buffer: Option<Buffer>) -> Result<()> {
    table(|table| {
        let at = room as usize;
        if at > 4096 {
            return Err(refused("there are at most 4,096 rooms"));
        }
        let lent = &mut table.rooms.lent;
        if lent.len() <= at {
            lent.resize_with(at + 1, || None);
        }
        if let Some(place) = lent.get_mut(at) {
            *place = buffer;
        }
        Ok(())
    })
}

/// Writes what did not fit before, behind the head of a room that is large enough now.
#[napi]
pub fn take_waiting(room: u32) -> Result<()> {
    table(|table| {
        let Some(bytes) = table.rooms.waiting.take() else { return Err(refused("nothing waits for room")) };
        match table.rooms.get(room)?.get_mut(HEAD..HEAD + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(&bytes);
                Ok(())
            }
            None => Err(refused("the room is still too small")),
        }
    })
}
