//! What a child made by `fork` may do with the lock it finds in its memory: nothing.
//!
//! Always: the child leaves through `_exit`, so that neither the harness nor a destructor of the parent runs twice.
//! Does not know: handles of the C interface, which refuse a child of their own accord.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test asserts by panicking")]

mod place;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use entidb_storage::{Backend, ErrorKind, LockKind, OpenMode, RootMode};
use place::Place;
use rustix::process::{Pid, WaitOptions, waitpid};

fn open(place: &Place) -> Backend {
    Backend::file(place.path(), RootMode::Existing).unwrap()
}

fn refused(backend: &Backend, kind: LockKind) -> ErrorKind {
    backend.directory.lock("LOCK", kind).map(|_| ()).unwrap_err().kind
}

/// Runs a part in a child made by `fork`, and gives its number. The child ends with 0 if the part did not panic.
fn fork(part: impl FnOnce()) -> Pid {
    // SAFETY: the child runs only the part and `_exit`, and the C library leaves its allocator usable in a child. The
    // parts take no lock that another thread of the parent could have held.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        let code = i32::from(catch_unwind(AssertUnwindSafe(part)).is_err());
        // SAFETY: it ends the process and touches no memory.
        unsafe { libc::_exit(code) }
    }
    Pid::from_raw(forked).expect("fork failed")
}

/// Waits for a child and says whether its part was carried out.
fn went_well(child: Pid) -> bool {
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    status.exit_status() == Some(0)
}

fn wait_for(backend: &Backend, name: &str) {
    let appeared = (0..2_000).any(|_| {
        backend.threads.sleep(Duration::from_millis(5));
        backend.directory.open(name, OpenMode::Read).is_ok()
    });
    assert!(appeared, "{name} did not appear within 10 seconds");
}

fn number_in(backend: &Backend) -> String {
    let mut bytes = [0; 12];
    let count = backend.directory.open("LOCK", OpenMode::Read).unwrap().read_at(0, &mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned()
}

/// What the destructors of a child do: its copy of a value goes, and the parent's stays.
fn drop_copy<T>(value: &mut Option<T>) {
    drop(value.take());
}

#[test]
fn a_forked_child_cannot_let_go_for_its_parent() {
    let place = Place::new();
    let backend = open(&place);
    let holder_pid = Some(std::process::id());
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        let mut lock = Some(backend.directory.lock("LOCK", kind).unwrap());
        let number = number_in(&backend);
        let child = fork(|| drop_copy(&mut lock));
        assert!(went_well(child));
        assert!(matches!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { .. }), "{kind:?}");
        assert_eq!(number_in(&backend), number, "the child changed what its parent wrote");
        drop(lock);
        assert!(backend.directory.lock("LOCK", LockKind::Exclusive).is_ok(), "{kind:?}");
    }
    let lock = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    assert_eq!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { holder_pid });
    drop(lock);
}

#[test]
fn a_forked_child_does_not_hold_the_lock_of_its_parent() {
    let place = Place::new();
    let backend = open(&place);
    let lock = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let holder_pid = Some(std::process::id());
    let child = fork(|| {
        // Neither by a handle of its own nor by its parent's.
        assert_eq!(refused(&open(&place), LockKind::Exclusive), ErrorKind::Locked { holder_pid });
        assert_eq!(refused(&backend, LockKind::Shared), ErrorKind::Locked { holder_pid });
    });
    assert!(went_well(child));
    drop(lock);
}

#[test]
fn a_forked_child_that_lives_on_holds_nobody_up() {
    let place = Place::new();
    let backend = open(&place);
    let mut lock = Some(backend.directory.lock("LOCK", LockKind::Exclusive).unwrap());
    let child = fork(|| {
        wait_for(&backend, "go");
        drop_copy(&mut lock);
        // The parent has taken it anew by now, and the dropped copy is none of that lock.
        assert!(matches!(refused(&open(&place), LockKind::Shared), ErrorKind::Locked { .. }));
    });
    drop_copy(&mut lock);
    let anew = backend.directory.lock("LOCK", LockKind::Exclusive).map(Some);
    drop(backend.directory.open("go", OpenMode::CreateNew).unwrap());
    assert!(went_well(child));
    assert!(anew.is_ok(), "the child's copy of the open file kept the lock");
    assert!(matches!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { .. }));
}

#[test]
fn a_forked_child_takes_the_lock_under_its_own_number() {
    let place = Place::new();
    let backend = open(&place);
    let child = fork(|| {
        let _held = open(&place).directory.lock("LOCK", LockKind::Exclusive).unwrap();
        drop(backend.directory.open("held", OpenMode::CreateNew).unwrap());
        wait_for(&backend, "go");
    });
    wait_for(&backend, "held");
    let holder_pid = u32::try_from(child.as_raw_nonzero().get()).ok();
    assert_eq!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { holder_pid });
    drop(backend.directory.open("go", OpenMode::CreateNew).unwrap());
    assert!(went_well(child));
    assert!(backend.directory.lock("LOCK", LockKind::Exclusive).is_ok());
}

#[test]
fn a_lock_that_a_parent_holds_is_not_listed_in_its_child() {
    let (place, other) = (Place::new(), Place::new());
    let parent = open(&place).directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let mut copy = Some(open(&other).directory.lock("LOCK", LockKind::Exclusive).unwrap());
    let child = fork(|| {
        let holder = refused(&open(&place), LockKind::Exclusive);
        assert_ne!(holder, ErrorKind::Locked { holder_pid: Some(std::process::id()) }, "the child does not hold it");
        drop_copy(&mut copy);
        assert!(matches!(refused(&open(&other), LockKind::Exclusive), ErrorKind::Locked { .. }));
        // Its own locks exclude each other as they do everywhere.
        let mine = Place::new();
        let _held = open(&mine).directory.lock("LOCK", LockKind::Exclusive).unwrap();
        let holder_pid = Some(std::process::id());
        assert_eq!(refused(&open(&mine), LockKind::Exclusive), ErrorKind::Locked { holder_pid });
    });
    assert!(went_well(child));
    drop(parent);
}
