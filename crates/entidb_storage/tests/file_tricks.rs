//! Things in a folder that are not what they seem, and paths that are not folders.
//!
//! Always: they are refused with the right error, without blocking, and nothing outside the root is touched.
//! Does not know: limits of the system; see `file_limits`.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test asserts by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test plays the other side, behind the backend's back")]

mod place;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use entidb_storage::{Backend, ErrorKind, LockKind, OpenMode, Operation, RootMode};
use place::Place;

const MODES: [OpenMode; 4] = [OpenMode::Read, OpenMode::Write, OpenMode::CreateNew, OpenMode::CreateOrOpen];
const ROOT_MODES: [RootMode; 4] =
    [RootMode::Existing, RootMode::CreateIfMissing, RootMode::CreateNew, RootMode::ReadOnly];

fn open(place: &Place) -> Backend {
    Backend::file(place.path(), RootMode::Existing).unwrap()
}

/// Through the program, because not every Unix lets `mknod` make one.
fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs `body` and fails when it takes longer than anything but blocking can explain.
fn promptly<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(body()));
    told.recv_timeout(Duration::from_secs(20)).expect("it blocked, or panicked")
}

/// The kind of failure of opening `name` in every mode that does not insist on a new file.
fn refused(backend: &Backend, name: &str, expected: &ErrorKind) {
    for mode in MODES {
        let (backend, name, expected) = (backend.clone(), name.to_owned(), expected.clone());
        let found = promptly(move || (backend.directory.open(&name, mode).map(|_| ()).unwrap_err().kind, expected));
        let (found, expected) = found;
        let expected = if mode == OpenMode::CreateNew { ErrorKind::AlreadyExists } else { expected };
        assert_eq!(found, expected, "{mode:?}");
    }
}

#[test]
fn a_link_is_refused_wherever_it_leads() {
    let (place, outside) = (Place::new(), Place::new());
    let backend = open(&place);
    fs::write(place.path().join("inside"), b"kept").unwrap();
    fs::write(outside.path().join("secret"), b"kept").unwrap();
    symlink("inside", place.path().join("to-inside")).unwrap();
    symlink(outside.path().join("secret"), place.path().join("to-outside")).unwrap();
    symlink("gone", place.path().join("to-nothing")).unwrap();
    symlink("to-itself", place.path().join("to-itself")).unwrap();
    for name in ["to-inside", "to-outside", "to-nothing", "to-itself"] {
        refused(&backend, name, &ErrorKind::NotARegularFile);
        for found in [
            backend.directory.remove(name),
            backend.directory.rename(name, "x"),
            backend.directory.hard_link(name, "x"),
        ] {
            assert_eq!(found.unwrap_err().kind, ErrorKind::NotARegularFile);
        }
    }
    assert!(!place.path().join("gone").exists(), "a dangling link was followed and its target made");
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"kept");
    let listed = backend.directory.list("").unwrap();
    assert!(listed.iter().all(|entry| !entry.is_folder));
}

#[test]
fn a_link_to_a_folder_is_not_a_folder_of_ours() {
    let (place, outside) = (Place::new(), Place::new());
    let backend = open(&place);
    fs::write(outside.path().join("secret"), b"kept").unwrap();
    symlink(outside.path(), place.path().join("seg")).unwrap();
    for mode in MODES {
        for name in ["seg/secret", "seg/new"] {
            let found = backend.directory.open(name, mode).map(|_| ()).unwrap_err().kind;
            assert_eq!(found, ErrorKind::NotAFolder, "{mode:?} {name}");
        }
    }
    assert_eq!(backend.directory.create_folder("seg").unwrap_err().kind, ErrorKind::NotAFolder);
    assert_eq!(backend.directory.list("seg").unwrap_err().kind, ErrorKind::NotAFolder);
    assert_eq!(backend.directory.flush_names("seg").unwrap_err().kind, ErrorKind::NotAFolder);
    assert_eq!(backend.directory.remove("seg/secret").unwrap_err().kind, ErrorKind::NotAFolder);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    let listed = backend.directory.list("").unwrap();
    assert!(!listed.first().unwrap().is_folder, "a link to a folder is not one");
}

#[test]
fn a_pipe_is_refused_without_waiting_for_its_other_end() {
    let place = Place::new();
    let backend = open(&place);
    make_pipe(&place.path().join("pipe"));
    refused(&backend, "pipe", &ErrorKind::NotARegularFile);
    for kind in [LockKind::Exclusive, LockKind::Shared] {
        let backend = backend.clone();
        let found = promptly(move || backend.directory.lock("pipe", kind).map(|_| ()).unwrap_err().kind);
        assert_eq!(found, ErrorKind::NotARegularFile);
    }
}

