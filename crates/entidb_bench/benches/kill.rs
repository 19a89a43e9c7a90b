//! How long does opening take after a writer with gigabytes of data was killed without warning?
//!
//! Always: a child process fills the database, commits on, each commit durable, and is killed by SIGKILL in the middle of
//! it; the figure is the open that follows in this process, replay included, and the first durable commit after it.
//! `ENTIDB_BENCH_BYTES` says how much data, `ENTIDB_BENCH_KILLS` how often. Needs about three times the data in
//! `ENTIDB_BENCH_FOLDER` or the system's temporary place; the folder is removed at the end.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench has nobody to report a failure to, wants real time and prints what it found"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use entidb_bench::{BenchDatabase, Pairs, SEED};
use entidb_engine::{Engine, Options};
use entidb_storage::{Backend, RootMode};

/// Tells the child which folder.
const CHILD: &str = "ENTIDB_BENCH_CHILD";
/// Pairs of one transaction.
const BATCH: u64 = 100;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Fills the database and goes on committing until it is killed, saying how much log there is.
fn child(folder: &str, bytes: u64) {
    let backend = Backend::file(folder, RootMode::Existing).expect("the folder");
    let engine = Engine::open(backend, Options::default()).expect("it opens");
    let pairs = Pairs::new(SEED ^ engine.last_sequence().0).in_zone(1);
    let mut out = std::io::stdout();
    for batch in 0_u64.. {
        let stats = engine.stats();
        let full = stats.segment_bytes >= bytes;
        if full {
            writeln!(out, "{}", stats.wal_bytes).expect("the parent listens");
        }
        // Filling need not wait for the disk.
        let durability = if full { entidb_engine::Durability::Durable } else { entidb_engine::Durability::None };
        let mut transaction = engine.begin_write().expect("a transaction");
        for number in batch * BATCH..(batch + 1) * BATCH {
            transaction.put(&pairs.key(number), &pairs.value(number)).expect("a put");
        }
        transaction.commit_with(durability).expect("a commit");
    }
}

fn main() {
    let bytes = variable("ENTIDB_BENCH_BYTES", 2 << 30);
    if let Ok(folder) = std::env::var(CHILD) {
        return child(&folder, bytes);
    }
    let mut database = BenchDatabase::create(Options::default).expect("a database");
    database.abandon();
    for round in 0..variable("ENTIDB_BENCH_KILLS", 5) {
        let mut writer = Command::new(std::env::current_exe().expect("this program"))
            .env(CHILD, database.folder())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let lines = BufReader::new(writer.stdout.take().expect("its output")).lines();
        // As much log as it will have: killed when it is about to become a segment.
        let wanted = 24 << 20;
        let enough = |line: &String| line.parse::<u64>().is_ok_and(|log| log >= wanted);
        let _log = lines.map_while(Result::ok).find(enough);
        writer.kill().expect("it is killed");
        writer.wait().expect("it has ended");
        let start = Instant::now();
        database.open().expect("it opens");
        let opened = start.elapsed();
        let engine = database.engine().expect("it is open");
        let (report, stats) = (engine.open_report().clone(), engine.stats());
        let start = Instant::now();
        let mut transaction = engine.begin_write().expect("a transaction");
        transaction.put(b"\x02after", b"a kill").expect("a put");
        transaction.commit().expect("a commit");
        println!(
            "kill {round}: opened in {} ms with {} MB in {} segments; {} commits ({} MB) replayed from {} log files; \
             first durable commit {} ms",
            opened.as_millis(),
            stats.segment_bytes >> 20,
            stats.segments,
            report.commits_replayed,
            stats.memtable_bytes >> 20,
            report.wal_files,
            start.elapsed().as_millis(),
        );
        database.abandon();
    }
}
