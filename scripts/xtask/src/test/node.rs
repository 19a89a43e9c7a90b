//! The Node suite: the package built and tested as its own scripts say.
//!
//! Always: `npm run build` and `npm test` do the work, so that a contributor who only knows npm gets the same.
//! Does not know: what the tests are. Tells the native build which cargo profile to use in
//! `ENTIDB_CARGO_PROFILE`, so that it links what the Rust suites tested.

use std::fs;
use std::path::{Path, PathBuf};

use super::rust::PROFILE;
use super::suite::{Context, Presence, Report};
use super::{count, native};
use crate::failure::{During, Failure, Result};
use crate::repository::Repository;
use crate::setup::npm_name;

/// The package has its suite when it is a package.
pub(crate) fn present(repository: &Repository) -> Presence {
    Presence::of(repository, "bindings/node/package.json")
}

/// Builds the package as its own script says.
pub(crate) fn build(context: &Context) -> Result<()> {
    context
        .process(npm_name(), "npm-build")
        .args(["run", "build"])
        .dir(context.repository.path("bindings/node"))
        .env("ENTIDB_CARGO_PROFILE", PROFILE)
        .succeed()
        .map(drop)
}

/// Builds the package and runs its tests.
pub(crate) fn package(context: &Context) -> Result<Report> {
    build(context)?;
    let folder = context.repository.path("bindings/node");
    let finished = context
        .process(npm_name(), "npm-test")
        .args(["test"])
        .dir(&folder)
        .env("ENTIDB_ROOT", context.repository.root())
        .env("NO_COLOR", "1")
        .finish()?;
    let mut report = Report { counts: count::of_node(&finished.output).unwrap_or_default(), ..Report::default() };
    if !finished.success || report.counts.failed > 0 {
        report.counts.failed = report.counts.failed.max(1);
        report.failures.push(finished.failure().to_string());
    } else if report.counts.passed == 0 {
        return Err(Failure::new("npm test succeeded without a count of tests; it must run `node --test`"));
    }
    for module in modules(&folder)? {
        report.test(native::hides_ours(&module));
    }
    Ok(report)
}

/// Every native module the build left in the package.
fn modules(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).during(format_args!("cannot list {}", folder.display()))? {
        let path = entry.during(format_args!("cannot list {}", folder.display()))?.path();
        if path.is_dir() && !path.is_symlink() && !path.ends_with("node_modules") && !path.ends_with("target") {
            found.extend(modules(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "node") {
            found.push(path);
        }
    }
    Ok(found)
}
