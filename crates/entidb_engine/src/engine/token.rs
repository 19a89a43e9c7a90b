//! The right to write: one holder at a time.
//!
//! Always: dropping the token lets the next writer in; a token that commits gives the right back before it waits
//! for the disk, so that the next writer fills the log meanwhile.
//! Does not know: what is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::space::is_no_space;
use crate::sync::{Condvar, Mutex};

use crate::engine::{ReadPoint, Shared};
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::interrupt::{self, ASK_EVERY};
use crate::options::Durability;
use crate::transaction::{Companion, WriteBuffer};

/// Looks at the writer's place before a thread goes to sleep for it: a small commit holds it for a tenth of the time it
/// takes to put a thread to sleep and to wake it.
const LOOKS: u32 = 100;

/// Who may write.
///
/// While the lock is free the first thread takes it; it is not handed to the longest waiter: it would stand empty
/// each time until that thread has woken up.
#[derive(Default)]
pub(crate) struct Writer {
    state: Mutex<WriterState>,
    free: Condvar,
    /// As in the state, for those who look without its lock.
    held: AtomicBool,
}

#[derive(Default)]
struct WriterState {
    held: bool,
    given: u64,
}

impl Writer {
    /// Wakes all waiters; each checks its condition again.
    pub(crate) fn wake(&self) {
        let guard = self.state.lock();
        drop(guard);
        self.free.notify_all();
    }
}

/// The right to write.
pub(crate) struct WriterToken {
    shared: Arc<Shared>,
    number: u64,
}

impl WriterToken {
    pub(crate) fn take(shared: &Arc<Shared>, timeout: Option<Duration>) -> Result<Self> {
        if shared.backend.threads.parallelism() > 1 {
            let _came_free = (0..LOOKS).any(|_| {
                std::hint::spin_loop();
                !shared.writer.held.load(Ordering::Relaxed)
            });
        }
        let clock = &shared.backend.clock;
        let limit = timeout.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let until = limit.map(|nanos| clock.monotonic_nanos().saturating_add(nanos));
        let mut state = shared.writer.state.lock();
        while state.held {
            let left = until.map(|until| Duration::from_nanos(until.saturating_sub(clock.monotonic_nanos())));
            match left {
                None if interrupt::is_asking() => {
                    shared.writer.free.wait_for(&mut state, ASK_EVERY);
                }
                None => shared.writer.free.wait(&mut state),
                Some(Duration::ZERO) => return Err(Error::Busy),
                Some(left) => {
                    shared.writer.free.wait_for(&mut state, interrupt::slice(left));
                }
            }
            // One that was woken because the lock is free takes it, whatever else: nobody else is woken for it.
            if state.held && interrupt::is_asking() {
                drop(state);
                interrupt::check()?;
                state = shared.writer.state.lock();
            }
            shared.check_open()?;
        }
        state.held = true;
        shared.writer.held.store(true, Ordering::Relaxed);
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

    /// Commits the changes of the transaction that reads at `point`, and tells the companion. If a full disk refuses them, or
    /// has refused others and is still full, `less` reduces them while the write lock is held.
    pub(crate) fn commit(
        self,
        point: &ReadPoint,
        buffer: &mut Arc<WriteBuffer>,
        durability: Durability,
        companion: &mut dyn Companion,
        less: Option<Less<'_>>,
    ) -> Result<Sequence> {
        // Segments of a bulk commit that was refused are removed as those of one that was made.
        let is_bulk = self.shared.is_bulk(buffer.bytes());
        let made = match less {
            // Trying it whole writes memtables to find room, into a small segment for each commit.
            Some(less) if self.shared.space.is_short() => {
                less(buffer).and_then(|()| self.make(point, buffer, durability, companion))
            }
            less => match (self.make(point, buffer, durability, companion), less) {
                (Err(error), Some(less)) if is_no_space(&error) => {
                    less(buffer).and_then(|()| self.make(point, buffer, durability, companion))
                }
                (made, _) => made,
            },
        };
        let bytes = buffer.bytes();
        let shared = Arc::clone(&self.shared);
        drop(self);
        if is_bulk {
            shared.remove_unneeded();
        }
        let sequence = match made.inspect_err(|error| shared.step_after_refusal(error))? {
            Made::Segments(sequence) => sequence,
            Made::Log(sequence) => {
                // What fails here stops the log. The commit keeps its sequence, and whether it is seen is the log's to say.
                shared.log()?.wait(sequence, durability)?;
                sequence
            }
        };
        shared.step_inline();
        shared.keep_pace(bytes, buffer);
        Ok(sequence)
    }

    /// Applies the changes; the companion is told of a refusal while nobody else may write.
    fn make(
        &self,
        point: &ReadPoint,
        buffer: &Arc<WriteBuffer>,
        durability: Durability,
        companion: &mut dyn Companion,
    ) -> Result<Made> {
        self.shared.check_open()?;
        let prepare = |sequence| {
            // From the moment the sequence is given, iterators of the transaction would see its commit beneath them.
            point.end();
            companion.prepare(sequence);
        };
        let made = if self.shared.is_bulk(buffer.bytes()) {
            self.shared.ingest(buffer, prepare).map(Made::Segments)
        } else {
            self.shared.apply(buffer, durability, prepare).map(Made::Log)
        };
        if made.is_err() {
            companion.withdraw();
        }
        made
    }
}

/// Reduces the changes of a commit.
pub(crate) type Less<'a> = &'a mut dyn FnMut(&mut Arc<WriteBuffer>) -> Result<()>;

/// Where a commit went.
enum Made {
    Segments(Sequence),
    Log(Sequence),
}

impl Drop for WriterToken {
    fn drop(&mut self) {
        if self.shared.stays_as_it_is() {
            return;
        }
        let writer = &self.shared.writer;
        let mut state = writer.state.lock();
        state.held = false;
        writer.held.store(false, Ordering::Relaxed);
        drop(state);
        writer.free.notify_one();
    }
}
