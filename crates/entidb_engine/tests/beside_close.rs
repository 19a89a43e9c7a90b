//! What is under way in other threads when the database is closed, or while its keys change.
//!
//! Always: after `close` nothing of the database is written any more and the next handle finds it whole; a commit that is made
//! is not reported as refused. What is to come first is held at a gate or a door, so nothing depends on how fast the machine is.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking and waits for threads"
)]

mod door;
mod gated;
mod held;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use door::Door;
use entidb_engine::{Durability, Engine, Error, KdfParameters, KeySource, Options, VerifyLevel};
use entidb_storage::{Backend, Clock, ErrorKind, ManualClock, Operation, Result, Running, SystemClock, Threads};
use gated::gated;
use held::held_at_a_gate;

fn encrypted() -> Options {
    let kdf = KdfParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    Options { key: Some(KeySource::raw([1; 32])), kdf, allow_weak_kdf: true, background: false, ..Options::default() }
}

fn put(engine: &Engine, key: &[u8], bytes: usize, durability: Durability) {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, &vec![7; bytes]).unwrap();
    transaction.commit_with(durability).unwrap();
}

fn on(thread: &str) -> bool {
    std::thread::current().name() == Some(thread)
}

/// Named, so that gates can tell it.
fn start<'a, T: Send + 'a>(
    scope: &'a std::thread::Scope<'a, '_>,
    name: &str,
    act: impl FnOnce() -> T + Send + 'a,
) -> std::thread::ScopedJoinHandle<'a, T> {
    std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, act).unwrap()
}

/// The lock of the folder was given back while the keyring was being written: the next opener of the database had it
/// overwritten beneath him.
#[test]
fn close_waits_for_a_change_of_the_keys_and_for_a_log_file_that_is_being_made() {
    type Change = fn(&Engine) -> entidb_engine::Result<()>;
    let changes: [(&str, Change); 3] = [
        ("KEYRING", |engine| engine.rotate_key()),
        ("KEYRING", |engine| engine.change_key(&KeySource::raw([1; 32]), &KeySource::raw([1; 32]))),
        ("wal/", |engine| engine.checkpoint().map(drop)),
    ];
    for (file, change) in changes {
        let memory = Backend::memory();
        let (backend, gate) = held_at_a_gate(&memory);
        let engine = Engine::open(backend, encrypted()).unwrap();
        put(&engine, b"key", 1000, Durability::Durable);
        gate.hold(|file, thread| (file == "KEYRING" || file.starts_with("wal/")) && thread == "changer");
        std::thread::scope(|scope| {
            let changing = start(scope, "changer", || change(&engine));
            gate.wait_for_one();
            let closing = scope.spawn(|| engine.close());
            std::thread::sleep(Duration::from_millis(100));
            let early = closing.is_finished();
            gate.open();
            closing.join().unwrap().unwrap();
            let changed = changing.join().unwrap();
            assert!(!early, "closed while {file} was being written");
            assert!(matches!(changed, Ok(()) | Err(Error::Closed)), "{changed:?}");
        });
        let engine = Engine::open(memory, encrypted()).unwrap();
        assert!(engine.snapshot().unwrap().exists(b"key").unwrap());
        assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty());
        engine.close().unwrap();
    }
}

/// No threads: commits flush the log themselves when an interval is over.
struct NoThreads;

impl Threads for NoThreads {
    fn parallelism(&self) -> usize {
        0
    }

    fn spawn(&self, _name: &str, _body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Running>> {
        Err(entidb_storage::Error::new(Operation::SpawnThread, "", ErrorKind::Unsupported))
    }

    fn sleep(&self, _time: Duration) {}
}

/// A clock at which the thread "writer" can be held once its commit is written.
struct GatedClock {
    door: Arc<Door>,
    written: Arc<AtomicBool>,
}

impl Clock for GatedClock {
    fn wall_micros(&self) -> i64 {
        SystemClock.wall_micros()
    }

