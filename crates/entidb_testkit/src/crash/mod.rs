//! Crashes the code under test before every call it makes, in every way a file system allows, and looks what is left.
//!
//! Always: what is found after a crash is the model after some number p of operations, with everything acknowledged in
//! it and nothing that was not begun; a second open changes nothing; what recovery found, a crash inside recovery
//! does not lose; the recovered store takes the next operation. A failure prints one line that replays it.
//! Does not know: the code under test, beyond [`Subject`].
//!
//! ```
//! use entidb_storage::{Backend, OpenMode};
//! use entidb_testkit::crash::CrashTest;
//! use entidb_testkit::{Journal, Scenario};
//!
//! // A counter in one byte: written, flushed, acknowledged.
//! CrashTest::new("a_byte_survives", Scenario {
//!     operations: |_seed| vec![1_u8, 2, 3],
//!     model: |all: &[u8]| all.last().copied().unwrap_or(0),
//!     run: |backend: &Backend, operations: &[u8], journal: &Journal| {
//!         let file = backend.directory.open("byte", OpenMode::CreateOrOpen)?;
//!         for byte in operations {
//!             journal.start();
//!             file.write_all_at(0, &[*byte])?;
//!             file.flush_all()?;
//!             backend.directory.flush_names("")?;
//!             journal.acknowledge();
//!         }
//!         Ok(())
//!     },
//!     recover: |backend: &Backend| {
//!         let mut byte = [0];
//!         let file = backend.directory.open("byte", OpenMode::CreateOrOpen)?;
//!         file.read_at(0, &mut byte)?;
//!         Ok(byte[0])
//!     },
//! })
//! # .effort(entidb_testkit::crash::Effort { seeds: 1, variants: 4, second_one_in: 9, third_one_in: 9, states_max: 500 })
//! .run();
//! ```

mod explore;
mod failure;
mod shrink;

pub use failure::{Failure, Place, Step};
pub(crate) use failure::{clip, replay_command};

use entidb_storage::simulated::Personality;

use crate::subject::Subject;
use crate::table::{Row, seconds_now};
use crate::tier::Tier;
use explore::Explorer;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How many workloads, each of its own seed.
    pub seeds: u64,
    /// How many damage variants at each crash.
    pub variants: u32,
    /// One in this number of recovered images is crashed again at every call of its recovery; 0 for none.
    pub second_one_in: u64,
    /// One in this number of those is crashed a third time; 0 for none.
    pub third_one_in: u64,
    /// A workload ends early after this number of images. The report says how many there were.
    pub states_max: u64,
}

impl Effort {
    /// What the tier of this run allows.
    #[must_use]
    pub fn of(tier: Tier) -> Self {
        Self {
            seeds: tier.pick(2, 16, 128),
            variants: 16 + u32::try_from(tier.pick(0, 8, 16)).unwrap_or(0),
            second_one_in: tier.pick(16, 8, 4),
            third_one_in: tier.pick(64, 32, 16),
            states_max: tier.pick(100_000, 1_000_000, 10_000_000),
        }
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Workloads times personalities.
    pub cases: u64,
    /// Calls the workloads made.
    pub calls: u64,
    /// Distinct images recovered and checked, of every depth.
    pub states: u64,
    /// Those of them that were crashed twice.
    pub pairs: u64,
    /// Those of them that were crashed three times.
    pub triples: u64,
    /// Workloads that ended early because of `states_max`.
    pub cut_short: u64,
    /// Time taken.
    pub seconds: f64,
}

impl Summary {
    /// The summary as a row of the run's table.
    #[must_use]
    pub fn row(&self, layer: &str) -> Row {
        Row { layer: layer.to_owned(), cases: self.cases, states: self.states, seconds: self.seconds, ..Row::default() }
    }
}

/// A crash test of one subject.
#[derive(Debug)]
pub struct CrashTest<S> {
    name: String,
    subject: S,
    seed: u64,
    personalities: Vec<Personality>,
    effort: Effort,
    flushes_lie: bool,
    shrinks: bool,
}

impl<S: Subject> CrashTest<S> {
    /// A test with the effort of the run's tier. `name` is the name of the test function, for the line that replays.
    pub fn new(name: impl Into<String>, subject: S) -> Self {
        let tier = Tier::from_environment();
        Self {
            name: name.into(),
            subject,
            seed: seed_from_environment(),
            personalities: Personality::ALL.to_vec(),
            effort: Effort::of(tier),
            flushes_lie: false,
            shrinks: true,
        }
    }

