//! Checkpoint, compaction, backup, restoring.
//!
//! Always: says what it did and how long it took. Does not know: how.

use std::path::Path;

use entidb_core::{Database, ErrorCode, Value};
use entidb_storage::{Clock, SystemClock};
use serde_json::json;

use super::{Use, key_of, open};
use crate::args::Target;
use crate::failure::{Failure, Result};
use crate::json::from_value;
use crate::output::Output;

/// Runs something that gives a report, and prints the report with what was done.
fn timed(output: &Output, done: &str, run: impl FnOnce() -> Result<Value>) -> Result<u8> {
    let start = SystemClock.monotonic_nanos();
    let report = from_value(&run()?);
    let millis = (SystemClock.monotonic_nanos() - start) / 1_000_000;
    output.result(
        || {
            let fields = report.as_object().into_iter().flatten();
            let lines: String = fields.map(|(name, value)| format!("\n  {name}: {value}")).collect();
            format!("{done} in {millis} ms{lines}")
        },
        || json!({ "done": done, "millis": millis, "report": report }),
    )?;
    Ok(0)
}

pub(super) fn checkpoint(target: &Target, output: &Output) -> Result<u8> {
    let db = open(target, Use::Change)?;
    timed(output, "checkpoint", || {
        let report = db.checkpoint()?;
        db.close()?;
        Ok(report.to_value())
    })
}

pub(super) fn compact(target: &Target, output: &Output) -> Result<u8> {
    let db = open(target, Use::Change)?;
    timed(output, "compacted", || {
        let report = db.compact()?;
        db.close()?;
        Ok(report.to_value())
    })
}

pub(super) fn backup(target: &Target, destination: &Path, output: &Output) -> Result<u8> {
    // A backup begins with a checkpoint, which writes.
    let db = open(target, Use::Change)?;
    timed(output, &format!("backed up to {}", destination.display()), || {
        let report = db.backup(destination)?;
        db.close()?;
        Ok(report.to_value())
    })
}

pub(super) fn restore(target: &Target, destination: &Path, output: &Output) -> Result<u8> {
    let key = key_of(target.password_env.as_deref(), target.key_file.as_deref())?;
    timed(output, &format!("restored to {}", destination.display()), || {
        match Database::restore(&target.path, destination, key) {
            Err(error) if error.code() == ErrorCode::DatabaseNotFound => {
                let problem = format!("there is no backup at {:?}; check the path", target.path.display().to_string());
                Err(Failure::Missing(ErrorCode::DatabaseNotFound, problem))
            }
            done => Ok(done?.to_value()),
        }
    })
}
