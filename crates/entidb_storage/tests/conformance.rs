//! The behaviour suite on every backend of this crate that keeps its promises.
//!
//! Always: each case is named when it fails. Does not know: the cases.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

mod host_of_rust;
mod place;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use entidb_storage::{Backend, MemoryDirectory, RootMode, conformance};
use host_of_rust::HostOfRust;
use place::Place;

/// Runs every case and names all that fail.
fn holds(make: &dyn Fn() -> Backend) {
    let cases = conformance::cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let failed: Vec<_> = cases
        .iter()
        .filter(|(_, case)| catch_unwind(AssertUnwindSafe(|| case(make))).is_err())
        .map(|(name, _)| *name)
        .collect();
    assert!(failed.is_empty(), "{} of {} cases fail: {failed:#?}", failed.len(), cases.len());
}

#[test]
fn the_suite_holds_on_memory() {
    holds(&Backend::memory);
}

#[test]
fn the_suite_holds_on_memory_with_a_capacity() {
    holds(&|| Backend::of_system(Arc::new(MemoryDirectory::with_capacity(1 << 40))));
}

#[test]
fn the_suite_holds_on_files() {
    let places = Mutex::new(Vec::new());
    holds(&|| {
        let place = Place::new();
        let backend = Backend::file(place.path(), RootMode::Existing).unwrap();
        places.lock().unwrap().push(place);
        backend
    });
}

#[test]
fn the_suite_holds_on_a_host_over_memory() {
    holds(&|| Backend::host(Arc::new(HostOfRust::new(Arc::new(MemoryDirectory::new())))));
}

#[test]
fn the_suite_holds_on_a_host_over_files() {
    let places = Mutex::new(Vec::new());
    holds(&|| {
        let place = Place::new();
        let directory = Backend::file(place.path(), RootMode::Existing).unwrap().directory;
        places.lock().unwrap().push(place);
        Backend::host(Arc::new(HostOfRust::new(directory)))
    });
}

/// Runs every case of a full device and names all that fail.
fn holds_when_full(make: &dyn Fn(u64) -> Backend) {
    let failed: Vec<_> = conformance::scarcity_cases()
        .iter()
        .filter(|(_, case)| catch_unwind(AssertUnwindSafe(|| case(make))).is_err())
        .map(|(name, _)| *name)
        .collect();
    assert!(failed.is_empty(), "these fail: {failed:#?}");
}

#[test]
fn a_full_memory_is_as_a_full_device() {
    holds_when_full(&|bytes| Backend::of_system(Arc::new(MemoryDirectory::with_capacity(bytes))));
}

#[test]
fn a_full_host_is_as_a_full_device() {
    holds_when_full(&|bytes| Backend::host(Arc::new(HostOfRust::new(Arc::new(MemoryDirectory::with_capacity(bytes))))));
}

#[test]
#[cfg(feature = "simulated")]
fn a_full_simulated_device_is_as_a_real_one() {
    use entidb_storage::simulated::{Personality, Simulation};
    for personality in Personality::ALL {
        holds_when_full(&|bytes| {
            let world = Simulation::new(personality, 7);
            world.set_capacity_bytes(Some(bytes));
            world.backend()
        });
    }
}

#[test]
fn no_two_cases_share_a_name() {
    let mut names: Vec<_> = conformance::cases().iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
#[cfg(feature = "simulated")]
fn the_suite_holds_on_the_simulated_file_system_of_every_personality() {
    use entidb_storage::simulated::{Personality, Simulation};
    for personality in Personality::ALL {
        holds(&|| Simulation::new(personality, 7).backend());
    }
}
