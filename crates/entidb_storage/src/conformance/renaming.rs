//! Cases on names: renaming, second names, removing, listing, and making all of that durable.
//!
//! Always: a backend without an ability says `Unsupported` and changes nothing. Does not know: crashes.

use super::{bytes_of, kind, names_in, put};
use crate::{Backend, Entry, ErrorKind, OpenMode};

/// True when renames work here; otherwise proves that the backend says so.
fn renames(backend: &Backend) -> bool {
    if !backend.directory.abilities().rename {
        put(backend, "r", b"");
        assert_eq!(kind(backend.directory.rename("r", "s")), ErrorKind::Unsupported);
    }
    backend.directory.abilities().rename
}

/// True when second names work here; otherwise proves that the backend says so.
fn links(backend: &Backend) -> bool {
    if !backend.directory.abilities().hard_link {
        put(backend, "l", b"");
        assert_eq!(kind(backend.directory.hard_link("l", "m")), ErrorKind::Unsupported);
    }
    backend.directory.abilities().hard_link
}

pub(super) fn rename_moves_the_bytes(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        put(&backend, "a", b"abc");
        backend.directory.rename("a", "b").unwrap();
        assert_eq!(names_in(&backend, ""), ["b"]);
        assert_eq!(bytes_of(&backend, "b"), b"abc");
    }
}

pub(super) fn rename_replaces(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        put(&backend, "a", b"new");
        put(&backend, "b", b"older and longer");
        backend.directory.rename("a", "b").unwrap();
        assert_eq!(names_in(&backend, ""), ["b"]);
        assert_eq!(bytes_of(&backend, "b"), b"new");
    }
}

pub(super) fn rename_of_a_missing_file_is_not_found_and_keeps_the_target(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        put(&backend, "b", b"kept");
        assert_eq!(kind(backend.directory.rename("a", "b")), ErrorKind::NotFound);
        assert_eq!(bytes_of(&backend, "b"), b"kept");
    }
}

pub(super) fn rename_moves_between_folders(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        backend.directory.create_folder("f").unwrap();
        backend.directory.create_folder("g").unwrap();
        put(&backend, "f/a", b"abc");
        backend.directory.rename("f/a", "g/b").unwrap();
        assert!(names_in(&backend, "f").is_empty());
        assert_eq!(bytes_of(&backend, "g/b"), b"abc");
        backend.directory.rename("g/b", "c").unwrap();
        assert_eq!(names_in(&backend, ""), ["c", "f", "g"]);
    }
}

pub(super) fn rename_refuses_folders(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        backend.directory.create_folder("f").unwrap();
        put(&backend, "a", b"kept");
        assert_eq!(kind(backend.directory.rename("f", "g")), ErrorKind::IsAFolder);
        assert_eq!(kind(backend.directory.rename("a", "f")), ErrorKind::IsAFolder);
        assert_eq!(names_in(&backend, ""), ["a", "f"]);
        assert_eq!(bytes_of(&backend, "a"), b"kept");
    }
}

pub(super) fn rename_into_a_missing_folder_is_not_found(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        put(&backend, "a", b"kept");
        assert_eq!(kind(backend.directory.rename("a", "no/b")), ErrorKind::NotFound);
        assert_eq!(kind(backend.directory.rename("a", "a/b")), ErrorKind::NotAFolder);
        assert_eq!(bytes_of(&backend, "a"), b"kept");
    }
}

pub(super) fn rename_to_itself_changes_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        put(&backend, "a", b"kept");
        backend.directory.rename("a", "a").unwrap();
        assert_eq!(bytes_of(&backend, "a"), b"kept");
    }
}

pub(super) fn an_open_file_survives_its_renaming(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        put(&backend, "a", b"abc");
        let file = backend.directory.open("a", OpenMode::Write).unwrap();
        backend.directory.rename("a", "b").unwrap();
        file.write_all_at(3, b"d").unwrap();
        file.flush_data().unwrap();
        assert_eq!(bytes_of(&backend, "b"), b"abcd");
    }
}

pub(super) fn hard_link_shares_the_bytes(make: &dyn Fn() -> Backend) {
    let backend = make();
    if links(&backend) {
        put(&backend, "a", b"abc");
        backend.directory.hard_link("a", "b").unwrap();
        backend.directory.open("a", OpenMode::Write).unwrap().write_all_at(0, b"X").unwrap();
        assert_eq!(bytes_of(&backend, "b"), b"Xbc");
        assert_eq!(names_in(&backend, ""), ["a", "b"]);
    }
}

pub(super) fn hard_link_survives_the_removal_of_the_first_name(make: &dyn Fn() -> Backend) {
    let backend = make();
    if links(&backend) {
        backend.directory.create_folder("f").unwrap();
        put(&backend, "a", b"abc");
        backend.directory.hard_link("a", "f/b").unwrap();
        backend.directory.remove("a").unwrap();
        assert_eq!(bytes_of(&backend, "f/b"), b"abc");
    }
}

