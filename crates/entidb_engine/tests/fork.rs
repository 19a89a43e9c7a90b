//! What a child made by `fork` may do with the database it finds in its memory: nothing, and it is told so.
//!
//! Always: no call and no drop of a child waits for a thread it does not have or a lock nobody lets go, and none changes a
//! file of its parent. The child leaves through `_exit`; one that hangs is killed.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the test looks at the files behind the engine's back")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test asserts by panicking")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, Options, Result, VerifyLevel};
use entidb_storage::{Backend, Clock, RootMode};

struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("entidb-fork-{}-{number}", std::process::id())))
    }

    /// The names and bytes of all files.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    files.insert(path, bytes);
                }
            }
        }
        files
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a part in a child. True when it ended well, and in time.
fn in_child(part: impl FnOnce()) -> bool {
    // SAFETY: the child runs only the part and `_exit`, and the C library leaves its allocator usable in a child. The part
    // takes no lock of the harness.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: it only asks for a signal, which ends a child that hangs.
        unsafe { libc::alarm(20) };
        let code = i32::from(catch_unwind(AssertUnwindSafe(part)).is_err());
        // SAFETY: it ends the process and touches no memory.
        unsafe { libc::_exit(code) }
    }
    assert!(child > 0);
    let mut status = 0;
    // SAFETY: the status is a place that may be written.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && status == 0
}

fn open(path: &Path, options: Options) -> Engine {
    Engine::open(Backend::file(path, RootMode::CreateIfMissing).unwrap(), options).unwrap()
}

fn put(engine: &Engine, key: &[u8], bytes: usize, durability: Durability) {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, &vec![7; bytes]).unwrap();
    transaction.commit_with(durability).unwrap();
}

fn is_forked<T>(result: Result<T>) {
    match result {
        Err(Error::Forked) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a child used its parent's database"),
    }
}

#[test]
fn every_call_of_a_child_says_that_it_was_forked_and_dropping_does_nothing() {
    let place = Place::new();
    let engine = open(&place.0, Options::default());
    for number in 0..100_u32 {
        put(&engine, &number.to_be_bytes(), 100, Durability::Durable);
    }
    let snapshot = engine.snapshot().unwrap();
    let mut iter = snapshot.range(KeyRange::all(), Direction::Forward).unwrap();
    assert!(iter.advance().unwrap());
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"open", b"value").unwrap();
    let before = place.files();
    let (mut held, mut standing) = (Some((engine, snapshot, transaction)), Some(iter));
    let well = in_child(|| {
        let (engine, snapshot, mut transaction) = held.take().unwrap();
        let mut iter = standing.take().unwrap();
        is_forked(engine.snapshot().map(|_| ()));
        is_forked(engine.begin_write().map(|_| ()));
        is_forked(engine.flush());
        is_forked(engine.checkpoint());
        is_forked(engine.compact());
        is_forked(engine.maintain(1));
        is_forked(engine.verify(VerifyLevel::Quick));
        is_forked(engine.backup(&Backend::memory()));
        is_forked(engine.wait_for_commit(engine.last_sequence(), Duration::ZERO));
        is_forked(snapshot.get(b"key"));
        is_forked(snapshot.range(KeyRange::all(), Direction::Forward).map(|_| ()));
        is_forked(iter.advance());
        is_forked(transaction.get(b"open"));
        is_forked(transaction.put(b"more", b"value"));
        is_forked(transaction.commit());
        is_forked(engine.close());
        assert_eq!(engine.stats().commits, 0);
        drop((iter, snapshot, engine));
    });
    assert!(well, "the child failed or hung");
    assert!(place.files() == before, "the child changed a file");
    let (engine, snapshot, transaction) = held.take().unwrap();
    assert!(standing.take().unwrap().advance().unwrap() && snapshot.get(b"open").unwrap().is_none());
    transaction.commit().unwrap();
    engine.close().unwrap();
    let engine = open(&place.0, Options::default());
    assert!(engine.snapshot().unwrap().exists(b"open").unwrap());
    assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty());
}

/// A clock for which each look at it takes a second: a piece of work ends as soon as it may.
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn wall_micros(&self) -> i64 {
        0
    }

    fn monotonic_nanos(&self) -> u64 {
        self.0.fetch_add(1_000_000_000, Ordering::Relaxed)
    }
}

#[test]
fn a_child_that_drops_work_that_is_under_way_leaves_its_files() {
    let place = Place::new();
    let backend = Backend::file(&place.0, RootMode::CreateIfMissing).unwrap();
    let backend = Backend { clock: Arc::new(Hasty(AtomicU64::new(0))), ..backend };
    let options = Options { background: false, memtable_bytes: 1 << 20, ..Options::default() };
    let engine = Engine::open(backend, options).unwrap();
    let segments = || std::fs::read_dir(place.0.join("seg")).unwrap().count();
    let mut number = 0_u32;
    // Some file is begun and not listed: half a memtable, or half a merge.
    while segments() as u64 <= engine.stats().segments {
        put(&engine, &number.to_be_bytes(), 2048, Durability::None);
        engine.maintain(1).unwrap();
        number += 1;
        assert!(number < 20_000, "no work was ever under way");
    }
    engine.flush().unwrap();
    let before = place.files();
    let mut held = Some(engine);
    assert!(in_child(|| drop(held.take())), "the child failed or hung");
    assert!(place.files() == before, "the child removed or changed a file of its parent");
    let engine = held.take().unwrap();
    while engine.maintain(100).unwrap() {}
    assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty());
    engine.close().unwrap();
}

#[test]
fn a_child_of_a_busy_parent_neither_hangs_nor_is_heard() {
    let place = Place::new();
    let engine = open(&place.0, Options { memtable_bytes: 256 * 1024, ..Options::default() });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2_u8 {
            let (engine, done) = (&engine, &done);
            scope.spawn(move || {
                let mut number = 0_u32;
                while !done.load(Ordering::Relaxed) {
                    let key = [&[writer][..], &number.to_be_bytes()].concat();
                    put(engine, &key, 1000, Durability::None);
                    drop(engine.snapshot().unwrap().get(&key).unwrap());
                    number += 1;
                }
            });
        }
        let mut well = true;
        for _ in 0..20 {
            let mut held = Some((engine.clone(), engine.snapshot().unwrap()));
            well &= in_child(|| {
                let (engine, snapshot) = held.take().unwrap();
                is_forked(engine.begin_write().map(|_| ()));
                is_forked(snapshot.get(b"key"));
                is_forked(engine.close());
                drop((engine, snapshot));
            });
        }
        done.store(true, Ordering::Relaxed);
        assert!(well, "a child failed or hung");
    });
    engine.close().unwrap();
    let engine = open(&place.0, Options::default());
    assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty());
}
