//! A file system that fails, tears and forgets on cue, by the laws of real ones: a whole machine in memory.
//!
//! Always: the same seed, calls and faults give the same bytes, the same errors and the same images after a crash.
//! What was flushed survives every crash; what was not may be lost, kept, torn or reordered, as the personality lets it.
//! Does not know: what is stored, or what a right answer is (`entidb_testkit` does).
//!
//! ```
//! use entidb_storage::OpenMode;
//! use entidb_storage::simulated::{Personality, Simulation, Variant};
//!
//! let world = Simulation::new(Personality::PosixStrict, 7);
//! let directory = world.backend().directory;
//! let file = directory.open("notes", OpenMode::CreateNew)?;
//! file.write_all_at(0, b"kept")?;
//! file.flush_data()?;
//! directory.flush_names("")?;
//! file.write_all_at(4, b" or not")?;
//!
//! // Variant 0 loses all that was not flushed.
//! let after = world.crash(Variant(0));
//! assert_eq!(after.file_bytes("notes").as_deref(), Some(&b"kept"[..]));
//! # Ok::<(), entidb_storage::Error>(())
//! ```

mod clock;
mod content;
mod crash;
mod dice;
mod directory;
mod disk;
mod fault;
mod file;
mod law;
mod trace;
mod world;

use std::sync::Arc;

pub use clock::SimulatedClock;
pub use crash::Variant;
pub use dice::{Dice, mix, mix_bytes};
pub use fault::{Fault, FaultKind, When};
pub use law::{CacheLaw, Personality, UnknownPersonality};
pub use trace::Call;

use content::Content;
use directory::SimulatedDirectory;
use disk::{Disk, Inode, NameChange};
use world::{State, World};

use crate::backend::Backend;
use crate::directory::Whereabouts;
use crate::error::Operation;
use crate::threads::NoThreads;

/// A simulated machine: a device, a clock, a source of chance, and no threads. Clones share it.
#[derive(Clone)]
pub struct Simulation {
    world: Arc<World>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("personality", &self.world.personality)
            .field("seed", &self.world.seed)
            .finish_non_exhaustive()
    }
}

impl Simulation {
    /// A machine with an empty device.
    #[must_use]
    pub fn new(personality: Personality, seed: u64) -> Self {
        Self::with_disk(personality, seed, Disk::default())
    }

    fn with_disk(personality: Personality, seed: u64, disk: Disk) -> Self {
        Self { world: Arc::new(World::new(personality, seed, disk)) }
    }

    /// The machine as a database sees it.
    #[must_use]
    pub fn backend(&self) -> Backend {
        let location = format!("simulated {}", self.world.personality);
        Backend {
            directory: Arc::new(SimulatedDirectory { world: Arc::clone(&self.world), location }),
            clock: self.world.clock.clone(),
            random: self.world.random.clone(),
            threads: Arc::new(NoThreads),
        }
    }

    /// The file system it behaves like.
    #[must_use]
    pub fn personality(&self) -> Personality {
        self.world.personality
    }

