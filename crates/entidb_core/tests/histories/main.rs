//! Random histories of the whole core API against an obviously right model.
//!
//! Always: a history is its seed; a failure prints the line that replays it. After every crash the database is at some
//! commit the model knows, and for durable commits at the last one.
//! Does not know: how anything is stored.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test asserts by panicking"
)]

mod ask;
mod condition;
mod keys;
mod model;
mod play;
mod sample;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Histories of each of the four blocks.
fn histories() -> u64 {
    match std::env::var("ENTIDB_TIER").as_deref() {
        Ok("full") => 12_500,
        Ok("release") => 500_000,
        _ => 500,
    }
}

const STEPS: u64 = 200;

fn run_block(block: u64) {
    if let Ok(seed) = std::env::var("ENTIDB_SEED") {
        play::history(seed.parse().unwrap(), STEPS);
        return;
    }
    let mut questions = ask::Asked::default();
    for number in 0..histories() {
        let seed = block * 1_000_000_000 + number;
        match catch_unwind(AssertUnwindSafe(|| play::history(seed, STEPS))) {
            Ok(asked) => questions += asked,
            Err(payload) => {
                eprintln!("replay: ENTIDB_SEED={seed} cargo test -p entidb_core --test histories");
                std::panic::resume_unwind(payload);
            }
        }
    }
    let ask::Asked { all, by_index } = questions;
    println!("histories {} steps {STEPS} questions {all} of them by index {by_index}", histories());
    // Four blocks together ask more than 20,000 questions of indexes in the quick tier, each also put to the model.
    assert!(by_index > histories() * 10, "only {by_index} of {all} questions were answered by an index");
}

#[test]
fn random_histories_agree_with_the_model_first_block() {
    run_block(1);
}

#[test]
fn random_histories_agree_with_the_model_second_block() {
    run_block(2);
}

#[test]
fn random_histories_agree_with_the_model_third_block() {
    run_block(3);
}

#[test]
fn random_histories_agree_with_the_model_fourth_block() {
    run_block(4);
}
