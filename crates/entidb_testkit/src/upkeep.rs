//! The engine's upkeep as the workloads ask for it.
//!
//! Always: each step is one public call.
//! Does not know: what upkeep does to files.

use entidb_engine::{Engine, Result};

/// The newest writes go to segments.
pub(crate) fn checkpoint(engine: &Engine) -> Result<()> {
    engine.checkpoint().map(|_| ())
}

/// Everything is merged.
pub(crate) fn compact(engine: &Engine) -> Result<()> {
    engine.compact()
}

/// New files get a new data key.
pub(crate) fn rotate(engine: &Engine) -> Result<()> {
    engine.rotate_key()
}

/// Everything is written again under a new data key.
pub(crate) fn rekey(engine: &Engine) -> Result<()> {
    engine.rekey().map(|_| ())
}

/// Some steps of background work.
pub(crate) fn maintain(engine: &Engine) -> Result<()> {
    engine.maintain(4).map(|_| ())
}
