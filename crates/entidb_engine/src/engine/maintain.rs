//! Changes of what readers see: memtables frozen, versions installed.
//!
//! Always: the version changes in `install` only, under the installer's lock, and the record that says so is on stable
//! storage before a file of the log goes.
//! Does not know: who makes the files of a version (`flush`, `compact`, `ingest`), or which segments somebody still reads
//! (`obsolete`).

use std::sync::Arc;

use entidb_storage::{ErrorKind, Operation};

use crate::compaction::LiveSnapshots;
use crate::engine::shared::Shared;
use crate::engine::super_version::{Frozen, SuperVersion};
use crate::error::{Error, Result};
use crate::format::{FileKind, FileNumber, Sequence};
use crate::interrupt;
use crate::memtable::Memtable;
use crate::planted::{Mistake, makes};
use crate::space::{Purpose, RECORDS_BYTES, is_no_space};
use crate::value::Value;
use crate::version::{Switch, Version, VersionEdit};

/// Segments of level 0 end at this size.
pub(crate) const LEVEL_0_SEGMENT_BYTES: u64 = 32 * 1024 * 1024;

impl Shared {
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
        self.swap_view(|old| {
            let mut frozen = vec![Frozen { memtable: Arc::clone(&old.active), last: applied }];
            frozen.extend(old.frozen.iter().cloned());
            SuperVersion { active: Arc::clone(&fresh), frozen, version: Arc::clone(&old.version) }
        });
        self.signals.memtables.wake();
        Ok(())
    }

    /// Writes every commit so far to segments.
    pub(crate) fn checkpoint(&self) -> Result<Sequence> {
        let log = self.log()?;
        log.check()?;
        // On a full disk there may be no room for a new file before the memtables are written, and less of it after.
        let begin_small = || match log.begin_small(&|| self.unflushed_bytes()) {
            Err(error) if is_no_space(&error) => log.check().map(|()| false),
            begun => begun.map(|()| true),
        };
        let has_begun = begin_small()?;
        let applied = {
            let commit = self.commit.lock();
            self.freeze_under(commit.applied)?;
            commit.applied
        };
        // Together with the thread that does this anyway, if there is one.
        while self.current.load().frozen.iter().any(|frozen| frozen.last <= applied) {
            interrupt::check()?;
            self.flush_piece()?;
        }
        self.check_open()?;
        if !has_begun {
            begin_small()?;
        }
        // Without anything to write, files of the log may still be there that only hold what is in segments.
        let floor = self.installer.lock().as_ref().map_or(Sequence::ZERO, |installer| installer.floor());
        if log.has_files_before(floor) {
            self.install(&VersionEdit::default(), floor, &[])?;
        }
        self.remove_unneeded();
        // Who asks for a checkpoint wants the log to be small, also on disk.
        if let Some(number) = log.forget_spent() {
            let _ = self.backend.directory.remove(&FileKind::Wal.path(number));
        }
        self.remove_obsolete();
        Ok(applied)
    }

    /// Switches to the version after `edit`, in the manifest first and for readers then.
    pub(crate) fn install(&self, edit: &VersionEdit, floor: Sequence, flushed: &[Frozen]) -> Result<()> {
        let log = self.log()?;
        let mut installer = self.installer.lock();
        let Some(installer) = installer.as_mut() else { return Err(Error::Closed) };
        let floor = floor.max(installer.floor());
        let version = self.current.load().version.apply(edit);
        let version: Arc<Version> = Arc::new(version.map_err(|bad| Error::Internal { detail: bad.to_string() })?);
        let context = self.install_context(log);
        let wals = log.files_after(floor);
        let switch = Switch { version: &version, edit, floor, wals: wals.clone() };
        if makes(Mistake::LogGoneBeforeInstall) {
            for number in log.forget(floor, &[]) {
                self.backend.directory.remove(&FileKind::Wal.path(number))?;
            }
        }
        if makes(Mistake::RecycledBeforeInstall) {
            log.forget(floor, &[]);
            log.prepare_next(0, Purpose::Add, &|| 0)?;
        }
        if makes(Mistake::SegmentsGoneBeforeInstall) {
            for number in edit.obsolete() {
                self.backend.directory.remove(&FileKind::Segment.path(number))?;
            }
        }
        if self.space.is_short() && installer.wants_tail() {
            self.space.release(RECORDS_BYTES);
        }
        let mut installed = installer.install(&context, switch);
        if installed.as_ref().is_err_and(is_no_space) && self.space.give_up_reserve() {
            // A record of a few bytes: with the reserve it goes into a fresh manifest.
            let switch = Switch { version: &version, edit, floor, wals: wals.clone() };
            installed = installer.install(&context, switch);
        }
        self.unneeded.lock().extend(installer.take_unneeded());
        if let Err(error) = installed {
            // Who failed makes others with other numbers, if at all. On a full disk what is left would be in the way of that.
            let made: Vec<FileNumber> = edit.fresh().collect();
            if is_no_space(&error) && !installer.may_name(&made) {
                self.unneeded.lock().extend(made.into_iter().map(|number| (FileKind::Segment, number)));
            }
            return Err(self.judge_failure(error));
        }
        let dropped = self.current.load().version.files(edit.obsolete());
        self.swap_view(|old| SuperVersion {
            active: Arc::clone(&old.active),
            frozen: old
                .frozen
                .iter()
                .filter(|frozen| !flushed.iter().any(|gone| Arc::ptr_eq(&frozen.memtable, &gone.memtable)))
                .cloned()
                .collect(),
            version: Arc::clone(&version),
        });
        self.retire(&dropped, flushed);
        self.unneeded.lock().extend(log.forget(floor, &wals).into_iter().map(|number| (FileKind::Wal, number)));
        Ok(())
    }

    /// Removes the files that nothing names since the last switches. To be called without a lock that a commit may wait
    /// for: giving back the space of a large file takes as long as writing some of it. What cannot be removed is an orphan
    /// for the next open.
    pub(crate) fn remove_unneeded(&self) {
        let unneeded = std::mem::take(&mut *self.unneeded.lock());
        for (kind, number) in unneeded {
            let _ = self.backend.directory.remove(&kind.path(number));
            self.space.gave_back();
        }
    }

    /// The sequences somebody can still read at.
    pub(crate) fn live(&self) -> LiveSnapshots {
        self.readers.live(|| self.visible())
    }

    /// As [`live`](Self::live), with what has expired for a merge: by the watermark as the oldest reader sees it, and as
    /// segments have it. One that the log alone has would be missing in a backup, which copies segments, and one that is not
    /// durable after a crash. A watermark that cannot be read removes nothing; its readers are told why.
    pub(crate) fn live_and_expired(&self) -> LiveSnapshots {
        self.live_and_expired_by(|view, key, at| {
            if makes(Mistake::WatermarkNotDurable) {
                return view.get(key, at);
            }
            if makes(Mistake::WatermarkOfLog) {
                return view.get(key, at.min(self.log()?.durable()));
            }
            view.get_written(key, at)
        })
    }

    /// As [`live_and_expired`](Self::live_and_expired), for the flush of memtables up to this commit, which are in the log.
    pub(crate) fn live_and_expired_up_to(&self, last: Sequence) -> LiveSnapshots {
        self.live_and_expired_by(|view, key, at| {
            view.get(key, if makes(Mistake::WatermarkNotDurable) { at } else { at.min(last) })
        })
    }

    fn live_and_expired_by(
        &self,
        watermark: impl FnOnce(&SuperVersion, &[u8], Sequence) -> Result<Option<Value>>,
    ) -> LiveSnapshots {
        let live = self.live();
        let zones = &self.options.zones;
        let Some(key) = zones.watermark_key().filter(|_| self.log.is_some()) else { return live };
        let at = if makes(Mistake::WatermarkOfNewest) { self.visible() } else { live.oldest() };
        let stored = watermark(&self.current.load(), key, at).ok().flatten();
        let kept_from = stored.as_deref().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()).map(u64::from_be_bytes);
        live.expiring(zones.expiring(), Sequence(kept_from.unwrap_or(0)))
    }

    /// Stops all writing when the failure is one of a flush, or the database is not ours any more; hands the error on.
    pub(crate) fn judge_failure(&self, error: Error) -> Error {
        if let Some(log) = &self.log
            && (is_failed_flush(&error) || matches!(error, Error::Replaced { .. }))
        {
            log.stop(&error);
        }
        error
    }
}

/// After a failed flush nothing that was written before it can be trusted; after a failed write it is merely absent.
/// A full disk that shows only when a new segment is flushed is no such failure: nobody relies on that file yet, it is
/// thrown away, and the next try makes another.
fn is_failed_flush(error: &Error) -> bool {
    let Error::Storage(inner) = error else { return false };
    match inner.operation {
        // A folder that could not even be opened was not flushed, and nothing of it forgotten.
        Operation::FlushNames => inner.kind != ErrorKind::TooManyOpenFiles,
        Operation::FlushData | Operation::FlushAll => {
            let new_segment = inner.path.starts_with(FileKind::Segment.folder());
            !(new_segment && inner.kind == ErrorKind::NoSpace)
        }
        _ => false,
    }
}
