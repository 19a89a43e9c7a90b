//! The orderly end of a session.
//!
//! Always: after an orderly close every byte of the log and the manifest is accounted for, so that later damage to any
//! of them is seen as damage. A close that fails leaves what a crash would. It waits for a piece of background work at most,
//! for a change of the keys and a log file that is being made, and for no merge. After it no file of the database is open, however it ended and whatever handles there still are, except
//! those of a read that is under way.
//! Does not know: who still holds snapshots; their next read says `Closed`.

use std::sync::atomic::Ordering;

use crate::engine::shared::Shared;
use crate::error::{Error, Result};

pub(crate) fn close(shared: &Shared) -> Result<()> {
    // A second call returns when the first is done: what follows a close may open the folder, or end the process.
    let mut folder_lock = shared.folder_lock.lock();
    {
        // Under the commit lock: no commit is half applied when the flag goes up.
        let _commit = shared.commit.lock();
        if shared.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
    }
    shared.writer.wake();
    let result = end_session(shared);
    drop(shared.installer.lock().take());
    if let Some(log) = &shared.log {
        log.let_go();
        log.wake();
    }
    // The last that is open: the folder and the segments go with the lock.
    drop(folder_lock.take());
    result
}

fn end_session(shared: &Shared) -> Result<()> {
    let Some(log) = &shared.log else { return Ok(()) };
    give_up_work(shared);
    // Before a file is removed: it may be somebody else's by now.
    match log.check_owner() {
        // What cannot be looked at now is met again by what is written.
        Ok(()) => {}
        Err(error @ Error::Replaced { .. }) => return Err(error),
        Err(_) => {}
    }
    shared.remove_obsolete();
    let installer = shared.installer.lock().take();
    let wals = log.close()?;
    match installer {
        Some(mut installer) => {
            let context = shared.install_context(log);
            if installer.wants_tail() {
                shared.space.release(crate::space::RECORDS_BYTES);
            }
            let closed = installer.close(&context, &shared.current.load().version, wals);
            shared.unneeded.lock().extend(installer.take_unneeded());
            shared.remove_unneeded();
            closed
        }
        None => Ok(()),
    }
}

/// Gives up what is under way, between two pieces; the files of it go. A change of the keys ends. Nothing begins after it,
/// because every thread that takes one of these locks checks whether the database is closed.
fn give_up_work(shared: &Shared) {
    shared.merging.lock().give_up();
    drop(shared.ingesting.lock());
    drop(shared.flushing.lock().take());
    drop(shared.keyring.lock());
}
