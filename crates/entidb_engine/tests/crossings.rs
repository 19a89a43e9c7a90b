//! What goes on at the same time and must not spoil each other: a commit and a checkpoint, a check and a flush, two calls
//! of `close`, merges of two zones, a compaction and merges that fail, a wait and the end, the last handle and a transaction.
//!
//! Always: on real threads with files in memory; what is to come first is held at a gate, so nothing depends on how fast
//! the machine is.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking and waits for threads"
)]

mod door;
mod gated;
mod held;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use door::Door;
use entidb_engine::{
    Cancel, Durability, Engine, Error, KdfParameters, KeyRange, KeySource, Options, Sequence, VerifyLevel,
};
use entidb_storage::{
    Backend, Clock, Directory, ErrorKind, ManualClock, MemoryDirectory, OpenMode, Operation, Random, SeededRandom,
    SystemClock,
};
use gated::gated;
use held::held_at_a_gate;

const AN_HOUR: Duration = Duration::from_secs(3600);

/// Waits for what must come without anybody doing anything; a minute is for ever.
fn comes(what: &str, mut is_there: impl FnMut() -> bool) {
    let came = (0..60_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        is_there()
    });
    assert!(came, "{what} never came");
}

/// Bytes that do not compress.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes];
    SeededRandom::new(seed).fill(&mut value).unwrap();
    value
}

fn put(engine: &Engine, key: &[u8], bytes: usize, durability: Durability) {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, &noise(u64::from(key.last().copied().unwrap_or(0)), bytes)).unwrap();
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

/// A clock at which the thread "writer" can be held: it asks for the time between making sure that its commit fits the log
/// and handing it to the log.
struct GatedClock(Arc<Door>);

impl Clock for GatedClock {
    fn wall_micros(&self) -> i64 {
        SystemClock.wall_micros()
    }

    fn monotonic_nanos(&self) -> u64 {
        if on("writer") {
            self.0.pass();
        }
        SystemClock.monotonic_nanos()
    }
}

/// A checkpoint began the log anew in a small file between the two: the commit was written beyond the end of that file,
/// which on a full disk stopped all writing, with a commit of unknown fate.
#[test]
fn a_commit_that_has_room_in_the_log_keeps_it_when_a_checkpoint_begins_the_log_anew() {
    let door = Arc::new(Door::default());
    let memory = Arc::new(MemoryDirectory::with_capacity(64 << 20));
    let directory: Arc<dyn Directory> = Arc::clone(&memory) as Arc<dyn Directory>;
    let backend = Backend { clock: Arc::new(GatedClock(Arc::clone(&door))), ..Backend::of_system(directory) };
    let options = Options { background: false, memtable_bytes: 8 << 20, auto_checkpoint: false, ..Options::default() };
    let engine = Engine::open(backend, options).unwrap();
    for number in 0..20 {
        put(&engine, &[1, number], 100_000, Durability::Durable);
    }
    let files = engine.stats().wal_files;
    assert!(files >= 4, "{files} files");
    std::thread::scope(|scope| {
        door.shut();
        let writer = start(scope, "writer", || {
            let mut transaction = engine.begin_write().unwrap();
            transaction.put(&[2], &noise(7, 1_200_000)).unwrap();
            transaction.commit_with(Durability::Durable)
        });
        door.wait_for_one();
        let checkpoint = scope.spawn(|| engine.checkpoint());
        comes("the new log file", || engine.stats().wal_files > files);
        let filler = memory.open("filler", OpenMode::CreateNew).unwrap();
        comes("a file that takes all room", || filler.preallocate(0, memory.free_bytes().unwrap()).is_ok());
        door.open();
        let committed = writer.join().unwrap();
        filler.set_len(0).unwrap();
        assert!(committed.is_ok(), "{committed:?}");
        // It found the disk full itself, or came after that.
        let _ = checkpoint.join().unwrap();
    });
    engine.checkpoint().unwrap();
    put(&engine, &[3], 100, Durability::Durable);
    engine.close().unwrap();
}

