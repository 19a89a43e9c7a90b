//! Which segments are live, and reading through them.
//!
//! Always: a version never changes; levels hold newer data the smaller their number, runs the larger theirs, and the
//! segments of a run are sorted and do not overlap. What was installed together is seen together.
//! Does not know: memtables, or how versions are stored (`manifest`).

mod builder;
mod edit;
mod folder;
mod install;
mod located;
mod manifest;
mod owner;
mod root;
mod run;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) use builder::VersionBuilder;
#[cfg(test)]
pub(crate) use edit::looks;
pub(crate) use edit::{LEVELS_MAX, SegmentMeta, VersionEdit};
pub use folder::UNFINISHED;
pub(crate) use folder::{FOLDERS, Survey, create_folders, list_files, number_of, survey};
pub(crate) use install::{InstallContext, Installer, Switch, write_closed};
pub(crate) use located::KEYS_AT_ONCE;
pub(crate) use manifest::{FileNumbers, ManifestRead, ManifestWriter, TAIL_BYTES, WalRef, read_manifest};
pub(crate) use owner::Owner;
pub(crate) use root::{RootFile, read_root_file, write_root};
pub(crate) use run::Run;

use crate::error::Result;
use crate::format::FileNumber;
use crate::iterator::{PointRead, Span};
use crate::segment::{Segment, SegmentContext, SegmentFile};

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
        self.runs.iter().map(|run| run.totals().bytes).sum()
    }

    /// How many segments there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.iter().map(|run| run.segments().len()).sum()
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
    /// Of each zone, its runs in level 0.
    zone_runs: Option<Arc<[usize; 256]>>,
    fullest: ZoneRuns,
}

/// A zone and how many runs of level 0 have keys of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ZoneRuns {
    /// The first byte of the keys.
    pub(crate) zone: u8,
    /// Runs.
    pub(crate) runs: usize,
}

impl Version {
    /// A version without segments.
    pub(crate) fn empty(context: Arc<SegmentContext>) -> Self {
        Self::of(context, Vec::new())
    }

    fn of(context: Arc<SegmentContext>, mut levels: Vec<Level>) -> Self {
        while levels.last().is_some_and(|level| level.runs.is_empty()) {
            levels.pop();
        }
        let zone_runs = levels.first().map(|level| Arc::new(runs_by_zone(level)));
        let mut version = Self { context, levels, zone_runs, fullest: ZoneRuns::default() };
        version.fullest = version.fullest_zone_of(|_| true);
        version
    }

    /// Of the zones that are asked for, the one with the most runs in level 0.
    pub(crate) fn fullest_zone_of(&self, is_wanted: impl Fn(u8) -> bool) -> ZoneRuns {
        let counted = self.zone_runs.iter().flat_map(|counted| counted.iter().copied());
        let zones = counted.zip(0..=u8::MAX).map(|(runs, zone)| ZoneRuns { zone, runs });
        zones.filter(|zone| zone.runs > 0 && is_wanted(zone.zone)).max_by_key(|zone| zone.runs).unwrap_or_default()
    }

