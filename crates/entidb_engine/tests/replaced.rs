//! A database whose folder is moved, removed, replaced or restored while it is open.
//!
//! Always: it stops writing and says what was found; what was committed is in the files that were opened; what is at the
//! path now is not touched. Does not know: second writers, whom the lock keeps out (`entidb_testkit`, `engine_replaced`).
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the test plays the administrator, behind the engine's back")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use entidb_engine::{Engine, Error, Options, Result, VerifyLevel};
use entidb_storage::{Backend, ErrorKind, RootMode};

/// Two paths that are free, and removed afterwards.
struct Places {
    path: PathBuf,
    away: PathBuf,
}

impl Places {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            |name: &str| std::env::temp_dir().join(format!("entidb-replaced-{name}-{}-{number}", std::process::id()));
        Self { path: path("path"), away: path("away") }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for path in [&self.path, &self.away] {
            let _best_effort = std::fs::remove_dir_all(path);
        }
    }
}

fn open(path: &Path, background: bool) -> Result<Engine> {
    let options = Options { background, ..Options::default() };
    Engine::open(Backend::file(path, RootMode::CreateIfMissing)?, options)
}

fn put(engine: &Engine, key: &[u8]) -> Result<()> {
    let mut transaction = engine.begin_write()?;
    transaction.put(key, b"value")?;
    transaction.commit().map(|_| ())
}

fn has(engine: &Engine, key: &[u8]) -> bool {
    engine.snapshot().unwrap().exists(key).unwrap()
}

/// What was found, when that is why nothing is written any more.
fn found<T: std::fmt::Debug>(result: Result<T>, path: &Path) -> String {
    match result {
        Err(Error::Replaced { path: named, found }) => {
            assert_eq!(Path::new(&named), path);
            found
        }
        other => panic!("{other:?}"),
    }
}

/// Every way to write says the same from here on, and reading goes on.
fn writes_no_more(engine: &Engine, path: &Path) {
    found(engine.begin_write().map(|_| ()), path);
    found(engine.checkpoint(), path);
    found(engine.compact(), path);
    assert!(has(engine, b"before"), "reading goes on");
    found(engine.close(), path);
    assert!(engine.is_closed());
}

#[test]
fn a_database_whose_folder_was_moved_stops_and_keeps_what_was_committed() {
    let places = Places::new();
    let engine = open(&places.path, false).unwrap();
    put(&engine, b"before").unwrap();
    std::fs::rename(&places.path, &places.away).unwrap();
    put(&engine, b"into the file that is open").unwrap();
    let why = found(engine.checkpoint(), &places.path);
    assert!(why.contains("moved or removed"), "{why}");
    writes_no_more(&engine, &places.path);
    let engine = open(&places.away, false).unwrap();
    assert!(has(&engine, b"before") && has(&engine, b"into the file that is open"));
    assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty());
}

#[test]
fn a_folder_that_was_moved_there_and_back_is_the_same() {
    let places = Places::new();
    let engine = open(&places.path, false).unwrap();
    std::fs::rename(&places.path, &places.away).unwrap();
    put(&engine, b"key").unwrap();
    std::fs::rename(&places.away, &places.path).unwrap();
    engine.checkpoint().unwrap();
    engine.compact().unwrap();
    engine.close().unwrap();
    assert!(has(&open(&places.path, false).unwrap(), b"key"));
}

#[test]
fn a_database_in_whose_place_another_one_was_put_leaves_that_one_alone() {
    let places = Places::new();
    let engine = open(&places.path, false).unwrap();
    put(&engine, b"before").unwrap();
    std::fs::rename(&places.path, &places.away).unwrap();
    let other = open(&places.path, false).unwrap();
    put(&other, b"other").unwrap();
    let why = found(engine.checkpoint(), &places.path);
    assert!(why.contains("another folder"), "{why}");
    writes_no_more(&engine, &places.path);
    other.checkpoint().unwrap();
    other.close().unwrap();
    let other = open(&places.path, false).unwrap();
    assert!(has(&other, b"other") && !has(&other, b"before"));
}

#[test]
fn a_database_whose_folder_was_removed_stops() {
    let places = Places::new();
    let engine = open(&places.path, false).unwrap();
    put(&engine, b"before").unwrap();
    std::fs::remove_dir_all(&places.path).unwrap();
    let why = found(engine.checkpoint(), &places.path);
    assert!(why.contains("moved or removed"), "{why}");
    writes_no_more(&engine, &places.path);
}

#[test]
fn a_database_whose_files_were_restored_in_place_stops_and_leaves_them_as_they_are() {
    for removed in [false, true] {
        let places = Places::new();
        let engine = open(&places.path, false).unwrap();
        put(&engine, b"before").unwrap();
        engine.close().unwrap();
        std::fs::create_dir(&places.away).unwrap();
        let (root, copy) = (places.path.join("ROOT"), places.away.join("ROOT"));
        std::fs::copy(&root, &copy).unwrap();
        let engine = open(&places.path, false).unwrap();
        put(&engine, b"later").unwrap();
        if removed {
            std::fs::remove_file(&root).unwrap();
        } else {
            std::fs::copy(&copy, &root).unwrap();
        }
        let why = found(engine.checkpoint(), &places.path);
        assert!(why.contains(if removed { "removed" } else { "somebody else" }), "{why}");
        writes_no_more(&engine, &places.path);
        assert!(removed != root.exists());
        assert!(removed || std::fs::read(&root).unwrap() == std::fs::read(&copy).unwrap(), "ROOT was written again");
    }
}

#[test]
fn a_second_handle_is_refused_by_every_path_though_the_lock_file_is_gone() {
    let places = Places::new();
    let engine = open(&places.path, false).unwrap();
    put(&engine, b"key").unwrap();
    std::os::unix::fs::symlink(&places.path, &places.away).unwrap();
    for path in [&places.path, &places.away] {
        let _gone_already = std::fs::remove_file(places.path.join("LOCK"));
        let refused = open(path, false).unwrap_err();
        assert!(
            matches!(&refused, Error::Storage(error) if matches!(error.kind, ErrorKind::Locked { .. })),
            "{refused}"
        );
    }
    put(&engine, b"key").unwrap();
    engine.close().unwrap();
    std::fs::remove_file(&places.away).unwrap();
}

#[test]
fn a_database_with_threads_notices_within_a_moment_that_its_folder_is_gone() {
    let places = Places::new();
    let engine = open(&places.path, true).unwrap();
    std::fs::remove_dir_all(&places.path).unwrap();
    // No new log file is due for a long time; each commit so far is in a file without a name.
    let clock = Backend::memory().clock;
    let begun = clock.monotonic_nanos();
    let refused = loop {
        if let Err(error) = put(&engine, b"key") {
            break error;
        }
        assert!(clock.monotonic_nanos() - begun < 60_000_000_000, "nobody looked for a minute");
        Backend::memory().threads.sleep(Duration::from_millis(20));
    };
    assert!(matches!(refused, Error::Replaced { .. } | Error::CommitUnknown { .. }), "{refused}");
    found(engine.begin_write().map(|_| ()), &places.path);
}
