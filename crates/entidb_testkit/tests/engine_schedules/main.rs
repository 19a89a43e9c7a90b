//! Layer 13: the engine's threads under a deterministic scheduler, with the power failing beside them.
//!
//! Runs under `RUSTFLAGS="--cfg shuttle"` alone: `cargo xtask test --only schedules`. A run that fails prints the seed
//! that replays it.

#![cfg(shuttle)]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test asserts by panicking")]

mod machine;
mod play;

use entidb_engine::planted::{Mistake, plant};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entidb_testkit::workload::Profile;
use entidb_testkit::{Row, Tier, seed_from_environment};
use parking_lot::Mutex;
use play::{Device, Reached, Shape, play};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// A thread's stack: recovery and merging need more than the scheduler's default.
const STACK_BYTES: usize = 1 << 20;
/// Steps after which a run counts as one that never ends.
const STEPS_MAX: usize = 5_000_000;
/// Changes of priority in a run of the second scheduler, which lets one thread run for long.
const PREEMPTIONS: usize = 5;

const SHAPE: Shape = Shape {
    profile: Profile { steps: 14, keys: 12, upkeep_one_in: 0, ..Profile::LONG },
    writers: 2,
    device: Device::Large,
    faults: false,
    encrypted: false,
    range_deletes: 0,
    closes: false,
};

/// Plays runs of a shape, half of them with threads that take turns at random, half with threads that run for long.
fn schedules(layer: &str, count: u64, shape: Shape) -> Reached {
    let clock = entidb_storage::SystemClock;
    let start = entidb_storage::Clock::monotonic_nanos(&clock);
    let sum = Arc::new(Mutex::new(Reached::default()));
    for seed in (0..count).map(|index| seed_from_environment().wrapping_add(index)) {
        let ended = Arc::new(AtomicBool::new(false));
        let shown = Shown { seed, ended: Arc::clone(&ended) };
        let total = Arc::clone(&sum);
        let run = move || {
            let reached = play(seed, shape);
            *total.lock() += reached;
        };
        let mut config = Config::new();
        config.stack_size = STACK_BYTES;
        config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
        config.failure_persistence = FailurePersistence::None;
        config.silence_warnings = true;
        if seed % 2 == 0 {
            Runner::new(RandomScheduler::new_from_seed(seed, 1), config).run(run);
        } else {
            Runner::new(PctScheduler::new_from_seed(seed, PREEMPTIONS, 1), config).run(run);
        }
        ended.store(true, Ordering::Relaxed);
        drop(shown);
    }
    let reached = *sum.lock();
    let seconds = std::time::Duration::from_nanos(entidb_storage::Clock::monotonic_nanos(&clock) - start).as_secs_f64();
    Row {
        layer: layer.to_owned(),
        cases: count,
        states: reached.images + reached.snapshots,
        seconds,
        ..Row::default()
    }
    .print();
    println!("{reached:?}");
    assert!(reached.commits > 0 && reached.images > 0 && reached.flushes > 0, "the runs reached nothing: {reached:?}");
    reached
}

/// Names the seed of a run that did not end well.
struct Shown {
    seed: u64,
    ended: Arc<AtomicBool>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Relaxed) {
            eprintln!("replay with ENTIDB_SEED={}", self.seed);
        }
    }
}

/// A mistake that only threads show must be seen.
fn is_caught(mistake: Mistake, shape: Shape, count: u64) {
    plant(Some(mistake));
    let caught = std::panic::catch_unwind(|| schedules("24 planted, schedules", count, shape));
    plant(None);
    assert!(caught.is_err(), "{mistake:?} was not seen in {count} runs");
}

fn count(quick: u64) -> u64 {
    Tier::from_environment().pick(quick, quick * 50, quick * 500)
}

#[test]
fn writers_readers_and_workers_agree_in_every_order() {
    let reached = schedules("13 schedules", count(200), SHAPE);
    assert!(reached.compactions > 0, "nothing was merged: {reached:?}");
}

#[test]
fn encrypted_databases_do_while_keys_are_rotated() {
    schedules("13 schedules, encrypted", count(80), Shape { encrypted: true, ..SHAPE });
}

#[test]
fn a_device_that_fills_loses_nothing_that_was_promised() {
    let shape = Shape { device: Device::Small, ..SHAPE };
    let runs = count(40);
    let reached = schedules("13 schedules, full device", runs, shape);
    assert!(reached.refused > runs, "the device was hardly ever full: {reached:?}");
}

/// A transaction that became segments found no room for its record in the manifest, and stopped writing.
#[test]
fn a_device_that_fills_and_empties_loses_nothing_and_writing_goes_on() {
    let shape = Shape { device: Device::Changing, ..SHAPE };
    let runs = count(40);
    let reached = schedules("13 schedules, changing device", runs, shape);
    assert!(reached.refused > runs && reached.emptied > 0, "the device was hardly ever full: {reached:?}");
}

#[test]
fn a_record_that_found_no_room_and_is_doubted_is_caught() {
    is_caught(Mistake::UnwrittenRecordDoubted, Shape { device: Device::Changing, ..SHAPE }, 2_000);
}

#[test]
fn a_device_that_fails_loses_nothing_that_was_promised() {
    let reached = schedules("13 schedules, faults", count(200), Shape { faults: true, ..SHAPE });
    assert!(reached.refused > 0, "nothing ever failed: {reached:?}");
}

#[test]
fn a_device_that_fails_while_keys_are_rotated_does_not_either() {
    schedules("13 schedules, encrypted, faults", count(50), Shape { faults: true, encrypted: true, ..SHAPE });
}

#[test]
fn many_range_deletes_do() {
    schedules("13 schedules, range deletes", count(30), Shape { range_deletes: 150, ..SHAPE });
}

/// Found here first: `checkpoint` lets the log go on in a new file while a switch is written, and the file that ended then,
/// which held no commit, was removed although the manifest had just listed it. The next open called it missing.
#[test]
fn a_listed_file_that_is_forgotten_is_caught() {
    is_caught(Mistake::ListedFileForgotten, Shape { encrypted: true, ..SHAPE }, 2_000);
}

/// More writers than a flush is held back for, with keys that are rotated beside them.
#[test]
fn writers_who_share_flushes_end_while_keys_are_rotated() {
    let profile = Profile { steps: 8, ..SHAPE.profile };
    schedules("13 schedules, shared flushes", count(40), Shape { profile, writers: 4, encrypted: true, ..SHAPE });
}

#[test]
fn a_flush_that_is_held_back_and_begun_by_nobody_is_caught() {
    let profile = Profile { steps: 8, ..SHAPE.profile };
    is_caught(Mistake::HeldFlushForgotten, Shape { profile, writers: 4, ..SHAPE }, 200);
}

/// A keyring that was being changed, or a log file that was being made, was written to when the folder was given back.
#[test]
fn a_database_that_is_closed_beside_everything_is_left_alone_and_whole() {
    schedules("13 schedules, close", count(60), Shape { closes: true, ..SHAPE });
    schedules("13 schedules, close, encrypted", count(60), Shape { closes: true, encrypted: true, ..SHAPE });
}

/// Two writers whose log goes on in its next file again and again, by itself, by checkpoints and with memtables flushed,
/// merges and files removed beside it.
const GROWING: Shape = Shape { profile: Profile { steps: 50, ..Profile::GROWING }, ..SHAPE };

#[test]
fn a_log_that_goes_on_in_its_next_file_loses_nothing_in_any_order() {
    schedules("13 schedules, next log file", count(30), GROWING);
}
