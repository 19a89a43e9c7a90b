//! Long random histories of the engine against the model, with readers that hold snapshots, under random options.
//!
//! Always: a snapshot reads the same for ever, and so does an iterator that stands still for long; every way to read (get, many at once, ranges both ways, seeks, counters)
//! agrees with the model; at the end the files verify and a copy holds the same.
//! Does not know: crashes and faults.

use std::sync::Arc;

use entidb_engine::{
    Compression, Direction, Durability, Engine, KeyRange, KeySource, Options, Snapshot, VerifyLevel, ZonePolicies,
    ZonePolicy,
};
use entidb_storage::simulated::{Dice, Personality, Simulation, mix};
use entidb_storage::{Backend, NoThreads};

use crate::engine_subject::{apply, contents, small_options};
use crate::long_readers::LongReaders;
use crate::model::{Bytes, Contents, Key};
use crate::subject::{Stop, guarded};
use crate::workload::{Profile, Step, steps};

/// The bound of `small_options` on segments that are open, and one that is being read.
const OPEN_FILES_MAX: u64 = 5;

/// A history of one seed.
#[derive(Debug, Clone, Copy)]
pub struct History {
    seed: u64,
    profile: Profile,
    random_options: bool,
    long_readers: bool,
}

/// What a history did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistorySummary {
    /// Steps done.
    pub steps: u64,
    /// Reads compared.
    pub reads: u64,
    /// Segments at the end.
    pub segments: u64,
    /// Merges made.
    pub compactions: u64,
}

impl History {
    /// A history with small buffers.
    #[must_use]
    pub const fn new(seed: u64, profile: Profile) -> Self {
        Self { seed, profile, random_options: false, long_readers: false }
    }

    /// With options from the seed: sizes, compression, point indexes, encryption, no cache.
    #[must_use]
    pub const fn with_random_options(mut self) -> Self {
        self.random_options = true;
        self
    }

    /// Without closing the database before the end, so that its first snapshot is held for all of it.
    #[must_use]
    pub const fn with_long_readers(mut self) -> Self {
        self.long_readers = true;
        self
    }

