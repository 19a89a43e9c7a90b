//! Commits a transaction that is too large for the log: its changes become segments directly.
//!
//! Always: the data is written once. Everything older is in segments before, so that the new segments are the newest of
//! all and recovery needs nothing beside the manifest: the record that lists them is the commit. Until that record is
//! on stable storage nobody sees the changes, and a failure leaves nothing of them; where that cannot be known, the log
//! stops and the commit is `CommitUnknown`.
//! Does not know: how a transaction keeps its changes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::compaction::{OutputTarget, Piece, Rewrite, RewriteSource};
use crate::engine::maintain::LEVEL_0_SEGMENT_BYTES;
use crate::engine::shared::Shared;
use crate::error::{Error, Result};
use crate::format::Sequence;
use crate::interrupt;
use crate::planted::{Mistake, makes};
use crate::range_tombstone::RangeTombstones;
use crate::space::{Purpose, segment_bytes_of};
use crate::transaction::{WriteBuffer, source_of};

impl Shared {
    /// True when a transaction of this many bytes is better written to segments than to the log and a memtable.
    pub(crate) fn is_bulk(&self, bytes: u64) -> bool {
        bytes > self.options.memtable_bytes / 4
    }

    /// Makes the changes the next commit, durable when this returns. For the holder of the right to write, so that no
    /// other commit comes in between.
    pub(crate) fn ingest(&self, buffer: &Arc<WriteBuffer>, before: impl FnOnce(Sequence)) -> Result<Sequence> {
        let purpose = if buffer.frees() { Purpose::Free } else { Purpose::Add };
        self.make_room(buffer)?;
        let log = self.log()?;
        self.find_room(purpose, segment_bytes_of(buffer.bytes()))?;
        let _ingesting = self.ingesting.lock();
        self.check_open()?;
        log.check()?;
        if !makes(Mistake::IngestOverMemtables) {
            self.freeze()?;
            while self.flush_piece()? {
                interrupt::check()?;
            }
        }
        if !makes(Mistake::IngestLogGoesOn) {
            log.begin_anew(&|| self.unflushed_bytes())?;
        }
        let sequence = self.commit.lock().applied.next();
        interrupt::check()?;
        let mut rewrite = self.rewrite_of(buffer, sequence);
        let piece = || Piece::bounded(self.backend.clock.as_ref());
        while !rewrite.step(&|| self.numbers.next(), &mut piece()).map_err(|error| self.judge_failure(error))? {
            self.check_open()?;
            // The segments written so far go with the rewrite.
            interrupt::check()?;
        }
        // Under the commit lock: a close either comes before, or waits until it is done.
        let mut commit = self.commit.lock();
        self.check_open()?;
        log.check()?;
        let Some((edit, _)) = rewrite.finish() else {
            return Err(Error::Internal { detail: "a transaction that is written has no result".to_owned() });
        };
        before(sequence);
        let floor = Sequence(sequence.0.saturating_sub(u64::from(makes(Mistake::IngestFloorTooLow))));
        if let Err(error) = self.install(&edit, floor, &[]) {
            return Err(self.withdraw(sequence, error));
        }
        commit.applied = sequence;
        log.pass_over(sequence);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.signals.merges.wake();
        Ok(sequence)
    }

    fn rewrite_of(&self, buffer: &Arc<WriteBuffer>, sequence: Sequence) -> Rewrite {
        let source = source_of(buffer, sequence);
        let source = RewriteSource::new(source.cursor, RangeTombstones::of_map_by(buffer.ranges(), sequence));
        let target = OutputTarget {
            level: 0,
            run: sequence.0,
            segment_bytes: self.space.segment_bytes(LEVEL_0_SEGMENT_BYTES),
            bytes_max: u64::MAX,
            zones: self.options.zones.clone(),
        };
        let version = Arc::clone(&self.current.load().version);
        Rewrite::flush(&version, vec![source], self.live(), target)
    }

    /// Makes sure that a commit whose record failed never was. The record may be on stable storage all the same, and
    /// then a later commit must not get its sequence: a fresh manifest without it settles that. One that found no room is
    /// not there, and on a full disk there would be no room for the fresh manifest either.
    fn withdraw(&self, sequence: Sequence, error: Error) -> Error {
        let Ok(log) = self.log() else { return error };
        let settled = log.check().and_then(|()| {
            let mut installer = self.installer.lock();
            let installer = installer.as_mut().ok_or(Error::Closed)?;
            if !installer.may_have_floor(sequence) {
                return Ok(());
            }
            let context = self.install_context(log);
            let version = Arc::clone(&self.current.load().version);
            let settled = installer.rewrite_now(&context, &version, log.files_after(installer.floor()));
            self.unneeded.lock().extend(installer.take_unneeded());
            settled
        });
        if settled.is_ok() {
            return error;
        }
        log.stop(&error);
        Error::CommitUnknown { sequence, cause: error.to_string() }
    }
}
