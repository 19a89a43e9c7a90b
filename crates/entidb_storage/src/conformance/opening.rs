//! Cases on opening files and making folders.
//!
//! Always: every mode meets every state of a name. Does not know: what is in the files.

use super::{bytes_of, kind, names_in, put};
use crate::{Backend, ErrorKind, OpenMode, Operation};

const MODES: [OpenMode; 4] = [OpenMode::Read, OpenMode::Write, OpenMode::CreateNew, OpenMode::CreateOrOpen];

pub(super) fn a_missing_file_is_not_found(make: &dyn Fn() -> Backend) {
    assert_eq!(kind(make().directory.open("gone", OpenMode::Read)), ErrorKind::NotFound);
}

pub(super) fn a_missing_file_is_not_found_for_writing(make: &dyn Fn() -> Backend) {
    let backend = make();
    assert_eq!(kind(backend.directory.open("gone", OpenMode::Write)), ErrorKind::NotFound);
    assert!(names_in(&backend, "").is_empty());
}

pub(super) fn create_new_makes_an_empty_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("new", OpenMode::CreateNew).unwrap();
    assert_eq!(file.len().unwrap(), 0);
    assert!(file.is_empty().unwrap());
    assert_eq!(names_in(&backend, ""), ["new"]);
}

pub(super) fn create_new_refuses_an_existing_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"kept");
    assert_eq!(kind(backend.directory.open("a", OpenMode::CreateNew)), ErrorKind::AlreadyExists);
    assert_eq!(bytes_of(&backend, "a"), b"kept");
}

pub(super) fn create_or_open_makes_a_missing_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateOrOpen).unwrap();
    file.write_all_at(0, b"x").unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"x");
}

pub(super) fn create_or_open_keeps_the_bytes(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"kept");
    let file = backend.directory.open("a", OpenMode::CreateOrOpen).unwrap();
    assert_eq!(file.len().unwrap(), 4);
    assert_eq!(bytes_of(&backend, "a"), b"kept");
}

pub(super) fn write_keeps_the_bytes(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"kept");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.write_all_at(4, b"+").unwrap();
    let mut found = [0; 5];
    file.read_exact_at(0, &mut found).unwrap();
    assert_eq!(&found, b"kept+", "a file opened for writing can be read too");
}

pub(super) fn read_refuses_every_change(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"kept");
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    assert_eq!(kind(file.write_at(0, b"x")), ErrorKind::ReadOnly);
    assert_eq!(kind(file.append(&[b"x"])), ErrorKind::ReadOnly);
    assert_eq!(kind(file.set_len(1)), ErrorKind::ReadOnly);
    assert_eq!(kind(file.preallocate(0, 1)), ErrorKind::ReadOnly);
    file.flush_data().unwrap();
    file.flush_all().unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"kept");
}

pub(super) fn a_failed_open_creates_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    for mode in [OpenMode::Read, OpenMode::Write] {
        assert!(backend.directory.open("gone", mode).is_err());
    }
    for mode in MODES {
        assert!(backend.directory.open("no/gone", mode).is_err());
    }
    assert!(names_in(&backend, "").is_empty());
}

pub(super) fn a_folder_is_not_a_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("folder").unwrap();
    for mode in [OpenMode::Read, OpenMode::Write, OpenMode::CreateOrOpen] {
        assert_eq!(kind(backend.directory.open("folder", mode)), ErrorKind::IsAFolder, "{mode:?}");
    }
    assert_eq!(kind(backend.directory.open("folder", OpenMode::CreateNew)), ErrorKind::AlreadyExists);
}

pub(super) fn a_file_is_not_a_folder(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "file", b"");
    for mode in MODES {
        assert_eq!(kind(backend.directory.open("file/inside", mode)), ErrorKind::NotAFolder, "{mode:?}");
    }
}

pub(super) fn a_file_in_a_missing_folder_is_not_found(make: &dyn Fn() -> Backend) {
    let backend = make();
    for mode in MODES {
        assert_eq!(kind(backend.directory.open("no/file", mode)), ErrorKind::NotFound, "{mode:?}");
    }
}

pub(super) fn a_folder_can_be_made_twice(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("folder").unwrap();
    put(&backend, "folder/file", b"kept");
    backend.directory.create_folder("folder").unwrap();
    assert_eq!(bytes_of(&backend, "folder/file"), b"kept");
}

pub(super) fn a_folder_cannot_take_the_name_of_a_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"kept");
    assert_eq!(kind(backend.directory.create_folder("a")), ErrorKind::NotAFolder);
    assert_eq!(bytes_of(&backend, "a"), b"kept");
}

pub(super) fn a_file_says_its_name(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    assert_eq!(backend.directory.open("a", OpenMode::CreateNew).unwrap().path(), "a");
    assert_eq!(backend.directory.open("f/b", OpenMode::CreateNew).unwrap().path(), "f/b");
}

pub(super) fn an_error_says_what_was_asked_of_what(make: &dyn Fn() -> Backend) {
    let backend = make();
    let error = backend.directory.open("gone", OpenMode::Read).map(|_| ()).unwrap_err();
    assert_eq!((error.operation, error.path.as_str()), (Operation::Open, "gone"));
    assert_eq!(error.to_string(), "could not open file \"gone\": it does not exist");
    let error = backend.directory.remove("gone").unwrap_err();
    assert_eq!((error.operation, error.path.as_str()), (Operation::Remove, "gone"));
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    let error = file.read_exact_at(7, &mut [0; 3]).unwrap_err();
    assert_eq!((error.operation, error.path.as_str(), error.offset), (Operation::Read, "a", Some(7)));
}

pub(super) fn a_name_may_be_made_again_after_removal(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"old bytes");
    backend.directory.remove("a").unwrap();
    put(&backend, "a", b"new");
    assert_eq!(bytes_of(&backend, "a"), b"new");
}

pub(super) fn an_empty_folder_can_be_removed_and_no_other(make: &dyn Fn() -> Backend) {
    let backend = make();
    let remove = |name: &str| kind(backend.directory.remove_folder(name));
    backend.directory.create_folder("f").unwrap();
    put(&backend, "f/a", b"x");
    put(&backend, "file", b"x");
    if backend.directory.remove_folder("none").is_err_and(|error| error.kind == ErrorKind::Unsupported) {
        return;
    }
    assert_eq!(remove("none"), ErrorKind::NotFound);
    assert_eq!(remove("file"), ErrorKind::NotAFolder);
    assert_eq!(remove("f"), ErrorKind::FolderNotEmpty);
    assert!(matches!(remove(".."), ErrorKind::InvalidName { .. }));
    assert_eq!(bytes_of(&backend, "f/a"), b"x");
    backend.directory.remove("f/a").unwrap();
    backend.directory.remove_folder("f").unwrap();
    backend.directory.flush_names("").unwrap();
    assert_eq!(names_in(&backend, ""), ["file"]);
    assert_eq!(kind(backend.directory.list("f")), ErrorKind::NotFound);
}
