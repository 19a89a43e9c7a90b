//! A backend: everything a database takes from the world outside, in one value.
//!
//! Always: code above this crate does its input, output, time, randomness and threads through it and nothing else,
//! so the same code runs on a disk, in memory, in a browser and in the simulator.
//! Does not know: what is stored.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::directory::Directory;
#[cfg(any(unix, windows))]
use crate::error::Result;
#[cfg(any(unix, windows))]
use crate::file::{FileDirectory, RootMode};
use crate::host::{HostDirectory, HostFunctions};
use crate::memory::MemoryDirectory;
use crate::random::{Random, SystemRandom};
use crate::threads::{SystemThreads, Threads};

/// The parts of the outside world a database uses.
#[derive(Clone)]
pub struct Backend {
    /// Files and names.
    pub directory: Arc<dyn Directory>,
    /// Wall time and a monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for ids, salts and keys.
    pub random: Arc<dyn Random>,
    /// Background threads, or the statement that there are none.
    pub threads: Arc<dyn Threads>,
}

impl Backend {
    /// The folder `path` of the operating system, with its clocks, randomness and threads.
    ///
    /// ```
    /// use entidb_storage::{Backend, ErrorKind, RootMode};
    /// let missing = std::env::temp_dir().join("entidb-doc-no-such-folder");
    /// let error = Backend::file(&missing, RootMode::Existing).unwrap_err();
    /// assert_eq!(error.kind, ErrorKind::NotFound);
    /// ```
    ///
    /// # Errors
    /// As [`FileDirectory::open`].
    #[cfg(any(unix, windows))]
    pub fn file(path: impl AsRef<std::path::Path>, mode: RootMode) -> Result<Self> {
        Ok(Self::of_system(Arc::new(FileDirectory::open(path, mode)?)))
    }

    /// Memory that goes away with the last handle, with the system's clocks, randomness and threads.
    ///
    /// ```
    /// use entidb_storage::{Backend, ManualClock};
    /// use std::sync::Arc;
    /// // The fields may be exchanged: a test that needs to rule over time does this.
    /// let backend = Backend { clock: Arc::new(ManualClock::new(0)), ..Backend::memory() };
    /// assert_eq!(backend.clock.wall_micros(), 0);
    /// ```
    #[must_use]
    pub fn memory() -> Self {
        Self::of_system(Arc::new(MemoryDirectory::new()))
    }

    /// Storage supplied by the program around us, with the system's clocks, randomness and threads. Where the host
    /// has its own of those, replace the fields.
    #[must_use]
    pub fn host(functions: Arc<dyn HostFunctions>) -> Self {
        Self::of_system(Arc::new(HostDirectory::new(functions)))
    }

    /// Any directory, with the system's clocks, randomness and threads.
    #[must_use]
    pub fn of_system(directory: Arc<dyn Directory>) -> Self {
        Self {
            directory,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            threads: Arc::new(SystemThreads),
        }
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("location", &self.directory.location()).finish_non_exhaustive()
    }
}
