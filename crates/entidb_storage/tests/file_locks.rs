//! What processes do to each other over the lock of a folder.
//!
//! Always: exclusion is proved by what happens inside the lock, not by what the lock says. Does not know: databases.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test plays the other side, behind the backend's back")]

mod child;
mod place;

use std::process::{Child, ExitStatus};
use std::time::Duration;

use entidb_storage::{Backend, ErrorKind, LockKind, OpenMode, RootMode, Whereabouts};
use place::Place;

/// A child that is killed when the test that started it ends early.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _gone_already = self.0.wait();
    }
}

const PROCESSES: u32 = 8;
const TURNS: u64 = 150;

fn open(place: &Place) -> Backend {
    Backend::file(place.path(), RootMode::Existing).unwrap()
}

fn refused(backend: &Backend, kind: LockKind) -> ErrorKind {
    backend.directory.lock("LOCK", kind).map(|_| ()).unwrap_err().kind
}

fn wait_for(backend: &Backend, name: &str) {
    let appeared = (0..2_000).any(|_| {
        backend.threads.sleep(Duration::from_millis(5));
        backend.directory.open(name, OpenMode::Read).is_ok()
    });
    assert!(appeared, "{name} did not appear within 10 seconds");
}

#[test]
fn eight_processes_are_never_inside_together() {
    let place = Place::new();
    let backend = open(&place);
    backend.directory.open("count", OpenMode::CreateNew).unwrap().write_all_at(0, &[0; 8]).unwrap();
    let mut children: Vec<Held> = (0..PROCESSES)
        .map(|number| Held(child::command(&[], "child_counts_under_the_lock", place.path(), number).spawn().unwrap()))
        .collect();
    // Together, or the first would be done before the last has started.
    drop(backend.directory.open("go", OpenMode::CreateNew).unwrap());
    let ends: Vec<ExitStatus> = children.iter_mut().map(|held| held.0.wait().unwrap()).collect();
    assert!(ends.iter().all(ExitStatus::success), "{ends:?}");
    let mut count = [0; 8];
    backend.directory.open("count", OpenMode::Read).unwrap().read_exact_at(0, &mut count).unwrap();
    assert_eq!(u64::from_le_bytes(count), u64::from(PROCESSES) * TURNS, "two were inside together");
}

/// The part of [`eight_processes_are_never_inside_together`] that each process plays.
#[test]
fn child_counts_under_the_lock() {
    let Some((path, _)) = child::asked() else { return };
    let backend = Backend::file(path, RootMode::Existing).unwrap();
    wait_for(&backend, "go");
    let mut turns = 0;
    while turns < TURNS {
        match backend.directory.lock("LOCK", LockKind::Exclusive) {
            Ok(_held) => {
                // Made and removed inside: found by a second one inside, if there ever is one.
                drop(backend.directory.open("inside", OpenMode::CreateNew).unwrap());
                let file = backend.directory.open("count", OpenMode::Write).unwrap();
                let mut count = [0; 8];
                file.read_exact_at(0, &mut count).unwrap();
                file.write_all_at(0, &(u64::from_le_bytes(count) + 1).to_le_bytes()).unwrap();
                backend.directory.remove("inside").unwrap();
                turns += 1;
            }
            Err(error) => {
                let ErrorKind::Locked { holder_pid } = error.kind else { panic!("{error}") };
                assert_ne!(holder_pid, Some(std::process::id()), "we do not hold it");
                backend.threads.sleep(Duration::from_micros(100));
            }
        }
    }
}

#[test]
fn a_killed_holder_lets_go_and_its_number_is_forgotten() {
    let place = Place::new();
    let backend = open(&place);
    let mut holder = Held(child::command(&[], "child_holds_the_lock", place.path(), 0).spawn().unwrap());
    wait_for(&backend, "ready");
    let holder_pid = Some(holder.0.id());
    assert_eq!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { holder_pid });
    assert_eq!(refused(&backend, LockKind::Shared), ErrorKind::Locked { holder_pid });
    holder.0.kill().unwrap();
    holder.0.wait().unwrap();

    let shared = backend.directory.lock("LOCK", LockKind::Shared).unwrap();
    let nobody = ErrorKind::Locked { holder_pid: None };
    assert_eq!(refused(&backend, LockKind::Exclusive), nobody, "the number of a dead process means nothing");
    drop(shared);
    let _ours = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let holder_pid = Some(std::process::id());
    assert_eq!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { holder_pid });
}

