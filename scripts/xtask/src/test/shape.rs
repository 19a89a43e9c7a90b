//! The suites that read the tree without running the database: format, generated files, tidy.
//!
//! Always: each rule of `tidy` counts as one test.
//! Does not know: the rules; `crate::tidy` has them.

use super::suite::{Context, Report};
use crate::failure::{Failure, Result};
use crate::repository::cargo;
use crate::{codegen, tidy};

/// `cargo fmt` over the whole workspace.
pub(crate) fn format(context: &Context) -> Result<Report> {
    context.process(cargo(), "format").args(["fmt", "--all", "--check"]).succeed()?;
    Ok(Report::passed())
}

/// Generated files against their sources.
pub(crate) fn codegen(context: &Context) -> Result<Report> {
    let stale = codegen::stale(&context.repository)?;
    if !stale.is_empty() {
        return Err(Failure::new(format!("not up to date: {}; run `cargo xtask codegen`", stale.join(", "))));
    }
    Ok(Report::passed())
}

/// Every rule of tidy.
pub(crate) fn tidy(context: &Context) -> Result<Report> {
    let mut report = Report::default();
    for rule in tidy::RULES {
        report.test(tidy::judge(&context.repository, rule));
    }
    Ok(report)
}
