//! Layer 24: the engine is told to make a mistake, and the crash test, the fault sweep or the histories must see it.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use entidb_engine::planted::{Mistake, plant};
use entidb_engine::{Durability, Engine, Error, KeySource, Options};
use entidb_storage::Backend;
use entidb_storage::simulated::{Fault, FaultKind, Personality, Simulation, Variant};
use entidb_testkit::crash::{CrashTest, Effort};
use entidb_testkit::engine_subject::{EngineSubject, encrypted_options, judge_error};
use entidb_testkit::full_disk::{
    Cycled, Filling, FullDisk, IN_VAIN_MAX, Scarcity, SmallDisk, ask_beside_unreadable, begun_in_vain,
    close_without_room, flushes_without_room, written_for_refused,
};
use entidb_testkit::history::History;
use entidb_testkit::model::Contents;
use entidb_testkit::sweep::FaultSweep;
use entidb_testkit::workload::{Profile, Step};
use entidb_testkit::{Journal, Row, Stop, Subject, expiry};

/// Those a crash shows.
const BY_CRASH: [Mistake; 22] = [
    Mistake::LogNotFlushed,
    Mistake::LogNameNotFlushed,
    Mistake::LogEndNotFlushed,
    Mistake::DurableMarkTooHigh,
    Mistake::ChecksumIgnored,
    Mistake::TornEndKept,
    Mistake::ManifestNotFlushed,
    Mistake::ManifestNameNotFlushed,
    Mistake::ManifestRecordNotFlushed,
    Mistake::RootNotFlushed,
    Mistake::RootNameNotFlushed,
    Mistake::OlderRootWins,
    Mistake::TrimBeforeManifest,
    Mistake::LogGoneBeforeInstall,
    Mistake::SegmentsGoneBeforeInstall,
    Mistake::SegmentNotFlushed,
    Mistake::SegmentNamesNotFlushed,
    Mistake::FloorTooHigh,
    Mistake::IngestLogGoesOn,
    Mistake::IngestFloorTooLow,
    Mistake::RangeDeleteNotReplayed,
    Mistake::SequenceGivenTwice,
];

/// Those that need a fault.
const BY_FAULT: [(Mistake, FaultKind); 4] = [
    (Mistake::LogFlushRetried, FaultKind::FlushLost),
    (Mistake::UnknownIsSuccess, FaultKind::FlushLost),
    (Mistake::VisibleBeforeDurable, FaultKind::FlushLost),
    (Mistake::ReadErrorIsZeros, FaultKind::Device),
];

/// Those that need a fault while keys are changed.
const BY_REKEYING: [(Mistake, FaultKind); 3] = [
    (Mistake::RootFailureForgotten, FaultKind::TornWrite),
    (Mistake::RootFoundIsFlushed, FaultKind::FlushLost),
    (Mistake::KeyringFoundIsFlushed, FaultKind::TornWrite),
];

/// Those that a disk shows which fills and empties.
const BY_FILLING: [Mistake; 3] = [Mistake::ReserveKept, Mistake::ReserveNotMadeAgain, Mistake::RemovedAfterMerging];

/// Those that give wrong answers, or take more than their bound, without any of these.
const BY_HISTORY: [Mistake; 11] = [
    Mistake::InsertedPastItsLeaf,
    Mistake::InsertedByOldWay,
    Mistake::OpenFilesUnbounded,
    Mistake::SnapshotsForgotten,
    Mistake::RemovedWhileRead,
    Mistake::RangeDeleteNotWritten,
    Mistake::RangeStatesDroppedEarly,
    Mistake::DeletesDroppedEarly,
    Mistake::CounterBaseLost,
    Mistake::SavepointKeepsOne,
    Mistake::IngestOverMemtables,
];

/// Mistakes only a workload shows whose log is cut again and again.
const BY_CUTTING: [Mistake; 4] = [
    Mistake::RecycledHeaderNotFlushed,
    Mistake::RecycledNameNotFlushed,
    Mistake::RecycledHeaderKept,
    Mistake::RecycledBeforeInstall,
];

