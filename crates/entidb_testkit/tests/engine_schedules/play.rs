//! One scheduled run: writers, readers, upkeep and a power failure, all at once, and what must hold of each.
//!
//! Always: what is checked follows from the journal of commits alone. A durable commit that was acknowledged before the
//! power failed is in the image; the image is a whole prefix of the commits; a snapshot is the state after its commit
//! and reads the same whenever it is read; a commit that was refused is nowhere.
//! Does not know: how the threads take turns (`machine`, shuttle).

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, Options, Sequence, Snapshot};
use entidb_storage::ErrorKind;
use entidb_storage::simulated::{Dice, Frozen, Personality, Simulation, Variant, mix};
use entidb_testkit::engine_subject::{apply, contents, encrypted_options, small_options};
use entidb_testkit::model::{Bytes, Change, Contents, Key};
use entidb_testkit::workload::{Profile, Step, steps};
use parking_lot::Mutex;

use super::machine;

/// Writers of a run.
const WRITERS: u64 = 2;
/// Power failures looked at in a run.
const FAILURES: u64 = 3;
/// Variants of each that are recovered.
const VARIANTS: u32 = 3;
/// Transactions refused in a row before a writer gives up.
const REFUSALS_MAX: u32 = 200;

/// What a run is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Each writer's steps.
    pub(crate) profile: Profile,
    /// The device's size in some runs, which is taken away in the end.
    pub(crate) small_device: bool,
    /// Whether values are encrypted and keys rotated.
    pub(crate) encrypted: bool,
    /// How many range deletes go before the rest.
    pub(crate) range_deletes: u64,
}

/// What happened, in the order of the commits.
#[derive(Default)]
struct Journal {
    commits: BTreeMap<Sequence, Vec<Change>>,
    /// The newest commit that was acknowledged as durable.
    durable: Sequence,
    /// Contents seen at a sequence.
    seen: Vec<(Sequence, Contents)>,
    /// Images with what had been promised when they were taken.
    images: Vec<(Frozen, Sequence)>,
    refused: u64,
}

impl Journal {
    /// The state after a commit.
    fn contents_at(&self, sequence: Sequence) -> Contents {
        let mut contents = Contents::default();
        for changes in self.commits.range(..=sequence).map(|(_, changes)| changes) {
            contents.apply(changes);
        }
        contents
    }
}

/// What a run reached, so that a test can tell that it reached anything.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Reached {
    pub(crate) commits: u64,
    pub(crate) images: u64,
    pub(crate) snapshots: u64,
    pub(crate) refused: u64,
    pub(crate) flushes: u64,
    pub(crate) compactions: u64,
}

impl std::ops::AddAssign for Reached {
    fn add_assign(&mut self, other: Self) {
        self.commits += other.commits;
        self.images += other.images;
        self.snapshots += other.snapshots;
        self.refused += other.refused;
        self.flushes += other.flushes;
        self.compactions += other.compactions;
    }
}

