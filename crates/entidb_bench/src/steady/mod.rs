//! A mixed load for minutes, with everything in the background that a long life brings: is each commit still quick?
//!
//! Always: every answer that can be checked is checked, so a fast wrong one fails the run; what is counted takes a fixed
//! amount of memory. The device is asked for its own flush all the while, by a file beside the database, because a commit
//! cannot be quicker than that.
//! Does not know: what is good enough; [`Report::floors`] says what was wished for.
#![expect(clippy::disallowed_methods, reason = "a bench wants real time")]

mod histogram;
mod load;
mod plot;
mod process;
mod report;
mod sample;
mod upkeep;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use entidb_engine::{Durability, Engine, KeySource, Options, Sequence, VerifyLevel};
use entidb_storage::{Backend, RootMode};

use crate::device;

pub use histogram::Histogram;
pub use plot::plot;
pub use report::{Floor, Report};
pub use sample::Sample;

/// What went wrong.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How much of what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How long the load lasts.
    pub time: Duration,
    /// Keys that are written again and again.
    pub keys: u64,
    /// Threads that make durable commits of one pair, and how many each makes in a second at most.
    pub writers: u64,
    /// How many durable commits each of them makes in a second, at most.
    pub commits_per_second: u64,
    /// Pairs of a grouped commit, of which there is one writer.
    pub batch: u64,
    /// Grouped commits in a second, at most.
    pub batches_per_second: u64,
    /// The interval they ask for.
    pub interval: Duration,
    /// Reads of one key in a second, and a tenth as many ranges of 20.
    pub reads_per_second: u64,
    /// Snapshots that are open at any time.
    pub snapshots: usize,
    /// Compactions, rotations of the key, backups and checkpoints, in turn, over the whole time.
    pub upkeeps: u32,
    /// Moments at which memory, descriptors and disk are looked at.
    pub samples: u32,
    /// How small the engine's buffers are.
    pub memory_bytes: u64,
    /// The size of a memtable.
    pub memtable_bytes: u64,
    /// The size of a segment.
    pub segment_bytes: u64,
}

impl Plan {
    /// The load that the figures of a release are for.
    #[must_use]
    pub fn of(time: Duration) -> Self {
        let defaults = Options::default();
        Self {
            time,
            keys: 2_000_000,
            writers: 2,
            commits_per_second: 400,
            batch: 100,
            batches_per_second: 100,
            interval: Duration::from_millis(10),
            reads_per_second: 500,
            snapshots: 3,
            upkeeps: u32::try_from(time.as_secs() / 15).unwrap_or(u32::MAX).max(8),
            samples: u32::try_from(time.as_secs()).unwrap_or(u32::MAX).clamp(20, 900),
            memory_bytes: defaults.memory_bytes,
            memtable_bytes: defaults.memtable_bytes,
            segment_bytes: defaults.segment_bytes,
        }
    }

    /// The same in small, so that a few seconds see every part of it.
    #[must_use]
    pub fn small(time: Duration) -> Self {
        Self {
            keys: 4_000,
            upkeeps: 12,
            samples: 20,
            memory_bytes: 4 << 20,
            memtable_bytes: 256 << 10,
            segment_bytes: 256 << 10,
            ..Self::of(time)
        }
    }

    fn options(&self) -> Options {
        Options {
            key: Some(KeySource::raw([7; 32])),
            memory_bytes: self.memory_bytes,
            memtable_bytes: self.memtable_bytes,
            segment_bytes: self.segment_bytes,
            durability: Durability::Grouped { interval_ms: u32::try_from(self.interval.as_millis()).unwrap_or(10) },
            ..Options::default()
        }
    }
}

/// What the threads of a run share.
struct Run<'a> {
    plan: &'a Plan,
    engine: Engine,
    begun: Instant,
    over: AtomicBool,
    failure: Mutex<Option<Failure>>,
    /// Durable commits since the last sample.
    durable_now: Mutex<Histogram>,
    /// What the device took since the last sample.
    device_now: Mutex<Histogram>,
    /// How long grouped commits stayed unflushed.
    lag: Mutex<Histogram>,
    /// Grouped commits that are not durable yet, oldest first.
    unflushed: Mutex<VecDeque<(Sequence, Instant)>>,
    counts: Counts,
}

/// How often what was done.
#[derive(Debug, Default)]
struct Counts {
    pairs: AtomicU64,
    batches: AtomicU64,
    reads: AtomicU64,
    snapshots: AtomicU64,
    compactions: AtomicU64,
    rotations: AtomicU64,
    backups: AtomicU64,
    checkpoints: AtomicU64,
}