#[test]
fn a_refusal_names_the_folder_and_the_holder_and_changes_nothing() {
    let place = Place::new();
    let backend = open(&place);
    let _held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let content = || {
        let mut bytes = vec![0; 64];
        let count = backend.directory.open("LOCK", OpenMode::Read).unwrap().read_at(0, &mut bytes).unwrap();
        bytes.truncate(count);
        (bytes, backend.directory.list("").unwrap())
    };
    let before = content();
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        let error = open(&place).directory.lock("LOCK", kind).map(|_| ()).unwrap_err();
        let (path, message) = (place.path().join("LOCK").to_string_lossy().into_owned(), error.to_string());
        assert_eq!(error.path, path);
        assert!(message.contains(&path) && message.contains(&std::process::id().to_string()), "{message}");
    }
    assert_eq!(content(), before);
}

/// Holds the lock until it is killed.
#[test]
fn child_holds_the_lock() {
    let Some((path, _)) = child::asked() else { return };
    let backend = Backend::file(path, RootMode::Existing).unwrap();
    let _held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    drop(backend.directory.open("ready", OpenMode::CreateNew).unwrap());
    backend.threads.sleep(Duration::from_secs(60));
    panic!("nobody killed us within a minute");
}

#[test]
fn shared_holders_in_two_processes_stand_together() {
    let place = Place::new();
    let backend = open(&place);
    drop(backend.directory.lock("LOCK", LockKind::Exclusive).unwrap());
    let ours = backend.directory.lock("LOCK", LockKind::Shared).unwrap();
    let end = child::command(&[], "child_shares_the_lock", place.path(), 0).status().unwrap();
    assert!(end.success(), "{end}");
    drop(ours);
    assert!(backend.directory.lock("LOCK", LockKind::Exclusive).is_ok(), "the child took its share with it");
}

/// Shares the lock with its parent and is refused the whole of it.
#[test]
fn child_shares_the_lock() {
    let Some((path, _)) = child::asked() else { return };
    for mode in [RootMode::Existing, RootMode::ReadOnly] {
        let backend = Backend::file(&path, mode).unwrap();
        let _held = backend.directory.lock("LOCK", LockKind::Shared).unwrap();
    }
    let backend = Backend::file(&path, RootMode::Existing).unwrap();
    assert_eq!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { holder_pid: None });
}

#[test]
fn a_shared_lock_writes_nothing() {
    let place = Place::new();
    let backend = open(&place);
    let file = backend.directory.open("LOCK", OpenMode::CreateNew).unwrap();
    file.write_all_at(0, b"foreign").unwrap();
    drop(backend.directory.lock("LOCK", LockKind::Shared).unwrap());
    let mut found = [0; 7];
    file.read_exact_at(0, &mut found).unwrap();
    assert_eq!((&found, file.len().unwrap()), (b"foreign", 7));
}

#[test]
fn a_number_that_is_none_is_not_believed() {
    let place = Place::new();
    let backend = open(&place);
    for text in [&b""[..], b"x", b"-1", b"0", b"4294967295", b"99999999999999999999", &[0xff; 64], b"1 2"] {
        let file = backend.directory.open("LOCK", OpenMode::CreateOrOpen).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(0, text).unwrap();
        let shared = backend.directory.lock("LOCK", LockKind::Shared).unwrap();
        assert_eq!(refused(&backend, LockKind::Exclusive), ErrorKind::Locked { holder_pid: None }, "{text:?}");
        drop(shared);
    }
}

#[test]
fn a_link_to_the_folder_or_to_the_lock_leads_to_the_same_lock() {
    let (place, other) = (Place::new(), Place::new());
    let backend = open(&place);
    let held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let link = Place::nothing_yet();
    std::os::unix::fs::symlink(place.path(), link.path()).unwrap();
    let through_link = Backend::file(link.path(), RootMode::Existing).unwrap();
    assert!(matches!(refused(&through_link, LockKind::Exclusive), ErrorKind::Locked { .. }));

    let second_name = other.path().join("LOCK");
    rustix::fs::link(place.path().join("LOCK"), second_name).unwrap();
    assert!(matches!(refused(&open(&other), LockKind::Exclusive), ErrorKind::Locked { .. }));
    drop(held);
    assert!(open(&other).directory.lock("LOCK", LockKind::Exclusive).is_ok());
    rustix::fs::unlink(link.path()).unwrap();
}

