//! The two ends of a log: closed in order, or stopped by a failure.
//!
//! Always: after either no commit gets in; a commit that a failure caught learns whether it may be on disk.
//! Does not know: what failed.

use crate::error::{Error, Result};
use crate::format::{FileKind, Sequence};
use crate::planted::{Mistake, makes};
use crate::version::WalRef;
use crate::wal::group::{Log, State};

#[derive(Clone)]
pub(super) struct Stop {
    cause: String,
    /// What everyone is told who comes after it.
    error: Error,
    /// Commits up to here may be on disk, the group that was being written included; later ones are certainly not.
    unknown_to: Sequence,
}

impl Log {
    /// Refuses all further commits.
    pub(crate) fn stop(&self, cause: &Error) {
        self.state.lock().stop(cause);
        self.wake_all();
    }

    /// The failure that stopped the log.
    pub(crate) fn check(&self) -> Result<()> {
        self.state.lock().check(None)
    }

    /// Flushes everything and ends the log in order. Returns its files for the manifest.
    pub(crate) fn close(&self) -> Result<Vec<WalRef>> {
        self.flush_all()?;
        let mut state = self.state.lock();
        loop {
            while state.writing || state.flushing {
                self.changed.wait(&mut state);
            }
            state.check(None)?;
            if state.unflushed_files() == 0 {
                break;
            }
            // No commit waits for them any more, but the manifest is to say where they end.
            state = self.write_pending(state, true);
        }
        state.closed = true;
        let (appended, number) = (state.appended, state.current_number);
        drop(state);
        // A file that is being made: nothing is to be written to it when the folder may be somebody else's.
        drop(self.preparing.lock());
        let sealed = match self.current.lock().as_mut() {
            Some(current) => current.finish(None, appended, self.durable()),
            None => Err(Error::Closed),
        };
        let mut state = self.state.lock();
        let unused = [state.spare.take().map(|spare| spare.number()), state.spent.take().map(|spent| spent.number)];
        for number in unused.into_iter().flatten() {
            let _ = self.context.backend.directory.remove(&FileKind::Wal.path(number));
        }
        match sealed {
            Ok(seal) => {
                let mut list = state.retired.iter().map(|it| it.wal.clone()).collect::<Vec<_>>();
                list.push(WalRef { number, seal: Some(seal) });
                Ok(list)
            }
            Err(error) => {
                state.stop(&error);
                Err(error)
            }
        }
    }

    /// Closes its files, however it ended: no later commit gets in.
    pub(crate) fn let_go(&self) {
        let current = self.current.lock().take();
        self.state.lock().closed = true;
        drop(self.preparing.lock());
        let mut state = self.state.lock();
        let unflushed: Vec<_> = state.retired.iter_mut().filter_map(|it| it.unflushed.take()).collect();
        let files = (state.file.take(), state.spare.take(), unflushed);
        drop(state);
        drop((current, files));
        self.wake_all();
    }
}

impl State {
    /// The error of everyone who comes after a failure; for a commit that waited, what is known of it.
    pub(super) fn check(&self, waiting: Option<Sequence>) -> Result<()> {
        match (&self.stopped, waiting) {
            (Some(stop), Some(sequence)) if sequence <= stop.unknown_to => {
                Err(Error::CommitUnknown { sequence, cause: stop.cause.clone() })
            }
            (Some(stop), _) => Err(stop.error.clone()),
            (None, _) if self.closed => Err(Error::Closed),
            (None, _) => Ok(()),
        }
    }

    /// Refuses all further commits, and is the only place that says which of those before may be on disk: whoever stops
    /// the log need not know what others are writing.
    pub(super) fn stop(&mut self, cause: &Error) {
        let error = match cause {
            Error::Replaced { .. } => cause.clone(),
            _ => Error::WritesStopped { cause: cause.to_string() },
        };
        self.stop_with(cause.to_string(), error);
    }

    /// As [`stop`](Self::stop), where nothing failed but a panic went through.
    pub(super) fn stop_after_panic(&mut self) {
        let cause = "a panic in the middle of writing or flushing the log".to_owned();
        self.stop_with(cause.clone(), Error::WritesStopped { cause });
    }

    fn stop_with(&mut self, cause: String, error: Error) {
        if self.stopped.is_none() {
            let unknown_to = if makes(Mistake::WrittenGroupForgotten) { self.written } else { self.begun };
            self.stopped = Some(Stop { cause, error, unknown_to });
            (self.pending_due_nanos, self.written_due_nanos) = (None, None);
        }
    }
}
