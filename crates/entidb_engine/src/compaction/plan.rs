//! What to compact next.
//!
//! Always: leveled with a base that follows the size of the last level: levels between level 0 and the base are empty,
//! each level from the base on may be ten times as large as the one before. Zones are compacted apart from each other.
//! What is older than a chosen segment and shares keys with it is chosen too or lies deeper than the target. A segment
//! that rests, because it is damaged, is in no plan, and holds up nothing but what it would be merged with.
//! Does not know: how segments are merged (`rewrite`).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::live::LiveSnapshots;
use super::output::zone_of;
use super::rewrite::run_of;
use crate::error::Result;
use crate::format::FileNumber;
use crate::iterator::Span;
use crate::segment::Segment;
use crate::version::{Level, Run, SegmentMeta, Version, VersionEdit, runs_by_zone};

/// The deepest level.
pub(crate) const LAST_LEVEL: usize = 6;
/// How much larger each level may be than the one before.
const FANOUT: u64 = 10;
/// Runs of one zone in level 0 that make it worth merging them down.
const LEVEL_0_RUNS: usize = 4;
/// Segments of the level below the target that a moved segment may overlap.
const MOVE_OVERLAP_MAX: usize = 10;

/// What the plan depends on besides the version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanOptions {
    /// The size at which the last level gets a level between it and level 0.
    pub(crate) base_bytes: u64,
    /// The disk is full or was: deletions go down at once, to what they delete, and do not wait for other runs.
    pub(crate) is_short: bool,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Install this edit: segments only move, or go because everything in them is deleted.
    Edit(VersionEdit),
    /// Merge these runs (newest first) into this level.
    Merge {
        /// The runs.
        inputs: Vec<Arc<Run>>,
        /// The level.
        level: u8,
        /// What to go on with when the merge ends early.
        rest: Option<Rest>,
    },
}

/// Level 0 of a zone up to a run, of which a part is merged down already. What came since is left out, because it would
/// bring that part back in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest {
    zone: u8,
    run_max: u64,
}

impl Rest {
    /// The zone.
    pub(crate) const fn zone(self) -> u8 {
        self.zone
    }
}

/// Segments that are left alone for now.
pub(crate) type Resting = BTreeSet<FileNumber>;

/// The most useful compaction of the version, when one is worth it.
///
/// # Errors
/// `Corrupt` and those of the storage, from reading range tombstones.
pub(crate) fn plan(
    version: &Version,
    options: PlanOptions,
    live: &LiveSnapshots,
    resting: &Resting,
) -> Result<Option<Plan>> {
    if let Some(edit) = deleted_whole(version, live, resting)? {
        return Ok(Some(Plan::Edit(edit)));
    }
    for zone in full_zones(version, LEVEL_0_RUNS) {
        let all = Rest { zone, run_max: u64::MAX };
        if let Some(plan) = plan_rest(version, options, all, resting)? {
            return Ok(Some(plan));
        }
    }
    if options.is_short
        && let Some(plan) = plan_deletions(version, options, resting)?
    {
        return Ok(Some(plan));
    }
    for level in full_levels(version, options) {
        let segments = version.levels().get(level).into_iter().flat_map(Level::segments);
        if let Some(segment) = cheapest(version, level, resting, segments, |_| true) {
            return down(version, level, &segment).map(Some);
        }
    }
    match plan_expired(version, live, resting)? {
        None => plan_cleaning(version, live, resting),
        plan => Ok(plan),
    }
}

/// Everything that overlaps `span` into the last level, from a key on when all before it has been merged already; nothing
/// when nothing is there.
///
/// # Errors
/// As [`plan`].
pub(crate) fn plan_range(version: &Version, span: &Span, from: Option<&[u8]>) -> Result<Option<Plan>> {
    // Widened until no segment sticks out: older data of a chosen segment's keys must not stay above the target.
    let mut chosen: Vec<Arc<Segment>> = Vec::new();
    let (mut start, mut end) = (from.unwrap_or(span.start()).to_vec(), span.end().map(<[u8]>::to_vec));
    loop {
        let wanted = Span::new(start.clone(), end.clone());
        let inside = |segment: &&Arc<Segment>| {
            let meta = segment.meta();
            !meta.is_before(wanted.start()) && !wanted.is_past_end(&meta.smallest)
        };
        let found: Vec<Arc<Segment>> = version.segments().filter(inside).cloned().collect();
        if found.len() == chosen.len() {
            break;
        }
        chosen = found;
        for segment in &chosen {
            let meta = segment.meta();
            if *meta.smallest < *start && from.is_none() {
                start = meta.smallest.to_vec();
            }
            if let Some(end) = &mut end
                && *meta.largest >= **end
            {
                *end = crate::iterator::just_after(&meta.largest);
            }
        }
    }
    if let Some(from) = from {
        leave_out_newcomers(&mut chosen, from);
    }
    if chosen.is_empty() {
        return Ok(None);
    }
    let inputs = runs_of(version, &chosen)?;
    Ok(Some(Plan::Merge { inputs, level: LAST_LEVEL as u8, rest: None }))
}