    /// The zone with the most runs in level 0. Counted when the version is made, because every commit asks.
    pub(crate) const fn fullest_zone(&self) -> ZoneRuns {
        self.fullest
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

    /// How many segments there are.
    pub(crate) fn len(&self) -> usize {
        self.levels.iter().map(Level::len).sum()
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.levels.iter().map(Level::bytes).sum()
    }

    /// The segment with this file number. Looks through the numbers of all segments, and at no other one.
    pub(crate) fn segment(&self, number: FileNumber) -> Option<&Arc<Segment>> {
        self.runs().find_map(|run| run.segments().get(run.numbers().iter().position(|it| *it == number)?))
    }

    /// An edit that makes this version out of the empty one: a snapshot for the manifest.
    pub(crate) fn snapshot(&self) -> VersionEdit {
        VersionEdit { added: self.segments().map(|segment| segment.meta().clone()).collect(), removed: Vec::new() }
    }

    /// This version with a change. Runs that it does not touch are shared; of those it does, the list is copied once,
    /// however much is changed.
    ///
    /// # Errors
    /// `BadEdit` when it removes what is not there, adds what is, or makes segments of a run overlap.
    pub(crate) fn apply(&self, edit: &VersionEdit) -> std::result::Result<Self, BadEdit> {
        let removed: BTreeSet<FileNumber> = edit.removed.iter().copied().collect();
        let before = self.find(removed.iter().copied().chain(edit.added.iter().map(|meta| meta.number)));
        if let Some(number) = removed.iter().find(|number| !before.contains_key(*number)) {
            return Err(builder::not_there(*number));
        }
        let mut numbers = BTreeSet::new();
        let mut added: BTreeMap<(usize, u64), Vec<Arc<Segment>>> = BTreeMap::new();
        for meta in &edit.added {
            builder::check_level(meta)?;
            if !numbers.insert(meta.number) {
                return Err(builder::there_already(meta.number));
            }
            let segment = match before.get(&meta.number) {
                Some(before) if removed.contains(&meta.number) => before.moved(meta.clone()),
                Some(_) => return Err(builder::there_already(meta.number)),
                None => Segment::new(meta.clone(), Arc::clone(&self.context)),
            };
            added.entry((usize::from(meta.level), meta.run)).or_default().push(Arc::new(segment));
        }
        let is_removed = |number: &FileNumber| removed.contains(number);
        let mut levels = self.levels.clone();
        for (level, it) in levels.iter_mut().enumerate() {
            for run in &mut it.runs {
                let own = added.remove(&(level, run.number()));
                if own.is_none() && (removed.is_empty() || !run.numbers().iter().any(is_removed)) {
                    continue;
                }
                let kept = run.segments().iter().zip(run.numbers()).filter(|(_, number)| !is_removed(number));
                let mut segments: Vec<_> = kept.map(|(segment, _)| Arc::clone(segment)).collect();
                segments.extend(own.into_iter().flatten());
                *run = Run::of(run.number(), segments)?;
            }
            it.runs.retain(|run| !run.segments().is_empty());
        }
        for ((level, number), segments) in added {
            if levels.len() <= level {
                levels.resize_with(level + 1, Level::default);
            }
            let Some(level) = levels.get_mut(level) else { continue };
            let place = level.runs.partition_point(|run| run.number() > number);
            level.runs.insert(place, Run::of(number, segments)?);
        }
        Ok(Self::of(Arc::clone(&self.context), levels))
    }

    /// This version with at least so many bytes of indexes less in memory, as far as there are any: those that were not used
    /// for longest. Nothing when that changes nothing.
    pub(crate) fn without_indexes(&self, bytes: u64) -> Option<Self> {
        let mut forgotten: BTreeMap<FileNumber, Arc<Segment>> = BTreeMap::new();
        let mut left = bytes;
        // Twice, because all may have been used: then the deepest go, which are the most and the largest.
        for used_too in [false, true] {
            for segment in self.levels.iter().rev().flat_map(Level::segments) {
                if left == 0 {
                    break;
                }
                if !forgotten.contains_key(&segment.meta().number)
                    && let Some(found) = segment.forgettable_bytes(used_too)
                {
                    left = left.saturating_sub(found);
                    forgotten.insert(segment.meta().number, Arc::new(segment.forgotten()));
                }
            }
        }
        if forgotten.is_empty() {
            return None;
        }
        let mut version = self.clone();
        for run in version.levels.iter_mut().flat_map(|level| &mut level.runs) {
            if run.numbers().iter().any(|number| forgotten.contains_key(number)) {
                *run = run.with(&forgotten);
            }
        }
        Some(version)
    }

    /// The files of these segments.
    pub(crate) fn files(&self, numbers: impl Iterator<Item = FileNumber>) -> Vec<Arc<SegmentFile>> {
        self.find(numbers).into_values().map(|segment| Arc::clone(segment.file())).collect()
    }

    /// Those of these segments that are there.
    fn find(&self, numbers: impl Iterator<Item = FileNumber>) -> BTreeMap<FileNumber, &Arc<Segment>> {
        let sought: BTreeSet<FileNumber> = numbers.collect();
        let mut found = BTreeMap::new();
        if sought.is_empty() {
            return found;
        }
        for run in self.runs() {
            for (number, segment) in run.numbers().iter().zip(run.segments()) {
                if sought.contains(number) {
                    found.insert(*number, segment);
                }
            }
        }
        found
    }

    /// Asks the segments about a key, newest first. Returns true when the answer is known.
    ///
    /// # Errors
    /// `Corrupt` and those of the storage.
    #[inline]
    pub(crate) fn read(&self, key: &[u8], hash: u64, read: &mut PointRead) -> Result<bool> {
        for run in self.runs() {
            if let Some(segment) = run.holding(key)
                && read.visit(segment.covering(key, read.at())?, |at| segment.get(key, hash, at))?
            {
                return Ok(true);
            }
        }
        Ok(false)
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

/// Of each zone, how many runs of level 0 have keys of it.
pub(crate) fn runs_by_zone(level: &Level) -> [usize; 256] {
    let mut counts = [0_usize; 256];
    for run in &level.runs {
        let mut last = None;
        for segment in run.segments() {
            let zone = segment.meta().smallest.first().copied().unwrap_or(0);
            if last != Some(zone)
                && let Some(count) = counts.get_mut(usize::from(zone))
            {
                *count += 1;
            }
            last = Some(zone);
        }
    }
    counts
}
