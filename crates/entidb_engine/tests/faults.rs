//! What commits, reads and reopening say when the storage fails.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::{Durability, Engine, Error, KeyRange, KeySource, Options, Result, Sequence};
use entidb_storage::Operation;
use entidb_storage::simulated::{Call, Fault, FaultKind, Personality, Simulation, Variant};

fn put(engine: &Engine, key: &[u8], durability: Durability) -> Result<Sequence> {
    let mut transaction = engine.begin_write()?;
    transaction.put(key, &[9; 500])?;
    transaction.commit_with(durability)
}

fn keys(engine: &Engine) -> u64 {
    engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap()
}

fn is_no_space(error: &Error) -> bool {
    error.is_no_space()
}

#[test]
fn after_a_failed_flush_the_commit_is_unknown_writing_stops_and_reads_go_on() {
    let world = Simulation::new(Personality::Ext4Ordered, 1);
    let engine = Engine::open(world.backend(), Options::default()).unwrap();
    put(&engine, b"safe", Durability::Durable).unwrap();
    // The write is the next call, its flush the one after.
    world.inject(Fault::once(FaultKind::Device, world.calls() + 1));
    let error = put(&engine, b"unsure", Durability::Durable).unwrap_err();
    assert!(matches!(error, Error::CommitUnknown { sequence: Sequence(2), .. }), "{error:?}");
    assert_eq!(world.faults_struck(), 1);
    assert!(matches!(engine.begin_write(), Err(Error::WritesStopped { .. })));
    assert!(matches!(engine.flush(), Err(Error::WritesStopped { .. })));
    assert!(matches!(engine.checkpoint(), Err(Error::WritesStopped { .. })));
    assert!(matches!(put(&engine, b"later", Durability::None), Err(Error::WritesStopped { .. })));
    let snapshot = engine.snapshot().unwrap();
    assert!(snapshot.exists(b"safe").unwrap() && !snapshot.exists(b"unsure").unwrap());
    assert_eq!(engine.last_sequence(), Sequence(1));
    assert!(engine.close().is_err());
    let engine = Engine::open(world.backend(), Options::default()).unwrap();
    assert!(engine.snapshot().unwrap().exists(b"safe").unwrap());
    put(&engine, b"later", Durability::Durable).unwrap();
}

#[test]
fn a_grouped_commit_whose_write_fails_is_never_seen() {
    let world = Simulation::new(Personality::Ext4Ordered, 1);
    let engine = Engine::open(world.backend(), Options::default()).unwrap();
    put(&engine, b"safe", Durability::Durable).unwrap();
    world.inject(Fault::once(FaultKind::Device, world.calls()));
    let error = put(&engine, b"unsure", Durability::Grouped { interval_ms: 20 }).unwrap_err();
    assert!(matches!(error, Error::CommitUnknown { sequence: Sequence(2), .. }), "{error:?}");
    assert!(!engine.snapshot().unwrap().exists(b"unsure").unwrap());
    assert_eq!(engine.last_sequence(), Sequence(1));
}

/// The record of a large transaction without a net change lists no segment. When its write failed and it was on the disk all the
/// same, it said that the next commit, of the same sequence, was in segments: after a crash an acknowledged commit was gone.
#[test]
fn a_commit_after_a_large_one_that_failed_survives_every_crash() {
    let small = || Options { memtable_bytes: 16 * 1024, wal_bytes: 64 * 1024, background: false, ..Options::default() };
    let nothing = |engine: &Engine| {
        let mut transaction = engine.begin_write()?;
        transaction.put(b"a", &[1; 5000])?;
        transaction.delete(b"a")?;
        transaction.commit()
    };
    let world = Simulation::new(Personality::PosixStrict, 5);
    nothing(&Engine::open(world.backend(), small()).unwrap()).unwrap();
    let is_record = |call: &Call| call.operation == Operation::Write && call.path.starts_with("manifest/");
    let record = world.trace().iter().rposition(is_record).unwrap() as u64;
    for kind in [FaultKind::TornWrite, FaultKind::Device] {
        let world = Simulation::new(Personality::PosixStrict, 5);
        world.inject(Fault::once(kind, record));
        let engine = Engine::open(world.backend(), small()).unwrap();
        nothing(&engine).unwrap_err();
        assert!(world.trace().iter().any(|call| call.failed && is_record(call)));
        put(&engine, b"safe", Durability::Durable).unwrap();
        for variant in 0..80 {
            let after = world.crash(Variant(variant));
            let engine = Engine::open(after.backend(), small()).unwrap();
            assert!(engine.snapshot().unwrap().exists(b"safe").unwrap(), "{kind:?} {variant}");
        }
    }
}

