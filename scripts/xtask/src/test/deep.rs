//! The suites that look deeper than a test run can: every interleaving, undefined behaviour, hostile input.
//!
//! Always: a tool that only the nightly toolchain has is named when it is missing, and never counted as passed.
//! Does not know: the models and targets; they stand in the crates and in `fuzz/`.

use std::time::Duration;

use super::count;
use super::rust::{PROFILE, cargo_test};
use super::suite::{Context, Presence, Report, Tier};
use crate::failure::{During, Result};
use crate::process::{Process, available, tail};
use crate::repository::{Repository, cargo};
use crate::tidy::UNSAFE_FILES;

/// The command of the toolchain's proxy, which takes `+nightly`; the cargo that runs this program does not.
const PROXY: &str = "cargo";

/// Loom has its suite when a crate has a model.
pub(crate) fn loom_present(repository: &Repository) -> Presence {
    match modelled(repository) {
        Ok(crates) if !crates.is_empty() => Presence::Here,
        _ => Presence::Absent("no crate has a loom model yet".to_owned()),
    }
}

/// Every test whose path has `loom` in it, in a build where the atomics are loom's.
pub(crate) fn loom(context: &Context) -> Result<Report> {
    let mut arguments = vec!["test".to_owned(), "--profile".to_owned(), PROFILE.to_owned(), "--lib".to_owned()];
    for name in modelled(&context.repository)? {
        arguments.extend(["-p".to_owned(), name]);
    }
    arguments.push("loom".to_owned());
    let finished = context
        .process(cargo(), "loom")
        .args(arguments)
        // Other flags would rebuild everything else each time, so this build has a folder of its own.
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", context.repository.target_folder().join("loom"))
        .finish()?;
    cargo_test(finished)
}

/// Whether there is a test for the deterministic scheduler.
pub(crate) fn schedules_present(repository: &Repository) -> Presence {
    Presence::of(repository, "crates/entidb_testkit/tests/engine_schedules/main.rs")
}

/// The engine's threads under a deterministic scheduler, in a build where its locks are that scheduler's.
pub(crate) fn schedules(context: &Context) -> Result<Report> {
    let finished = context
        .process(cargo(), "schedules")
        .args(["test", "--profile", PROFILE, "-p", "entidb_testkit", "--test", "engine_schedules"])
        .env("RUSTFLAGS", "--cfg shuttle")
        .env("CARGO_TARGET_DIR", context.repository.target_folder().join("shuttle"))
        .finish()?;
    cargo_test(finished)
}

/// The crates that hold a model.
fn modelled(repository: &Repository) -> Result<Vec<String>> {
    let mut crates = Vec::new();
    for file in repository.files_in("crates", "rs")? {
        let Some(name) = file.split('/').nth(1) else { continue };
        if !crates.iter().any(|known| known == name) && repository.read(&file)?.contains("loom::model") {
            crates.push(name.to_owned());
        }
    }
    Ok(crates)
}

/// Miri has its suite where it is installed.
pub(crate) fn miri_present(repository: &Repository) -> Presence {
    if !repository.has(UNSAFE_FILES) {
        return Presence::Absent("no leaf file has unsafe code".to_owned());
    }
    installed(&["+nightly", "miri", "--version"], "miri", "rustup +nightly component add miri rust-src")
}

/// The tests around every listed file with unsafe code, under Miri.
pub(crate) fn miri(context: &Context) -> Result<Report> {
    let listed: toml::Table = toml::from_str(&context.repository.read(UNSAFE_FILES)?).during(UNSAFE_FILES)?;
    let mut report = Report::default();
    let mut done: Vec<(String, String)> = Vec::new();
    for file in listed.keys() {
        // `crates/NAME/src/a/b.rs` is tested by the tests of module `a`.
        let mut parts = file.split('/').skip(1);
        let (Some(name), Some(_), Some(module)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let job = (name.to_owned(), module.trim_end_matches(".rs").to_owned());
        if done.contains(&job) {
            continue;
        }
        let finished = context
            .process(PROXY, &format!("miri-{}", job.1))
            .args(["+nightly", "miri", "test", "-p", &job.0, "--lib", &format!("{}::", job.1)])
            .env("MIRIFLAGS", "-Zmiri-tree-borrows -Zmiri-disable-isolation")
            .env("CARGO_TARGET_DIR", context.repository.target_folder().join("miri"))
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .finish()?;
        let part = cargo_test(finished)?;
        report.counts.add(part.counts);
        report.failures.extend(part.failures);
        done.push(job);
    }
    Ok(report)
}

/// What makes libFuzzer see where an input leads. These flags are those of cargo-fuzz, without the address sanitizer:
/// with it only the nightly toolchain would do, and the code under test has no unsafe code.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions";

/// Fuzzing has its suite where there are targets and a compiler for libFuzzer, which is written in C++.
pub(crate) fn fuzz_present(repository: &Repository) -> Presence {
    if !repository.has("fuzz/Cargo.toml") {
        Presence::Absent("fuzz/ does not exist yet".to_owned())
    } else if available("c++") {
        Presence::Here
    } else {
        Presence::Absent("there is no C++ compiler to build libFuzzer with (apt-get install g++)".to_owned())
    }
}

/// Every fuzz target for a while.
pub(crate) fn fuzz(context: &Context) -> Result<Report> {
    let seconds = if context.tier == Tier::Release { 900 } else { 60 };
    let folder = context.repository.target_folder().join("fuzz");
    // Named even though it is this machine's, so that build scripts are not instrumented.
    let version = Process::new("rustc").args(["-vV"]).succeed()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    context
        .process(cargo(), "fuzz-build")
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env("RUSTFLAGS", INSTRUMENTED)
        .env("CARGO_TARGET_DIR", &folder)
        .deadline(Duration::from_secs(1800))
        .succeed()?;
    let mut report = Report::default();
    let mut executed = 0_u64;
    for file in context.repository.files_in("fuzz/fuzz_targets", "rs")? {
        let target = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        let finished = context
            .process(folder.join(&host).join("release").join(&target), &format!("fuzz-{target}"))
            .args(["-max_len=400".to_owned(), format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()])
            .args([format!("-artifact_prefix={}/", folder.display())])
            .deadline(Duration::from_secs(seconds + 600))
            .finish()?;
        executed += finished
            .output
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse::<u64>().ok())
            .unwrap_or(0);
        if finished.success {
            report.counts.add(count::Counts::ONE);
        } else {
            report.counts.failed += 1;
            report.failures.push(format!("{target}: {}", tail(&finished.output, 60)));
        }
    }
    report.notes.push(format!("{executed} executions"));
    Ok(report)
}

fn installed(question: &[&str], tool: &str, remedy: &str) -> Presence {
    let there = Process::new(PROXY)
        .args(question)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .finish()
        .is_ok_and(|finished| finished.success);
    if there { Presence::Here } else { Presence::Absent(format!("{tool} is not installed ({remedy})")) }
}
