//! Puts a version together from the changes that a manifest lists.
//!
//! Always: a change costs time in proportion to itself and the logarithm of what is there; each is judged as if it were
//! installed alone, so a manifest that was ever wrong is refused.
//! Does not know: how a manifest is read.

use std::cmp::Reverse;
use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::sync::Arc;

use super::run::Run;
use super::{BadEdit, LEVELS_MAX, Level, SegmentMeta, Version, VersionEdit};
use crate::format::FileNumber;
use crate::segment::{Segment, SegmentContext};

/// A level and a run of it, in the order of versions: levels from 0 on, of each the newest run first.
type RunPlace = (u8, Reverse<u64>);

/// The segments of a run by their first key.
type RunSegments = BTreeMap<Arc<[u8]>, SegmentMeta>;

/// The segments that the changes so far come to.
#[derive(Default)]
pub(crate) struct VersionBuilder {
    runs: BTreeMap<RunPlace, RunSegments>,
    /// Where each segment is.
    places: BTreeMap<FileNumber, (RunPlace, Arc<[u8]>)>,
}

impl VersionBuilder {
    /// Makes another change.
    ///
    /// # Errors
    /// `BadEdit` when it removes what is not there, adds what is, or makes segments of a run overlap.
    pub(crate) fn apply(&mut self, edit: VersionEdit) -> Result<(), BadEdit> {
        for number in edit.removed {
            let (place, smallest) = self.places.remove(&number).ok_or_else(|| not_there(number))?;
            if let btree_map::Entry::Occupied(mut run) = self.runs.entry(place) {
                run.get_mut().remove(&smallest);
                if run.get().is_empty() {
                    run.remove();
                }
            }
        }
        for meta in edit.added {
            self.add(meta)?;
        }
        Ok(())
    }

    fn add(&mut self, meta: SegmentMeta) -> Result<(), BadEdit> {
        check_level(&meta)?;
        let place = (meta.level, Reverse(meta.run));
        let btree_map::Entry::Vacant(entry) = self.places.entry(meta.number) else {
            return Err(there_already(meta.number));
        };
        let run = self.runs.entry(place).or_default();
        let before = run.range(..=Arc::clone(&meta.smallest)).next_back();
        let after = run.range((Bound::Excluded(Arc::clone(&meta.smallest)), Bound::Unbounded)).next();
        if let Some((smallest, before)) = before
            && (*smallest == meta.smallest || !before.is_before(&meta.smallest))
        {
            return Err(overlapping(before, &meta));
        }
        if let Some((_, after)) = after
            && !meta.is_before(&after.smallest)
        {
            return Err(overlapping(&meta, after));
        }
        entry.insert((place, Arc::clone(&meta.smallest)));
        run.insert(Arc::clone(&meta.smallest), meta);
        Ok(())
    }

    /// The version of these segments.
    ///
    /// # Errors
    /// `BadEdit` when keys are out of order, which `apply` has ruled out.
    pub(crate) fn finish(self, context: Arc<SegmentContext>) -> Result<Version, BadEdit> {
        let mut levels: Vec<Level> = Vec::new();
        for ((level, Reverse(number)), metas) in self.runs {
            let segments = metas.into_values().map(|meta| Arc::new(Segment::new(meta, Arc::clone(&context))));
            let run = Run::sorted(number, segments.collect())?;
            let level = usize::from(level);
            if levels.len() <= level {
                levels.resize_with(level + 1, Level::default);
            }
            if let Some(level) = levels.get_mut(level) {
                level.runs.push(run);
            }
        }
        Ok(Version::of(context, levels))
    }
}

pub(super) fn check_level(meta: &SegmentMeta) -> Result<(), BadEdit> {
    if meta.level < LEVELS_MAX {
        return Ok(());
    }
    Err(BadEdit(format!("segment {} is to be added to level {}", meta.number, meta.level)))
}

pub(super) fn not_there(number: FileNumber) -> BadEdit {
    BadEdit(format!("segment {number} is to be removed and is not there"))
}

pub(super) fn there_already(number: FileNumber) -> BadEdit {
    BadEdit(format!("segment {number} is to be added and is there already"))
}

pub(super) fn overlapping(one: &SegmentMeta, next: &SegmentMeta) -> BadEdit {
    BadEdit(format!("segments {} and {} of level {} overlap", one.number, next.number, one.level))
}