/// Leaves out what reaches back over `from`, because it came after all before that key was merged, and what is newer than
/// such a segment and shares keys with it. `chosen` is sorted from the newest run to the oldest.
fn leave_out_newcomers(chosen: &mut Vec<Arc<Segment>>, from: &[u8]) {
    let mut out: Vec<Arc<Segment>> = Vec::new();
    let mut kept: Vec<Arc<Segment>> = Vec::with_capacity(chosen.len());
    for segment in chosen.drain(..).rev() {
        let meta = segment.meta();
        let shares = |other: &Arc<Segment>| {
            let other = other.meta();
            !other.is_before(&meta.smallest) && !meta.is_before(&other.smallest)
        };
        if *meta.smallest < *from || out.iter().any(shares) { out.push(segment) } else { kept.push(segment) }
    }
    kept.reverse();
    *chosen = kept;
}

/// Bytes that lie above their level's target, and are still to be moved down.
pub(crate) fn debt_bytes(version: &Version, options: PlanOptions) -> u64 {
    let above = version.levels().iter().enumerate().skip(1).take(LAST_LEVEL - 1);
    let deeper: u64 = above.map(|(level, it)| it.bytes().saturating_sub(target_bytes(version, options, level))).sum();
    deeper.saturating_add(version.levels().first().map_or(0, Level::bytes))
}

/// The level that level 0 is merged into.
pub(crate) fn base_level(version: &Version, options: PlanOptions) -> usize {
    let mut base = LAST_LEVEL;
    let mut bytes = version.level(LAST_LEVEL).bytes();
    while bytes > options.base_bytes && base > 1 {
        bytes /= FANOUT;
        base -= 1;
    }
    // Never past data: what lies above the base would be older than what is put under it.
    let filled = version.levels().iter().enumerate().skip(1).find(|(_, level)| !level.runs.is_empty());
    filled.map_or(base, |(level, _)| base.min(level))
}

fn target_bytes(version: &Version, options: PlanOptions, level: usize) -> u64 {
    let below = LAST_LEVEL.saturating_sub(level) as u32;
    let last = version.level(LAST_LEVEL).bytes();
    (last / FANOUT.saturating_pow(below)).max(options.base_bytes)
}

/// The levels that are over their target, the fullest first.
fn full_levels(version: &Version, options: PlanOptions) -> Vec<usize> {
    let over = |level: &usize| {
        let (bytes, target) = (version.level(*level).bytes(), target_bytes(version, options, *level).max(1));
        (bytes > target).then(|| bytes.saturating_mul(1000) / target)
    };
    let mut full: Vec<_> = (1..LAST_LEVEL).filter_map(|level| Some((over(&level)?, level))).collect();
    full.sort_unstable_by(|one, other| other.cmp(one));
    full.into_iter().map(|(_, level)| level).collect()
}

/// The zones with at least `runs_min` runs in level 0, those with the most first.
fn full_zones(version: &Version, runs_min: usize) -> Vec<u8> {
    let Some(level) = version.levels().first().filter(|_| version.fullest_zone().runs >= runs_min) else {
        return Vec::new();
    };
    let mut full: Vec<_> = (0..=u8::MAX).zip(runs_by_zone(level)).filter(|(_, count)| *count >= runs_min).collect();
    full.sort_unstable_by_key(|(zone, count)| std::cmp::Reverse((*count, *zone)));
    full.into_iter().map(|(zone, _)| zone).collect()
}

/// Merges level 0 of a zone up to a run, unless a segment that would take part rests, or nothing is left of it.
pub(crate) fn plan_rest(
    version: &Version,
    options: PlanOptions,
    Rest { zone, run_max }: Rest,
    resting: &Resting,
) -> Result<Option<Plan>> {
    let in_zone = |segment: &&Arc<Segment>| zone_of(&segment.meta().smallest) == zone;
    let target = base_level(version, options);
    let level = version.level(0);
    let runs = || level.runs.iter().filter(|run| run.number() <= run_max);
    let chosen: Vec<Arc<Segment>> = runs().flat_map(|run| run.segments()).filter(in_zone).cloned().collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    let (first, last) = bounds(&chosen);
    let overlap = touching(version, target, &first, &last);
    if chosen.iter().chain(&overlap).any(|segment| resting.contains(&segment.meta().number)) {
        return Ok(None);
    }
    if overlap.is_empty() && chosen.len() == 1 {
        return Ok(chosen.first().map(|segment| Plan::Edit(moved(segment.meta(), target))));
    }
    let inputs = runs_of(version, chosen.iter().chain(&overlap))?;
    let rest = Rest { zone, run_max: runs().map(|run| run.number()).max().unwrap_or(0) };
    Ok(Some(Plan::Merge { inputs, level: target as u8, rest: Some(rest) }))
}

