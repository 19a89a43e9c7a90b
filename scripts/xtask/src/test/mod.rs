//! Runs the suites and prints one table of what they did.
//!
//! Always: a suite that could not run counts as failed; one whose subject does not exist is named with its
//! reason; the last line is `N passed, N failed, N skipped`.
//! Does not know: what any suite does.

mod calls;
mod conformance;
mod count;
mod dart;
mod deep;
mod documents;
mod native;
mod node;
mod python;
mod rust;
mod shape;
mod suite;

use std::time::Instant;

use crate::failure::{Failure, Result};
use crate::repository::Repository;
use crate::setup;

use count::Counts;
pub(crate) use suite::Tier;
use suite::{Context, Presence, SUITES, Suite};

/// What became of one suite.
enum Ending {
    Ran { counts: Counts, failures: Vec<String> },
    Skipped,
}

/// One row of the closing table.
struct Row {
    name: &'static str,
    ending: Ending,
    seconds: f64,
    notes: Vec<String>,
}

/// Prints the names of all suites.
pub(crate) fn list(repository: &Repository) {
    for suite in SUITES {
        let state = match (suite.present)(repository) {
            Presence::Here => String::new(),
            Presence::Absent(reason) => format!("  (not run: {reason})"),
        };
        println!("{:<12} {:<7} {}{state}", suite.name, suite.tier.word(), suite.what);
    }
}

/// Runs the suites asked for, all when none is named, and says whether every one passed.
pub(crate) fn run(repository: Repository, tier: Tier, only: &[String]) -> Result<bool> {
    for name in only {
        if !SUITES.iter().any(|suite| suite.name == name) {
            let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
            return Err(Failure::new(format!("there is no suite `{name}`; choose from {}", names.join(", "))));
        }
    }
    let logs = repository.build_folder("logs")?;
    let context = Context { repository, tier, logs };
    if let Some(stale) = stale(only) {
        std::fs::remove_dir_all(context.transcripts().join(stale)).ok();
    }
    context.repository.build_folder("transcripts")?;
    let mut rows = Vec::new();
    for suite in SUITES
        .iter()
        .filter(|suite| if only.is_empty() { suite.tier <= tier } else { only.iter().any(|name| name == suite.name) })
    {
        println!("==> {} ({})", suite.name, suite.what);
        let row = run_one(&context, suite);
        report(&row);
        rows.push(row);
    }
    Ok(print_table(&rows, tier).failed == 0)
}

/// What an earlier run left in the folder of transcripts and this run must not meet; all of it is the empty path.
fn stale(only: &[String]) -> Option<&'static str> {
    if only.is_empty() {
        // A transcript of an earlier run must not stand in for a suite that wrote none in this one.
        return Some("");
    }
    // A suite reads the databases of every language that it finds, and those of an earlier run may have another format. Only the
    // comparison is about what the suites before it left.
    (!only.iter().any(|name| name == "conformance")).then_some("exchange")
}

fn run_one(context: &Context, suite: &Suite) -> Row {
    let began = Instant::now();
    let mut notes = Vec::new();
    let ending = match (suite.present)(&context.repository) {
        Presence::Absent(reason) => {
            notes.push(reason);
            Ending::Skipped
        }
        Presence::Here => {
            let outcome = setup::provide(&context.repository, suite.needs).and_then(|()| (suite.run)(context));
            match outcome {
                Ok(mut report) => {
                    notes.append(&mut report.notes);
                    Ending::Ran { counts: report.counts, failures: report.failures }
                }
                // A suite that broke down before it could count is one failure, never none.
                Err(failure) => Ending::Ran {
                    counts: Counts { passed: 0, failed: 1, skipped: 0 },
                    failures: vec![failure.to_string()],
                },
            }
        }
    };
    Row { name: suite.name, ending, seconds: began.elapsed().as_secs_f64(), notes }
}

fn report(row: &Row) {
    match &row.ending {
        Ending::Skipped => println!("      skipped: {}", row.notes.join("; ")),
        Ending::Ran { counts, failures } => {
            for failure in failures {
                println!("      FAILED: {}", failure.replace('\n', "\n      "));
            }
            println!(
                "      {} passed, {} failed, {} skipped in {:.1} s",
                counts.passed, counts.failed, counts.skipped, row.seconds
            );
        }
    }
}

fn print_table(rows: &[Row], tier: Tier) -> Counts {
    let mut totals = Counts::default();
    println!("\nsuite         tests  failed  skipped  seconds  ({} tier)", tier.word());
    for row in rows {
        let notes = if row.notes.is_empty() { String::new() } else { format!("  {}", row.notes.join("; ")) };
        match &row.ending {
            Ending::Skipped => {
                totals.skipped += 1;
                println!("{:<12}      -       -  SKIPPED  {:>7.1}{notes}", row.name, row.seconds);
            }
            Ending::Ran { counts, .. } => {
                totals.add(*counts);
                println!(
                    "{:<12} {:>6}  {:>6}  {:>7}  {:>7.1}{notes}",
                    row.name,
                    counts.total(),
                    counts.failed,
                    counts.skipped,
                    row.seconds
                );
            }
        }
    }
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    println!("{} suites in {seconds:.0} s", rows.len());
    if totals.failed > 0 {
        println!("some suites failed; their words are above and in .build/logs");
    }
    println!("{} passed, {} failed, {} skipped", totals.passed, totals.failed, totals.skipped);
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_alone_meets_no_database_of_an_earlier_run() {
        let only = |names: &[&str]| stale(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(only(&[]), Some(""));
        assert_eq!(only(&["python"]), Some("exchange"));
        assert_eq!(only(&["python", "node"]), Some("exchange"));
        assert_eq!(only(&["conformance"]), None);
        assert_eq!(only(&["node", "conformance"]), None);
    }
}
