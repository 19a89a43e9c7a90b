//! One scheduled run: writers, readers, upkeep and a power failure, all at once, and what must hold of each.
//!
//! Always: what is checked follows from the journal of commits alone. A durable commit that was acknowledged before the
//! power failed is in the image; the image is a whole prefix of the commits; a snapshot is the state after its commit
//! and reads the same whenever it is read; a commit that was refused is nowhere.
//! Does not know: how the threads take turns (`machine`, shuttle).

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, Options, Sequence, Snapshot};
use entidb_storage::simulated::{Dice, Fault, FaultKind, Frozen, Personality, Simulation, Variant, mix};
use entidb_storage::{ErrorKind, Operation};
use entidb_testkit::engine_subject::{apply, contents, encrypted_options, small_options};
use entidb_testkit::model::{Bytes, Change, Contents, Key};
use entidb_testkit::workload::{Profile, Step, steps};
use parking_lot::Mutex;

use super::machine;

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
    pub(crate) writers: u64,
    /// Whether the device is small and others fill it, how, and whether that ends by itself.
    pub(crate) device: Device,
    /// Whether values are encrypted and keys rotated.
    pub(crate) encrypted: bool,
    /// Whether calls to the storage fail.
    pub(crate) faults: bool,
    /// How many range deletes go before the rest.
    pub(crate) range_deletes: u64,
    /// Whether the database is closed while all of them are at work.
    pub(crate) closes: bool,
}

/// The size of the device. In the end it is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// Larger than all that is written.
    Large,
    /// Full after some commits, and then for good.
    Small,
    /// Full again and again: others take all that is free and give it back, and a refused writer deletes everything.
    Changing,
}

/// Times that others take all that is free.
const SQUEEZES: u64 = 6;

/// Failures that a call reports.
const FAULTS: [FaultKind; 9] = [
    FaultKind::Device,
    FaultKind::NoSpace,
    FaultKind::NoSpaceAtFlush,
    FaultKind::TooManyOpenFiles,
    FaultKind::PermissionDenied,
    FaultKind::ShortWrite,
    FaultKind::ZeroWrite,
    FaultKind::DelayedDevice,
    FaultKind::FlushLost,
];

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
    emptied: u64,
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
    pub(crate) emptied: u64,
    pub(crate) flushes: u64,
    pub(crate) compactions: u64,
}

