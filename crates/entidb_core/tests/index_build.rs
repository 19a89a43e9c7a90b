//! A crash at every call of an index build, on every kind of file system: the index is there whole or not at all.
//!
//! Always: no entity is lost, no row stays behind, and the index can be declared again. Does not know: other changes between
//! the steps of a build (the unit tests of `index::build`, and the histories).

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::{Arc, Mutex};

use entidb_core::{Database, EntityId, IndexDefinition, Options, VerifyLevel, doc, field};
use entidb_storage::simulated::{Frozen, Personality, Simulation, Variant};

const ENTITIES: u64 = 60;

fn options() -> Options {
    // A memtable so small that the build meets flushes; steps of a few entities.
    Options { memtable_bytes: 16 << 10, index_build_bytes: 512, lock_timeout_ms: 0, ..Options::default() }
}

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

/// The device before each call that `run` makes.
fn before_each_call(world: &Simulation, run: impl FnOnce()) -> Vec<Frozen> {
    let frozen = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&frozen);
    world.observe(move |call| seen.lock().unwrap().push(call.freeze()));
    run();
    world.stop_observing();
    let mut frozen = frozen.lock().unwrap();
    std::mem::take(&mut *frozen)
}

/// Opens what a crash left; true when the index is there.
fn judged(world: &Simulation, definition: &IndexDefinition) -> bool {
    let db = Database::open_on(world.backend(), options()).unwrap();
    let collection = db.collection("c").unwrap();
    assert_eq!(collection.count().unwrap(), ENTITIES);
    let problems = db.verify(VerifyLevel::Full).unwrap().problems;
    assert!(problems.is_empty(), "{problems:?}");
    let indexes = collection.indexes().unwrap();
    let is_there = !indexes.is_empty();
    assert!(!is_there || indexes == [definition.clone()]);
    let found = collection.find(field("a").eq(7));
    assert_eq!(found.explain().unwrap().index.is_some(), is_there);
    assert_eq!(found.count().unwrap(), 1);
    assert_eq!(collection.create_index(definition.clone()).unwrap(), !is_there);
    assert_eq!(collection.find(field("a").ge(0)).count().unwrap(), ENTITIES);
    let problems = db.verify(VerifyLevel::Full).unwrap().problems;
    assert!(problems.is_empty(), "{problems:?}");
    is_there
}

#[test]
fn a_crash_anywhere_in_a_build_leaves_the_whole_index_or_none() {
    let (mut states, mut whole, mut again) = (0_u64, 0_u64, 0_u64);
    for (seed, personality) in Personality::ALL.into_iter().enumerate() {
        let definition = IndexDefinition::on(["a"]).unwrap();
        let definition = if seed % 2 == 0 { definition.unique() } else { definition };
        let world = Simulation::new(personality, seed as u64);
        let db = Database::open_on(world.backend(), options()).unwrap();
        let collection = db.collection("c").unwrap();
        for number in 0..ENTITIES {
            collection.put_at(id(number), &doc! { "a": number, "text": "x".repeat(100) }).unwrap();
        }
        let points = before_each_call(&world, || {
            assert!(collection.create_index(definition.clone()).unwrap());
            db.checkpoint().unwrap();
        });
        assert!(points.len() > 10, "{} calls", points.len());
        for (place, point) in points.iter().enumerate() {
            for variant in 0..4 {
                states += 1;
                let crashed = point.crash(Variant(variant));
                whole += u64::from(judged(&crashed, &definition));
                // The opening that takes the index back may be cut off itself.
                if place % 8 == variant as usize {
                    let crashed = point.crash(Variant(variant));
                    let openings = before_each_call(&crashed, || {
                        drop(Database::open_on(crashed.backend(), options()).unwrap());
                    });
                    for opening in openings.iter().step_by(7) {
                        again += 1;
                        judged(&opening.crash(Variant(variant + 1)), &definition);
                    }
                }
            }
        }
    }
    println!("crashes in a build {states}, whole {whole}, crashes in the opening after {again}");
    assert!(whole > 0 && whole < states && again > 50);
}
