//! Queries and keys of manual indexes on small random collections of nasty documents, against a plain model: with and without indexes, in every order,
//! in pages, inside and outside transactions, around savepoints, and while the loop over them changes everything.
//!
//! Always: a run is its seed; a failure prints the line that replays it. Does not know: disks and crashes (`histories`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test asserts by panicking"
)]

#[path = "../histories/condition.rs"]
mod condition;
#[path = "../histories/keys.rs"]
mod keys;
#[path = "../histories/model.rs"]
#[expect(dead_code, reason = "histories use the rest")]
mod model;
mod play;
mod sample;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds of each of the two blocks.
fn seeds() -> u64 {
    match std::env::var("ENTIDB_TIER").as_deref() {
        Ok("full") => 500_000,
        Ok("release") => 10_000_000,
        _ => 10_000,
    }
}

/// How many seeds share a database. Each has a collection of its own.
const SEEDS_PER_DATABASE: u64 = 200;

fn run_block(block: u64) {
    if let Ok(seed) = std::env::var("ENTIDB_SEED") {
        let db = play::database();
        play::run(&db, seed.parse().unwrap());
        return;
    }
    let mut seen = play::Seen::default();
    for group in 0..seeds() / SEEDS_PER_DATABASE {
        let db = play::database();
        for number in 0..SEEDS_PER_DATABASE {
            let seed = block * 1_000_000_000 + group * SEEDS_PER_DATABASE + number;
            match catch_unwind(AssertUnwindSafe(|| play::run(&db, seed))) {
                Ok(more) => seen += more,
                Err(payload) => {
                    eprintln!("replay: ENTIDB_SEED={seed} cargo test -p entidb_core --test differential first");
                    std::panic::resume_unwind(payload);
                }
            }
        }
        play::check(&db);
    }
    println!("{seen:?}");
    let enough = seeds() / 5;
    assert!(seen.by_index > enough && seen.sorted > enough && seen.walks > enough, "{seen:?}");
    assert!(seen.combined > enough / 10 && seen.keys > enough, "{seen:?}");
    assert!(seen.excluding > enough / 1000 && seen.guarded > enough / 100, "{seen:?}");
    assert!(seen.pages_while_indexes_change > enough / 2 && seen.of_cut_rows > enough / 20, "{seen:?}");
}

#[test]
fn random_queries_agree_with_the_model_first_block() {
    run_block(1);
}

#[test]
fn random_queries_agree_with_the_model_second_block() {
    run_block(2);
}
