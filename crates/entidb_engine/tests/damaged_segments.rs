//! A damaged segment, or one that the device does not give, under the work that nobody waits for: it is told of, and not
//! looked at again and again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking and waits for threads"
)]

mod gated;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entidb_engine::{Engine, Error, Options};
use entidb_storage::{Backend, ErrorKind, ManualClock, OpenMode, Operation};
use gated::gated;

/// A run of level 0.
fn write_run(engine: &Engine, run: u8) {
    write_run_in(engine, 1, run);
}

fn write_run_in(engine: &Engine, zone: u8, run: u8) {
    let mut transaction = engine.begin_write().unwrap();
    for number in 0..200_u8 {
        transaction.put(&[zone, number], &[run; 100]).unwrap();
    }
    transaction.commit().unwrap();
    engine.checkpoint().unwrap();
}

/// A database with as many runs of level 0 over the same keys as are worth merging, the oldest of them damaged.
struct Damaged {
    engine: Engine,
    backend: Backend,
    clock: Arc<ManualClock>,
    path: String,
    /// What was at byte 200.
    sound: Vec<u8>,
}

/// What is wrong with the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// Other bytes are there than were written.
    Bytes,
    /// The device fails when it is read, as with a bad sector.
    Unreadable,
}

const HARMS: [Harm; 2] = [Harm::Bytes, Harm::Unreadable];

impl Damaged {
    /// True for an error that tells of the segment.
    fn is_told(&self, error: &Error) -> bool {
        tells_of(error, &self.path)
    }
}

fn tells_of(error: &Error, path: &str) -> bool {
    match error {
        Error::Corrupt { file, .. } => file == path,
        Error::Storage(inner) => inner.path == path && matches!(inner.kind, ErrorKind::Device { .. }),
        _ => false,
    }
}

fn damaged() -> Damaged {
    harmed(Harm::Bytes)
}

fn harmed(harm: Harm) -> Damaged {
    let clock = Arc::new(ManualClock::new(0));
    let unreadable = Arc::new(Mutex::new(None::<String>));
    let bad = Arc::clone(&unreadable);
    let backend = gated(&Backend::memory(), move |operation, name| {
        let hit = operation == Operation::Read && bad.lock().unwrap().as_deref() == Some(name);
        hit.then_some(ErrorKind::Device { os_code: Some(5) })
    });
    let backend = Backend { clock: Arc::clone(&clock) as _, ..backend };
    let options = || Options { background: false, ..Options::default() };
    let engine = Engine::open(backend.clone(), options()).unwrap();
    (0..3).for_each(|run| write_run(&engine, run));
    engine.close().unwrap();
    let path = format!("seg/{}", backend.directory.list("seg").unwrap().first().unwrap().name);
    let file = backend.directory.open(&path, OpenMode::Write).unwrap();
    let mut sound = vec![0; 64];
    file.read_exact_at(200, &mut sound).unwrap();
    match harm {
        Harm::Bytes => file.write_all_at(200, &[0xaa; 64]).unwrap(),
        Harm::Unreadable => *unreadable.lock().unwrap() = Some(path.clone()),
    }
    let engine = Engine::open(backend.clone(), options()).unwrap();
    write_run(&engine, 3);
    Damaged { engine, backend, clock, path, sound }
}

/// Steps until nothing is left or one fails.
fn maintain(engine: &Engine) -> Option<Error> {
    engine.maintain(100).err()
}

#[test]
fn a_damaged_segment_is_tried_again_after_twice_as_long_each_time() {
    let Damaged { engine, clock, path, .. } = damaged();
    let mut tries = Vec::new();
    // Ten minutes, a look every 100 ms.
    for tenth in 0..6000_u32 {
        if let Some(error) = maintain(&engine) {
            assert!(matches!(&error, Error::Corrupt { file, .. } if *file == path), "{error:?}");
            tries.push(tenth);
        }
        clock.advance(Duration::from_millis(100));
    }
    let rests: Vec<u32> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(rests[..9], [2, 4, 8, 16, 32, 64, 128, 256, 512], "{rests:?}");
    assert!(rests[9..].iter().all(|rest| *rest == 600) && rests.len() > 15, "{rests:?}");
    let stats = engine.stats();
    assert_eq!(stats.compaction_failures, tries.len() as u64);
    assert!(stats.compaction_failure.unwrap().contains(&path));
    // Nothing else waits for it.
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"other", b"value").unwrap();
    transaction.commit().unwrap();
    engine.checkpoint().unwrap();
}

