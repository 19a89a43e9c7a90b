//! The simulated file system keeps its word: flushed bytes survive, the rest follows the laws, every fault does as named.

#![cfg(feature = "simulated")]
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;

use entidb_storage::simulated::{CacheLaw, Fault, FaultKind, Personality, Simulation, Variant};
use entidb_storage::{Directory, ErrorKind, File, OpenMode, Operation};

const VARIANTS: u32 = 64;

fn world(personality: Personality) -> (Simulation, Arc<dyn Directory>) {
    let world = Simulation::new(personality, 11);
    let directory = world.backend().directory;
    (world, directory)
}

fn durable_file(directory: &dyn Directory, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = directory.open(name, OpenMode::CreateOrOpen).unwrap();
    file.write_all_at(0, bytes).unwrap();
    file.flush_all().unwrap();
    directory.flush_names("").unwrap();
    file
}

#[test]
fn what_was_flushed_with_its_name_survives_every_crash() {
    for personality in Personality::ALL {
        let (world, directory) = world(personality);
        let file = durable_file(directory.as_ref(), "log", &[1; 9000]);
        file.write_all_at(9000, &[2; 5000]).unwrap();
        for variant in 0..VARIANTS {
            let after = world.crash(Variant(variant)).file_bytes("log").unwrap();
            assert_eq!(after[..9000], [1; 9000], "{personality} {variant}");
        }
    }
}

#[test]
fn a_flushed_file_may_lose_its_name_only_where_the_law_says_so() {
    for personality in Personality::ALL {
        let (world, directory) = world(personality);
        let file = directory.open("log", OpenMode::CreateNew).unwrap();
        file.write_all_at(0, b"bytes").unwrap();
        file.flush_all().unwrap();
        let lost = (0..VARIANTS).any(|variant| world.crash(Variant(variant)).file_bytes("log").is_none());
        assert_eq!(lost, personality == Personality::PosixStrict, "{personality}");
    }
}

#[test]
fn unflushed_bytes_are_lost_kept_torn_and_reordered() {
    let (world, directory) = world(Personality::PosixStrict);
    let file = durable_file(directory.as_ref(), "log", &[0; 2048]);
    file.write_all_at(0, &[1; 1024]).unwrap();
    file.write_all_at(1024, &[2; 1024]).unwrap();
    let images: Vec<Vec<u8>> =
        (0..256).map(|variant| world.crash(Variant(variant)).file_bytes("log").unwrap()).collect();
    let (old, first, second) = ([0; 1024], [1; 1024], [2; 1024]);
    assert!(images.iter().any(|image| image[..1024] == old && image[1024..] == old), "all lost");
    assert!(images.iter().any(|image| image[..1024] == first && image[1024..] == second), "all kept");
    assert!(images.iter().any(|image| image[..1024] == old && image[1024..] == second), "later before earlier");
    assert!(images.iter().any(|image| image[..512] == old[..512] && image[512..1024] == first[..512]), "torn");
    assert!(images.iter().any(|image| image[0] == 1 && image[1023] == 0), "torn the other way");
}

#[test]
fn a_grown_length_survives_with_zeros_or_garbage_only_where_the_law_says_so() {
    for personality in Personality::ALL {
        let (world, directory) = world(personality);
        let file = durable_file(directory.as_ref(), "log", &[7; 512]);
        file.write_all_at(512, &[9; 8192]).unwrap();
        let (mut zeros, mut garbage) = (false, false);
        for variant in 0..256 {
            let image = world.crash(Variant(variant)).file_bytes("log").unwrap();
            assert_eq!(image[..512], [7; 512]);
            zeros |= image[512..].contains(&0);
            garbage |= image[512..].iter().any(|byte| *byte != 9 && *byte != 0);
        }
        let ordered = matches!(personality, Personality::Ext4Ordered | Personality::IndexedDb);
        assert_eq!(zeros, !ordered, "{personality}");
        assert_eq!(garbage, personality == Personality::PosixStrict, "{personality}");
    }
}

