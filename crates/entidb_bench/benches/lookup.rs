//! What does a resident key cost to find, or to miss, in memtables and in segments?
//!
//! Always: one snapshot, random keys, everything in memory; making the key takes about 40 ns of each figure.

#![expect(clippy::expect_used, reason = "a bench has nobody to report a failure to")]

use criterion::{Criterion, criterion_group, criterion_main};
use entidb_bench::{BenchDatabase, Pairs, SEED};
use entidb_engine::{Options, Snapshot, ZonePolicies, ZonePolicy};

const COUNT: u64 = 200_000;

fn options(point_index: bool) -> Options {
    Options { zones: ZonePolicies::uniform(ZonePolicy { point_index, ..ZonePolicy::default() }), ..Options::default() }
}

fn measure(criterion: &mut Criterion, place: &str, snapshot: &Snapshot) {
    let pairs = Pairs::new(SEED).in_zone(1);
    let mut group = criterion.benchmark_group(format!("lookup/{place}"));
    let mut step = 0;
    group.bench_function("hit", |bencher| {
        bencher.iter(|| {
            step += 1;
            snapshot.get(&pairs.key(pairs.pick(step, COUNT))).expect("a read").expect("the key is there")
        });
    });
    group.bench_function("miss", |bencher| {
        bencher.iter(|| {
            step += 1;
            snapshot.get(&pairs.key(COUNT + step)).expect("a read")
        });
    });
    group.bench_function("multi_get of 16", |bencher| {
        bencher.iter(|| {
            step += 16;
            let keys: [_; 16] = std::array::from_fn(|offset| pairs.key(pairs.pick(step + offset as u64, COUNT)));
            snapshot.multi_get(&keys.each_ref().map(|key| &key[..])).expect("a read")
        });
    });
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    for (name, point_index) in [("point zone", true), ("ordered zone", false)] {
        let database = BenchDatabase::filled(move || options(point_index), COUNT).expect("a database");
        let engine = database.engine().expect("it is open");
        measure(criterion, &format!("{name}, in memory"), &engine.snapshot().expect("a snapshot"));
        engine.checkpoint().expect("a checkpoint");
        measure(criterion, &format!("{name}, in segments"), &engine.snapshot().expect("a snapshot"));
    }
}

criterion_group!(benches, lookup);
criterion_main!(benches);
