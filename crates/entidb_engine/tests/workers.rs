//! Background work of one kind goes on while another kind stands still, and none of it holds up commits or `close`.
//!
//! Always: on real threads, with files in memory; what stands still is held at a gate, so nothing depends on how fast
//! the machine is.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking and waits for threads"
)]

mod held;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entidb_engine::{Direction, Durability, Engine, Error, KeyRange, Options};
use entidb_storage::{Backend, Random, SeededRandom};
use held::{Gate, held_at_a_gate};

const GROUPED: Durability = Durability::Grouped { interval_ms: 5 };

fn open(options: Options) -> (Engine, Arc<Gate>) {
    let (backend, gate) = held_at_a_gate(&Backend::memory());
    (Engine::open(backend, options).unwrap(), gate)
}

/// Puts a value that does not compress.
fn put(engine: &Engine, key: &[u8], bytes: usize, durability: Durability) {
    let mut value = vec![0; bytes];
    SeededRandom::new(u64::from(key.last().copied().unwrap_or(0))).fill(&mut value).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, &value).unwrap();
    transaction.commit_with(durability).unwrap();
}

/// Waits for what must come without anybody doing anything; a minute is for ever.
fn comes(what: &str, mut is_there: impl FnMut() -> bool) {
    let came = (0..60_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        is_there()
    });
    assert!(came, "{what} never came");
}

fn all_becomes_durable(engine: &Engine) {
    let last = engine.last_sequence();
    comes("the flush of the interval", || engine.durable_sequence() >= last);
}

/// One thread did everything: an interval of 10 ms became 1.5 s during the flush of a memtable.
#[test]
fn the_grouped_interval_is_kept_while_a_memtable_flush_stands_still() {
    for background in [true, false] {
        let (engine, gate) = open(Options { background, ..Options::default() });
        put(&engine, b"a", 100, Durability::Durable);
        gate.hold(|file, _| file.starts_with("seg/"));
        std::thread::scope(|scope| {
            scope.spawn(|| engine.checkpoint().unwrap());
            gate.wait_for_one();
            for number in 0..10 {
                put(&engine, &[1, number], 100, GROUPED);
                all_becomes_durable(&engine);
            }
            assert!(gate.waiting() > 0 && engine.stats().memtable_flushes == 0);
            gate.open();
        });
        assert_eq!(engine.stats().memtable_flushes, 1);
        engine.close().unwrap();
    }
}

/// The thread of the one commit too many flushed the log itself: 50,000 commits that waited for nothing took 3.5 s
/// where the device was busy, and 50 ms elsewhere.
#[test]
fn commits_that_wait_for_no_flush_go_on_while_one_stands_still() {
    let (engine, gate) = open(Options::default());
    // The log's files grow with what is written: from here on one holds all that follows.
    for number in 0..120 {
        put(&engine, &[1, number], 100_000, Durability::Durable);
    }
    gate.hold(|file, thread| file.starts_with("flush wal/") && thread == "entidb-log");
    for number in 0..70 {
        put(&engine, &[2, number], 100_000, Durability::None);
    }
    gate.wait_for_one();
    let durable = engine.durable_sequence();
    for number in 70..90 {
        put(&engine, &[2, number], 100_000, Durability::None);
    }
    let stats = engine.stats();
    assert!(gate.waiting() == 1 && stats.durable_sequence == durable && stats.last_sequence.0 == 210, "{stats:?}");
    gate.open();
    all_becomes_durable(&engine);
    engine.close().unwrap();
}

/// The commit that made the log go on in its next file flushed the one before itself.
#[test]
fn a_commit_that_waits_for_no_flush_makes_the_log_go_on_in_the_next_file_while_one_stands_still() {
    let (engine, gate) = open(Options::default());
    for number in 0..120 {
        put(&engine, &[1, number], 100_000, Durability::Durable);
    }
    comes("the next file", || engine.stats().wal_files >= 6);
    let before = engine.stats();
    gate.hold(|file, _| file.starts_with("flush wal/"));
    std::thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::channel();
        let engine = &engine;
        scope.spawn(move || {
            for number in 0..50 {
                put(engine, &[2, number], 100_000, Durability::None);
                put(engine, &[3, number], 1_000, Durability::Grouped { interval_ms: 60_000 });
            }
            done.send(()).unwrap();
        });
        let went_on = is_done.recv_timeout(Duration::from_secs(30)).is_ok();
        let after = engine.stats();
        gate.open();
        assert!(went_on, "a commit waits for the flush of the log: {after:?}");
        assert!(after.wal_files > before.wal_files && after.last_sequence.0 == 220, "{after:?}");
        assert_eq!(after.durable_sequence, before.last_sequence);
    });
    engine.flush().unwrap();
    assert_eq!(engine.durable_sequence(), engine.last_sequence());
    engine.close().unwrap();
}

