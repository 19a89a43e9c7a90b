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

/// Numbers a call is given.
const NUMBERS: usize = 8;

/// What a call is given that takes no arguments: numbers that JavaScript wrote to memory. napi-rs calls a function without
/// arguments in 40 ns, and one with a number in 150.
pub(crate) struct Call {
    /// What is called.
    pub(crate) handle: f64,
    /// Where its bytes are.
    pub(crate) room: u32,
    numbers: [f64; NUMBERS],
}

impl Call {
    /// A number that is whole and positive, or 0.
    pub(crate) fn whole(&self, position: usize) -> u32 {
        u32::try_from(self.integer(position)).unwrap_or_default()
    }

    /// A number that may be large or negative.
    pub(crate) fn integer(&self, position: usize) -> i64 {
        integer(self.numbers.get(position + 2).copied().unwrap_or_default())
    }

    /// Whether something is so.
    pub(crate) fn is(&self, position: usize) -> bool {
        self.integer(position) != 0
    }
}

/// JavaScript writes whole numbers that a double holds.
fn integer(number: f64) -> i64 {
    number as i64
}

/// The rooms of a thread.
#[derive(Default)]
pub(crate) struct Rooms {
    numbers: Option<Buffer>,
    lent: Vec<Option<Buffer>>,
    /// What did not fit, until JavaScript has made room.
    waiting: Option<Box<dyn Deref<Target = [u8]>>>,
}

impl Rooms {
    /// The place where JavaScript writes what a call is given.
    pub(crate) fn set_numbers(&mut self, numbers: Buffer) {
        self.numbers = Some(numbers);
    }

    /// What the call under way is given.
    pub(crate) fn call(&self) -> Result<Call> {
        let mut numbers = [0.0; NUMBERS];
        let given = self.numbers.as_ref().ok_or_else(|| refused("this thread was not attached"))?;
        for (number, bytes) in numbers.iter_mut().zip(given.as_chunks::<8>().0) {
            *number = f64::from_ne_bytes(*bytes);
        }
        let [handle, room, ..] = numbers;
        Ok(Call { handle, room: u32::try_from(integer(room)).unwrap_or(u32::MAX), numbers })
    }

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
        let (first, rest) =
            self.get(room)?.split_first_chunk_mut::<HEAD>().ok_or_else(|| refused("the room has no head"))?;
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
