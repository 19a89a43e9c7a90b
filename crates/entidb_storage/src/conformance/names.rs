//! Cases on which names are accepted.
//!
//! Always: what is refused is refused by every call, before anything is touched. Does not know: files.

use super::{bytes_of, kind, names_in, put};
use crate::{Backend, ErrorKind, LockKind, NAME_BYTES_MAX, OpenMode};

fn refused(backend: &Backend, name: &str) {
    let found = kind(backend.directory.open(name, OpenMode::CreateOrOpen));
    assert!(matches!(found, ErrorKind::InvalidName { .. }), "{name:?} gave {found:?}");
}

pub(super) fn names_that_leave_the_root_are_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    for name in ["..", ".", "../a", "./a", "f/..", "f/.", "/a", "/", "//", "/etc/passwd", "C:\\a", "C:a"] {
        refused(&backend, name);
    }
}

pub(super) fn empty_names_are_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    for name in ["", "f/", "/f", "f//a"] {
        refused(&backend, name);
    }
}

pub(super) fn strange_characters_are_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    for name in ["a\0", "\0", "a\0b", "a\\b", "\\", "a\nb", "a\tb", "a:b", "a*", "a?", "a|b", "<a", "a>", "\"a\""] {
        refused(&backend, name);
    }
}

pub(super) fn deep_names_are_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    for name in ["f/g/a", "f/g/h/a", "f/g/"] {
        refused(&backend, name);
    }
    assert!(matches!(kind(backend.directory.create_folder("f/g")), ErrorKind::InvalidName { .. }));
    assert!(matches!(kind(backend.directory.list("f/g")), ErrorKind::InvalidName { .. }));
}

pub(super) fn long_names_are_refused_and_200_bytes_are_not(make: &dyn Fn() -> Backend) {
    let backend = make();
    refused(&backend, &"x".repeat(NAME_BYTES_MAX + 1));
    refused(&backend, &"x".repeat(1 << 20));
    let folder = "f".repeat(NAME_BYTES_MAX);
    backend.directory.create_folder(&folder).unwrap();
    let longest = format!("{folder}/{}", "x".repeat(NAME_BYTES_MAX));
    put(&backend, &longest, b"kept");
    assert_eq!(bytes_of(&backend, &longest), b"kept");
}

pub(super) fn windows_devices_and_trailing_dots_are_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    for name in ["nul", "NUL", "con.txt", "Com1", "LPT9.seg", "aux", "a.", "a ", "a. "] {
        refused(&backend, name);
    }
    for name in ["console", "nul0", "com", "com10", ".hidden", "a.b.c"] {
        put(&backend, name, b"");
    }
}

pub(super) fn every_call_judges_names(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"kept");
    let directory = &backend.directory;
    for name in ["../a", "a\0", ".."] {
        for found in [
            kind(directory.open(name, OpenMode::Read)),
            kind(directory.open(name, OpenMode::Write)),
            kind(directory.open(name, OpenMode::CreateNew)),
            kind(directory.create_folder(name)),
            kind(directory.remove(name)),
            kind(directory.rename(name, "b")),
            kind(directory.rename("a", name)),
            kind(directory.hard_link(name, "b")),
            kind(directory.hard_link("a", name)),
            kind(directory.list(name)),
            kind(directory.flush_names(name)),
            kind(directory.lock(name, LockKind::Exclusive)),
            kind(directory.lock(name, LockKind::Shared)),
        ] {
            assert!(matches!(found, ErrorKind::InvalidName { .. }), "{name:?} gave {found:?}");
        }
    }
    assert_eq!(names_in(&backend, ""), ["a"]);
}

pub(super) fn names_outside_ascii_work(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "größe 日本.seg", b"kept");
    assert_eq!(bytes_of(&backend, "größe 日本.seg"), b"kept");
    assert_eq!(names_in(&backend, ""), ["größe 日本.seg"]);
}

pub(super) fn a_refused_name_creates_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    for name in ["", "..", "f/", "/f", "f/g/h", "a\0", "nul"] {
        refused(&backend, name);
        assert!(backend.directory.create_folder(name).is_err());
    }
    assert!(names_in(&backend, "").is_empty());
}
