//! Small databases to do harm to: all kinds of files, all kinds of entries, and the exact content to compare with.
//!
//! Always: the same flavour gives the same operations; the content after every commit is known. Randomness is never
//! repeated between openings, as on a real machine, so that a nonce used twice is the engine's fault and not ours.
//! Does not know: what is done to the files.

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_engine::{
    AesGcmProvider, Compression, Direction, Engine, Error, KdfParameters, KeyRange, KeySource, Options, Provider,
    Result, ZonePolicies, ZonePolicy,
};
use entidb_storage::simulated::{Frozen, Personality, Simulation};
use entidb_storage::{Backend, Random, SeededRandom};

/// Everything in a database.
pub type Content = BTreeMap<Vec<u8>, Vec<u8>>;

/// How the bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// As they are.
    Plain,
    /// Blocks are compressed.
    Compressed,
    /// Blocks are compressed and everything is encrypted.
    Encrypted,
}

impl Flavour {
    /// Every flavour.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Compressed, Self::Encrypted];
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a close.
    Closed,
    /// As in a crash, with the handle dropped.
    Dropped,
}

/// The raw key of encrypted samples.
pub const KEY: [u8; 32] = [0x42; 32];

/// A database that was made, and what is in it.
#[derive(Debug)]
pub struct Sample {
    /// How its bytes are stored.
    pub flavour: Flavour,
    /// The device.
    pub frozen: Frozen,
    /// The device after each step before, for files that are exchanged for their older selves.
    pub older: Vec<Frozen>,
    /// The content after each commit; the first is empty.
    pub states: Vec<Content>,
    /// Of randomness nobody has seen, for opening it again.
    pub random: Arc<SeededRandom>,
}

impl Sample {
    /// What is in it.
    #[must_use]
    pub fn content(&self) -> &Content {
        static NOTHING: Content = Content::new();
        self.states.last().unwrap_or(&NOTHING)
    }

    /// A machine with the database on it.
    #[must_use]
    pub fn world(&self) -> Simulation {
        self.frozen.resume()
    }

    /// The machine as a database sees it.
    #[must_use]
    pub fn backend(&self, world: &Simulation) -> Backend {
        with_random(world, &self.random)
    }
}

fn with_random(world: &Simulation, random: &Arc<SeededRandom>) -> Backend {
    let random: Arc<dyn Random> = Arc::clone(random) as _;
    Backend { random, ..world.backend() }
}

/// The options of a flavour: everything small, nothing in the background.
#[must_use]
pub fn options(flavour: Flavour, provider: Arc<dyn Provider>) -> Options {
    let compression = if flavour == Flavour::Plain { Compression::None } else { Compression::Lz4 };
    let scanned = ZonePolicy { point_index: false, block_bytes: 1024, compression, expires: false };
    let looked_up = ZonePolicy { point_index: true, ..scanned };
    Options {
        key: (flavour == Flavour::Encrypted).then(|| KeySource::raw(KEY)),
        kdf: KdfParameters { memory_kib: 8, iterations: 1, parallelism: 1 },
        allow_weak_kdf: true,
        provider,
        memory_bytes: 1 << 20,
        memtable_bytes: 1 << 20,
        segment_bytes: 64 * 1024,
        auto_checkpoint: false,
        background: false,
        zones: ZonePolicies::uniform(scanned).with(b'e', looked_up),
        ..Options::default()
    }
}

/// The options of a flavour for reading only.
#[must_use]
pub fn read_only(flavour: Flavour) -> Options {
    Options { read_only: true, create: false, ..options(flavour, Arc::new(AesGcmProvider)) }
}

/// Makes a sample: three sessions, each with a checkpoint, and commits in the log at the end.
///
/// # Errors
/// Those of the engine.
pub fn build(flavour: Flavour, ending: Ending, provider: &Arc<dyn Provider>) -> Result<Sample> {
    build_with_seed(flavour, ending, provider, 80)
}

