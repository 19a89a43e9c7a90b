//! Copies of a database that is in use, and changes of its keys.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::{Engine, Error, KdfParameters, KeyRange, KeySource, Options};
use entidb_storage::{Backend, ErrorKind};

fn options(key: Option<KeySource>) -> Options {
    let kdf = KdfParameters { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 };
    Options { key, kdf, ..Options::default() }
}

fn put(engine: &Engine, number: u8) {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&[1, number], &[number; 300]).unwrap();
    transaction.commit().unwrap();
}

fn count(engine: &Engine) -> u64 {
    engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap()
}

#[test]
fn a_backup_is_a_database_with_the_commits_of_its_moment() {
    for key in [None, Some([4; 32])] {
        let options = || options(key.map(KeySource::raw));
        let (backend, target) = (Backend::memory(), Backend::memory());
        let engine = Engine::open(backend, options()).unwrap();
        (0..100).for_each(|number| put(&engine, number));
        let report = engine.backup(&target).unwrap();
        (100..120).for_each(|number| put(&engine, number));
        assert_eq!((report.sequence.0, count(&engine)), (100, 120));
        let copy = Engine::open(target.clone(), options()).unwrap();
        assert!(copy.open_report().clean);
        assert_eq!((copy.last_sequence().0, count(&copy)), (100, 100));
        put(&copy, 200);
        copy.close().unwrap();
        let error = engine.backup(&target).unwrap_err();
        assert!(matches!(&error, Error::Storage(inner) if inner.kind == ErrorKind::FolderNotEmpty), "{error:?}");
    }
}

#[test]
fn a_changed_key_opens_the_database_and_the_old_one_does_not() {
    let backend = Backend::memory();
    let engine = Engine::open(backend.clone(), options(Some(KeySource::raw([1; 32])))).unwrap();
    put(&engine, 1);
    engine.change_key(&KeySource::raw([1; 32]), &KeySource::password("new")).unwrap();
    assert!(matches!(engine.change_key(&KeySource::raw([1; 32]), &KeySource::raw([2; 32])), Err(Error::WrongKey)));
    engine.rotate_key().unwrap();
    put(&engine, 2);
    engine.close().unwrap();
    assert!(matches!(Engine::open(backend.clone(), options(Some(KeySource::raw([1; 32])))), Err(Error::WrongKey)));
    let engine = Engine::open(backend.clone(), options(Some(KeySource::password("new")))).unwrap();
    assert_eq!(count(&engine), 2);
    assert!(engine.rekey().unwrap());
    put(&engine, 3);
    let snapshot = engine.snapshot().unwrap();
    engine.checkpoint().unwrap();
    let mut walk = snapshot.range(KeyRange::all(), entidb_engine::Direction::Forward).unwrap();
    assert!(walk.advance().unwrap());
    assert!(!engine.rekey().unwrap(), "an iterator still reads files under the old key");
    drop(walk);
    assert!(engine.rekey().unwrap(), "a snapshot reads files under whichever key");
    assert!(snapshot.exists(&[1, 3]).unwrap());
    engine.close().unwrap();
    let engine = Engine::open(backend, options(Some(KeySource::password("new")))).unwrap();
    assert!(engine.verify(entidb_engine::VerifyLevel::Full).unwrap().is_clean());
    assert_eq!(count(&engine), 3);
    let plain = Engine::open(Backend::memory(), Options::default()).unwrap();
    assert!(matches!(plain.rotate_key(), Err(Error::NotEncrypted)));
}

/// The log file that a new database begins with holds no commit. It was left out when the keys in use were counted, and
/// named all the same when the database was closed, under a key that was gone: nobody could open the database again.
#[test]
fn a_database_opens_again_after_a_new_key_for_everything_in_an_empty_log() {
    for commits in [0, 1] {
        let (backend, key) = (Backend::memory(), || options(Some(KeySource::raw([1; 32]))));
        let engine = Engine::open(backend.clone(), key()).unwrap();
        (0..commits).for_each(|number| put(&engine, number));
        engine.checkpoint().unwrap();
        for _ in 0..2 {
            assert!(engine.rekey().unwrap());
        }
        engine.close().unwrap();
        let engine = Engine::open(backend, key()).unwrap();
        assert_eq!(count(&engine), u64::from(commits));
    }
}
