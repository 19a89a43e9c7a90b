//! Layer 17: the engine on a simulated disk that fills and empties. `engine_real_disk` does it on a real one.

use std::sync::Arc;

use entidb_engine::{Engine, Options};
use entidb_storage::simulated::{Frozen, Variant};
use entidb_testkit::full_disk::{
    Filling, FullDisk, IN_VAIN_MAX, Scarcity, SmallDisk, ask_beside_unreadable, begun_in_vain, close_without_room,
    flushes_without_room, found_in, is_no_space, small_disk_options, written_for_refused,
};
use entidb_testkit::{Row, Tier};
use parking_lot::Mutex;

#[test]
fn a_small_disk_is_filled_and_emptied_again_and_again() {
    let (first, seeds, others) =
        (Tier::from_environment().pick(20, 200, 1000), seeds(), Tier::from_environment().pick(8, 40, 100));
    let mut row = Row { layer: "17 disk full, simulated".to_owned(), ..Row::default() };
    let mut wrong = Vec::new();
    for seed in seeds {
        let cycles = if seed == SEED { first } else { others };
        let (_world, disk) = SmallDisk::simulated(3 << 20, seed);
        match FullDisk::new(&disk, Filling::SMALL, seed).and_then(|mut full| full.run(cycles)) {
            Ok(cycled) => {
                println!("seed {seed}: {cycled:?}");
                assert_eq!(cycled.full, cycles);
                (row.cases, row.states) = (row.cases + cycles, row.states + cycled.commits);
            }
            Err(found) => wrong.push(format!("seed {seed}: {found}")),
        }
    }
    row.print();
    assert!(wrong.is_empty(), "{} seeds: {}", wrong.len(), wrong.join("\n"));
}

/// Each overwrite needs room, as on file systems that copy on write: what was written ahead promises none, neither to the log
/// nor to the manifest nor to ROOT.
#[test]
fn a_small_disk_that_copies_overwrites_is_filled_and_emptied_again_and_again() {
    let cycles = Tier::from_environment().pick(4, 20, 100);
    let mut row = Row { layer: "17 disk full, copies overwrites".to_owned(), ..Row::default() };
    let mut wrong = Vec::new();
    for seed in seeds() {
        let (world, disk) = SmallDisk::simulated(3 << 20, seed);
        world.set_copies_overwrites(true);
        let mut full = FullDisk::new(&disk, Filling::SMALL, seed).unwrap_or_else(|wrong| panic!("{wrong}"));
        match (0..cycles).try_for_each(|cycle| full.cycle(cycle).and_then(|()| full.sudden_cycle(cycle, 20))) {
            Ok(()) => row.cases += 2 * cycles,
            Err(found) => wrong.push(format!("seed {seed}: {found}\n  {}", full.state())),
        }
    }
    row.print();
    assert!(wrong.is_empty(), "{} seeds: {}", wrong.len(), wrong.join("\n"));
}

/// Others take all that is free at once, at any moment, when more may be in memory than the reserve takes: nothing is lost,
/// deleting everything is never refused and frees room, and with room again writing goes on by itself.
#[test]
fn a_disk_that_others_fill_at_once_loses_nothing_and_writing_goes_on() {
    let cycles = Tier::from_environment().pick(8, 40, 100);
    let mut row = Row { layer: "17 disk full at once, simulated".to_owned(), ..Row::default() };
    let mut wrong = Vec::new();
    for seed in seeds() {
        let (world, disk) = SmallDisk::simulated(3 << 20, seed);
        let mut full = FullDisk::new(&disk, Filling::SMALL, seed).unwrap_or_else(|wrong| panic!("{wrong}"));
        let all = (0..cycles).try_for_each(|cycle| {
            full.sudden_cycle(cycle, 20)?;
            if cycle % 4 == 3 { full.starve(&world) } else { Ok(()) }
        });
        match all {
            Ok(()) => row.cases += cycles,
            Err(found) => wrong.push(format!("seed {seed}: {found}\n  {}", full.state())),
        }
    }
    row.print();
    assert!(wrong.is_empty(), "{} seeds: {}", wrong.len(), wrong.join("\n"));
}

