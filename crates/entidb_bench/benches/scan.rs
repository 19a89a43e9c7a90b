//! What does a range cost to reach and an entry to pass, forward and in reverse?
//!
//! Always: one snapshot; keys and values are borrowed, not copied; everything in memory.

#![expect(clippy::expect_used, reason = "a bench has nobody to report a failure to")]

use std::ops::Bound;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use entidb_bench::{BenchDatabase, Pairs, SEED};
use entidb_engine::{Direction, KeyRange, Options, Snapshot};

const COUNT: u64 = 200_000;

fn pass(snapshot: &Snapshot, from: &[u8], count: usize, direction: Direction) -> usize {
    let range = match direction {
        Direction::Forward => KeyRange { start: Bound::Included(from.to_vec()), end: Bound::Unbounded },
        Direction::Reverse => KeyRange { start: Bound::Unbounded, end: Bound::Excluded(from.to_vec()) },
    };
    let mut iter = snapshot.range(range, direction).expect("a range");
    let mut bytes = 0;
    for _ in 0..count {
        if !iter.advance().expect("a step") {
            break;
        }
        bytes += iter.key().len() + iter.value().len();
    }
    bytes
}

fn measure(criterion: &mut Criterion, place: &str, snapshot: &Snapshot) {
    let pairs = Pairs::new(SEED).in_zone(1);
    let mut group = criterion.benchmark_group(format!("scan/{place}"));
    for count in [1, 10, 10_000] {
        group.throughput(Throughput::Elements(count as u64));
        for (name, direction) in [("forward", Direction::Forward), ("reverse", Direction::Reverse)] {
            let mut step = 0;
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    step += 1;
                    pass(snapshot, &pairs.key(pairs.pick(step, COUNT)), count, direction)
                });
            });
        }
    }
    group.finish();
}

fn scan(criterion: &mut Criterion) {
    let database = BenchDatabase::filled(Options::default, COUNT).expect("a database");
    let engine = database.engine().expect("it is open");
    measure(criterion, "in memory", &engine.snapshot().expect("a snapshot"));
    engine.checkpoint().expect("a checkpoint");
    measure(criterion, "in segments", &engine.snapshot().expect("a snapshot"));
}

criterion_group!(benches, scan);
criterion_main!(benches);
