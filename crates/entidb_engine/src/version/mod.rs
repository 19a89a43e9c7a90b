//! Which segments are live, and reading through them.
//!
//! Always: a version never changes; levels hold newer data the smaller their number, runs the larger theirs, and the
//! segments of a run are sorted and do not overlap. What was installed together is seen together.
//! Does not know: memtables, or how versions are stored (`manifest`).

mod edit;
mod folder;
mod install;
mod manifest;
mod root;
mod run;

use std::sync::Arc;

pub(crate) use edit::{LEVELS_MAX, SegmentMeta, VersionEdit};
pub(crate) use folder::{FOLDERS, create_folders, list_files};
pub(crate) use install::{InstallContext, Installer, Switch, write_closed};
pub(crate) use manifest::{FileNumbers, ManifestRead, ManifestWriter, WalRef, read_manifest};
pub(crate) use root::{read_root_file, write_root};
pub(crate) use run::Run;

use crate::error::Result;
use crate::format::FileNumber;
use crate::iterator::{PointRead, Span};
use crate::segment::{Segment, SegmentContext};

/// Keys that are fetched together.
pub(crate) const KEYS_AT_ONCE: usize = 32;

/// One level: runs, newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level {
    pub(crate) runs: Vec<Arc<Run>>,
}

impl Level {
    /// The segments of all runs.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.runs.iter().flat_map(|run| run.segments())
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments().map(|segment| segment.meta().bytes).sum()
    }
}

/// An edit does not fit the version it is to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadEdit(pub(crate) String);

/// The live segments at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    context: Arc<SegmentContext>,
    levels: Vec<Level>,
}

impl Version {
    /// A version without segments.
    pub(crate) fn empty(context: Arc<SegmentContext>) -> Self {
        Self { context, levels: Vec::new() }
    }

    /// What segments of this version are written and read with.
    pub(crate) const fn context(&self) -> &Arc<SegmentContext> {
        &self.context
    }

    /// The levels, from 0 on; those at the end are left out when empty.
    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// A level, empty when there is nothing in it.
    pub(crate) fn level(&self, level: usize) -> Level {
        self.levels.get(level).cloned().unwrap_or_default()
    }

    /// Every run, newest first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.levels.iter().flat_map(|level| &level.runs)
    }

    /// Every segment.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.levels.iter().flat_map(Level::segments)
    }

    /// The segment with this file number.
    pub(crate) fn segment(&self, number: FileNumber) -> Option<&Arc<Segment>> {
        self.segments().find(|segment| segment.meta().number == number)
    }

    /// An edit that makes this version out of the empty one: a snapshot for the manifest.
    pub(crate) fn snapshot(&self) -> VersionEdit {
        VersionEdit { added: self.segments().map(|segment| segment.meta().clone()).collect(), removed: Vec::new() }
    }

    /// This version with a change.
    ///
    /// # Errors
    /// `BadEdit` when it removes what is not there, adds what is, or makes segments of a run overlap.
    pub(crate) fn apply(&self, edit: &VersionEdit) -> std::result::Result<Self, BadEdit> {
        let mut levels = self.levels.clone();
        for number in &edit.removed {
            let Some(segment) = self.segment(*number) else {
                return Err(BadEdit(format!("segment {number} is to be removed and is not there")));
            };
            let level = levels.get_mut(usize::from(segment.meta().level));
            let runs = level.map(|level| &mut level.runs).into_iter().flatten();
            for run in runs.filter(|run| run.number() == segment.meta().run) {
                *run = Arc::new(run.without(*number));
            }
        }
        for meta in &edit.added {
            let before = self.segment(meta.number);
            if before.is_some() && !edit.removed.contains(&meta.number) {
                return Err(BadEdit(format!("segment {} is to be added and is there already", meta.number)));
            }
            if meta.level >= LEVELS_MAX {
                return Err(BadEdit(format!("segment {} is to be added to level {}", meta.number, meta.level)));
            }
            let level = usize::from(meta.level);
            if levels.len() <= level {
                levels.resize_with(level + 1, Level::default);
            }
            let segment = Arc::new(match before {
                Some(before) => before.moved(meta.clone()),
                None => Segment::new(meta.clone(), Arc::clone(&self.context)),
            });
            let Some(level) = levels.get_mut(level) else { continue };
            let place = level.runs.partition_point(|run| run.number() > meta.run);
            match level.runs.get_mut(place).filter(|run| run.number() == meta.run) {
                Some(run) => *run = Arc::new(run.with(segment)),
                None => level.runs.insert(place, Arc::new(Run::new(meta.run).with(segment))),
            }
        }
        for level in &mut levels {
            level.runs.retain(|run| !run.segments().is_empty());
            for run in &mut level.runs {
                *run = Run::checked(run)?;
            }
        }
        while levels.last().is_some_and(|level| level.runs.is_empty()) {
            levels.pop();
        }
        Ok(Self { context: Arc::clone(&self.context), levels })
    }

    /// Asks the segments about a key, newest first. Returns true when the answer is known.
    ///
    /// # Errors
    /// `Corrupt` and those of the storage.
    #[inline]
    pub(crate) fn read(&self, key: &[u8], hash: u64, read: &mut PointRead) -> Result<bool> {
        for run in self.runs() {
            if let Some(segment) = run.holding(key)
                && read.visit(segment.range_tombstones()?, key, |at| segment.get(key, hash, at))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches what reads of these keys look at, in stages: of all keys what comes first, then of all what that leads to,
    /// and so on. The waits of a stage overlap, which those of single reads, one after the other, cannot. What is not in
    /// memory is left to the reads.
    pub(crate) fn fetch(&self, keys: &[&[u8]], hashes: &[u64; KEYS_AT_ONCE]) {
        for run in self.runs() {
            for (key, hash) in keys.iter().zip(hashes) {
                if let Some(segment) = run.holding(key) {
                    segment.fetch_line(*hash);
                }
            }
        }
        for run in self.runs() {
            let mut likely = [None; KEYS_AT_ONCE];
            for ((key, hash), likely) in keys.iter().zip(hashes).zip(&mut likely) {
                *likely = run.holding(key).and_then(|segment| Some((segment, segment.fetch_block(key, *hash)?)));
            }
            for (key, likely) in keys.iter().zip(likely) {
                if let Some((segment, candidate)) = likely {
                    segment.fetch_entry(key, candidate);
                }
            }
        }
    }

    /// About how many entries are in `span`, older versions and deletions counted too.
    ///
    /// # Errors
    /// `Corrupt` and those of the storage.
    pub(crate) fn approximate_count(&self, span: &Span) -> Result<u64> {
        let mut count = 0_u64;
        for run in self.runs() {
            for segment in run.segments().get(run.overlapping(span)).unwrap_or_default() {
                count = count.saturating_add(segment.approximate_count(span)?);
            }
        }
        Ok(count)
    }
}
