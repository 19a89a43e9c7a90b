//! Random calls of the whole C ABI: one program of `tests/calls`, in three builds.
//!
//! Always: the quick tier runs the program under the address and leak sanitizers against the library as it is built anyway; the full tier
//! adds a library and a program that are both instrumented, once for addresses and once for threads. A build that cannot be had is
//! named and counted as skipped. What is found is printed with the seed of its round. Before a build's calls count, its sanitizer reports
//! mistakes that the program makes on purpose.
//! Does not know: what the calls are.

use std::path::{Path, PathBuf};

use super::count::Counts;
use super::native;
use super::rust::PROFILE;
use super::suite::{Context, Presence, Report, Tier};
use crate::failure::{During, Failure, Result};
use crate::process::{Process, available, tail};
use crate::repository::{Repository, cargo};

const FOLDER: &str = "tests/calls";

/// How many calls each build makes.
const QUICK: u64 = 200_000;
const FULL: u64 = 10_000_000;

/// How library and program are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    /// The library of every other suite; the program alone is instrumented, and sees what was lost and what was freed twice.
    Plain,
    /// Both instrumented for addresses.
    Addresses,
    /// Both, and the standard library, instrumented for threads.
    Threads,
}

impl Build {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "calls",
            Self::Addresses => "calls-asan",
            Self::Threads => "calls-tsan",
        }
    }

    /// The flag of the C compiler.
    fn flag(self) -> &'static str {
        if self == Self::Threads { "-fsanitize=thread" } else { "-fsanitize=address" }
    }

    /// The mistakes that this build must report, and the words it does so with.
    fn planted(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Plain => &[("lost", "LeakSanitizer: detected memory leaks")],
            Self::Addresses => &[
                ("lost", "LeakSanitizer: detected memory leaks"),
                ("used-after-free", "AddressSanitizer: heap-use-after-free"),
            ],
            Self::Threads => &[("race", "WARNING: ThreadSanitizer")],
        }
    }

    /// What the file of the sanitizer in Rust's toolchain ends in.
    fn runtime(self) -> &'static str {
        if self == Self::Threads { "_rt.tsan.a" } else { "_rt.asan.a" }
    }
}

/// The suite runs where the sanitizers do.
pub(crate) fn present(repository: &Repository) -> Presence {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        Presence::Absent("the sanitizers of this suite are used on Linux on x86-64".to_owned())
    } else if !available("c++") {
        Presence::Absent("there is no C++ compiler to link with (apt-get install g++)".to_owned())
    } else {
        Presence::of(repository, FOLDER)
    }
}

/// The program in every build of the tier.
pub(crate) fn calls(context: &Context) -> Result<Report> {
    let mut report = Report::default();
    run(context, Build::Plain, QUICK, &mut report)?;
    if context.tier > Tier::Quick {
        for build in [Build::Addresses, Build::Threads] {
            run(context, build, FULL, &mut report)?;
        }
    }
    Ok(report)
}

fn run(context: &Context, build: Build, calls: u64, report: &mut Report) -> Result<()> {
    let sysroot = PathBuf::from(Process::new("rustc").args(["--print", "sysroot"]).succeed()?.trim());
    if let Some(reason) = missing(&sysroot, build)? {
        println!("      SKIPPED {}: {reason}", build.name());
        report.counts.skipped += 1;
        report.notes.push(format!("SKIPPED {}: {reason}", build.name()));
        return Ok(());
    }
    let library = library(context, build)?;
    let program = compile(context, build, &library, &sysroot)?;
    for &(mistake, words) in build.planted() {
        let name = format!("{}-planted-{mistake}", build.name());
        let finished = sanitized(context, &program, &name).args(["--plant", mistake]).finish()?;
        if !finished.success && finished.output.contains(words) {
            report.counts.add(Counts::ONE);
        } else {
            report.counts.failed += 1;
            report.failures.push(format!(
                "{name}: the sanitizer did not report the mistake ({}, expected \"{words}\")\n{}",
                finished.ending,
                tail(&finished.output, 20)
            ));
        }
    }
    let mut process = sanitized(context, &program, build.name()).args([
        "--calls".to_owned(),
        calls.to_string(),
        "--forks".to_owned(),
        "1".to_owned(),
    ]);
    if let Ok(seed) = std::env::var("ENTIDB_SEED") {
        process = process.args(["--rounds", "1", "--seed", &seed]);
    }
    let finished = process.finish()?;
    let told = finished.output.lines().rfind(|line| line.starts_with("calls: ")).unwrap_or("calls: no word").to_owned();
    report.notes.push(format!("{}{}", build.name(), told.trim_start_matches("calls")));
    if finished.success {
        report.counts.add(Counts::ONE);
    } else {
        let found: Vec<&str> = finished
            .output
            .lines()
            .filter(|line| line.starts_with("FOUND") || line.contains("replay:"))
            .take(40)
            .collect();
        report.counts.failed += 1;
        report.failures.push(format!(
            "{} ({})\n{}\n{}",
            build.name(),
            finished.ending,
            found.join("\n"),
            tail(&finished.output, 60)
        ));
    }
    Ok(())
}

