//! What a directory in memory does about room, which no other backend counts itself.
//!
//! Always: bytes are counted once and given back once. Does not know: the behaviour all backends share.

use entidb_storage::{Directory, ErrorKind, MemoryDirectory, OpenMode};

#[test]
fn a_full_memory_says_no_space_and_recovers() {
    let directory = MemoryDirectory::with_capacity(1000);
    assert_eq!(directory.free_bytes().unwrap(), 1000);
    let file = directory.open("a", OpenMode::CreateNew).unwrap();
    file.append(&[&[1; 600]]).unwrap();
    assert_eq!(directory.free_bytes().unwrap(), 400);
    let other = directory.open("b", OpenMode::CreateNew).unwrap();
    let error = other.write_at(0, &[2; 401]).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::NoSpace, Some(0)));
    assert_eq!(other.preallocate(0, 401).unwrap_err().kind, ErrorKind::NoSpace);
    other.set_len(0).unwrap();
    other.append(&[&[2; 400]]).unwrap();
    assert_eq!(directory.free_bytes().unwrap(), 0);
    file.write_all_at(100, &[3; 500]).unwrap();
    assert_eq!(file.append(&[&[1]]).unwrap_err().kind, ErrorKind::NoSpace);
    file.set_len(500).unwrap();
    assert_eq!(directory.used_bytes(), 900);
    other.append(&[&[2; 100]]).unwrap();
}

#[test]
fn holes_cost_nothing_until_they_are_written() {
    let directory = MemoryDirectory::with_capacity(1 << 20);
    let file = directory.open("a", OpenMode::CreateNew).unwrap();
    file.set_len(1 << 40).unwrap();
    assert_eq!(directory.used_bytes(), 0);
    file.write_all_at(1 << 39, b"x").unwrap();
    assert!(directory.used_bytes() <= 256 * 1024, "{}", directory.used_bytes());
    file.set_len(0).unwrap();
    assert_eq!(directory.used_bytes(), 0);
}

#[test]
fn a_removed_file_gives_its_room_back_with_its_last_handle() {
    let directory = MemoryDirectory::with_capacity(1 << 20);
    let file = directory.open("a", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, &[1; 700_000]).unwrap();
    directory.hard_link("a", "b").unwrap();
    directory.remove("a").unwrap();
    drop(file);
    assert_eq!(directory.used_bytes(), 700_000, "the second name keeps it");
    let reader = directory.open("b", OpenMode::Read).unwrap();
    directory.remove("b").unwrap();
    assert_eq!(directory.used_bytes(), 700_000, "the handle keeps it");
    drop(reader);
    assert_eq!(directory.used_bytes(), 0);
    let file = directory.open("c", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, &[1; 1 << 20]).unwrap();
    drop(directory.open("d", OpenMode::CreateNew).unwrap());
    directory.rename("d", "c").unwrap();
    drop(file);
    assert_eq!(directory.used_bytes(), 0, "a replaced file gives back too");
}

#[test]
fn without_a_capacity_nobody_knows_how_much_is_free() {
    let directory = MemoryDirectory::new();
    assert_eq!(directory.free_bytes().unwrap_err().kind, ErrorKind::Unsupported);
}