/// Plays one run on the scheduler's threads.
pub(crate) fn play(seed: u64, shape: Shape) -> Reached {
    let mut dice = Dice::new(mix(seed, 5));
    let all = [Personality::PosixStrict, Personality::Ext4Ordered, Personality::Btrfs];
    let personality = all[usize::try_from(dice.below(all.len() as u64)).unwrap()];
    let world = Simulation::new(personality, seed);
    world.set_calls_max(2_000_000);
    let options =
        || Options { background: true, ..if shape.encrypted { encrypted_options() } else { small_options() } };
    let engine = Engine::open(machine::backend(&world), options()).unwrap();
    if shape.small_device {
        world.set_capacity_bytes(Some(160_000 + dice.below(200_000)));
    }
    let journal = Arc::new(Mutex::new(Journal::default()));
    let mut threads = Vec::new();
    for number in 0..WRITERS {
        let (engine, journal) = (engine.clone(), Arc::clone(&journal));
        let seed = mix(seed, 100 + number);
        threads.push(shuttle::thread::spawn(move || write(&engine, &journal, seed, shape)));
    }
    {
        let (engine, journal) = (engine.clone(), Arc::clone(&journal));
        threads.push(shuttle::thread::spawn(move || read(&engine, &journal, mix(seed, 200), shape.profile.steps)));
    }
    {
        let (engine, seed) = (engine.clone(), mix(seed, 300));
        threads.push(shuttle::thread::spawn(move || look_after(&engine, seed, shape)));
    }
    {
        let (world, journal, seed) = (world.clone(), Arc::clone(&journal), mix(seed, 400));
        threads.push(shuttle::thread::spawn(move || fail_power(&world, &journal, seed)));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    world.set_capacity_bytes(None);
    let stats = engine.stats();
    let kept = if dice.coin() {
        engine.close().unwrap();
        engine.last_sequence()
    } else {
        journal.lock().durable
    };
    drop(engine);
    let journal = journal.lock();
    reopen(&world.freeze().resume(), kept, &journal, options(), "after the end");
    for (frozen, durable) in &journal.images {
        for variant in 0..VARIANTS {
            let variant = Variant(u32::try_from(dice.below(40)).unwrap() + variant);
            let what = format!("after the power failed, {variant:?}");
            reopen(&frozen.crash(variant), *durable, &journal, options(), &what);
        }
    }
    for (sequence, seen) in &journal.seen {
        assert_eq!(seen, &journal.contents_at(*sequence), "a snapshot at {sequence} is not the state after its commit");
    }
    Reached {
        commits: journal.commits.len() as u64,
        images: journal.images.len() as u64 * u64::from(VARIANTS),
        snapshots: journal.seen.len() as u64,
        refused: journal.refused,
        flushes: stats.memtable_flushes,
        compactions: stats.compactions,
    }
}

/// Opens what is left and compares it with the commits that it must hold.
fn reopen(world: &Simulation, kept: Sequence, journal: &Journal, options: Options, what: &str) {
    world.set_capacity_bytes(None);
    let options = Options { background: false, ..options };
    let engine = match Engine::open(world.backend(), options) {
        Ok(engine) => engine,
        // The power failed before the database was there.
        Err(Error::NoDatabase { .. }) if kept == Sequence::ZERO => return,
        Err(error) => panic!("{what}: {error:?}"),
    };
    let last = engine.last_sequence();
    assert!(last >= kept, "{what}: commit {kept} was promised, and the last is {last}");
    assert_eq!(contents(&engine).unwrap(), journal.contents_at(last), "{what}, at {last}");
}

fn write(engine: &Engine, journal: &Mutex<Journal>, seed: u64, shape: Shape) {
    let mut refusals = 0;
    let mut dice = Dice::new(mix(seed, 6));
    let deletes = (0..shape.range_deletes).map(|number| {
        let (start, end) = (vec![b'a'], format!("a{:04}", number % 97).into_bytes());
        let value = Bytes(vec![1; 12]);
        Step::Commit(
            vec![Change::DeleteRange(Key(start), Key(end.clone())), Change::Put(Key(end), value)],
            Durability::None,
        )
    });
    for step in deletes.chain(steps(seed, shape.profile)) {
        let Step::Commit(changes, durability) = step else { continue };
        loop {
            let mut transaction = match engine.begin_write() {
                Ok(transaction) => transaction,
                Err(error) => {
                    assert!(is_no_space(&error), "{error:?}");
                    return;
                }
            };
            apply(&mut transaction, &changes).unwrap();
            match transaction.commit_with(durability) {
                Ok(sequence) => {
                    let mut journal = journal.lock();
                    // A transaction without changes is no commit and promises nothing: it returns the one before it.
                    if changes.iter().any(|change| !matches!(change, Change::Undone(_))) {
                        journal.commits.insert(sequence, changes);
                        if durability == Durability::Durable {
                            journal.durable = journal.durable.max(sequence);
                        }
                    }
                    refusals = 0;
                    break;
                }
                Err(error) if is_no_space(&error) => {
                    journal.lock().refused += 1;
                    refusals += 1;
                    if refusals > REFUSALS_MAX {
                        return;
                    }
                    shuttle::thread::yield_now();
                }
                Err(error) => panic!("a commit failed: {error:?}"),
            }
        }
        if dice.once_in(6) {
            match engine.flush() {
                Ok(()) => {}
                Err(error) => assert!(is_no_space(&error), "{error:?}"),
            }
        }
    }
}

/// Reads snapshots, some of them for long.
fn read(engine: &Engine, journal: &Mutex<Journal>, seed: u64, count: u64) {
    let mut dice = Dice::new(seed);
    let mut long: Option<(Snapshot, Contents)> = None;
    for _ in 0..count {
        let snapshot = engine.snapshot().unwrap();
        let seen = all_of(&snapshot, &mut dice);
        journal.lock().seen.push((snapshot.sequence(), seen.clone()));
        match &long {
            Some((snapshot, before)) => {
                assert_eq!(&all_of(snapshot, &mut dice), before, "a snapshot changed");
                if dice.once_in(8) {
                    long = None;
                }
            }
            None => long = Some((snapshot, seen)),
        }
        for _ in 0..dice.below(30) {
            shuttle::thread::yield_now();
        }
    }
}

/// Everything a snapshot shows, read one way and checked the other.
fn all_of(snapshot: &Snapshot, dice: &mut Dice) -> Contents {
    let direction = if dice.coin() { Direction::Forward } else { Direction::Reverse };
    let mut iter = snapshot.range(KeyRange::all(), direction).unwrap();
    let mut found = Contents::default();
    while iter.advance().unwrap() {
        found.0.insert(Key(iter.key().to_vec()), Bytes(iter.value().to_vec()));
    }
    for (key, value) in found.0.iter().filter(|_| dice.once_in(5)) {
        assert_eq!(snapshot.get(&key.0).unwrap().as_deref(), Some(value.0.as_slice()), "{key:?}");
    }
    found
}

/// What a host does beside: checkpoints, compactions, rotation of keys, steps of its own.
fn look_after(engine: &Engine, seed: u64, shape: Shape) {
    let mut dice = Dice::new(seed);
    for _ in 0..shape.profile.steps / 2 {
        let done = match dice.below(8) {
            0 | 1 => engine.checkpoint().map(drop),
            2 => engine.compact(),
            3 if shape.encrypted => engine.rotate_key().map(drop),
            4 => {
                let copy = Simulation::new(Personality::PosixStrict, seed);
                engine.backup(&copy.backend()).map(drop)
            }
            5 => engine.maintain(3).map(drop),
            _ => Ok(()),
        };
        match done {
            Ok(()) => {}
            Err(error) => assert!(is_no_space(&error), "{error:?}"),
        }
        for _ in 0..dice.below(60) {
            shuttle::thread::yield_now();
        }
    }
}

/// Remembers the device at some moments, with what had been promised by then.
fn fail_power(world: &Simulation, journal: &Mutex<Journal>, seed: u64) {
    let mut dice = Dice::new(seed);
    for _ in 0..FAILURES {
        for _ in 0..dice.below(400) {
            shuttle::thread::yield_now();
        }
        // Promised first: what is promised between the two is in the image as well.
        let durable = journal.lock().durable;
        let frozen = world.freeze();
        journal.lock().images.push((frozen, durable));
    }
}

fn is_no_space(error: &Error) -> bool {
    matches!(error, Error::Storage(inner) if inner.kind == ErrorKind::NoSpace)
}
