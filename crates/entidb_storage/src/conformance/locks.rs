//! Cases on locks inside one process; what processes do to each other is tested beside the file backend.
//!
//! Always: two handles in a process exclude each other as two processes do. Does not know: process numbers.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{kind, names_in};
use crate::{Backend, ErrorKind, LockKind};

fn is_locked(backend: &Backend, name: &str, lock: LockKind) -> bool {
    match backend.directory.lock(name, lock) {
        Ok(_) => false,
        Err(error) => {
            assert!(matches!(error.kind, ErrorKind::Locked { .. }), "{error}");
            true
        }
    }
}

/// A lock file that nobody holds.
fn make_lock_file(backend: &Backend) {
    drop(backend.directory.lock("LOCK", LockKind::Exclusive).unwrap());
}

pub(super) fn an_exclusive_lock_excludes_another(make: &dyn Fn() -> Backend) {
    let backend = make();
    let held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    assert!(is_locked(&backend, "LOCK", LockKind::Exclusive));
    assert!(is_locked(&backend.clone(), "LOCK", LockKind::Exclusive));
    drop(held);
    assert!(!is_locked(&backend, "LOCK", LockKind::Exclusive));
}

pub(super) fn an_exclusive_lock_excludes_a_shared_one(make: &dyn Fn() -> Backend) {
    let backend = make();
    let held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    assert!(is_locked(&backend, "LOCK", LockKind::Shared));
    drop(held);
    assert!(!is_locked(&backend, "LOCK", LockKind::Shared));
}

pub(super) fn a_shared_lock_excludes_an_exclusive_one(make: &dyn Fn() -> Backend) {
    let backend = make();
    make_lock_file(&backend);
    let held = backend.directory.lock("LOCK", LockKind::Shared).unwrap();
    assert!(is_locked(&backend, "LOCK", LockKind::Exclusive));
    drop(held);
    assert!(!is_locked(&backend, "LOCK", LockKind::Exclusive));
}

pub(super) fn shared_locks_stand_together(make: &dyn Fn() -> Backend) {
    let backend = make();
    make_lock_file(&backend);
    let held: Vec<_> = (0..5).map(|_| backend.directory.lock("LOCK", LockKind::Shared).unwrap()).collect();
    assert!(is_locked(&backend, "LOCK", LockKind::Exclusive));
    assert_eq!(held.len(), 5);
}

pub(super) fn a_lock_ends_with_its_holder(make: &dyn Fn() -> Backend) {
    let backend = make();
    for _ in 0..20 {
        let held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
        assert!(is_locked(&backend, "LOCK", LockKind::Exclusive));
        drop(held);
    }
}

pub(super) fn the_last_shared_holder_frees_the_lock(make: &dyn Fn() -> Backend) {
    let backend = make();
    make_lock_file(&backend);
    let first = backend.directory.lock("LOCK", LockKind::Shared).unwrap();
    let second = backend.directory.lock("LOCK", LockKind::Shared).unwrap();
    drop(first);
    assert!(is_locked(&backend, "LOCK", LockKind::Exclusive), "one shared holder is left");
    drop(second);
    assert!(!is_locked(&backend, "LOCK", LockKind::Exclusive));
}

pub(super) fn a_lock_is_of_its_folder_whatever_its_name(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    let _one = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    for lock in [LockKind::Exclusive, LockKind::Shared] {
        assert!(is_locked(&backend, "LOCK2", lock));
    }
    assert_eq!(names_in(&backend, ""), ["LOCK", "f"], "a refused lock makes no file");
    let _of_another_folder = backend.directory.lock("f/LOCK", LockKind::Exclusive).unwrap();
}

pub(super) fn a_lock_outlives_its_name(make: &dyn Fn() -> Backend) {
    let backend = make();
    make_lock_file(&backend);
    for lock in [LockKind::Exclusive, LockKind::Shared] {
        let held = backend.directory.lock("LOCK", lock).unwrap();
        match backend.directory.remove("LOCK") {
            Ok(()) => {}
            // Where an open file keeps its name.
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::PermissionDenied | ErrorKind::Device { .. }), "{error}")
            }
        }
        assert!(is_locked(&backend, "LOCK", LockKind::Exclusive), "who removes the file of a lock does not get in");
        drop(held);
        make_lock_file(&backend);
    }
}

pub(super) fn a_lock_says_its_kind(make: &dyn Fn() -> Backend) {
    let backend = make();
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        assert_eq!(backend.directory.lock("LOCK", kind).unwrap().kind(), kind);
    }
}

pub(super) fn a_shared_lock_creates_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    assert_eq!(kind(backend.directory.lock("LOCK", LockKind::Shared)), ErrorKind::NotFound);
    assert!(names_in(&backend, "").is_empty());
}

pub(super) fn a_lock_on_a_folder_is_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    for lock in [LockKind::Exclusive, LockKind::Shared] {
        assert_eq!(kind(backend.directory.lock("f", lock)), ErrorKind::IsAFolder);
    }
}

pub(super) fn a_lock_in_a_missing_folder_is_not_found(make: &dyn Fn() -> Backend) {
    let backend = make();
    for lock in [LockKind::Exclusive, LockKind::Shared] {
        assert_eq!(kind(backend.directory.lock("no/LOCK", lock)), ErrorKind::NotFound);
    }
    assert!(names_in(&backend, "").is_empty());
}

pub(super) fn a_lost_race_leaves_the_winner_alone(make: &dyn Fn() -> Backend) {
    let backend = make();
    let _held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    // The trap of record locks: closing the loser's handle must not let the winner's lock go.
    for _ in 0..10 {
        assert!(is_locked(&backend, "LOCK", LockKind::Exclusive));
        assert!(is_locked(&backend, "LOCK", LockKind::Shared));
    }
}

pub(super) fn of_many_threads_one_gets_the_lock(make: &dyn Fn() -> Backend) {
    let backend = make();
    for _ in 0..20 {
        let (start, tried, winners) = (Barrier::new(4), Barrier::new(4), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    let held = backend.directory.lock("LOCK", LockKind::Exclusive).ok();
                    winners.fetch_add(usize::from(held.is_some()), Ordering::SeqCst);
                    tried.wait();
                });
            }
        });
        assert_eq!(winners.load(Ordering::SeqCst), 1);
    }
}
