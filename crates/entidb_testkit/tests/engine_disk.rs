//! Layer 17: the engine on a disk that fills and empties: simulated, and a real file system where one may be mounted.

use std::sync::Arc;

use entidb_engine::{Engine, Options};
use entidb_storage::simulated::{Frozen, Personality, Simulation, Variant};
use entidb_testkit::full_disk::{Filling, FullDisk, SmallDisk, found_in, is_no_space};
use entidb_testkit::{Row, Tier};
use parking_lot::Mutex;

fn small_options() -> Options {
    Options {
        memory_bytes: 1 << 20,
        memtable_bytes: 64 * 1024,
        wal_bytes: 256 * 1024,
        segment_bytes: 64 * 1024,
        background: false,
        ..Options::default()
    }
}

const SMALL: Filling =
    Filling { options: small_options, value_bytes: 1500, keys: 6_000, percent_used: 35, files_max: 200 };

fn simulated(bytes: u64, seed: u64) -> (Simulation, SmallDisk) {
    let world = Simulation::new(Personality::Ext4Ordered, seed);
    world.set_capacity_bytes(Some(bytes));
    let (other, clock) = (world.clone(), world.clock());
    let squeeze =
        move |squeezed: bool| other.set_capacity_bytes(Some(if squeezed { other.used_bytes() } else { bytes }));
    let rest = move || clock.advance_nanos(300_000_000);
    let disk = SmallDisk { backend: world.backend(), bytes, squeeze: Box::new(squeeze), rest: Box::new(rest) };
    (world, disk)
}

#[test]
fn a_small_disk_is_filled_and_emptied_again_and_again() {
    let cycles = Tier::from_environment().pick(20, 200, 1000);
    let (_world, disk) = simulated(3 << 20, 1);
    let cycled =
        FullDisk::new(&disk, SMALL, 5).and_then(|mut full| full.run(cycles)).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{cycled:?}");
    assert_eq!(cycled.full, cycles);
    let row =
        Row { layer: "17 disk full, simulated".to_owned(), cases: cycles, states: cycled.commits, ..Row::default() };
    row.print();
}

/// Crashes at calls spread over all phases, the full one among them: what was promised is there, on a disk as full as it
/// was, or the open says that there is no room and reading goes on.
#[test]
fn a_crash_on_a_full_disk_loses_nothing_that_was_promised() {
    let (cycles, one_in) = (Tier::from_environment().pick(4, 12, 40), Tier::from_environment().pick(601, 101, 29));
    let (world, disk) = simulated(2 << 20, 23);
    let filling = Filling { keys: 4_000, ..SMALL };
    let mut full = FullDisk::new(&disk, filling, 9).unwrap_or_else(|wrong| panic!("{wrong}"));
    let (promises, taken) = (full.promises(), Arc::new(Mutex::new(Vec::<(Frozen, (u64, u64))>::new())));
    let (now, sink) = (Arc::clone(&promises), Arc::clone(&taken));
    world.observe(move |point| {
        // The promises are locked while a commit is being noted: then nothing is called.
        if point.index().is_multiple_of(one_in)
            && let Some(promises) = now.try_lock()
        {
            sink.lock().push((point.freeze(), promises.now()));
        }
    });
    let (mut states, mut refused) = (0_u64, 0_u64);
    let mut look = |promises: &entidb_testkit::full_disk::SharedPromises| {
        for (frozen, promised) in std::mem::take(&mut *taken.lock()) {
            for variant in [0, 1, 8] {
                let after = frozen.crash(Variant(variant));
                states += 1;
                let engine = match Engine::open(after.backend(), small_options()) {
                    Err(error) if is_no_space(&error) => {
                        refused += 1;
                        let reading = Options { read_only: true, ..small_options() };
                        Engine::open(after.backend(), reading).unwrap_or_else(|error| panic!("reading: {error}"))
                    }
                    opened => opened.unwrap_or_else(|error| panic!("opening after a crash: {error}")),
                };
                let found = found_in(&engine).unwrap();
                promises.lock().judge(found, promised).unwrap_or_else(|wrong| panic!("variant {variant}: {wrong}"));
            }
        }
    };
    for cycle in 0..cycles {
        full.cycle(cycle).unwrap_or_else(|wrong| panic!("cycle {cycle}: {wrong}"));
        look(&promises);
    }
    world.stop_observing();
    println!("{states} crashes, {refused} opens without room");
    assert!(states > 100);
    Row { layer: "17 disk full, crashes".to_owned(), cases: cycles, states, ..Row::default() }.print();
}
