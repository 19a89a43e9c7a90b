//! Files of the database that claim to be much longer than what was written to them, as sparse files may.
//!
//! Always: memory follows what is looked at and not the claim; what cannot be ours is damage with the name of the file.
//! Does not know: how a file became like that.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

mod allocated;

use entidb_engine::{Engine, Error, Options};
use entidb_storage::{Backend, OpenMode};

const TERABYTE: u64 = 1 << 40;

fn options() -> Options {
    Options { background: false, memory_bytes: 1 << 20, memtable_bytes: 64 * 1024, ..Options::default() }
}

/// A database that was not closed, and whose files of a kind were made longer.
fn grown(kind: &str) -> Backend {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), options()).unwrap();
    for number in 0..100_u32 {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&number.to_be_bytes(), b"value").unwrap();
        transaction.commit().unwrap();
    }
    drop(engine);
    let directory = &backend.directory;
    let files = directory.list(kind).unwrap();
    assert!(!files.is_empty());
    for file in files {
        directory.open(&format!("{kind}/{}", file.name), OpenMode::Write).unwrap().set_len(TERABYTE).unwrap();
    }
    backend
}

#[test]
fn a_log_file_of_a_terabyte_is_read_as_far_as_it_was_made() {
    let backend = grown("wal");
    let (engine, peak) = allocated::peak_of(|| Engine::open(backend, options()).unwrap());
    let snapshot = engine.snapshot().unwrap();
    assert!((0..100_u32).all(|number| snapshot.exists(&number.to_be_bytes()).unwrap()));
    assert!(peak < 16 << 20, "{peak} bytes");
}

#[test]
fn a_manifest_of_a_terabyte_is_damage_and_costs_no_memory() {
    let backend = grown("manifest");
    let (opened, peak) = allocated::peak_of(|| Engine::open(backend, options()).map(|_| ()));
    match opened {
        Err(Error::Corrupt { file, .. }) => assert!(file.starts_with("manifest/"), "{file}"),
        other => panic!("{other:?}"),
    }
    assert!(peak < 16 << 20, "{peak} bytes");
}
