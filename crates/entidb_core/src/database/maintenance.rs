//! Keeping a database well: checkpoint, compaction, statistics, verification, backup.
//!
//! Always: readers and the writer go on meanwhile. Does not know: how the engine does it.

use std::path::Path;

use entidb_engine::{Sequence, interrupt};
use entidb_storage::Backend;

use super::{BackupReport, CheckpointReport, CompactReport, Database, Problem, Stats, VerifyLevel, VerifyReport};
use crate::change_feed::trim_through;
use crate::error::{Error, Result};
use crate::transaction::View;

impl Database {
    /// Counters since opening, and sizes of this moment.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// notes.find(entidb_core::field("n").eq(1)).count()?;
    /// assert_eq!(db.stats()?.scan_finds, 1);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
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
        // So that it does not count its own.
        drop(view);
        Ok(self.shared.counters().stats(entities, records.len() as u64, self.shared.engine().stats()))
    }

    /// Removes changes up to and including a sequence from the change feed.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::ErrorCode;
    /// let read = db.position()?;
    /// notes.delete(id)?;
    /// db.trim_changes(db.last_sequence())?;
    /// assert_eq!(db.changes(read).map(drop).unwrap_err().code(), ErrorCode::Gap);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of a commit.
    pub fn trim_changes(&self, through: Sequence) -> Result<()> {
        let through = through.min(self.last_sequence());
        let mut tx = self.shared.begin_engine(None)?;
        trim_through(&mut tx, through)?;
        // What it writes is a few bytes, and what merging removes for it is room.
        tx.frees_room();
        interrupt::check()?;
        self.shared.session()?.commit(tx, None)?;
        Ok(())
    }
}

impl Database {
    /// Puts the newest writes into segments and cuts the log.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// db.checkpoint()?;
    /// assert!(db.stats()?.engine.segments > 0);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ReadOnly`, `NoSpace`, `WritesStopped`, `Closed`, `Io`.
    pub fn checkpoint(&self) -> Result<CheckpointReport> {
        self.shared.check_open()?;
        let wal_bytes_before = self.shared.engine().stats().wal_bytes;
        let sequence = self.shared.engine().checkpoint()?;
        let wal_bytes = self.shared.engine().stats().wal_bytes;
        Ok(CheckpointReport { sequence, wal_bytes_before, wal_bytes })
    }

    /// Merges all segments, dropping what nobody can see any more.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// notes.delete(id)?;
    /// db.compact()?; // the deleted entity takes no room any more
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint).
    pub fn compact(&self) -> Result<CompactReport> {
        self.shared.check_open()?;
        let before = self.shared.engine().stats();
        self.shared.engine().compact()?;
        let after = self.shared.engine().stats();
        Ok(CompactReport {
            segments_before: before.segments,
            segments: after.segments,
            segment_bytes_before: before.segment_bytes,
            segment_bytes: after.segment_bytes,
        })
    }

    /// Copies the database, as it is at one commit, into a new folder that opens as a database. The copy is read back and
    /// checked before this returns; where it fails, nothing is left of it.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("entidb-backup-{}", std::process::id()));
    /// use entidb_core::{doc, Database};
    /// let db = Database::open_memory()?;
    /// db.collection("notes")?.put(&doc! { "n": 1 })?;
    /// db.backup(&folder)?;
    /// assert_eq!(Database::open(&folder)?.collection("notes")?.count()?, 1);
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `TargetNotEmpty`, `InvalidArgument` for a folder inside that of the database, `NoSpace`, `PermissionDenied`, `Closed`, `Io`.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<BackupReport> {
        self.shared.check_open()?;
        let path = path.as_ref();
        self.shared.check_outside(path)?;
        let (target, made) = Self::empty_target(path)?;
        let done = self.backup_to(&target);
        if done.is_err() && made {
            Self::remove_target(target, path);
        }
        done
    }

    /// Copies the database onto another backend, which must be empty.
    ///
    /// ```
    /// # let db = entidb_core::Database::open_memory()?;
    /// # let notes = db.collection("notes")?;
    /// # let id = notes.put(&entidb_core::doc! { "n": 1 })?;
    /// use entidb_core::{Database, Options};
    /// let target = entidb_storage::Backend::memory();
    /// db.backup_to(&target)?;
    /// let copy = Database::open_on(target, Options::default())?;
    /// assert!(copy.collection("notes")?.exists(id)?);
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`backup`](Self::backup).
    pub fn backup_to(&self, target: &Backend) -> Result<BackupReport> {
        self.shared.check_open()?;
        Ok(self.shared.engine().backup(target)?.into())
    }

    pub(super) fn verify_engine(&self, level: VerifyLevel, report: &mut VerifyReport) -> Result<()> {
        self.shared.check_open()?;
        let level = match level {
            VerifyLevel::Quick => entidb_engine::VerifyLevel::Quick,
            VerifyLevel::Full => entidb_engine::VerifyLevel::Full,
        };
        let found = self.shared.engine().verify(level)?;
        report.segments = found.segments;
        report.units = found.units;
        report.ignored = found.ignored;
        report.ignored_count = found.ignored_count;
        report.spares_damaged = found.spares_damaged;
        report.bytes_dropped = self.shared.engine().open_report().bytes_dropped;
        report.problems.extend(found.problems.into_iter().map(|problem| Problem::from(&Error::from(problem))));
        Ok(())
    }
}
