//! Copies of a database that changes meanwhile, on storage that fails: what is reported as made opens and holds what it
//! should; what failed leaves nothing.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use entidb_engine::planted::{Mistake, plant};
use entidb_engine::{Engine, Error, Options, Result, VerifyLevel};
use entidb_storage::simulated::{Fault, FaultKind, Personality, Simulation, Variant};
use entidb_storage::{Backend, Operation};
use entidb_testkit::Row;
use entidb_testkit::engine_subject::{contents, encrypted_options};
use entidb_testkit::gate::Gate;
use entidb_testkit::model::Contents;

fn put(engine: &Engine, number: u32) -> Result<()> {
    let mut transaction = engine.begin_write()?;
    transaction.put(&number.to_be_bytes(), &vec![7; 1500])?;
    transaction.commit().map(|_| ())
}

/// An encrypted database with several segments and commits in the log.
fn filled(backend: Backend) -> Engine {
    let engine = Engine::open(backend, encrypted_options()).unwrap();
    for number in 0..24 {
        put(&engine, number).unwrap();
        if number % 8 == 0 {
            engine.checkpoint().unwrap();
        }
    }
    engine
}

/// What a copy holds, looked at in every way.
fn copied(target: Backend) -> Result<Contents> {
    let engine = Engine::open(target, Options { create: false, ..encrypted_options() })?;
    let report = engine.verify(VerifyLevel::Full)?;
    if let Some(problem) = report.problems.into_iter().next() {
        return Err(problem);
    }
    contents(&engine)
}

type Change = fn(&Engine) -> Result<()>;

/// What others do in the middle of a backup.
const CHANGES: [(&str, Change); 5] = [
    ("rotate", |engine| engine.rotate_key()),
    ("rekey", |engine| engine.rekey().map(|_| ())),
    ("compact", |engine| engine.compact()),
    ("commit and checkpoint", |engine| put(engine, 3).and_then(|()| engine.checkpoint().map(|_| ()))),
    ("rotate and compact", |engine| engine.rotate_key().and_then(|()| engine.compact())),
];

