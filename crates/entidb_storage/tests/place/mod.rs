//! A folder of its own for a test, taken away afterwards.
//!
//! Always: two tests never share one, in this process or another. Does not know: what is put there.
#![expect(clippy::disallowed_methods, reason = "tests look at the files behind the backend's back")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A folder that is removed with everything in it when dropped.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// An empty folder that exists.
    pub(crate) fn new() -> Self {
        let place = Self::nothing_yet();
        std::fs::create_dir(&place.0).unwrap();
        place
    }

    /// A path at which nothing is.
    pub(crate) fn nothing_yet() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("entidb-storage-{}-{number}", std::process::id()));
        // Left by a killed process that had our number.
        let _nothing_there = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}
