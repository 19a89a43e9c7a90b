//! Random histories through flushes and compactions against a list of states, one for each commit.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use entidb_storage::OpenMode;
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::error::Error;
use crate::format::{EntryKind, FileNumber, Reader, Sequence};
use crate::iterator::sorted::{Entry, Sorted};
use crate::iterator::{Deleted, EntryCursor, PointRead, Span, View, ViewSource, counter_from, just_after};
use crate::options::{Compression, ZonePolicies, ZonePolicy};
use crate::range_tombstone::{RangeMap, RangeVersions};
use crate::segment::{RunCursor, context_for_tests};
use crate::version::{Version, VersionEdit};

const OPTIONS: PlanOptions = PlanOptions { base_bytes: 3000, is_short: false };

#[derive(Debug, Clone)]
enum Act {
    Put(u8, u8),
    Delete(u8),
    Add(u8, i8),
    DeleteRange(u8, u8),
    Snapshot,
    Release(prop::sample::Index),
    Flush,
    Compact,
    CompactRange(u8, u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (0_u8..60, any::<u8>()).prop_map(|(key, value)| Act::Put(key, value)),
        6 => (0_u8..80).prop_map(Act::Delete),
        6 => (60_u8..80, any::<i8>()).prop_map(|(key, delta)| Act::Add(key, delta)),
        1 => (55_u8..60, any::<i8>()).prop_map(|(key, delta)| Act::Add(key, delta)),
        2 => (0_u8..80, 0_u8..80).prop_map(|(start, end)| Act::DeleteRange(start, end)),
        2 => Just(Act::Snapshot),
        2 => any::<prop::sample::Index>().prop_map(Act::Release),
        4 => Just(Act::Flush),
        2 => Just(Act::Compact),
        1 => (0_u8..80, 0_u8..80).prop_map(|(start, end)| Act::CompactRange(start, end)),
    ]
}

/// Eighty keys in four zones; those from 60 on are counters, and the five before them are added to all the same.
fn key(number: u8) -> Vec<u8> {
    vec![1 + number % 4 * 3, 0, 0, number / 4, b'k']
}

fn value(seed: u8) -> Vec<u8> {
    vec![seed; 20 + usize::from(seed) % 60]
}

/// What reading each key gives: a value, or `None` for the error of an addition to a value that is no counter.
type State = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// An engine of a few lines: one memtable in a list, one version, no log.
struct Small {
    version: Version,
    entries: Vec<Entry>,
    ranges: RangeVersions,
    states: Vec<State>,
    snapshots: Vec<u64>,
    number: Cell<u64>,
    zones: ZonePolicies,
    totals: RewriteStats,
    /// How much a merge writes before it ends early.
    bytes_max: u64,
    /// What a merge of level 0 that ended early left.
    rest: Option<Rest>,
    /// A range being compacted, and how far that came.
    request: Option<(Span, Vec<u8>)>,
}

impl Small {
    fn new(point_index: bool) -> Self {
        let policy = ZonePolicy { point_index, block_bytes: 512, compression: Compression::Lz4, expires: false };
        Self {
            version: Version::empty(context_for_tests()),
            entries: Vec::new(),
            ranges: RangeVersions::default(),
            states: vec![State::new()],
            snapshots: Vec::new(),
            number: Cell::new(0),
            zones: ZonePolicies::uniform(policy),
            totals: RewriteStats::default(),
            bytes_max: u64::MAX,
            rest: None,
            request: None,
        }
    }

    fn last(&self) -> u64 {
        self.states.len() as u64 - 1
    }

    fn commit(&mut self, act: &Act) {
        let sequence = self.last() + 1;
        let mut state = self.states.last().unwrap().clone();
        match act {
            Act::Put(number, seed) => {
                state.insert(key(*number), Some(value(*seed)));
                self.entries.push(Entry::new(&key(*number), sequence, EntryKind::Put, &value(*seed)));
            }
            Act::Delete(number) => {
                state.remove(&key(*number));
                self.entries.push(Entry::new(&key(*number), sequence, EntryKind::Delete, &[]));
            }
            Act::Add(number, delta) => {
                let zero = Some(vec![0; 8]);
                let base = state.get(&key(*number)).unwrap_or(&zero).as_ref().and_then(|base| counter_from(base).ok());
                let sum = base.map(|base| (base + i64::from(*delta)).to_le_bytes().to_vec());
                state.insert(key(*number), sum);
                let delta = i64::from(*delta).to_le_bytes();
                self.entries.push(Entry::new(&key(*number), sequence, EntryKind::Add, &delta));
            }
            Act::DeleteRange(start, end) => {
                let (start, end) = (key(*start), key(*end));
                state.retain(|key, _| !(*key >= start && *key < end));
                self.delete_range(&start, &end);
            }
            _ => return,
        }
        self.states.push(state);
    }

