//! A full file system whose flushes need room for themselves, as those that write metadata to new places do.
//!
//! Always: what was acknowledged is found after each failure, by readers at once and after each reopen and crash; a commit whose
//! outcome is not known is found whole or not at all.
//! Does not know: what the database flushes, and when.

use entidb_engine::{Engine, Error, Options, VerifyLevel};
use entidb_storage::simulated::{Dice, Personality, Simulation, Variant};

use super::{Wrong, is_no_space, random_value, small_disk_options};
use crate::engine_subject::{apply, contents};
use crate::model::{Bytes, Change, Contents, Key};

/// What a flush needs.
const FLUSH_BYTES: u64 = 24 * 1024;
/// What is put before the disk gets full.
const FIRST_BYTES: u64 = 1 << 20;
/// Commits on the full disk, at most.
const TRIES: u64 = 400;
/// How the machine may crash after the failure.
const VARIANTS: u32 = 12;

/// What a run met.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlushesFailed {
    /// A flush failed, and writing stopped.
    pub stopped: u64,
    /// Commits that were refused for want of room.
    pub refused: u64,
    /// Crashes and opens after it.
    pub states: u64,
}

/// A database, and what is acknowledged.
struct Run {
    world: Simulation,
    dice: Dice,
    acknowledged: Contents,
    /// With the commit of which nobody knows.
    perhaps: Contents,
    met: FlushesFailed,
}

/// Fills a disk until a flush finds no room for itself, and looks what is there then.
///
/// # Errors
/// What went wrong.
pub fn flushes_without_room(seed: u64) -> Result<FlushesFailed, Wrong> {
    let personality = usize::try_from(seed).ok().and_then(|at| Personality::ALL.get(at % Personality::ALL.len()));
    let world = Simulation::new(personality.copied().unwrap_or(Personality::PosixStrict), seed);
    world.set_copies_overwrites(true);
    let (acknowledged, perhaps) = (Contents::default(), Contents::default());
    let mut run = Run { world, dice: Dice::new(seed), acknowledged, perhaps, met: FlushesFailed::default() };
    let engine = run.open(false)?;
    while run.world.used_bytes() < FIRST_BYTES {
        run.commit(&engine)?;
        engine.maintain(2).map_err(|error| format!("before the disk is full: {error}"))?;
    }
    let left = run.dice.below(4 * FLUSH_BYTES);
    run.world.set_capacity_bytes(Some(run.world.used_bytes() + left));
    run.world.set_flush_bytes(FLUSH_BYTES);
    for _ in 0..TRIES {
        let stops = !run.commit(&engine)?;
        let done = engine.maintain(2);
        if stops || matches!(done, Err(Error::WritesStopped { .. })) {
            run.met.stopped = 1;
            run.when_stopped(engine)?;
            return Ok(run.met);
        }
        done.map(drop).or_else(|error| if may_come(&error) { Ok(()) } else { Err(format!("maintenance: {error}")) })?;
        run.world.clock().advance_nanos(300_000_000);
    }
    run.check(&engine, "on the full disk")?;
    Ok(run.met)
}

/// True for what a step may end with when a flush finds no room.
fn may_come(error: &Error) -> bool {
    is_no_space(error) || matches!(error, Error::WritesStopped { .. })
}

impl Run {
    fn open(&self, read_only: bool) -> Result<Engine, Wrong> {
        open(&self.world, read_only).map_err(|error| format!("opening: {error}"))
    }

    /// Makes a commit; false when writing has stopped.
    fn commit(&mut self, engine: &Engine) -> Result<bool, Wrong> {
        let mut changes = Vec::new();
        for _ in 0..=self.dice.below(4) {
            let key = Key([&[1][..], &self.dice.below(900).to_be_bytes()].concat());
            changes.push(if self.dice.below(5) == 0 {
                Change::Delete(key)
            } else {
                let len = 200 + usize::try_from(self.dice.below(1200)).unwrap_or(0);
                Change::Put(key, Bytes(random_value(&mut self.dice, len)))
            });
        }
        let mut next = self.acknowledged.clone();
        next.apply(&changes);
        let mut transaction = engine.begin_write().map_err(|error| error.to_string())?;
        apply(&mut transaction, &changes).map_err(|error| error.to_string())?;
        match transaction.commit() {
            Ok(_) => {
                self.acknowledged.clone_from(&next);
                self.perhaps = next;
                Ok(true)
            }
            Err(error) if is_no_space(&error) => {
                self.met.refused += 1;
                Ok(true)
            }
            Err(Error::CommitUnknown { .. }) => {
                self.perhaps = next;
                Ok(false)
            }
            Err(Error::WritesStopped { .. }) => Ok(false),
            Err(error) => Err(format!("a commit: {error}")),
        }
    }

    /// Reading goes on, writing is refused with what to do; after each crash, and after a reopen, all that was acknowledged is
    /// there, and with room again writing goes on.
    fn when_stopped(&mut self, engine: Engine) -> Result<(), Wrong> {
        if read(&engine)? != self.acknowledged {
            return Err("readers do not see what was acknowledged when writing stopped".to_owned());
        }
        let put = engine.begin_write().and_then(|mut transaction| {
            transaction.put(&[1], b"refused")?;
            transaction.commit()
        });
        match put {
            Err(error @ Error::WritesStopped { .. }) if error.to_string().contains("open the database") => {}
            other => return Err(format!("a commit after the failed flush: {other:?}")),
        }
        for variant in 0..VARIANTS {
            let after = self.world.crash(Variant(variant));
            with_room(&after);
            let engine = open(&after, false).map_err(|error| format!("opening after crash {variant}: {error}"))?;
            self.check(&engine, "after a crash")?;
            self.met.states += 1;
        }
        drop(engine);
        // As full as it was: that it cannot be written must cost nothing.
        match open(&self.world, false) {
            Ok(engine) => self.check(&engine, "after opening the full disk")?,
            Err(error) if may_come(&error) => {}
            Err(error) => return Err(format!("opening the full disk: {error}")),
        }
        self.check(&self.open(true)?, "read only on the full disk")?;
        with_room(&self.world);
        let engine = self.open(false)?;
        self.check(&engine, "with room again")?;
        self.acknowledged = read(&engine)?;
        for _ in 0..20 {
            if !self.commit(&engine)? {
                return Err("writing does not go on with room again".to_owned());
            }
        }
        self.check(&engine, "after writing went on")?;
        let report = engine.verify(VerifyLevel::Full).map_err(|error| error.to_string())?;
        self.met.states += 3;
        report.problems.first().map_or(Ok(()), |problem| Err(format!("verification: {problem}")))
    }

    fn check(&self, engine: &Engine, when: &str) -> Result<(), Wrong> {
        let found = read(engine)?;
        if found == self.acknowledged || found == self.perhaps {
            return Ok(());
        }
        Err(format!("{when} {} keys are found, {} were acknowledged", found.0.len(), self.acknowledged.0.len()))
    }
}

fn open(world: &Simulation, read_only: bool) -> Result<Engine, Error> {
    Engine::open(world.backend(), Options { read_only, ..small_disk_options() })
}

fn with_room(world: &Simulation) {
    world.set_capacity_bytes(None);
    world.set_flush_bytes(0);
}

fn read(engine: &Engine) -> Result<Contents, Wrong> {
    contents(engine).map_err(|error| format!("reads: {error}"))
}
