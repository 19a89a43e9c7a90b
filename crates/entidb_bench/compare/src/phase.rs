//! The phases every engine goes through, in order, on one growing database.
//!
//! Always: what an engine answers is checked, so a fast wrong answer fails the run. Does not know: engines.

use std::path::Path;
use std::time::Instant;

use entidb_bench::{Pairs, SEED};
use entidb_storage::{Backend, RootMode};

use crate::Opener;
use crate::engines::{Change, Engine, Failure, Level};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) keys: u64,
}

/// What one phase took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measure {
    /// Operations, or 1 for a size.
    pub(crate) count: u64,
    pub(crate) wall_nanos: u64,
    pub(crate) processor_nanos: u64,
    /// For phases that measure a size.
    pub(crate) bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    BulkLoad,
    DurableSingles,
    DurableSinglesOfEight,
    DurableBatches,
    UnflushedSingles,
    Gets,
    Misses,
    Ranges,
    Scan,
    Removals,
    Size,
    Reopen,
}

impl Phase {
    pub(crate) const ALL: [Self; 12] = [
        Self::BulkLoad,
        Self::DurableSingles,
        Self::DurableSinglesOfEight,
        Self::DurableBatches,
        Self::UnflushedSingles,
        Self::Gets,
        Self::Misses,
        Self::Ranges,
        Self::Scan,
        Self::Removals,
        Self::Size,
        Self::Reopen,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::BulkLoad => "bulk load, one transaction",
            Self::DurableSingles => "singles, 1 thread",
            Self::DurableSinglesOfEight => "singles, 8 threads",
            Self::DurableBatches => "batches of 1,000",
            Self::UnflushedSingles => "singles, 1 thread",
            Self::Gets => "random get",
            Self::Misses => "get of an absent key",
            Self::Ranges => "random range of 10",
            Self::Scan => "full scan, per pair",
            Self::Removals => "removals, one transaction",
            Self::Size => "bytes on disk",
            Self::Reopen => "close, open, first get",
        }
    }

    /// The durability of the phase's writes.
    pub(crate) const fn level(self) -> &'static str {
        match self {
            Self::BulkLoad | Self::DurableSingles | Self::DurableSinglesOfEight => "durable",
            Self::DurableBatches | Self::Removals => "durable",
            Self::UnflushedSingles => "unflushed",
            _ => "",
        }
    }
}

const SINGLES: u64 = 500;
const THREADS: u64 = 8;
const SINGLES_OF_A_THREAD: u64 = 250;
const BATCHES: u64 = 50;
const UNFLUSHED: u64 = 20_000;

/// The backend of a folder.
pub(crate) fn backend(folder: &Path) -> Result<Backend, Failure> {
    Ok(Backend::file(folder, RootMode::CreateIfMissing)?)
}

/// Runs the phases and returns a measure of each, until the one whose title starts with `until`.
pub(crate) fn run_all(
    open: Opener<'_>,
    folder: &Path,
    scale: Scale,
    until: Option<&str>,
) -> Result<Vec<Measure>, Failure> {
    let mut engine = Some(open()?);
    let mut measures = Vec::new();
    let mut written = 0;
    for phase in Phase::ALL {
        let closed = || Failure::from("the engine is closed");
        measures.push(if phase == Phase::Reopen {
            let now = engine.take().ok_or_else(closed)?;
            let (measure, now) = reopen(now, open)?;
            engine = Some(now);
            measure
        } else {
            run(phase, engine.as_deref().ok_or_else(closed)?, folder, scale, &mut written)?
        });
        if until.is_some_and(|until| phase.title().starts_with(until)) {
            break;
        }
    }
    Ok(measures)
}