/// Makes each change at each call with which a backup copies segments; what is wrong with the copy, if anything is.
fn changed_in_the_middle(mistake: Option<Mistake>) -> std::result::Result<u64, String> {
    let mut cases = 0;
    for (name, change) in CHANGES {
        for at in 0.. {
            let (source, target) =
                (Simulation::new(Personality::PosixStrict, 1), Simulation::new(Personality::PosixStrict, 2));
            let engine = filled(source.backend());
            let before = contents(&engine).unwrap();
            let (gate, other) = (Gate::default(), engine.clone());
            let (calls, done, sealed) = (AtomicU64::new(0), Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
            let was_done = Arc::clone(&done);
            gate.keep(move |operation, path| {
                // From there on nothing may change the keys, and this thread would wait for itself.
                sealed.fetch_or(path.starts_with("manifest/"), Ordering::Relaxed);
                let copies = path.starts_with("seg") || operation == Operation::CreateFolder;
                if copies && !sealed.load(Ordering::Relaxed) && calls.fetch_add(1, Ordering::Relaxed) == at {
                    change(&other).unwrap();
                    done.store(true, Ordering::Relaxed);
                }
                None
            });
            plant(mistake);
            let made = engine.backup(&gate.guarded(&target.backend()));
            plant(None);
            gate.open();
            if !was_done.load(Ordering::Relaxed) {
                break;
            }
            cases += 1;
            let what = format!("{name} at call {at}");
            made.map_err(|error| format!("{what}: the backup fails: {error}"))?;
            let found = copied(target.backend()).map_err(|error| format!("{what}: the copy: {error}"))?;
            if found != before {
                return Err(format!("{what}: the copy holds something else"));
            }
        }
    }
    Ok(cases)
}

/// The kinds of faults a target or a source is tried with.
const KINDS: [FaultKind; 12] = [
    FaultKind::Device,
    FaultKind::NoSpace,
    FaultKind::NoSpaceAtFlush,
    FaultKind::ReadOnly,
    FaultKind::TooManyOpenFiles,
    FaultKind::PermissionDenied,
    FaultKind::ShortWrite,
    FaultKind::TornWrite,
    FaultKind::ZeroWrite,
    FaultKind::FlushLost,
    FaultKind::MisdirectedWrite,
    FaultKind::FlippedBitOnce,
];

/// Lets each call of a backup fail in each way, on the target or on the source; what is wrong, if anything is.
fn with_faults(mistake: Option<Mistake>, kinds: &[FaultKind], on_target: bool) -> std::result::Result<u64, String> {
    let mut cases = 0;
    for kind in kinds {
        for onward in [false, true] {
            let mut at = 0;
            loop {
                let (source, target) =
                    (Simulation::new(Personality::PosixStrict, 1), Simulation::new(Personality::PosixStrict, 2));
                let engine = filled(source.backend());
                let before = contents(&engine).unwrap();
                let world = if on_target { &target } else { &source };
                let call = world.calls() + at;
                world.inject(if onward { Fault::onward(*kind, call) } else { Fault::once(*kind, call) });
                plant(mistake);
                let made = engine.backup(&target.backend());
                plant(None);
                if world.calls() <= call {
                    break;
                }
                at += 1;
                if world.faults_struck() == 0 {
                    continue;
                }
                cases += 1;
                world.clear_faults();
                let what = format!("{kind:?} at call {call} onward {onward}, backup {made:?}");
                let held = target
                    .file_names()
                    .into_iter()
                    .chain(target.backend().directory.list("").unwrap().into_iter().map(|entry| entry.name));
                match made {
                    Ok(_) => {
                        for copy in [target.crash(Variant(0)), target.crash(Variant(12)), target.freeze().resume()] {
                            match copied(copy.backend()) {
                                Ok(found) if found == before => {}
                                Ok(_) => return Err(format!("{what}: the copy holds something else")),
                                Err(error) => return Err(format!("{what}: the copy: {error}")),
                            }
                        }
                    }
                    // Where the target goes on failing nothing can be removed, and what is left is no database, refused as a copy
                    // that is not finished, or a right one.
                    Err(_) if onward && on_target => match copied(target.backend()) {
                        Err(Error::NoDatabase { .. } | Error::NotADatabase { .. }) => {}
                        Ok(found) if found == before => {}
                        other => return Err(format!("{what}: what is left opens: {other:?}")),
                    },
                    Err(_) => {
                        let held: Vec<String> = held.collect();
                        if !held.is_empty() {
                            return Err(format!("{what}: it leaves {held:?}"));
                        }
                    }
                }
                if contents(&engine).map_err(|error| format!("{what}: {error}"))? != before {
                    return Err(format!("{what}: the database reads otherwise"));
                }
                if on_target {
                    put(&engine, 99).map_err(|error| format!("{what}: the database: {error}"))?;
                }
            }
        }
    }
    Ok(cases)
}

#[test]
fn whatever_changes_during_a_backup_the_copy_is_that_of_its_moment() {
    let cases = changed_in_the_middle(None).unwrap();
    Row { layer: "backup, changes".to_owned(), cases, ..Row::default() }.print();
    assert!(cases > 50, "{cases}");
}

#[test]
fn a_fault_during_a_backup_leaves_a_copy_that_is_right_or_nothing() {
    // A write of the database that goes astray is damage, which is another test's.
    let on_source: Vec<FaultKind> = KINDS.into_iter().filter(|kind| *kind != FaultKind::MisdirectedWrite).collect();
    let cases = with_faults(None, &KINDS, true).unwrap() + with_faults(None, &on_source, false).unwrap();
    Row { layer: "backup, faults".to_owned(), cases, ..Row::default() }.print();
    assert!(cases > 500, "{cases}");
}

#[test]
fn every_planted_mistake_of_a_backup_is_caught() {
    let keys = changed_in_the_middle(Some(Mistake::BackupKeyringFirst));
    assert!(keys.is_err(), "{keys:?}");
    let unread = with_faults(Some(Mistake::BackupNotVerified), &[FaultKind::MisdirectedWrite], true);
    assert!(unread.is_err(), "{unread:?}");
    let rest = with_faults(Some(Mistake::BackupLeavesRest), &[FaultKind::NoSpace], true);
    assert!(rest.is_err(), "{rest:?}");
}