/// The engine, with a mistake in every run and recovery.
#[derive(Debug, Clone, Copy)]
struct Mistaken {
    mistake: Option<Mistake>,
    engine: EngineSubject,
}

impl Subject for Mistaken {
    type Operation = Step;
    type State = Contents;

    fn operations(&self, seed: u64) -> Vec<Step> {
        self.engine.operations(seed)
    }

    fn model(&self, operations: &[Step]) -> Contents {
        self.engine.model(operations)
    }

    fn run(&self, backend: &Backend, operations: &[Step], journal: &Journal) -> Result<(), Stop> {
        plant(self.mistake);
        let result = self.engine.run(backend, operations, journal);
        plant(None);
        result
    }

    fn recover(&self, backend: &Backend) -> Result<Contents, Stop> {
        plant(self.mistake);
        let result = self.engine.recover(backend);
        plant(None);
        result
    }
}

/// Everything in turn.
const MIXED: Profile = Profile { upkeep_one_in: 3, ..Profile::SMALL };

/// The test that has to see the mistakes, for an engine that makes this one or none.
fn crash_test(name: &str, mistake: Option<Mistake>, profile: Profile, seeds: u64) -> CrashTest<Mistaken> {
    let engine = EngineSubject::new(profile);
    let effort = Effort { seeds, variants: 16, second_one_in: 0, third_one_in: 0, states_max: 600 };
    let test = CrashTest::new(name, Mistaken { mistake, engine });
    test.personalities(&[Personality::PosixStrict]).effort(effort).without_shrinking()
}

#[test]
fn without_a_mistake_the_same_test_passes() {
    crash_test("without_a_mistake_the_same_test_passes", None, MIXED, 24).run();
    crash_test("without_a_mistake_the_same_test_passes", None, Profile::CUTTING, 8).run();
}

