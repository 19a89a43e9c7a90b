//! Checking a backup, and restoring a database from it.
//!
//! Always: a backup is only read; a damaged one is not restored; a failed restore leaves nothing behind.
//! Does not know: how files are copied (`entidb_engine::backup`).

use std::path::Path;

use entidb_storage::{Backend, ErrorKind, FileDirectory, RootMode};

use super::open::check_path;
use super::{BackupReport, Database, VerifyLevel, VerifyReport};
use crate::error::{Error, ErrorCode, Result};
use crate::options::{Key, Options};

impl Database {
    /// Checks every byte and every index of a backup, or of any database that is not open.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("entidb-validate-{}", std::process::id()));
    /// use entidb_core::Database;
    /// Database::open_memory()?.backup(&folder)?;
    /// assert!(Database::validate_backup(&folder, None)?.is_ok());
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with), and `Cancelled`. Damage is in the report where the backup opens at all.
    pub fn validate_backup(path: impl AsRef<Path>, key: Option<Key>) -> Result<VerifyReport> {
        let db = open_backup(path.as_ref(), key)?;
        let report = db.verify(VerifyLevel::Full);
        db.close()?;
        report
    }

    /// Restores a backup into a new or empty folder, after checking it. The database opens with the keys of the backup. A process that
    /// is killed meanwhile leaves a folder that is refused as unfinished. Damage in the backup of one of the two copies that KEYRING
    /// and ROOT hold is repaired in the new database, and the report counts it.
    ///
    /// ```
    /// # let base = std::env::temp_dir().join(format!("entidb-restore-{}", std::process::id()));
    /// # let (backup, folder) = (base.join("backup"), base.join("db"));
    /// # std::fs::create_dir_all(&base).ok();
    /// use entidb_core::{doc, Database};
    /// let db = Database::open_memory()?;
    /// db.collection("notes")?.put(&doc! { "n": 1 })?;
    /// db.backup(&backup)?;
    /// Database::restore(&backup, &folder, None)?;
    /// assert_eq!(Database::open(&folder)?.collection("notes")?.count()?, 1);
    /// # std::fs::remove_dir_all(&base).ok();
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`validate_backup`](Self::validate_backup) for the backup, `Corrupt` where a check finds a problem, and as
    /// [`backup`](Self::backup) for the new folder.
    pub fn restore(backup: impl AsRef<Path>, target: impl AsRef<Path>, key: Option<Key>) -> Result<BackupReport> {
        let (db, spares_damaged) = open_whole(backup.as_ref(), key)?;
        let done = db.backup(target);
        db.close()?;
        Ok(BackupReport { spares_repaired: spares_damaged, ..done? })
    }

    /// Restores a backup into memory, after checking it, and opens it with the options, whose key is that of the backup.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("entidb-memory-{}", std::process::id()));
    /// use entidb_core::{doc, Database, Options};
    /// let db = Database::open_memory()?;
    /// db.collection("notes")?.put(&doc! { "n": 1 })?;
    /// db.backup(&folder)?;
    /// let copy = Database::restore_memory(&folder, Options::default())?;
    /// assert_eq!(copy.collection("notes")?.count()?, 1);
    /// # std::fs::remove_dir_all(&folder).ok();
    /// # Ok::<(), entidb_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`restore`](Self::restore), and `OutOfMemory`.
    pub fn restore_memory(backup: impl AsRef<Path>, options: Options) -> Result<Self> {
        options.check()?;
        let (db, _) = open_whole(backup.as_ref(), options.key.clone())?;
        let memory = Backend::memory();
        let done = db.backup_to(&memory);
        db.close()?;
        done?;
        Self::open_on(memory, options)
    }

    /// The backend of a new or an empty folder, and whether this made the folder.
    pub(super) fn empty_target(path: &Path) -> Result<(Backend, bool)> {
        check_path(path)?;
        let (target, made) = match Backend::file(path, RootMode::Existing) {
            Err(error) if error.kind == ErrorKind::NotFound => (Backend::file(path, RootMode::CreateIfMissing)?, true),
            found => (found?, false),
        };
        let entries = target.directory.list("")?;
        if !entries.is_empty() {
            let is_cut = entries.iter().any(|entry| entry.name == entidb_engine::UNFINISHED);
            let problem = if is_cut {
                "the target folder holds a copy of a database that was cut short; delete the folder, or give another one"
            } else {
                "the target folder holds something already; give a new or an empty folder"
            };
            return Err(Error::new(ErrorCode::TargetNotEmpty, problem).with_path(&path.display().to_string()));
        }
        Ok((target, made))
    }

    /// Removes the folder that `empty_target` made.
    pub(super) fn remove_target(target: Backend, path: &Path) {
        drop(target);
        let _ = FileDirectory::remove_empty_root(path);
    }
}

fn open_backup(path: &Path, key: Option<Key>) -> Result<Database> {
    Database::open_with(path, Options { create: false, read_only: true, key, ..Options::default() })
}

/// Opens a backup and checks it in full. Returns with it how many copies in KEYRING and ROOT are damaged while the other one is whole:
/// nothing is lost by those.
fn open_whole(path: &Path, key: Option<Key>) -> Result<(Database, u64)> {
    let db = open_backup(path, key)?;
    let report = db.verify(VerifyLevel::Full)?;
    let count = report.problems.len();
    let Some(problem) = report.problems.first().filter(|_| count as u64 > report.spares_damaged) else {
        return Ok((db, report.spares_damaged));
    };
    let problem = format!(
        "the backup has {count} problem(s), the first: {}; it is not restored; take another backup, or `entidb verify` for all \
         of them",
        problem.what
    );
    Err(Error::new(ErrorCode::Corrupt, problem).with_path(&path.display().to_string()))
}