    /// Deletes a range as the next commit, which is seen by nobody yet.
    fn delete_range(&mut self, start: &[u8], end: &[u8]) {
        let mut ranges = RangeMap::default();
        ranges.set(start, end, Sequence::ZERO);
        let live = self.live();
        self.ranges = self.ranges.after(&ranges, Sequence(self.last() + 1), || live);
    }

    fn live(&self) -> LiveSnapshots {
        LiveSnapshots::new(self.snapshots.iter().copied().map(Sequence), Sequence(self.last()))
    }

    fn target(&self, level: u8, run: u64) -> OutputTarget {
        OutputTarget { level, run, segment_bytes: 700, bytes_max: self.bytes_max, zones: self.zones.clone() }
    }

    fn allocate(&self) -> FileNumber {
        self.number.set(self.number.get() + 1);
        FileNumber(self.number.get())
    }

    /// Runs it to its end, and says from which key on its sources are as they were.
    fn run(&mut self, mut rewrite: Rewrite) -> Option<Vec<u8>> {
        while !rewrite.step(&|| self.allocate(), &mut Piece::of_bytes(700)).unwrap() {}
        let reached = rewrite.reached().map(<[u8]>::to_vec);
        let (edit, stats) = rewrite.finish().unwrap();
        self.totals.versions_removed += stats.versions_removed;
        self.totals.deletes_removed += stats.deletes_removed;
        self.totals.fragments_removed += stats.fragments_removed;
        self.install(&edit);
        reached
    }

    fn install(&mut self, edit: &VersionEdit) {
        let mut bytes = Vec::new();
        edit.encode(&mut bytes);
        let read = VersionEdit::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(&read, edit);
        self.version = self.version.apply(edit).unwrap();
        for number in edit.obsolete() {
            self.version.context().directory.remove(&format!("seg/{number}")).unwrap();
        }
    }

    fn flush(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        let tombstones = std::mem::take(&mut self.ranges).list();
        if entries.is_empty() && tombstones.is_empty() {
            return;
        }
        let source = RewriteSource::new(Box::new(Sorted::new(entries)), tombstones);
        let target = OutputTarget { bytes_max: u64::MAX, ..self.target(0, self.last()) };
        self.run(Rewrite::flush(&self.version, vec![source], self.live(), target));
    }

    fn compact(&mut self, plan: Plan) -> Option<Vec<u8>> {
        match plan {
            Plan::Edit(edit) => {
                self.install(&edit);
                None
            }
            Plan::Merge { inputs, level, rest } => {
                let target = self.target(level, 0);
                let reached = self.run(Rewrite::merge(&self.version, &inputs, self.live(), target));
                self.rest = rest.filter(|_| reached.is_some());
                reached
            }
        }
    }

    /// Merges what is worth it, in at most `steps` steps; false when work is left.
    fn compact_some(&mut self, steps: usize) -> bool {
        for _ in 0..steps {
            let rest = self.rest.take();
            let next = rest.and_then(|rest| plan_rest(&self.version, OPTIONS, rest, &Resting::new()).unwrap());
            let next = match next {
                None => plan(&self.version, OPTIONS, &self.live(), &Resting::new()).unwrap(),
                next => next,
            };
            let Some(next) = next else { return true };
            self.compact(next);
        }
        false
    }

    fn compact_all(&mut self) {
        assert!(self.compact_some(5000), "compaction does not come to rest");
    }

    /// Goes on with the compaction of a range, or begins one; true when it is done.
    fn compact_range(&mut self, span: &Span) -> bool {
        let (span, from) = match self.request.take() {
            Some((span, from)) => (span, Some(from)),
            None => (span.clone(), None),
        };
        let Some(plan) = plan_range(&self.version, &span, from.as_deref()).unwrap() else { return true };
        self.request = self.compact(plan).map(|reached| (span, reached));
        self.request.is_none()
    }

    /// Compacts everything.
    fn compact_to_the_end(&mut self) {
        self.request = None;
        let done = (0..5000).any(|_| self.compact_range(&Span::all()));
        assert!(done, "compaction of everything does not end");
    }

