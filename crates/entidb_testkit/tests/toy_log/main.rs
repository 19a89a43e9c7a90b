//! The harness proves itself on a small log: the right one passes on every file system, each of its planted bugs is caught.

mod bug;
#[expect(clippy::indexing_slicing, reason = "the toy parses records whose length it has just checked")]
mod log;

use bug::Bug;
use entidb_storage::Backend;
use entidb_storage::simulated::{Dice, Personality};
use entidb_testkit::crash::{CrashTest, Effort};
use entidb_testkit::sweep::FaultSweep;
use entidb_testkit::{Journal, Stop, Subject, Tier};
use log::{Log, LogError};

/// The log as the harness sees it.
#[derive(Debug, Clone, Copy)]
struct ToyLog {
    bug: Option<Bug>,
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Vec<u8>>),
    Compact,
    Reopen,
}

impl Subject for ToyLog {
    type Operation = Step;
    type State = Vec<Vec<u8>>;

    fn operations(&self, seed: u64) -> Vec<Step> {
        let mut dice = Dice::new(seed);
        let mut step = |_| match dice.below(8) {
            0 => Step::Compact,
            1 => Step::Reopen,
            _ => {
                let count = 1 + dice.below(3);
                let mut record = |_| {
                    let len = if dice.once_in(4) { 400 + dice.below(300) } else { 1 + dice.below(30) };
                    vec![u8::try_from(1 + dice.below(255)).unwrap_or(1); usize::try_from(len).unwrap_or(1)]
                };
                Step::Append((0..count).map(&mut record).collect())
            }
        };
        (0..10).map(&mut step).collect()
    }

    fn model(&self, operations: &[Step]) -> Vec<Vec<u8>> {
        let batches =
            operations.iter().filter_map(|step| if let Step::Append(batch) = step { Some(batch) } else { None });
        batches.flatten().cloned().collect()
    }

    fn run(&self, backend: &Backend, operations: &[Step], journal: &Journal) -> Result<(), Stop> {
        let mut log = Log::open(backend, self.bug)?;
        for step in operations {
            journal.start();
            let before = log.records().to_vec();
            let result = match step {
                Step::Append(batch) => log.append(batch),
                Step::Compact => log.compact(),
                Step::Reopen => {
                    drop(log);
                    log = Log::open(backend, self.bug)?;
                    Ok(())
                }
            };
            match (result, step) {
                (Ok(()), _) => journal.acknowledge(),
                (Err(LogError::Stopped), _) => journal.refuse(),
                (Err(_), _) => journal.doubt(),
            }
            // Reads go on, whatever failed.
            let expected = match step {
                Step::Append(batch) if journal.fates().last() == Some(&entidb_testkit::Fate::Acknowledged) => {
                    [before, batch.clone()].concat()
                }
                _ => before,
            };
            if !matches!(step, Step::Reopen) && log.records() != expected {
                return Err(Stop::Wrong(format!("the log shows {:?}", log.records())));
            }
        }
        Ok(())
    }

    fn recover(&self, backend: &Backend) -> Result<Vec<Vec<u8>>, Stop> {
        Ok(Log::open(backend, self.bug)?.records().to_vec())
    }
}

#[test]
fn the_right_log_survives_every_crash_on_every_file_system() {
    let summary = CrashTest::new("the_right_log_survives_every_crash_on_every_file_system", ToyLog { bug: None }).run();
    summary.row("toy log, crashes").print();
    assert!(summary.pairs > 0 && summary.triples > 0, "the recoveries were crashed too");
}

#[test]
fn the_right_log_is_consistent_on_a_lying_drive() {
    let test = CrashTest::new("the_right_log_is_consistent_on_a_lying_drive", ToyLog { bug: None }).on_a_lying_drive();
    test.run().row("toy log, lying drive").print();
}

#[test]
fn the_right_log_endures_every_fault_at_every_call() {
    let sweep = FaultSweep::new("the_right_log_endures_every_fault_at_every_call", ToyLog { bug: None });
    sweep.run().row("toy log, faults").print();
}

#[test]
fn every_planted_bug_that_a_crash_shows_is_caught_and_shrunk() {
    for bug in Bug::BY_CRASH {
        let test =
            CrashTest::new("every_planted_bug_that_a_crash_shows_is_caught_and_shrunk", ToyLog { bug: Some(bug) });
        let failure = test.check().expect_err(&format!("{bug:?} was not caught"));
        assert!(failure.place.kept.len() <= 3, "{bug:?} was not shrunk: {failure}");
        let again = failure.place.to_string().parse::<entidb_testkit::crash::Place>().map(|place| test.replay(&place));
        assert_eq!(again, Ok(Some(failure)), "{bug:?} does not replay");
    }
}

#[test]
fn every_planted_bug_that_a_fault_shows_is_caught() {
    for bug in Bug::BY_FAULT {
        let sweep = FaultSweep::new("every_planted_bug_that_a_fault_shows_is_caught", ToyLog { bug: Some(bug) });
        let report = sweep.seeds(8).check().expect_err(&format!("{bug:?} was not caught"));
        assert!(report.contains("replay: ENTIDB_FAULT="), "{report}");
    }
}

#[test]
fn the_harness_is_fast_enough_to_be_thorough() {
    let effort = Effort {
        seeds: Tier::from_environment().pick(1, 16, 16),
        second_one_in: 8,
        third_one_in: 16,
        ..Effort::of(Tier::Quick)
    };
    let test = CrashTest::new("the_harness_is_fast_enough_to_be_thorough", ToyLog { bug: None }).effort(effort);
    let summary = test.personalities(&[Personality::PosixStrict]).run();
    summary.row(&format!("toy log, {:.0} states a second", summary.states_per_second())).print();
    // No clock decides in a quick run; an optimised one must hold the floor of the design.
    if !cfg!(debug_assertions) && Tier::from_environment() > Tier::Quick {
        assert!(summary.states_per_second() >= 20_000.0, "{summary:?}");
    }
}
