//! How long does a commit take at each durability level, alone and beside other writers?
//!
//! Always: one pair for each commit, and 1,000 for a batch; the durability level is in the name. Durable figures are
//! the device's more than ours: compare them with each other.

#![expect(clippy::expect_used, reason = "a bench has nobody to report a failure to")]

use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use entidb_bench::{BenchDatabase, Pairs, SEED};
use entidb_engine::{Durability, Engine, Options};

fn put(engine: &Engine, from: u64, count: u64, durability: Durability) {
    let pairs = Pairs::new(SEED).in_zone(1);
    let mut transaction = engine.begin_write().expect("a turn to write");
    for number in from..from + count {
        transaction.put(&pairs.key(number), &pairs.value(number)).expect("a pair fits");
    }
    transaction.commit_with(durability).expect("a commit");
}

fn one_writer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit/one writer");
    let levels = [
        ("durable", Durability::Durable),
        ("grouped 20 ms", Durability::Grouped { interval_ms: 20 }),
        ("none", Durability::None),
    ];
    for (name, durability) in levels {
        for count in [1, 1000] {
            let database = BenchDatabase::create(Options::default).expect("a database");
            let engine = database.engine().expect("it is open");
            let mut next = 0;
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    put(engine, next, count, durability);
                    next += count;
                });
            });
        }
    }
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "criterion wants the real time that several threads took together")]
fn many_writers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit/durable, writers");
    for threads in [1_u64, 2, 4, 8] {
        let database = BenchDatabase::create(Options::default).expect("a database");
        let engine = database.engine().expect("it is open");
        let mut next = 0;
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(threads), |bencher| {
            bencher.iter_custom(|commits| {
                let each = commits.div_ceil(threads);
                let start = Instant::now();
                std::thread::scope(|scope| {
                    for thread in 0..threads {
                        let from = next + thread * each;
                        scope.spawn(move || {
                            (from..from + each).for_each(|number| put(engine, number, 1, Durability::Durable))
                        });
                    }
                });
                next += threads * each;
                start.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, one_writer, many_writers);
criterion_main!(benches);