    fn options(&self) -> Options {
        if !self.random_options {
            return small_options();
        }
        let mut dice = Dice::new(mix(self.seed, 5));
        let mut zones = ZonePolicies::default();
        for zone in b"abc" {
            let policy = ZonePolicy {
                point_index: dice.coin(),
                block_bytes: 512 << dice.below(6),
                compression: if dice.coin() { Compression::Lz4 } else { Compression::None },
                expires: false,
            };
            zones = zones.with(*zone, policy);
        }
        Options {
            memory_bytes: 1 << (20 + dice.below(5)),
            memtable_bytes: (16 * 1024) << dice.below(6),
            wal_bytes: (64 * 1024) << dice.below(4),
            segment_bytes: (16 * 1024) << dice.below(6),
            auto_checkpoint: dice.coin(),
            key: (dice.coin() || self.profile.keys_change).then(|| KeySource::raw([7; 32])),
            durability: if dice.coin() { Durability::Durable } else { Durability::None },
            zones,
            ..small_options()
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// What went wrong, with the seed.
    pub fn run(&self) -> Result<HistorySummary, String> {
        guarded(|| self.go()).map_err(|stop| format!("history of seed {}: {stop}", self.seed))
    }

    fn go(&self) -> Result<HistorySummary, Stop> {
        let world = Simulation::new(Personality::PosixStrict, self.seed);
        let backend = world.backend();
        let mut engine = Engine::open(backend.clone(), self.options())?;
        let mut expected = Contents::default();
        let mut readers = LongReaders::default();
        let mut dice = Dice::new(mix(self.seed, 9));
        let mut summary = HistorySummary::default();
        for step in steps(self.seed, self.profile) {
            summary.steps += 1;
            match &step {
                Step::Commit(changes, durability) => {
                    let mut transaction = engine.begin_write()?;
                    apply(&mut transaction, changes)?;
                    let before = expected.clone();
                    expected.apply(changes);
                    let probe = any_key(&expected, &mut dice);
                    same(
                        "own reads",
                        &transaction.get(&probe)?.map(|value| value.to_vec()),
                        &owned(&expected, &probe),
                    )?;
                    if dice.once_in(12) {
                        // Changes of a transaction that is given up are never seen.
                        transaction.abort();
                        expected = before;
                    } else {
                        transaction.commit_with(*durability)?;
                    }
                }
                Step::Flush => engine.flush()?,
                Step::Checkpoint => drop(engine.checkpoint()?),
                Step::Compact => {
                    engine.compact()?;
                    readers.check_files(&engine, &backend)?;
                }
                Step::Maintain => drop(engine.maintain(4)?),
                Step::Rotate => engine.rotate_key()?,
                Step::Rekey => drop(engine.rekey()?),
                Step::Reopen | Step::Drop if self.long_readers => {
                    engine.checkpoint()?;
                    readers.check_files(&engine, &backend)?;
                }
                Step::Reopen => {
                    engine.close()?;
                    readers.check_closed()?;
                    let before = std::mem::replace(&mut engine, Engine::open(backend.clone(), self.options())?);
                    // The readers of the one before go last, and remove nothing.
                    readers.clear();
                    drop(before);
                    readers.check_files(&engine, &backend)?;
                }
                Step::Drop => {
                    readers.clear();
                    engine.flush()?;
                    drop(engine);
                    engine = Engine::open(backend.clone(), self.options())?;
                }
            }
            readers.step(&engine, &expected, &mut dice)?;
            let open = engine.stats().open_files;
            same("open segments are within their bound", &(open <= OPEN_FILES_MAX), &true)?;
            summary.reads += look(&engine.snapshot()?, &expected, &mut dice)?;
            if dice.once_in(3) {
                let which = usize::try_from(dice.below(readers.snapshots().len() as u64)).unwrap_or(0);
                if let Some((snapshot, seen)) = readers.snapshots().get(which) {
                    summary.reads += look(snapshot, seen, &mut dice)?;
                }
            }
        }
        for (snapshot, seen) in readers.snapshots() {
            same("a snapshot at the end", &all(snapshot, Direction::Forward)?, seen)?;
        }
        summary.segments = engine.stats().segments;
        summary.compactions = engine.stats().compactions;
        readers.clear();
        readers.check_files(&engine, &backend)?;
        let report = engine.verify(VerifyLevel::Full)?;
        same("problems of the files", &report.problems.len(), &0)?;
        let copy = Backend { threads: Arc::new(NoThreads), ..Backend::memory() };
        engine.backup(&copy)?;
        same("the database at the end", &contents(&engine)?, &expected)?;
        engine.close()?;
        let copied = Engine::open(copy, self.options())?;
        same("the copy", &contents(&copied)?, &expected)?;
        copied.close()?;
        let again = Engine::open(backend, self.options())?;
        same("the database opened again", &contents(&again)?, &expected)?;
        again.close()?;
        Ok(summary)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), Stop> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
    Err(Stop::Wrong(format!("{what}: {}, expected {}", crate::crash::clip(&found), crate::crash::clip(&expected))))
}

fn any_key(contents: &Contents, dice: &mut Dice) -> Vec<u8> {
    let count = contents.0.len() as u64;
    let at = usize::try_from(dice.below(count + 1)).unwrap_or(0);
    // One past the end gives a key that is not there.
    contents.0.keys().nth(at).map_or_else(|| b"b99".to_vec(), |key| key.0.clone())
}

fn owned(contents: &Contents, key: &[u8]) -> Option<Vec<u8>> {
    contents.get(key).map(<[u8]>::to_vec)
}

fn all(snapshot: &Snapshot, direction: Direction) -> Result<Contents, Stop> {
    let mut iter = snapshot.range(KeyRange::all(), direction)?;
    let mut found = Contents::default();
    while iter.advance()? {
        found.0.insert(Key(iter.key().to_vec()), Bytes(iter.value().to_vec()));
    }
    Ok(found)
}

/// Reads in every way and compares. Returns how many reads it made.
fn look(snapshot: &Snapshot, expected: &Contents, dice: &mut Dice) -> Result<u64, Stop> {
    for _ in 0..2 {
        let key = any_key(expected, dice);
        same("get", &snapshot.get(&key)?.map(|value| value.to_vec()), &owned(expected, &key))?;
        same("exists", &snapshot.exists(&key)?, &expected.get(&key).is_some())?;
    }
    let keys: Vec<Vec<u8>> = (0..4).map(|_| any_key(expected, dice)).collect();
    let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let found: Vec<Option<Vec<u8>>> =
        snapshot.multi_get(&asked)?.into_iter().map(|value| value.map(|value| value.to_vec())).collect();
    same("multi_get", &found, &keys.iter().map(|key| owned(expected, key)).collect())?;
    let counter = Key(b"c0".to_vec());
    same("counter", &snapshot.counter(&counter.0)?, &expected.counter(&counter))?;
    same("a whole scan", &all(snapshot, Direction::Forward)?, expected)?;
    let (one, other) = (any_key(expected, dice), any_key(expected, dice));
    let (start, end) = if one <= other { (one, other) } else { (other, one) };
    if start < end {
        let mut model: Vec<Vec<u8>> =
            expected.0.keys().map(|key| key.0.clone()).filter(|key| *key >= start && *key < end).collect();
        for direction in [Direction::Forward, Direction::Reverse] {
            let mut iter = snapshot.range(start.as_slice()..end.as_slice(), direction)?;
            let mut found = Vec::new();
            while iter.advance()? {
                found.push(iter.key().to_vec());
            }
            same("a range", &found, &model)?;
            model.reverse();
        }
        let sought = any_key(expected, dice);
        let mut iter = snapshot.range(KeyRange::all(), Direction::Forward)?;
        iter.seek(&sought)?;
        let found = if iter.advance()? { Some(iter.key().to_vec()) } else { None };
        let model = expected.0.keys().find(|key| key.0 >= sought).map(|key| key.0.clone());
        same("a seek", &found, &model)?;
    }
    Ok(12)
}
