//! Databases on a real disk for the benches, gone when dropped.
//!
//! Always: in a fresh folder of the system's temporary place, or of `ENTIDB_BENCH_FOLDER` to measure another disk.
//! Does not know: what is measured.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_engine::{Engine, Options, Result};
use entidb_storage::{Backend, RootMode};

use crate::{Pairs, SEED};

/// A folder and the database in it.
pub struct BenchDatabase {
    folder: PathBuf,
    /// The open database; `None` while it is closed.
    pub engine: Option<Engine>,
    options: Box<dyn Fn() -> Options>,
}

impl BenchDatabase {
    /// A new, empty database. Options hold keys and so cannot be cloned; each open asks for new ones.
    ///
    /// # Errors
    /// As opening a database.
    pub fn create(options: impl Fn() -> Options + 'static) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let place = std::env::var_os("ENTIDB_BENCH_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = place.join(format!("entidb-bench-{}-{number}", std::process::id()));
        let mut database = Self { folder, engine: None, options: Box::new(options) };
        database.open()?;
        Ok(database)
    }

    /// A new database with the first `count` pairs of the workload, in zone 1, written in transactions of 10,000.
    ///
    /// # Errors
    /// As writing.
    pub fn filled(options: impl Fn() -> Options + 'static, count: u64) -> Result<Self> {
        let database = Self::create(options)?;
        let pairs = Pairs::new(SEED).in_zone(1);
        for batch in 0..count.div_ceil(10_000) {
            let mut transaction = database.engine()?.begin_write()?;
            for number in batch * 10_000..count.min((batch + 1) * 10_000) {
                transaction.put(&pairs.key(number), &pairs.value(number))?;
            }
            transaction.commit()?;
        }
        Ok(database)
    }

    /// The open engine.
    ///
    /// # Errors
    /// `Closed`.
    pub fn engine(&self) -> Result<&Engine> {
        self.engine.as_ref().ok_or(entidb_engine::Error::Closed)
    }

    /// Opens what is in the folder.
    ///
    /// # Errors
    /// As opening a database.
    pub fn open(&mut self) -> Result<()> {
        let backend = Backend::file(&self.folder, RootMode::CreateIfMissing)?;
        self.engine = Some(Engine::open(backend, (self.options)())?);
        Ok(())
    }

    /// Drops the handle as a killed process would, without closing.
    pub fn abandon(&mut self) {
        self.engine = None;
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for BenchDatabase {
    #[expect(clippy::disallowed_methods, reason = "a bench cleans up after itself on the real disk")]
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            // The folder goes either way.
            let _closed = engine.close();
        }
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}
