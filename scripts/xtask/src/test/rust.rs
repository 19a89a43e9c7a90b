//! The Rust suites: lints, the crates' tests, the simulations, and the tests of this program.
//!
//! Always: everything that ships is built under the profile `checked` (optimised, every assertion on), once, so
//! that the C, Python and Node suites link what was tested here; this program alone stays in `dev`.
//! Does not know: which crates exist; cargo does.

use super::count::{self, Counts};
use super::suite::{Context, Presence, Report};
use crate::failure::{Failure, Result};
use crate::process::{Finished, Process, tail};
use crate::repository::{Repository, cargo};

/// The profile of everything the suites build.
pub(crate) const PROFILE: &str = "checked";

/// Members that the suite `rust` leaves to others: extension modules need a host to link against, the testkit
/// and this program are suites of their own, and benches are not tests.
const ELSEWHERE: &[&str] = &["entidb_python", "entidb_node", "entidb_testkit", "entidb_bench", "xtask"];

/// Clippy over every target of every member.
pub(crate) fn clippy(context: &Context) -> Result<Report> {
    context
        .process(cargo(), "clippy")
        .args(["clippy", "--workspace", "--all-targets", "--profile", PROFILE, "--quiet", "--", "-D", "warnings"])
        .succeed()?;
    Ok(Report::passed())
}

/// The API reference of everything that ships, with every warning an error: a dead link in a doc comment is one.
pub(crate) fn reference(context: &Context) -> Result<Report> {
    let mut arguments = vec!["doc", "--workspace", "--no-deps", "--profile", PROFILE, "--quiet"];
    for member in ["entidb_testkit", "entidb_bench", "xtask"] {
        arguments.extend(["--exclude", member]);
    }
    context.process(cargo(), "reference").args(arguments).env("RUSTDOCFLAGS", "-D warnings").succeed()?;
    Ok(Report::passed())
}

/// The tests of this program.
pub(crate) fn xtask(context: &Context) -> Result<Report> {
    cargo_test(context.process(cargo(), "xtask").args(["test", "-p", "xtask"]).finish()?)
}

/// The tests and doc examples of the crates.
pub(crate) fn crates(context: &Context) -> Result<Report> {
    cargo_test(context.process(cargo(), "rust").args(crate_tests()).args(["--no-fail-fast"]).finish()?)
}

/// The exchange of databases alone, from the same build.
pub(crate) fn exchange(context: &Context) -> Process {
    context.process(cargo(), "exchange-rust").args(crate_tests()).args(["--test", "conformance", "exchange"])
}

fn crate_tests() -> Vec<&'static str> {
    let mut arguments = vec!["test", "--workspace", "--profile", PROFILE];
    for member in ELSEWHERE {
        arguments.extend(["--exclude", member]);
    }
    arguments
}

/// The testkit has its suite when it has content.
pub(crate) fn testkit(repository: &Repository) -> Presence {
    if repository.has_content("crates/entidb_testkit/src/lib.rs") {
        Presence::Here
    } else {
        Presence::Absent("entidb_testkit has no content yet".to_owned())
    }
}

/// The tests of the testkit: crash states, faults, histories.
pub(crate) fn simulation(context: &Context) -> Result<Report> {
    cargo_test(
        context
            .process(cargo(), "simulation")
            .args(["test", "-p", "entidb_testkit", "--profile", PROFILE, "--no-fail-fast"])
            .finish()?,
    )
}

/// Judges a run of cargo test by its status and its counts together.
pub(crate) fn cargo_test(finished: Finished) -> Result<Report> {
    let counts = count::of_cargo(&finished.output);
    let mut report = Report { counts: counts.unwrap_or_default(), ..Report::default() };
    if !finished.success {
        // A crate that does not compile, or a test program that was killed, prints no failed test.
        if report.counts.failed == 0 {
            report.counts.failed = 1;
        }
        report.failures.push(format!(
            "`{}` failed ({})\n{}",
            finished.shown,
            finished.ending,
            failing_part(&finished.output)
        ));
    } else if counts.is_none_or(|counts| counts == Counts::default()) {
        return Err(Failure::new(format!("`{}` succeeded without running a single test", finished.shown)));
    }
    if report.counts.skipped > 0 {
        report.notes.push(format!("{} ignored tests or examples", report.counts.skipped));
    }
    Ok(report)
}

/// The words of the failing tests and of compile errors, without warnings and the hundreds that passed.
fn failing_part(output: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut in_warning = false;
    for line in output.lines() {
        // The compiler ends each message with an empty line.
        in_warning = (in_warning || line.starts_with("warning:")) && !line.trim().is_empty();
        let passed = line.ends_with("... ok") || line.trim_start().starts_with("Compiling ");
        if !in_warning && !passed && !line.trim().is_empty() {
            kept.push(line);
        }
    }
    tail(&kept.join("\n"), 150)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(success: bool, output: &str) -> Finished {
        Finished { success, output: output.to_owned(), shown: "cargo test".to_owned(), ending: "exit".to_owned() }
    }

    #[test]
    fn a_run_without_tests_is_a_failure() {
        assert!(cargo_test(finished(true, "Finished")).is_err());
        assert!(cargo_test(finished(true, "test result: ok. 0 passed; 0 failed; 0 ignored")).is_err());
    }

    #[test]
    fn a_crate_that_does_not_compile_counts_as_failed() {
        let report = cargo_test(finished(false, "error: could not compile")).unwrap();
        assert_eq!(report.counts.failed, 1);
        assert!(report.failures[0].contains("could not compile"));
    }

    #[test]
    fn warnings_do_not_hide_the_error() {
        let output = "warning: unused\n --> a.rs\n\nerror[E0432]: unresolved\n --> b.rs\n\nwarning: dead\n | x\n";
        assert_eq!(failing_part(output), "error[E0432]: unresolved\n --> b.rs");
    }
}