/// A file of the log that goes in the middle of a check was reported as missing.
#[test]
fn a_check_does_not_take_a_log_file_that_goes_meanwhile_for_one_that_is_missing() {
    let (flush, check) = (Arc::new(Door::default()), Arc::new(Door::default()));
    let (flushes, checks) = (Arc::clone(&flush), Arc::clone(&check));
    let backend = gated(&Backend::memory(), move |operation, name| {
        if operation == Operation::Open && name.starts_with("seg/") && on("entidb-memtables") {
            flushes.pass();
        }
        if operation == Operation::Open && name.starts_with("wal/") && on("checker") {
            checks.pass();
        }
        None
    });
    let options = Options { memtable_bytes: 1 << 20, ..Options::default() };
    let engine = Engine::open(backend, options).unwrap();
    flush.shut();
    for number in 0..12 {
        put(&engine, &[1, number], 100_000, Durability::Durable);
    }
    flush.wait_for_one();
    std::thread::scope(|scope| {
        check.shut();
        let checker = start(scope, "checker", || engine.verify(VerifyLevel::Quick));
        check.wait_for_one();
        flush.open();
        comes("the flush", || engine.stats().memtable_flushes > 0 && engine.stats().wal_files < 3);
        check.open();
        let report = checker.join().unwrap().unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    });
    engine.close().unwrap();
}

/// It never began: merges of level 0 came first, and failed again and again.
#[test]
fn a_compaction_ends_with_the_failure_though_merges_of_level_0_come_first_and_fail() {
    let failing = Arc::new(AtomicBool::new(true));
    let fails = Arc::clone(&failing);
    let backend = gated(&Backend::memory(), move |operation, name| {
        let hit = operation == Operation::Open && name.starts_with("seg/") && on("entidb-merges");
        (hit && fails.load(Ordering::Relaxed)).then_some(ErrorKind::NoSpace)
    });
    let engine = Engine::open(backend, Options { memtable_bytes: 64 * 1024, ..Options::default() }).unwrap();
    for number in 0..13 {
        // Larger than what goes into a memtable, and so a run each.
        put(&engine, &[1, number], 20_000, Durability::Durable);
    }
    std::thread::scope(|scope| {
        let compaction = scope.spawn(|| engine.compact());
        let ended = (0..20_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            compaction.is_finished()
        });
        failing.store(false, Ordering::Relaxed);
        if !ended {
            engine.close().unwrap();
        }
        let result = compaction.join().unwrap();
        assert!(ended, "it did not end; after close: {result:?}");
        assert!(matches!(&result, Err(error) if error.is_no_space()), "{result:?}");
    });
    engine.compact().unwrap();
    engine.close().unwrap();
}

/// It made way for itself: what was left of it came first, once for each segment.
#[test]
fn a_merge_of_level_0_makes_way_for_another_zone_of_which_level_0_is_fuller() {
    static FILES: Mutex<Vec<String>> = Mutex::new(Vec::new());
    /// From the third segment of the merges on.
    fn third(file: &str, thread: &str) -> bool {
        if !file.starts_with("seg/") || thread != "entidb-merges" {
            return false;
        }
        let mut files = FILES.lock().unwrap();
        if !files.iter().any(|other| other == file) {
            files.push(file.to_owned());
        }
        files.len() > 2
    }
    let (backend, gate) = held_at_a_gate(&Backend::memory());
    let segments = Options { memtable_bytes: 64 * 1024, segment_bytes: 512 * 1024, ..Options::default() };
    let engine = Engine::open(backend, segments).unwrap();
    gate.hold(|file, thread| file.starts_with("seg/") && thread == "entidb-merges");
    // Larger than what goes into a memtable, and so a run each.
    for round in 0..5_u8 {
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..10 {
            transaction.put(&[1, number, round], &noise(u64::from(number), 100_000)).unwrap();
        }
        transaction.commit().unwrap();
    }
    gate.wait_for_one();
    for number in 0..16 {
        put(&engine, &[2, number], 17_000, Durability::None);
    }
    let before = engine.stats().level_segments[0];
    assert!(before >= 20, "{before} segments in level 0");
    FILES.lock().unwrap().clear();
    gate.hold(third);
    gate.pass_on();
    comes("the third segment", || gate.waiting() > 0 && FILES.lock().unwrap().len() > 2);
    let after = engine.stats().level_segments[0];
    gate.open();
    assert!(after < 12, "{after} segments in level 0, {before} before");
    engine.close().unwrap();
}

