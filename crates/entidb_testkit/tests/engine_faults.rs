//! Layers 3 and 4: every call of the engine fails in every way it can, under every law of the cache.

use entidb_storage::simulated::FaultKind;
use entidb_testkit::engine_subject::{EngineSubject, encrypted_options, judge_error};
use entidb_testkit::sweep::FaultSweep;
use entidb_testkit::workload::Profile;

#[test]
fn the_engine_endures_every_fault_at_every_call() {
    let subject = EngineSubject::new(Profile { durable_only: true, ..Profile::SMALL });
    let sweep = FaultSweep::new("the_engine_endures_every_fault_at_every_call", subject);
    sweep.expect_errors(judge_error).run().row("3, 4 engine, faults").print();
}

#[test]
fn the_encrypted_engine_endures_failed_flushes_and_devices() {
    let profile = Profile { durable_only: true, ..Profile::SMALL };
    let subject = EngineSubject { options: encrypted_options, ..EngineSubject::new(profile) };
    let sweep = FaultSweep::new("the_encrypted_engine_endures_failed_flushes_and_devices", subject);
    let kinds = [FaultKind::Device, FaultKind::FlushLost, FaultKind::NoSpaceAtFlush, FaultKind::ShortRead];
    sweep.kinds(&kinds).seeds(1).expect_errors(judge_error).run().row("3, 4 encrypted, faults").print();
}

/// Data keys change, so ROOT and the keyring are written all the time: a write of them that fails half-way leaves it open
/// what is on the disk, and everything that follows must be right for both.
#[test]
fn the_engine_endures_failed_writes_and_flushes_while_its_keys_change() {
    let subject = EngineSubject { options: encrypted_options, ..EngineSubject::new(Profile::REKEYING) };
    let sweep = FaultSweep::new("the_engine_endures_failed_writes_and_flushes_while_its_keys_change", subject);
    let kinds = [FaultKind::TornWrite, FaultKind::FlushLost];
    sweep.kinds(&kinds).seeds(2).expect_errors(judge_error).run().row("3, 4 rekeying, faults").print();
}
