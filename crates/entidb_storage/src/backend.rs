//! A backend: everything a database takes from the world outside, in one value.
//!
//! Always: code above this crate does its input, output, time, randomness and threads through it and nothing else,
//! so the same code runs on a disk, in memory, in a browser and in the simulator.
//! Does not know: what is stored.

use std::sync::Arc;

use crate::clock::Clock;
use crate::directory::Directory;
use crate::random::Random;
use crate::threads::Threads;

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

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").field("location", &self.directory.location()).finish_non_exhaustive()
    }
}