    fn view(&self, at: u64) -> View<Box<dyn EntryCursor>> {
        let mut view = View::<Box<dyn EntryCursor>>::new(Sequence(at), Span::all());
        let deleted = self.ranges.at(Sequence(at)).cloned().map(Deleted::Map);
        view.push(ViewSource { cursor: Box::new(Sorted::new(self.entries.clone())), deleted });
        for run in self.version.runs() {
            let cursor = Box::new(RunCursor::new(Arc::clone(run), 0..run.segments().len()));
            view.push(ViewSource { cursor, deleted: Some(Deleted::Run(Arc::clone(run))) });
        }
        view
    }

    /// Reads everything at a sequence, by walking both ways and key by key.
    fn check(&self, at: u64) {
        let state = &self.states[at as usize];
        let mut view = self.view(at);
        let mut moved = view.seek_first();
        for (key, value) in state {
            match value {
                Some(value) => {
                    moved.unwrap();
                    assert_eq!((view.key(), view.value()), (key.as_slice(), value.as_slice()), "forward at {at}");
                    moved = view.next();
                }
                None => {
                    assert!(moved.is_err() && !view.is_valid(), "forward at {at}, key {key:?}");
                    view = self.view(at);
                    moved = view.seek(&just_after(key));
                }
            }
        }
        moved.unwrap();
        assert!(!view.is_valid(), "forward at {at}");
        moved = view.seek_last();
        for (key, value) in state.iter().rev() {
            match value {
                Some(value) => {
                    moved.unwrap();
                    assert_eq!((view.key(), view.value()), (key.as_slice(), value.as_slice()), "back at {at}");
                    moved = view.previous();
                }
                None => {
                    assert!(moved.is_err() && !view.is_valid(), "back at {at}, key {key:?}");
                    view = self.view(at);
                    moved = view.seek_before(key);
                }
            }
        }
        moved.unwrap();
        assert!(!view.is_valid(), "back at {at}");
        for number in 0..80 {
            let wanted = key(number);
            let found = match self.read(&wanted, at) {
                Ok(found) => found.map(|value| Some(value.to_vec())),
                Err(_) => Some(None),
            };
            assert_eq!(found.as_ref(), state.get(&wanted), "key {number} at {at}");
        }
    }

    fn read(&self, wanted: &[u8], at: u64) -> crate::error::Result<Option<crate::value::Value>> {
        let mut read = PointRead::new(Sequence(at));
        let newest = |at: Sequence| {
            let versions = self.entries.iter().filter(|entry| entry.key == wanted && entry.sequence <= at);
            Ok(versions.max_by_key(|entry| entry.sequence).map(|entry| crate::iterator::Found {
                sequence: entry.sequence,
                kind: entry.kind,
                value: crate::value::Value::owned(entry.value.as_slice()),
            }))
        };
        let tombstone = self.ranges.at(Sequence(at)).and_then(|ranges| ranges.covering(wanted));
        if !read.visit(tombstone, newest)? {
            self.version.read(wanted, xxh3_64(wanted), &mut read)?;
        }
        read.finish()
    }

    fn check_all(&self) {
        for at in self.snapshots.iter().copied().chain([self.last()]) {
            self.check(at);
        }
    }

    fn files(&self) -> usize {
        self.version.context().directory.list("seg").unwrap().len()
    }
}

proptest! {
    #![proptest_config(crate::tier::cases(48))]
    #[test]
    fn no_live_snapshot_notices_a_flush_or_a_compaction(
        acts in prop::collection::vec(act(), 1..300),
        point_index in any::<bool>(),
        bytes_max in prop_oneof![Just(u64::MAX), Just(1), Just(600), Just(2000)],
    ) {
        let mut small = Small { bytes_max, ..Small::new(point_index) };
        for act in &acts {
            match act {
                Act::Snapshot => small.snapshots.push(small.last()),
                Act::Release(index) if !small.snapshots.is_empty() => {
                    let index = index.index(small.snapshots.len());
                    small.snapshots.remove(index);
                }
                Act::Flush => {
                    small.flush();
                    small.check_all();
                }
                Act::Compact => {
                    // Commits and flushes come between the parts of a merge that ends early.
                    let done = small.compact_some(if bytes_max == u64::MAX { 500 } else { 3 });
                    prop_assert!(done || bytes_max < u64::MAX, "compaction does not come to rest");
                    small.check_all();
                }
                Act::CompactRange(start, end) => {
                    small.compact_range(&Span::new(key(*start), Some(key(*end))));
                    small.check_all();
                }
                commit => small.commit(commit),
            }
            prop_assert_eq!(small.files(), small.version.segments().count());
        }
        small.flush();
        small.compact_all();
        small.check_all();

        // With nobody looking back, nothing but the last state is left in the files.
        small.snapshots.clear();
        small.compact_to_the_end();
        small.check_all();
        let entries: u64 = small.version.segments().map(|segment| segment.meta().entry_count).sum();
        prop_assert_eq!(entries, small.states.last().unwrap().len() as u64);
        let fragments: u32 = small.version.segments().map(|segment| segment.meta().fragment_count).sum();
        prop_assert_eq!(fragments, 0);
        prop_assert_eq!(small.files(), small.version.segments().count());
    }
}