/// Moves or merges one segment of `level` into the next.
fn down(version: &Version, level: usize, segment: &Arc<Segment>) -> Result<Plan> {
    let meta = segment.meta();
    let target = level + 1;
    let overlap = touching(version, target, &meta.smallest, &meta.largest);
    let grandparents = touching(version, target + 1, &meta.smallest, &meta.largest).len();
    if overlap.is_empty() && grandparents <= MOVE_OVERLAP_MAX && !meta.is_worth_cleaning() {
        return Ok(Plan::Edit(moved(meta, target)));
    }
    let mut inputs = vec![run_of([segment])?];
    if !overlap.is_empty() {
        inputs.push(run_of(&overlap)?);
    }
    Ok(Plan::Merge { inputs, level: target as u8, rest: None })
}

/// Compacts a segment full of deletions and older versions that nobody needs any more, so that they go.
fn plan_cleaning(version: &Version, live: &LiveSnapshots, resting: &Resting) -> Result<Option<Plan>> {
    let is_stale = |meta: &SegmentMeta| live.all_see(meta.newest) && meta.is_worth_cleaning();
    for level in 1..LAST_LEVEL {
        if let Some(segment) = cheapest(version, level, resting, stale_segments(version, level), is_stale) {
            return down(version, level, &segment).map(Some);
        }
    }
    // In the last level they stay only for the sake of snapshots; once those are gone the segment is cleaned.
    let mut last = stale_segments(version, LAST_LEVEL);
    let is_due = |meta: &SegmentMeta| live.all_see(meta.newest) && !resting.contains(&meta.number);
    let Some(segment) = last.find(|segment| is_due(segment.meta())) else { return Ok(None) };
    Ok(Some(Plan::Merge { inputs: vec![run_of([segment])?], level: LAST_LEVEL as u8, rest: None }))
}

/// The segment of a level that overlaps least of the next for its size; of equal ones the oldest. None that rests, or
/// overlaps one that does.
fn cheapest<'a>(
    version: &Version,
    level: usize,
    resting: &Resting,
    segments: impl Iterator<Item = &'a Arc<Segment>>,
    wanted: impl Fn(&SegmentMeta) -> bool,
) -> Option<Arc<Segment>> {
    let cost = |segment: &Arc<Segment>| {
        let meta = segment.meta();
        let overlap = touching(version, level + 1, &meta.smallest, &meta.largest);
        if std::iter::once(segment).chain(&overlap).any(|segment| resting.contains(&segment.meta().number)) {
            return None;
        }
        let bytes: u64 = overlap.iter().map(|segment| segment.meta().bytes).sum();
        Some((bytes.saturating_mul(1000) / meta.bytes.max(1), meta.newest))
    };
    let wanted = segments.filter(|segment| wanted(segment.meta()));
    let judged = wanted.filter_map(|segment| Some((cost(segment)?, segment)));
    judged.min_by_key(|(cost, _)| *cost).map(|(_, segment)| Arc::clone(segment))
}

/// The segments of zones whose entries expire.
fn expiring_segments<'a>(version: &'a Version, live: &'a LiveSnapshots) -> impl Iterator<Item = &'a Arc<Segment>> {
    let (zones, _) = live.expired();
    version.runs().flat_map(move |run| zones.iter().flat_map(move |zone| segments_of_zone(run, *zone)))
}

/// The segments of a run that are in a zone.
fn segments_of_zone(run: &Run, zone: u8) -> &[Arc<Segment>] {
    let span = Span::new(vec![zone], zone.checked_add(1).map(|next| vec![next]));
    run.segments().get(run.overlapping(&span)).unwrap_or_default()
}

/// True when more than half of the commits a segment is of have expired. What is rewritten on that account begins at the
/// watermark, so it is not looked at again before that has come half way through what is left.
fn is_half_expired(meta: &SegmentMeta, live: &LiveSnapshots) -> bool {
    let (_, kept_from) = live.expired();
    let expired = kept_from.0.saturating_sub(meta.oldest.0);
    live.is_expired(zone_of(&meta.smallest), meta.oldest) && expired > meta.newest.0.saturating_sub(meta.oldest.0) / 2
}

