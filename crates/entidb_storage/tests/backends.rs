//! The backends by their constructors, end to end.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_storage::{Backend, Entry, ErrorKind, LockKind, OpenMode, RootMode};

fn keep_and_find(backend: &Backend) {
    let directory = &backend.directory;
    directory.create_folder("seg").unwrap();
    let file = directory.open("seg/1", OpenMode::CreateNew).unwrap();
    assert_eq!(file.append(&[b"ab", b"", b"cd"]).unwrap(), 0);
    file.flush_data().unwrap();
    directory.flush_names("seg").unwrap();
    let mut found = [0; 4];
    directory.open("seg/1", OpenMode::Read).unwrap().read_exact_at(0, &mut found).unwrap();
    assert_eq!(&found, b"abcd");
    assert_eq!(directory.list("seg").unwrap(), [Entry { name: "1".into(), is_folder: false }]);
    let held = directory.lock("LOCK", LockKind::Exclusive).unwrap();
    let refused = directory.lock("LOCK", LockKind::Exclusive).err().unwrap();
    assert_eq!(refused.kind, ErrorKind::Locked { holder_pid: Some(std::process::id()) });
    drop(held);
    drop(directory.lock("LOCK", LockKind::Shared).unwrap());
}

#[test]
fn the_memory_backend_keeps_and_finds() {
    keep_and_find(&Backend::memory());
}

#[test]
fn the_file_backend_keeps_and_finds() {
    let path = std::env::temp_dir().join(format!("entidb-backends-{}", std::process::id()));
    keep_and_find(&Backend::file(&path, RootMode::CreateNew).unwrap());
    let error = Backend::file(&path, RootMode::CreateNew).unwrap_err();
    assert_eq!(error.kind, ErrorKind::FolderNotEmpty);
    let backend = Backend::file(&path, RootMode::Existing).unwrap();
    for name in ["seg/1", "LOCK"] {
        backend.directory.remove(name).unwrap();
    }
}