#[test]
fn versions_nobody_can_read_are_dropped_and_those_somebody_can_are_kept() {
    let mut small = Small::new(true);
    for round in 0..10 {
        small.commit(&Act::Put(1, round));
        if round == 4 {
            small.snapshots.push(small.last());
        }
    }
    small.flush();
    let segment = |small: &Small| small.version.segments().map(|segment| segment.meta().entry_count).sum::<u64>();
    assert_eq!(segment(&small), 2);
    small.check_all();
    small.commit(&Act::Delete(1));
    small.flush();
    small.compact(plan_range(&small.version, &Span::all(), None).unwrap().unwrap());
    assert_eq!(segment(&small), 2, "the deletion replaces the newest version, the snapshot's one stays");
    small.snapshots.clear();
    small.compact_all();
    assert_eq!(segment(&small), 0);
    assert_eq!(small.files(), 0);
}

#[test]
fn a_range_delete_over_whole_files_drops_them_unread() {
    let mut small = Small::new(true);
    for number in 0..60 {
        small.commit(&Act::Put(number, number));
    }
    small.flush();
    small.compact(plan_range(&small.version, &Span::all(), None).unwrap().unwrap());
    let before = small.files();
    assert!(before >= 4);
    // Damage every file: each read of one fails.
    for segment in small.version.segments() {
        let file = small.version.context().directory.open(&segment.path(), OpenMode::Write).unwrap();
        file.write_all_at(200, &[0xff; 40]).unwrap();
    }
    small.delete_range(&[0], &[0xff]);
    small.states.push(State::new());
    small.flush();
    small.compact_all();
    small.check_all();
    assert_eq!(small.files(), 0);
}

#[test]
fn a_snapshot_between_the_writes_and_their_deletion_keeps_the_files() {
    let mut small = Small::new(true);
    for number in 0..60 {
        small.commit(&Act::Put(number, number));
    }
    small.flush();
    small.compact(plan_range(&small.version, &Span::all(), None).unwrap().unwrap());
    small.snapshots.push(small.last());
    small.delete_range(&[0], &[0xff]);
    small.states.push(State::new());
    small.flush();
    small.compact_all();
    small.check_all();
    small.snapshots.clear();
    small.compact_all();
    small.check_all();
    assert_eq!(small.files(), 0);
}

#[test]
fn a_rewrite_that_fails_leaves_the_version_and_no_files() {
    let mut small = Small::new(true);
    for round in 0..3 {
        for number in 0..60 {
            small.commit(&Act::Put(number, number + round));
        }
        small.flush();
    }
    let before = small.files();
    let damaged = small.version.segments().last().unwrap().path();
    let file = small.version.context().directory.open(&damaged, OpenMode::Write).unwrap();
    file.write_all_at(200, &[0xff; 40]).unwrap();
    let next = plan_range(&small.version, &Span::all(), None).unwrap();
    let Some(Plan::Merge { inputs, level, .. }) = next else { panic!() };
    let target = small.target(level, 0);
    let mut rewrite = Rewrite::merge(&small.version, &inputs, small.live(), target);
    let error = loop {
        match rewrite.step(&|| small.allocate(), &mut Piece::of_bytes(500)) {
            Ok(done) => assert!(!done),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, Error::Corrupt { file, .. } if *file == damaged), "{error}");
    assert!(rewrite.finish().is_none());
    assert_eq!(small.files(), before);
    // One that is dropped half way cleans up too.
    let mut rewrite = Rewrite::merge(&small.version, &inputs, small.live(), small.target(level, 0));
    rewrite.step(&|| small.allocate(), &mut Piece::of_bytes(500)).unwrap();
    drop(rewrite);
    assert_eq!(small.files(), before);
}