fn run(phase: Phase, engine: &dyn Engine, folder: &Path, scale: Scale, written: &mut u64) -> Result<Measure, Failure> {
    let pairs = Pairs::new(SEED);
    let all = *written;
    let put = move |number| Change::Put(pairs.key(number), pairs.value(number));
    let reads = (scale.keys * 3 / 2).max(1000);
    match phase {
        Phase::BulkLoad => {
            *written += scale.keys;
            timed(scale.keys, || engine.write(&mut (0..scale.keys).map(put), Level::Durable))
        }
        Phase::DurableSingles => {
            *written += SINGLES;
            timed(SINGLES, || singles(engine, all..all + SINGLES, Level::Durable))
        }
        Phase::DurableSinglesOfEight => {
            let count = THREADS * SINGLES_OF_A_THREAD;
            *written += count;
            timed(count, || {
                std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..THREADS)
                        .map(|thread| {
                            let from = all + thread * SINGLES_OF_A_THREAD;
                            scope.spawn(move || singles(engine, from..from + SINGLES_OF_A_THREAD, Level::Durable))
                        })
                        .collect();
                    threads
                        .into_iter()
                        .try_for_each(|thread| thread.join().map_err(|_| Failure::from("a writer panicked"))?)
                })
            })
        }
        Phase::DurableBatches => {
            *written += BATCHES * 1000;
            timed(BATCHES * 1000, || {
                (0..BATCHES).try_for_each(|batch| {
                    let from = all + batch * 1000;
                    engine.write(&mut (from..from + 1000).map(put), Level::Durable)
                })
            })
        }
        Phase::UnflushedSingles => {
            *written += UNFLUSHED;
            timed(UNFLUSHED, || singles(engine, all..all + UNFLUSHED, Level::Unflushed))
        }
        Phase::Gets => timed_read(engine, reads, |reader| {
            for step in 0..reads {
                let number = pairs.pick(step, all);
                let found = reader.get(&pairs.key(number))?;
                if found != pairs.value(number).first().copied() {
                    return Err(format!("pair {number} reads {found:?}").into());
                }
            }
            Ok(())
        }),
        Phase::Misses => timed_read(engine, reads, |reader| {
            for step in 0..reads {
                let number = all + 1_000_000_000 + step;
                if reader.get(&pairs.key(number))?.is_some() {
                    return Err(format!("pair {number} was never written and is there").into());
                }
            }
            Ok(())
        }),
        Phase::Ranges => timed_read(engine, reads / 3, |reader| {
            let mut found = 0;
            for step in 0..reads / 3 {
                found += reader.range(&pairs.key(pairs.pick(step, all)), 10)?.0 as u64;
            }
            // Only a range from one of the last ten keys is shorter.
            let least = (reads / 3 * 10).saturating_sub(reads / 3 * 100 / all.max(1) + 200);
            if found < least { Err(format!("ranges found {found} pairs").into()) } else { Ok(()) }
        }),
        Phase::Scan => timed_read(engine, all, |reader| {
            let (found, sum) = reader.range(&[0], usize::MAX)?;
            std::hint::black_box(sum);
            if found as u64 == all { Ok(()) } else { Err(format!("a scan found {found} of {all} pairs").into()) }
        }),
        Phase::Removals => timed(scale.keys / 2, || {
            engine.write(&mut (0..scale.keys / 2).map(|number| Change::Delete(pairs.key(number))), Level::Durable)
        }),
        Phase::Size => Ok(Measure { count: 1, bytes: Some(bytes_in(folder)?), ..Measure::default() }),
        Phase::Reopen => Err("reopening is done elsewhere".into()),
    }
}

fn singles(engine: &dyn Engine, numbers: std::ops::Range<u64>, level: Level) -> Result<(), Failure> {
    let pairs = Pairs::new(SEED);
    for number in numbers {
        engine.write(&mut std::iter::once(Change::Put(pairs.key(number), pairs.value(number))), level)?;
    }
    Ok(())
}

fn reopen(engine: Box<dyn Engine>, open: Opener<'_>) -> Result<(Measure, Box<dyn Engine>), Failure> {
    let pairs = Pairs::new(SEED);
    let start = (Instant::now(), processor_nanos());
    drop(engine);
    let engine = open()?;
    engine.read(&mut |reader| match reader.get(&pairs.key(0))? {
        None => Ok(()),
        Some(_) => Err("a removed pair is back".into()),
    })?;
    Ok((finish(1, start), engine))
}

fn timed(count: u64, body: impl FnOnce() -> Result<(), Failure>) -> Result<Measure, Failure> {
    let start = (Instant::now(), processor_nanos());
    body()?;
    Ok(finish(count, start))
}

fn timed_read(
    engine: &dyn Engine,
    count: u64,
    body: impl Fn(&dyn crate::engines::Reader) -> Result<(), Failure>,
) -> Result<Measure, Failure> {
    timed(count, || engine.read(&mut |reader| body(reader)))
}

fn finish(count: u64, (wall, processor): (Instant, u64)) -> Measure {
    let wall_nanos = u64::try_from(wall.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Measure { count, wall_nanos, processor_nanos: processor_nanos().saturating_sub(processor), bytes: None }
}

/// Processor time of this process, all its threads included.
fn processor_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`, which is ours.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if failed == 0 { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 } else { 0 }
}

fn bytes_in(folder: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_in(&entry.path())? } else { allocated(&metadata) };
    }
    Ok(bytes)
}

/// What the file takes on the disk: a map of 64 GiB with holes is not 64 GiB large.
#[cfg(unix)]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}
