//! Does a commit stay quick while gigabytes come in, and while they are compacted? Does `close` wait for any of it?
//!
//! Always: the device is asked for its own flush by a file beside the database during the same time, because a durable
//! commit cannot be quicker than that. `--gigabytes N` (10) says how much data; it needs about twice that in
//! `ENTIDB_BENCH_FOLDER` or the system's temporary place. `--json` prints one object a line, `--check` fails when a floor
//! is missed. The folder is removed at the end.
//! Does not know: how much comes in per second at best (`commit`).

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints what it found and wants real time"
)]

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use entidb_bench::steady::Histogram;
use entidb_bench::{BenchDatabase, KEY_BYTES, Pairs, SEED, VALUE_BYTES, device};
use entidb_engine::{Durability, Engine, Options};

type Failure = Box<dyn Error + Send + Sync>;

/// Pairs of a commit that fills.
const BATCH: u64 = 20;
/// Between two durable commits, so that they take part in the load and are not all of it.
const GAP: Duration = Duration::from_micros(2_500);
/// The floors.
const ABOVE_DEVICE: Duration = Duration::from_millis(50);
const CLOSE: Duration = Duration::from_millis(200);

struct Row {
    name: &'static str,
    level: &'static str,
    ours: Duration,
    device: Duration,
    floor: Duration,
}

fn main() -> Result<(), Failure> {
    let (mut gigabytes, mut json, mut check) = (10.0_f64, false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo passes to every bench.
            "--bench" => {}
            "--gigabytes" => gigabytes = arguments.next().ok_or("--gigabytes needs a number")?.parse()?,
            "--json" => json = true,
            "--check" => check = true,
            _ => {
                return Err(
                    format!("{argument} is no argument of this bench; use --gigabytes N, --json, --check").into()
                );
            }
        }
    }
    let pairs = gigabytes * 1e9 / (KEY_BYTES + VALUE_BYTES) as f64;
    let rows = run(pairs as u64)?;
    for row in &rows {
        print(row, json);
    }
    let missed = rows.iter().filter(|row| row.ours > row.floor).count();
    if check && missed > 0 { Err(format!("{missed} floors are missed").into()) } else { Ok(()) }
}

fn print(row: &Row, json: bool) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let Row { name, level, ours, device, floor } = row;
    let ratio = device.as_secs_f64() / ours.as_secs_f64().max(1e-9);
    if json {
        println!(
            r#"{{"row":"{name}","peer":"device","level":"{level}","ours":{:.3},"theirs":{:.3},"ratio":{ratio:.3},"floor":{:.3},"unit":"ms"}}"#,
            ms(*ours),
            ms(*device),
            ms(*floor)
        );
    } else {
        println!("{name} ({level}): {:.2} ms; device {:.2} ms; at most {:.2} ms", ms(*ours), ms(*device), ms(*floor));
    }
}

fn run(pairs: u64) -> Result<Vec<Row>, Failure> {
    let mut database = BenchDatabase::create(Options::default)?;
    let folder = database.folder().to_owned();
    let engine = database.engine()?.clone();
    let mut rows = Vec::new();

    let begun = Instant::now();
    let (filled, device) = beside_the_device(&folder, || fill(&engine, pairs))?;
    let stats = engine.stats();
    eprintln!(
        "filled with {} MB in {:.1} s: p50 {:?}, p99.9 {:?}; {} waits, {} ms of rests",
        stats.segment_bytes >> 20,
        begun.elapsed().as_secs_f64(),
        filled.quantile(500),
        filled.quantile(999),
        stats.write_stalls,
        stats.write_rests_ms
    );
    rows.push(Row {
        name: "worst commit of 20 pairs while the database is filled",
        level: "none",
        ours: filled.longest(),
        device: device.longest(),
        floor: device.longest() + ABOVE_DEVICE,
    });

    let (commits, device) = beside_the_device(&folder, || commits_beside(&engine, Engine::compact))?;
    eprintln!(
        "compacted beside {} durable commits: p50 {:?}, p99.9 {:?}",
        commits.count(),
        commits.quantile(500),
        commits.quantile(999)
    );
    rows.push(Row {
        name: "worst commit while all is compacted",
        level: "durable",
        ours: commits.longest(),
        device: device.longest(),
        floor: device.longest() + ABOVE_DEVICE,
    });

    // Something to merge that takes longer than the test waits, and a memtable.
    fill(&engine, pairs / 50)?;
    let (closed, device) = beside_the_device(&folder, || {
        std::thread::scope(|scope| {
            let compaction = scope.spawn(|| engine.compact());
            std::thread::sleep(Duration::from_millis(500));
            let begun = Instant::now();
            engine.close()?;
            let took = begun.elapsed();
            match compaction.join() {
                Ok(Err(entidb_engine::Error::Closed)) => Ok(took),
                Ok(end) => {
                    Err(format!("the compaction had ended before the close: {end:?}; take more --gigabytes").into())
                }
                Err(_) => Err("the compaction panicked".into()),
            }
        })
    })?;
    rows.push(Row {
        name: "close while all is compacted",
        level: "none",
        ours: closed,
        device: device.longest(),
        floor: device.longest() + CLOSE,
    });
    database.abandon();
    Ok(rows)
}

/// Commits pairs as quickly as they are taken.
fn fill(engine: &Engine, pairs: u64) -> Result<Histogram, Failure> {
    let source = Pairs::new(SEED ^ engine.last_sequence().0).in_zone(1);
    let mut times = Histogram::default();
    for batch in 0..pairs / BATCH {
        let begun = Instant::now();
        let mut transaction = engine.begin_write()?;
        for number in batch * BATCH..(batch + 1) * BATCH {
            transaction.put(&source.key(number), &source.value(number))?;
        }
        transaction.commit_with(Durability::None)?;
        times.add(begun.elapsed());
    }
    Ok(times)
}

/// Durable commits of one pair for as long as the work takes.
fn commits_beside(
    engine: &Engine,
    work: impl FnOnce(&Engine) -> entidb_engine::Result<()> + Send,
) -> Result<Histogram, Failure> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let end = work(engine);
            over.store(true, Ordering::Release);
            end
        });
        let mut times = Histogram::default();
        let mut key = [2; 1 + 8];
        for number in 0_u64.. {
            if over.load(Ordering::Acquire) {
                break;
            }
            if let Some(tail) = key.last_chunk_mut::<8>() {
                *tail = number.to_be_bytes();
            }
            let begun = Instant::now();
            let mut transaction = engine.begin_write()?;
            transaction.put(&key, &[7; VALUE_BYTES])?;
            transaction.commit_with(Durability::Durable)?;
            times.add(begun.elapsed());
            std::thread::sleep(GAP);
        }
        work.join().map_err(|_| "the work panicked")??;
        Ok(times)
    })
}

/// Does something while the device is asked for a write and a flush, again and again.
fn beside_the_device<T>(
    folder: &std::path::Path,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Histogram), Failure> {
    let over = AtomicBool::new(false);
    let parent = folder.parent().ok_or("the database has no folder above it")?;
    let name = format!("device-{}", std::process::id());
    std::thread::scope(|scope| {
        let (over, name) = (&over, &name);
        let probe = scope.spawn(move || {
            let mut times = Histogram::default();
            device::probe(parent, name, || over.load(Ordering::Acquire), |took| times.add(took))?;
            Ok::<_, Failure>(times)
        });
        let done = work();
        over.store(true, Ordering::Release);
        let times = probe.join().map_err(|_| "the probe panicked")?;
        Ok((done?, times?))
    })
}