impl Run<'_> {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.begun.elapsed() >= self.plan.time
    }

    /// In three tenths of the time nobody makes durable commits, so that grouped ones cannot share their flushes.
    fn is_quiet(&self) -> bool {
        let period = (self.plan.time / 3).min(Duration::from_secs(10)).as_nanos().max(1);
        self.begun.elapsed().as_nanos() % period >= period / 10 * 7
    }

    /// Runs a part of the load until it is over; a failure ends the whole run.
    fn part(&self, act: impl FnOnce(&Self) -> Result<(), Failure>) {
        if let Err(failure) = act(self) {
            self.over.store(true, Ordering::Relaxed);
            locked(&self.failure).get_or_insert(failure);
        }
    }
}

/// Waits until it is time for the next of what happens so often a second.
struct Pace {
    next: Instant,
    gap: Duration,
}

impl Pace {
    fn per_second(count: u64) -> Self {
        let gap = Duration::from_secs(1) / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Self { next: Instant::now(), gap }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        std::thread::sleep(self.next.saturating_duration_since(now));
        // What was missed is not caught up with: a burst after a stall would be a load of its own.
        self.next = (self.next + self.gap).max(now);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the load on a database in `folder`, which is made and must not be there.
///
/// # Errors
/// What the engine failed with, and each answer that was wrong.
pub fn run(plan: &Plan, folder: &Path) -> Result<Report, Failure> {
    let place = folder.join("database");
    drop(Backend::file(folder, RootMode::CreateNew)?);
    let memory_before = process::resident_bytes();
    let engine = Engine::open(Backend::file(&place, RootMode::CreateNew)?, plan.options())?;
    let run = Run {
        plan,
        engine: engine.clone(),
        begun: Instant::now(),
        over: AtomicBool::new(false),
        failure: Mutex::default(),
        durable_now: Mutex::default(),
        device_now: Mutex::default(),
        lag: Mutex::default(),
        unflushed: Mutex::default(),
        counts: Counts::default(),
    };
    let acknowledged: Vec<Mutex<Vec<u64>>> = (0..plan.writers).map(|_| Mutex::default()).collect();
    let mut sampled = sample::Sampled::default();
    std::thread::scope(|scope| {
        let run = &run;
        for (number, acknowledged) in (0..).zip(&acknowledged) {
            scope.spawn(move || run.part(|run| load::durable(run, number, &mut locked(acknowledged))));
        }
        scope.spawn(move || run.part(load::grouped));
        scope.spawn(move || run.part(load::reads));
        scope.spawn(move || run.part(load::snapshots));
        scope.spawn(move || run.part(load::watch_grouped));
        scope.spawn(move || run.part(|run| upkeep::upkeep(run, folder)));
        scope.spawn(move || {
            run.part(|run| device::probe(folder, "probe", || run.is_over(), |took| locked(&run.device_now).add(took)))
        });
        run.part(|run| {
            sampled = sample::samples(run, &place)?;
            Ok(())
        });
    });
    if let Some(failure) = locked(&run.failure).take() {
        return Err(failure);
    }
    let stats = engine.stats();
    engine.compact()?;
    let live_bytes = load::check(&run, &acknowledged)?;
    engine.close()?;
    let rest_bytes = process::folder_bytes(&place);
    drop(run.engine.clone());
    let reopened = Engine::open(Backend::file(&place, RootMode::Existing)?, plan.options())?;
    let problems = reopened.verify(VerifyLevel::Full)?.problems;
    if let Some(problem) = problems.first() {
        return Err(format!("after the run {} units do not verify; the first: {problem}", problems.len()).into());
    }
    reopened.close()?;
    let lag = std::mem::take(&mut *locked(&run.lag));
    let memory = sampled.samples.iter().filter_map(|sample| sample.resident_bytes).max();
    Ok(Report {
        plan: plan.clone(),
        durable: sampled.durable,
        device: sampled.device,
        lag,
        log_flush_longest: Duration::from_micros(stats.wal_flush_longest_micros),
        samples: sampled.samples,
        memory_bytes: memory.zip(memory_before).map(|(most, before)| most.saturating_sub(before)),
        descriptors_max: process::descriptors_max(),
        live_bytes,
        rest_bytes,
        stalls: stats.write_stalls,
        done: report::Done::of(&run.counts),
    })
}

/// The whole of a small plan in a folder of the system's temporary place, which is removed.
///
/// # Errors
/// As [`run`].
pub fn run_in_temporary_place(plan: &Plan) -> Result<Report, Failure> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let root = std::env::var_os("ENTIDB_BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = root.join(format!("entidb-steady-{}-{number}", std::process::id()));
    let report = run(plan, &folder);
    let _removed = std::fs::remove_dir_all(&folder);
    report
}
