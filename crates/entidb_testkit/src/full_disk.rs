//! Layer 17: a small disk is filled and emptied again and again.
//!
//! Always: on a full disk every acknowledged commit stays readable, what is refused says `NoSpace` and changed nothing,
//! and nothing is written over and over for nothing; deletions and compaction work, and then writing goes on by itself.
//! Does not know: which disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_engine::{Direction, Engine, Error, FileKind, KeyRange, Options, VerifyLevel};
use entidb_storage::Backend;
use entidb_storage::simulated::{Dice, Personality, Simulation, mix_bytes};
use parking_lot::Mutex;

use crate::meter::Meter;

mod flushes;
mod in_vain;

pub use flushes::{FlushesFailed, flushes_without_room};
pub use in_vain::{
    IN_VAIN_MAX, Refused, Scarcity, ask_beside_unreadable, begun_in_vain, close_without_room, written_for_refused,
};

/// The zones that are written to.
const ZONES: [u8; 3] = [1, 2, 7];
/// The reserve of a small database on a small disk.
const RESERVE_BYTES_MIN: u64 = 128 * 1024;
/// When as much as this is deleted on a full disk, a put gets in: the smallest file of the log, and the segment it becomes.
const ENOUGH_FREED: u64 = 64 * 1024;
/// Files are counted after this number of commits.
const COMMITS_UNLOOKED: u64 = 10;
/// Commits that are tried on a full disk.
const TRIES: u64 = 24;
/// Steps of background work in which everything that can be done must be done.
const STEPS_MAX: usize = 20_000;

/// The disk of a test.
pub struct SmallDisk {
    /// Where the database goes.
    pub backend: Backend,
    /// Its size.
    pub bytes: u64,
    /// Lets somebody else take all that is free on it (true), or give that back. Returns how large it is for us then.
    pub squeeze: Box<dyn Fn(bool) -> u64>,
    /// Lets some time pass.
    pub rest: Box<dyn Fn()>,
}

/// What is filled into the disk, and how.
#[derive(Debug, Clone, Copy)]
pub struct Filling {
    /// How the database is opened.
    pub options: fn() -> Options,
    /// The longest value.
    pub value_bytes: u64,
    /// Different keys.
    pub keys: u64,
    /// The part of the disk, in hundredths, that live data must have when it is called full.
    pub percent_used: u64,
    /// The most files there may be.
    pub files_max: usize,
}

/// The options of a database that fills a disk of a few megabytes with many files.
#[must_use]
pub fn small_disk_options() -> Options {
    Options {
        memory_bytes: 1 << 20,
        memtable_bytes: 64 * 1024,
        wal_bytes: 256 * 1024,
        segment_bytes: 64 * 1024,
        background: false,
        ..Options::default()
    }
}

impl Filling {
    /// For a disk of three megabytes.
    pub const SMALL: Self =
        Self { options: small_disk_options, value_bytes: 1500, keys: 6_000, percent_used: 35, files_max: 200 };
}

impl SmallDisk {
    /// A simulated disk of this size.
    #[must_use]
    pub fn simulated(bytes: u64, seed: u64) -> (Simulation, Self) {
        let world = Simulation::new(Personality::Ext4Ordered, seed);
        world.set_capacity_bytes(Some(bytes));
        let (other, clock) = (world.clone(), world.clock());
        let squeeze = move |squeezed: bool| {
            let left = if squeezed { other.used_bytes() } else { bytes };
            other.set_capacity_bytes(Some(left));
            left
        };
        let rest = move || clock.advance_nanos(300_000_000);
        let disk = Self { backend: world.backend(), bytes, squeeze: Box::new(squeeze), rest: Box::new(rest) };
        (world, disk)
    }
}

/// What is promised at a moment, for who crashes the machine then.
#[derive(Debug, Default)]
pub struct Promises {
    /// A fingerprint of the contents after each commit, by its sequence.
    fingerprints: Vec<u64>,
    begun: u64,
    durable: u64,
}