/// Nothing ever said that there was room again: writers were not slowed down and no merge made way, until the next open.
#[test]
fn a_disk_that_was_full_and_is_not_any_more_is_like_one_that_never_was() {
    let memory = Arc::new(MemoryDirectory::with_capacity(64 << 20));
    let directory: Arc<dyn Directory> = Arc::clone(&memory) as Arc<dyn Directory>;
    let (backend, gate) = held_at_a_gate(&Backend::of_system(directory));
    let engine = Engine::open(backend, Options { memtable_bytes: 64 * 1024, ..Options::default() }).unwrap();
    put(&engine, &[1], 100, Durability::Durable);
    let filler = memory.open("filler", OpenMode::CreateNew).unwrap();
    comes("a file that takes all room", || filler.preallocate(0, memory.free_bytes().unwrap()).is_ok());
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&[1, 1], &noise(1, 100_000)).unwrap();
    let refused = transaction.commit();
    assert!(matches!(&refused, Err(error) if error.is_no_space()), "{refused:?}");
    filler.set_len(0).unwrap();
    gate.hold(|file, thread| file.starts_with("seg/") && thread == "entidb-merges");
    for number in 0..20 {
        put(&engine, &[1, number], 60_000, Durability::Durable);
    }
    let rested = engine.stats().write_rests_ms;
    gate.open();
    assert!(rested > 0, "nobody was slowed down at 20 runs");
    engine.close().unwrap();
}

/// It waited for its time, however long that was.
#[test]
fn who_waits_for_a_commit_that_nobody_made_is_told_that_the_database_was_closed() {
    let engine = Engine::open(Backend::memory(), Options::default()).unwrap();
    put(&engine, &[1], 100, Durability::Durable);
    let next = Sequence(engine.last_sequence().0 + 1);
    let waiter = engine.clone();
    let waiting = std::thread::spawn(move || waiter.wait_durable(next, AN_HOUR));
    std::thread::sleep(Duration::from_millis(100));
    engine.close().unwrap();
    comes("the end of the wait", || waiting.is_finished());
    assert!(matches!(waiting.join().unwrap(), Err(Error::Closed)));
}

/// It was told that all is done while the other was still at it.
#[test]
fn a_second_close_returns_when_the_database_is_closed() {
    let (backend, gate) = held_at_a_gate(&Backend::memory());
    let engine = Engine::open(backend, Options::default()).unwrap();
    put(&engine, &[1], 100, Durability::Durable);
    gate.hold(|file, _| file == "ROOT");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| engine.close());
        gate.wait_for_one();
        let second = scope.spawn(|| engine.close());
        std::thread::sleep(Duration::from_millis(200));
        let early = second.is_finished();
        gate.open();
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
        assert!(!early, "the second returned before the database was closed");
    });
}

/// Each look for work tried again, and wrote as much as the disk took.
#[test]
fn a_reserve_that_finds_no_room_is_not_tried_again_at_once() {
    let tries = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&tries);
    let backend = gated(&Backend::memory(), move |operation, name| {
        let hit = operation == Operation::Open && name == "RESERVE";
        hit.then(|| {
            counted.fetch_add(1, Ordering::Relaxed);
            ErrorKind::NoSpace
        })
    });
    let options = Options { background: false, memtable_bytes: 256 * 1024, ..Options::default() };
    let engine = Engine::open(backend, options).unwrap();
    for number in 0..20 {
        put(&engine, &[1, number], 100_000, Durability::Durable);
    }
    while engine.maintain(64).unwrap() {}
    let before = tries.load(Ordering::Relaxed);
    for _ in 0..100 {
        engine.maintain(1).unwrap();
    }
    let tried = tries.load(Ordering::Relaxed) - before;
    assert!(before > 0 && tried < 10, "{tried} tries in 100 looks for work, {before} before");
    engine.close().unwrap();
}