#[test]
fn a_pipe_is_refused_before_it_is_opened() {
    let place = Place::new();
    let pipe = place.path().join("pipe");
    make_pipe(&pipe);
    let (tell, told) = mpsc::channel();
    let writer = {
        let pipe = pipe.clone();
        // Waits inside `open` until anybody opens the pipe for reading.
        std::thread::spawn(move || tell.send(fs::OpenOptions::new().write(true).open(pipe).is_ok()))
    };
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "nobody reads yet");
    let backend = open(&place);
    for mode in [OpenMode::Read, OpenMode::Write, OpenMode::CreateOrOpen] {
        assert!(backend.directory.open("pipe", mode).is_err());
    }
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "we opened it, which with a device can do harm");
    let _reader = fs::File::open(pipe).unwrap();
    writer.join().unwrap().unwrap();
}

#[test]
fn a_name_that_changes_under_us_never_leads_outside() {
    let (place, outside) = (Place::new(), Place::new());
    let backend = open(&place);
    let at = |name: &str| place.path().join(name);
    fs::write(outside.path().join("secret"), b"outside").unwrap();
    fs::write(at("inside"), b"inside!").unwrap();
    symlink(outside.path().join("secret"), at("link")).unwrap();
    make_pipe(&at("pipe"));
    fs::hard_link(at("inside"), at("name")).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for target in ["link", "inside", "pipe", "inside"] {
                    fs::hard_link(at(target), at("next")).unwrap();
                    fs::rename(at("next"), at("name")).unwrap();
                    // Renaming a file over its own second name leaves both.
                    let _gone_mostly = fs::remove_file(at("next"));
                }
            }
        });
        let (mut opened, mut refused) = (0, 0);
        let start = std::time::Instant::now();
        // On a busy machine the other thread may be late.
        let enough = |raced: bool| start.elapsed() > Duration::from_millis(if raced { 400 } else { 10_000 });
        while !enough(opened > 0 && refused > 0) {
            match backend.directory.open("name", OpenMode::Write) {
                Ok(file) => {
                    let mut found = [0; 7];
                    file.read_exact_at(0, &mut found).unwrap();
                    assert_eq!(&found, b"inside!");
                    opened += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::NotARegularFile);
                    refused += 1;
                }
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused: nothing raced");
    });
}

#[test]
fn a_socket_is_refused() {
    let place = Place::new();
    let _listener = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    refused(&open(&place), "socket", &ErrorKind::NotARegularFile);
}

#[test]
fn a_device_is_refused_before_it_is_opened() {
    let backend = Backend::file("/dev", RootMode::Existing).unwrap();
    for name in ["null", "zero", "tty"] {
        for mode in [OpenMode::Read, OpenMode::Write, OpenMode::CreateOrOpen] {
            let found = backend.directory.open(name, mode).map(|_| ()).unwrap_err().kind;
            assert_eq!(found, ErrorKind::NotARegularFile, "{name}");
        }
    }
}

#[test]
fn a_root_that_is_no_folder_is_said_to_be_none() {
    let place = Place::new();
    let file = place.path().join("file");
    fs::write(&file, b"kept").unwrap();
    let pipe = place.path().join("pipe");
    make_pipe(&pipe);
    for path in [file.clone(), pipe, file.join("below"), "/dev/null".into()] {
        for mode in ROOT_MODES {
            let path = path.clone();
            let error = promptly(move || Backend::file(path, mode).unwrap_err());
            assert_eq!((error.kind, error.operation), (ErrorKind::NotAFolder, Operation::OpenRoot), "{mode:?}");
        }
    }
    assert_eq!(fs::read(file).unwrap(), b"kept");
}

#[test]
fn a_missing_root_is_not_found_and_not_made() {
    let place = Place::nothing_yet();
    for mode in [RootMode::Existing, RootMode::ReadOnly] {
        assert_eq!(Backend::file(place.path(), mode).unwrap_err().kind, ErrorKind::NotFound);
    }
    for mode in ROOT_MODES {
        let below = place.path().join("db");
        assert_eq!(Backend::file(&below, mode).unwrap_err().kind, ErrorKind::NotFound, "{mode:?}");
    }
    assert!(!place.path().exists());
    for path in ["", "\0", "a\0b"] {
        for mode in ROOT_MODES {
            assert!(Backend::file(path, mode).is_err(), "{path:?}");
        }
    }
}

