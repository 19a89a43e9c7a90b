//! A simulated machine whose threads a deterministic scheduler runs.
//!
//! Always: at every call to the storage another thread may go on, so a seed decides who runs between any two calls.
//! Does not know: what the threads do.

use std::sync::Arc;
use std::time::Duration;

use entidb_storage::simulated::{SimulatedClock, Simulation};
use entidb_storage::{
    Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result, Running, Threads, Whereabouts,
};
use parking_lot::Mutex;

/// The machine as a database sees it.
pub(crate) fn backend(world: &Simulation) -> Backend {
    let plain = world.backend();
    Backend {
        directory: Arc::new(Turns(Arc::clone(&plain.directory))),
        threads: Arc::new(ScheduledThreads(world.clock())),
        ..plain
    }
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
struct Turns<Inner: ?Sized>(Arc<Inner>);

impl<Inner: ?Sized> Turns<Inner> {
    fn turn(&self) -> &Inner {
        shuttle::thread::yield_now();
        &self.0
    }
}

impl Directory for Turns<dyn Directory> {
    fn location(&self) -> &str {
        self.0.location()
    }

    fn abilities(&self) -> Abilities {
        self.0.abilities()
    }

    fn open(&self, name: &str, mode: OpenMode) -> Result<Arc<dyn File>> {
        Ok(Arc::new(Turns(self.turn().open(name, mode)?)))
    }

    fn create_folder(&self, name: &str) -> Result<()> {
        self.turn().create_folder(name)
    }

    fn remove_folder(&self, name: &str) -> Result<()> {
        self.turn().remove_folder(name)
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.turn().remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.turn().rename(from, to)
    }

    fn hard_link(&self, from: &str, to: &str) -> Result<()> {
        self.turn().hard_link(from, to)
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        self.turn().list(folder)
    }

    fn flush_names(&self, folder: &str) -> Result<()> {
        self.turn().flush_names(folder)
    }

    fn lock(&self, name: &str, kind: LockKind) -> Result<Box<dyn Lock>> {
        self.turn().lock(name, kind)
    }

    fn whereabouts(&self) -> Result<Whereabouts> {
        self.turn().whereabouts()
    }

    fn free_bytes(&self) -> Result<u64> {
        self.turn().free_bytes()
    }

    fn open_files_max(&self) -> Option<u64> {
        self.0.open_files_max()
    }
}

impl File for Turns<dyn File> {
    fn path(&self) -> &str {
        self.0.path()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.turn().read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.turn().write_at(offset, bytes)
    }

    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        self.turn().append(parts)
    }

    fn len(&self) -> Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.turn().set_len(len)
    }

    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.turn().preallocate(offset, len)
    }

    fn flush_data(&self) -> Result<()> {
        self.turn().flush_data()
    }

    fn flush_all(&self) -> Result<()> {
        self.turn().flush_all()
    }
}
