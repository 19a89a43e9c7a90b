//! Buffers of JavaScript that both halves read and write: arguments and results cross in them without a call of their own.
//!
//! Always: a buffer stays lent, and its memory alive, until JavaScript takes it back or replaces it. JavaScript waits while
//! the library reads or writes one. Does not know: what a buffer holds.

use std::ops::Deref;

use napi::Result;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;

use crate::failure::refused;
use crate::table::{count, table};

/// Bytes before a batch of frames: the number of the cursor.
pub(crate) const HEAD: usize = 8;

/// The largest index of a buffer for calls. The two behind it are for requests and for replies.
const INDEX_MAX: u32 = 4096;

/// How many numbers a call takes.
const NUMBERS: usize = 8;

/// The arguments of a call, as numbers that JavaScript wrote to shared memory: napi-rs calls a function without arguments in
/// 40 ns, and one with a number in 150.
pub(crate) struct Call {
    /// The handle of the call.
    pub(crate) handle: f64,
    /// The index of the buffer with its bytes.
    pub(crate) buffer_index: u32,
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

    /// A number that stands for true or false.
    pub(crate) fn is(&self, position: usize) -> bool {
        self.integer(position) != 0
    }
}

/// JavaScript writes whole numbers that a double holds.
fn integer(number: f64) -> i64 {
    number as i64
}

/// The buffers of a thread.
#[derive(Default)]
pub(crate) struct Buffers {
    numbers: Option<Buffer>,
    lent: Vec<Option<Buffer>>,
    /// Those for requests and for replies, which have indexes of their own.
    of_requests: [Option<Buffer>; 2],
    /// Bytes that did not fit, until JavaScript lends a larger buffer.
    waiting: Option<Box<dyn Deref<Target = [u8]>>>,
}

impl Buffers {
    /// The memory where JavaScript writes the arguments of calls.
    pub(crate) fn set_numbers(&mut self, numbers: Buffer) {
        self.numbers = Some(numbers);
    }

    /// The arguments of the current call.
    pub(crate) fn call(&self) -> Result<Call> {
        let mut numbers = [0.0; NUMBERS];
        let given = self.numbers.as_ref().ok_or_else(|| refused("this thread was not attached"))?;
        for (number, bytes) in numbers.iter_mut().zip(given.as_chunks::<8>().0) {
            *number = f64::from_ne_bytes(*bytes);
        }
        let [handle, buffer_index, ..] = numbers;
        Ok(Call { handle, buffer_index: u32::try_from(integer(buffer_index)).unwrap_or(u32::MAX), numbers })
    }

    /// The memory of a buffer.
    pub(crate) fn get(&mut self, buffer_index: u32) -> Result<&mut [u8]> {
        let lent = match self.lent.get_mut(buffer_index as usize) {
            None => buffer_index.checked_sub(INDEX_MAX + 1).and_then(|at| self.of_requests.get_mut(at as usize)),
            place => place,
        };
        match lent {
            Some(Some(buffer)) => Ok(buffer),
            _ => Err(refused("no buffer was lent under this index")),
        }
    }

    /// The bytes that JavaScript wrote to the start of a buffer.
    pub(crate) fn read(&mut self, buffer_index: u32, len: u32) -> Result<&[u8]> {
        self.get(buffer_index)?.get(..len as usize).ok_or_else(|| refused("the buffer is shorter than its content"))
    }

    /// Writes the head and, when they fit, the bytes; returns how many these are. Bytes that do not fit wait for `take_waiting`.
    pub(crate) fn give(
        &mut self,
        buffer_index: u32,
        head: f64,
        bytes: impl Deref<Target = [u8]> + 'static,
    ) -> Result<f64> {
        let len = bytes.len();
        let (first, rest) = self
            .get(buffer_index)?
            .split_first_chunk_mut::<HEAD>()
            .ok_or_else(|| refused("the buffer is too short for a head"))?;
        *first = head.to_le_bytes();
        match rest.get_mut(..len) {
            Some(place) => place.copy_from_slice(&bytes),
            None => self.waiting = Some(Box::new(bytes)),
        }
        Ok(count(len as u64))
    }
}

/// Lends a buffer, in place of the one that had this index.
#[napi]
pub fn lend(buffer_index: u32, buffer: Option<Buffer>) -> Result<()> {
    table(|table| {
        let at = buffer_index as usize;
        if buffer_index > INDEX_MAX {
            let of_requests = table.buffers.of_requests.get_mut(at - 1 - INDEX_MAX as usize);
            *of_requests.ok_or_else(|| refused("there are at most 4,096 buffers"))? = buffer;
            return Ok(());
        }
        let lent = &mut table.buffers.lent;
        if lent.len() <= at {
            lent.resize_with(at + 1, || None);
        }
        if let Some(place) = lent.get_mut(at) {
            *place = buffer;
        }
        Ok(())
    })
}

/// Writes the bytes that did not fit before, behind the head of a buffer that is large enough now.
#[napi]
pub fn take_waiting(buffer_index: u32) -> Result<()> {
    table(|table| {
        let Some(bytes) = table.buffers.waiting.take() else {
            return Err(refused("no bytes are waiting for a larger buffer"));
        };
        match table.buffers.get(buffer_index)?.get_mut(HEAD..HEAD + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(&bytes);
                Ok(())
            }
            None => Err(refused("the buffer is still too small")),
        }
    })
}
