//! Random histories of a zone whose entries expire, with snapshots, merges, crashes and a backup, against a model.
//!
//! Always: what is compared is what a reader may rely on: the entries of commits from its watermark on. Nothing is done in the
//! background, so that a mistake planted in this thread is made. Does not know: who moves the watermark in a real database.

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_engine::{Direction, Durability, Engine, Error, Options, Sequence, Snapshot, ZonePolicies, ZonePolicy};
use entidb_storage::simulated::{Personality, Simulation, Variant};
use entidb_storage::{Backend, Call, Operation, SeededRandom, Watcher};
use parking_lot::Mutex;

const MARK: &[u8] = b"m/mark";
const ZONE: u8 = b'h';

/// Every key that was written in the zone, by its commit.
type Written = BTreeMap<u64, Vec<Vec<u8>>>;

fn open(backend: Backend) -> Result<Engine, Error> {
    let expires = ZonePolicy { expires: true, block_bytes: 512, ..ZonePolicy::default() };
    let zones = ZonePolicies::default().with(ZONE, expires).watermark_at(MARK);
    Engine::open(backend, Options { memtable_bytes: 16 << 10, zones, background: false, ..Options::default() })
}

fn number(stored: Option<entidb_engine::Value>) -> u64 {
    let bytes = stored.and_then(|value| <[u8; 8]>::try_from(value.as_bytes()).ok());
    bytes.map_or(0, u64::from_be_bytes)
}

fn sequence_of(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |tail| u64::from_be_bytes(*tail))
}

type Action = Box<dyn FnOnce() -> Result<(), Error> + Send>;

/// Does something once, when the next segment is removed: the database holds no lock then.
#[derive(Default)]
struct AtRemoval {
    action: Mutex<Option<Action>>,
    failed: Mutex<Option<Error>>,
}

impl Watcher for AtRemoval {
    fn before(&self, call: &Call<'_>) -> entidb_storage::Result<()> {
        if call.operation == Operation::Remove && call.path.starts_with("seg/") {
            let action = self.action.lock().take();
            if let Some(Err(error)) = action.map(|action| action()) {
                *self.failed.lock() = Some(error);
            }
        }
        Ok(())
    }
}

/// A history.
struct History {
    random: SeededRandom,
    at_removal: Arc<AtRemoval>,
    world: Simulation,
    engine: Engine,
    written: Written,
    snapshots: Vec<Snapshot>,
}

/// Plays a history of `steps` steps. An error says what a reader found and what it should have found.
///
/// # Errors
/// What went wrong.
pub fn history(seed: u64, steps: u64) -> Result<(), String> {
    let personality = Personality::ALL.get(seed as usize % Personality::ALL.len()).copied();
    let world = Simulation::new(personality.unwrap_or(Personality::PosixStrict), seed);
    let at_removal = Arc::new(AtRemoval::default());
    let engine = open(world.backend().watched(Arc::clone(&at_removal) as _)).map_err(|error| error.to_string())?;
    let random = SeededRandom::new(seed);
    let mut history = History { random, at_removal, world, engine, written: Written::new(), snapshots: Vec::new() };
    for step in 0..steps {
        history.step().map_err(|wrong| format!("seed {seed}, step {step}: {wrong}"))?;
    }
    history.finish().map_err(|wrong| format!("seed {seed}, at the end: {wrong}"))
}

impl History {
    fn step(&mut self) -> Result<(), String> {
        let told = |error: Error| error.to_string();
        match self.random.below(40) {
            0 => self.engine.compact().map_err(told),
            1..=2 => self.engine.checkpoint().map(drop).map_err(told),
            3 if self.snapshots.len() < 4 => {
                self.snapshots.push(self.engine.snapshot().map_err(told)?);
                Ok(())
            }
            4 if !self.snapshots.is_empty() => judge(&self.snapshots.remove(0), &self.written),
            5 => self.crash(),
            6..=8 => self.engine.maintain(3).map(drop).map_err(told),
            number => {
                let durability = if number % 2 == 0 { Durability::Durable } else { Durability::None };
                self.write(durability).map_err(told)
            }
        }
    }

