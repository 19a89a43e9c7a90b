//! Layers 3 and 4: every call of the engine fails in every way it can, under every law of the cache.

use entidb_testkit::engine_subject::EngineSubject;
use entidb_testkit::sweep::FaultSweep;
use entidb_testkit::workload::Profile;

#[test]
fn the_engine_endures_every_fault_at_every_call() {
    let subject = EngineSubject::new(Profile { durable_only: true, ..Profile::SMALL });
    let sweep = FaultSweep::new("the_engine_endures_every_fault_at_every_call", subject);
    sweep.run().row("3, 4 engine, faults").print();
}
