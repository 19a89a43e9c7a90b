//! The limit on the bytes of a database.
//!
//! Always: a commit that adds is refused before anything of it is written when it would take the database beyond the limit, after
//! merging has given back what it can within a bound. Commits that only delete are not asked. Statistics are read when the
//! bytes that were left are used up, not with every commit. Only the holder of the write lock comes here.
//! Does not know: what a commit changes.

use std::sync::atomic::{AtomicU64, Ordering};

use entidb_engine::{Engine, Error as EngineError};

use crate::error::{Error, ErrorCode, Result};

/// Pieces of merging that one commit waits for, of up to 20 ms each, as a put does on a full disk.
const PIECES_MAX: usize = 250;

/// The bytes that may still be added before anybody looks again.
#[derive(Debug, Default)]
pub(crate) struct SizeLimit {
    left: AtomicU64,
}

impl SizeLimit {
    /// Refuses a commit of this many bytes when the database would have more than `max`, which is not 0.
    pub(crate) fn check(&self, engine: &Engine, max: u64, bytes: u64) -> Result<()> {
        if let Some(left) = self.left.load(Ordering::Relaxed).checked_sub(bytes) {
            self.left.store(left, Ordering::Relaxed);
            return Ok(());
        }
        let mut used = bytes_of(engine);
        if used.saturating_add(bytes) > max {
            give_back(engine)?;
            used = bytes_of(engine);
        }
        let left = max.checked_sub(used.saturating_add(bytes));
        self.left.store(left.unwrap_or(0), Ordering::Relaxed);
        if left.is_some() {
            return Ok(());
        }
        let problem = format!(
            "the database has {used} bytes, this commit adds up to {bytes}, and database_bytes_max is {max}; delete entities or drop \
             collections, trim the change feed, which keeps deleted documents, and compact; or open with a larger limit"
        );
        Err(Error::new(ErrorCode::LimitReached, problem))
    }
}

fn bytes_of(engine: &Engine) -> u64 {
    let stats = engine.stats();
    stats.segment_bytes.saturating_add(stats.wal_bytes)
}

/// Writes the log to segments, which are smaller, and merges what is worth merging.
fn give_back(engine: &Engine) -> Result<()> {
    let is_flushed = engine.stats().wal_bytes == 0;
    let flushed = if is_flushed { Ok(()) } else { engine.checkpoint().map(drop) };
    match flushed.and_then(|()| engine.maintain(PIECES_MAX)) {
        Err(error) if error.is_interruption() || matches!(error, EngineError::Closed) => Err(error.into()),
        // Damage or a full disk in the way of merging is told by who meets it next; here nothing was given back.
        _ => Ok(()),
    }
}