/// The program, with what its sanitizer is to report.
fn sanitized(context: &Context, program: &Path, log: &str) -> Process {
    let process = context.process(program, log);
    process
        .env("ASAN_OPTIONS", "detect_leaks=1:quarantine_size_mb=32")
        .env("TSAN_OPTIONS", "halt_on_error=0:exitcode=66")
}

/// Why a build cannot be had, if it cannot.
fn missing(sysroot: &Path, build: Build) -> Result<Option<String>> {
    if build == Build::Plain {
        return Ok(None);
    }
    if runtime(sysroot, build)?.is_none() {
        return Ok(Some(format!("the toolchain has no *{}", build.runtime())));
    }
    if build == Build::Threads && !sysroot.join("lib/rustlib/src/rust/library/Cargo.lock").exists() {
        let problem = "the sources of the standard library are not installed (rustup component add rust-src), and without \
                       instrumenting it the thread sanitizer sees races where there are none";
        return Ok(Some(problem.to_owned()));
    }
    Ok(None)
}

fn runtime(sysroot: &Path, build: Build) -> Result<Option<PathBuf>> {
    let folder = sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/lib");
    let files = std::fs::read_dir(&folder).during(format_args!("cannot read {}", folder.display()))?;
    let mut files = files.flatten().map(|entry| entry.path());
    Ok(files.find(|path| path.to_string_lossy().ends_with(build.runtime())))
}

/// Builds the static library. A sanitizer is an unstable flag, which this toolchain takes when told to.
fn library(context: &Context, build: Build) -> Result<PathBuf> {
    // With rustix's own system calls the thread sanitizer does not see that memory was unmapped before it is mapped anew.
    let (flags, extra): (&str, &[&str]) = match build {
        Build::Plain => return native::library(context),
        Build::Addresses => ("-Zsanitizer=address", &[]),
        Build::Threads => ("-Zsanitizer=thread --cfg=rustix_use_libc", &["-Zbuild-std=std,panic_unwind"]),
    };
    let folder = context.repository.target_folder().join(build.name());
    context
        .process(cargo(), &format!("{}-library", build.name()))
        .args(["rustc", "-p", "entidb_ffi", "--lib", "--crate-type", "staticlib", "--profile", PROFILE])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(extra)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", &folder)
        .succeed()?;
    Ok(folder.join("x86_64-unknown-linux-gnu").join(PROFILE).join("libentidb_ffi.a"))
}

/// Compiles the program and links it, for the instrumented library with the sanitizer of Rust's toolchain, which is the newer one.
fn compile(context: &Context, build: Build, library: &Path, sysroot: &Path) -> Result<PathBuf> {
    let root = context.repository.root();
    let folder = context.repository.build_folder(&format!("native/{}", build.name()))?;
    let mut objects = Vec::new();
    for source in context.repository.files_in(FOLDER, "c")? {
        let object = folder.join(source.replace(['/', '.'], "_")).with_extension("o");
        Process::new("cc")
            .dir(root)
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-fno-omit-frame-pointer", "-Iinclude"])
            .args([build.flag(), "-c", &source, "-o"])
            .args([&object])
            .succeed()?;
        objects.push(object);
    }
    let program = folder.join("calls");
    let mut link = Process::new("c++").dir(root).args(["-rdynamic", "-no-pie", "-o"]).args([&program]).args(&objects);
    link = link.args([library]);
    link = match build {
        Build::Plain => link.args([build.flag()]),
        Build::Addresses | Build::Threads => {
            let found = runtime(sysroot, build)?;
            let runtime = found.ok_or_else(|| Failure::new("the file of the sanitizer is gone"))?;
            link.args(["-Wl,--whole-archive"]).args([runtime]).args(["-Wl,--no-whole-archive"])
        }
    };
    link.args(["-lpthread", "-ldl", "-lm", "-lrt", "-lresolv"]).succeed()?;
    Ok(program)
}
