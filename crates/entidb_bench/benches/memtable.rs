//! What does the memtable cost, beside the standard library's map under no lock at all?
//!
//! Always: both hold the same pairs; the map copies key and value as the memtable does. The memtable also keeps every
//! version and lets readers in while it is written, which the map cannot.

#![expect(clippy::expect_used, reason = "a bench has nobody to report a failure to")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Bound;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use entidb_bench::{Pairs, SEED};
use entidb_engine::internals::BareMemtable;

const COUNTS: [u64; 2] = [10_000, 370_000];

fn filled(count: u64, hashed: bool) -> BareMemtable {
    let pairs = Pairs::new(SEED);
    let memtable = BareMemtable::new(hashed).expect("memory for a memtable");
    for number in 0..count {
        memtable.put(&pairs.key(number), number + 1, &pairs.value(number)).expect("an entry fits");
    }
    memtable
}

fn filled_map(count: u64) -> BTreeMap<Box<[u8]>, Box<[u8]>> {
    let pairs = Pairs::new(SEED);
    let mut map = BTreeMap::new();
    // One by one: collecting would sort first and build the map in one go.
    for number in 0..count {
        map.insert(pairs.key(number).into(), pairs.value(number).into());
    }
    map
}

fn insert(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memtable/insert");
    group.sample_size(10);
    for count in COUNTS {
        group.throughput(Throughput::Elements(count));
        for hashed in [false, true] {
            let name = if hashed { "tree+hash" } else { "tree" };
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter_batched(|| (), |()| filled(count, hashed), BatchSize::PerIteration);
            });
        }
        group.bench_function(BenchmarkId::new("map", count), |bencher| {
            bencher.iter_batched(|| (), |()| filled_map(count), BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("only making the pairs", count), |bencher| {
            let pairs = Pairs::new(SEED);
            bencher.iter(|| {
                for number in 0..count {
                    black_box((pairs.key(number), pairs.value(number)));
                }
            });
        });
    }
    group.finish();
}

fn get(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memtable/get");
    let pairs = Pairs::new(SEED);
    for count in COUNTS {
        for (name, hashed) in [("tree", false), ("hash", true)] {
            let memtable = filled(count, hashed);
            let mut step = 0;
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    step += 1;
                    let key = pairs.key(pairs.pick(step, count));
                    memtable.get(&key, u64::MAX).map(|value| value.first().copied())
                });
            });
        }
        let map = filled_map(count);
        let mut step = 0;
        group.bench_function(BenchmarkId::new("map", count), |bencher| {
            bencher.iter(|| {
                step += 1;
                let key = pairs.key(pairs.pick(step, count));
                map.get(&key[..]).map(|value| value.first().copied())
            });
        });
    }
    group.finish();
}

fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memtable/walk");
    let pairs = Pairs::new(SEED);
    let count = 370_000;
    let memtable = filled(count, false);
    let map = filled_map(count);
    for steps in [10, 10_000] {
        group.throughput(Throughput::Elements(steps as u64));
        for (name, forward) in [("forward", true), ("backward", false)] {
            let mut step = 0;
            group.bench_function(BenchmarkId::new(name, steps), |bencher| {
                bencher.iter(|| {
                    step += 1;
                    memtable.walk(&pairs.key(pairs.pick(step, count)), steps, forward)
                });
            });
        }
        let mut step = 0;
        group.bench_function(BenchmarkId::new("map forward", steps), |bencher| {
            bencher.iter(|| {
                step += 1;
                let key = pairs.key(pairs.pick(step, count));
                map.range::<[u8], _>((Bound::Included(&key[..]), Bound::Unbounded))
                    .take(steps)
                    .map(|(key, value)| key.len() + value.len())
                    .sum::<usize>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, insert, get, walk);
criterion_main!(benches);
