//! The right to write: one holder at a time.
//!
//! Always: dropping the token lets the next writer in; a token that commits gives the right back before it waits
//! for the disk, so that the next writer fills the log meanwhile.
//! Does not know: what is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::engine::Shared;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::options::Durability;
use crate::transaction::WriteBuffer;

/// Who may write.
#[derive(Default)]
pub(crate) struct Writer {
    state: Mutex<WriterState>,
    free: Condvar,
}

#[derive(Default)]
struct WriterState {
    held: bool,
    given: u64,
}

/// The right to write.
pub(crate) struct WriterToken {
    shared: Arc<Shared>,
    number: u64,
}

impl WriterToken {
    pub(crate) fn take(shared: &Arc<Shared>, timeout: Option<Duration>) -> Result<Self> {
        let mut state = shared.writer.state.lock();
        while state.held {
            match timeout {
                None => shared.writer.free.wait(&mut state),
                Some(time) if time.is_zero() => return Err(Error::Busy),
                Some(time) => {
                    if shared.writer.free.wait_for(&mut state, time).timed_out() && state.held {
                        return Err(Error::Busy);
                    }
                }
            }
            shared.check_open()?;
        }
        state.held = true;
        state.given = state.given.saturating_add(1);
        Ok(Self { shared: Arc::clone(shared), number: state.given })
    }

    /// Tells this holder from every other one.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn default_durability(&self) -> Durability {
        self.shared.options.durability
    }

    pub(crate) fn commit(self, buffer: Arc<WriteBuffer>, _durability: Durability) -> Result<Sequence> {
        self.shared.check_open()?;
        let sequence = Sequence(self.shared.visible.load(Ordering::Acquire)).next();
        self.shared.interim.apply(&buffer, sequence)?;
        self.shared.visible.store(sequence.0, Ordering::Release);
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        let guard = self.shared.commit_waiters.0.lock();
        drop(guard);
        self.shared.commit_waiters.1.notify_all();
        Ok(sequence)
    }
}

impl Drop for WriterToken {
    fn drop(&mut self) {
        self.shared.writer.state.lock().held = false;
        self.shared.writer.free.notify_one();
    }
}
