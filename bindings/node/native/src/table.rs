//! What JavaScript holds: numbers, and behind each a database, collection, cursor, transaction or feed of this thread.
//!
//! Always: a number is given once in the life of the process, so one that was let go of, or belongs to another worker, is
//! refused and never means something else. What is below a database goes with it. When a worker ends, all of its goes.
//! Does not know: what calls do. Why numbers and not objects of JavaScript: docs/decisions.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_abi::{ChangeFeed, Collection, Cursor, Database, Transaction, code};
use napi::bindgen_prelude::Buffer;
use napi::{Env, Result};
use napi_derive::napi;

use crate::buffer::{Buffers, Call};
use crate::failure::thrown;
use crate::{ending, work};

/// What stands behind a number, also while a request works on it.
#[derive(Clone)]
pub(crate) enum Held {
    /// An open database.
    Database(Arc<Database>),
    /// A collection of a database or transaction.
    Collection(Arc<Collection>),
    /// A walk over entities.
    Cursor(Arc<Cursor>),
    /// A transaction or snapshot.
    Transaction(Arc<Transaction>),
    /// A reader of the change feed.
    ChangeFeed(Arc<ChangeFeed>),
}

/// One of the things held.
pub(crate) trait Kind: Sized {
    /// The word used in messages.
    const NAME: &'static str;
    /// The thing, when it is of this kind.
    fn of(held: &Held) -> Option<&Self>;
    /// The thing, held.
    fn held(self) -> Held;
}

macro_rules! kinds {
    ($($kind:ident $name:literal),*) => {
        $(impl Kind for $kind {
            const NAME: &'static str = $name;

            fn of(held: &Held) -> Option<&Self> {
                match held {
                    Held::$kind(inner) => Some(inner),
                    _ => None,
                }
            }

            fn held(self) -> Held {
                Held::$kind(Arc::new(self))
            }
        })*
    };
}

kinds!(
    Database "database", Collection "collection", Cursor "cursor", Transaction "transaction",
    ChangeFeed "change feed"
);

/// Bits of a number that say the place; the other 33 that a double keeps exactly say which of all it is.
const PLACE_BITS: u32 = 20;
const PLACES_MAX: usize = 1 << PLACE_BITS;
const COUNT_MASK: u64 = (1 << (53 - PLACE_BITS)) - 1;

/// Counts for all workers, so that no two of them ever hold the same number.
static GIVEN: AtomicU64 = AtomicU64::new(1);

struct Place {
    number: u64,
    /// The database it is below; itself for one.
    database: u64,
    /// What it was taken from.
    within: u64,
    held: Option<Held>,
}

/// Everything held by this thread.
#[derive(Default)]
pub(crate) struct Handles {
    places: Vec<Place>,
    free: Vec<usize>,
    live_count: usize,
}

fn unknown(what: &str) -> napi::Error {
    let problem = format!("a {what} of this thread was expected, and the handle is none; was it closed?");
    thrown(&entidb_abi::Error::new(code::INVALID_HANDLE, problem))
}

/// What does not survive the cast is no number that was given.
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

impl Handles {
    fn place(&self, number: f64) -> Option<&Place> {
        let number = whole(number);
        let at = usize::try_from(number).unwrap_or(usize::MAX) & (PLACES_MAX - 1);
        self.places.get(at).filter(|place| place.number == number && place.held.is_some())
    }

    /// What a number stands for.
    pub(crate) fn get<K: Kind>(&self, number: f64) -> Result<&K> {
        self.place(number).and_then(|place| place.held.as_ref()).and_then(K::of).ok_or_else(|| unknown(K::NAME))
    }

    /// What a number stands for, of any kind.
    pub(crate) fn share(&self, number: f64) -> Option<Held> {
        self.place(number).and_then(|place| place.held.clone())
    }

    /// The number of the database below which it is; 0 when it stands for nothing.
    pub(crate) fn database_of(&self, number: f64) -> u64 {
        self.place(number).map_or(0, |place| place.database)
    }

    /// Holds what was taken from another thing, or from nothing.
    pub(crate) fn hold<K: Kind>(&mut self, taken: K, within: Option<f64>) -> Result<f64> {
        self.hold_shared(taken.held(), within)
    }