#[test]
fn create_new_takes_nothing_or_an_empty_folder() {
    let place = Place::nothing_yet();
    drop(Backend::file(place.path(), RootMode::CreateNew).unwrap());
    drop(Backend::file(place.path(), RootMode::CreateNew).unwrap());
    fs::write(place.path().join("foreign"), b"kept").unwrap();
    assert_eq!(Backend::file(place.path(), RootMode::CreateNew).unwrap_err().kind, ErrorKind::FolderNotEmpty);
    assert!(Backend::file(place.path(), RootMode::CreateIfMissing).is_ok());
    assert_eq!(fs::read(place.path().join("foreign")).unwrap(), b"kept");
}

#[test]
fn everything_we_make_is_for_its_owner_alone() {
    let place = Place::nothing_yet();
    let backend = Backend::file(place.path(), RootMode::CreateIfMissing).unwrap();
    backend.directory.create_folder("seg").unwrap();
    drop(backend.directory.open("seg/1", OpenMode::CreateNew).unwrap());
    drop(backend.directory.open("2", OpenMode::CreateOrOpen).unwrap());
    drop(backend.directory.lock("LOCK", LockKind::Exclusive).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(place.path()), 0o700);
    assert_eq!(mode(&place.path().join("seg")), 0o700);
    for file in ["seg/1", "2", "LOCK"] {
        assert_eq!(mode(&place.path().join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_root_renamed_under_us_stays_ours() {
    let (place, moved) = (Place::new(), Place::nothing_yet());
    let backend = open(&place);
    let _held = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    fs::rename(place.path(), moved.path()).unwrap();
    fs::create_dir(place.path()).unwrap();
    backend.directory.open("file", OpenMode::CreateNew).unwrap().write_all_at(0, b"ours").unwrap();
    backend.directory.flush_names("").unwrap();
    assert_eq!(fs::read(moved.path().join("file")).unwrap(), b"ours");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "the stranger at our old path was written to");
}

#[test]
fn a_removed_root_is_an_error_and_not_a_crash() {
    let place = Place::new();
    let backend = open(&place);
    fs::remove_dir(place.path()).unwrap();
    let found = backend.directory.open("a", OpenMode::CreateNew).map(|_| ()).unwrap_err().kind;
    assert_eq!(found, ErrorKind::NotFound);
    assert_eq!(backend.directory.list("").unwrap(), []);
}

#[test]
fn a_read_only_root_changes_nothing() {
    let place = Place::new();
    let writer = open(&place);
    writer.directory.open("a", OpenMode::CreateNew).unwrap().write_all_at(0, b"kept").unwrap();
    drop(writer.directory.lock("LOCK", LockKind::Exclusive).unwrap());
    let directory = Backend::file(place.path(), RootMode::ReadOnly).unwrap().directory;
    for mode in [OpenMode::Write, OpenMode::CreateNew, OpenMode::CreateOrOpen] {
        assert_eq!(directory.open("a", mode).map(|_| ()).unwrap_err().kind, ErrorKind::ReadOnly);
    }
    for found in [
        directory.create_folder("f"),
        directory.remove("a"),
        directory.rename("a", "b"),
        directory.hard_link("a", "b"),
        directory.lock("LOCK", LockKind::Exclusive).map(|_| ()),
        directory.lock("NEW", LockKind::Exclusive).map(|_| ()),
    ] {
        assert_eq!(found.unwrap_err().kind, ErrorKind::ReadOnly);
    }
    let _held = directory.lock("LOCK", LockKind::Shared).unwrap();
    directory.flush_names("").unwrap();
    assert_eq!(directory.open("a", OpenMode::Read).unwrap().len().unwrap(), 4);
    assert_eq!(directory.list("").unwrap().len(), 2);
}

// Elsewhere the file system refuses such a name.
#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_not_text_is_listed_and_not_hidden() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    fs::write(place.path().join(std::ffi::OsStr::from_bytes(b"bad\xff")), b"").unwrap();
    let listed = open(&place).directory.list("").unwrap();
    assert_eq!(listed.first().unwrap().name, "bad\u{fffd}");
}

#[test]
fn preallocated_room_is_really_there() {
    let place = Place::new();
    let file = open(&place).directory.open("wal", OpenMode::CreateNew).unwrap();
    file.preallocate(0, 1 << 20).unwrap();
    file.flush_all().unwrap();
    let held = fs::metadata(place.path().join("wal")).unwrap().blocks() * 512;
    assert!(held >= 1 << 20, "only {held} bytes are behind a file of {}", 1 << 20);
}
