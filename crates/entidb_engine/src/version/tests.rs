//! What changing a version costs, and which changes are refused.

use std::sync::Arc;

use proptest::prelude::*;

use super::{SegmentMeta, Version, VersionBuilder, VersionEdit, looks};
use crate::compaction::{LiveSnapshots, PlanOptions, Resting, plan};
use crate::format::{FileNumber, Sequence};
use crate::segment::context_for_tests;

fn meta(number: u64, level: u8, run: u64, first: u64, last: u64) -> SegmentMeta {
    let key = |number: u64| -> Arc<[u8]> {
        let mut key = vec![7];
        key.extend_from_slice(&number.to_be_bytes());
        key.into()
    };
    SegmentMeta {
        number: FileNumber(number),
        level,
        run,
        bytes: 1000,
        smallest: key(first),
        largest: key(last),
        largest_is_excluded: false,
        is_cut: false,
        oldest: Sequence(1),
        newest: Sequence(2),
        entry_count: 10,
        stale_count: 0,
        fragment_count: 0,
        raw_bytes: 1000,
        salt: [1; 32],
        tag: [2; 16],
    }
}

/// A level of `count` segments as one change.
fn snapshot_of(count: u64) -> VersionEdit {
    // Numbers are given in another order than keys are, as after many merges.
    let metas = (0..count).map(|number| number.wrapping_mul(7919) % count);
    let added = metas.map(|place| meta(place + 1, 6, 0, place * 10, place * 10 + 9)).collect();
    VersionEdit { added, removed: Vec::new() }
}

/// What eight times as many segments cost more, in looks at segments. The product of changes and segments would be 64
/// times as much.
fn assert_not_the_product(act: impl Fn(u64)) {
    let (small, large) = (looks::during(|| act(1000)), looks::during(|| act(8000)));
    assert!(small > 0 && large < small * 12, "1,000 segments: {small} looks, 8,000: {large}");
}

#[test]
fn a_change_costs_as_much_as_it_changes_and_not_the_product_with_what_is_there() {
    assert_not_the_product(|count| {
        let edit = snapshot_of(count);
        let version = Version::empty(context_for_tests()).apply(&edit).unwrap();
        let none = version.apply(&VersionEdit { added: Vec::new(), removed: numbers_of(&edit) }).unwrap();
        assert_eq!((version.len() as u64, none.len()), (count, 0));
    });
}

#[test]
fn a_manifest_of_many_changes_costs_as_they_do_and_not_the_product_with_what_is_there() {
    assert_not_the_product(|count| {
        let mut builder = VersionBuilder::default();
        for edit in singles_of(&snapshot_of(count)) {
            builder.apply(edit).unwrap();
        }
        assert_eq!(builder.finish(context_for_tests()).unwrap().len() as u64, count);
    });
}

#[test]
fn a_change_of_one_run_looks_at_no_segment_of_another() {
    let version = Version::empty(context_for_tests()).apply(&snapshot_of(5000)).unwrap();
    let flushed = VersionEdit { added: vec![meta(9000, 0, 9, 1, 100)], removed: Vec::new() };
    let mut next = None;
    let count = looks::during(|| next = Some(version.apply(&flushed).unwrap()));
    assert!(next.is_some_and(|next| next.len() == 5001) && count < 20, "{count} looks");
}

#[test]
fn a_plan_of_nothing_looks_at_no_segment_but_what_is_stale() {
    let cost = |count: u64| {
        let version = Version::empty(context_for_tests()).apply(&snapshot_of(count)).unwrap();
        let live = LiveSnapshots::new([], Sequence(9));
        looks::during(|| {
            let planned =
                plan(&version, PlanOptions { base_bytes: 1 << 40, is_short: false }, &live, &Resting::new()).unwrap();
            assert!(planned.is_none());
        })
    };
    assert_eq!((cost(100), cost(5000)), (0, 0));
}

