//! Limits of the system: no room, no permission, no writing, no more handles.
//!
//! Always: the right kind of error, and nothing half made. What a machine cannot show is said as `SKIPPED`, never
//! counted in silence. Each part runs in a process of its own, because limits and mounts are of a process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test asserts by panicking")]

mod child;
mod place;

use std::path::Path;
use std::process::{Command, Stdio};

use entidb_storage::{Backend, Directory, ErrorKind, LockKind, OpenMode, RootMode};
use place::Place;
use rustix::process::{Resource, Rlimit};

/// Runs `part` in a mount namespace of its own, or says that it could not.
fn with_own_mounts(part: &str, place: &Path) {
    for unshare in [&["unshare", "--mount"][..], &["unshare", "--map-root-user", "--mount"]] {
        let mut try_mount = Command::new("unshare");
        try_mount.args(unshare.iter().skip(1)).args(["mount", "-t", "tmpfs", "-o", "size=64k", "entidb"]).arg(place);
        if try_mount.stderr(Stdio::null()).status().is_ok_and(|end| end.success()) {
            let end = child::command(unshare, part, place, 0).status().unwrap();
            assert!(end.success(), "{part}: {end}");
            return;
        }
    }
    skipped(part, "this user may not mount");
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skipped(part: &str, why: &str) {
    eprintln!("SKIPPED {part}: {why}");
}

fn mount(arguments: &[&str], place: &Path) {
    let end = Command::new("mount").args(arguments).arg(place).status().unwrap();
    assert!(end.success(), "mount {arguments:?}: {end}");
}

fn kind<T>(result: entidb_storage::Result<T>) -> ErrorKind {
    result.err().expect("it should have been refused").kind
}

/// Fills the file system through a file of that name and returns how many bytes went in.
fn fill(directory: &dyn Directory, name: &str) -> u64 {
    let file = directory.open(name, OpenMode::CreateNew).unwrap();
    let mut filled = 0;
    loop {
        match file.write_at(filled, &[0xAB; 4096]) {
            Ok(count) => filled += count as u64,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::NoSpace);
                assert_eq!(error.path, name);
                return filled;
            }
        }
    }
}

#[test]
fn a_full_device_says_no_space_and_recovers() {
    with_own_mounts("child_fills_a_device", Place::new().path());
}

/// On a device of one mebibyte of its own.
#[test]
fn child_fills_a_device() {
    let Some((path, _)) = child::asked() else { return };
    mount(&["-t", "tmpfs", "-o", "size=1m", "entidb"], &path);
    let backend = Backend::file(&path, RootMode::Existing).unwrap();
    let directory = &*backend.directory;
    drop(directory.lock("LOCK", LockKind::Exclusive).unwrap());
    let wal = directory.open("wal", OpenMode::CreateNew).unwrap();
    wal.append(&[b"kept"]).unwrap();
    assert!(directory.free_bytes().unwrap() > 900 * 1024);

    for turn in 0..3 {
        let filled = fill(directory, "filler");
        assert!((900 * 1024..=1 << 20).contains(&filled), "turn {turn}: {filled}");
        assert_eq!(directory.free_bytes().unwrap(), 0);
        assert_eq!(kind(wal.preallocate(4, 1 << 20)), ErrorKind::NoSpace);
        wal.set_len(4).unwrap();
        // Reads, flushes and the lock go on: a full disk must not keep anyone from making room.
        let mut found = [0; 4];
        wal.read_exact_at(0, &mut found).unwrap();
        assert_eq!(&found, b"kept");
        wal.flush_all().unwrap();
        let held = directory.lock("LOCK", LockKind::Exclusive).unwrap();
        assert!(matches!(kind(directory.lock("LOCK", LockKind::Exclusive)), ErrorKind::Locked { .. }));
        drop(held);
        directory.remove("filler").unwrap();
        assert!(directory.free_bytes().unwrap() > 900 * 1024);
        wal.preallocate(4, 64 * 1024).unwrap();
        wal.set_len(4).unwrap();
    }
}
#[test]
fn the_cases_of_a_full_device_hold_on_a_real_file_system() {
    with_own_mounts("child_runs_the_cases_of_a_full_device", Place::new().path());
}

/// Each case on a device of its own.
#[test]
fn child_runs_the_cases_of_a_full_device() {
    let Some((path, _)) = child::asked() else { return };
    mount(&["-t", "tmpfs", "-o", "size=4m", "entidb"], &path);
    let mounted = std::sync::atomic::AtomicU32::new(0);
    for (name, case) in entidb_storage::conformance::scarcity_cases() {
        println!("{name}");
        case(&|bytes| {
            let number = mounted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let place = path.join(number.to_string());
            drop(Backend::file(&place, RootMode::CreateNew).unwrap());
            mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "entidb"], &place);
            Backend::file(&place, RootMode::Existing).unwrap()
        });
    }
    assert!(mounted.into_inner() >= 6);
}

