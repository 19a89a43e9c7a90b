//! What a harness needs to know of the code under test: how to run it, how to recover it, what is right.
//!
//! Always: operations are data, so a failing run can be shrunk; the journal knows at each moment what was promised.
//! Does not know: crashes and faults; the harnesses bring those.

use std::error::Error;
use std::fmt::{self, Debug};
use std::panic::{AssertUnwindSafe, catch_unwind};

use entidb_storage::Backend;
use parking_lot::Mutex;

/// Why a run or a recovery came to an end.
#[derive(Debug)]
pub enum Stop {
    /// The code under test returned an error. Right under a fault, wrong without one.
    Error(Box<dyn Error + Send + Sync>),
    /// The code under test gave a wrong answer. Never right.
    Wrong(String),
    /// The code under test panicked. Never right.
    Panicked(String),
}

impl<E: Error + Send + Sync + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(Box::new(error))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => write!(f, "error: {error}"),
            Self::Wrong(what) => write!(f, "wrong answer: {what}"),
            Self::Panicked(what) => write!(f, "panic: {what}"),
        }
    }
}

/// What became of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was begun: it may be durable or not.
    Started,
    /// It was promised to be durable.
    Acknowledged,
    /// It failed, and it was promised that it left nothing.
    Refused,
    /// It failed, and nobody knows whether it is durable.
    Doubted,
}

/// The promises made so far, in the order of the operations.
#[derive(Debug, Default)]
pub struct Journal {
    fates: Mutex<Promises>,
}

#[derive(Debug, Default, Clone)]
struct Promises {
    fates: Vec<Fate>,
    acknowledged: usize,
}

impl Journal {
    /// The next operation begins.
    pub fn start(&self) {
        self.fates.lock().fates.push(Fate::Started);
    }

    /// Every operation begun so far is durable, except those that failed.
    pub fn acknowledge(&self) {
        let mut promises = self.fates.lock();
        let count = promises.fates.len();
        promises.acknowledge(count);
    }

    /// The first `count` operations are durable, except those that failed.
    pub fn acknowledge_first(&self, count: usize) {
        self.fates.lock().acknowledge(count);
    }

    /// The newest operation failed and left nothing.
    pub fn refuse(&self) {
        self.decide(Fate::Refused);
    }

    /// The newest operation failed and may or may not be durable.
    pub fn doubt(&self) {
        self.decide(Fate::Doubted);
    }

    fn decide(&self, fate: Fate) {
        if let Some(last) = self.fates.lock().fates.last_mut() {
            *last = fate;
        }
    }

    /// What became of each operation so far.
    #[must_use]
    pub fn fates(&self) -> Vec<Fate> {
        self.fates.lock().fates.clone()
    }

    /// How many operations were begun.
    #[must_use]
    pub fn started(&self) -> usize {
        self.fates.lock().fates.len()
    }

    /// How many of the first operations are promised to be durable.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.fates.lock().acknowledged
    }

    /// True when an operation failed.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.fates.lock().fates.iter().any(|fate| matches!(fate, Fate::Refused | Fate::Doubted))
    }
}

impl Promises {
    fn acknowledge(&mut self, count: usize) {
        for fate in self.fates.iter_mut().take(count) {
            if *fate == Fate::Started {
                *fate = Fate::Acknowledged;
            }
        }
        self.acknowledged = self.acknowledged.max(count.min(self.fates.len()));
    }
}

/// The code under test, as a harness sees it.
pub trait Subject {
    /// One step of a workload. What it does may depend on the steps before it, but not on anything else.
    type Operation: Clone + Debug;
    /// Everything a reader can see.
    type State: PartialEq + Debug;

    /// The workload of a seed.
    fn operations(&self, seed: u64) -> Vec<Self::Operation>;

    /// What must be seen after these operations.
    fn model(&self, operations: &[Self::Operation]) -> Self::State;

    /// Opens what is there (or makes it), does the operations, closes. Journals each operation. Goes on after a
    /// failed operation where the code under test lets it.
    ///
    /// # Errors
    /// `Stop::Error` when the code under test failed as a whole, `Stop::Wrong` when it gave a wrong answer.
    fn run(&self, backend: &Backend, operations: &[Self::Operation], journal: &Journal) -> Result<(), Stop>;

    /// Opens what is there, reads everything, closes.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    fn recover(&self, backend: &Backend) -> Result<Self::State, Stop>;
}

/// A subject made of four closures, for the common case.
#[derive(Debug, Clone, Copy)]
pub struct Scenario<O, M, R, V> {
    /// See [`Subject::operations`].
    pub operations: O,
    /// See [`Subject::model`].
    pub model: M,
    /// See [`Subject::run`].
    pub run: R,
    /// See [`Subject::recover`].
    pub recover: V,
}

impl<Operation, State, O, M, R, V> Subject for Scenario<O, M, R, V>
where
    Operation: Clone + Debug,
    State: PartialEq + Debug,
    O: Fn(u64) -> Vec<Operation>,
    M: Fn(&[Operation]) -> State,
    R: Fn(&Backend, &[Operation], &Journal) -> Result<(), Stop>,
    V: Fn(&Backend) -> Result<State, Stop>,
{
    type Operation = Operation;
    type State = State;

    fn operations(&self, seed: u64) -> Vec<Operation> {
        (self.operations)(seed)
    }

    fn model(&self, operations: &[Operation]) -> State {
        (self.model)(operations)
    }

    fn run(&self, backend: &Backend, operations: &[Operation], journal: &Journal) -> Result<(), Stop> {
        (self.run)(backend, operations, journal)
    }

    fn recover(&self, backend: &Backend) -> Result<State, Stop> {
        (self.recover)(backend)
    }
}

/// Runs `body`, turning a panic into a [`Stop`].
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Stop>) -> Result<T, Stop> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = (payload.downcast_ref::<&str>().map(ToString::to_string))
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "of an unknown kind".to_owned());
        Err(Stop::Panicked(text))
    })
}