impl std::ops::AddAssign for Reached {
    fn add_assign(&mut self, other: Self) {
        self.commits += other.commits;
        self.images += other.images;
        self.snapshots += other.snapshots;
        self.refused += other.refused;
        self.emptied += other.emptied;
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
    // The files of the log, and what opening made, are there already.
    let small = world.used_bytes() + 4_000 + dice.below(60_000);
    if shape.device != Device::Large {
        world.set_capacity_bytes(Some(small));
    }
    if shape.faults {
        for _ in 0..=dice.below(2) {
            let kind = FAULTS[usize::try_from(dice.below(FAULTS.len() as u64)).unwrap()];
            let span = if dice.coin() { 60 } else { 500 };
            let call = world.calls() + dice.below(span);
            world.inject(if dice.once_in(4) { Fault::onward(kind, call) } else { Fault::once(kind, call) });
        }
    }
    let journal = Arc::new(Mutex::new(Journal::default()));
    let mut threads = Vec::new();
    for number in 0..shape.writers {
        let (engine, journal) = (engine.clone(), Arc::clone(&journal));
        let seed = mix(seed, 100 + number);
        threads.push(shuttle::thread::spawn(move || write(&engine, &journal, seed, shape)));
    }
    {
        let (engine, journal) = (engine.clone(), Arc::clone(&journal));
        threads.push(shuttle::thread::spawn(move || read(&engine, &journal, mix(seed, 200), shape)));
    }
    // Keys may be changed from several threads at once.
    for number in 0..=u64::from(shape.encrypted) {
        let (engine, seed) = (engine.clone(), mix(seed, 300 + number));
        threads.push(shuttle::thread::spawn(move || look_after(&engine, seed, shape)));
    }
    {
        let (world, journal, seed) = (world.clone(), Arc::clone(&journal), mix(seed, 400));
        threads.push(shuttle::thread::spawn(move || fail_power(&world, &journal, seed)));
    }
    if shape.device == Device::Changing {
        let (world, seed) = (world.clone(), mix(seed, 500));
        threads.push(shuttle::thread::spawn(move || squeeze(&world, small, seed)));
    }
    let closed_at = shape.closes.then(|| close_beside(&engine, &world, mix(seed, 600)));
    for thread in threads {
        thread.join().unwrap();
    }
    if let Some(closed_at) = closed_at {
        leaves_alone(&world, closed_at);
    }
    world.set_capacity_bytes(None);
    if shape.device != Device::Large {
        go_on(&engine, &journal);
    }
    let struck = world.faults_struck();
    world.clear_faults();
    let stats = engine.stats();
    let closed = dice.coin().then(|| engine.close());
    let kept = match closed {
        Some(Ok(())) => engine.last_sequence(),
        Some(Err(error)) if struck == 0 => panic!("closing failed: {error:?}"),
        _ => journal.lock().durable,
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
        emptied: journal.emptied,
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
    let known = journal.commits.range(..=last).count() as u64;
    assert_eq!(known, last.0, "{what}: commits up to {last} are there that nobody was told of");
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
                    shape.allow(&error);
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
                    if shape.device == Device::Changing && dice.once_in(8) {
                        empty(engine, journal, shape);
                    }
                    shuttle::thread::yield_now();
                }
                // Found or not, but if so then whole and in its place.
                Err(Error::CommitUnknown { sequence, .. }) => {
                    journal.lock().commits.insert(sequence, changes);
                    return;
                }
                Err(error) => {
                    shape.allow(&error);
                    journal.lock().refused += 1;
                    if matches!(error, Error::WritesStopped { .. }) {
                        return;
                    }
                    refusals += 1;
                    if refusals > REFUSALS_MAX {
                        return;
                    }
                    shuttle::thread::yield_now();
                }
            }
        }
        if dice.once_in(6) {
            engine.flush().unwrap_or_else(|error| shape.allow(&error));
        }
    }
}

/// Deletes everything, which makes room.
fn empty(engine: &Engine, journal: &Mutex<Journal>, shape: Shape) {
    let (start, end) = (vec![0], vec![u8::MAX]);
    let deleted = engine.begin_write().and_then(|mut transaction| {
        transaction.delete_range(&start, &end)?;
        transaction.commit_with(Durability::Durable)
    });
    match deleted {
        Ok(sequence) => {
            let mut journal = journal.lock();
            journal.commits.insert(sequence, vec![Change::DeleteRange(Key(start), Key(end))]);
            journal.durable = journal.durable.max(sequence);
            journal.emptied += 1;
        }
        Err(error) => shape.allow(&error),
    }
}

/// With room again writing goes on by itself, however full the device was.
fn go_on(engine: &Engine, journal: &Mutex<Journal>) {
    let change = Change::Put(Key(b"a-last".to_vec()), Bytes(vec![1; 100]));
    for _ in 0..REFUSALS_MAX {
        let mut transaction = engine.begin_write().unwrap();
        apply(&mut transaction, std::slice::from_ref(&change)).unwrap();
        match transaction.commit_with(Durability::Durable) {
            Ok(sequence) => {
                let mut journal = journal.lock();
                journal.commits.insert(sequence, vec![change]);
                journal.durable = journal.durable.max(sequence);
                return;
            }
            // A worker may not have looked again yet.
            Err(error) => assert!(is_no_space(&error), "writing does not go on: {error:?}"),
        }
        shuttle::thread::yield_now();
    }
    panic!("writing does not go on although there is room");
}

/// Closes the database at some moment. Returns how many calls to the storage there were when that was done.
fn close_beside(engine: &Engine, world: &Simulation, seed: u64) -> u64 {
    for _ in 0..Dice::new(seed).below(1_500) {
        shuttle::thread::yield_now();
    }
    engine.close().unwrap();
    world.calls()
}

/// After `close` the folder may be somebody else's: nothing is changed in it any more, and nothing of it is open.
fn leaves_alone(world: &Simulation, closed_at: u64) {
    let late = world.trace().into_iter().skip(usize::try_from(closed_at).unwrap());
    let changes: Vec<_> = late.filter(|call| changes_something(call.operation)).collect();
    assert!(changes.is_empty(), "after close: {changes:?}");
    assert_eq!(world.open_files(), 0, "files that are open after close");
}

