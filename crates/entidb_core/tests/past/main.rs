//! Random histories of the past: earlier commits, versions of entities and the feed, while collections come, are emptied,
//! renamed, dropped and made again, in transactions with savepoints, under limits that change with each opening, through
//! trims, merges, crashes and copies.
//!
//! Always: a history is its seed. Every answer about the past is what the model says, and a gap is told exactly when what is asked
//! for is not kept. Does not know: queries and indexes of now (`histories`).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "a test asserts by panicking")]

mod model;
mod play;

use std::panic::{AssertUnwindSafe, catch_unwind};

const STEPS: u64 = 120;

fn histories() -> u64 {
    match std::env::var("ENTIDB_TIER").as_deref() {
        Ok("full") => 4_000,
        Ok("release") => 100_000,
        _ => 12,
    }
}

fn block(number: u64) {
    if let Ok(seed) = std::env::var("ENTIDB_SEED") {
        play::history(seed.parse().unwrap(), STEPS);
        return;
    }
    for seed in (0..histories()).map(|seed| number * 1_000_000_000 + seed) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| play::history(seed, STEPS))) {
            eprintln!("replay: ENTIDB_SEED={seed} cargo test -p entidb_core --test past");
            std::panic::resume_unwind(payload);
        }
    }
}

#[test]
fn the_past_is_what_it_was_first_block() {
    block(1);
}

#[test]
fn the_past_is_what_it_was_second_block() {
    block(2);
}