#[test]
fn a_rename_is_never_half() {
    for personality in Personality::ALL {
        let (world, directory) = world(personality);
        if !directory.abilities().rename {
            continue;
        }
        durable_file(directory.as_ref(), "current", b"old");
        durable_file(directory.as_ref(), "next", b"new");
        directory.rename("next", "current").unwrap();
        for variant in 0..VARIANTS {
            let after = world.crash(Variant(variant));
            let current = after.file_bytes("current").unwrap();
            assert!(current == b"old" || current == b"new", "{personality} {variant}");
            assert!(current == b"new" || after.file_bytes("next").is_some(), "the new bytes have no name");
        }
    }
}

#[test]
fn a_removed_file_can_come_back_until_the_names_are_flushed() {
    let (world, directory) = world(Personality::PosixStrict);
    durable_file(directory.as_ref(), "old", b"bytes");
    directory.remove("old").unwrap();
    let back = |world: &Simulation| (0..VARIANTS).any(|v| world.crash(Variant(v)).file_bytes("old").is_some());
    assert!(back(&world));
    directory.flush_names("").unwrap();
    assert!(!back(&world));
}

#[test]
fn a_file_in_a_lost_folder_is_lost() {
    let (world, directory) = world(Personality::PosixStrict);
    directory.create_folder("wal").unwrap();
    let file = directory.open("wal/1", OpenMode::CreateNew).unwrap();
    file.flush_all().unwrap();
    directory.flush_names("wal").unwrap();
    assert_eq!(world.crash(Variant(0)).file_names(), Vec::<String>::new());
    directory.flush_names("").unwrap();
    assert_eq!(world.crash(Variant(0)).file_names(), ["wal/1"]);
}

#[test]
fn after_a_failed_flush_the_next_succeeds_and_the_data_is_gone() {
    let (world, directory) = world(Personality::PosixStrict);
    world.set_cache_law(CacheLaw::MarkedClean);
    let file = durable_file(directory.as_ref(), "log", b"old");
    file.write_all_at(0, b"new").unwrap();
    world.inject(Fault::once(FaultKind::FlushLost, world.calls()));
    assert!(matches!(file.flush_data().unwrap_err().kind, ErrorKind::Device { os_code: Some(5) }));
    file.flush_data().unwrap();
    assert_eq!(world.file_bytes("log").unwrap(), b"new", "the cache still shows it");
    for variant in 0..VARIANTS {
        assert_eq!(world.crash(Variant(variant)).file_bytes("log").unwrap(), b"old");
    }
    file.write_all_at(0, b"NEW").unwrap();
    file.flush_data().unwrap();
    assert_eq!(world.crash(Variant(0)).file_bytes("log").unwrap(), b"NEW", "what is written again can be flushed");
}

#[test]
fn the_other_cache_laws_revert_or_stay_dirty() {
    for (law, seen, after_next_flush) in [(CacheLaw::Reverted, b"old", b"old"), (CacheLaw::StaysDirty, b"new", b"new")]
    {
        let (world, directory) = world(Personality::Xfs);
        world.set_cache_law(law);
        let file = durable_file(directory.as_ref(), "log", b"old");
        world.inject(Fault::once(FaultKind::DelayedDevice, world.calls()));
        world.inject(Fault::once(FaultKind::FlushLost, world.calls() + 1));
        file.write_all_at(0, b"new").unwrap();
        file.flush_data().unwrap_err();
        assert_eq!(world.file_bytes("log").unwrap(), seen);
        file.flush_data().unwrap();
        assert_eq!(world.crash(Variant(0)).file_bytes("log").unwrap(), after_next_flush);
    }
}

#[test]
fn a_delayed_error_shows_at_the_next_flush_only() {
    let (world, directory) = world(Personality::Ext4Ordered);
    let file = durable_file(directory.as_ref(), "log", b"old");
    world.inject(Fault::once(FaultKind::DelayedDevice, world.calls()));
    assert_eq!(file.write_at(0, b"new").unwrap(), 3);
    file.flush_data().unwrap_err();
    file.flush_data().unwrap();
}