/// Shared with the observer of a simulation.
pub type SharedPromises = Arc<Mutex<Promises>>;

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cycled {
    /// Times the disk was full.
    pub full: u64,
    /// Commits that were made.
    pub commits: u64,
    /// Commits that were refused.
    pub refused: u64,
    /// The most bytes that were written while nothing but refused commits and background work went on.
    pub idle_bytes_most: u64,
    /// The most files there were.
    pub files_most: usize,
    /// The least part of the disk, in hundredths, that live data had when it was called full.
    pub percent_least: u64,
}

/// A change of one key, or of a range of keys.
#[derive(Debug, Clone)]
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// A database on a small disk, and what should be in it.
pub struct FullDisk<'a> {
    disk: &'a SmallDisk,
    filling: Filling,
    meter: Meter,
    engine: Option<Engine>,
    model: BTreeMap<Vec<u8>, Vec<u8>>,
    promises: SharedPromises,
    dice: Dice,
    cycled: Cycled,
    /// Commits since files were counted.
    commits_unlooked: u64,
}

/// Why a run ends early.
pub type Wrong = String;

/// True for the error of a full disk.
#[must_use]
pub fn is_no_space(error: &Error) -> bool {
    error.is_no_space()
}

/// Bytes that no compression makes fewer.
fn random_value(dice: &mut Dice, len: usize) -> Vec<u8> {
    let mut value = vec![0; len];
    value.chunks_mut(8).for_each(|chunk| {
        let random = dice.throw().to_le_bytes();
        chunk.iter_mut().zip(random).for_each(|(to, from)| *to = from);
    });
    value
}

fn fingerprint(key: &[u8], value: &[u8]) -> u64 {
    mix_bytes(mix_bytes(key.len() as u64, key), value)
}

/// The fingerprint of all that a database holds, and its last commit.
///
/// # Errors
/// What the engine says.
pub fn found_in(engine: &Engine) -> entidb_engine::Result<(u64, u64)> {
    let snapshot = engine.snapshot()?;
    let mut range = snapshot.range(KeyRange::all(), Direction::Forward)?;
    let mut all = 0;
    while range.advance()? {
        all ^= fingerprint(range.key(), range.value());
    }
    Ok((all, snapshot.sequence().0))
}

impl Promises {
    /// Judges what is found after a crash at a moment when these commits were promised and begun.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, found: (u64, u64), (durable, begun): (u64, u64)) -> Result<(), Wrong> {
        let (fingerprint, last) = found;
        if last < durable || last > begun {
            return Err(format!("commit {last} is the last one; {durable} were promised and {begun} begun"));
        }
        let right = usize::try_from(last).ok().and_then(|last| self.fingerprints.get(last));
        if right == Some(&fingerprint) {
            Ok(())
        } else {
            Err(format!("the contents are not those after commit {last}"))
        }
    }

    /// The last commit that is promised, and the last that was begun.
    #[must_use]
    pub const fn now(&self) -> (u64, u64) {
        (self.durable, self.begun)
    }
}

impl<'a> FullDisk<'a> {
    /// An empty database on the disk.
    ///
    /// # Errors
    /// What the engine says.
    pub fn new(disk: &'a SmallDisk, filling: Filling, seed: u64) -> Result<Self, Wrong> {
        let promises = Promises { fingerprints: vec![0], ..Promises::default() };
        let mut new = Self {
            disk,
            filling,
            meter: Meter::default(),
            engine: None,
            model: BTreeMap::new(),
            promises: Arc::new(Mutex::new(promises)),
            dice: Dice::new(seed),
            cycled: Cycled { percent_least: 100, ..Cycled::default() },
            commits_unlooked: 0,
        };
        new.open()?;
        Ok(new)
    }

    /// What was done so far.
    #[must_use]
    pub const fn done(&self) -> Cycled {
        self.cycled
    }

    /// What is promised.
    #[must_use]
    pub fn promises(&self) -> SharedPromises {
        Arc::clone(&self.promises)
    }

