//! Requests of promises: work on threads of this module's own, while JavaScript goes on.
//!
//! Always: the requests of one turn of JavaScript cross in one call, and so do the replies that are ready. A request holds what it
//! works on alive. Requests of one lane begin in their order. Nothing of this runs after the end of the thread of JavaScript
//! they came from. Does not know: what a request means (`operations`).

mod feed_wait;
mod lane;
mod operations;
mod reply;
mod request;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use entidb_abi::{Cancel, Error, code};
use napi::bindgen_prelude::Function;
use napi::{Env, Result};
use napi_derive::napi;

use crate::failure::{given, refused};
use crate::table::{Handles, Held, count, table, whole};
use feed_wait::FeedWait;
use lane::{Lane, Threads};
use reply::{Given, Replies, Reply, Waker};
use request::{Control, Frames, Job};

/// Short reads, which take turns on few threads.
const READ: u8 = 0;
/// Reads that may take long.
const FIND: u8 = 1;
/// Changes outside a transaction, and beginning one, in their order: they may wait for the write lock.
const WRITE: u8 = 2;
/// Calls of the write transaction: they never wait for the lock, so they are not behind those that do.
const TRANSACTION: u8 = 3;

/// How many threads the lanes that all databases share have at most.
const READ_THREADS_MAX: usize = 2;
const FIND_THREADS_MAX: usize = 4;
const LONG_THREADS_MAX: usize = 16;

/// The lanes that belong to one database, since it has one writer.
struct OfDatabase {
    write: Lane,
    transaction: Lane,
}

/// All of a thread of JavaScript.
struct Work {
    replies: Arc<Replies>,
    threads: Arc<Threads>,
    wake: Waker,
    read: Lane,
    find: Lane,
    long: Lane,
    databases: HashMap<u64, OfDatabase>,
    /// Readers of feeds that may wait to be told, by their numbers.
    waits: HashMap<u64, Arc<FeedWait>>,
    /// Requests that can be cancelled.
    controls: HashMap<u32, Arc<Control>>,
    /// Requests without a reply; the loop of JavaScript stays for them.
    pending: usize,
}

