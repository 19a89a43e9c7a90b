//! How many log bytes a second does a stream of commits of one size reach, without waiting for the device?
//!
//! Always: transactions of one pair, never flushed singly, so that encoding, checksum and the hand-over count and the
//! device does not. The memtable's share is in `memtable`.

#![expect(clippy::expect_used, reason = "a bench has nobody to report a failure to")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use entidb_bench::{BenchDatabase, Pairs, SEED};
use entidb_engine::{Durability, KeySource, Options};

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wal/append");
    for (name, encrypted) in [("plain", false), ("encrypted", true)] {
        for value_bytes in [150_usize, 4096] {
            let key = move || encrypted.then(|| KeySource::raw([7; 32]));
            let options = move || Options { key: key(), ..Options::default() };
            let database = BenchDatabase::create(options).expect("a database");
            let engine = database.engine().expect("it is open");
            let (pairs, value) = (Pairs::new(SEED).in_zone(1), vec![7; value_bytes]);
            let mut number = 0;
            group.throughput(Throughput::Bytes(value_bytes as u64 + 24));
            group.bench_function(BenchmarkId::new(name, value_bytes), |bencher| {
                bencher.iter(|| {
                    number += 1;
                    let mut transaction = engine.begin_write().expect("the only writer");
                    transaction.put(&pairs.key(number), &value).expect("a pair fits");
                    transaction.commit_with(Durability::None).expect("a commit")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
