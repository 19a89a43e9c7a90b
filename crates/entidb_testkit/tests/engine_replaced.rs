//! Two sessions that write one database, because a file server has forgotten the lock of the first.
//!
//! Always: the first finds out before it makes a file of the log or changes the manifest, stops, and what the second
//! committed survives a crash. Does not know: folders that are moved or replaced (`entidb_engine`, `replaced`).

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::planted::{Mistake, plant};
use entidb_engine::{Engine, Error, Options, Result, VerifyLevel};
use entidb_storage::Whereabouts;
use entidb_storage::simulated::{Personality, Simulation, Variant};

fn open(world: &Simulation) -> Engine {
    let options = Options { memtable_bytes: 64 * 1024, wal_bytes: 256 * 1024, background: false, ..Options::default() };
    Engine::open(world.backend(), options).unwrap()
}

fn put(engine: &Engine, key: &[u8], bytes: usize) -> Result<()> {
    let mut transaction = engine.begin_write()?;
    transaction.put(key, &vec![7; bytes])?;
    transaction.commit().map(|_| ())
}

fn lacks(engine: &Engine, keys: &[&[u8]]) -> Option<String> {
    let snapshot = engine.snapshot().unwrap();
    let lost = keys.iter().find(|key| !snapshot.exists(key).is_ok_and(|found| found))?;
    Some(format!("{} is gone", String::from_utf8_lossy(lost)))
}

/// What the first session does after the second one came.
#[derive(Debug, Clone, Copy)]
enum Next {
    Commits,
    Checkpoint,
    Compact,
    Close,
}

/// What is wrong, if anything.
fn second_writer(next: Next, mistake: Option<Mistake>) -> std::result::Result<(), String> {
    let world = Simulation::new(Personality::PosixStrict, 1);
    let first = open(&world);
    put(&first, b"before", 10).unwrap();
    world.forget_locks();
    let second = open(&world);
    put(&second, b"second", 10).unwrap();
    let held = world.file_bytes("ROOT");
    plant(mistake);
    let told = match next {
        // No more than fits the file of the log that it has, twice over.
        Next::Commits => (0..128_u32).try_for_each(|number| put(&first, &number.to_be_bytes(), 4096)),
        Next::Checkpoint => first.checkpoint().map(|_| ()),
        Next::Compact => first.compact(),
        Next::Close => first.close(),
    };
    plant(None);
    if !matches!(told, Err(Error::Replaced { .. })) {
        return Err(format!("the first was told {told:?}"));
    }
    if world.file_bytes("ROOT") != held {
        return Err("the first wrote ROOT".to_owned());
    }
    drop(first);
    let whole = |engine: &Engine, keys: &[&[u8]]| {
        let problems = engine.verify(VerifyLevel::Full).unwrap().problems;
        problems.first().map(ToString::to_string).or_else(|| lacks(engine, keys)).map_or(Ok(()), Err)
    };
    put(&second, b"later", 10).map_err(|error| error.to_string())?;
    whole(&second, &[b"before", b"second", b"later"])?;
    for variant in 0..6 {
        whole(&open(&world.crash(Variant(variant))), &[b"before", b"second", b"later"])?;
    }
    second.checkpoint().map_err(|error| error.to_string())?;
    second.close().map_err(|error| error.to_string())?;
    whole(&open(&world), &[b"before", b"second", b"later"])
}

const ALL: [Next; 4] = [Next::Commits, Next::Checkpoint, Next::Compact, Next::Close];

#[test]
fn a_session_beside_which_another_one_writes_stops_and_harms_nothing() {
    for next in ALL {
        assert_eq!(second_writer(next, None), Ok(()), "{next:?}");
    }
}

#[test]
fn a_session_that_does_not_look_is_found() {
    for next in ALL {
        assert!(second_writer(next, Some(Mistake::OwnerNotChecked)).is_err(), "{next:?}");
    }
}

#[test]
fn a_folder_that_is_elsewhere_stops_writing_until_it_is_opened_anew() {
    for whereabouts in [Whereabouts::Gone, Whereabouts::Elsewhere] {
        let world = Simulation::new(Personality::PosixStrict, 2);
        let engine = open(&world);
        put(&engine, b"key", 10).unwrap();
        world.set_whereabouts(whereabouts);
        assert!(matches!(engine.checkpoint(), Err(Error::Replaced { .. })));
        world.set_whereabouts(Whereabouts::Here);
        assert!(matches!(engine.begin_write().map(|_| ()), Err(Error::Replaced { .. })), "it stays stopped");
        drop(engine);
        for variant in 0..4 {
            assert_eq!(lacks(&open(&world.crash(Variant(variant))), &[b"key"]), None);
        }
    }
}