thread_local! {
    static WORK: RefCell<Option<Work>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn working<R>(run: impl FnOnce(&mut Work) -> Result<R>) -> Result<R> {
    WORK.with_borrow_mut(|work| {
        run(work.as_mut().ok_or_else(|| refused("this thread has no lanes; call asyncAttach"))?)
    })
}

impl Work {
    fn lane(&self, number: u8, database: u64) -> entidb_abi::Result<&Lane> {
        let own = || {
            let closed = || Error::new(code::CLOSED, "the database is closed; open it again");
            self.databases.get(&database).ok_or_else(closed)
        };
        Ok(match number {
            READ => &self.read,
            FIND => &self.find,
            WRITE => &own()?.write,
            TRANSACTION => &own()?.transaction,
            // What takes long, each on a thread of its own.
            _ => &self.long,
        })
    }

    /// Queues a request, or refuses it.
    fn submit(&mut self, handles: &Handles, request: &request::Frame<'_>) -> entidb_abi::Result<()> {
        let operation = operations::find(request.operation)?;
        let held = handles.share(request.handle);
        let database = handles.database_of(request.handle);
        let wait = self.waits.get(&whole(request.handle)).cloned();
        let lane = self.lane(request.lane, database)?.clone();
        let control = if request.can_be_cancelled {
            let control = Arc::new(Control { cancel: Cancel::new(None)?, lane: lane.clone(), wait: wait.clone() });
            self.controls.insert(request.id, Arc::clone(&control));
            Some(control)
        } else {
            None
        };
        let job = Job::new(request, operation, held, control, wait);
        lane.submit(job);
        Ok(())
    }

    /// Drops the requests that have not begun.
    fn clear(&self) {
        for wait in self.waits.values() {
            drop(wait.take());
        }
        let of_databases = self.databases.values().flat_map(|lanes| [&lanes.write, &lanes.transaction]);
        for lane in of_databases.chain([&self.read, &self.find, &self.long]) {
            lane.clear();
        }
    }

    /// Holds what a reply gives, so that JavaScript gets its number.
    fn hold(&mut self, handles: &mut Handles, within: f64, given: Given) -> entidb_abi::Result<Given> {
        let gone = || Error::new(code::CLOSED, "what this was asked of was closed meanwhile; open it again");
        let hold = |handles: &mut Handles, held: Held, within: Option<f64>| {
            if within.is_some_and(|within| handles.share(within).is_none()) {
                return Err(gone());
            }
            let full = || {
                Error::new(code::TOO_LARGE, "a thread holds at most 1,048,576 handles; close what is not used any more")
            };
            handles.hold_shared(held, within).map_err(|_| full())
        };
        Ok(match given {
            Given::Begun(transaction, about) => {
                Given::NumberedMade(hold(handles, Held::Transaction(transaction), Some(within))?, about)
            }
            Given::Feed(feed, wait, position) => {
                let number = hold(handles, Held::ChangeFeed(feed), Some(within))?;
                wait.use_lane(&self.find);
                self.waits.insert(whole(number), wait);
                Given::NumberedMade(number, position.into_bytes())
            }
            Given::Opened(database, lock_timeout) => {
                let weak = Arc::downgrade(&database);
                let number = hold(handles, Held::Database(database), None)?;
                let lane = |of: Weak<_>| Lane::of_database(&self.replies, &self.threads, of, lock_timeout);
                let lanes = OfDatabase { write: lane(weak), transaction: lane(Weak::new()) };
                self.databases.insert(whole(number), lanes);
                Given::Number(number)
            }
            Given::Batch(cursor, parts) => {
                let number = match cursor {
                    Some(cursor) => hold(handles, Held::Cursor(cursor), Some(within))?,
                    None => 0.0,
                };
                Given::Numbered(number, parts)
            }
            other => other,
        })
    }
}

/// Once for each thread of JavaScript that makes requests: `wake` is called when replies are ready. Returns the names of the
/// operations, whose places are their numbers.
#[napi]
pub fn async_attach(env: &Env, wake: Function<'_, (), ()>) -> Result<Vec<String>> {
    let wake = wake.build_threadsafe_function::<()>().weak::<true>().callee_handled::<false>().build()?;
    let wake = Arc::new(wake);
    let replies = Arc::new(Replies::new(Arc::clone(&wake)));
    let threads = Arc::new(Threads::new(given(Cancel::new(None))?));
    let lane = |most: usize| Lane::new(&replies, &threads, most);
    WORK.set(Some(Work {
        read: lane(READ_THREADS_MAX),
        find: lane(FIND_THREADS_MAX),
        long: lane(LONG_THREADS_MAX),
        databases: HashMap::new(),
        waits: HashMap::new(),
        controls: HashMap::new(),
        pending: 0,
        wake: Waker::new(env, wake),
        threads,
        replies,
    }));
    Ok(operations::names())
}

/// Ends everything before the thread of JavaScript does: running requests within 10 ms of work, waiting ones at once.
pub(crate) fn end() {
    let Some(work) = WORK.take() else { return };
    work.threads.stop();
    work.clear();
    work.threads.wait();
    // What woke meanwhile went back to a lane.
    work.clear();
    work.replies.clear();
}

/// Queues the requests whose frames are in a buffer that was lent.
#[napi]
pub fn async_submit(buffer_index: u32, len: u32) -> Result<()> {
    table(|table| {
        let bytes = table.buffers.read(buffer_index, len)?.to_vec();
        working(|work| {
            let was_idle = work.pending == 0;
            let mut refusals = Vec::new();
            for frame in Frames::new(&bytes) {
                let frame = given(frame)?;
                work.pending += 1;
                if let Err(error) = work.submit(&table.handles, &frame) {
                    refusals.push(Reply { id: frame.id, within: frame.handle, outcome: Err(error) });
                }
            }
            if was_idle && work.pending > 0 {
                work.wake.keep_alive(true)?;
            }
            work.replies.deliver(&mut refusals);
            Ok(())
        })
    })
}

/// Writes replies that are ready to a buffer that was lent: one byte that says whether there are more, then their frames. Gives
/// how many bytes that are; 0 when there is none, and the negative length of the first when it does not fit.
#[napi]
pub fn async_take(buffer_index: u32) -> Result<f64> {
    table(|table| {
        working(|work| {
            let handles = &mut table.handles;
            let room = table.buffers.get(buffer_index)?;
            let mut at = 1;
            let mut more = false;
            loop {
                let left = room.len() - at;
                let reply = match work.replies.next(left) {
                    reply::Next::Reply(reply) => reply,
                    reply::Next::TooLong(needed) if at == 1 => return Ok(-count(needed as u64 + 1)),
                    reply::Next::TooLong(_) => {
                        more = true;
                        break;
                    }
                    reply::Next::None => break,
                };
                work.pending = work.pending.saturating_sub(1);
                work.controls.remove(&reply.id);
                let outcome = reply.outcome.and_then(|given| work.hold(handles, reply.within, given));
                let Some(place) = room.get_mut(at..) else { break };
                at += reply::write(reply.id, &outcome, place);
            }
            if let Some(first) = room.first_mut() {
                *first = u8::from(more);
            }
            if work.pending == 0 {
                work.wake.keep_alive(false)?;
            }
            Ok(if at == 1 { 0.0 } else { count(at as u64) })
        })
    })
}

/// Ends a request: its reply comes as always, and says CANCELLED unless it was done first.
#[napi]
pub fn async_cancel(id: u32) -> Result<()> {
    working(|work| {
        let Some(control) = work.controls.get(&id) else { return Ok(()) };
        control.cancel.cancel();
        let waiting = control.lane.remove(id).or_else(|| control.wait.as_ref().and_then(|wait| wait.remove(id)));
        if let Some(job) = waiting {
            work.replies
                .deliver(&mut vec![job.refused(Error::new(code::CANCELLED, "the call was cancelled before it began"))]);
        }
        Ok(())
    })
}

/// The database or feed of this number is used no more.
pub(crate) fn forget(number: u64) {
    // A thread that is ending has nothing left to forget.
    let forgotten = WORK.try_with(|work| {
        let mut work = work.try_borrow_mut().ok()?;
        let work = work.as_mut()?;
        let lanes = work.databases.remove(&number);
        if let Some(lanes) = &lanes {
            lanes.write.retire();
            lanes.transaction.retire();
        }
        Some((lanes, work.waits.remove(&number)))
    });
    drop(forgotten);
}

/// How many threads there are now.
#[napi]
pub fn async_thread_count() -> u32 {
    WORK.with_borrow(|work| work.as_ref().map_or(0, |work| work.threads.count()))
}
