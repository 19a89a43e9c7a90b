//! The steps that keep a database in shape: memtables to segments, log files away, files nobody reads away.
//!
//! Always: a file goes only after the record that drops it is on stable storage and nobody can still read it.
//! Does not know: when it is called (`background`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use entidb_storage::{ErrorKind, Operation};

use crate::compaction::{LiveSnapshots, OutputTarget, Rewrite, RewriteSource};
use crate::engine::shared::Shared;
use crate::engine::super_version::{Frozen, SuperVersion};
use crate::error::{Error, Result};
use crate::format::{FileKind, FileNumber, Sequence};
use crate::memtable::Memtable;
use crate::planted::{Mistake, makes};
use crate::version::{InstallContext, Switch, Version, VersionEdit};

/// Frozen memtables from which on writers wait.
const FROZEN_MAX: usize = 3;
/// Runs of level 0 with keys of one zone from which on writers wait.
const LEVEL_0_RUNS_MAX: usize = 24;
/// Segments of level 0 end at this size.
pub(crate) const LEVEL_0_SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// How long a writer waits for one step before it looks again.
const STALL: Duration = Duration::from_millis(100);

/// Why writers must wait.
#[derive(Debug, Clone, Copy)]
enum Crowded {
    /// Memory for memtables is used up.
    Memory,
    /// Reads of this zone have too many runs to look at.
    Zone(u8),
}

/// Files that some older view may still read: they go when the views before them have.
pub(crate) struct Obsolete {
    view: Weak<SuperVersion>,
    files: Vec<FileNumber>,
}

impl Obsolete {
    /// Files that no view of this handle ever had.
    pub(crate) fn unseen(files: Vec<FileNumber>) -> Option<Self> {
        (!files.is_empty()).then(|| Self { view: Weak::new(), files })
    }
}

impl Shared {
    /// Does one bounded piece of work; false when there is nothing to do.
    pub(crate) fn step(&self) -> Result<bool> {
        let Some(log) = &self.log else { return Ok(false) };
        let _one_at_a_time = self.stepping.lock();
        self.check_open()?;
        log.check()?;
        // First, because a commit that finds no room makes the file itself and waits for it.
        if log.wants_spare() {
            log.prepare_next(0)?;
            return Ok(true);
        }
        if self.flush_oldest()? {
            return Ok(true);
        }
        if self.compaction_step()? {
            return Ok(true);
        }
        if self.checkpoint_is_due() {
            self.freeze()?;
            return Ok(true);
        }
        self.remove_obsolete();
        self.idle.store(true, Ordering::Relaxed);
        Ok(false)
    }

    /// Flushes commits whose interval is over.
    pub(crate) fn flush_log_if_due(&self) -> Result<()> {
        match &self.log {
            Some(log) if log.flush_due_in().is_some_and(|due| due.is_zero()) => log.flush_all(),
            _ => Ok(()),
        }
    }

    /// Remembers how the last step of the background ended, for writers who wait for it.
    pub(crate) fn note_background(&self, error: Option<Error>) {
        *self.background_error.lock() = error;
    }

