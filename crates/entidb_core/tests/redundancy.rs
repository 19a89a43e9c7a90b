//! A check tells when only one of two copies is left, and a restore makes both whole.
//!
//! Always: one byte is damaged at a time. Does not know: what a copy holds.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests panic")]
#![expect(clippy::disallowed_methods, reason = "the folder is the test's, and so is the damage")]

use entidb_core::{Database, ErrorCode, Key, Options, VerifyLevel, doc};
use entidb_storage::simulated::{Personality, Simulation};

const KEY: [u8; 32] = [7; 32];

fn options(read_only: bool, is_encrypted: bool) -> Options {
    Options { read_only, key: is_encrypted.then_some(Key::Raw(KEY)), ..Options::default() }
}

/// A closed database, which has been opened for writing twice.
fn closed(is_encrypted: bool) -> Simulation {
    let world = Simulation::new(Personality::PosixStrict, 1);
    for number in 0..2 {
        let db = Database::open_on(world.backend(), options(false, is_encrypted)).unwrap();
        db.collection("notes").unwrap().put(&doc! { "n": number }).unwrap();
        db.close().unwrap();
    }
    world
}

/// Damages each of these bytes of a file in turn; what a check says about it.
fn every_flip_is_told(file: &str, is_encrypted: bool, places: impl Iterator<Item = usize>) -> usize {
    let world = closed(is_encrypted);
    let good = world.file_bytes(file).unwrap();
    let check = |what: &str| {
        let db = Database::open_on(world.backend(), options(true, is_encrypted));
        match db.and_then(|db| db.verify(VerifyLevel::Full)) {
            Ok(report) => report.problems,
            // Where the only slot that names the files of today is damaged.
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Corrupt, "{what}: {error}");
                assert_eq!(error.context().path.as_deref(), Some(file), "{what}: {error}");
                Vec::new()
            }
        }
    };
    assert!(
        Database::open_on(world.backend(), options(true, is_encrypted))
            .is_ok_and(|db| { db.verify(VerifyLevel::Full).is_ok_and(|report| report.is_ok()) })
    );
    let mut told = 0;
    for at in places.take_while(|at| *at < good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        world.put_file(file, &bytes);
        let opens = Database::open_on(world.backend(), options(true, is_encrypted)).is_ok();
        let problems = check(&format!("byte {at} of {file}"));
        assert_eq!(problems.len(), usize::from(opens), "byte {at} of {file}: {problems:?}");
        for problem in &problems {
            let half = good.len() / 2;
            let offset = usize::try_from(problem.offset.unwrap()).unwrap();
            assert_eq!(problem.file.as_deref(), Some(file), "{problem:?}");
            assert_eq!(offset / half, at / half, "byte {at} of {file}: {problem:?}");
            told += 1;
        }
    }
    world.put_file(file, &good);
    // An open for writing puts it right.
    let mut bytes = good;
    bytes[9] ^= 1;
    world.put_file(file, &bytes);
    let db = Database::open_on(world.backend(), options(false, is_encrypted)).unwrap();
    assert!(db.verify(VerifyLevel::Full).unwrap().is_ok());
    told
}

#[test]
fn each_damaged_byte_of_one_copy_of_the_keyring_is_told() {
    let told = every_flip_is_told("KEYRING", true, (0..16_384).step_by(487).chain([16_383]));
    assert!(told > 30, "{told}");
}

#[test]
fn each_damaged_byte_of_one_slot_of_the_root_is_told() {
    for is_encrypted in [false, true] {
        let all = (0..8192).filter(|at| at % 4096 < 240 && at % 5 == 0 || at % 401 == 0);
        let told = every_flip_is_told("ROOT", is_encrypted, all);
        assert!(told > 30, "{told}");
    }
}

#[test]
fn a_backup_with_one_damaged_copy_is_told_and_restored_with_both_whole() {
    let base = std::env::temp_dir().join(format!("entidb-redundancy-{}", std::process::id()));
    let (backup, target) = (base.join("backup"), base.join("target"));
    std::fs::create_dir_all(&base).unwrap();
    let db = Database::open_memory_with(options(false, true)).unwrap();
    db.collection("notes").unwrap().put(&doc! { "n": 1 }).unwrap();
    db.backup(&backup).unwrap();
    let key = || Some(Key::Raw(KEY));
    assert!(Database::validate_backup(&backup, key()).unwrap().is_ok());
    for (file, at) in [("KEYRING", 100), ("KEYRING", 10_000), ("ROOT", 8000), ("ROOT", 100)] {
        let good = std::fs::read(backup.join(file)).unwrap();
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(backup.join(file), &bytes).unwrap();
        let report = Database::validate_backup(&backup, key()).unwrap();
        assert_eq!(report.problems.len(), 1, "byte {at} of {file}: {report:?}");
        assert_eq!(report.problems[0].file.as_deref(), Some(file));
        assert_eq!(report.spares_damaged, 1, "byte {at} of {file}: {report:?}");
        assert_eq!(Database::restore(&backup, &target, key()).unwrap().spares_repaired, 1, "byte {at} of {file}");
        let restored = Database::open_with(&target, options(true, true)).unwrap();
        assert!(restored.verify(VerifyLevel::Full).unwrap().is_ok());
        assert_eq!(restored.collection("notes").unwrap().count().unwrap(), 1);
        drop(restored);
        std::fs::remove_dir_all(&target).unwrap();
        let in_memory = Database::restore_memory(&backup, options(false, true)).unwrap();
        assert_eq!(in_memory.collection("notes").unwrap().count().unwrap(), 1);
        // Damage that lost something is none that is repaired.
        let segment = std::fs::read_dir(backup.join("seg")).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&segment).unwrap();
        let mut damaged = whole.clone();
        damaged[200] ^= 1;
        std::fs::write(&segment, &damaged).unwrap();
        assert_eq!(Database::restore(&backup, &target, key()).unwrap_err().code(), ErrorCode::Corrupt);
        std::fs::write(&segment, &whole).unwrap();
        std::fs::write(backup.join(file), &good).unwrap();
    }
    assert_eq!(Database::restore(&backup, &target, key()).unwrap().spares_repaired, 0);
    std::fs::remove_dir_all(&base).unwrap();
}
