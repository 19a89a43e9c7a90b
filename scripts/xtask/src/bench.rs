//! Runs benchmarks by name.
//!
//! Always: under the release profile, and never as part of `test`.
//! Does not know: what is measured; each file of `crates/entidb_bench/benches` asks one question.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{During, Failure, Result};
use crate::process::Process;
use crate::repository::{Repository, cargo};
use crate::setup::{self, Need, venv_python};

/// The comparison with other engines, in a workspace of its own so that nobody compiles them by accident.
const COMPARE: &str = "crates/entidb_bench/compare";

/// What `bench engine` runs: one question about the engine each.
const ENGINE_BENCHES: [&str; 6] = ["memtable", "wal", "commit", "lookup", "scan", "recovery"];

/// Runs one benchmark, or every one of the workspace when none is named.
pub(crate) fn run(repository: &Repository, name: Option<&str>, rest: &[String]) -> Result<()> {
    let mut command = Command::new(cargo());
    command.current_dir(repository.root());
    match name {
        Some("compare") => {
            if !repository.has(COMPARE) {
                return Err(Failure::new(format!("{COMPARE} does not exist yet")));
            }
            command.args(["run", "--release"]).current_dir(repository.path(COMPARE));
        }
        Some("documents") => {
            command.args(["run", "--release", "--bin", "documents"]).current_dir(repository.path(COMPARE));
        }
        Some("boundary") => {
            let program = boundary(repository)?;
            command.args(["run", "--release", "--bin", "boundary"]).current_dir(repository.path(COMPARE));
            command.arg("--").arg(program);
        }
        Some("engine") => {
            command.args(["bench", "-p", "entidb_bench"]);
            for bench in ENGINE_BENCHES {
                command.args(["--bench", bench]);
            }
        }
        Some("python") => {
            command = Command::new(venv_python(repository));
            command.arg("bench.py").args(rest).env("PYTHONPATH", python_package(repository)?);
            command.current_dir(repository.path("bindings/python"));
        }
        Some(name) => {
            let known = names(repository)?;
            if !known.iter().any(|bench| bench == name) {
                return Err(Failure::new(format!(
                    "there is no benchmark `{name}`; choose from compare, documents, boundary, engine, python, {}",
                    if known.is_empty() { "none, as none is written yet".to_owned() } else { known.join(", ") }
                )));
            }
            command.args(["bench", "-p", "entidb_bench", "--bench", name]);
        }
        None => {
            command.args(["bench", "-p", "entidb_bench"]);
        }
    }
    if !rest.is_empty() && name != Some("python") {
        command.arg("--").args(rest);
    }
    // A benchmark talks to the person who started it, so its output is not captured.
    let status = command.status().during("cannot run cargo bench")?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("the benchmark failed ({status})"))) }
}

/// Builds the C program that makes the calls of `bench boundary`, against the library as it is shipped.
fn boundary(repository: &Repository) -> Result<PathBuf> {
    let mut build = Command::new(cargo());
    build.current_dir(repository.root()).args(["build", "--release", "-p", "entidb_ffi", "--features", "export"]);
    succeed(&mut build, "build the C library")?;
    let program = repository.build_folder("bench")?.join("boundary");
    let mut compile = Command::new("cc");
    compile.current_dir(repository.root()).args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Werror", "-Iinclude"]);
    compile.arg("-o").arg(&program).arg(format!("{COMPARE}/c/boundary.c"));
    compile.arg(repository.target_folder().join("release").join("libentidb_ffi.a"));
    compile.args(if cfg!(target_os = "macos") {
        &["-framework", "Security", "-framework", "CoreFoundation"][..]
    } else {
        &["-lpthread", "-ldl", "-lm", "-lrt"]
    });
    succeed(&mut compile, "compile the C program")?;
    Ok(program)
}

fn succeed(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().during(format!("cannot {what}"))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("could not {what} ({status})"))) }
}

/// Builds the Python package for release and says in which folder it was unpacked: `.build/venv` has the one that the
/// tests use, with its assertions.
fn python_package(repository: &Repository) -> Result<PathBuf> {
    setup::provide(repository, &[Need::PythonTools])?;
    let wheels = repository.path(".build/bench/wheels");
    let package = repository.path(".build/bench/python");
    for folder in [&wheels, &package] {
        fs::remove_dir_all(folder).ok();
    }
    Process::new(venv_python(repository))
        .args(["-m", "maturin", "build", "--release", "--out"])
        .args([&wheels])
        .dir(repository.path("bindings/python"))
        .succeed()?;
    Process::new(venv_python(repository))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"])
        .args(["--find-links"])
        .args([&wheels])
        .args(["--target"])
        .args([&package])
        .args(["entidb"])
        .succeed()?;
    Ok(package)
}

fn names(repository: &Repository) -> Result<Vec<String>> {
    let files = repository.files_in("crates/entidb_bench/benches", "rs")?;
    Ok(files
        .iter()
        .filter_map(|file| file.strip_prefix("crates/entidb_bench/benches/")?.strip_suffix(".rs"))
        .filter(|name| !name.contains('/'))
        .map(str::to_owned)
        .collect())
}