#[test]
fn a_device_without_inodes_says_no_space_and_makes_nothing() {
    with_own_mounts("child_uses_up_the_inodes", Place::new().path());
}

/// On a device that holds eight files.
#[test]
fn child_uses_up_the_inodes() {
    let Some((path, _)) = child::asked() else { return };
    mount(&["-t", "tmpfs", "-o", "size=1m,nr_inodes=8", "entidb"], &path);
    let directory = Backend::file(&path, RootMode::Existing).unwrap().directory;
    let refused = (0..20).find_map(|turn| directory.open(&turn.to_string(), OpenMode::CreateNew).err());
    assert_eq!(refused.unwrap().kind, ErrorKind::NoSpace);
    let made = directory.list("").unwrap().len();
    assert_eq!(kind(directory.create_folder("folder")), ErrorKind::NoSpace);
    assert_eq!(kind(directory.lock("LOCK", LockKind::Exclusive)), ErrorKind::NoSpace);
    let root = Backend::file(path.join("db"), RootMode::CreateIfMissing);
    assert_eq!(kind(root), ErrorKind::NoSpace);
    assert_eq!(directory.list("").unwrap().len(), made);
}

#[test]
fn a_read_only_file_system_is_read_and_never_written() {
    with_own_mounts("child_mounts_read_only", Place::new().path());
}

/// On a file system that turns read-only after a database was made on it.
#[test]
fn child_mounts_read_only() {
    let Some((path, _)) = child::asked() else { return };
    mount(&["-t", "tmpfs", "-o", "size=1m", "entidb"], &path);
    let db = path.join("db");
    let writer = Backend::file(&db, RootMode::CreateNew).unwrap().directory;
    writer.open("a", OpenMode::CreateNew).unwrap().append(&[b"kept"]).unwrap();
    drop(writer.lock("LOCK", LockKind::Exclusive).unwrap());
    mount(&["-o", "remount,ro"], &path);

    for mode in [RootMode::Existing, RootMode::ReadOnly, RootMode::CreateIfMissing] {
        let directory = Backend::file(&db, mode).unwrap().directory;
        let mut found = [0; 4];
        directory.open("a", OpenMode::Read).unwrap().read_exact_at(0, &mut found).unwrap();
        assert_eq!(&found, b"kept");
        for write in [OpenMode::Write, OpenMode::CreateOrOpen] {
            assert_eq!(kind(directory.open("a", write)), ErrorKind::ReadOnly);
        }
        assert_eq!(kind(directory.open("new", OpenMode::CreateNew)), ErrorKind::ReadOnly);
        assert_eq!(kind(directory.create_folder("folder")), ErrorKind::ReadOnly);
        assert_eq!(kind(directory.remove("a")), ErrorKind::ReadOnly);
        assert_eq!(kind(directory.rename("a", "b")), ErrorKind::ReadOnly);
        assert_eq!(kind(directory.hard_link("a", "b")), ErrorKind::ReadOnly);
        assert_eq!(kind(directory.lock("LOCK", LockKind::Exclusive)), ErrorKind::ReadOnly);
        drop(directory.lock("LOCK", LockKind::Shared).unwrap());
    }
    for mode in [RootMode::CreateIfMissing, RootMode::CreateNew] {
        assert_eq!(kind(Backend::file(path.join("new"), mode)), ErrorKind::ReadOnly);
    }
    assert_eq!(writer.list("").unwrap().len(), 2);
}

#[test]
fn without_permission_nothing_is_opened_or_made() {
    let place = Place::new();
    let part = "child_has_no_permission";
    let directory = Backend::file(place.path(), RootMode::Existing).unwrap().directory;
    directory.create_folder("closed").unwrap();
    directory.create_folder("open").unwrap();
    directory.open("open/unreadable", OpenMode::CreateNew).unwrap();
    directory.open("open/readable", OpenMode::CreateNew).unwrap();
    let mode = |path: &str, mode| rustix::fs::chmod(place.path().join(path), mode).unwrap();
    mode("", 0o755.into());
    mode("open", 0o555.into());
    mode("open/unreadable", 0o000.into());
    mode("open/readable", 0o444.into());
    mode("closed", 0o000.into());

    let end = if rustix::process::geteuid().is_root() {
        // Permissions do not bind root, so the child must be somebody else.
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
        let can = Command::new("setpriv")
            .args(nobody.iter().skip(1))
            .arg(std::env::current_exe().unwrap())
            .arg("--list")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !can.is_ok_and(|end| end.success()) {
            return skipped(part, "setpriv is missing, or another user cannot run this test binary");
        }
        child::command(&nobody, part, place.path(), 0).status().unwrap()
    } else {
        child::command(&[], part, place.path(), 0).status().unwrap()
    };
    mode("open", 0o755.into());
    mode("closed", 0o755.into());
    assert!(end.success(), "{end}");
    assert_eq!(directory.list("open").unwrap().len(), 2);
    assert_eq!(directory.list("").unwrap().len(), 2);
}