/// With a compaction it became 5 s, and commits with large values waited as well.
#[test]
fn commits_intervals_and_checkpoints_go_on_while_a_merge_stands_still() {
    let (engine, gate) = open(Options { memtable_bytes: 64 * 1024, ..Options::default() });
    put(&engine, b"a", 100, Durability::Durable);
    engine.checkpoint().unwrap();
    gate.hold(|file, thread| file.starts_with("seg/") && thread == "entidb-merges");
    std::thread::scope(|scope| {
        scope.spawn(|| engine.compact().unwrap());
        gate.wait_for_one();
        for number in 0..20 {
            put(&engine, &[1, number], 10_000, Durability::Durable);
            put(&engine, &[2, number], 10_000, GROUPED);
            all_becomes_durable(&engine);
        }
        // One that goes to segments directly, and memtables.
        put(&engine, &[3], 40_000, Durability::Durable);
        engine.checkpoint().unwrap();
        assert!(engine.stats().memtable_flushes > 3 && engine.stats().memtables_frozen == 0);
        assert!(gate.waiting() > 0 && engine.stats().compactions == 0);
        gate.open();
    });
    assert!(engine.stats().compactions > 0);
    assert_eq!(engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap().count(), 42);
    engine.close().unwrap();
}

/// Beside threads, a program that does the steps itself, or none of them, never saw its interval kept.
#[test]
fn the_grouped_interval_is_kept_where_nobody_does_steps() {
    let (engine, _gate) = open(Options { background: false, ..Options::default() });
    put(&engine, b"a", 100, GROUPED);
    all_becomes_durable(&engine);
    put(&engine, b"b", 100, Durability::None);
    all_becomes_durable(&engine);
}

/// The flush of the commit before took the time of this one for its own, and nobody flushed it until the next commit.
#[test]
fn a_commit_that_comes_during_the_write_of_another_keeps_its_own_interval() {
    let (engine, gate) = open(Options::default());
    gate.hold(|file, _| file.starts_with("wal/"));
    std::thread::scope(|scope| {
        scope.spawn(|| put(&engine, b"a", 100, Durability::Durable));
        gate.wait_for_one();
        scope.spawn(|| put(&engine, b"b", 100, Durability::None));
        comes("the second commit", || engine.stats().commits == 2);
        gate.open();
    });
    all_becomes_durable(&engine);
}

#[test]
fn close_gives_a_merge_up_and_a_compaction_says_so() {
    let (engine, gate) = open(Options { segment_bytes: 1 << 20, ..Options::default() });
    for number in 0..48 {
        put(&engine, &[1, number], 1 << 20, Durability::None);
    }
    engine.checkpoint().unwrap();
    gate.hold(|file, thread| file.starts_with("seg/") && thread == "entidb-merges");
    std::thread::scope(|scope| {
        let compaction = scope.spawn(|| engine.compact());
        gate.wait_for_one();
        let before = gate.segment_bytes.load(Ordering::Relaxed);
        let closing = scope.spawn(|| engine.close());
        // The thread is told to end before its piece goes on.
        std::thread::sleep(Duration::from_millis(50));
        gate.open();
        closing.join().unwrap().unwrap();
        let bytes = gate.segment_bytes.load(Ordering::Relaxed) - before;
        assert!(bytes < 16 << 20, "{bytes} bytes of 96 MiB between the call of close and its end");
        assert!(matches!(compaction.join().unwrap(), Err(Error::Closed)));
    });
}

/// A step was 16,384 entries: with values of 1 MB that is 16 GB.
#[test]
fn a_step_reads_and_writes_no_more_than_a_piece_however_large_values_are() {
    let (engine, gate) = open(Options { background: false, ..Options::default() });
    let moved = || gate.segment_bytes.load(Ordering::Relaxed);
    let (mut most, mut steps) = (0, 0);
    for number in 0..170 {
        let before = moved();
        // Each commit does a step, of a memtable or of a merge.
        put(&engine, &[1, number], 1 << 20, Durability::None);
        most = most.max(moved() - before);
    }
    loop {
        let before = moved();
        let more = engine.maintain(1).unwrap();
        most = most.max(moved() - before);
        if !more {
            break;
        }
        steps += 1;
    }
    let stats = engine.stats();
    assert!(stats.memtable_flushes >= 4 && stats.compactions > 0 && steps > 5, "{steps} steps, {stats:?}");
    // A piece ends after the entry that is too much for it, and a merge that begins reads a block of each run first.
    assert!(most <= (8 + 6) << 20, "a step moved {most} bytes");
}

