//! What each purpose finds room for, and when the reserve is made, cut and given back.

use entidb_storage::MemoryDirectory;

use super::*;

fn space(capacity: u64) -> (Arc<MemoryDirectory>, Space) {
    let directory = Arc::new(MemoryDirectory::with_capacity(capacity));
    (Arc::clone(&directory), Space::new(directory))
}

#[test]
fn a_small_database_has_no_reserve_and_a_large_one_two_mebibytes() {
    let (directory, space) = space(1 << 30);
    assert!(!space.keep_reserve(900_000, 1 << 20, 0, 0));
    assert_eq!(directory.used_bytes(), 0);
    assert!(space.keep_reserve(4 << 20, 1 << 20, 0, 0));
    assert_eq!(directory.used_bytes(), 768 * 1024);
    assert!(!space.keep_reserve(9 << 19, 1 << 20, 0, 0), "it grows in steps");
    assert!(space.keep_reserve(1 << 40, 1 << 20, 0, 0) && !space.keep_reserve(1 << 41, 1 << 20, 0, 0));
    assert_eq!(directory.used_bytes(), RESERVE_BYTES_MAX);
    assert_eq!(Space::new(directory).room(Purpose::Free), Some(1 << 30));
}

#[test]
fn a_reserve_that_was_given_up_is_nobodys_room_until_it_is_back() {
    let (directory, space) = space(8 << 20);
    assert!(space.keep_reserve(1 << 40, 1 << 20, 0, 0));
    let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
    filler.preallocate(0, 6 << 20).unwrap();
    assert_eq!((space.room(Purpose::Add), space.room(Purpose::Free)), (Some(0), Some(2 << 20)));
    assert!(space.give_up_reserve() && space.is_short() && !space.give_up_reserve());
    assert_eq!((space.room(Purpose::Add), space.room(Purpose::Free)), (Some(0), Some(2 << 20)));
    assert!(space.keep_reserve(1 << 40, 1 << 20, 0, 0), "others would take what is left");
    assert_eq!(space.held(), (2 << 20) - UNIT_BYTES);
    filler.set_len(3 << 20).unwrap();
    assert!(space.keep_reserve(1 << 40, 1 << 20, 0, 0));
    assert_eq!(space.room(Purpose::Add), Some(3 << 20));
}

/// It went whole whatever a step needed, and others took the rest.
#[test]
fn the_reserve_is_cut_by_what_a_step_needs_and_no_more() {
    let (directory, space) = space(8 << 20);
    assert!(space.keep_reserve(1 << 40, 1 << 20, 0, 0));
    space.release(5 << 20);
    assert_eq!(space.held(), 2 << 20, "there is that much beside it");
    let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
    filler.preallocate(0, 6 << 20).unwrap();
    space.release(100_000);
    let missing = (100_000 + 2 * UNIT_BYTES).next_multiple_of(UNIT_BYTES);
    assert_eq!((space.held(), directory.free_bytes().unwrap()), ((2 << 20) - missing, missing));
    assert!(space.is_short());
    space.release(3 << 20);
    assert_eq!((space.held(), directory.free_bytes().unwrap()), (0, 2 << 20));
}

/// It was made for two megabytes, and kept most of what was left when others took the rest and all was deleted.
#[test]
fn the_reserve_has_no_more_than_a_quarter_of_what_the_database_can_have() {
    let (directory, space) = space(8 << 20);
    assert!(space.keep_reserve(6 << 20, 64 << 10, 0, 0));
    let before = space.held();
    let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
    filler.preallocate(0, (8 << 20) - before).unwrap();
    // What the memtables need stays.
    assert!(!space.keep_reserve(100 << 10, 64 << 10, 256 << 10, 0));
    assert!(space.held() >= segment_bytes_of(256 << 10) + LEFT_BYTES && space.held() < before);
    assert!(!space.keep_reserve(100 << 10, 64 << 10, 0, 0) && !space.is_short());
    assert_eq!((space.held(), directory.used_bytes()), (RESERVE_BYTES_MIN, (8 << 20) - before + RESERVE_BYTES_MIN));
    assert_eq!(space.room(Purpose::Add), Some(before - RESERVE_BYTES_MIN));
    // And with room again it is as large as before.
    filler.set_len(0).unwrap();
    assert!(space.keep_reserve(6 << 20, 64 << 10, 0, 0));
    assert_eq!(space.held(), before);
}

/// Each merge took all it would have liked from the reserve, which was made again before the next one.
#[test]
fn a_merge_takes_from_the_reserve_no_more_than_one_that_is_worth_it_lacks() {
    let (directory, space) = space(8 << 20);
    assert!(space.keep_reserve(4 << 20, 64 << 10, 0, 0));
    let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
    filler.preallocate(0, (8 << 20) - space.held() - (500 << 10)).unwrap();
    let room = |needed| space.room_to_merge(Purpose::Free, needed, 0).unwrap();
    assert_eq!(room(300 << 10), (500 << 10) - 2 * UNIT_BYTES, "what is free beside it");
    space.release(room(2 << 20));
    assert!(!space.is_short(), "none of it was taken");
    filler.preallocate(0, (8 << 20) - space.held() - (50 << 10)).unwrap();
    assert_eq!(room(2 << 20), 128 << 10, "two segments");
    assert_eq!(room(40 << 10), (50 << 10) - 2 * UNIT_BYTES);
    space.give_up_reserve();
    filler.preallocate(0, (8 << 20) - (60 << 10)).unwrap();
    assert_eq!(room(2 << 20), (60 << 10) - RECORDS_BYTES, "less is all there is");
}