#[test]
fn every_planted_mistake_that_a_crash_shows_is_caught() {
    let mut row = Row { layer: "24 planted, by crash".to_owned(), ..Row::default() };
    let mut missed = Vec::new();
    let mixed = BY_CRASH.map(|mistake| (mistake, MIXED, 24));
    let cutting = BY_CUTTING.map(|mistake| (mistake, Profile::CUTTING, 8));
    for (mistake, profile, seeds) in mixed.into_iter().chain(cutting) {
        let test = crash_test("every_planted_mistake_that_a_crash_shows_is_caught", Some(mistake), profile, seeds);
        row.cases += 1;
        if let Ok(summary) = test.check() {
            row.failures += 1;
            missed.push((mistake, summary));
        }
    }
    row.print();
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

/// The process ends, and only after the next one has gone on the power fails. True when all commits are there then.
fn survives_a_killed_process(mistake: Option<Mistake>) -> bool {
    let options = || Options { background: false, ..Options::default() };
    let put = |engine: &Engine, number: u8, durability: Durability| {
        let mut transaction = engine.begin_write()?;
        transaction.put(&[number], &[number; 300])?;
        transaction.commit_with(durability)
    };
    let survives = |variant: u32| {
        let world = Simulation::new(Personality::PosixStrict, 7);
        let engine = Engine::open(world.backend(), options())?;
        for number in 1..4 {
            put(&engine, number, Durability::Grouped { interval_ms: 60_000 })?;
        }
        drop(engine);
        let engine = Engine::open(world.backend(), options())?;
        let last = put(&engine, 4, Durability::Durable)?;
        let crashed = world.crash(Variant(variant));
        drop(engine);
        Engine::open(crashed.backend(), options()).map(|engine| engine.last_sequence() == last)
    };
    plant(mistake);
    let survived = (0..Variant::DIRECTED).all(|variant| survives(variant).unwrap_or(false));
    plant(None);
    survived
}

#[test]
fn a_mistake_that_only_a_second_process_shows_is_caught() {
    assert!(survives_a_killed_process(None));
    assert!(!survives_a_killed_process(Some(Mistake::FoundIsFlushed)));
}

/// A merge is recorded after a commit that was not to be flushed made the log go on in its next file, and the power fails.
/// True when the database opens then.
fn opens_after_a_merge_beside_an_unflushed_end(mistake: Option<Mistake>) -> bool {
    let options = || Options { background: false, wal_bytes: 64 << 10, auto_checkpoint: false, ..Options::default() };
    let put = |engine: &Engine, number: u8, bytes: usize, durability: Durability| {
        let mut transaction = engine.begin_write()?;
        transaction.put(&[1, number], &vec![number; bytes])?;
        transaction.commit_with(durability)
    };
    let opens = |variant: u32| {
        let world = Simulation::new(Personality::PosixStrict, 7);
        let engine = Engine::open(world.backend(), options())?;
        for number in 1..5 {
            put(&engine, number, 300, Durability::Durable)?;
            engine.checkpoint()?;
        }
        let (before, files) = (engine.stats().compactions, engine.stats().wal_files);
        // The second finds the file full; each of the next does a piece of the merge.
        for (number, bytes) in (5..).zip([50_000, 50_000, 100, 100, 100]) {
            put(&engine, number, bytes, Durability::Grouped { interval_ms: 60_000 })?;
        }
        let stats = engine.stats();
        assert!(stats.compactions > before && stats.wal_files > files, "the test shows nothing: {stats:?}");
        let crashed = world.crash(Variant(variant));
        drop(engine);
        Engine::open(crashed.backend(), options()).map(|engine| engine.last_sequence().0 >= 4)
    };
    plant(mistake);
    let opened = (0..Variant::DIRECTED).all(|variant| opens(variant).unwrap_or(false));
    plant(None);
    opened
}

#[test]
fn an_end_that_is_listed_before_it_is_flushed_is_caught() {
    assert!(opens_after_a_merge_beside_an_unflushed_end(None));
    assert!(!opens_after_a_merge_beside_an_unflushed_end(Some(Mistake::UnflushedEndListed)));
}

#[test]
fn every_planted_mistake_that_a_fault_shows_is_caught() {
    let mut row = Row { layer: "24 planted, by fault".to_owned(), ..Row::default() };
    let mut missed = Vec::new();
    let durable = Profile { durable_only: true, ..Profile::SMALL };
    let plain = EngineSubject { compare_always: true, ..EngineSubject::new(durable) };
    let rekeying = EngineSubject { options: encrypted_options, ..EngineSubject::new(Profile::REKEYING) };
    let by_fault = BY_FAULT.map(|(mistake, kind)| (mistake, kind, plain));
    let by_rekeying = BY_REKEYING.map(|(mistake, kind)| (mistake, kind, rekeying));
    for (mistake, kind, engine) in by_fault.into_iter().chain(by_rekeying) {
        let subject = Mistaken { mistake: Some(mistake), engine };
        let sweep = FaultSweep::new("every_planted_mistake_that_a_fault_shows_is_caught", subject);
        row.cases += 1;
        // It ends with the first seed that shows the mistake; which one that is depends on what else draws numbers.
        if let Ok(summary) = sweep.kinds(&[kind]).seeds(60).expect_errors(judge_error).check() {
            row.failures += 1;
            missed.push((mistake, summary));
        }
    }
    row.print();
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn every_planted_mistake_that_a_history_shows_is_caught() {
    let mut row = Row { layer: "24 planted, by history".to_owned(), ..Row::default() };
    let mut missed = Vec::new();
    for mistake in BY_HISTORY {
        row.cases += 1;
        plant(Some(mistake));
        let history = |seed| History::new(seed, Profile::LONG);
        let caught =
            (0..40).any(|seed| history(seed).run().is_err() || history(seed).with_long_readers().run().is_err());
        plant(None);
        if !caught {
            row.failures += 1;
            missed.push(mistake);
        }
    }
    row.print();
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn every_planted_mistake_about_what_expires_is_caught() {
    for mistake in [Mistake::WatermarkOfNewest, Mistake::WatermarkNotDurable, Mistake::WatermarkOfLog] {
        plant(Some(mistake));
        let caught = (0..200).any(|seed| expiry::history(seed, 300).is_err());
        plant(None);
        assert!(caught, "not caught: {mistake:?}");
    }
}

/// The most memory that a small database counts at a time, whose cache is full when what is written needs its room.
fn most_memory(mistake: Option<Mistake>) -> u64 {
    let options = Options { memory_bytes: MEMORY_BYTES, background: false, ..Options::default() };
    let engine = Engine::open(Backend::memory(), options).unwrap();
    let key = |number: u32| [&[1][..], &number.wrapping_mul(0x9e37_79b1).to_be_bytes()].concat();
    let mut most = 0;
    plant(mistake);
    for round in 0..2 {
        for batch in 0..40 {
            let mut transaction = engine.begin_write().unwrap();
            (0..250).for_each(|number| transaction.put(&key(batch * 250 + number), &[round; 200]).unwrap());
            transaction.commit_with(Durability::None).unwrap();
            most = most.max(engine.stats().memory.total());
        }
        engine.checkpoint().unwrap();
        let snapshot = engine.snapshot().unwrap();
        (0..10_000).step_by(3).for_each(|number| drop(snapshot.get(&key(number)).unwrap()));
        most = most.max(engine.stats().memory.total());
    }
    plant(None);
    most
}

/// The budget of the test above.
const MEMORY_BYTES: u64 = 1 << 20;

#[test]
fn blocks_that_keep_their_memory_are_caught() {
    let (sound, mistaken) = (most_memory(None), most_memory(Some(Mistake::BlocksKept)));
    assert!(sound <= MEMORY_BYTES && mistaken > MEMORY_BYTES / 20 * 21, "{sound} {mistaken}");
}

/// Fills and empties a small disk so often that each way of emptying it comes up.
fn cycles_of(mistake: Option<Mistake>, seed: u64) -> Result<Cycled, String> {
    let (world, disk) = SmallDisk::simulated(3 << 20, seed);
    plant(mistake);
    let cycled = FullDisk::new(&disk, Filling::SMALL, seed).and_then(|mut full| {
        (0..4).try_for_each(|cycle| full.cycle(cycle))?;
        (0..4).try_for_each(|cycle| full.sudden_cycle(cycle, 1))?;
        full.starve(&world)?;
        Ok(full.done())
    });
    plant(None);
    cycled
}

#[test]
fn every_planted_mistake_that_a_full_disk_shows_is_caught() {
    let mut row = Row { layer: "24 planted, by filling".to_owned(), ..Row::default() };
    let mut missed = Vec::new();
    println!("without one: {:?}", cycles_of(None, 1).unwrap());
    for mistake in BY_FILLING {
        row.cases += 1;
        match (1..3).find_map(|seed| cycles_of(Some(mistake), seed).err()) {
            Some(wrong) => println!("{mistake:?}: {}", wrong.lines().next().unwrap_or_default()),
            None => {
                row.failures += 1;
                missed.push((mistake, cycles_of(Some(mistake), 1)));
            }
        }
    }
    row.print();
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn work_without_room_that_never_rests_and_a_manifest_without_room_are_caught() {
    let with = |mistake| {
        plant(mistake);
        let found = (begun_in_vain(1), close_without_room(1));
        plant(None);
        found
    };
    let (sound, closed) = with(None);
    assert!(sound.as_ref().is_ok_and(|begun| *begun <= IN_VAIN_MAX) && closed.is_ok(), "{sound:?} {closed:?}");
    let (restless, _) = with(Some(Mistake::NoRest));
    assert!(restless.as_ref().is_ok_and(|begun| *begun > 2 * IN_VAIN_MAX), "{restless:?}");
    let (_, closed) = with(Some(Mistake::ManifestTailNotKept));
    assert!(closed.is_err());
}

#[test]
fn what_is_written_again_and_again_on_a_full_disk_is_caught() {
    let is_caught = |mistake, scarcity, seed| {
        plant(mistake);
        let refused = written_for_refused(scarcity, seed);
        plant(None);
        println!("{mistake:?}, {scarcity:?}: {}", refused.as_ref().map_or_else(Clone::clone, ToString::to_string));
        refused.is_ok_and(|refused| refused.is_too_much())
    };
    for (mistake, scarcity) in [
        (Mistake::NoRest, Scarcity::Stuck),
        (Mistake::FlushedForEachRefusal, Scarcity::Stuck),
        (Mistake::ReserveTakesPromised, Scarcity::MergeTooLarge),
    ] {
        assert!(!is_caught(None, scarcity, 1));
        assert!((1..4).any(|seed| is_caught(Some(mistake), scarcity, seed)), "not caught: {mistake:?}");
    }
}

#[test]
fn an_unreadable_segment_that_ends_a_commit_on_a_full_disk_is_caught() {
    let ask = |mistake| {
        plant(mistake);
        let asked = (1..3).try_for_each(ask_beside_unreadable);
        plant(None);
        asked
    };
    ask(None).unwrap();
    assert!(ask(Some(Mistake::UnreadableEndsCommit)).is_err());
}

/// Adds a second key to a database on a disk without any room that copies overwrites, or whose device fails once. True when it is
/// told as it is: refused when the key opens nothing, and done, or half done, when it opens.
fn tells_how_keys_are(mistake: Option<Mistake>, fails_at: Option<u64>) -> (bool, bool) {
    let second = || KeySource::raw([2; 32]);
    let open = |backend: Backend, key: KeySource| {
        let key = Some(key);
        Engine::open(backend, Options { key, background: false, memtable_bytes: 64 << 10, ..encrypted_options() })
    };
    let world = Simulation::new(Personality::Ext4Ordered, 3);
    world.set_capacity_bytes(Some(4 << 20));
    world.set_copies_overwrites(true);
    let engine = open(world.backend(), KeySource::raw([1; 32])).unwrap();
    while engine.maintain(16).unwrap() {}
    match fails_at {
        Some(call) => world.inject(Fault::once(FaultKind::Device, world.calls() + call)),
        None => world.set_capacity_bytes(Some(world.used_bytes())),
    }
    plant(mistake);
    let added = engine.add_key(&KeySource::raw([1; 32]), &second());
    plant(None);
    world.clear_faults();
    drop(engine);
    world.set_capacity_bytes(None);
    let opens = open(world.backend(), second()).is_ok();
    let is_told = match &added {
        Ok(()) | Err(Error::KeyringHalfWritten { is_made: true, .. }) => opens,
        Err(_) => !opens,
    };
    (is_told, added.is_ok())
}

#[test]
fn keys_that_change_in_part_or_without_the_reserve_are_caught() {
    let by_fault = |mistake| (0..16).all(|call| tells_how_keys_are(mistake, Some(call)).0);
    assert!(by_fault(None));
    assert!(!by_fault(Some(Mistake::KeyringHalfForgotten)));
    assert_eq!(tells_how_keys_are(None, None), (true, true));
    assert_eq!(tells_how_keys_are(Some(Mistake::KeyringWithoutReserve), None), (true, false));
}

#[test]
fn a_flush_that_found_no_room_and_is_made_again_is_caught() {
    let loses = |mistake| {
        plant(mistake);
        let found = (0..40).find_map(|seed| flushes_without_room(seed).err());
        plant(None);
        found
    };
    assert_eq!(loses(None), None);
    assert!(loses(Some(Mistake::LogFlushRetried)).is_some() || loses(Some(Mistake::UnknownIsSuccess)).is_some());
}

#[test]
fn overwrites_that_find_no_room_and_are_given_up_are_caught() {
    let cycles = |mistake| {
        let (world, disk) = SmallDisk::simulated(3 << 20, 1);
        world.set_copies_overwrites(true);
        plant(mistake);
        let cycled = FullDisk::new(&disk, Filling::SMALL, 1)
            .and_then(|mut full| (0..4).try_for_each(|cycle| full.sudden_cycle(cycle, 20)));
        plant(None);
        cycled
    };
    cycles(None).unwrap();
    assert!(cycles(Some(Mistake::OverwriteGivenUp)).is_err());
}
