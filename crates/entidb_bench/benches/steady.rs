//! Does each commit stay quick through half an hour of everything at once?
//!
//! Always: durability is `durable` for the commits that are timed, and the device's own flush is measured in the same run.
//! `--seconds N` (1800) says for how long, `--small` takes the small buffers of the test, `--json` prints one object, `--plot
//! FILE` writes a picture (SVG), `--check` fails when a floor is missed. Needs about 10 GB in `ENTIDB_BENCH_FOLDER` or the
//! system's temporary place; the folder is removed at the end.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench prints what it found, and keeps a picture"
)]

use std::time::Duration;

use entidb_bench::steady::{Failure, Plan, plot, run_in_temporary_place};

fn main() -> Result<(), Failure> {
    let (mut seconds, mut json, mut small, mut check, mut picture) = (1800, false, false, false, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            // What cargo passes to every bench.
            "--bench" => {}
            "--seconds" => seconds = value()?.parse()?,
            "--json" => json = true,
            "--small" => small = true,
            "--check" => check = true,
            "--plot" => picture = Some(value()?),
            _ => {
                let known = "--seconds N, --small, --json, --plot FILE, --check";
                return Err(format!("{argument} is no argument of this bench; use {known}").into());
            }
        }
    }
    let time = Duration::from_secs(seconds);
    let plan = if small { Plan::small(time) } else { Plan::of(time) };
    let report = run_in_temporary_place(&plan)?;
    println!("{}", if json { report.json() } else { report.text() });
    if let Some(picture) = picture {
        std::fs::write(picture, plot(&report))?;
    }
    let missed = report.floors().iter().filter(|floor| !floor.is_kept).count();
    if check && missed > 0 { Err(format!("{missed} floors are missed").into()) } else { Ok(()) }
}