/// It went on for as long as it takes, and level 0 and the writers waited.
#[test]
fn a_merge_makes_way_for_level_0_after_a_segment() {
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
    let segments = Options { memtable_bytes: 256 * 1024, segment_bytes: 4 << 20, ..Options::default() };
    let (engine, gate) = open(segments);
    for number in 0..32 {
        put(&engine, &[1, number], 1 << 20, Durability::None);
    }
    engine.compact().unwrap();
    gate.hold(|file, thread| file.starts_with("seg/") && thread == "entidb-merges");
    std::thread::scope(|scope| {
        put(&engine, &[1, 0], 1000, Durability::None);
        let compaction = scope.spawn(|| engine.compact());
        gate.wait_for_one();
        let before = engine.stats().compactions;
        for number in 0..16 {
            // Larger than what goes into a memtable, and so a run each.
            put(&engine, &[1, number, 1], 100_000, Durability::None);
        }
        FILES.lock().unwrap().clear();
        gate.hold(third);
        gate.pass_on();
        comes("the third segment", || gate.waiting() > 0 && FILES.lock().unwrap().len() > 2);
        let after = engine.stats().compactions;
        gate.open();
        compaction.join().unwrap().unwrap();
        assert!(after > before, "{after} merges, {before} before");
    });
    assert_eq!(engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap().count(), 48);
}

/// Merges of level 0 come between the parts of a compaction, and memtables and writers beside both.
#[test]
fn nothing_is_lost_while_writers_and_compactions_race() {
    let (engine, _gate) = open(Options { memtable_bytes: 32 * 1024, segment_bytes: 32 * 1024, ..Options::default() });
    let load = |round: u32, count: u32| {
        for number in 0..count {
            let key = (number + round).wrapping_mul(2_654_435_761).to_be_bytes();
            put(&engine, &[&[1], key.as_slice()].concat(), 1000, Durability::None);
        }
    };
    load(0, 1500);
    engine.compact().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                engine.compact().unwrap();
            }
        });
        load(7, 4000);
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(engine.snapshot().unwrap().range(KeyRange::all(), Direction::Forward).unwrap().count(), 4007);
    engine.close().unwrap();
}

/// Files of the log were removed under the lock of the manifest, and by a large transaction under that of commits as well.
#[test]
fn a_file_that_takes_long_to_remove_holds_up_no_commit_however_large() {
    let (backend, gate) = held_at_a_gate(&Backend::memory());
    let options = || Options { background: false, memtable_bytes: 256 * 1024, ..Options::default() };
    let engine = Engine::open(backend.clone(), options()).unwrap();
    for key in [b"a", b"b", b"c"] {
        put(&engine, key, 100, Durability::Durable);
    }
    drop(engine);
    // A session makes no new log file of one that it found and whose commits are proven: it is removed once they are in
    // segments.
    let engine = Engine::open(backend, options()).unwrap();
    put(&engine, b"d", 100, Durability::Durable);
    gate.hold(|file, thread| file.starts_with("remove wal/") && thread == "remover");
    std::thread::scope(|scope| {
        let removing = std::thread::Builder::new().name("remover".to_owned());
        let removing = removing.spawn_scoped(scope, || engine.checkpoint().unwrap()).unwrap();
        comes("the removal", || gate.waiting() > 0 || removing.is_finished());
        assert_eq!(gate.waiting(), 1, "the test shows nothing: no log file was removed");
        let (done, is_done) = std::sync::mpsc::channel();
        let engine = &engine;
        scope.spawn(move || {
            put(engine, b"small", 100, Durability::Durable);
            put(engine, b"large", 200 * 1024, Durability::Durable);
            engine.checkpoint().unwrap();
            done.send(()).unwrap();
        });
        let went_on = is_done.recv_timeout(Duration::from_secs(30)).is_ok();
        let waited = gate.waiting();
        gate.open();
        removing.join().unwrap();
        assert!(went_on && waited == 1, "a commit waited for the removal of a file");
    });
}