    /// As `hold`, for what requests may work on already.
    pub(crate) fn hold_shared(&mut self, held: Held, within: Option<f64>) -> Result<f64> {
        let from = within.and_then(|number| self.place(number)).map(|place| (place.number, place.database));
        let at = match self.free.pop() {
            Some(at) => at,
            None if self.places.len() < PLACES_MAX => {
                self.places.push(Place { number: 0, database: 0, within: 0, held: None });
                self.places.len() - 1
            }
            None => {
                let problem = "a thread holds at most 1,048,576 handles; close what is not used any more";
                return Err(thrown(&entidb_abi::Error::new(code::TOO_LARGE, problem)));
            }
        };
        let count = GIVEN.fetch_add(1, Ordering::Relaxed) & COUNT_MASK;
        let number = (count << PLACE_BITS) | u64::try_from(at).unwrap_or_default();
        let (within, database) = from.unwrap_or((0, number));
        if let Some(place) = self.places.get_mut(at) {
            *place = Place { number, database, within, held: Some(held) };
            self.live_count += 1;
        }
        Ok(double(number))
    }

    fn empty(&mut self, at: usize) {
        if let Some(place) = self.places.get_mut(at)
            && let Some(held) = place.held.take()
        {
            self.free.push(at);
            self.live_count -= 1;
            if matches!(held, Held::Database(_) | Held::ChangeFeed(_)) {
                work::forget(place.number);
            }
        }
    }

    fn empty_where(&mut self, choose: impl Fn(&Place) -> bool) {
        for at in 0..self.places.len() {
            if self.places.get(at).is_some_and(&choose) {
                self.empty(at);
            }
        }
    }

    /// Lets go of one thing: of a database with all below it, of a transaction with the collections of it. Something that
    /// is not held any more is fine.
    pub(crate) fn release(&mut self, number: f64) {
        let Some(place) = self.place(number) else { return };
        let number = place.number;
        match place.held {
            Some(Held::Database(_)) => self.empty_where(|place| place.database == number && place.number != number),
            Some(Held::Transaction(_)) => {
                self.empty_where(|place| place.within == number && matches!(place.held, Some(Held::Collection(_))));
            }
            _ => {}
        }
        self.empty(usize::try_from(number).unwrap_or(usize::MAX) & (PLACES_MAX - 1));
    }
}

/// The number as JavaScript has it; 53 bits are exact.
fn double(number: u64) -> f64 {
    number as f64
}

/// A count for JavaScript.
pub(crate) fn count(number: u64) -> f64 {
    double(number)
}

/// All of a thread.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) handles: Handles,
    pub(crate) buffers: Buffers,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
}

/// Works with the table of this thread. Nothing that runs inside calls JavaScript, so nothing comes back in here.
pub(crate) fn table<R>(run: impl FnOnce(&mut Table) -> Result<R>) -> Result<R> {
    TABLE.with_borrow_mut(run)
}

/// Works with the table and the numbers that JavaScript wrote for this call.
pub(crate) fn call<R>(run: impl FnOnce(&mut Table, &Call) -> Result<R>) -> Result<R> {
    table(|table| {
        let call = table.buffers.call()?;
        run(table, &call)
    })
}

/// Calls what a number stands for.
pub(crate) fn with<K: Kind, R>(number: f64, run: impl FnOnce(&K) -> entidb_abi::Result<R>) -> Result<R> {
    table(|table| run(table.handles.get(number)?).map_err(|error| thrown(&error)))
}

/// Calls what a number stands for, and holds what it gives.
pub(crate) fn take<K: Kind, T: Kind>(number: f64, run: impl FnOnce(&K) -> entidb_abi::Result<T>) -> Result<f64> {
    table(|table| {
        let taken = run(table.handles.get(number)?).map_err(|error| thrown(&error))?;
        table.handles.hold(taken, Some(number))
    })
}

/// Once for each thread that loads the module, with the place for the numbers of calls and, of a worker, the byte that tells
/// that it ends in the middle of one: what the thread still holds at its end goes then.
#[napi]
pub fn attach(env: &Env, numbers: Buffer, told: Option<Buffer>) -> Result<()> {
    TABLE.with_borrow_mut(|table| table.buffers.set_numbers(numbers));
    if let Some(told) = told {
        ending::watch(env, told);
    }
    env.add_env_cleanup_hook((), |()| {
        // What is let go of here is let go of as always.
        work::end();
        ending::forget();
        TABLE.with_borrow_mut(|table| *table = Table::default());
    })
    .map(drop)
}

/// Lets go of what a number stands for.
#[napi]
pub fn release(number: f64) {
    TABLE.with_borrow_mut(|table| table.handles.release(number));
}

/// How many things this thread holds.
#[napi]
pub fn handle_count() -> u32 {
    TABLE.with_borrow(|table| u32::try_from(table.handles.live_count).unwrap_or(u32::MAX))
}
