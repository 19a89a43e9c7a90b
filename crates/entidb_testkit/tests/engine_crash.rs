//! Layers 1 and 2: the engine crashed before every call it makes, and before every call of the recoveries.

use entidb_testkit::Tier;
use entidb_testkit::crash::{CrashTest, Effort};
use entidb_testkit::engine_subject::{EngineSubject, encrypted_options};
use entidb_testkit::workload::Profile;

/// The engine takes a hundred times as long as the toy log for one image, so a quick run looks at fewer.
fn effort() -> Effort {
    let tier = Tier::from_environment();
    Effort { states_max: tier.pick(5_000, 24_000, 400_000), ..Effort::of(tier) }
}

#[test]
fn the_engine_survives_every_crash_on_every_file_system() {
    let subject = EngineSubject::new(Profile::SMALL);
    let summary =
        CrashTest::new("the_engine_survives_every_crash_on_every_file_system", subject).effort(effort()).run();
    summary.row("1, 2 engine, crash states").print();
    assert!(summary.pairs > 0 && summary.triples > 0, "the recoveries were crashed too");
}

#[test]
fn the_engine_survives_every_crash_around_a_recycled_log_file() {
    let name = "the_engine_survives_every_crash_around_a_recycled_log_file";
    let subject = EngineSubject::new(Profile::CUTTING);
    let effort = Effort { states_max: effort().states_max / 2, ..effort() };
    CrashTest::new(name, subject).effort(effort).run().row("1, 2 engine, recycled log").print();
    let encrypted = EngineSubject { options: encrypted_options, ..subject };
    let effort = Effort { seeds: 1, ..effort };
    CrashTest::new(name, encrypted).effort(effort).run().row("1, 2 encrypted, recycled log").print();
    let lying = CrashTest::new(name, subject).effort(effort).on_a_lying_drive();
    lying.run().row("1, 2 lying drive, recycled log").print();
}

#[test]
fn a_log_that_goes_on_in_its_next_file_survives_every_crash() {
    let subject = EngineSubject::new(Profile::GROWING);
    let effort = Effort { seeds: 2, states_max: effort().states_max / 4, ..effort() };
    let test = CrashTest::new("a_log_that_goes_on_in_its_next_file_survives_every_crash", subject);
    test.effort(effort).run().row("1, 2 engine, next log file").print();
}

#[test]
fn range_deletes_survive_every_crash() {
    let subject = EngineSubject::new(Profile::RANGES);
    let effort = Effort { seeds: 1, states_max: effort().states_max / 4, ..effort() };
    CrashTest::new("range_deletes_survive_every_crash", subject).effort(effort).run().row("1, 2 range deletes").print();
}

#[test]
fn the_engine_is_consistent_on_a_lying_drive() {
    let subject = EngineSubject::new(Profile::SMALL);
    let test = CrashTest::new("the_engine_is_consistent_on_a_lying_drive", subject);
    let test = test.effort(Effort { seeds: 1, ..effort() }).on_a_lying_drive();
    test.run().row("1, 2 engine, lying drive").print();
}

#[test]
fn the_encrypted_engine_survives_every_crash() {
    let profile = Profile { keys_change: true, ..Profile::SMALL };
    let subject = EngineSubject { options: encrypted_options, ..EngineSubject::new(profile) };
    let test = CrashTest::new("the_encrypted_engine_survives_every_crash", subject);
    test.effort(Effort { seeds: 1, ..effort() }).run().row("1, 2 encrypted, crash states").print();
}