    fn write(&mut self, durability: Durability) -> Result<(), Error> {
        let mut tx = self.engine.begin_write()?;
        let at = tx.next_sequence();
        let name = |number: u64| format!("h/{number:03}/");
        let count = 1 + self.random.below(6);
        let keys: Vec<Vec<u8>> =
            (0..count).map(|_| [name(self.random.below(200)).as_bytes(), &at.0.to_be_bytes()].concat()).collect();
        for key in &keys {
            tx.put(key, &vec![7; 20 + self.random.below(400) as usize])?;
            let other = key.get(1..6).unwrap_or_default();
            tx.put(&[b"k", other].concat(), b"other")?;
        }
        if self.random.below(9) == 0 {
            let mark = number(tx.get(MARK)?).max(at.0.saturating_sub(self.random.below(60)));
            tx.put(MARK, &mark.to_be_bytes())?;
        }
        tx.commit_with(durability)?;
        self.written.insert(at.0, keys);
        Ok(())
    }

    fn crash(&mut self) -> Result<(), String> {
        let told = |error: Error| error.to_string();
        self.snapshots.clear();
        self.world = self.world.crash(Variant(self.random.below(64) as u32));
        self.engine = open(self.world.backend().watched(Arc::clone(&self.at_removal) as _)).map_err(told)?;
        let last = self.engine.last_sequence();
        self.written.retain(|sequence, _| *sequence <= last.0);
        judge(&self.engine.snapshot().map_err(told)?, &self.written)
    }

    /// Lets a file wait for its removal. When that comes, which is between the flush of a backup and its copy, the watermark moves,
    /// and all is merged that is to be merged.
    fn move_on_at_removal(&mut self) -> Result<(), Error> {
        self.write(Durability::Durable)?;
        while self.engine.stats().obsolete_files == 0 && self.engine.maintain(1)? {}
        let engine = self.engine.clone();
        *self.at_removal.action.lock() = Some(Box::new(move || {
            let mut tx = engine.begin_write()?;
            let mark = tx.next_sequence().0;
            tx.put(MARK, &mark.to_be_bytes())?;
            tx.commit_with(Durability::Durable)?;
            while engine.maintain(16)? {}
            Ok(())
        }));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        let told = |error: Error| error.to_string();
        for snapshot in &self.snapshots {
            judge(snapshot, &self.written)?;
        }
        self.snapshots.clear();
        for moves_on in [false, true] {
            if moves_on {
                self.move_on_at_removal().map_err(told)?;
            }
            let copy = Backend::memory();
            self.engine.backup(&copy).map_err(told)?;
            drop(self.at_removal.action.lock().take());
            if let Some(error) = self.at_removal.failed.lock().take() {
                return Err(format!("beside a backup: {error}"));
            }
            judge(&open(copy).and_then(|engine| engine.snapshot()).map_err(told)?, &self.written)?;
        }
        judge(&self.engine.snapshot().map_err(told)?, &self.written)
    }
}

/// Compares what a snapshot shows with what it must show.
fn judge(snapshot: &Snapshot, written: &Written) -> Result<(), String> {
    let told = |error: Error| error.to_string();
    let (mark, Sequence(at)) = (number(snapshot.get(MARK).map_err(told)?), snapshot.sequence());
    let mut found = Vec::new();
    let mut keys = snapshot.range(&[ZONE][..]..&[ZONE + 1][..], Direction::Forward).map_err(told)?;
    while keys.advance().map_err(told)? {
        found.push(keys.key().to_vec());
    }
    found.retain(|key| sequence_of(key) >= mark);
    let kept = written.iter().filter(|(sequence, _)| (mark..=at).contains(sequence));
    let mut wanted: Vec<Vec<u8>> = kept.flat_map(|(_, keys)| keys.clone()).collect();
    wanted.sort();
    wanted.dedup();
    if found == wanted {
        return Ok(());
    }
    Err(format!("at {at}, from {mark} on: {} keys are found, {} were written", found.len(), wanted.len()))
}