fn changes_something(operation: Operation) -> bool {
    use Operation as Op;
    matches!(operation, Op::CreateFolder | Op::Remove | Op::RemoveFolder | Op::Rename | Op::HardLink)
        || matches!(operation, Op::Write | Op::SetLen | Op::Preallocate | Op::FlushNames | Op::FlushData | Op::FlushAll)
}

/// Takes what is free on the device and gives it back, again and again.
fn squeeze(world: &Simulation, small: u64, seed: u64) {
    let mut dice = Dice::new(seed);
    for _ in 0..SQUEEZES {
        world.set_capacity_bytes(Some(world.used_bytes() + dice.below(3) * 1_000));
        for _ in 0..dice.below(400) {
            shuttle::thread::yield_now();
        }
        world.set_capacity_bytes(Some(small + dice.below(200_000)));
        for _ in 0..dice.below(400) {
            shuttle::thread::yield_now();
        }
    }
}

/// Reads snapshots, some of them for long.
fn read(engine: &Engine, journal: &Mutex<Journal>, seed: u64, shape: Shape) {
    let mut dice = Dice::new(seed);
    let mut long: Option<(Snapshot, Contents)> = None;
    for _ in 0..shape.profile.steps {
        let snapshot = match engine.snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                shape.allow(&error);
                return;
            }
        };
        let seen = match all_of(&snapshot, &mut dice) {
            Ok(seen) => seen,
            Err(error) => {
                shape.allow(&error);
                continue;
            }
        };
        journal.lock().seen.push((snapshot.sequence(), seen.clone()));
        match &long {
            Some((snapshot, before)) => {
                match all_of(snapshot, &mut dice) {
                    Ok(after) => assert_eq!(&after, before, "a snapshot changed"),
                    Err(error) => shape.allow(&error),
                }
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
fn all_of(snapshot: &Snapshot, dice: &mut Dice) -> entidb_engine::Result<Contents> {
    let direction = if dice.coin() { Direction::Forward } else { Direction::Reverse };
    let mut iter = snapshot.range(KeyRange::all(), direction)?;
    let mut found = Contents::default();
    while iter.advance()? {
        found.0.insert(Key(iter.key().to_vec()), Bytes(iter.value().to_vec()));
    }
    for (key, value) in found.0.iter().filter(|_| dice.once_in(5)) {
        assert_eq!(snapshot.get(&key.0)?.as_deref(), Some(value.0.as_slice()), "{key:?}");
    }
    Ok(found)
}

/// What a host does beside: checkpoints, compactions, rotation of keys, steps of its own.
fn look_after(engine: &Engine, seed: u64, shape: Shape) {
    let mut dice = Dice::new(seed);
    for _ in 0..shape.profile.steps / 2 {
        let done = match dice.below(8) {
            0 | 1 => engine.checkpoint().map(drop),
            2 => engine.compact(),
            3 if shape.encrypted => engine.rotate_key().map(drop),
            6 if shape.encrypted => engine.rekey().map(drop),
            4 => {
                let copy = Simulation::new(Personality::PosixStrict, seed);
                engine.backup(&copy.backend()).map(drop)
            }
            5 => engine.maintain(3).map(drop),
            _ => Ok(()),
        };
        done.unwrap_or_else(|error| shape.allow(&error));
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

impl Shape {
    /// Judges an error: only a full device and an injected failure may cause one.
    fn allow(self, error: &Error) {
        let allowed = match error {
            Error::Storage(inner) if inner.kind == ErrorKind::Closed => self.closes,
            Error::Storage(_) | Error::NoRoom { .. } => {
                self.faults || self.device != Device::Large && error.is_no_space()
            }
            Error::WritesStopped { .. } | Error::CommitUnknown { .. } | Error::KeyringHalfWritten { .. } => self.faults,
            Error::Closed => self.closes,
            _ => false,
        };
        assert!(allowed, "{error:?}");
    }
}

fn is_no_space(error: &Error) -> bool {
    error.is_no_space()
}