/// The zone with the most runs was picked first and failed each time, and until the next try nothing was merged at all.
#[test]
fn other_zones_are_merged_while_a_damaged_segment_rests() {
    for harm in HARMS {
        let Damaged { engine, clock, path, .. } = harmed(harm);
        for run in 0..60 {
            write_run_in(&engine, 2, run);
            // One step in between may fail: a commit's own, or one of these.
            let _damage = maintain(&engine);
            let failed = maintain(&engine);
            assert!(failed.is_none(), "{harm:?}, run {run}: {failed:?}");
            clock.advance(Duration::from_millis(100));
        }
        let stats = engine.stats();
        // 14 of zone 2, one of four runs each.
        assert!(stats.compactions >= 14, "{stats:?}");
        assert!(stats.level_segments[0] <= 4 + 4, "{stats:?}");
        // The rests go on doubling though merges end well, and the damage is still told of.
        assert_eq!(stats.compaction_failures, 5);
        assert!(stats.compaction_failure.unwrap().contains(&path));
        assert_eq!(engine.snapshot().unwrap().get(&[2, 7]).unwrap().as_deref(), Some([59; 100].as_slice()));
    }
}

#[test]
fn a_segment_that_is_sound_again_is_merged_and_the_failure_forgotten() {
    let Damaged { engine, backend, clock, path, sound } = damaged();
    assert!(maintain(&engine).is_some() && maintain(&engine).is_none());
    backend.directory.open(&path, OpenMode::Write).unwrap().write_all_at(200, &sound).unwrap();
    clock.advance(Duration::from_millis(200));
    assert!(maintain(&engine).is_none());
    let stats = engine.stats();
    assert!(stats.compactions > 0 && stats.compaction_failures == 1 && stats.compaction_failure.is_none());
}

/// Damage in one zone, of which level 0 is full and stays so, refused the changes of all others, slowed them down, and made
/// every merge of another zone give way to one that could not be.
#[test]
fn a_zone_that_is_full_because_of_damage_holds_up_no_other() {
    HARMS.into_iter().for_each(a_full_zone_holds_up_no_other);
}

fn a_full_zone_holds_up_no_other(harm: Harm) {
    let damaged = harmed(harm);
    (4..24).for_each(|run| write_run(&damaged.engine, run));
    let is_refused = |result: Result<_, Error>| match result {
        Err(error) => assert!(damaged.is_told(&error), "{harm:?}: {error:?}"),
        Ok(_) => panic!("{harm:?}: a commit was let in that nothing makes room for"),
    };
    let Damaged { engine, backend, .. } = &damaged;
    let put = |engine: &Engine, zone: u8, number: u8| {
        let mut transaction = engine.begin_write().unwrap();
        transaction.put(&[zone, number], &[number; 100]).unwrap();
        transaction.commit()
    };
    is_refused(put(engine, 1, 1));
    put(engine, 2, 1).unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&[2], &[3]).unwrap();
    transaction.commit().unwrap();
    let mut transaction = engine.begin_write().unwrap();
    transaction.delete_range(&[0], &[3]).unwrap();
    is_refused(transaction.commit());
    engine.close().unwrap();

    // With threads, which rest because of the damage: the clock stands still.
    let engine = Engine::open(backend.clone(), Options { memtable_bytes: 64 << 10, ..Options::default() }).unwrap();
    let failed = (0..60_000).any(|_| {
        std::thread::sleep(Duration::from_millis(1));
        engine.stats().compaction_failures > 0
    });
    assert!(failed && engine.stats().level_segments.first() >= Some(&23), "{:?}", engine.stats());
    for number in 0..200 {
        put(&engine, 2, number).unwrap();
    }
    let stats = engine.stats();
    assert_eq!((stats.write_rests_ms, stats.write_stalls), (0, 0), "writers of another zone were slowed down");
    engine.close().unwrap();
}