#[test]
fn levels_keep_to_their_sizes_and_moves_copy_nothing() {
    let mut small = Small::new(false);
    for round in 0..40_u32 {
        for number in 0..60 {
            small.commit(&Act::Put(number, (round * 7 + u32::from(number)) as u8));
        }
        small.flush();
        small.compact_all();
    }
    small.check_all();
    assert!(small.version.level(0).runs.len() < 4);
    for level in 1..=LAST_LEVEL {
        assert!(small.version.level(level).runs.len() <= 1, "level {level}");
    }
    assert!(small.totals.versions_removed > 2000);
    assert_eq!(debt_bytes(&small.version, OPTIONS), small.version.level(0).bytes());
}

/// A value that is no counter under additions was kept apart from them, so that its segment had an older version in it
/// however often it was cleaned: cleaning never came to rest, and wrote the segment again in every step.
#[test]
fn additions_to_a_value_that_is_no_counter_are_cleaned_once() {
    for snapshot in [false, true] {
        let mut small = Small::new(true);
        small.commit(&Act::Put(55, 1));
        if snapshot {
            small.snapshots.push(small.last());
        }
        small.commit(&Act::Add(55, 2));
        small.flush();
        small.compact(plan_range(&small.version, &Span::all(), None).unwrap().unwrap());
        small.check_all();
        small.snapshots.clear();
        small.compact_all();
        small.commit(&Act::Add(55, 3));
        small.flush();
        small.compact(plan_range(&small.version, &Span::all(), None).unwrap().unwrap());
        small.compact_all();
        small.check_all();
        assert_eq!(small.version.segments().map(|segment| segment.meta().entry_count).sum::<u64>(), 1);
        small.commit(&Act::Put(55, 4));
        small.flush();
        small.compact_all();
        small.check_all();
    }
}

#[test]
fn versions_kept_for_a_snapshot_go_soon_after_it() {
    let mut small = Small::new(true);
    for number in 0..60 {
        small.commit(&Act::Put(number, number));
    }
    small.snapshots.push(small.last());
    for number in 0..60 {
        small.commit(&Act::Put(number, number + 1));
    }
    small.flush();
    small.compact(plan_range(&small.version, &Span::all(), None).unwrap().unwrap());
    let entries = |small: &Small| small.version.segments().map(|segment| segment.meta().entry_count).sum::<u64>();
    small.compact_all();
    assert_eq!(entries(&small), 120);
    small.snapshots.clear();
    small.compact_all();
    assert_eq!(entries(&small), 60);
    small.check_all();
}

#[test]
fn many_range_deletes_are_rewritten_in_pieces_and_into_segments_of_bounded_size() {
    let mut small = Small::new(true);
    for number in 0..60 {
        small.commit(&Act::Put(number, number));
    }
    small.flush();
    small.snapshots.push(small.last());
    // Over older data, so nearly all of them stay.
    for number in 0..2000_u16 {
        let start = [&[1_u8, 0, 0], &number.to_be_bytes()[..], &[9]].concat();
        small.delete_range(&start, &[start.as_slice(), &[1]].concat());
        small.states.push(small.states.last().unwrap().clone());
    }
    let list = std::mem::take(&mut small.ranges).list();
    let source = RewriteSource::new(Box::new(Sorted::new(Vec::new())), list);
    let target = OutputTarget { segment_bytes: 4000, ..small.target(0, small.last()) };
    let mut rewrite = Rewrite::flush(&small.version, vec![source], small.live(), target);
    let mut pieces = 0;
    while !rewrite.step(&|| small.allocate(), &mut Piece::of_bytes(500)).unwrap() {
        pieces += 1;
    }
    assert!((60..400).contains(&pieces), "{pieces} pieces");
    let (edit, stats) = rewrite.finish().unwrap();
    // Those between two of the older segments hide nothing.
    let kept = edit.added.iter().map(|meta| u64::from(meta.fragment_count)).sum::<u64>();
    assert!(kept > 1800 && kept + stats.fragments_removed == 2000, "{kept} of 2000 are kept");
    let largest = edit.added.iter().map(|meta| meta.bytes).max().unwrap();
    assert!(edit.added.len() > 8 && largest < 8000, "{} segments, the largest of {largest} bytes", edit.added.len());
    small.install(&edit);
    small.check_all();
    small.snapshots.clear();
    while !small.compact_range(&Span::all()) {}
    small.check_all();
    assert_eq!(small.version.segments().map(|segment| segment.meta().fragment_count).sum::<u32>(), 0);
}