/// Nothing was written, and the database took no more commits all the same.
#[test]
fn a_large_commit_that_cannot_look_whether_the_database_is_its_own_is_refused_and_no_more() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let backend = gated(&Backend::memory(), move |operation, name| {
        let hit = operation == Operation::Open && name == "ROOT" && fails.load(Ordering::Relaxed);
        hit.then_some(ErrorKind::TooManyOpenFiles)
    });
    let options = Options { background: false, memtable_bytes: 64 * 1024, ..Options::default() };
    let engine = Engine::open(backend, options).unwrap();
    put(&engine, &[1], 20_000, Durability::Durable);
    failing.store(true, Ordering::Relaxed);
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(&[2], &noise(2, 20_000)).unwrap();
    let refused = transaction.commit();
    failing.store(false, Ordering::Relaxed);
    assert!(matches!(&refused, Err(Error::Storage(error)) if error.kind == ErrorKind::TooManyOpenFiles), "{refused:?}");
    put(&engine, &[3], 20_000, Durability::Durable);
    let snapshot = engine.snapshot().unwrap();
    assert!(snapshot.get(&[2]).unwrap().is_none() && snapshot.get(&[3]).unwrap().is_some());
    drop(snapshot);
    engine.close().unwrap();
}

/// Its failure was handed to the compaction, which had not even begun.
#[test]
fn a_compaction_without_threads_is_not_told_of_the_failure_of_a_merge_that_came_first() {
    let (failing, hits) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (fails, counted) = (Arc::clone(&failing), Arc::clone(&hits));
    let backend = gated(&Backend::memory(), move |operation, name| {
        let is_merge = on("entidb-merges") || on("compactor");
        let hit = operation == Operation::Open && name.starts_with("seg/") && is_merge && fails.load(Ordering::Relaxed);
        if hit && on("compactor") {
            counted.fetch_add(1, Ordering::Relaxed);
            fails.store(false, Ordering::Relaxed);
        }
        hit.then_some(ErrorKind::PermissionDenied)
    });
    let options = || Options { memtable_bytes: 64 * 1024, ..Options::default() };
    let engine = Engine::open(backend.clone(), options()).unwrap();
    for number in 0..13 {
        // Larger than what goes into a memtable, and so a run each.
        put(&engine, &[1, number], 20_000, Durability::Durable);
    }
    put(&engine, &[2], 20_000, Durability::Durable);
    engine.close().unwrap();
    let engine = Engine::open(backend, Options { background: false, ..options() }).unwrap();
    assert!(engine.stats().level_segments[0] >= 13, "{:?}", engine.stats().level_segments);
    std::thread::scope(|scope| {
        let compacted = start(scope, "compactor", || engine.compact_range(KeyRange::prefix(&[2]))).join().unwrap();
        assert_eq!(hits.load(Ordering::Relaxed), 1, "no merge came first");
        compacted.unwrap();
    });
    engine.close().unwrap();
}

/// It waited for its time, however long that was.
#[test]
fn who_waits_for_commits_is_told_that_writing_has_stopped() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let backend = gated(&Backend::memory(), move |operation, name| {
        let hit = operation == Operation::FlushData && name.starts_with("wal/") && fails.load(Ordering::Relaxed);
        hit.then_some(ErrorKind::PermissionDenied)
    });
    let engine = Engine::open(backend, Options::default()).unwrap();
    put(&engine, &[1], 100, Durability::Durable);
    let last = engine.last_sequence();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| engine.wait_for_commit(last, AN_HOUR));
        let waiting_for_durable = scope.spawn(|| engine.wait_durable(Sequence(last.0 + 5), AN_HOUR));
        std::thread::sleep(Duration::from_millis(100));
        failing.store(true, Ordering::Relaxed);
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&[2], &[2]).unwrap();
        let stopped = transaction.commit_with(Durability::Durable);
        assert!(matches!(stopped, Err(Error::CommitUnknown { .. })), "{stopped:?}");
        let ended = (0..20_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            waiting.is_finished() && waiting_for_durable.is_finished()
        });
        if !ended {
            let _ = engine.close();
        }
        let (waited, waited_for_durable) = (waiting.join().unwrap(), waiting_for_durable.join().unwrap());
        assert!(ended, "the wait went on: {waited:?}, {waited_for_durable:?}");
        assert!(matches!(waited, Err(Error::WritesStopped { .. })), "{waited:?}");
        assert!(matches!(waited_for_durable, Err(Error::WritesStopped { .. })), "{waited_for_durable:?}");
    });
    // Also who comes later.
    let late = engine.wait_for_commit(last, AN_HOUR);
    assert!(matches!(late, Err(Error::WritesStopped { .. })), "{late:?}");
}