#[test]
fn every_fault_strikes_at_its_call_and_once_means_once() {
    for kind in FaultKind::ALL {
        for operation in [Operation::Open, Operation::Read, Operation::Write, Operation::FlushData] {
            if !kind.applies_to(operation) {
                continue;
            }
            let (world, directory) = world(Personality::PosixStrict);
            let file = durable_file(directory.as_ref(), "log", &[5; 600]);
            file.write_all_at(0, &[6; 600]).unwrap();
            let mut buffer = [0; 600];
            let mut act = || match operation {
                Operation::Open => directory.open("log", OpenMode::Write).err(),
                Operation::Read => file.read_at(0, &mut buffer).err(),
                Operation::Write => file.write_at(0, &[6; 600]).err(),
                _ => file.flush_data().err(),
            };
            world.inject(Fault::once(kind, world.calls() + 1));
            assert_eq!(act(), None, "not due yet");
            let _ = act();
            assert_eq!(world.faults_struck(), 1, "{kind:?} on {operation:?}");
            let _ = act();
            assert_eq!(world.faults_struck(), 1, "{kind:?} on {operation:?}");
        }
    }
}

#[test]
fn silent_faults_change_bytes_without_an_error() {
    let read = |kind: FaultKind| {
        let (world, directory) = world(Personality::PosixStrict);
        let file = durable_file(directory.as_ref(), "log", &[0; 64]);
        file.write_all_at(0, &[255; 64]).unwrap();
        world.inject(Fault::once(kind, world.calls()));
        let mut buffer = [0; 64];
        file.read_exact_at(0, &mut buffer).unwrap();
        let first = buffer.iter().map(|byte| byte.count_zeros()).sum::<u32>();
        file.read_exact_at(0, &mut buffer).unwrap();
        (first, buffer.iter().map(|byte| byte.count_zeros()).sum::<u32>())
    };
    assert_eq!(read(FaultKind::FlippedBitOnce), (1, 0));
    assert_eq!(read(FaultKind::FlippedBit), (1, 1));
    assert_eq!(read(FaultKind::StaleRead), (512, 0));
}

#[test]
fn equal_runs_have_equal_hashes_and_other_runs_do_not() {
    let run = |seed: u64, byte: u8| {
        let world = Simulation::new(Personality::Btrfs, seed);
        let directory = world.backend().directory;
        let mut salt = [byte; 8];
        world.backend().random.fill(&mut salt).unwrap();
        durable_file(directory.as_ref(), "log", &salt);
        (world.trace_hash(), world.crash(Variant(40)).file_bytes("log"))
    };
    assert_eq!(run(1, 0), run(1, 0));
    assert_ne!(run(1, 0).0, run(2, 0).0);
}

#[test]
fn after_power_off_every_call_fails_and_changes_nothing() {
    let (world, directory) = world(Personality::Apfs);
    let file = durable_file(directory.as_ref(), "log", b"old");
    world.power_off_at(world.calls());
    file.write_all_at(0, b"new").unwrap_err();
    file.flush_data().unwrap_err();
    directory.remove("log").unwrap_err();
    assert_eq!(world.file_bytes("log").unwrap(), b"old");
}

#[test]
fn the_observer_sees_the_device_before_each_call() {
    let (world, directory) = world(Personality::PosixStrict);
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    world.observe(move |point| sink.lock().push((point.index(), point.operation(), point.freeze())));
    let file = durable_file(directory.as_ref(), "log", b"bytes");
    drop(file);
    let seen = seen.lock();
    let operations: Vec<Operation> = seen.iter().map(|(_, operation, _)| *operation).collect();
    assert_eq!(operations, [Operation::Open, Operation::Write, Operation::FlushAll, Operation::FlushNames]);
    let before_names = seen[3].2.crash(Variant(0));
    assert_eq!(before_names.file_names(), Vec::<String>::new());
    assert_eq!(seen[3].2.crash(Variant(1)).file_bytes("log").unwrap(), b"bytes");
}

