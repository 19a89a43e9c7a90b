//! Layers 1 and 2: the engine crashed before every call it makes, and before every call of the recoveries.

use entidb_testkit::crash::CrashTest;
use entidb_testkit::engine_subject::EngineSubject;
use entidb_testkit::workload::Profile;

#[test]
fn the_engine_survives_every_crash_on_every_file_system() {
    let subject = EngineSubject::new(Profile::SMALL);
    let summary = CrashTest::new("the_engine_survives_every_crash_on_every_file_system", subject).run();
    summary.row("1, 2 engine, crash states").print();
    assert!(summary.pairs > 0 && summary.triples > 0, "the recoveries were crashed too");
}

#[test]
fn the_engine_is_consistent_on_a_lying_drive() {
    let subject = EngineSubject::new(Profile::SMALL);
    let test = CrashTest::new("the_engine_is_consistent_on_a_lying_drive", subject).on_a_lying_drive();
    test.run().row("1, 2 engine, lying drive").print();
}
