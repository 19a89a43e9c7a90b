//! What verification finds.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::{Engine, Error, KeySource, Options, VerifyLevel};
use entidb_storage::{Backend, OpenMode};

fn filled(backend: &Backend, key: Option<[u8; 32]>) -> Engine {
    let options = Options { key: key.map(KeySource::raw), background: false, ..Options::default() };
    let engine = Engine::open(backend.clone(), options).unwrap();
    for round in 0..3_u8 {
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..200_u8 {
            transaction.put(&[1 + round % 2, number], &[round; 100]).unwrap();
        }
        transaction.commit().unwrap();
        if round < 2 {
            engine.checkpoint().unwrap();
        }
    }
    engine
}

fn flip(backend: &Backend, path: &str, offset: u64) {
    let file = backend.directory.open(path, OpenMode::Write).unwrap();
    let mut byte = [0];
    file.read_exact_at(offset, &mut byte).unwrap();
    file.write_all_at(offset, &[byte[0] ^ 0x10]).unwrap();
}

#[test]
fn a_sound_database_is_clean_and_every_part_was_looked_at() {
    for key in [None, Some([6; 32])] {
        let backend = Backend::memory();
        let engine = filled(&backend, key);
        for level in [VerifyLevel::Quick, VerifyLevel::Full] {
            let report = engine.verify(level).unwrap();
            assert!(report.is_clean(), "{report:?}");
            assert_eq!(report.segments, engine.stats().segments);
        }
        assert_eq!(engine.verify(VerifyLevel::Full).unwrap().entries, 400);
    }
}

#[test]
fn a_flipped_bit_in_any_kind_of_file_is_listed_with_its_file() {
    for folder in ["wal", "manifest", "seg"] {
        let backend = Backend::memory();
        let engine = filled(&backend, None);
        let entries = backend.directory.list(folder).unwrap();
        // Of the log the newest: an older one may be kept only to make the next of.
        let path = format!("{folder}/{}", entries.last().unwrap().name);
        let offset = if folder == "wal" { 4096 + 60 } else { 200 };
        flip(&backend, &path, offset);
        let report = engine.verify(VerifyLevel::Full).unwrap();
        let named =
            report.problems.iter().any(|problem| matches!(problem, Error::Corrupt { file, .. } if *file == path));
        assert!(named, "{path}: {report:?}");
    }
}
