//! How long does opening take after the process died, by how much the log holds?
//!
//! Always: the handle is dropped without closing, which leaves the files as a killed process does; the figure is the
//! open that follows, replay included. Every open must find all commits.

#![expect(clippy::expect_used, reason = "a bench has nobody to report a failure to")]

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use entidb_bench::{BenchDatabase, Pairs, SEED};
use entidb_engine::Options;

#[expect(clippy::disallowed_methods, reason = "criterion wants the real time of the open alone")]
fn recovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recovery/open after a kill");
    group.sample_size(10);
    let pairs = Pairs::new(SEED).in_zone(1);
    for count in [0_u64, 10_000, 200_000] {
        let mut database = BenchDatabase::filled(Options::default, count).expect("a database");
        group.bench_function(BenchmarkId::new("pairs", count), |bencher| {
            bencher.iter_custom(|opens| {
                let mut spent = Duration::ZERO;
                for _ in 0..opens {
                    database.abandon();
                    let start = Instant::now();
                    database.open().expect("it opens");
                    spent += start.elapsed();
                    let snapshot = database.engine().and_then(|engine| engine.snapshot()).expect("a snapshot");
                    if count > 0 {
                        let last = snapshot.get(&pairs.key(count - 1)).expect("a read");
                        assert!(last.is_some(), "the last commit is gone");
                    }
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, recovery);
criterion_main!(benches);
