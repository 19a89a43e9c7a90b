//! A database of many segments: what opening it, writing to it and looking at it costs.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_engine::{Compression, Durability, Engine, Options, ZonePolicies, ZonePolicy};
use entidb_storage::simulated::{Personality, Simulation};
use entidb_storage::{Backend, Operation};

fn options() -> Options {
    let policy = ZonePolicy { compression: Compression::None, ..ZonePolicy::default() };
    Options {
        segment_bytes: 16 * 1024,
        background: false,
        durability: Durability::None,
        zones: ZonePolicies::uniform(policy),
        ..Options::default()
    }
}

/// A closed database with about `segments` segments in its last level.
fn filled(backend: &Backend, segments: u32) {
    let engine = Engine::open(backend.clone(), options()).unwrap();
    for batch in 0..segments.div_ceil(20) {
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..160 {
            transaction.put(&key(batch * 160 + number), &[7; 2000]).unwrap();
        }
        transaction.commit().unwrap();
    }
    engine.compact().unwrap();
    engine.close().unwrap();
}

fn key(number: u32) -> [u8; 5] {
    let [a, b, c, d] = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
    [1, a, b, c, d]
}

#[test]
fn opening_a_database_and_writing_to_it_opens_no_segment() {
    let calls_on_segments = |segments: u32| {
        let simulation = Simulation::new(Personality::PosixStrict, 1);
        filled(&simulation.backend(), segments);
        let calls = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&calls);
        simulation.observe(move |point| {
            let one_segment = point.path().starts_with("seg/") && point.operation() != Operation::List;
            counter.fetch_add(u64::from(one_segment), Ordering::Relaxed);
        });
        let engine = Engine::open(simulation.backend(), options()).unwrap();
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(b"\x02new", b"value").unwrap();
        transaction.commit().unwrap();
        let found = engine.stats().segments;
        assert!(found * 2 > u64::from(segments) && !engine.maintain(100).unwrap(), "{found}");
        engine.close().unwrap();
        simulation.stop_observing();
        calls.load(Ordering::Relaxed)
    };
    assert_eq!((calls_on_segments(20), calls_on_segments(400)), (0, 0));
}