    fn monotonic_nanos(&self) -> u64 {
        if on("writer") && self.written.load(Ordering::Relaxed) {
            self.door.pass();
        }
        SystemClock.monotonic_nanos()
    }
}

/// It was refused with `Closed`, which says that nothing was changed, and was there after the next open.
#[test]
fn a_commit_that_is_written_when_the_database_is_closed_is_not_refused() {
    let (door, written) = (Arc::new(Door::default()), Arc::new(AtomicBool::new(false)));
    let memory = Backend::memory();
    let writes = Arc::clone(&written);
    let backend = gated(&memory, move |operation, name| {
        if operation == Operation::Write && name.starts_with("wal/") && on("writer") {
            writes.store(true, Ordering::Relaxed);
        }
        None
    });
    let clock = GatedClock { door: Arc::clone(&door), written };
    let backend = Backend { clock: Arc::new(clock), threads: Arc::new(NoThreads), ..backend };
    let engine = Engine::open(backend, Options::default()).unwrap();
    door.shut();
    let committed = std::thread::scope(|scope| {
        let writer = start(scope, "writer", || {
            let mut transaction = engine.begin_write()?;
            transaction.put(b"key", b"value")?;
            transaction.commit_with(Durability::Grouped { interval_ms: 0 })
        });
        door.wait_for_one();
        engine.close().unwrap();
        door.open();
        writer.join().unwrap()
    });
    drop(engine);
    let engine = Engine::open(memory, Options::default()).unwrap();
    assert!(engine.snapshot().unwrap().exists(b"key").unwrap());
    assert!(committed.is_ok(), "it is there, and was reported as {committed:?}");
}

/// It said that all is well, and the next commit was told that writing had stopped.
#[test]
fn a_new_data_key_whose_log_cannot_go_on_says_so() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let first = Arc::new(std::sync::OnceLock::<String>::new());
    let current = Arc::clone(&first);
    let backend = gated(&Backend::memory(), move |operation, name| {
        let hit = operation == Operation::Write && current.get().is_some_and(|current| current == name);
        (hit && fails.load(Ordering::Relaxed)).then_some(ErrorKind::PermissionDenied)
    });
    // Nothing is flushed for an interval that is over.
    let backend = Backend { clock: Arc::new(ManualClock::new(0)), ..backend };
    let engine = Engine::open(backend.clone(), encrypted()).unwrap();
    let names = backend.directory.list("wal").unwrap();
    first.set(format!("wal/{}", names.first().unwrap().name)).unwrap();
    put(&engine, b"a", 150_000, Durability::Durable);
    put(&engine, b"b", 60_000, Durability::None);
    put(&engine, b"c", 60_000, Durability::None);
    failing.store(true, Ordering::Relaxed);
    let rotated = engine.rotate_key();
    failing.store(false, Ordering::Relaxed);
    let next = engine.flush();
    assert!(matches!(next, Err(Error::WritesStopped { .. })), "the test shows nothing: {next:?}");
    assert!(rotated.is_err(), "writing has stopped, and nobody was told");
}

/// A database without segments, whose rekeying needs to erase all keys but one.
fn without_segments(backend: Backend) -> Engine {
    let engine = Engine::open(backend, encrypted()).unwrap();
    put(&engine, b"key", 1000, Durability::Durable);
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete(b"key").unwrap();
    transaction.commit().unwrap();
    engine.compact().unwrap();
    assert_eq!(engine.stats().segments, 0);
    engine
}

fn opens_again(engine: &Engine, memory: Backend) {
    put(engine, b"after", 1000, Durability::Durable);
    engine.close().unwrap();
    let engine = Engine::open(memory, encrypted()).unwrap();
    assert!(engine.snapshot().unwrap().exists(b"after").unwrap());
    assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty());
    engine.close().unwrap();
}

/// The manifest and ROOT were under the key in between, which was then erased as one that no file is under: nobody could open
/// the database any more.
#[test]
fn a_key_that_changes_while_older_keys_are_erased_leaves_the_database_readable() {
    // The second slot of ROOT, or the headers that say which keys are in use.
    for (operation, file) in [(Operation::Write, "ROOT"), (Operation::Read, "wal/")] {
        let door = Arc::new(Door::default());
        let memory = Backend::memory();
        let rekeying = Arc::clone(&door);
        let engine = without_segments(gated(&memory, move |done, name| {
            if on("rekeyer") && done == operation && name.starts_with(file) {
                rekeying.pass();
            }
            None
        }));
        door.shut();
        std::thread::scope(|scope| {
            let rekeyer = start(scope, "rekeyer", || engine.rekey());
            door.wait_for_one();
            let rotator = start(scope, "rotator", || engine.rotate_key());
            // It is done, or waits for the other one.
            for _ in 0..200 {
                std::thread::sleep(Duration::from_millis(1));
                if rotator.is_finished() {
                    break;
                }
            }
            door.open();
            rekeyer.join().unwrap().unwrap();
            rotator.join().unwrap().unwrap();
        });
        opens_again(&engine, memory);
    }
}

/// A file of the log that held nothing, and was listed by the manifest all the same, was under a key that was erased.
#[test]
fn a_log_file_that_ends_while_older_keys_are_erased_stays_readable_as_long_as_it_is_listed() {
    let (listing, writing, erasing) = (Arc::new(Door::default()), Arc::new(Door::default()), Arc::new(Door::default()));
    let memory = Backend::memory();
    let (at_listing, at_writing, at_erasing) = (Arc::clone(&listing), Arc::clone(&writing), Arc::clone(&erasing));
    let engine = without_segments(gated(&memory, move |operation, name| {
        match (operation, name.split('/').next()) {
            (Operation::Write, Some("manifest")) if on("rekeyer") => at_listing.pass(),
            (Operation::Write, Some("wal")) if on("rotator") => at_writing.pass(),
            (Operation::Write, Some("ROOT")) if on("rekeyer") => at_erasing.pass(),
            _ => {}
        }
        None
    }));
    listing.shut();
    writing.shut();
    std::thread::scope(|scope| {
        let rekeyer = start(scope, "rekeyer", || engine.rekey());
        // Its own new key is in use; what it erases is not decided yet.
        listing.wait_for_one();
        let rotator = start(scope, "rotator", || engine.rotate_key());
        writing.wait_for_one();
        erasing.shut();
        listing.open();
        erasing.wait_for_one();
        writing.open();
        rotator.join().unwrap().unwrap();
        erasing.open();
        rekeyer.join().unwrap().unwrap();
    });
    opens_again(&engine, memory);
}
