//! Requests as JavaScript writes them, and what becomes of them.
//!
//! Always: a frame that is not as it should be is an error, never read past. Does not know: what arguments are for.
//! Format of a frame: length of the rest (4 bytes), id (4), operation (2), lane (1), flags (1: it can be cancelled, 2: the first
//! argument names a collection of the transaction), handle (8), arguments. Of an argument: its kind (1), and for bytes and texts a length (4) and themselves, for numbers 8 bytes.

use std::sync::Arc;

use entidb_abi::{Cancel, ChangeFeed, Collection, Cursor, Database, Error, Id, Result, Transaction, code};

use super::feed_wait::FeedWait;
use super::lane::Lane;
use super::operations::Operation;
use super::reply::Reply;
use crate::table::{Held, Kind};

/// The head of a frame behind its length.
const HEAD_BYTES: usize = 16;

const NOTHING: u8 = 0;
const BYTES: u8 = 1;
const NUMBER: u8 = 2;
const FALSE: u8 = 3;
const TRUE: u8 = 4;

fn wrong() -> Error {
    Error::new(code::INTERNAL, "a request is not as the JavaScript half writes it; the package is damaged")
}

fn split<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N]> {
    let (head, tail) = rest.split_first_chunk().ok_or_else(wrong)?;
    *rest = tail;
    Ok(head)
}

/// A request as it was written.
pub(crate) struct Frame<'a> {
    /// Which reply is its own.
    pub(crate) id: u32,
    /// What is asked.
    pub(crate) operation: usize,
    /// Where it waits.
    pub(crate) lane: u8,
    /// Whether it has a control.
    pub(crate) can_be_cancelled: bool,
    /// Of what it is asked; 0 for nothing.
    pub(crate) handle: f64,
    names_collection: bool,
    arguments: &'a [u8],
}

/// The frames of a buffer.
pub(crate) struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    /// From the start of a buffer.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn read(&mut self) -> Result<Frame<'a>> {
        let len = u32::from_le_bytes(*split(&mut self.0)?) as usize;
        let (mut rest, tail) = self.0.split_at_checked(len).filter(|_| len >= HEAD_BYTES).ok_or_else(wrong)?;
        self.0 = tail;
        let id = u32::from_le_bytes(*split(&mut rest)?);
        let operation = usize::from(u16::from_le_bytes(*split(&mut rest)?));
        let [lane, flags] = *split(&mut rest)?;
        let handle = f64::from_le_bytes(*split(&mut rest)?);
        let (can_be_cancelled, names_collection) = (flags & 1 != 0, flags & 2 != 0);
        Ok(Frame { id, operation, lane, can_be_cancelled, handle, names_collection, arguments: rest })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let frame = self.read();
        if frame.is_err() {
            self.0 = &[];
        }
        Some(frame)
    }
}

/// A collection that something is asked of.
pub(crate) enum Asked<'a> {
    /// JavaScript has it.
    Held(&'a Collection),
    /// It was taken for the request.
    Taken(Collection),
}

impl std::ops::Deref for Asked<'_> {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        match self {
            Self::Held(collection) => collection,
            Self::Taken(collection) => collection,
        }
    }
}

/// What ends a request before it is done.
pub(crate) struct Control {
    /// Entered by the thread that runs it.
    pub(crate) cancel: Cancel,
    /// Where it waits to begin.
    pub(crate) lane: Lane,
    /// Where it waits for changes.
    pub(crate) wait: Option<Arc<FeedWait>>,
}

/// A request on its way.
pub(crate) struct Job {
    /// Which reply is its own.
    pub(crate) id: u32,
    /// What it does.
    pub(crate) operation: &'static Operation,
    /// What ends it; none for one that nobody can cancel.
    pub(crate) control: Option<Arc<Control>>,
    /// Where it waits for changes; of a feed alone.
    pub(crate) wait: Option<Arc<FeedWait>>,
    handle: f64,
    held: Option<Held>,
    /// Whether its first argument names a collection of the transaction it is asked of. A write transaction is called by one
    /// thread at a time, so JavaScript cannot take the collection meanwhile.
    names_collection: bool,
    arguments: Box<[u8]>,
    /// When it was queued.
    since: Moment,
}

/// A moment of the clock of waits.
#[derive(Clone, Copy)]
pub(crate) struct Moment(std::time::Instant);

impl Moment {
    #[expect(clippy::disallowed_methods, reason = "how long a request waited is no part of what the simulator drives")]
    pub(crate) fn now() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Job {
    /// From its frame.
    pub(crate) fn new(
        frame: &Frame<'_>,
        operation: &'static Operation,
        held: Option<Held>,
        control: Option<Arc<Control>>,
        wait: Option<Arc<FeedWait>>,
    ) -> Self {
        let (id, handle, arguments) = (frame.id, frame.handle, frame.arguments.into());
        let names_collection = frame.names_collection;
        Self { id, operation, control, wait, handle, held, names_collection, arguments, since: Moment::now() }
    }

    /// Its reply.
    pub(crate) fn replied(&self, outcome: Result<super::Given>) -> Reply {
        Reply { id: self.id, within: self.handle, outcome }
    }

    /// The reply to one that is not run.
    pub(crate) fn refused(self, error: Error) -> Reply {
        self.replied(Err(error))
    }

    /// Whether it is not to go on.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.cancel.check().is_err())
    }