#[test]
fn a_small_database_has_a_reserve_where_there_is_little_left() {
    let (directory, space) = space(NEARLY_FULL_BYTES - 1);
    assert!(space.keep_reserve(100_000, 1 << 20, 0, 0));
    assert!(directory.used_bytes() >= RESERVE_BYTES_MIN);
}

/// What is in memtables must fit into the reserve, because others may take the rest.
#[test]
fn puts_leave_no_more_in_memtables_than_the_reserve_takes() {
    let (directory, space) = space(8 << 20);
    assert!(space.keep_reserve(1 << 30, 128 << 10, 0, 0));
    let held = space.held();
    let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
    filler.preallocate(0, (5 << 20) - held).unwrap();
    let most = space.log_bytes(Purpose::Add, 4096, 64 << 20, 0).unwrap();
    assert!(segment_bytes_of(most) + LEFT_BYTES <= held.max(3 << 18), "{most} of {held}");
    assert!(space.log_bytes(Purpose::Add, 4096, 64 << 20, most).is_none_or(|more| more < most / 4));
    // Others take everything, and it can still be written.
    filler.set_len((8 << 20) - held).unwrap();
    assert!(space.has_room(Purpose::Free, segment_bytes_of(most)));
    assert!(space.log_bytes(Purpose::Anew, 0, LOG_BYTES_LEAST, most).is_some());
}

#[test]
fn whoever_adds_leaves_room_for_segments_and_merges() {
    let (_, space) = space(10 << 20);
    assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 20, 0), Some(1 << 20));
    // What is in memtables takes all there is.
    assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 20, 9 << 20), None);
    assert_eq!(space.log_bytes(Purpose::Free, 4096, 1 << 20, 9 << 20), None);
    assert_eq!(space.log_bytes(Purpose::Free, 4096, 1 << 20, 4 << 20), Some(1 << 20));
    assert_eq!(space.log_bytes(Purpose::Last, 4096, 1 << 20, 9 << 20), Some(LOG_BYTES_LEAST));
    let less = space.log_bytes(Purpose::Add, 4096, 64 << 20, 0).unwrap();
    assert!(less >= 2 << 20 && less + segment_bytes_of(less) <= 10 << 20, "{less}");
    space.keep_reserve(512 << 20, 2 << 20, 0, 0);
    assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 20, 4 << 20), None, "merging has its part");
}

#[test]
fn a_shortage_is_over_when_there_is_room_again() {
    let (directory, space) = space(8 << 20);
    let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
    filler.preallocate(0, 8 << 20).unwrap();
    space.note(false);
    assert!(space.is_short());
    filler.set_len((8 << 20) - ENOUGH_BYTES + 1).unwrap();
    assert!(space.is_short());
    filler.set_len(1 << 20).unwrap();
    assert!(!space.is_short());
    let unknown = Space::new(Arc::new(MemoryDirectory::new()));
    unknown.note(false);
    unknown.tried(Work::Flush, false, 0);
    assert!(unknown.is_short());
    unknown.tried(Work::Flush, true, 0);
    assert!(!unknown.is_short());
}

#[test]
fn nobody_is_refused_where_nobody_knows() {
    let space = Space::new(Arc::new(MemoryDirectory::new()));
    assert_eq!(space.log_bytes(Purpose::Add, 4096, 1 << 30, 1 << 40), Some(1 << 30));
    assert!(space.has_room(Purpose::Add, u64::MAX));
}

#[test]
fn work_that_found_no_room_rests_longer_each_time_and_wakes_when_there_is_more() {
    let (directory, space) = space(1 << 20);
    let filler = directory.open("filler", OpenMode::CreateNew).unwrap();
    filler.preallocate(0, 1 << 20).unwrap();
    let mut now = 0;
    for rest in [REST_NANOS_MIN, 2 * REST_NANOS_MIN, 4 * REST_NANOS_MIN] {
        assert!(space.may_try(Work::Merge, now));
        space.tried(Work::Merge, false, now);
        assert!(!space.may_try(Work::Merge, now + rest - 1) && space.may_try(Work::Flush, now));
        now += rest;
    }
    assert!(space.may_try(Work::Merge, now));
    space.tried(Work::Merge, false, now);
    filler.set_len(512 << 10).unwrap();
    assert!(space.may_try(Work::Merge, now));
    space.tried(Work::Merge, true, now);
    filler.set_len(1 << 20).unwrap();
    assert!(space.may_try(Work::Merge, now));
}