    /// Only these file systems.
    #[must_use]
    pub fn personalities(mut self, personalities: &[Personality]) -> Self {
        self.personalities = personalities.to_vec();
        self
    }

    /// Another effort than the tier's.
    #[must_use]
    pub const fn effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// On a drive that lies about its cache: acknowledged operations may be lost and recovery may refuse with a typed
    /// error, but what is found must still be a whole prefix.
    #[must_use]
    pub const fn on_a_lying_drive(mut self) -> Self {
        self.flushes_lie = true;
        self
    }

    /// Reports the first failure as it was found: for tests that only want to know whether there is one.
    #[must_use]
    pub const fn without_shrinking(mut self) -> Self {
        self.shrinks = false;
        self
    }

    /// Runs the test, or only the case that `ENTIDB_CRASH` names.
    ///
    /// # Errors
    /// The first failure, shrunk to the fewest operations.
    pub fn check(&self) -> Result<Summary, Box<Failure>> {
        let start = seconds_now();
        let mut summary = Summary::default();
        if let Some(place) = Place::from_environment() {
            let result = self.run_place(&place, &mut summary);
            summary.seconds = seconds_now() - start;
            return result.map(|()| summary);
        }
        for personality in &self.personalities {
            for index in 0..self.effort.seeds {
                let seed = self.seed.wrapping_add(index);
                let operations = self.subject.operations(seed);
                let kept: Vec<usize> = (0..operations.len()).collect();
                let mut explorer = self.explorer(*personality, seed, &operations, kept);
                let result = explorer.explore(None);
                summary.add(&explorer);
                if let Err(failure) = result {
                    return Err(if self.shrinks { shrink::shrink(self, failure) } else { failure });
                }
            }
        }
        summary.seconds = seconds_now() - start;
        Ok(summary)
    }

    /// Runs the test and panics with the report when it fails.
    ///
    /// # Panics
    /// On the first failure, with the line that replays it.
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn run(&self) -> Summary {
        match self.check() {
            Ok(summary) => summary,
            Err(failure) => panic!("{failure}"),
        }
    }

    fn explorer<'a>(
        &'a self,
        personality: Personality,
        seed: u64,
        all: &[S::Operation],
        kept: Vec<usize>,
    ) -> Explorer<'a, S> {
        let operations: Vec<S::Operation> = kept.iter().filter_map(|index| all.get(*index).cloned()).collect();
        Explorer::new(&self.subject, &self.name, personality, seed, operations, kept, self.effort, self.flushes_lie)
    }

    /// Runs one case again: the failure, or nothing when it is mended.
    pub fn replay(&self, place: &Place) -> Option<Box<Failure>> {
        self.run_place(place, &mut Summary::default()).err()
    }

    fn run_place(&self, place: &Place, summary: &mut Summary) -> Result<(), Box<Failure>> {
        let all = self.subject.operations(place.seed);
        let mut explorer = self.explorer(place.personality, place.seed, &all, place.kept.clone());
        let result = explorer.explore(Some(&place.steps));
        summary.add(&explorer);
        result
    }
}

impl Summary {
    fn add<S: Subject>(&mut self, explorer: &Explorer<'_, S>) {
        self.cases += 1;
        self.calls += explorer.calls;
        let [states, pairs, triples] = explorer.counts;
        self.states += states + pairs + triples;
        self.pairs += pairs;
        self.triples += triples;
        self.cut_short += u64::from(explorer.is_over());
    }
}

/// The seed of this run: `ENTIDB_SEED`, or always the same.
///
/// # Panics
/// When `ENTIDB_SEED` is no number.
#[expect(clippy::panic, reason = "a test run that was asked for an unreadable seed must not pass with another")]
#[must_use]
pub fn seed_from_environment() -> u64 {
    match std::env::var("ENTIDB_SEED") {
        Err(_) => 1,
        Ok(text) => match text.parse() {
            Ok(seed) => seed,
            Err(_) => panic!("ENTIDB_SEED is {text:?}; use a whole number"),
        },
    }
}
