//! Chains of log files that lead where no writer went.

use entidb_storage::simulated::{Personality, Simulation};

use super::*;
use crate::format::DatabaseId;
use crate::wal::writer::{WAL_FILE_BYTES_MIN, WalFile};

const KEYS: DatabaseId = DatabaseId([5; 16]);

/// A machine on which a run that never ends fails after a thousand calls.
fn machine() -> Simulation {
    let world = Simulation::new(Personality::PosixStrict, 1);
    world.set_calls_max(1000);
    world.backend().directory.create_folder("wal").unwrap();
    world
}

fn file(world: &Simulation, number: u64) -> WalFile {
    WalFile::create(&world.backend(), &Keys::plain(KEYS), FileNumber(number), WAL_FILE_BYTES_MIN).unwrap()
}

fn wal(number: u64) -> WalRef {
    WalRef { number: FileNumber(number), seal: None }
}

/// The file and the offset of the tampering that replaying finds.
fn found(world: &Simulation, wals: &[WalRef]) -> (String, u64) {
    match replay(&world.backend(), &Keys::plain(KEYS), wals, Sequence::ZERO, &mut |_, _| Ok(())) {
        Err(Error::Corrupt { damage: Damage::Tampered, file, offset, .. }) => (file, offset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_file_that_goes_on_in_itself_is_refused_with_its_place() {
    let world = machine();
    let mut one = file(&world, 1);
    let itself = one.successor_mark();
    one.finish(Some(&itself), Sequence::ZERO, Sequence::ZERO).unwrap();
    assert_eq!(found(&world, &[wal(1)]), ("wal/1".to_owned(), 4096));
}

#[test]
fn two_log_files_that_go_on_in_each_other_are_refused_with_the_place_of_the_step_back() {
    let world = machine();
    let (mut one, mut two) = (file(&world, 1), file(&world, 2));
    let (first, second) = (one.successor_mark(), two.successor_mark());
    one.finish(Some(&second), Sequence::ZERO, Sequence::ZERO).unwrap();
    two.finish(Some(&first), Sequence::ZERO, Sequence::ZERO).unwrap();
    assert_eq!(found(&world, &[wal(1)]), ("wal/2".to_owned(), 4096));
}

#[test]
fn a_list_of_log_files_whose_numbers_do_not_ascend_is_refused() {
    let world = machine();
    for number in 1..=2 {
        file(&world, number).finish(None, Sequence::ZERO, Sequence::ZERO).unwrap();
    }
    assert_eq!(found(&world, &[wal(2), wal(1)]), ("wal/1".to_owned(), 0));
    assert_eq!(found(&world, &[wal(1), wal(1)]), ("wal/1".to_owned(), 0));
}
