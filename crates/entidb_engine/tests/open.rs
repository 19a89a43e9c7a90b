//! What opening accepts, refuses and leaves alone.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::{Engine, Error, KdfParameters, KeySource, Options};
use entidb_storage::{Backend, ErrorKind, LockKind, OpenMode};

fn file(backend: &Backend, path: &str, bytes: &[u8]) {
    backend.directory.open(path, OpenMode::CreateNew).unwrap().write_all_at(0, bytes).unwrap();
}

#[test]
fn a_second_handle_is_locked_out_until_the_first_is_closed() {
    let backend = Backend::memory();
    let first = Engine::open(backend.clone(), Options::default()).unwrap();
    let error = Engine::open(backend.clone(), Options::default()).unwrap_err();
    assert!(matches!(&error, Error::Storage(inner) if matches!(inner.kind, ErrorKind::Locked { .. })), "{error:?}");
    first.close().unwrap();
    Engine::open(backend, Options::default()).unwrap();
}

/// Another thread was making the database, and an open that may not make one said that it was damaged: restore a backup.
#[test]
fn a_database_that_is_being_made_is_locked_and_not_damaged() {
    let backend = Backend::memory();
    let maker = backend.directory.lock("LOCK", LockKind::Exclusive).unwrap();
    for folder in ["wal", "manifest", "seg", "tmp"] {
        backend.directory.create_folder(folder).unwrap();
    }
    let existing = || Options { create: false, ..Options::default() };
    for options in [existing(), Options { read_only: true, ..Options::default() }, Options::default()] {
        let error = Engine::open(backend.clone(), options).unwrap_err();
        assert!(matches!(&error, Error::Storage(inner) if matches!(inner.kind, ErrorKind::Locked { .. })), "{error:?}");
    }
    drop(maker);
    let error = Engine::open(backend.clone(), existing()).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { file, .. } if file == "ROOT"), "{error:?}");
    Engine::open(backend, Options::default()).unwrap();
}

#[test]
fn no_database_is_made_where_none_was_asked_for() {
    let backend = Backend::memory();
    for options in [Options { create: false, ..Options::default() }, Options { read_only: true, ..Options::default() }]
    {
        assert!(matches!(Engine::open(backend.clone(), options), Err(Error::NoDatabase { .. })));
    }
    assert!(backend.directory.list("").unwrap().is_empty());
    Engine::open(backend.clone(), Options { create_new: true, ..Options::default() }).unwrap().close().unwrap();
    let error = Engine::open(backend, Options { create_new: true, ..Options::default() }).unwrap_err();
    assert!(matches!(error, Error::DatabaseExists { .. }), "{error:?}");
}

#[test]
fn a_folder_with_other_things_is_not_a_database_and_stays_as_it_is() {
    let backend = Backend::memory();
    file(&backend, "holiday.jpg", b"beach");
    assert!(matches!(Engine::open(backend.clone(), Options::default()), Err(Error::NotADatabase { .. })));
    assert_eq!(backend.directory.list("").unwrap().len(), 1, "not even a lock file is left");
    let backend = Backend::memory();
    file(&backend, "ROOT", b"SQLite format 3\0");
    assert!(matches!(Engine::open(backend.clone(), Options::default()), Err(Error::NotADatabase { .. })));
    assert_eq!(backend.directory.list("").unwrap().len(), 1);
}

#[test]
fn a_database_without_its_root_is_damaged_not_new() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"k", b"v").unwrap();
    transaction.commit().unwrap();
    engine.close().unwrap();
    backend.directory.remove("ROOT").unwrap();
    let error = Engine::open(backend, Options::default()).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { file, .. } if file == "ROOT"), "{error:?}");
}

#[test]
fn an_encrypted_database_opens_with_its_key_and_no_other() {
    let backend = Backend::memory();
    let kdf = KdfParameters { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 };
    let with = |key: Option<KeySource>| Options { key, kdf, ..Options::default() };
    let engine = Engine::open(backend.clone(), with(Some(KeySource::raw([7; 32])))).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"key of marker", b"the marker that must not be seen").unwrap();
    transaction.commit().unwrap();
    engine.close().unwrap();
    assert!(matches!(Engine::open(backend.clone(), with(None)), Err(Error::EncryptionRequired)));
    assert!(matches!(Engine::open(backend.clone(), with(Some(KeySource::raw([8; 32])))), Err(Error::WrongKey)));
    let engine = Engine::open(backend.clone(), with(Some(KeySource::raw([7; 32])))).unwrap();
    assert!(engine.snapshot().unwrap().exists(b"key of marker").unwrap());
    drop(engine);
    let engine = Engine::open(backend, with(Some(KeySource::raw([7; 32])))).unwrap();
    assert_eq!(engine.open_report().commits_replayed, 1);
    let plain = Backend::memory();
    Engine::open(plain.clone(), Options::default()).unwrap().close().unwrap();
    assert!(matches!(Engine::open(plain, with(Some(KeySource::raw([7; 32])))), Err(Error::NotEncrypted)));
}

#[test]
fn a_fresh_database_takes_less_than_half_a_mebibyte() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), Options::default()).unwrap();
    let mut bytes = 0;
    for folder in ["", "wal", "manifest", "seg", "tmp"] {
        for entry in backend.directory.list(folder).unwrap().into_iter().filter(|entry| !entry.is_folder) {
            let path = if folder.is_empty() { entry.name } else { format!("{folder}/{}", entry.name) };
            bytes += backend.directory.open(&path, OpenMode::Read).unwrap().len().unwrap();
        }
    }
    assert!(bytes < 512 * 1024, "{bytes}");
    drop(engine);
}