    /// What every chance in it is drawn from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.world.seed
    }

    /// Its clock, to be moved or set.
    #[must_use]
    pub fn clock(&self) -> Arc<SimulatedClock> {
        Arc::clone(&self.world.clock)
    }

    /// How many calls it has seen.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world.state.lock().trace.calls.len() as u64
    }

    /// The calls it has seen, in order.
    #[must_use]
    pub fn trace(&self) -> Vec<Call> {
        self.world.state.lock().trace.calls.clone()
    }

    /// A number that two equal runs share and two different ones do not.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.world.state.lock().trace.hash()
    }

    /// Lets a fault happen.
    pub fn inject(&self, fault: Fault) {
        self.world.state.lock().faults.push(fault);
    }

    /// Takes back every fault that is still to come; what they did stays done.
    pub fn clear_faults(&self) {
        self.world.state.lock().faults.clear();
    }

    /// How often a fault has struck.
    #[must_use]
    pub fn faults_struck(&self) -> u64 {
        self.world.state.lock().faults_struck
    }

    /// Chooses what the cache holds after a failed flush, in place of the personality's law.
    pub fn set_cache_law(&self, law: CacheLaw) {
        self.world.state.lock().cache_law = law;
    }

    /// A drive that lies: flushes say yes and make nothing durable.
    pub fn set_flushes_lie(&self, lie: bool) {
        self.world.state.lock().flushes_lie = lie;
    }

    /// Gives the device a size, or takes it away. A crash keeps it. A device that holds more than its size already takes
    /// nothing more.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.world.state.lock().capacity_bytes = capacity_bytes;
    }

    /// Lets the device tell of more room than it has, as one does whose user has a quota.
    pub fn set_overstated_bytes(&self, overstated_bytes: u64) {
        self.world.state.lock().overstated_bytes = overstated_bytes;
    }

    /// Lets the device write a block that is there to a new place, as file systems do that copy on write: an overwrite needs
    /// room, and what it replaces is free once the file is flushed. A crash keeps it.
    pub fn set_copies_overwrites(&self, copies_overwrites: bool) {
        self.world.state.lock().copies_overwrites = copies_overwrites;
    }

    /// Lets a flush need this number of bytes for itself while it lasts, as one that writes metadata to new places does. Without
    /// them the flush of a file that was changed fails with `NoSpace`. A crash keeps the setting.
    pub fn set_flush_bytes(&self, flush_bytes: u64) {
        self.world.state.lock().flush_bytes = flush_bytes;
    }

    /// Gives the process a limit of open files, or takes it away.
    pub fn set_open_files_max(&self, open_files_max: Option<usize>) {
        self.world.state.lock().open_files_max = open_files_max;
    }

    /// Forgets who holds locks, as a file server does that is started anew: the next who asks gets in beside the holder.
    pub fn forget_locks(&self) {
        let mut state = self.world.state.lock();
        state.locks.clear();
        state.lock_epoch += 1;
    }

    /// Chooses what the name of the folder leads to from here on. Its files stay where they are.
    pub fn set_whereabouts(&self, whereabouts: Whereabouts) {
        self.world.state.lock().whereabouts = whereabouts;
    }

    /// From this call on every call fails and changes nothing, as for a process on a dead machine.
    pub fn power_off_at(&self, call: u64) {
        self.world.state.lock().power_off_at = Some(call);
    }

    /// A guard against runs that never end: past this many calls all fail, past twice as many the run unwinds.
    pub fn set_calls_max(&self, calls_max: u64) {
        self.world.state.lock().calls_max = Some(calls_max);
    }

    /// Shows every coming call to `observer` before it happens. The observer must not call the simulation.
    pub fn observe(&self, observer: impl Fn(&CallPoint<'_>) + Send + Sync + 'static) {
        self.world.state.lock().observer = Some(Arc::new(observer));
    }

    /// Ends what [`observe`](Self::observe) began.
    pub fn stop_observing(&self) {
        self.world.state.lock().observer = None;
    }

    /// How many files are open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.world.state.lock().open.values().sum()
    }

    /// How many locks are held.
    #[must_use]
    pub fn held_locks(&self) -> usize {
        let state = self.world.state.lock();
        state.locks.values().map(|holders| usize::from(holders.exclusive) + holders.shared).sum()
    }

    /// Bytes the device holds: those of files with a name, and of files that are open without one.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.world.state.lock().used_bytes()
    }

    /// The names of all files, sorted.
    #[must_use]
    pub fn file_names(&self) -> Vec<String> {
        self.world.state.lock().disk.names.files.keys().map(ToString::to_string).collect()
    }

    /// The bytes of a file as a reader sees them now.
    #[must_use]
    pub fn file_bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.world.state.lock();
        let file = state.disk.names.files.get(path)?;
        state.disk.live(*file).map(Content::to_vec)
    }

    /// Replaces a file's bytes, durably and unknown to its users; makes the file and its folder when
    /// they are missing. For tests of damage.
    pub fn put_file(&self, path: &str, bytes: &[u8]) {
        let mut content = Content::default();
        content.write(0, bytes);
        let mut state = self.world.state.lock();
        let disk = &mut state.disk;
        disk.version += 1;
        let inode = Arc::new(Inode::settled(Arc::new(content)));
        if let Some(slot) = disk.names.files.get(path).and_then(|file| disk.files.get_mut(*file)) {
            *slot = inode;
            return;
        }
        let folder = disk::folder_of(path);
        let mut changes = vec![NameChange::Name { path: Arc::from(path), file: disk.files.len() }];
        if !folder.is_empty() {
            changes.push(NameChange::Folder { name: Arc::from(folder) });
        }
        disk.files.push(inode);
        for change in changes {
            disk.names.apply(&change);
            disk.durable_names.apply(&change);
        }
    }

    /// Takes a file away, durably and unknown to its users. True when it was there.
    pub fn lose_file(&self, path: &str) -> bool {
        let mut state = self.world.state.lock();
        let disk = &mut state.disk;
        let there = disk.names.files.contains_key(path);
        disk.version += 1;
        let gone = NameChange::Unname { path: Arc::from(path) };
        disk.names.apply(&gone);
        disk.durable_names.apply(&gone);
        there
    }

    /// The device as it is now, to crash from later. Shares all bytes.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        let state = self.world.state.lock();
        self.world.freeze(&state)
    }

    /// The machine after the power failed now: a new one, with what the laws let survive. The old one goes on.
    #[must_use]
    pub fn crash(&self, variant: Variant) -> Self {
        self.freeze().crash(variant)
    }

    /// True when both devices hold the same files with the same live bytes.
    #[must_use]
    pub fn same_files(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.freeze().disk, other.freeze().disk);
        mine.names.folders == theirs.names.folders
            && mine.names.files.len() == theirs.names.files.len()
            && mine.names.files.iter().zip(theirs.names.files.iter()).all(|((a, file), (b, other))| {
                a == b && mine.live(*file).zip(theirs.live(*other)).is_some_and(|(a, b)| a.same(b))
            })
    }
}

