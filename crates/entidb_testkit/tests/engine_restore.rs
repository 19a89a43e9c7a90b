//! Crashes a backup and a restore before every call to the target: the target is complete, or is refused as unfinished.
//!
//! Always: what opens holds everything; only a folder in which nothing stands yet is taken for an empty one.
//! Does not know: faults of the storage (`engine_backup`).

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;

use entidb_engine::planted::{Mistake, plant};
use entidb_engine::{Engine, Error, Options, UNFINISHED, VerifyLevel};
use entidb_storage::simulated::{Frozen, Personality, Simulation, Variant};
use entidb_testkit::engine_subject::{contents, encrypted_options};
use entidb_testkit::model::Contents;
use entidb_testkit::{Row, Tier};
use parking_lot::Mutex;

/// What is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A database that is in use.
    InUse,
    /// A backup, or any database that was closed, opened for reading only as `restore` does.
    Closed,
    /// A database whose process was killed: its log is copied too.
    Killed,
    /// A database with nothing in it, whose copy looks like a database that is being made.
    Empty,
}

fn options(is_encrypted: bool) -> Options {
    if is_encrypted { encrypted_options() } else { Options::default() }
}

fn filled(world: &Simulation, source: Source, is_encrypted: bool) -> Engine {
    let engine = Engine::open(world.backend(), options(is_encrypted)).unwrap();
    if source != Source::Empty {
        for number in 0..12_u32 {
            let mut transaction = engine.begin_write().unwrap();
            transaction.put(&number.to_be_bytes(), &[7; 500]).unwrap();
            transaction.commit().unwrap();
            if number % 5 == 4 {
                engine.checkpoint().unwrap();
            }
        }
    }
    engine
}

/// The states of the target on the disk, one for each that differs.
fn states_of(source: Source, personality: Personality, is_encrypted: bool) -> (Contents, Vec<Frozen>) {
    let world = Simulation::new(personality, 1);
    let engine = filled(&world, source, is_encrypted);
    let (_world, engine) = match source {
        Source::InUse | Source::Empty => (world, engine),
        Source::Closed | Source::Killed => {
            let world = if source == Source::Killed {
                let crashed = world.crash(Variant(0));
                drop(engine);
                crashed
            } else {
                engine.close().unwrap();
                world
            };
            let reading = Options { create: false, read_only: true, ..options(is_encrypted) };
            let engine = Engine::open(world.backend(), reading).unwrap();
            (world, engine)
        }
    };
    let before = contents(&engine).unwrap();
    let target = Simulation::new(personality, 2);
    let states: Arc<Mutex<(u64, Vec<Frozen>)>> = Arc::new(Mutex::new((u64::MAX, Vec::new())));
    let sink = Arc::clone(&states);
    target.observe(move |point| {
        let mut states = sink.lock();
        if states.0 != point.disk_version() {
            states.0 = point.disk_version();
            states.1.push(point.freeze());
        }
    });
    engine.backup(&target.backend()).unwrap();
    target.stop_observing();
    let mut states = std::mem::take(&mut states.lock().1);
    states.push(target.freeze());
    (before, states)
}

/// What somebody who opens the target finds; an error says which promise is broken.
fn judged(world: &Simulation, before: &Contents, is_encrypted: bool) -> Result<(), String> {
    let held: Vec<String> = world.backend().directory.list("").unwrap().into_iter().map(|entry| entry.name).collect();
    for opening in [options(is_encrypted), Options { create: false, read_only: true, ..options(is_encrypted) }] {
        match Engine::open(world.backend(), opening) {
            Ok(engine) => {
                // The folder is as empty as before: nothing of the copy had begun.
                if held.is_empty() {
                    return Ok(());
                }
                let found = contents(&engine).map_err(|error| format!("{held:?} opens, and reads: {error}"))?;
                if found != *before {
                    return Err(format!("{held:?} opens with {} keys of {}", found.0.len(), before.0.len()));
                }
                let problems = engine.verify(VerifyLevel::Full).unwrap().problems;
                if !problems.is_empty() {
                    return Err(format!("{held:?} opens, and has {problems:?}"));
                }
                engine.close().unwrap();
                if world.file_names().iter().any(|name| name == UNFINISHED) {
                    return Err("a complete copy keeps its mark once it is in use".to_owned());
                }
            }
            Err(Error::NotADatabase { detail, .. })
                if detail.contains(UNFINISHED) && held.contains(&UNFINISHED.to_owned()) => {}
            Err(error) => return Err(format!("{held:?}: {error}")),
        }
    }
    Ok(())
}

fn crashed_everywhere(source: Source, is_encrypted: bool, mistake: Option<Mistake>) -> Result<u64, String> {
    let mut images = 0;
    let variants = u32::try_from(Tier::from_environment().pick(64, 512, 1024)).unwrap();
    for personality in Personality::ALL {
        plant(mistake);
        let (before, states) = states_of(source, personality, is_encrypted);
        plant(None);
        let mut seen = Vec::new();
        for (number, state) in states.iter().enumerate() {
            for variant in 0..if state.has_pending() { variants } else { 1 } {
                let (world, fingerprint) = state.image(Variant(variant));
                if seen.contains(&fingerprint) {
                    continue;
                }
                seen.push(fingerprint);
                images += 1;
                judged(&world, &before, is_encrypted)
                    .map_err(|what| format!("{personality:?}, state {number}, variant {variant}: {what}"))?;
            }
        }
    }
    Ok(images)
}

#[test]
fn a_copy_that_a_crash_cut_short_is_complete_or_refused() {
    let mut images = 0;
    for source in [Source::InUse, Source::Closed, Source::Killed, Source::Empty] {
        for is_encrypted in [false, true] {
            images += crashed_everywhere(source, is_encrypted, None)
                .unwrap_or_else(|what| panic!("{source:?}, encrypted {is_encrypted}: {what}"));
        }
    }
    Row { layer: "backup and restore, crash states".to_owned(), states: images, ..Row::default() }.print();
    assert!(images > 400, "{images}");
}

#[test]
fn every_planted_mistake_about_the_mark_of_a_copy_is_caught() {
    for mistake in [Mistake::BackupUnmarked, Mistake::BackupMarkNotFlushed, Mistake::BackupMarkRemovedFirst] {
        let found = crashed_everywhere(Source::InUse, true, Some(mistake));
        assert!(found.is_err(), "{mistake:?}: {found:?}");
    }
}
