//! The orderly end of a session.
//!
//! Always: after an orderly close every byte of the log and the manifest is accounted for, so that later damage to any
//! of them is seen as damage. A close that fails leaves what a crash would.
//! Does not know: who still holds snapshots; their next read says `Closed`.

use std::sync::atomic::Ordering;

use crate::engine::shared::Shared;
use crate::error::Result;
use crate::version::InstallContext;

pub(crate) fn close(shared: &Shared) -> Result<()> {
    {
        // Under the commit lock: no commit is half applied when the flag goes up.
        let _commit = shared.commit.lock();
        if shared.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
    }
    shared.writer.wake();
    let result = end_session(shared);
    if let Some(log) = &shared.log {
        log.wake();
    }
    drop(shared.folder_lock.lock().take());
    result
}

fn end_session(shared: &Shared) -> Result<()> {
    let Some(log) = &shared.log else { return Ok(()) };
    let _last_step = shared.stepping.lock();
    // A merge under way is given up; its files go with it.
    drop(shared.rewrite.lock().take());
    shared.remove_obsolete();
    let installer = shared.installer.lock().take();
    let wals = log.close()?;
    match installer {
        Some(mut installer) => {
            let context = InstallContext { backend: &shared.backend, keys: &shared.keys, numbers: &shared.numbers };
            installer.close(&context, &shared.current.load().version, wals)
        }
        None => Ok(()),
    }
}