#[test]
fn a_link_is_not_a_lock_file() {
    let place = Place::new();
    let backend = open(&place);
    drop(backend.directory.open("target", OpenMode::CreateNew).unwrap());
    std::os::unix::fs::symlink(place.path().join("target"), place.path().join("LOCK")).unwrap();
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        assert_eq!(refused(&backend, kind), ErrorKind::NotARegularFile);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_started_program_inherits_no_handle() {
    let place = Place::new();
    let backend = open(&place);
    let _held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let _open = backend.directory.open("file", OpenMode::CreateNew).unwrap();
    let end = child::command(&[], "child_has_no_handle_of_its_parent", place.path(), 0).status().unwrap();
    assert!(end.success(), "{end}");
}

/// Looks through its own open files for one in the parent's folder.
#[test]
#[cfg(target_os = "linux")]
fn child_has_no_handle_of_its_parent() {
    let Some((path, _)) = child::asked() else { return };
    let path = path.canonicalize().unwrap();
    let own = Backend::file("/proc/self", RootMode::ReadOnly).unwrap();
    for entry in own.directory.list("fd").unwrap() {
        let link = format!("/proc/self/fd/{}", entry.name);
        if let Ok(target) = rustix::fs::readlink(link, Vec::new()) {
            let target = target.to_string_lossy().into_owned();
            assert!(!target.starts_with(&*path.to_string_lossy()), "{target} came along");
        }
    }
}

#[test]
fn who_removes_the_lock_file_of_another_process_does_not_get_in() {
    let place = Place::new();
    let backend = open(&place);
    let mut holder = Held(child::command(&[], "child_holds_the_lock", place.path(), 0).spawn().unwrap());
    wait_for(&backend, "ready");
    let file = place.path().join("LOCK");
    for replaced in [false, true] {
        std::fs::remove_file(&file).unwrap();
        if replaced {
            std::fs::write(&file, b"").unwrap();
        }
        // Who has it was in the file.
        let nobody = ErrorKind::Locked { holder_pid: None };
        assert_eq!(refused(&backend, LockKind::Exclusive), nobody, "replaced: {replaced}");
        assert_eq!(refused(&backend, LockKind::Shared), nobody, "replaced: {replaced}");
        std::fs::write(&file, b"").unwrap();
    }
    let away = Place::nothing_yet();
    std::fs::rename(place.path(), away.path()).unwrap();
    let moved = open(&away);
    assert!(matches!(refused(&moved, LockKind::Exclusive), ErrorKind::Locked { .. }), "a folder is not its name");
    holder.0.kill().unwrap();
    holder.0.wait().unwrap();
    drop(moved.directory.lock("LOCK", LockKind::Exclusive).unwrap());
}

#[test]
fn one_process_takes_a_lock_once_under_whatever_name() {
    let (place, links) = (Place::new(), Place::new());
    let backend = open(&place);
    let held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let link = links.path().join("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let roundabout = link.join("..").join(place.path());
    // A copy made of hard links shares the files of the original, that of the lock too.
    let linked = links.path().join("linked");
    std::fs::create_dir(&linked).unwrap();
    std::fs::hard_link(place.path().join("LOCK"), linked.join("LOCK")).unwrap();
    let here = ErrorKind::Locked { holder_pid: Some(std::process::id()) };
    for path in [&link, &roundabout, &linked] {
        let other = Backend::file(path, RootMode::Existing).unwrap();
        for kind in [LockKind::Exclusive, LockKind::Shared] {
            assert_eq!(refused(&other, kind), here, "{path:?}");
        }
    }
    drop(held);
    for path in [&link, &roundabout, &linked] {
        drop(Backend::file(path, RootMode::Existing).unwrap().directory.lock("LOCK", LockKind::Exclusive).unwrap());
    }
}

#[test]
fn a_folder_tells_what_its_path_leads_to() {
    let (place, away, links) = (Place::new(), Place::nothing_yet(), Place::new());
    let link = links.path().join("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let directory = open(&place).directory;
    let by_link = Backend::file(&link, RootMode::Existing).unwrap().directory;
    let both = || (directory.whereabouts().unwrap(), by_link.whereabouts().unwrap());
    assert_eq!(both(), (Whereabouts::Here, Whereabouts::Here));
    std::fs::rename(place.path(), away.path()).unwrap();
    assert_eq!(both(), (Whereabouts::Gone, Whereabouts::Gone));
    std::fs::create_dir(place.path()).unwrap();
    assert_eq!(both(), (Whereabouts::Elsewhere, Whereabouts::Elsewhere));
    // Files are still found where they are, and the path may lead there again.
    drop(directory.open("a", OpenMode::CreateNew).unwrap());
    std::fs::remove_dir(place.path()).unwrap();
    std::fs::rename(away.path(), place.path()).unwrap();
    assert_eq!(both(), (Whereabouts::Here, Whereabouts::Here));
    assert!(place.path().join("a").exists());
}