/// A write that waited for room was refused because of the try before the one that was under way.
#[test]
fn a_write_that_waits_for_room_is_not_refused_for_a_failure_before_its_time() {
    let (door, tries) = (Arc::new(Door::default()), Arc::new(AtomicU64::new(0)));
    let (passing, tried) = (Arc::clone(&door), Arc::clone(&tries));
    let backend = gated(&Backend::memory(), move |operation, name| {
        if operation != Operation::Open || !name.starts_with("seg/") || !on("entidb-memtables") {
            return None;
        }
        if tried.fetch_add(1, Ordering::Relaxed) == 0 {
            return Some(ErrorKind::PermissionDenied);
        }
        passing.pass();
        None
    });
    let engine = Engine::open(backend, Options { memtable_bytes: 64 * 1024, ..Options::default() }).unwrap();
    door.shut();
    for number in 0..8 {
        put(&engine, &[1, number], 10_000, Durability::None);
    }
    // The first try has failed, and the second stands still.
    door.wait_for_one();
    assert!(tries.load(Ordering::Relaxed) > 1);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (0..30_u8).try_for_each(|number| {
                let mut transaction = engine.begin_write()?;
                transaction.put(&[2, number], &noise(u64::from(number), 10_000))?;
                transaction.commit_with(Durability::None).map(drop)
            })
        });
        comes("the wait for room", || engine.stats().write_stalls > 0);
        std::thread::sleep(Duration::from_millis(400));
        let early = writer.is_finished();
        door.open();
        let written = writer.join().unwrap();
        assert!(!early && written.is_ok(), "{written:?}");
    });
    engine.close().unwrap();
}

/// Nobody flushed, merged or made room for a transaction that was there longer than the last handle.
#[test]
fn a_transaction_keeps_the_database_at_work_when_the_last_handle_has_gone() {
    let flushes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&flushes);
    let memory = Backend::memory();
    let backend = gated(&memory, move |operation, name| {
        counted.fetch_add(u64::from(operation == Operation::FlushData && name.starts_with("wal/")), Ordering::Relaxed);
        None
    });
    let engine = Engine::open(backend, Options::default()).unwrap();
    put(&engine, &[1], 100, Durability::Durable);
    put(&engine, &[2], 100, Durability::Grouped { interval_ms: 500 });
    let mut transaction = engine.begin_write().unwrap();
    let before = flushes.load(Ordering::Relaxed);
    drop(engine);
    comes("the flush of the interval", || flushes.load(Ordering::Relaxed) > before);
    let again = Engine::open(memory.clone(), Options::default());
    assert!(
        matches!(&again, Err(Error::Storage(error)) if matches!(error.kind, ErrorKind::Locked { .. })),
        "{again:?}"
    );
    transaction.put(&[3], &[3]).unwrap();
    transaction.commit_with(Durability::Durable).unwrap();
    // The last of all has gone, and its threads with it.
    let engine = Engine::open(memory, Options::default()).unwrap();
    assert_eq!(engine.last_sequence(), Sequence(3));
    engine.close().unwrap();
}

