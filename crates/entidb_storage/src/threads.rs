//! Where background work runs: on threads of the system, or nowhere but in the caller's own steps.
//!
//! Always: a joined thread has ended. A backend without threads says so with `Unsupported`.
//! Does not know: what the work is.

use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Operation, Result};

/// A started thread.
pub trait Running: Send + Sync {
    /// Waits until the thread has ended; true when it ended without a panic. Joining twice is true.
    fn join(&self) -> bool;
}

/// Starts threads.
///
/// ```
/// use entidb_storage::{ErrorKind, NoThreads, SystemThreads, Threads};
/// let running = SystemThreads.spawn("worker", Box::new(|| {}))?;
/// assert!(running.join(), "it ended without a panic");
/// let refused = NoThreads.spawn("worker", Box::new(|| {})).err().map(|error| error.kind);
/// assert_eq!(refused, Some(ErrorKind::Unsupported));
/// # Ok::<(), entidb_storage::Error>(())
/// ```
pub trait Threads: Send + Sync {
    /// How many may usefully run at once; 0 means that there are none and the caller drives all work.
    fn parallelism(&self) -> usize;

    /// Starts a named thread.
    ///
    /// # Errors
    /// `Unsupported` where there are no threads, `Device` when the system refuses.
    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Running>>;

    /// Lets this thread rest. A backend without threads returns at once.
    fn sleep(&self, time: Duration);
}

/// The operating system's threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemThreads;

struct SystemRunning(crate::sync::Mutex<Option<std::thread::JoinHandle<()>>>);

impl Running for SystemRunning {
    fn join(&self) -> bool {
        match self.0.lock().take() {
            Some(handle) => handle.join().is_ok(),
            None => true,
        }
    }
}

impl Threads for SystemThreads {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks for the real number of cores")]
    fn parallelism(&self) -> usize {
        // Asking the system reads files of its own: twelve microseconds a call (2026-11), and commits ask.
        static COUNT: OnceLock<usize> = OnceLock::new();
        *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that starts real threads")]
    fn spawn(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Running>> {
        let handle = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(|error| Error::from_os(Operation::SpawnThread, name, &error))?;
        Ok(Box::new(SystemRunning(crate::sync::Mutex::new(Some(handle)))))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that really sleeps")]
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// No threads: the caller drives all background work, as in WASM and in simulation.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoThreads;

impl Threads for NoThreads {
    fn parallelism(&self) -> usize {
        0
    }

    fn spawn(&self, name: &str, _body: Box<dyn FnOnce() + Send>) -> Result<Box<dyn Running>> {
        Err(Error::new(Operation::SpawnThread, name, ErrorKind::Unsupported))
    }

    fn sleep(&self, _time: Duration) {}
}
