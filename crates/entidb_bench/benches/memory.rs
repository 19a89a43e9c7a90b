//! How much memory does a database take that is much larger than its budget, whatever is done with it?
//!
//! Always: the figures are the operating system's, of the whole process: what is resident after a phase, and the most
//! that was during it. `ENTIDB_BENCH_PAIRS` says how many pairs of 174 bytes, `ENTIDB_BENCH_BUDGET` the `memory_bytes`,
//! `ENTIDB_BENCH_ONLY` the phases to run. Needs about three times the data in `ENTIDB_BENCH_FOLDER` or the system's
//! temporary place. Linux alone tells these figures; elsewhere they are zero.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench has nobody to report a failure to, wants real time and prints what it found"
)]

use std::time::Instant;

use entidb_bench::{BenchDatabase, Pairs, SEED};
use entidb_engine::{Direction, Durability, KeyRange, Options, VerifyLevel};
use entidb_storage::{Backend, RootMode};

/// Pairs of one transaction.
const BATCH: u64 = 1000;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A figure of this process in bytes, as Linux tells it.
fn figure(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().unwrap_or(0) * 1024
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn main() {
    let count = variable("ENTIDB_BENCH_PAIRS", 10_000_000);
    let budget = variable("ENTIDB_BENCH_BUDGET", 256 << 20);
    let reads = (count / 5).min(2_000_000);
    let only = std::env::var("ENTIDB_BENCH_ONLY").unwrap_or_default();
    let options = move || Options { memory_bytes: budget, ..Options::default() };
    let mut database = BenchDatabase::create(options).expect("a database");
    let pairs = Pairs::new(SEED).in_zone(1);
    println!("{count} pairs, memory_bytes {} MB", budget / 1_000_000);
    let mut over = false;
    let mut measure = |name: &str, database: &mut BenchDatabase, act: &mut dyn FnMut(&mut BenchDatabase)| {
        if !only.is_empty() && name != "load" && !only.split(',').any(|wanted| wanted == name) {
            return;
        }
        // Forgets the peak so far, where the system lets us.
        let _refused = std::fs::write("/proc/self/clear_refs", "5");
        let start = Instant::now();
        act(database);
        let spent = start.elapsed();
        let (resident, peak) = (figure("VmRSS:"), figure("VmHWM:"));
        over |= peak > budget + budget / 10;
        let stats = database.engine().expect("it is open").stats();
        println!(
            "{name:16} {:8.1} s, resident {:6.1} MB, peak {:6.1} MB ({:5.1} % of the budget), files {:4}; \
             segments {}, memtables {:.1} MB, blocks {:.1} MB, indexes {:.1} MB, segments being written {:.1} MB",
            spent.as_secs_f64(),
            resident as f64 / 1e6,
            peak as f64 / 1e6,
            peak as f64 * 100.0 / budget as f64,
            open_files(),
            stats.segments,
            stats.memory.memtables as f64 / 1e6,
            stats.memory.blocks as f64 / 1e6,
            stats.memory.indexes as f64 / 1e6,
            stats.memory.writing as f64 / 1e6,
        );
    };
    let engine = |database: &BenchDatabase| database.engine().expect("it is open").clone();
    measure("nothing", &mut database, &mut |_| ());
    measure("load", &mut database, &mut |database| {
        for batch in 0..count.div_ceil(BATCH) {
            let mut transaction = engine(database).begin_write().expect("a transaction");
            for number in batch * BATCH..count.min((batch + 1) * BATCH) {
                transaction.put(&pairs.key(number), &pairs.value(number)).expect("a put");
            }
            transaction.commit_with(Durability::None).expect("a commit");
        }
    });
    let gets = |database: &mut BenchDatabase| {
        let snapshot = engine(database).snapshot().expect("a snapshot");
        for step in 0..reads {
            let value = snapshot.get(&pairs.key(pairs.pick(step, count))).expect("a read");
            assert!(value.is_some(), "a pair is gone");
        }
    };
    measure("random gets", &mut database, &mut { gets });
    measure("threads", &mut database, &mut |database| {
        let engine = engine(database);
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let engine = engine.clone();
                scope.spawn(move || {
                    let snapshot = engine.snapshot().expect("a snapshot");
                    for step in 0..reads / 8 {
                        let number = pairs.pick(step + (thread << 40), count);
                        assert!(snapshot.get(&pairs.key(number)).expect("a read").is_some(), "a pair is gone");
                    }
                });
            }
        });
    });
    measure("ranges", &mut database, &mut |database| {
        let snapshot = engine(database).snapshot().expect("a snapshot");
        for step in 0..reads / 20 {
            let from = pairs.key(pairs.pick(step, count));
            let range = KeyRange { start: std::ops::Bound::Included(from.to_vec()), ..KeyRange::all() };
            let mut iter = snapshot.range(range, Direction::Forward).expect("a range");
            for _ in 0..10 {
                let _more = iter.advance().expect("a step");
            }
        }
    });
    measure("scan", &mut database, &mut |database| {
        let snapshot = engine(database).snapshot().expect("a snapshot");
        let mut iter = snapshot.range(KeyRange::all(), Direction::Forward).expect("a range");
        let mut found = 0;
        while iter.advance().expect("a step") {
            found += 1;
        }
        assert_eq!(found, count, "a scan misses pairs");
    });
    measure("compact", &mut database, &mut |database| engine(database).compact().expect("it compacts"));
    measure("gets again", &mut database, &mut { gets });
    measure("verify", &mut database, &mut |database| {
        let report = engine(database).verify(VerifyLevel::Full).expect("it is verified");
        assert!(report.is_clean(), "{:?}", report.problems);
    });
    measure("backup", &mut database, &mut |database| {
        let folder = database.folder().with_extension("backup");
        let target = Backend::file(&folder, RootMode::CreateIfMissing).expect("a folder");
        engine(database).backup(&target).expect("a backup");
        std::fs::remove_dir_all(&folder).expect("the copy goes");
    });
    measure("overwrite", &mut database, &mut |database| {
        for batch in 0..(count / 4).div_ceil(BATCH) {
            let mut transaction = engine(database).begin_write().expect("a transaction");
            for number in batch * BATCH..(batch + 1) * BATCH {
                let number = pairs.pick(number, count);
                transaction.put(&pairs.key(number), &pairs.value(number)).expect("a put");
            }
            transaction.commit_with(Durability::None).expect("a commit");
        }
    });
    measure("open", &mut database, &mut |database| {
        database.abandon();
        database.open().expect("it opens");
    });
    measure("gets at last", &mut database, &mut { gets });
    assert!(!over || std::env::var_os("ENTIDB_BENCH_LENIENT").is_some(), "the budget was passed by more than a tenth");
}