    /// How long ago it was queued, in milliseconds.
    pub(crate) fn waited_ms(&self) -> u64 {
        u64::try_from(Moment::now().0.duration_since(self.since.0).as_millis()).unwrap_or(u64::MAX)
    }

    /// Its arguments behind the name of its collection.
    pub(crate) fn arguments(&self) -> Arguments<'_> {
        let mut arguments = Arguments(&self.arguments);
        if self.names_collection && arguments.text().is_err() {
            // Then the next argument is none either.
            arguments.0 = &[];
        }
        arguments
    }

    fn name(&self) -> Option<&str> {
        self.names_collection.then(|| Arguments(&self.arguments).text().ok()).flatten()
    }

    fn of<K: Kind>(&self) -> Result<&K> {
        let missing = || {
            let problem = format!("a {} of this thread was expected, and the handle is none; was it closed?", K::NAME);
            Error::new(code::INVALID_HANDLE, problem)
        };
        self.held.as_ref().and_then(K::of).ok_or_else(missing)
    }

    /// The database it is asked of.
    pub(crate) fn database(&self) -> Result<&Database> {
        self.of()
    }

    /// The collection it is asked of.
    pub(crate) fn collection(&self) -> Result<Asked<'_>> {
        match self.name() {
            None => self.of().map(Asked::Held),
            Some(name) => self.transaction()?.collection(name).map(Asked::Taken),
        }
    }

    /// The cursor it is asked of.
    pub(crate) fn cursor(&self) -> Result<&Cursor> {
        self.of()
    }

    /// The transaction it is asked of.
    pub(crate) fn transaction(&self) -> Result<&Transaction> {
        self.of()
    }

    /// The feed it is asked of.
    pub(crate) fn feed(&self) -> Result<&ChangeFeed> {
        self.of()
    }

    /// Whether both are asked of the same thing.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.handle == other.handle && self.name() == other.name()
    }
}

/// The arguments of a request, one after the other.
pub(crate) struct Arguments<'a>(&'a [u8]);

impl<'a> Arguments<'a> {
    fn kind(&mut self) -> Result<u8> {
        split::<1>(&mut self.0).map(|[kind]| *kind)
    }

    fn bytes_behind(&mut self) -> Result<&'a [u8]> {
        let len = u32::from_le_bytes(*split(&mut self.0)?) as usize;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(wrong)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes, or nothing.
    pub(crate) fn maybe_bytes(&mut self) -> Result<Option<&'a [u8]>> {
        match self.kind()? {
            NOTHING => Ok(None),
            BYTES => self.bytes_behind().map(Some),
            _ => Err(wrong()),
        }
    }

    /// Bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        self.maybe_bytes()?.ok_or_else(wrong)
    }

    /// A text, or nothing.
    pub(crate) fn maybe_text(&mut self) -> Result<Option<&'a str>> {
        self.maybe_bytes()?.map(|bytes| std::str::from_utf8(bytes).map_err(|_| wrong())).transpose()
    }

    /// A text.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        self.maybe_text()?.ok_or_else(wrong)
    }

    /// An id, or nothing.
    pub(crate) fn maybe_id(&mut self) -> Result<Option<&'a Id>> {
        self.maybe_bytes()?.map(|bytes| bytes.try_into().map_err(|_| wrong())).transpose()
    }

    /// An id.
    pub(crate) fn id(&mut self) -> Result<&'a Id> {
        self.maybe_id()?.ok_or_else(wrong)
    }

    /// Ids, 16 bytes each.
    pub(crate) fn ids(&mut self) -> Result<Vec<Id>> {
        match self.bytes()?.as_chunks::<16>() {
            (ids, []) => Ok(ids.to_vec()),
            _ => Err(wrong()),
        }
    }

    /// A whole number, or nothing.
    pub(crate) fn maybe_number(&mut self) -> Result<Option<u64>> {
        match self.kind()? {
            NOTHING => Ok(None),
            // JavaScript checked that it is whole and not negative.
            NUMBER => Ok(Some(f64::from_le_bytes(*split(&mut self.0)?) as u64)),
            _ => Err(wrong()),
        }
    }

    /// A whole number.
    pub(crate) fn number(&mut self) -> Result<u64> {
        self.maybe_number()?.ok_or_else(wrong)
    }

    /// A number that counts entities or bytes.
    pub(crate) fn count(&mut self) -> Result<usize> {
        usize::try_from(self.number()?).map_err(|_| wrong())
    }

    /// True or false.
    pub(crate) fn flag(&mut self) -> Result<bool> {
        match self.kind()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Err(wrong()),
        }
    }
}