/// As a user whom permissions bind.
#[test]
fn child_has_no_permission() {
    let Some((path, _)) = child::asked() else { return };
    for mode in [RootMode::Existing, RootMode::ReadOnly, RootMode::CreateIfMissing, RootMode::CreateNew] {
        assert_eq!(kind(Backend::file(path.join("closed"), mode)), ErrorKind::PermissionDenied, "{mode:?}");
        assert_eq!(kind(Backend::file(path.join("closed/below"), mode)), ErrorKind::PermissionDenied, "{mode:?}");
    }
    for mode in [RootMode::CreateIfMissing, RootMode::CreateNew] {
        assert_eq!(kind(Backend::file(path.join("open/new"), mode)), ErrorKind::PermissionDenied, "{mode:?}");
    }
    let directory = Backend::file(path.join("open"), RootMode::Existing).unwrap().directory;
    for mode in [OpenMode::Read, OpenMode::Write, OpenMode::CreateOrOpen] {
        assert_eq!(kind(directory.open("unreadable", mode)), ErrorKind::PermissionDenied);
    }
    directory.open("readable", OpenMode::Read).unwrap();
    assert_eq!(kind(directory.open("readable", OpenMode::Write)), ErrorKind::PermissionDenied);
    assert_eq!(kind(directory.open("new", OpenMode::CreateNew)), ErrorKind::PermissionDenied);
    assert_eq!(kind(directory.create_folder("new")), ErrorKind::PermissionDenied);
    assert_eq!(kind(directory.remove("readable")), ErrorKind::PermissionDenied);
    assert_eq!(kind(directory.rename("readable", "new")), ErrorKind::PermissionDenied);
    assert_eq!(kind(directory.lock("LOCK", LockKind::Exclusive)), ErrorKind::PermissionDenied);
    assert_eq!(kind(directory.lock("readable", LockKind::Exclusive)), ErrorKind::PermissionDenied);
    directory.lock("readable", LockKind::Shared).unwrap();
}

#[test]
fn a_process_out_of_handles_is_told_and_makes_nothing() {
    let place = Place::new();
    let end = child::command(&[], "child_runs_out_of_handles", place.path(), 0).status().unwrap();
    assert!(end.success(), "{end}");
}

/// With forty handles to its name.
#[test]
fn child_runs_out_of_handles() {
    let Some((path, _)) = child::asked() else { return };
    let directory = Backend::file(&path, RootMode::Existing).unwrap().directory;
    directory.create_folder("seg").unwrap();
    drop(directory.lock("LOCK", LockKind::Exclusive).unwrap());
    drop(directory.open("a", OpenMode::CreateNew).unwrap());
    let limit = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..limit }).unwrap();

    let mut held = Vec::new();
    let refused = loop {
        match directory.open("a", OpenMode::Read) {
            Ok(file) => held.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind, ErrorKind::TooManyOpenFiles);
    assert!(held.len() > 10, "{} handles", held.len());
    assert_eq!(kind(directory.open("new", OpenMode::CreateNew)), ErrorKind::TooManyOpenFiles);
    assert_eq!(kind(directory.open("seg/new", OpenMode::CreateOrOpen)), ErrorKind::TooManyOpenFiles);
    assert_eq!(kind(directory.lock("LOCK", LockKind::Exclusive)), ErrorKind::TooManyOpenFiles);
    assert_eq!(kind(directory.list("")), ErrorKind::TooManyOpenFiles);
    assert_eq!(kind(directory.flush_names("seg")), ErrorKind::TooManyOpenFiles);
    assert_eq!(kind(Backend::file(&path, RootMode::Existing)), ErrorKind::TooManyOpenFiles);
    assert_eq!(kind(Backend::file(path.join("db"), RootMode::CreateNew)), ErrorKind::TooManyOpenFiles);

    // One handle left: enough to open the folder of a file, not the file in it.
    held.pop();
    assert_eq!(kind(directory.open("seg/new", OpenMode::CreateNew)), ErrorKind::TooManyOpenFiles);
    drop(held);
    let names: Vec<_> = directory.list("").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["LOCK", "a", "seg"], "a failed open made something");
    assert!(directory.list("seg").unwrap().is_empty());
    directory.open("seg/new", OpenMode::CreateNew).unwrap();
}