    /// Fills the disk and empties it, so many times.
    ///
    /// # Errors
    /// What went wrong, and in which cycle.
    pub fn run(&mut self, cycles: u64) -> Result<Cycled, Wrong> {
        for cycle in 0..cycles {
            self.cycle(cycle)
                .map_err(|wrong| format!("cycle {cycle}: {wrong}\n  {:?}\n  {}", self.cycled, self.state()))?;
        }
        if let Some(engine) = self.engine.take() {
            engine.close().map_err(|error| format!("closing: {error}"))?;
        }
        Ok(self.cycled)
    }

    /// Fills the disk and empties it.
    ///
    /// # Errors
    /// What went wrong.
    pub fn cycle(&mut self, cycle: u64) -> Result<(), Wrong> {
        self.fill()?;
        self.stay_full()?;
        let reopens = cycle % 4;
        if reopens == 1 || reopens == 2 {
            self.reopen(reopens == 2)?;
            self.compare("after opening the full disk")?;
        }
        let squeezed = cycle % 4 == 3;
        (self.disk.squeeze)(squeezed);
        if squeezed {
            self.stay_full()?;
        }
        self.empty(cycle)?;
        (self.disk.squeeze)(false);
        self.compare("after deleting")?;
        if cycle % 3 == 2 {
            self.settle()?;
            self.reserve_is_back()?;
        } else {
            self.engine()?.compact().map_err(|error| format!("compaction after deleting: {error}"))?;
        }
        self.compare("after compaction")?;
        self.go_on()?;
        if cycle % 10 == 9 {
            let report = self.engine()?.verify(VerifyLevel::Full).map_err(|error| error.to_string())?;
            if let Some(problem) = report.problems.first() {
                return Err(format!("verification: {problem}"));
            }
        }
        Ok(())
    }

    /// Fills some of the disk until others take the rest of it at once, whatever is in memory then. What is deleted then
    /// makes room for more, after merges have found room so many times at most.
    ///
    /// # Errors
    /// What went wrong.
    pub fn sudden_cycle(&mut self, cycle: u64, patience: usize) -> Result<(), Wrong> {
        let most = self.dice.below(self.disk.bytes / 2);
        self.fill_up_to(most)?;
        let ours = (self.disk.squeeze)(true);
        self.stay_full()?;
        if cycle % 3 == 2 {
            self.reopen(cycle.is_multiple_of(2))?;
            self.compare("after opening the full disk")?;
        }
        if cycle.is_multiple_of(2) {
            // What is in memory may be more than there is room for, but nothing is left of it then.
            self.free(vec![Change::DeleteRange(vec![0], vec![u8::MAX])])?;
            self.takes_again(ours, patience)?;
        }
        (self.disk.squeeze)(false);
        self.settle()?;
        self.go_on()?;
        self.empty(cycle)?;
        self.compare("after deleting")
    }

    /// Fills the disk, and lets others take what the reserve gives back, so that merges are wanted and find no room.
    ///
    /// # Errors
    /// What went wrong.
    pub fn starve(&mut self, world: &Simulation) -> Result<(), Wrong> {
        let (refused, freed) = self.delete_without_room(world)?;
        self.stay_full()?;
        (self.disk.squeeze)(false);
        self.settle()?;
        if freed >= ENOUGH_FREED {
            self.go_on()?;
        }
        // The disk is as full as it was, if none of them got in: then these are what must get in now.
        refused.into_iter().try_for_each(|deletions| self.free(deletions))?;
        self.settle()?;
        self.go_on()?;
        self.compare("after there was no room for merges")
    }

    /// Fills the disk, lets others take what the reserve gives back, and deletes a quarter. Returns what is refused of that.
    /// With it comes how much is deleted.
    fn delete_without_room(&mut self, world: &Simulation) -> Result<(Vec<Vec<Change>>, u64), Wrong> {
        self.fill()?;
        let before = self.live_bytes();
        let held = self.engine()?.stats().reserve_bytes;
        world.set_capacity_bytes(Some(world.used_bytes() - held + 24_000));
        let keys: Vec<Vec<u8>> = self.model.keys().step_by(4).cloned().collect();
        let mut refused = Vec::new();
        for some in keys.chunks(20) {
            let deletions: Vec<Change> = some.iter().cloned().map(Change::Delete).collect();
            if !self.commit(deletions.clone())? {
                refused.push(deletions);
            }
        }
        let freed = before - self.live_bytes();
        match self.engine()?.checkpoint() {
            Err(error) if !is_no_space(&error) => Err(format!("a checkpoint: {error}")),
            _ => Ok((refused, freed)),
        }
    }

