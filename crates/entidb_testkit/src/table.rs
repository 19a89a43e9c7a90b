//! The table a run prints: one row a layer, in the form that goes into release notes.
//!
//! Always: a row names its layer and counts what was really run. Does not know: what counts as enough.

use std::fmt;

use entidb_storage::{Clock as _, SystemClock};

/// What one layer did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// Which layer, such as `1 crash states`.
    pub layer: String,
    /// Workloads, histories or cycles.
    pub cases: u64,
    /// Distinct images or states looked at.
    pub states: u64,
    /// Faults that struck.
    pub faults: u64,
    /// How long it took.
    pub seconds: f64,
    /// How many cases failed.
    pub failures: u64,
}

impl Row {
    /// Prints the row where `cargo test -- --nocapture` shows it.
    #[expect(clippy::print_stdout, reason = "the table is the output of the run")]
    pub fn print(&self) {
        println!("{self}");
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, cases, states, faults, seconds, failures } = self;
        write!(
            f,
            "| {layer} | {cases} cases | {states} states | {faults} faults | {seconds:.2} s | {failures} failures |"
        )
    }
}

/// Seconds since a fixed moment of this process.
pub(crate) fn seconds_now() -> f64 {
    std::time::Duration::from_nanos(SystemClock.monotonic_nanos()).as_secs_f64()
}
