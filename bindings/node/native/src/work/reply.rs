//! Replies on their way to JavaScript.
//!
//! Always: JavaScript is woken once for all that are ready. Does not know: what a reply is to.
//! Format of a frame: id of the request (4 bytes), kind (1), length (4), content.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

use entidb_abi::{Buffer, ChangeFeed, Cursor, Database, Result, Transaction};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};

use super::feed_wait::FeedWait;
use super::lock;
use crate::failure;

const NOTHING: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const BYTES: u8 = 4;
const NUMBERED: u8 = 5;
const ERROR: u8 = 6;

const HEAD_BYTES: usize = 9;

/// What a request gives.
pub(crate) enum Given {
    /// Nothing.
    Nothing,
    /// True or false.
    Flag(bool),
    /// A number.
    Number(f64),
    /// Bytes of the library.
    Bytes(Buffer),
    /// Other bytes, or a text.
    Made(Vec<u8>),
    /// A number and bytes.
    Numbered(f64, Vec<Buffer>),
    /// A number and other bytes.
    NumberedMade(f64, Vec<u8>),
    /// A transaction, and bytes about it.
    Begun(Arc<Transaction>, Vec<u8>),
    /// A reader of the feed, and its position.
    Feed(Arc<ChangeFeed>, Arc<FeedWait>, String),
    /// A database, and how long its writers wait for the lock, in milliseconds.
    Opened(Arc<Database>, u64),
    /// The first batch of a cursor, which is held when it may have more.
    Batch(Option<Arc<Cursor>>, Vec<Buffer>),
    /// Not yet: it waits for changes.
    Later,
}

/// A reply.
pub(crate) struct Reply {
    /// The request.
    pub(crate) id: u32,
    /// What the request was asked of.
    pub(crate) within: f64,
    /// What it gives.
    pub(crate) outcome: Result<Given>,
}

impl Reply {
    /// No more bytes than this in its frame, the text of an error aside.
    fn len(&self) -> usize {
        let content = match &self.outcome {
            Ok(Given::Bytes(bytes)) => bytes.len(),
            Ok(Given::Made(bytes)) => bytes.len(),
            Ok(Given::Batch(_, parts) | Given::Numbered(_, parts)) => {
                8 + parts.iter().map(|part| part.len()).sum::<usize>()
            }
            Ok(Given::Begun(_, bytes) | Given::NumberedMade(_, bytes)) => 8 + bytes.len(),
            Ok(Given::Feed(_, _, position)) => 8 + position.len(),
            Ok(_) => 8,
            Err(error) => failure::json(error).len(),
        };
        // What is held may fail instead, with a short error.
        HEAD_BYTES + content.max(256)
    }
}

/// Writes the frame of a reply, for which there is enough room; returns its length.
pub(crate) fn write(id: u32, outcome: &Result<Given>, place: &mut [u8]) -> usize {
    let json;
    let (kind, number, parts): (u8, Option<f64>, Vec<&[u8]>) = match outcome {
        Ok(Given::Flag(flag)) => (if *flag { TRUE } else { FALSE }, None, Vec::new()),
        Ok(Given::Number(number)) => (NUMBER, Some(*number), Vec::new()),
        Ok(Given::Bytes(bytes)) => (BYTES, None, vec![&**bytes]),
        Ok(Given::Made(bytes)) => (BYTES, None, vec![bytes]),
        Ok(Given::Numbered(number, parts)) => (NUMBERED, Some(*number), parts.iter().map(|part| &**part).collect()),
        Ok(Given::NumberedMade(number, bytes)) => (NUMBERED, Some(*number), vec![bytes]),
        Ok(_) => (NOTHING, None, Vec::new()),
        Err(error) => {
            json = failure::json(error);
            (ERROR, None, vec![json.as_bytes()])
        }
    };
    let mut at = HEAD_BYTES;
    let number = number.map(f64::to_le_bytes);
    for part in number.iter().map(|bytes| &bytes[..]).chain(parts) {
        if let Some(to) = place.get_mut(at..at + part.len()) {
            to.copy_from_slice(part);
        }
        at += part.len();
    }
    if let Some(head) = place.first_chunk_mut::<HEAD_BYTES>() {
        let [a, b, c, d] = id.to_le_bytes();
        let [e, f, g, h] = u32::try_from(at - HEAD_BYTES).unwrap_or(u32::MAX).to_le_bytes();
        *head = [a, b, c, d, kind, e, f, g, h];
    }
    at
}

/// The function that tells JavaScript.
type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Tells a thread of JavaScript, and keeps its loop alive while something is to be told.
pub(crate) struct Waker {
    env: Env,
    wake: Arc<Wake>,
    is_kept: bool,
}

impl Waker {
    pub(crate) fn new(env: &Env, wake: Arc<Wake>) -> Self {
        Self { env: *env, wake, is_kept: false }
    }

    /// Whether the loop goes on while nothing else is left for it.
    pub(crate) fn keep_alive(&mut self, keep: bool) -> napi::Result<()> {
        if keep == self.is_kept {
            return Ok(());
        }
        self.is_kept = keep;
        crate::ending::keep(&self.env, self.wake.raw(), keep)
    }
}

/// What is ready.
pub(crate) struct Replies {
    state: Mutex<State>,
    wake: Arc<Wake>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Reply>,
    /// JavaScript was told and has not taken all.
    is_told: bool,
}

/// The next reply that fits.
pub(crate) enum Next {
    /// Here it is.
    Reply(Reply),
    /// It needs this many bytes.
    TooLong(usize),
    /// None is ready.
    None,
}

impl Replies {
    pub(crate) fn new(wake: Arc<Wake>) -> Self {
        Self { state: Mutex::default(), wake }
    }

    /// Adds replies, and tells JavaScript.
    pub(crate) fn deliver(&self, replies: &mut Vec<Reply>) {
        if replies.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        state.ready.extend(replies.drain(..));
        let is_told = std::mem::replace(&mut state.is_told, true);
        drop(state);
        if !is_told {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// The next reply, when its frame fits.
    pub(crate) fn next(&self, room: usize) -> Next {
        let mut state = lock(&self.state);
        let Some(first) = state.ready.front() else {
            state.is_told = false;
            return Next::None;
        };
        let len = first.len();
        if len > room {
            return Next::TooLong(len);
        }
        state.ready.pop_front().map_or(Next::None, Next::Reply)
    }

    /// Drops what nobody takes any more.
    pub(crate) fn clear(&self) {
        let ready = std::mem::take(&mut lock(&self.state).ready);
        drop(ready);
    }
}