/// As [`build`], with randomness of this seed: the same content, but another id, other keys and other salts.
///
/// # Errors
/// Those of the engine.
pub fn build_with_seed(flavour: Flavour, ending: Ending, provider: &Arc<dyn Provider>, seed: u64) -> Result<Sample> {
    let world = Simulation::new(Personality::PosixStrict, 8);
    let random = Arc::new(SeededRandom::new(seed.wrapping_mul(1000) + flavour as u64));
    let mut states = vec![Content::new()];
    let mut older = Vec::new();
    for session in 0..3_u64 {
        let engine = Engine::open(with_random(&world, &random), options(flavour, Arc::clone(provider)))?;
        for commit in 0..4 {
            states.push(commit_some(&engine, states.last(), session * 4 + commit)?);
            if commit == 1 {
                engine.checkpoint()?;
                older.push(world.freeze());
            }
        }
        older.push(world.freeze());
        if session < 2 || ending == Ending::Closed {
            engine.close()?;
            older.push(world.freeze());
        }
    }
    if ending == Ending::Closed {
        older.pop();
    }
    Ok(Sample { flavour, frozen: world.freeze(), older, states, random })
}

/// One commit with every kind of change, and the content after it.
fn commit_some(engine: &Engine, before: Option<&Content>, seed: u64) -> Result<Content> {
    let mut content = before.cloned().unwrap_or_default();
    let dice = SeededRandom::new(seed);
    let mut transaction = engine.begin_write()?;
    for _ in 0..24 {
        let zone = if dice.below(2) == 0 { 'e' } else { 's' };
        let key = format!("{zone}{:03}", dice.below(200)).into_bytes();
        let value = if dice.below(8) == 0 {
            let mut noise = vec![0; 300];
            dice.fill(&mut noise).map_err(Error::Storage)?;
            noise
        } else {
            format!("value {} of commit {seed} ", dice.below(1000)).repeat(1 + dice.below(5) as usize).into_bytes()
        };
        transaction.put(&key, &value)?;
        content.insert(key, value);
    }
    for _ in 0..3 {
        let key = format!("e{:03}", dice.below(200)).into_bytes();
        transaction.delete(&key)?;
        content.remove(&key);
    }
    let start = format!("s{:03}", dice.below(200)).into_bytes();
    let end = [start.as_slice(), b"9"].concat();
    transaction.delete_range(&start, &end)?;
    content.retain(|key, _| !(key >= &start && key < &end));
    let sum = content.get(b"count".as_slice()).and_then(|bytes| bytes.as_slice().try_into().ok());
    let sum = sum.map_or(0, i64::from_le_bytes).wrapping_add(seed as i64 + 1);
    transaction.add(b"count", seed as i64 + 1)?;
    content.insert(b"count".to_vec(), sum.to_le_bytes().to_vec());
    transaction.commit()?;
    Ok(content)
}

/// Reads everything in every way there is: forward, backward, and each key by itself.
///
/// # Errors
/// Those of the engine.
pub fn read_all(engine: &Engine, keys: &Content) -> Result<Content> {
    let snapshot = engine.snapshot()?;
    let mut content = Content::new();
    let mut iter = snapshot.range(KeyRange::all(), Direction::Forward)?;
    while iter.advance()? {
        content.insert(iter.key().to_vec(), iter.value().to_vec());
    }
    let mut backward = Content::new();
    let mut iter = snapshot.range(KeyRange::all(), Direction::Reverse)?;
    while iter.advance()? {
        backward.insert(iter.key().to_vec(), iter.value().to_vec());
    }
    let mut single = Content::new();
    for key in keys.keys().chain(content.keys()) {
        if let Some(value) = snapshot.get(key)? {
            single.insert(key.clone(), value.to_vec());
        }
    }
    if content != backward || content != single {
        let detail = "forward, backward and single reads disagree".to_owned();
        return Err(Error::Internal { detail });
    }
    Ok(content)
}
