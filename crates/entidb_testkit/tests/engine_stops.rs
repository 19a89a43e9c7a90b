//! What a commit is told that is on its way when something else stops all writing.
//!
//! Always: what may come back after a crash is `CommitUnknown`; what is told to be refused never comes back.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entidb_engine::planted::{Mistake, plant};
use entidb_engine::{Durability, Engine, Error, Options, Result, Sequence};
use entidb_storage::simulated::{Personality, Simulation};
use entidb_storage::{Backend, ErrorKind, NoThreads, Operation, SystemThreads, Threads as _};
use entidb_testkit::gate::Gate;

/// How long a thread is waited for that may be waiting for ever.
const PATIENCE: Duration = Duration::from_secs(20);

const FAILS: Option<ErrorKind> = Some(ErrorKind::Device { os_code: Some(5) });

fn options() -> Options {
    Options { memtable_bytes: 64 * 1024, wal_bytes: 256 * 1024, background: false, ..Options::default() }
}

fn put(engine: &Engine, key: &[u8], bytes: usize) -> Result<Sequence> {
    let mut transaction = engine.begin_write()?;
    transaction.put(key, &vec![7; bytes])?;
    transaction.commit()
}

/// A database with a full memtable that waits to be written, because no segment could be opened.
fn with_a_frozen_memtable(gate: &Gate, backend: &Backend) -> Engine {
    let engine = Engine::open(gate.guarded(backend), options()).unwrap();
    gate.keep(|_, path| path.starts_with("seg/").then_some(ErrorKind::PermissionDenied));
    let mut number = 0_u32;
    while engine.stats().memtables_frozen == 0 {
        number += 1;
        put(&engine, &number.to_be_bytes(), 8 * 1024).unwrap();
    }
    gate.open();
    engine
}

/// A commit is being written to the log when the flush of a segment fails elsewhere: what the commit is told, and
/// whether it is there after the next open.
fn stopped_while_it_was_written(mistake: Option<Mistake>) -> (Error, bool) {
    let world = Simulation::new(Personality::PosixStrict, 1);
    let gate = Gate::default();
    let engine = with_a_frozen_memtable(&gate, &world.backend());
    let (other, begun) = (engine.clone(), AtomicBool::new(false));
    gate.keep(move |operation, path| {
        if operation == Operation::Write && path.starts_with("wal/") && !begun.swap(true, Ordering::SeqCst) {
            // What another thread could do at this moment.
            assert!(other.maintain(4).is_err());
        }
        let flush = matches!(operation, Operation::FlushData | Operation::FlushAll);
        FAILS.filter(|_| flush && path.starts_with("seg/"))
    });
    plant(mistake);
    let told = put(&engine, b"unsure", 10).unwrap_err();
    plant(None);
    gate.open();
    assert!(matches!(engine.begin_write(), Err(Error::WritesStopped { .. })));
    drop(engine);
    let engine = Engine::open(world.backend(), options()).unwrap();
    let found = engine.snapshot().unwrap().exists(b"unsure").unwrap();
    (told, found)
}

#[test]
fn a_commit_that_is_being_written_when_writing_stops_is_unknown() {
    let (told, found) = stopped_while_it_was_written(None);
    assert!(matches!(told, Error::CommitUnknown { .. }), "{told:?}");
    assert!(found, "the test shows nothing: the commit did not reach the log");
}

#[test]
fn a_planted_mistake_about_the_group_that_is_being_written_is_caught() {
    let (told, found) = stopped_while_it_was_written(Some(Mistake::WrittenGroupForgotten));
    assert!(found && matches!(told, Error::WritesStopped { .. }), "{told:?}");
}

/// A flush fails while another thread writes the group behind it.
#[test]
fn a_commit_that_is_being_written_when_the_flush_before_it_fails_is_unknown() {
    let backend = Backend::memory();
    let gate = Gate::default();
    let engine = Engine::open(gate.guarded(&backend), options()).unwrap();
    let (at_the_write, reached) = mpsc::channel();
    let (flush_failed, go_on) = mpsc::channel();
    let (told, second_told) = mpsc::channel();
    // Each with a lock of its own: the two threads wait at the same time.
    let (reached, go_on) = (Mutex::new(reached), Mutex::new(go_on));
    let (other, flushes) = (engine.clone(), AtomicBool::new(false));
    gate.keep(move |operation, path| match operation {
        Operation::FlushData if path.starts_with("wal/") => {
            flushes.store(true, Ordering::SeqCst);
            let (other, told) = (other.clone(), told.clone());
            let second = move || {
                let mut transaction = other.begin_write().unwrap();
                transaction.put(b"second", &[7; 10]).unwrap();
                let _ = told.send(transaction.commit_with(Durability::Grouped { interval_ms: 60_000 }));
            };
            SystemThreads.spawn("second", Box::new(second)).unwrap();
            reached.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            FAILS
        }
        Operation::Write if path.starts_with("wal/") && flushes.load(Ordering::SeqCst) => {
            at_the_write.send(()).unwrap();
            go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            None
        }
        _ => None,
    });
    let first = put(&engine, b"first", 10).unwrap_err();
    assert!(matches!(first, Error::CommitUnknown { .. }), "{first:?}");
    flush_failed.send(()).unwrap();
    let second = second_told.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(second, Error::CommitUnknown { .. }), "{second:?}");
    gate.open();
    assert!(engine.close().is_err());
    let engine = Engine::open(backend, options()).unwrap();
    assert!(engine.snapshot().unwrap().exists(b"second").unwrap(), "the test shows nothing");
}

/// A thread that panics in the middle of a flush must not leave the others waiting for it for ever.
#[test]
fn a_panic_of_the_storage_stops_writing_and_leaves_nobody_waiting() {
    for strikes in [Operation::Write, Operation::FlushData] {
        let gate = Gate::default();
        let backend = Backend { threads: Arc::new(NoThreads), ..Backend::memory() };
        let engine = Engine::open(gate.guarded(&backend), options()).unwrap();
        let before = engine.last_sequence();
        gate.keep(move |operation, path| {
            assert!(operation != strikes || !path.starts_with("wal/"), "as a host's function might");
            None
        });
        assert!(catch_unwind(AssertUnwindSafe(|| put(&engine, b"key", 10))).is_err());
        gate.open();
        let (sender, receiver) = mpsc::channel();
        let other = engine.clone();
        let body = move || {
            let _ = sender.send((put(&other, b"later", 10).map(|_| ()), other.flush()));
        };
        let _running = SystemThreads.spawn("later", Box::new(body)).unwrap();
        let told = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it waits for ever"));
        assert!(matches!(told, (Err(Error::WritesStopped { .. }), Err(Error::WritesStopped { .. }))), "{told:?}");
        assert_eq!(engine.last_sequence(), before, "what nobody was told is durable is not shown");
    }
}