/// A large transaction first makes the commits before it durable. When that fails, it has not begun: `CommitUnknown` with
/// the sequence of another commit would be an answer to a question nobody asked.
#[test]
fn a_large_transaction_is_not_called_unknown_for_the_flush_of_another_commit() {
    let world = Simulation::new(Personality::Ext4Ordered, 1);
    let options = Options { memtable_bytes: 16 * 1024, background: false, ..Options::default() };
    let engine = Engine::open(world.backend(), options).unwrap();
    put(&engine, b"first", Durability::None).unwrap();
    world.inject(Fault::onward(FaultKind::FlushLost, world.calls()));
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"large", &[7; 8 * 1024]).unwrap();
    let error = transaction.commit_with(Durability::Durable).unwrap_err();
    assert!(matches!(error, Error::WritesStopped { .. }), "{error:?}");
}

#[test]
fn a_full_disk_refuses_commits_before_anything_is_applied_and_lets_them_in_again() {
    let world = Simulation::new(Personality::Ext4Ordered, 1);
    let engine = Engine::open(world.backend(), Options::default()).unwrap();
    put(&engine, b"first", Durability::Durable).unwrap();
    world.set_capacity_bytes(Some(300 * 1024));
    let mut made = 1_u64;
    let error = loop {
        match put(
            &engine,
            &[1, u8::try_from(made / 200).unwrap(), u8::try_from(made % 200).unwrap()],
            Durability::Durable,
        ) {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 5_000, "the disk never got full");
    };
    assert!(is_no_space(&error), "{error:?}");
    assert_eq!(keys(&engine), made, "reads go on, and see what was committed");
    assert!(is_no_space(&put(&engine, b"again", Durability::Durable).unwrap_err()));
    world.set_capacity_bytes(None);
    put(&engine, b"again", Durability::Durable).unwrap();
    assert_eq!(keys(&engine), made + 1);
    drop(engine);
    let engine = Engine::open(world.backend(), Options::default()).unwrap();
    assert_eq!(keys(&engine), made + 1);
}

/// Opens, commits, checkpoints and closes; says which commits were acknowledged as durable.
fn workload(world: &Simulation, acknowledged: &mut u64, started: &mut u64) -> Result<()> {
    let options = Options { memtable_bytes: 16 * 1024, ..Options::default() };
    let engine = Engine::open(world.backend(), options)?;
    let mut failure = None;
    for number in 0..24_u8 {
        *started += 1;
        let done = put(&engine, &[1, number], Durability::Durable);
        // Whatever happened, everything acknowledged is still readable, and a scan is never silently short.
        match engine.snapshot().and_then(|snapshot| snapshot.approximate_count(KeyRange::all())) {
            Ok(count) => assert!(count >= *acknowledged, "{count} of {acknowledged} commits readable"),
            Err(error) => failure = failure.or(Some(error)),
        }
        match done {
            Ok(sequence) => *acknowledged = sequence.0,
            Err(Error::CommitUnknown { .. } | Error::WritesStopped { .. }) => {
                failure = failure.or_else(|| done.err());
                break;
            }
            Err(error) => {
                *started -= 1;
                failure = failure.or(Some(error));
            }
        }
        if number == 12 {
            failure = failure.or(engine.checkpoint().err());
        }
        if number % 5 == 0 {
            failure = failure.or(engine.maintain(2).err());
        }
    }
    let closed = engine.close();
    failure.map_or(closed, Err)
}

