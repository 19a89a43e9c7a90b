//! Cases on a device that gets full: what can still be done, and what makes room.
//!
//! Always: the room that `free_bytes` tells is there, but for what a file system needs for itself.
//! Does not know: quotas, which no call tells of.

use super::{bytes_of, kind};
use crate::{Backend, Directory, ErrorKind, OpenMode};

/// The size of the device.
const DEVICE_BYTES: u64 = 1 << 20;
/// What a file system may need for itself, and what the rounding to its blocks may cost.
const SLACK_BYTES: u64 = 96 * 1024;
const PIECE: [u8; 4096] = [0xAB; 4096];

/// Writes a file until the device is full. Returns its length.
fn fill(directory: &dyn Directory, name: &str) -> u64 {
    let file = directory.open(name, OpenMode::CreateNew).unwrap();
    let mut filled = 0;
    loop {
        match file.write_at(filled, &PIECE) {
            Ok(count) => filled += count as u64,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::NoSpace);
                assert_eq!(error.path, name);
                // Some take a prefix of the last piece and say nothing of it.
                return file.len().unwrap();
            }
        }
        assert!(filled <= 2 * DEVICE_BYTES, "the device is larger than it was made");
    }
}

pub(super) fn free_bytes_fall_with_what_is_written_and_rise_when_it_goes(make: &dyn Fn(u64) -> Backend) {
    let directory = make(DEVICE_BYTES).directory;
    let before = directory.free_bytes().unwrap();
    assert!(before <= DEVICE_BYTES && before > DEVICE_BYTES - SLACK_BYTES, "{before}");
    let file = directory.open("a", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, &vec![1; 512 * 1024]).unwrap();
    let free = directory.free_bytes().unwrap();
    assert!(free <= before - 512 * 1024 && free > before - 512 * 1024 - SLACK_BYTES, "{before}, then {free}");
    file.preallocate(512 * 1024, 64 * 1024).unwrap();
    assert!(directory.free_bytes().unwrap() <= free - 64 * 1024, "room is taken ahead, not promised");
    drop(file);
    directory.remove("a").unwrap();
    assert!(directory.free_bytes().unwrap() > before - SLACK_BYTES);
}

pub(super) fn a_full_device_takes_a_prefix_and_says_no_space(make: &dyn Fn(u64) -> Backend) {
    let backend = make(DEVICE_BYTES);
    let told = backend.directory.free_bytes().unwrap();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    let bytes: Vec<u8> = (0..u32::try_from(DEVICE_BYTES / 2).unwrap()).flat_map(u32::to_le_bytes).collect();
    assert_eq!(kind(file.write_all_at(0, &bytes)), ErrorKind::NoSpace);
    let found = bytes_of(&backend, "a");
    assert!(bytes.starts_with(&found), "what is there is what was written");
    assert!(found.len() as u64 <= told && backend.directory.free_bytes().unwrap() <= DEVICE_BYTES);
    assert_eq!(kind(file.append(&[&bytes])), ErrorKind::NoSpace);
    assert_eq!(kind(file.preallocate(found.len() as u64, DEVICE_BYTES)), ErrorKind::NoSpace);
    assert!(bytes_of(&backend, "a").starts_with(&found), "a refused write takes nothing away");
}

pub(super) fn a_full_device_lets_bytes_be_written_over(make: &dyn Fn(u64) -> Backend) {
    let backend = make(DEVICE_BYTES);
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    file.preallocate(0, 100_000).unwrap();
    file.flush_all().unwrap();
    fill(&*backend.directory, "filler");
    file.write_all_at(5000, &[7; 90_000]).unwrap();
    file.flush_data().unwrap();
    let found = bytes_of(&backend, "a");
    assert!(found.len() == 100_000 && found.iter().skip(5000).take(90_000).all(|byte| *byte == 7));
}

pub(super) fn a_full_device_lets_names_be_made_renamed_and_removed(make: &dyn Fn(u64) -> Backend) {
    let directory = make(DEVICE_BYTES).directory;
    directory.create_folder("f").unwrap();
    for turn in 0..3 {
        let filled = fill(&*directory, "f/filler");
        assert!(filled > DEVICE_BYTES - SLACK_BYTES, "turn {turn}: {filled}");
        assert!(directory.free_bytes().unwrap() < SLACK_BYTES);
        drop(directory.open("f/empty", OpenMode::CreateNew).unwrap());
        let renames = directory.abilities().rename;
        if renames {
            directory.rename("f/empty", "f/other").unwrap();
        }
        directory.flush_names("f").unwrap();
        drop(directory.lock("LOCK", crate::LockKind::Exclusive).unwrap());
        directory.remove(if renames { "f/other" } else { "f/empty" }).unwrap();
        directory.remove("f/filler").unwrap();
        directory.flush_names("f").unwrap();
    }
}

pub(super) fn a_removed_file_gives_its_room_back_with_its_last_handle(make: &dyn Fn(u64) -> Backend) {
    let directory = make(DEVICE_BYTES).directory;
    let file = directory.open("a", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, &vec![1; 700_000]).unwrap();
    let reader = directory.open("a", OpenMode::Read).unwrap();
    drop(file);
    directory.remove("a").unwrap();
    assert!(directory.free_bytes().unwrap() <= DEVICE_BYTES - 700_000, "the handle keeps the room");
    let mut found = [0; 8];
    reader.read_exact_at(600_000, &mut found).unwrap();
    assert_eq!(found, [1; 8]);
    drop(reader);
    assert!(directory.free_bytes().unwrap() > DEVICE_BYTES - SLACK_BYTES);
}

pub(super) fn room_refused_to_one_file_may_be_taken_by_a_smaller_one(make: &dyn Fn(u64) -> Backend) {
    let directory = make(DEVICE_BYTES).directory;
    let large = directory.open("large", OpenMode::CreateNew).unwrap();
    assert_eq!(kind(large.preallocate(0, 2 * DEVICE_BYTES)), ErrorKind::NoSpace);
    drop(large);
    directory.remove("large").unwrap();
    let small = directory.open("small", OpenMode::CreateNew).unwrap();
    small.preallocate(0, DEVICE_BYTES / 2).unwrap();
    small.flush_all().unwrap();
    assert_eq!(small.len().unwrap(), DEVICE_BYTES / 2);
}