/// A call about to happen.
pub struct CallPoint<'a> {
    world: &'a World,
    state: &'a State,
    index: u64,
    operation: Operation,
    path: &'a str,
}

impl CallPoint<'_> {
    /// The how-manieth call it is, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// What will be asked.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Of what.
    #[must_use]
    pub const fn path(&self) -> &str {
        self.path
    }

    /// How many files are open before the call.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.state.open.values().sum()
    }

    /// A number that moves with every change of the device: equal numbers, equal device.
    #[must_use]
    pub const fn disk_version(&self) -> u64 {
        self.state.disk.version
    }

    /// The device as it is before the call.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        self.world.freeze(self.state)
    }
}

/// A device at one moment, in use.
#[derive(Clone)]
pub struct Frozen {
    personality: Personality,
    seed: u64,
    flushes_lie: bool,
    capacity_bytes: Option<u64>,
    copies_overwrites: bool,
    flush_bytes: u64,
    disk: Disk,
}

impl std::fmt::Debug for Frozen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frozen").field("personality", &self.personality).finish_non_exhaustive()
    }
}

impl Frozen {
    /// The machine after the power failed at this moment.
    #[must_use]
    pub fn crash(&self, variant: Variant) -> Simulation {
        self.image(variant).0
    }

    /// As [`crash`](Self::crash), with a number that differs where images of this moment differ.
    #[must_use]
    pub fn image(&self, variant: Variant) -> (Simulation, u64) {
        let (disk, fingerprint) = crash::image(&self.disk, &self.personality.laws(), variant, self.seed);
        let seed = mix(self.seed, mix(u64::from(variant.0), 3));
        (self.with_its_device(Simulation::with_disk(self.personality, seed, disk)), fingerprint)
    }

    /// The machine as if the power had not failed.
    #[must_use]
    pub fn resume(&self) -> Simulation {
        self.with_its_device(Simulation::with_disk(self.personality, self.seed, self.disk.clone()))
    }

    /// What the device does and holds is no matter of the power.
    fn with_its_device(&self, next: Simulation) -> Simulation {
        next.set_flushes_lie(self.flushes_lie);
        next.set_capacity_bytes(self.capacity_bytes);
        next.set_copies_overwrites(self.copies_overwrites);
        next.set_flush_bytes(self.flush_bytes);
        next
    }

    /// False when every variant is the same image.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.disk.has_pending()
    }
}