#[test]
fn a_full_device_says_so_and_a_crash_frees_locks() {
    let (world, directory) = world(Personality::Ntfs);
    world.set_capacity_bytes(Some(1000));
    let file = directory.open("log", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, &[1; 900]).unwrap();
    assert_eq!(file.write_at(900, &[2; 101]).unwrap(), 100, "as many as find room");
    assert_eq!(file.write_all_at(1000, &[1]).unwrap_err().kind, ErrorKind::NoSpace);
    assert_eq!(directory.free_bytes().unwrap(), 0);
    let lock = directory.lock("LOCK", entidb_storage::LockKind::Exclusive).unwrap();
    assert_eq!(world.held_locks(), 1);
    let after = world.crash(Variant(1));
    assert_eq!(after.held_locks(), 0);
    assert_eq!(after.backend().directory.free_bytes().unwrap(), 0, "a crash makes no device larger");
    after.backend().directory.lock("LOCK", entidb_storage::LockKind::Exclusive).unwrap();
    drop(lock);
    assert_eq!(world.held_locks(), 0);
}

/// Zeros that were written ahead promise no room there.
#[test]
fn a_device_that_copies_overwrites_needs_room_for_them_until_the_file_is_flushed() {
    let (world, directory) = world(Personality::PosixStrict);
    world.set_copies_overwrites(true);
    let file = directory.open("log", OpenMode::CreateNew).unwrap();
    file.preallocate(0, 8192).unwrap();
    file.flush_all().unwrap();
    world.set_capacity_bytes(Some(8192 + 4096));
    file.write_all_at(10, &[1; 10]).unwrap();
    assert_eq!(directory.free_bytes().unwrap(), 0);
    assert_eq!(file.write_all_at(5000, &[2]).unwrap_err().kind, ErrorKind::NoSpace);
    file.flush_data().unwrap();
    file.write_all_at(5000, &[2]).unwrap();
    file.flush_data().unwrap();
    assert_eq!(directory.free_bytes().unwrap(), 4096);
    let after = world.crash(Variant(1));
    after.set_capacity_bytes(Some(8192));
    let file = after.backend().directory.open("log", OpenMode::Write).unwrap();
    assert_eq!(file.write_all_at(0, &[3]).unwrap_err().kind, ErrorKind::NoSpace);
}

/// What a flush writes of its own finds no room, and then nobody knows what of the file it brought to the disk.
#[test]
fn a_flush_that_needs_room_fails_without_it_and_leaves_any_part_of_what_was_written() {
    let (world, directory) = world(Personality::PosixStrict);
    let file = directory.open("log", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, &[1; 4096]).unwrap();
    file.flush_all().unwrap();
    directory.flush_names("").unwrap();
    world.set_flush_bytes(4096);
    world.set_capacity_bytes(Some(4096 + 4095));
    // Nothing is to be flushed.
    file.flush_data().unwrap();
    let (mut lost, mut kept) = (0, 0);
    for number in 0..40 {
        file.write_all_at(0, &[number; 4096]).unwrap();
        assert_eq!(file.flush_data().unwrap_err().kind, ErrorKind::NoSpace);
        let crashed = world.crash(Variant(1)).file_bytes("log").unwrap();
        (lost, kept) = if crashed == [number; 4096] { (lost, kept + 1) } else { (lost + 1, kept) };
    }
    assert!(lost > 0 && kept > 0, "{lost} {kept}");
    world.set_capacity_bytes(Some(4096 + 4096));
    file.write_all_at(0, &[77; 4096]).unwrap();
    file.flush_data().unwrap();
    assert_eq!(world.crash(Variant(1)).file_bytes("log").unwrap(), [77; 4096]);
}

/// Found by the engine's crash test on opfs: the removal of an old file, still waiting, took away the new file that had
/// been given its name and flushed.
#[test]
fn a_waiting_removal_does_not_take_away_a_newer_file_of_that_name() {
    for personality in Personality::ALL {
        let (world, directory) = world(personality);
        durable_file(directory.as_ref(), "log", b"old");
        directory.remove("log").unwrap();
        durable_file(directory.as_ref(), "log", b"new");
        for variant in 0..VARIANTS {
            assert_eq!(world.crash(Variant(variant)).file_bytes("log").as_deref(), Some(&b"new"[..]), "{personality}");
        }
    }
}