    /// Waits, or works, until there is room for more writes.
    pub(crate) fn make_room(&self) -> Result<()> {
        let mut waited = false;
        while let Some(crowded) = self.crowded() {
            if !waited {
                self.stalls.fetch_add(1, Ordering::Relaxed);
                waited = true;
            }
            self.check_open()?;
            self.log()?.check()?;
            if self.signal.is_running() {
                self.signal.wait_for_step(STALL);
                if self.crowded().is_some()
                    && let Some(error) = self.hindrance(crowded, self.background_error.lock().clone())
                {
                    return Err(error);
                }
                continue;
            }
            match self.step() {
                Ok(true) => {}
                // Merging may be what would make room, and rest because of damage.
                Ok(false) => return self.hindrance(crowded, None).map_or(Ok(()), Err),
                Err(error) => {
                    if let Some(error) = self.hindrance(crowded, Some(error)) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Why writers who wait for room wait in vain, if they do: the last step failed, or what would have to be merged is
    /// damaged. Damage in one zone is no reason to refuse writes that wait for another.
    fn hindrance(&self, crowded: Crowded, failed: Option<Error>) -> Option<Error> {
        match (crowded, failed) {
            (Crowded::Zone(zone), Some(Error::Corrupt { .. }) | None) => self.damage_in(zone),
            (_, failed) => failed,
        }
    }

    /// Why writers must wait, if they must. Runs are counted by zone, because that is how they are merged: many runs with
    /// one zone each are no reason to wait, and nothing would end the wait.
    fn crowded(&self) -> Option<Crowded> {
        let view = self.current.load();
        if view.frozen.len() >= FROZEN_MAX {
            return Some(Crowded::Memory);
        }
        let fullest = view.version.fullest_zone();
        (fullest.runs >= LEVEL_0_RUNS_MAX).then_some(Crowded::Zone(fullest.zone))
    }

    /// Does one step on the thread of a commit that is done, where no other thread does them and one is waiting. Its
    /// failure is not the commit's: it is kept for the writer that will have to wait because of it.
    pub(crate) fn step_inline(&self) {
        let has_thread = self.backend.threads.parallelism() > 0 && self.options.background;
        let idle = self.idle.load(Ordering::Relaxed)
            && self.log.as_ref().is_none_or(|log| !log.wants_spare())
            && !self.checkpoint_is_due();
        if has_thread || idle {
            return;
        }
        let stepped = self.step();
        self.note_background(stepped.err());
    }

    /// Freezes the active memtable when it holds anything.
    pub(crate) fn freeze(&self) -> Result<()> {
        let commit = self.commit.lock();
        self.freeze_under(commit.applied)
    }

    /// As [`freeze`](Self::freeze), for the holder of the commit lock.
    pub(crate) fn freeze_under(&self, applied: Sequence) -> Result<()> {
        if self.current.load().active.is_empty() {
            return Ok(());
        }
        let fresh = Arc::new(Memtable::new(self.memtable_config.clone())?);
        self.swap_view(Vec::new(), |old| {
            let mut frozen = vec![Frozen { memtable: Arc::clone(&old.active), last: applied }];
            frozen.extend(old.frozen.iter().cloned());
            SuperVersion { active: Arc::clone(&fresh), frozen, version: Arc::clone(&old.version) }
        });
        self.signal.wake();
        Ok(())
    }

    /// Writes every commit so far to segments.
    pub(crate) fn checkpoint(&self) -> Result<Sequence> {
        let log = self.log()?;
        log.check()?;
        if let Err(error) = log.begin_anew() {
            // On a full disk there is no room for a new file, and the checkpoint is what makes room.
            log.check()?;
            if !is_no_space(&error) {
                return Err(error);
            }
        }
        let applied = {
            let commit = self.commit.lock();
            self.freeze_under(commit.applied)?;
            commit.applied
        };
        let _one_at_a_time = self.stepping.lock();
        self.check_open()?;
        while self.current.load().frozen.iter().any(|frozen| frozen.last <= applied) {
            self.flush_oldest()?;
        }
        // Without anything to write, files of the log may still be there that only hold what is in segments.
        let floor = self.installer.lock().as_ref().map_or(Sequence::ZERO, |installer| installer.floor());
        if log.files_after(floor).len() < log.files_after(Sequence::ZERO).len() {
            self.install(&VersionEdit::default(), floor, None)?;
        }
        // Who asks for a checkpoint wants the log to be small, also on disk.
        if let Some(number) = log.forget_spent() {
            let _ = self.backend.directory.remove(&FileKind::Wal.path(number));
        }
        self.remove_obsolete();
        Ok(applied)
    }

    /// Writes the oldest frozen memtable to segments; false when there is none.
    pub(crate) fn flush_oldest(&self) -> Result<bool> {
        let view = self.current.load_full();
        let Some(oldest) = view.frozen.last() else { return Ok(false) };
        // So that the log never lags behind the segments: what recovery finds in either is one gapless history.
        self.log()?.flush_to(oldest.last)?;
        let source = RewriteSource {
            cursor: Box::new(oldest.memtable.cursor()),
            tombstones: if makes(Mistake::RangeDeleteNotWritten) {
                Arc::default()
            } else {
                Arc::new(oldest.memtable.range_tombstones())
            },
        };
        // Numbered by history: a later memtable is a newer run.
        let target = OutputTarget {
            level: 0,
            run: oldest.last.0,
            segment_bytes: LEVEL_0_SEGMENT_BYTES,
            zones: self.options.zones.clone(),
        };
        let mut rewrite = Rewrite::flush(&view.version, vec![source], self.live(), target);
        let allocate = || self.numbers.next();
        while !rewrite.step(&allocate, u64::MAX).map_err(|error| self.judge_failure(error))? {}
        let Some((edit, _)) = rewrite.finish() else {
            return Err(Error::Internal { detail: "a memtable that is written has no result".to_owned() });
        };
        let floor = if makes(Mistake::FloorTooHigh) { oldest.last.next() } else { oldest.last };
        self.install(&edit, floor, Some(oldest))?;
        self.memtable_flushes.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    /// Switches to the version after `edit`, in the manifest first and for readers then.
    pub(crate) fn install(&self, edit: &VersionEdit, floor: Sequence, flushed: Option<&Frozen>) -> Result<()> {
        let log = self.log()?;
        let mut installer = self.installer.lock();
        let Some(installer) = installer.as_mut() else { return Err(Error::Closed) };
        let floor = floor.max(installer.floor());
        let version = self.current.load().version.apply(edit);
        let version: Arc<Version> = Arc::new(version.map_err(|bad| Error::Internal { detail: bad.to_string() })?);
        let context = InstallContext { backend: &self.backend, keys: &self.keys, numbers: &self.numbers };
        let wals = log.files_after(floor);
        let switch = Switch { version: &version, edit, floor, wals: wals.clone() };
        if makes(Mistake::LogGoneBeforeInstall) {
            for number in log.forget(floor, &[]) {
                self.backend.directory.remove(&FileKind::Wal.path(number))?;
            }
        }
        if makes(Mistake::RecycledBeforeInstall) {
            log.forget(floor, &[]);
            log.prepare_next(0)?;
        }
        if makes(Mistake::SegmentsGoneBeforeInstall) {
            for number in edit.obsolete() {
                self.backend.directory.remove(&FileKind::Segment.path(number))?;
            }
        }
        installer.install(&context, switch).map_err(|error| self.judge_failure(error))?;
        self.swap_view(edit.obsolete().collect(), |old| SuperVersion {
            active: Arc::clone(&old.active),
            frozen: old
                .frozen
                .iter()
                .filter(|frozen| flushed.is_none_or(|gone| !Arc::ptr_eq(&frozen.memtable, &gone.memtable)))
                .cloned()
                .collect(),
            version: Arc::clone(&version),
        });
        for number in log.forget(floor, &wals) {
            // What cannot be removed is an orphan for the next open.
            let _ = self.backend.directory.remove(&FileKind::Wal.path(number));
        }
        // Here and not only when there is nothing else to do: under a steady load there always is.
        self.remove_obsolete();
        Ok(())
    }

    /// The sequences somebody can still read at.
    pub(crate) fn live(&self) -> LiveSnapshots {
        self.readers.live(|| self.visible())
    }

    /// Stops all writing when the failure is one of a flush; hands the error on.
    pub(crate) fn judge_failure(&self, error: Error) -> Error {
        if let Some(log) = &self.log
            && is_failed_flush(&error)
        {
            log.stop(&error.to_string());
        }
        error
    }

    /// Shows readers another view, and remembers the files that only older views read.
    fn swap_view(&self, files: Vec<FileNumber>, next: impl Fn(&SuperVersion) -> SuperVersion) {
        self.idle.store(false, Ordering::Relaxed);
        let mut obsolete = self.obsolete.lock();
        let old = self.current.rcu(|old| Arc::new(next(old)));
        obsolete.push_back(Obsolete { view: Arc::downgrade(&old), files });
    }

    /// Removes the files that nobody can read any more.
    pub(crate) fn remove_obsolete(&self) {
        let mut obsolete = self.obsolete.lock();
        while obsolete.front().is_some_and(|front| front.view.strong_count() == 0) {
            let Some(front) = obsolete.pop_front() else { break };
            for number in front.files {
                let _ = self.backend.directory.remove(&FileKind::Segment.path(number));
            }
        }
    }

    pub(crate) fn obsolete_count(&self) -> u64 {
        self.obsolete.lock().iter().map(|it| it.files.len() as u64).sum()
    }

    fn checkpoint_is_due(&self) -> bool {
        let Some(log) = &self.log else { return false };
        self.options.auto_checkpoint
            && log.bytes() >= self.options.wal_bytes
            && self.current.load().active.bytes() as u64 >= self.options.wal_bytes / 8
    }
}

fn is_no_space(error: &Error) -> bool {
    matches!(error, Error::Storage(inner) if inner.kind == ErrorKind::NoSpace)
}

/// After a failed flush nothing that was written before it can be trusted; after a failed write it is merely absent.
/// A full disk that shows only when a new segment is flushed is no such failure: nobody relies on that file yet, it is
/// thrown away, and the next try makes another.
fn is_failed_flush(error: &Error) -> bool {
    let Error::Storage(inner) = error else { return false };
    let flush = matches!(inner.operation, Operation::FlushData | Operation::FlushAll | Operation::FlushNames);
    let new_segment = inner.path.starts_with(FileKind::Segment.folder()) && inner.kind == ErrorKind::NoSpace;
    flush && !new_segment
}
