//! What does reading settled data cost: one key, an absent key, many keys at once, a seek with ten steps, a full scan?
//!
//! Always: everything is in segments (checkpointed and compacted) and in memory, so the figures are those of the read
//! path, not of the storage. What is read is checked before anything is timed.
//! Does not know: peers; the comparison bench is a workspace of its own.
//!
//! `ENTIDB_BENCH_KEYS` sets the number of keys (default 1,000,000: 24-byte random keys, 150-byte values).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use entidb_engine::{Compression, Direction, Durability, Engine, KeyRange, Options, ZonePolicies, ZonePolicy};
use entidb_storage::{Backend, SeededRandom};

const VALUE_BYTES: usize = 150;

fn key_count() -> u64 {
    std::env::var("ENTIDB_BENCH_KEYS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

fn key(number: u64) -> [u8; 24] {
    let random = SeededRandom::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut key = [0; 24];
    for part in key.chunks_mut(8) {
        part.copy_from_slice(&random.next_u64().to_le_bytes());
    }
    key[0] = 1;
    key
}

fn value(number: u64) -> Vec<u8> {
    let random = SeededRandom::new(number);
    (0..VALUE_BYTES).map(|_| random.next_u64() as u8).collect()
}

fn filled(keys: u64, compression: Compression) -> Engine {
    let options = Options {
        memory_bytes: 2 << 30,
        durability: Durability::None,
        zones: ZonePolicies::uniform(ZonePolicy { compression, ..ZonePolicy::default() }),
        ..Options::default()
    };
    let engine = Engine::open(Backend::memory(), options).unwrap();
    for start in (0..keys).step_by(10_000) {
        let mut transaction = engine.begin_write().unwrap();
        for number in start..keys.min(start + 10_000) {
            transaction.put(&key(number), &value(number)).unwrap();
        }
        transaction.commit().unwrap();
    }
    engine.checkpoint().unwrap();
    engine.compact().unwrap();
    engine
}

fn segment(criterion: &mut Criterion) {
    let keys = key_count();
    let engine = filled(keys, Compression::Lz4);
    let snapshot = engine.snapshot().unwrap();
    let random = SeededRandom::new(3);
    for number in 0..keys {
        assert_eq!(snapshot.get(&key(number)).unwrap().unwrap().as_bytes(), value(number));
    }
    let some: Vec<[u8; 24]> = (0..1 << 16).map(|_| key(random.below(keys))).collect();
    let absent: Vec<[u8; 24]> = (0..1 << 16).map(|number| key(keys + number)).collect();
    let mut at = 0_usize;
    let mut next = move || {
        at = at.wrapping_add(1);
        at % (1 << 16)
    };

    let mut group = criterion.benchmark_group("segment");
    group.bench_function("get", |bench| bench.iter(|| snapshot.get(black_box(&some[next()])).unwrap().is_some()));
    group.bench_function("get_absent", |bench| {
        bench.iter(|| snapshot.get(black_box(&absent[next()])).unwrap().is_some());
    });
    group.bench_function("multi_get_of_16", |bench| {
        bench.iter(|| {
            let start = next().min((1 << 16) - 16);
            let wanted: Vec<&[u8]> = some[start..start + 16].iter().map(<[u8; 24]>::as_slice).collect();
            snapshot.multi_get(black_box(&wanted)).unwrap().len()
        });
    });
    group.bench_function("seek_and_ten", |bench| {
        bench.iter(|| {
            let range = KeyRange::from(some[next()]..);
            let mut iter = snapshot.range(range, Direction::Forward).unwrap();
            let mut bytes = 0;
            for _ in 0..10 {
                if !iter.advance().unwrap() {
                    break;
                }
                bytes += iter.value().len();
            }
            bytes
        });
    });
    group.sample_size(10).throughput(Throughput::Elements(keys));
    group.bench_function("scan", |bench| {
        bench.iter(|| {
            let mut iter = snapshot.range(KeyRange::all(), Direction::Forward).unwrap();
            let mut count = 0_u64;
            while iter.advance().unwrap() {
                count += 1;
            }
            assert_eq!(count, keys);
        });
    });
    group.finish();
}

criterion_group!(benches, segment);
criterion_main!(benches);
