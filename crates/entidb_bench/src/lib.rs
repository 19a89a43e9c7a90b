//! Workloads that the benches share, so that figures of different benches speak of the same data.
//!
//! Always: the same seed gives the same pairs for ever. Keys are 24 random bytes and values 150 random bytes, as in
//! redb's public benchmark, with its seed. Does not know: which engine they are fed to.

#![forbid(unsafe_code)]

mod database;
pub mod device;
mod pairs;
pub mod steady;

pub use database::BenchDatabase;
pub use pairs::{KEY_BYTES, Pairs, SEED, VALUE_BYTES};