/// A merge that finds no room wrote what it could and removed it again, as often as somebody asked for a step.
#[test]
fn work_that_finds_no_room_is_not_begun_again_until_time_has_passed() {
    for seed in 1..4 {
        let begun = begun_in_vain(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        println!("seed {seed}: {begun} writes");
        assert!(begun > 0, "seed {seed} shows nothing");
        assert!(begun <= IN_VAIN_MAX, "seed {seed}: {begun} writes to segments in vain");
    }
}

/// The reserve was made again of the room that a merge was promised, and given up for it when it found none, without a rest;
/// and memtables that did not fit were written for each commit that was refused: 420 KB each time.
#[test]
fn a_refused_commit_is_written_next_to_nothing_for_however_often_it_is_tried() {
    let mut row = Row { layer: "17 disk full, refused".to_owned(), ..Row::default() };
    let seeds = Tier::from_environment().pick(1, 10, 40);
    let mut wrong = Vec::new();
    let all = Scarcity::ALL.into_iter().flat_map(|one| (0..seeds).map(move |seed| (one, seed)));
    // With this seed the memtables wait while the log wants its next file: that was tried for each commit.
    let log_file = [(Scarcity::Overstated, LOG_FILE_SEED)].into_iter().filter(|(_, seed)| *seed >= seeds);
    for (scarcity, seed) in all.chain(log_file) {
        match written_for_refused(scarcity, seed) {
            Ok(refused) => {
                println!("{scarcity:?}, seed {seed}: {refused}");
                (row.cases, row.states) = (row.cases + 1, row.states + refused.commits);
                if refused.is_too_much() {
                    wrong.push(format!("{scarcity:?}, seed {seed}: {refused}"));
                }
            }
            Err(found) => wrong.push(format!("{scarcity:?}, seed {seed}: {found}")),
        }
    }
    row.print();
    assert!(wrong.is_empty(), "{} seeds: {}", wrong.len(), wrong.join("\n"));
}

/// A block that the device did not give was the end of a commit that merged for its room: other segments could have given it,
/// and to a deletion the reserve.
#[test]
fn a_segment_that_cannot_be_read_refuses_no_deletion_on_a_full_disk_and_no_put_but_for_room() {
    for seed in 1..3 {
        ask_beside_unreadable(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    }
}

/// On a file system that copies on write a flush may find no room for itself, and nobody knows what came of it: writing stops until
/// the database is opened again. Nothing that was acknowledged is lost.
#[test]
fn a_flush_that_finds_no_room_stops_writing_until_a_reopen_and_loses_nothing() {
    let (mut row, mut stopped, mut wrong) =
        (Row { layer: "17 disk full, flushes".to_owned(), ..Row::default() }, 0, Vec::new());
    for seed in 0..Tier::from_environment().pick(8, 100, 1000) {
        match flushes_without_room(seed) {
            Ok(met) => {
                stopped += met.stopped;
                (row.cases, row.states) = (row.cases + 1, row.states + met.states + met.refused);
            }
            Err(found) => wrong.push(format!("seed {seed}: {found}")),
        }
    }
    row.print();
    println!("{stopped} of them stopped");
    assert!(wrong.is_empty(), "{} seeds: {}", wrong.len(), wrong.join("\n"));
    assert!(stopped > 1, "no flush fails");
}

/// Closing writes a record, and found no room for it.
#[test]
fn a_database_closes_in_order_without_any_room_and_without_a_reserve() {
    for seed in 1..4 {
        close_without_room(seed).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    }
}

/// The seed with the most cycles.
const SEED: u64 = 5;

/// The seed with which a disk that overstates its room is full while a file of the log is wanted.
const LOG_FILE_SEED: u64 = 8;

/// The seeds of the cycles.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("ENTIDB_DISK_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => SEED..SEED + Tier::from_environment().pick(2, 30, 100),
    }
}

/// Crashes at calls spread over all phases, the full one among them: what was promised is there, on a disk as full as it
/// was, or the open says that there is no room and reading goes on.
#[test]
fn a_crash_on_a_full_disk_loses_nothing_that_was_promised() {
    let (cycles, one_in) = (Tier::from_environment().pick(4, 12, 40), Tier::from_environment().pick(601, 101, 29));
    let (world, disk) = SmallDisk::simulated(2 << 20, 23);
    let filling = Filling { keys: 4_000, ..Filling::SMALL };
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
                let engine = match Engine::open(after.backend(), small_disk_options()) {
                    Err(error) if is_no_space(&error) => {
                        refused += 1;
                        let reading = Options { read_only: true, ..small_disk_options() };
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
