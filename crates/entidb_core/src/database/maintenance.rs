//! Keeping a database well: checkpoint, compaction, statistics, verification, backup.
//!
//! Always: readers and the writer go on meanwhile. Does not know: how the engine does it.

use std::path::Path;

use entidb_engine::Sequence;

use super::{Database, Stats};
use crate::change_feed::trim_through;
use crate::error::{Error, ErrorCode, Result};
use crate::transaction::View;

impl Database {
    /// Counters since opening, and sizes of this moment.
    ///
    /// # Errors
    /// `Closed`.
    pub fn stats(&self) -> Result<Stats> {
        let view = View::Read(self.shared.begin_read()?);
        let records = view.catalog()?.collections();
        let mut entities = 0_u64;
        for record in &records {
            entities = entities.saturating_add(view.entity_count(record.id)?);
        }
        Ok(self.shared.counters().stats(entities, records.len() as u64, self.shared.engine().stats()))
    }

    /// Removes changes up to and including a sequence from the change feed.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn trim_changes(&self, through: Sequence) -> Result<()> {
        self.shared.check_open()?;
        let through = through.min(self.last_sequence());
        let mut tx = self.shared.engine().begin_write()?;
        trim_through(&mut tx, through)?;
        tx.commit()?;
        Ok(())
    }
}

impl Database {
    /// Puts the newest writes into segments and cuts the log.
    ///
    /// # Errors
    /// `Unsupported` until the engine has segments.
    pub fn checkpoint(&self) -> Result<()> {
        Err(unsupported("checkpoint"))
    }

    /// Merges all segments.
    ///
    /// # Errors
    /// `Unsupported` until the engine has segments.
    pub fn compact(&self) -> Result<()> {
        Err(unsupported("compact"))
    }

    /// Copies the database into a new folder.
    ///
    /// # Errors
    /// `Unsupported` until the engine has segments.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<()> {
        let _ = path;
        Err(unsupported("backup"))
    }

    pub(super) fn verify_engine(&self, _level: super::VerifyLevel, _report: &mut super::VerifyReport) -> Result<()> {
        self.shared.check_open()
    }
}

fn unsupported(what: &str) -> Error {
    Error::new(ErrorCode::Unsupported, format!("{what} is not there yet in this version"))
}
