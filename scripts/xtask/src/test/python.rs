//! The Python suites: the package as a user gets it, and the shared vectors.
//!
//! Always: tests run against the built wheel, installed into `.build/venv`, never against the source folder.
//! Does not know: what pytest finds.

use std::fs;
use std::path::PathBuf;

use super::rust::PROFILE;
use super::suite::{Context, Presence, Report};
use super::{count, native};
use crate::failure::{During, Failure, Result};
use crate::process::Finished;
use crate::repository::Repository;
use crate::setup::venv_python;
use crate::wheel;

/// The package has its suite when it is a package.
pub(crate) fn present(repository: &Repository) -> Presence {
    Presence::of(repository, "bindings/python/pyproject.toml")
}

/// Builds the wheel, installs it and runs pytest.
pub(crate) fn package(context: &Context) -> Result<Report> {
    install(context)?;
    let finished = context
        .process(venv_python(&context.repository), "pytest")
        .args(["-m", "pytest", "-q", "-ra", "--color=no", "tests"])
        .dir(context.repository.path("bindings/python"))
        .env("ENTIDB_ROOT", context.repository.root())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .finish()?;
    let mut report = counted(&finished, "pytest")?;
    report.test(module(context).and_then(|module| native::hides_ours(&module)));
    Ok(report)
}

/// The extension module as it was installed.
fn module(context: &Context) -> Result<PathBuf> {
    let printed = context
        .process(venv_python(&context.repository), "module")
        .args(["-c", "import entidb._entidb as module; print(module.__file__)"])
        .dir(context.repository.path(".build"))
        .succeed()?;
    Ok(PathBuf::from(printed.trim()))
}

/// Puts the wheel of this tree into the virtual environment.
pub(crate) fn install(context: &Context) -> Result<()> {
    let repository = &context.repository;
    let wheels = repository.path(".build/wheels");
    fs::remove_dir_all(&wheels).ok();
    wheel::provide_tool(repository, PROFILE)?;
    context
        .process(venv_python(repository), "maturin")
        .args(["-m", "maturin", "build", "--profile", PROFILE, "--out"])
        .args([&wheels])
        .dir(repository.path("bindings/python"))
        .succeed()?;
    let wheel = fs::read_dir(&wheels)
        .during("cannot list .build/wheels")?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Failure::new("maturin built no wheel"))?;
    context
        .process(venv_python(repository), "pip")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-index",
            "--force-reinstall",
        ])
        .args([&wheel])
        .succeed()
        .map(drop)
}

/// The vectors have their suite when there is a checker.
pub(crate) fn vectors_present(repository: &Repository) -> Presence {
    match checkers(repository) {
        Ok(files) if !files.is_empty() => Presence::Here,
        _ => Presence::Absent("tests/vectors holds no checker yet".to_owned()),
    }
}

/// The golden bytes, checked by programs that share no line with ours. One that prints `N passed` is counted by
/// that, any other is one test.
pub(crate) fn vectors(context: &Context) -> Result<Report> {
    let mut report = Report::default();
    for file in checkers(&context.repository)? {
        let log = file.replace(['/', '.'], "_");
        let finished = context
            .process(venv_python(&context.repository), &log)
            .args([&file])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .finish()?;
        if count::of_words(&finished.output).is_none() {
            report.test(if finished.success { Ok(()) } else { Err(finished.failure()) });
            continue;
        }
        let part = counted(&finished, &file)?;
        report.counts.add(part.counts);
        report.failures.extend(part.failures);
        report.notes.extend(part.notes);
    }
    Ok(report)
}

fn checkers(repository: &Repository) -> Result<Vec<String>> {
    let mut files = repository.files_in("tests/vectors", "py")?;
    files.retain(|file| file.ends_with("check.py"));
    Ok(files)
}

fn counted(finished: &Finished, what: &str) -> Result<Report> {
    let counts = count::of_words(&finished.output);
    let mut report = Report { counts: counts.unwrap_or_default(), ..Report::default() };
    if !finished.success || report.counts.failed > 0 {
        report.counts.failed = report.counts.failed.max(1);
        report.failures.push(finished.failure().to_string());
    } else if report.counts.passed == 0 {
        return Err(Failure::new(format!(
            "{what} succeeded without a count of tests; its last line must say `N passed, N failed, N skipped`"
        )));
    }
    for line in finished.output.lines().filter(|line| line.starts_with("SKIPPED")) {
        report.notes.push(line.to_owned());
    }
    Ok(report)
}