/// The thread that held the flush back for others was served by a new data key, which flushed the log as well; nobody knew that it was
/// not held back any more, and the next durable commits waited for a flush that nobody was to begin.
#[test]
fn a_flush_that_was_held_back_and_made_by_a_new_data_key_is_not_waited_for() {
    let clock = Arc::new(ManualClock::new(0));
    let (door, flushes) = (Arc::new(Door::default()), Arc::new(AtomicU64::new(0)));
    let (moved, passing, counted) = (Arc::clone(&clock), Arc::clone(&door), Arc::clone(&flushes));
    let backend = gated(&Backend::memory(), move |operation, name| {
        if operation == Operation::FlushData && name.starts_with("wal/") {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            passing.pass();
            // The next one is held back for a quarter of this.
            moved.advance(Duration::from_secs(if number == 1 { 6 } else { 0 }));
        }
        None
    });
    let backend = Backend { clock: clock as _, ..backend };
    let kdf = KdfParameters { memory_kib: 8, iterations: 1, parallelism: 1 };
    let key = Some(KeySource::raw([1; 32]));
    let options = Options { key, kdf, allow_weak_kdf: true, background: false, ..Options::default() };
    let engine = Engine::open(backend, options).unwrap();
    let commits = |count| comes("a commit", || engine.stats().commits == count);
    std::thread::scope(|scope| {
        let durable = |number: u8| {
            let engine = &engine;
            scope.spawn(move || put(engine, &[number], 100, Durability::Durable))
        };
        flushes.store(0, Ordering::Relaxed);
        door.shut();
        let mut writers = vec![durable(0)];
        door.wait_for_one();
        writers.extend((1..4).map(durable));
        commits(4);
        door.open();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        // Three were served by one flush: the next is held back for as many, but for these two alone.
        let held = [durable(4), durable(5)];
        commits(6);
        std::thread::sleep(Duration::from_millis(50));
        // Writes what is there, and flushes nothing.
        let grouped = scope.spawn(|| put(&engine, &[6], 100, Durability::Grouped { interval_ms: 3_600_000 }));
        comes("its write", || engine.stats().wal_writes == 3);
        engine.rotate_key().unwrap();
        held.into_iter().chain([grouped]).for_each(|writer| writer.join().unwrap());
        let alone = durable(7);
        let ended = (0..60_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            alone.is_finished()
        });
        if !ended {
            engine.flush().unwrap();
        }
        alone.join().unwrap();
        assert!(ended, "a durable commit waited for a flush that nobody began");
    });
    engine.close().unwrap();
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

/// Where there are no threads a commit that waits for room does the work itself, as `maintain` and a large transaction do:
/// to its end, although the call was cancelled meanwhile.
#[test]
fn a_call_that_does_the_work_of_threads_ends_between_two_pieces_when_it_is_cancelled() {
    type Call = fn(&Engine) -> entidb_engine::Result<()>;
    let calls: [(&str, Call); 3] = [
        ("a commit", |engine| put_once(engine, 100)),
        ("a large commit", |engine| put_once(engine, 40_000)),
        ("maintain", |engine| engine.maintain(1_000_000).map(drop)),
    ];
    for (what, call) in calls {
        let (failing, cancel) = (Arc::new(AtomicBool::new(true)), Cancel::new());
        let (fails, cancels) = (Arc::clone(&failing), cancel.clone());
        let backend = gated(&Backend::memory(), move |operation, name| {
            if operation != Operation::Open || !name.starts_with("seg/") {
                return None;
            }
            if fails.load(Ordering::Relaxed) {
                return Some(ErrorKind::PermissionDenied);
            }
            cancels.cancel();
            None
        });
        let backend = Backend { clock: Arc::new(Hasty(AtomicU64::new(0))), ..backend };
        let options = Options { background: false, memtable_bytes: 64 * 1024, ..Options::default() };
        let engine = Engine::open(backend, options).unwrap();
        // Until memory is used up.
        let refused = (0..u16::MAX).map(|_| put_once(&engine, 1_000)).find(Result::is_err);
        assert!(refused.is_some() && engine.stats().memtables_frozen == 3, "{what}: {:?}", engine.stats());
        failing.store(false, Ordering::Relaxed);
        let entered = cancel.enter();
        let ended = call(&engine);
        drop(entered);
        assert!(matches!(ended, Err(Error::Cancelled)), "{what}: {ended:?}");
        assert_eq!(engine.stats().memtables_frozen, 3, "{what} went on");
        put_once(&engine, 1_000).unwrap();
        engine.close().unwrap();
    }
}

fn put_once(engine: &Engine, bytes: usize) -> entidb_engine::Result<()> {
    let mut transaction = engine.begin_write()?;
    let number = engine.last_sequence().0.to_be_bytes();
    transaction.put(&number, &noise(engine.last_sequence().0, bytes))?;
    transaction.commit_with(Durability::None).map(drop)
}
