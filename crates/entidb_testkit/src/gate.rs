//! A backend with a keeper: a function that sees each call before it is made and may hold it up, make it fail, or do
//! something else in the meantime.
//!
//! Always: nothing of the gate is locked while the keeper runs, so it may use the database whose call it sees, as another
//! thread could at that moment; it sees the calls that this leads to as well.
//! Does not know: what the calls mean.

use std::sync::Arc;

use entidb_storage::{Backend, Call, Error, ErrorKind, Operation, Result, Watcher};
use parking_lot::Mutex;

/// Sees an operation and the path it is about; the kind of error the call is to fail with, if it is to fail.
type Keeper = Arc<dyn Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync>;

/// The place the calls of a backend go through.
#[derive(Clone, Default)]
pub struct Gate {
    keeper: Arc<Mutex<Option<Keeper>>>,
}

impl Gate {
    /// The backend, with all its calls on files and names going through this gate.
    #[must_use]
    pub fn guarded(&self, backend: &Backend) -> Backend {
        backend.watched(Arc::new(self.clone()))
    }

    /// Lets the keeper see every call from now on.
    pub fn keep(&self, keeper: impl Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync + 'static) {
        *self.keeper.lock() = Some(Arc::new(keeper));
    }

    /// Lets every call pass from now on.
    pub fn open(&self) {
        *self.keeper.lock() = None;
    }

    fn pass(&self, operation: Operation, path: &str) -> Result<()> {
        let keeper = self.keeper.lock().clone();
        let kind = keeper.and_then(|keeper| keeper(operation, path));
        kind.map_or(Ok(()), |kind| Err(Error::new(operation, path, kind)))
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("kept", &self.keeper.lock().is_some()).finish()
    }
}

impl Watcher for Gate {
    fn before(&self, call: &Call<'_>) -> Result<()> {
        self.pass(call.operation, call.path)
    }
}
