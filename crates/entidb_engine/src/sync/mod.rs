//! The locks of the engine: those of `entidb_storage`, or under `--cfg shuttle` those of a deterministic scheduler.
//!
//! Always: both have the same names and calls, so the code that locks does not know which of them it has. A scheduled
//! run draws the thread that goes on at every lock and every wait from a seed, so a seed replays a run.
//! Does not know: what is locked. Counters and the lock-free parts are the system's in both; loom looks at those.

#[cfg(not(shuttle))]
pub(crate) use entidb_storage::sync::{Condvar, Mutex, MutexGuard, RwLock};

#[cfg(shuttle)]
mod scheduled;
#[cfg(shuttle)]
pub(crate) use scheduled::{Condvar, Mutex, MutexGuard, RwLock};

mod fair;
pub(crate) use fair::FairMutex;
