//! A simulated machine whose threads a deterministic scheduler runs.
//!
//! Always: at every call to the storage another thread may go on, so a seed decides who runs between any two calls; a flush
//! takes time by the clock of the machine, so that the next one may be held back for others.
//! Does not know: what the threads do.

use std::sync::Arc;
use std::time::Duration;

use entidb_storage::simulated::{SimulatedClock, Simulation};
use entidb_storage::{Backend, Call, Operation, Result, Running, Threads, Watcher};
use parking_lot::Mutex;
use shuttle::rand::Rng;

/// The machine as a database sees it.
pub(crate) fn backend(world: &Simulation) -> Backend {
    let plain = world.backend().watched(Arc::new(Turns(world.clock())));
    Backend { threads: Arc::new(ScheduledThreads(world.clock())), ..plain }
}

/// Threads that the scheduler runs, one at a time.
struct ScheduledThreads(Arc<SimulatedClock>);

impl Threads for ScheduledThreads {
    fn parallelism(&self) -> usize {
        2
    }

    fn spawn(&self, _name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Running>> {
        Ok(Box::new(Started(Mutex::new(Some(shuttle::thread::spawn(body))))))
    }

    fn sleep(&self, time: Duration) {
        self.0.advance_nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        shuttle::thread::yield_now();
    }
}

struct Started(Mutex<Option<shuttle::thread::JoinHandle<()>>>);

impl Running for Started {
    fn join(&self) -> bool {
        let handle = self.0.lock().take();
        handle.is_none_or(|handle| handle.join().is_ok())
    }
}

/// Lets another thread go on before every call.
struct Turns(Arc<SimulatedClock>);

/// How long a flush takes at most.
const FLUSH_NANOS_MAX: u64 = 2_000_000;

impl Watcher for Turns {
    fn before(&self, call: &Call<'_>) -> Result<()> {
        if call.operation != Operation::Len {
            shuttle::thread::yield_now();
        }
        if call.operation == Operation::FlushData {
            self.0.advance_nanos(shuttle::rand::thread_rng().gen_range(0..FLUSH_NANOS_MAX));
        }
        Ok(())
    }
}
