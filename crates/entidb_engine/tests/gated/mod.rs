//! A directory whose calls on names, and writes and flushes of files, a test may refuse, or hold for as long as it wants.
//!
//! Always: the hook sees a call before it happens; what it refuses does not happen.
//! Does not know: the bytes of files.

use std::sync::Arc;

use entidb_storage::{Backend, Call, Error, ErrorKind, Operation, Result, Watcher};

/// The backend, with `hook` before its calls that change names, and before reads, writes and flushes. It is given the name that
/// a call is on, for a rename the new one, and refuses the call with what it returns.
pub(crate) fn gated(
    backend: &Backend,
    hook: impl Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync + 'static,
) -> Backend {
    backend.watched(Arc::new(Gated(hook)))
}

struct Gated<Hook>(Hook);

impl<Hook: Fn(Operation, &str) -> Option<ErrorKind> + Send + Sync> Watcher for Gated<Hook> {
    fn before(&self, call: &Call<'_>) -> Result<()> {
        let name = match call.operation {
            Operation::Rename => call.to,
            Operation::Open
            | Operation::CreateFolder
            | Operation::RemoveFolder
            | Operation::Remove
            | Operation::HardLink
            | Operation::FlushNames
            | Operation::Read
            | Operation::Write
            | Operation::FlushData => call.path,
            _ => return Ok(()),
        };
        (self.0)(call.operation, name).map_or(Ok(()), |kind| Err(Error::new(call.operation, name, kind)))
    }
}