    /// With room again, what was given up of the reserve is made again.
    fn reserve_is_back(&self) -> Result<(), Wrong> {
        let held = self.engine()?.stats().reserve_bytes;
        let free = self.disk.backend.directory.free_bytes().map_err(|error| error.to_string())?;
        if held < RESERVE_BYTES_MIN && free > 4 * RESERVE_BYTES_MIN {
            return Err(format!("the reserve has {held} bytes, and {free} are free"));
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Wrong> {
        let backend = self.meter.metered(&self.disk.backend);
        let opened = Engine::open(backend, (self.filling.options)());
        self.engine = Some(opened.map_err(|error| format!("opening: {error}"))?);
        Ok(())
    }

    fn reopen(&mut self, closes: bool) -> Result<(), Wrong> {
        if let Some(engine) = self.engine.take()
            && closes
        {
            engine.close().map_err(|error| format!("closing on a full disk: {error}"))?;
        }
        self.open()
    }

    fn engine(&self) -> Result<&Engine, Wrong> {
        self.engine.as_ref().ok_or_else(|| "the database is not open".to_owned())
    }

    /// What there is, for a report.
    #[must_use]
    pub fn state(&self) -> String {
        let stats = self.engine.as_ref().map(Engine::stats).unwrap_or_default();
        let free = self.disk.backend.directory.free_bytes();
        format!("{} live bytes, free {free:?}, files {}, {stats:?}", self.live_bytes(), self.file_count())
    }

    fn live_bytes(&self) -> u64 {
        self.model.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }

    fn file_count(&self) -> usize {
        let kinds = [FileKind::Wal, FileKind::Manifest, FileKind::Segment, FileKind::Temporary];
        let count = |kind: FileKind| self.disk.backend.directory.list(kind.folder()).map_or(0, |list| list.len());
        kinds.into_iter().map(count).sum()
    }

    fn key(&mut self) -> Vec<u8> {
        let number = self.dice.below(self.filling.keys);
        let zone = ZONES.get(usize::try_from(number % 3).unwrap_or(0)).copied().unwrap_or(1);
        [&[zone][..], &number.to_be_bytes()].concat()
    }

    fn put(&mut self) -> Change {
        let key = self.key();
        let bytes = self.dice.below(self.filling.value_bytes) + 1;
        Change::Put(key, random_value(&mut self.dice, usize::try_from(bytes).unwrap_or(1)))
    }

    /// Makes a commit; false when it is refused for want of room.
    fn commit(&mut self, changes: Vec<Change>) -> Result<bool, Wrong> {
        let engine = self.engine()?.clone();
        let commit = || {
            let mut transaction = engine.begin_write()?;
            for change in &changes {
                match change {
                    Change::Put(key, value) => transaction.put(key, value)?,
                    Change::Delete(key) => transaction.delete(key)?,
                    Change::DeleteRange(start, end) => transaction.delete_range(start, end)?,
                }
            }
            Ok(transaction)
        };
        let transaction =
            commit().map_err(|error: Error| format!("a transaction that is not committed yet: {error}"))?;
        let (sequence, next) = (transaction.next_sequence().0, self.fingerprint_with(&changes));
        {
            let mut promises = self.promises.lock();
            let at = usize::try_from(sequence).unwrap_or(0);
            promises.fingerprints.truncate(at);
            if promises.fingerprints.len() != at {
                return Err(format!("commit {sequence} follows {}", promises.fingerprints.len()));
            }
            promises.fingerprints.push(next);
            promises.begun = sequence;
        }
        let result = transaction.commit();
        let mut promises = self.promises.lock();
        match result {
            Ok(_) => promises.durable = sequence,
            Err(error) if is_no_space(&error) => {
                promises.begun = sequence - 1;
                self.cycled.refused += 1;
                return Ok(false);
            }
            Err(error) => return Err(format!("a commit: {error}")),
        }
        drop(promises);
        self.cycled.commits += 1;
        for change in changes {
            match change {
                Change::Put(key, value) => drop(self.model.insert(key, value)),
                Change::Delete(key) => drop(self.model.remove(&key)),
                Change::DeleteRange(start, end) => {
                    let mut rest = self.model.split_off(&start);
                    self.model.append(&mut rest.split_off(&end));
                }
            }
        }
        Ok(true)
    }

    /// The fingerprint of the contents once these changes, of different keys, are made.
    fn fingerprint_with(&self, changes: &[Change]) -> u64 {
        let last = self.promises.lock().durable;
        let mut next = usize::try_from(last).ok().and_then(|last| self.promises.lock().fingerprints.get(last).copied());
        let next = next.get_or_insert(0);
        for change in changes {
            match change {
                Change::Put(key, value) => {
                    *next ^= self.model.get(key).map_or(0, |old| fingerprint(key, old)) ^ fingerprint(key, value);
                }
                Change::Delete(key) => *next ^= self.model.get(key).map_or(0, |old| fingerprint(key, old)),
                Change::DeleteRange(start, end) => {
                    let gone = self.model.range(start.clone()..end.clone());
                    gone.for_each(|(key, old)| *next ^= fingerprint(key, old));
                }
            }
        }
        *next
    }

    /// Waits until the disk takes more when everything is deleted, and others still have all of it but `ours`.
    fn takes_again(&mut self, ours: u64, patience: usize) -> Result<(), Wrong> {
        // Half of what is ours beside the smallest reserve, two files of the log, the manifest and ROOT.
        let wanted = (ours.saturating_sub(2 * RESERVE_BYTES_MIN) / 2).min(self.disk.bytes / 10);
        for _ in 0..patience {
            self.settle()?;
            self.fill_up_to(self.disk.bytes / 8)?;
            if self.live_bytes() >= wanted {
                return Ok(());
            }
        }
        Err(format!("of {ours} bytes that are ours less than {wanted} take new data when everything is deleted"))
    }

    /// Writes, none of which may be refused.
    fn go_on(&mut self) -> Result<(), Wrong> {
        for _ in 0..10 {
            let change = self.put();
            if !self.commit(vec![change])? {
                return Err(format!("writing does not go on after {} bytes of live data are left", self.live_bytes()));
            }
        }
        Ok(())
    }

    /// Writes until the disk is full.
    fn fill(&mut self) -> Result<(), Wrong> {
        self.fill_up_to(20 * self.disk.bytes)?;
        self.cycled.full += 1;
        let percent = self.live_bytes() * 100 / self.disk.bytes;
        self.cycled.percent_least = self.cycled.percent_least.min(percent);
        if percent < self.filling.percent_used {
            return Err(format!("the disk is called full when live data has {percent} hundredths of it"));
        }
        Ok(())
    }

    /// Writes this many bytes, or until the disk is full.
    fn fill_up_to(&mut self, most: u64) -> Result<(), Wrong> {
        let mut written = 0;
        loop {
            let count = self.dice.below(8) + 1;
            let mut changes: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            for _ in 0..count {
                if let Change::Put(key, value) = self.put() {
                    changes.insert(key, value);
                }
            }
            written += changes.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
            let changes = changes.into_iter().map(|(key, value)| Change::Put(key, value)).collect();
            self.files()?;
            if !self.commit(changes)? {
                return Ok(());
            }
            if written > most {
                let is_too_much = written > 20 * self.disk.bytes;
                let wrong = || format!("{written} bytes went into a disk of {}", self.disk.bytes);
                return if is_too_much { Err(wrong()) } else { Ok(()) };
            }
        }
    }

    /// Asks a full disk for more, again and again: nothing is lost and little is written.
    fn stay_full(&mut self) -> Result<(), Wrong> {
        self.compare("when the disk is full")?;
        let before = self.meter.reading();
        for _ in 0..TRIES {
            self.ask_for_more()?;
        }
        let written = self.meter.since(before);
        self.cycled.idle_bytes_most = self.cycled.idle_bytes_most.max(written.bytes());
        // What is still to be merged may be merged once, and no more.
        if written.bytes() > self.disk.bytes {
            return Err(format!("{written} are written on a full disk for nothing"));
        }
        self.compare("after commits that were refused")
    }

    /// Asks a full disk for a little more; then there is some background work, and time passes. False when it is refused.
    fn ask_for_more(&mut self) -> Result<bool, Wrong> {
        let change = self.put();
        let taken = self.commit(vec![change])?;
        self.maintain(16)?;
        self.files()?;
        (self.disk.rest)();
        Ok(taken)
    }

    /// Some background work; a full disk may get in its way.
    fn maintain(&self, steps: usize) -> Result<bool, Wrong> {
        match self.engine()?.maintain(steps) {
            Ok(more) => Ok(more),
            Err(error) if is_no_space(&error) => Ok(false),
            Err(error) => Err(format!("background work: {error}")),
        }
    }

    /// Lets the background do all there is to do.
    fn settle(&self) -> Result<(), Wrong> {
        for _ in 0..STEPS_MAX / 16 {
            (self.disk.rest)();
            if !self.maintain(16)? {
                return Ok(());
            }
        }
        Err("background work does not end".to_owned())
    }

    /// Deletes most of what there is, in one of several ways. None of it may be refused.
    fn empty(&mut self, cycle: u64) -> Result<(), Wrong> {
        let keys: Vec<Vec<u8>> = self.model.keys().cloned().collect();
        match cycle % 5 {
            0 => return self.free(vec![Change::DeleteRange(vec![0], vec![u8::MAX])]),
            1 => {
                let middle = keys.get(keys.len() / 4 * 3).cloned().unwrap_or_else(|| vec![u8::MAX]);
                return self.free(vec![Change::DeleteRange(vec![0], middle)]);
            }
            _ => {}
        }
        let (kept_in_10, at_once) = match cycle % 5 {
            2 => (3, 1),
            3 => (4, 10),
            _ => (0, 1),
        };
        let gone: Vec<Change> =
            keys.into_iter().filter(|_| self.dice.below(10) >= kept_in_10).map(Change::Delete).collect();
        for some in gone.chunks(at_once) {
            self.free(some.to_vec())?;
            self.files()?;
        }
        Ok(())
    }

    fn free(&mut self, changes: Vec<Change>) -> Result<(), Wrong> {
        if self.commit(changes)? { Ok(()) } else { Err("a deletion is refused on a full disk".to_owned()) }
    }

    fn files(&mut self) -> Result<(), Wrong> {
        // Listing them takes longer than the commit before it.
        self.commits_unlooked += 1;
        if self.commits_unlooked < COMMITS_UNLOOKED {
            return Ok(());
        }
        self.commits_unlooked = 0;
        let files = self.file_count();
        self.cycled.files_most = self.cycled.files_most.max(files);
        if files > self.filling.files_max {
            return Err(format!("there are {files} files"));
        }
        Ok(())
    }

    fn compare(&self, when: &str) -> Result<(), Wrong> {
        let engine = self.engine()?;
        let snapshot = engine.snapshot().map_err(|error| format!("reads {when}: {error}"))?;
        let mut range =
            snapshot.range(KeyRange::all(), Direction::Forward).map_err(|error| format!("reads {when}: {error}"))?;
        let mut model = self.model.iter();
        while range.advance().map_err(|error| format!("reads {when}: {error}"))? {
            if model.next().is_none_or(|(key, value)| key != range.key() || value != range.value()) {
                return Err(format!("reads {when} show {:?}, which is wrong", range.key()));
            }
        }
        match model.next() {
            None => Ok(()),
            Some((key, _)) => Err(format!("reads {when} do not show {key:?}")),
        }
    }
}