#[test]
fn a_fault_at_any_call_loses_nothing_acknowledged() {
    let clean = Simulation::new(Personality::PosixStrict, 3);
    workload(&clean, &mut 0, &mut 0).unwrap();
    let calls = clean.calls();
    let mut runs = 0;
    for kind in [FaultKind::Device, FaultKind::NoSpace] {
        for call in 0..calls {
            for onward in [false, true] {
                let world = Simulation::new(Personality::PosixStrict, 3);
                let fault = if onward { Fault::onward(kind, call) } else { Fault::once(kind, call) };
                world.inject(fault);
                let (mut acknowledged, mut started) = (0, 0);
                let outcome = workload(&world, &mut acknowledged, &mut started);
                let what = format!("{kind:?} at call {call} of {calls}, onward {onward}: {outcome:?}");
                if let Err(Error::Internal { .. } | Error::Corrupt { .. }) = &outcome {
                    panic!("{what}");
                }
                world.clear_faults();
                let crashed = world.crash(Variant(u32::try_from(call).unwrap()));
                for after in [&world, &crashed] {
                    match Engine::open(after.backend(), Options::default()) {
                        Ok(engine) => {
                            let found = engine.last_sequence().0;
                            assert!(found >= acknowledged, "{what}: {found} of {acknowledged} commits found");
                            assert_eq!(keys(&engine), found, "{what}");
                        }
                        Err(error) => panic!("{what}: reopening says {error}"),
                    }
                }
                runs += 1;
            }
        }
    }
    assert!(runs > 300, "{runs} runs");
}

#[test]
fn an_error_names_the_operation_and_the_file() {
    let world = Simulation::new(Personality::Xfs, 1);
    let engine = Engine::open(world.backend(), Options::default()).unwrap();
    put(&engine, b"k", Durability::Durable).unwrap();
    let is_named = |error: &Error, operation, path: &str| matches!(error, Error::Storage(inner) if inner.operation == operation && inner.path.contains(path));
    world.inject(Fault::onward(FaultKind::Device, world.calls()));
    let error = engine.checkpoint().unwrap_err();
    assert!(is_named(&error, Operation::Locate, world.backend().directory.location()), "{error:?}");
    world.clear_faults();
    // What comes between looking at the folder and making the file.
    world.inject(Fault::once(FaultKind::Device, world.calls() + 1));
    let error = engine.checkpoint().unwrap_err();
    assert!(is_named(&error, Operation::Open, "ROOT"), "{error:?}");
    engine.checkpoint().unwrap();
}

fn encrypted() -> Options {
    Options { key: Some(KeySource::raw([4; 32])), ..Options::default() }
}

/// Commits, writes everything under a new key, and goes on. Returns whether the new key came to be, and how many commits are
/// acknowledged.
fn commits_around_a_new_key(world: &Simulation) -> (Result<bool>, u64) {
    let engine = Engine::open(world.backend(), encrypted()).unwrap();
    let mut made = 0;
    let mut several = || {
        for _ in 0..3 {
            made = put(&engine, b"key", Durability::Durable).unwrap().0;
            engine.checkpoint().unwrap();
        }
    };
    several();
    let rekeyed = engine.rekey();
    several();
    (rekeyed, made)
}

/// The write of the slot of ROOT that names a fresh manifest fails although its bytes are there. Records went on in the
/// manifest before, acknowledged commits in log files that only that one listed, and after a crash ROOT named the other.
#[test]
fn a_failed_write_of_root_costs_no_commit_that_is_acknowledged_after_it() {
    let clean = Simulation::new(Personality::PosixStrict, 1);
    assert!(commits_around_a_new_key(&clean).0.unwrap());
    let is_root = |call: &Call| call.operation == Operation::Write && &*call.path == "ROOT";
    let writes = (0..).zip(clean.trace()).filter(|(_, call)| is_root(call)).map(|(number, _)| number);
    let mut struck = 0;
    // The first write makes the database.
    for (call, kind) in writes.skip(1).flat_map(|call| [(call, FaultKind::TornWrite), (call, FaultKind::Device)]) {
        let world = Simulation::new(Personality::PosixStrict, 1);
        world.inject(Fault::once(kind, call));
        let (rekeyed, made) = commits_around_a_new_key(&world);
        assert!(matches!(rekeyed, Err(Error::Storage(_))), "{rekeyed:?}");
        struck += world.faults_struck();
        for variant in 0..16 {
            let engine = Engine::open(world.crash(Variant(variant)).backend(), encrypted()).unwrap();
            assert_eq!(engine.last_sequence().0, made, "{kind:?} at call {call}, variant {variant}");
        }
    }
    assert_eq!(struck, 4, "there are two such writes");
}