/// Merges a segment of which much has expired, so that it goes.
fn plan_expired(version: &Version, live: &LiveSnapshots, resting: &Resting) -> Result<Option<Plan>> {
    let (zones, _) = live.expired();
    for level in 1..=LAST_LEVEL {
        let runs = version.levels().get(level).into_iter().flat_map(|level| &level.runs);
        let segments = runs.flat_map(|run| zones.iter().flat_map(|zone| segments_of_zone(run, *zone)));
        let wanted = |meta: &SegmentMeta| is_half_expired(meta, live);
        if let Some(segment) = cheapest(version, level, resting, segments, wanted) {
            if level < LAST_LEVEL {
                return down(version, level, &segment).map(Some);
            }
            return Ok(Some(Plan::Merge { inputs: vec![run_of([&segment])?], level: LAST_LEVEL as u8, rest: None }));
        }
    }
    Ok(None)
}

/// Drops segments whose every entry has expired or is deleted by newer range tombstones, and segments of tombstones alone
/// that have nothing left to hide, without reading them.
fn deleted_whole(version: &Version, live: &LiveSnapshots, resting: &Resting) -> Result<Option<VersionEdit>> {
    let runs: Vec<&Arc<Run>> = version.runs().collect();
    let mut removed: BTreeSet<FileNumber> = BTreeSet::new();
    for (newer_count, run) in runs.iter().enumerate().filter(|(_, run)| run.totals().fragments > 0) {
        let older = || runs.iter().skip(newer_count + 1);
        for meta in run.stale().map(|segment| segment.meta()).filter(|meta| meta.entry_count == 0) {
            if older().all(|run| run.touching(&meta.smallest, &meta.largest).is_empty()) {
                removed.insert(meta.number);
            }
        }
        if run.segments().iter().any(|segment| resting.contains(&segment.meta().number)) {
            continue;
        }
        for tombstones in run.range_tombstones() {
            let tombstones = tombstones?;
            let Some((first, last)) = tombstones.bounds() else { continue };
            for segment in older().flat_map(|run| run.touching(first, last)) {
                let meta = segment.meta();
                // A reader between the entries and their deletion still needs the file.
                let Some(at) = live.stripe_end(meta.oldest) else { continue };
                if run.covers_all(&meta.smallest, &meta.largest, at, meta.newest)? {
                    removed.insert(meta.number);
                }
            }
        }
    }
    for segment in expiring_segments(version, live) {
        let meta = segment.meta();
        if live.is_expired(zone_of(&meta.smallest), meta.newest) && !resting.contains(&meta.number) {
            removed.insert(meta.number);
        }
    }
    let removed: Vec<FileNumber> = removed.into_iter().collect();
    Ok((!removed.is_empty()).then_some(VersionEdit { added: Vec::new(), removed }))
}

/// Level 0 of a zone that has deletions.
fn plan_deletions(version: &Version, options: PlanOptions, resting: &Resting) -> Result<Option<Plan>> {
    let zones: BTreeSet<u8> = stale_segments(version, 0).map(|segment| zone_of(&segment.meta().smallest)).collect();
    for zone in zones {
        if let Some(plan) = plan_rest(version, options, Rest { zone, run_max: u64::MAX }, resting)? {
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

/// The segments of a level with range tombstones, deletions or many older versions.
fn stale_segments(version: &Version, level: usize) -> impl Iterator<Item = &Arc<Segment>> {
    version.levels().get(level).into_iter().flat_map(|level| level.runs.iter().flat_map(|run| run.stale()))
}

fn moved(meta: &SegmentMeta, level: usize) -> VersionEdit {
    let added = SegmentMeta { level: level as u8, run: 0, ..meta.clone() };
    VersionEdit { added: vec![added], removed: vec![meta.number] }
}

/// Segments of a level that touch `first..=last`.
fn touching(version: &Version, level: usize, first: &[u8], last: &[u8]) -> Vec<Arc<Segment>> {
    version.level(level).runs.iter().flat_map(|run| run.touching(first, last).to_vec()).collect()
}

fn bounds(segments: &[Arc<Segment>]) -> (Arc<[u8]>, Arc<[u8]>) {
    let metas = || segments.iter().map(|segment| segment.meta());
    let first = metas().map(|meta| Arc::clone(&meta.smallest)).min().unwrap_or_default();
    let last = metas().map(|meta| Arc::clone(&meta.largest)).max().unwrap_or_default();
    (first, last)
}

/// The chosen segments as runs, newest first.
fn runs_of<'a>(version: &Version, chosen: impl IntoIterator<Item = &'a Arc<Segment>>) -> Result<Vec<Arc<Run>>> {
    let chosen: BTreeSet<FileNumber> = chosen.into_iter().map(|segment| segment.meta().number).collect();
    let mut inputs = Vec::new();
    for run in version.runs() {
        let own: Vec<&Arc<Segment>> =
            run.segments().iter().filter(|segment| chosen.contains(&segment.meta().number)).collect();
        if !own.is_empty() {
            inputs.push(run_of(own)?);
        }
    }
    Ok(inputs)
}
