//! What the tests of EntiDB share: every image a crash could leave, every fault at every call, models, workloads.
//!
//! Always: a random test prints what replays it exactly. Never a normal dependency of anything.
//! Does not know: how the code under test works; it sees backends and states only.

#![forbid(unsafe_code)]

pub mod corrupt;
pub mod crash;
pub mod engine_subject;
pub mod expiry;
pub mod full_disk;
pub mod gate;
pub mod history;
pub mod long_readers;
pub mod meter;
pub mod model;
pub mod oracle;
pub mod sample;
mod subject;
pub mod sweep;
mod table;
mod tier;
mod upkeep;
pub mod watch;
pub mod workload;

pub use crash::seed_from_environment;
pub use subject::{Fate, Journal, Scenario, Stop, Subject};
pub use table::Row;
pub use tier::Tier;
