//! Checkpoint, compaction, backup.
//!
//! Always: says what it did and how long it took. Does not know: how.

use std::path::Path;

use entidb_storage::{Clock, SystemClock};
use serde_json::json;

use super::{Use, open};
use crate::args::Target;
use crate::failure::Result;
use crate::output::Output;

fn timed(output: &Output, done: &str, run: impl FnOnce() -> Result<()>) -> Result<u8> {
    let start = SystemClock.monotonic_nanos();
    run()?;
    let millis = (SystemClock.monotonic_nanos() - start) / 1_000_000;
    output.result(|| format!("{done} in {millis} ms"), || json!({ "done": done, "millis": millis }))?;
    Ok(0)
}

pub(super) fn checkpoint(target: &Target, output: &Output) -> Result<u8> {
    let db = open(target, Use::Change)?;
    timed(output, "checkpoint", || {
        db.checkpoint()?;
        Ok(db.close()?)
    })
}

pub(super) fn compact(target: &Target, output: &Output) -> Result<u8> {
    let db = open(target, Use::Change)?;
    timed(output, "compacted", || {
        db.compact()?;
        Ok(db.close()?)
    })
}

pub(super) fn backup(target: &Target, destination: &Path, output: &Output) -> Result<u8> {
    // A backup begins with a checkpoint, which writes.
    let db = open(target, Use::Change)?;
    timed(output, &format!("backed up to {}", destination.display()), || {
        db.backup(destination)?;
        Ok(db.close()?)
    })
}
