//! The bound, the clock, and what happens when the system has no more files to give.

use std::sync::Barrier;
use std::sync::atomic::AtomicU64;

use entidb_storage::simulated::{Personality, Simulation};
use entidb_storage::{Backend, ErrorKind, OpenMode};

use super::*;
use crate::error::Error;

/// A folder with files, the slots of all of them, and how often one was opened.
struct Folder {
    backend: Backend,
    open_files: Arc<OpenFiles>,
    slots: Vec<Arc<FileSlot>>,
    opened: AtomicU64,
}

impl Folder {
    fn new(backend: Backend, most: u64, count: usize) -> Self {
        let slots = (0..count).map(|_| Arc::default()).collect();
        for number in 0..count {
            backend.directory.open(&number.to_string(), OpenMode::CreateNew).unwrap();
        }
        let open_files = OpenFiles::new(most, backend.directory.as_ref());
        let backend = SparingDirectory::over(&backend, &open_files);
        Self { backend, open_files, slots, opened: AtomicU64::new(0) }
    }

    fn get(&self, number: usize) -> Result<Arc<OpenFile>> {
        self.open_files.get(&self.slots[number], || {
            self.opened.fetch_add(1, Ordering::Relaxed);
            self.backend.directory.open(&number.to_string(), OpenMode::Read).map_err(Error::Storage)
        })
    }

    fn opened_by(&self, act: impl FnOnce(&Self)) -> u64 {
        let before = self.opened.load(Ordering::Relaxed);
        act(self);
        self.opened.load(Ordering::Relaxed) - before
    }
}

#[test]
fn no_more_files_are_open_than_the_bound_and_those_in_use_stay() {
    let folder = Folder::new(Backend::memory(), 8, 40);
    for round in 0..5 {
        for number in 0..40 {
            assert_eq!(folder.get(number).unwrap().file().path(), number.to_string());
            assert!(folder.open_files.count() <= 8, "round {round}, file {number}");
        }
    }
    let often = folder.opened_by(|folder| {
        for number in 8..40 {
            // One file is read before every other one: the clock leaves it open.
            folder.get(3).unwrap();
            folder.get(number).unwrap();
        }
    });
    assert!(often <= 33, "the file that is read all the time was opened again: {often} opens");
}

#[test]
fn a_file_is_opened_once_for_all_who_want_it_at_once_and_an_open_one_not_at_all() {
    let folder = Folder::new(Backend::memory(), 4, 1);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                folder.get(0).unwrap();
            });
        }
    });
    assert_eq!((folder.opened.load(Ordering::Relaxed), folder.open_files.count()), (1, 1));
    assert_eq!(folder.opened_by(|folder| drop(folder.get(0))), 0);
}

#[test]
fn readers_who_hold_files_go_on_with_them_and_each_is_one_beyond_the_bound_at_most() {
    let folder = Folder::new(Backend::memory(), 4, 20);
    let held: Vec<_> = (0..10).map(|number| folder.get(number).unwrap()).collect();
    assert_eq!(folder.open_files.count(), 10);
    assert!(held.iter().enumerate().all(|(number, file)| file.file().path() == number.to_string()));
    drop(held);
    for number in 10..20 {
        folder.get(number).unwrap();
    }
    assert!(folder.open_files.count() <= 4);
}

#[test]
fn places_of_segments_that_went_do_not_add_up() {
    let mut folder = Folder::new(Backend::memory(), 1000, 1);
    for _ in 0..5000 {
        folder.get(0).unwrap();
        folder.slots = vec![Arc::default()];
    }
    let places = folder.open_files.state.lock().ring.len();
    assert!(folder.open_files.count() == 0 && places < 200, "{places} places");
}

#[test]
fn where_the_system_has_no_more_files_half_are_closed_and_the_bound_comes_back_slowly() {
    let simulation = Simulation::new(Personality::PosixStrict, 1);
    let folder = Folder::new(simulation.backend(), 100, 60);
    simulation.set_open_files_max(Some(20));
    for number in 0..60 {
        folder.get(number).unwrap();
        assert!(simulation.open_files() <= 20);
    }
    // Another part of the program needs files, and gets them through the same directory.
    let others: Vec<_> =
        (0..15).map(|number| folder.backend.directory.open(&number.to_string(), OpenMode::Read)).collect();
    assert!(others.iter().all(std::result::Result::is_ok), "a file of the log finds no place");
    assert!(folder.open_files.count() <= 5);
    drop(others);
    simulation.set_open_files_max(None);
    for number in (0..60).cycle().take(300) {
        folder.get(number).unwrap();
    }
    assert_eq!(folder.open_files.count(), 60);
}

#[test]
fn a_system_without_any_file_left_is_an_error_that_says_so() {
    let simulation = Simulation::new(Personality::PosixStrict, 1);
    let folder = Folder::new(simulation.backend(), 10, 3);
    simulation.set_open_files_max(Some(0));
    let error = folder.get(0).err().unwrap();
    assert!(matches!(error, Error::Storage(error) if error.kind == ErrorKind::TooManyOpenFiles));
    assert_eq!(folder.open_files.count(), 0);
    simulation.set_open_files_max(None);
    folder.get(0).unwrap();
}

#[test]
fn the_default_is_a_quarter_of_what_the_process_may_have() {
    let simulation = Simulation::new(Personality::PosixStrict, 1);
    let default = |limit: Option<usize>| {
        simulation.set_open_files_max(limit);
        OpenFiles::new(0, simulation.backend().directory.as_ref()).most
    };
    assert_eq!((default(Some(128)), default(Some(1024))), (32, 256));
    assert_eq!((default(Some(3)), default(Some(1 << 30)), default(None)), (4, 4096, 4096));
    assert_eq!(OpenFiles::new(7000, simulation.backend().directory.as_ref()).most, 7000);
}