pub(super) fn hard_link_refuses_a_taken_name(make: &dyn Fn() -> Backend) {
    let backend = make();
    if links(&backend) {
        put(&backend, "a", b"abc");
        put(&backend, "b", b"kept");
        backend.directory.create_folder("f").unwrap();
        assert_eq!(kind(backend.directory.hard_link("a", "b")), ErrorKind::AlreadyExists);
        assert_eq!(kind(backend.directory.hard_link("a", "f")), ErrorKind::AlreadyExists);
        assert_eq!(kind(backend.directory.hard_link("a", "a")), ErrorKind::AlreadyExists);
        assert_eq!(bytes_of(&backend, "b"), b"kept");
    }
}

pub(super) fn hard_link_of_a_missing_file_is_not_found(make: &dyn Fn() -> Backend) {
    let backend = make();
    if links(&backend) {
        backend.directory.create_folder("f").unwrap();
        put(&backend, "a", b"");
        assert_eq!(kind(backend.directory.hard_link("gone", "b")), ErrorKind::NotFound);
        assert_eq!(kind(backend.directory.hard_link("f", "b")), ErrorKind::IsAFolder);
        assert_eq!(kind(backend.directory.hard_link("a", "no/b")), ErrorKind::NotFound);
        assert_eq!(names_in(&backend, ""), ["a", "f"]);
    }
}

pub(super) fn remove_takes_the_name_away(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    put(&backend, "b", b"kept");
    backend.directory.remove("a").unwrap();
    assert_eq!(kind(backend.directory.open("a", OpenMode::Read)), ErrorKind::NotFound);
    assert_eq!(names_in(&backend, ""), ["b"]);
}

pub(super) fn remove_of_a_missing_file_is_not_found(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"");
    assert_eq!(kind(backend.directory.remove("gone")), ErrorKind::NotFound);
    assert_eq!(kind(backend.directory.remove("no/gone")), ErrorKind::NotFound);
    assert_eq!(kind(backend.directory.remove("a/gone")), ErrorKind::NotAFolder);
}

pub(super) fn remove_refuses_folders(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    assert_eq!(kind(backend.directory.remove("f")), ErrorKind::IsAFolder);
    assert_eq!(names_in(&backend, ""), ["f"]);
}

pub(super) fn a_removed_file_lives_on_in_its_handles(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    backend.directory.remove("a").unwrap();
    put(&backend, "a", b"another file");
    file.write_all_at(3, b"d").unwrap();
    let mut found = [0; 4];
    file.read_exact_at(0, &mut found).unwrap();
    assert_eq!(&found, b"abcd");
    assert_eq!(bytes_of(&backend, "a"), b"another file");
}

pub(super) fn a_replaced_file_lives_on_in_its_handles(make: &dyn Fn() -> Backend) {
    let backend = make();
    if renames(&backend) {
        put(&backend, "a", b"new");
        put(&backend, "b", b"old");
        let old = backend.directory.open("b", OpenMode::Read).unwrap();
        backend.directory.rename("a", "b").unwrap();
        let mut found = [0; 3];
        old.read_exact_at(0, &mut found).unwrap();
        assert_eq!(&found, b"old");
        assert_eq!(bytes_of(&backend, "b"), b"new");
    }
}

pub(super) fn an_empty_root_lists_nothing(make: &dyn Fn() -> Backend) {
    assert_eq!(make().directory.list("").unwrap(), []);
}

pub(super) fn list_is_sorted_and_tells_files_from_folders(make: &dyn Fn() -> Backend) {
    let backend = make();
    for name in ["b", "a", "C", "10", "9", "z.z", "m-1"] {
        put(&backend, name, b"");
    }
    backend.directory.create_folder("k").unwrap();
    let found = backend.directory.list("").unwrap();
    let entry = |name: &str, is_folder| Entry { name: name.to_owned(), is_folder };
    let expected = ["10", "9", "C", "a", "b", "k", "m-1", "z.z"].map(|name| entry(name, name == "k"));
    assert_eq!(found, expected);
}

pub(super) fn list_shows_only_its_own_folder(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.create_folder("f").unwrap();
    backend.directory.create_folder("ff").unwrap();
    for name in ["a", "f/b", "f/c", "ff/d"] {
        put(&backend, name, b"");
    }
    assert_eq!(names_in(&backend, ""), ["a", "f", "ff"]);
    assert_eq!(names_in(&backend, "f"), ["b", "c"]);
    assert_eq!(names_in(&backend, "ff"), ["d"]);
}

pub(super) fn list_of_a_missing_folder_is_not_found(make: &dyn Fn() -> Backend) {
    assert_eq!(kind(make().directory.list("no")), ErrorKind::NotFound);
}

pub(super) fn list_of_a_file_is_not_a_folder(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"");
    assert_eq!(kind(backend.directory.list("a")), ErrorKind::NotAFolder);
}

pub(super) fn flush_names_succeeds_on_every_folder(make: &dyn Fn() -> Backend) {
    let backend = make();
    backend.directory.flush_names("").unwrap();
    backend.directory.create_folder("f").unwrap();
    backend.directory.flush_names("").unwrap();
    put(&backend, "f/a", b"abc");
    backend.directory.flush_names("f").unwrap();
    backend.directory.remove("f/a").unwrap();
    backend.directory.flush_names("f").unwrap();
    assert!(names_in(&backend, "f").is_empty());
}

pub(super) fn flush_names_of_a_missing_folder_is_not_found(make: &dyn Fn() -> Backend) {
    assert_eq!(kind(make().directory.flush_names("no")), ErrorKind::NotFound);
}