#[test]
fn keys_that_are_read_together_look_once_at_a_segment_of_each_run() {
    let two_runs = |edit: VersionEdit| {
        let older = edit.added.iter().map(|meta| SegmentMeta {
            number: FileNumber(meta.number.0 + 9000),
            run: 1,
            ..meta.clone()
        });
        VersionEdit { added: edit.added.iter().cloned().chain(older).collect(), removed: Vec::new() }
    };
    let version = Version::empty(context_for_tests()).apply(&two_runs(snapshot_of(1000))).unwrap();
    let keys: Vec<Arc<[u8]>> = (0..32).map(|number| meta(1, 0, 0, number * number, 0).smallest).collect();
    let keys: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
    // Its last key is looked at, and that it is this one's.
    let count = looks::during(|| drop(version.locate(&keys, &[0; 32])));
    assert!(count <= 2 * 2 * 32, "{count} looks");
}

fn numbers_of(edit: &VersionEdit) -> Vec<FileNumber> {
    edit.added.iter().map(|meta| meta.number).collect()
}

/// One change for each segment that a change adds, or takes away.
fn singles_of(edit: &VersionEdit) -> impl Iterator<Item = VersionEdit> {
    let (added, removed) = (edit.added.clone(), edit.removed.clone());
    let removed = removed.into_iter().map(|number| VersionEdit { added: Vec::new(), removed: vec![number] });
    removed.chain(added.into_iter().map(|meta| VersionEdit { added: vec![meta], removed: Vec::new() }))
}

/// What a version lists, newest first.
fn listed(version: &Version) -> Vec<SegmentMeta> {
    version.segments().map(|segment| segment.meta().clone()).collect()
}

fn change() -> impl Strategy<Value = VersionEdit> {
    let added = (1_u64..30, 0_u8..4, 0_u64..3, 0_u64..40, 0_u64..6);
    let added = added.prop_map(|(number, level, run, first, more)| meta(number, level, run, first, first + more));
    let added = prop::collection::vec(added, 0..4);
    (added, prop::collection::btree_set(1_u64..30, 0..3))
        .prop_map(|(added, removed)| VersionEdit { added, removed: removed.into_iter().map(FileNumber).collect() })
}

proptest! {
    #![proptest_config(crate::tier::cases(200))]

    #[test]
    fn changes_read_from_a_manifest_come_to_what_installing_each_did(changes in prop::collection::vec(change(), 1..40)) {
        let context = context_for_tests();
        let mut version = Version::empty(Arc::clone(&context));
        let mut accepted = Vec::new();
        for change in changes {
            match version.apply(&change) {
                Ok(next) => {
                    version = next;
                    accepted.push(change);
                }
                Err(wrong) => {
                    // What cannot be installed is refused in a manifest, with the same words.
                    let mut builder = VersionBuilder::default();
                    accepted.iter().for_each(|change: &VersionEdit| builder.apply(change.clone()).unwrap());
                    prop_assert!(builder.apply(change).is_err(), "{}", wrong);
                }
            }
            let all: Vec<_> = version.segments().collect();
            prop_assert_eq!(version.len(), all.len());
            prop_assert_eq!(version.bytes(), all.iter().map(|segment| segment.meta().bytes).sum::<u64>());
            for segment in all {
                let found = version.segment(segment.meta().number).map(|segment| segment.meta());
                prop_assert_eq!(found, Some(segment.meta()));
            }
        }
        let mut builder = VersionBuilder::default();
        for change in accepted {
            builder.apply(change).unwrap();
        }
        let read = builder.finish(context).unwrap();
        prop_assert_eq!(listed(&read), listed(&version));
        prop_assert_eq!(read.levels().len(), version.levels().len());
        prop_assert_eq!(read.fullest_zone(), version.fullest_zone());
    }
}

#[test]
fn a_change_that_lists_a_segment_twice_is_refused() {
    let edit = VersionEdit { added: vec![meta(1, 1, 0, 1, 2), meta(1, 2, 0, 1, 2)], removed: Vec::new() };
    let text = "segment 1 is to be added and is there already";
    assert_eq!(Version::empty(context_for_tests()).apply(&edit).unwrap_err().to_string(), text);
    assert_eq!(VersionBuilder::default().apply(edit).unwrap_err().to_string(), text);
}
