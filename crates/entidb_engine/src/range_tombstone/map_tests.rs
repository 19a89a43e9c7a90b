//! The map of deleted ranges and its states against lists looked through one by one, and what they cost in nodes.

use proptest::prelude::*;

use super::*;
use crate::compaction::LiveSnapshots;

fn key(number: u16) -> Vec<u8> {
    let mut key = b"k".to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    // Of different lengths, some so long that a node is split because of its bytes.
    key.resize(3 + usize::from(number % 7) * usize::from(number % 97), b'x');
    key
}

/// The newest deletion of each key number.
type Naive = Vec<Option<u64>>;

fn matches(map: &RangeMap, naive: &Naive) {
    map.check();
    let covering = |number: usize| map.covering(&key(number as u16)).map(|sequence| sequence.0);
    for (number, expected) in naive.iter().enumerate() {
        assert_eq!(covering(number), *expected, "key {number}");
    }
}

proptest! {
    #![proptest_config(crate::tier::cases(64))]
    #[test]
    fn every_state_of_a_map_is_what_a_walk_over_all_ranges_finds(
        ranges in prop::collection::vec((0_u16..300, 1_u16..80, 0_u64..2), 0..300),
        probes in prop::collection::vec(0_u16..300, 8),
    ) {
        let (mut map, mut naive) = (RangeMap::default(), vec![None; 300]);
        let mut states = Vec::new();
        let mut sequence = 1;
        for (index, (start, len, step)) in ranges.into_iter().enumerate() {
            sequence += step;
            let end = (start + if index % 3 == 0 { len } else { len % 4 + 1 }).min(299);
            map.set(&key(start), &key(end), Sequence(sequence));
            naive[usize::from(start.min(end))..usize::from(end)].fill(Some(sequence));
            if index % 16 == 0 {
                states.push((map.clone(), naive.clone()));
            }
        }
        matches(&map, &naive);
        // What came after changed none of the states before.
        for (map, naive) in &states {
            matches(map, naive);
        }
        let mut shown: Vec<(Vec<u8>, Vec<u8>, u64)> = Vec::new();
        map.for_each(None, |cover| shown.push((cover.start.to_vec(), cover.end.to_vec(), cover.sequence.0)));
        prop_assert_eq!(shown.len(), map.len());
        for pair in shown.windows(2) {
            prop_assert!(pair[0].1 < pair[1].0 || (pair[0].1 == pair[1].0 && pair[0].2 != pair[1].2));
        }
        let than = sequence / 2;
        let newer: Vec<_> = shown.iter().filter(|range| range.2 > than).cloned().collect();
        let mut found = Vec::new();
        map.for_each(Some(Sequence(than)), |cover| found.push((cover.start.to_vec(), cover.end.to_vec(), cover.sequence.0)));
        prop_assert_eq!(found, newer);
        for number in probes {
            let probe = key(number);
            match map.stretch(&probe) {
                Stretch::Deleted(cover) => {
                    prop_assert!(shown.contains(&(cover.start.to_vec(), cover.end.to_vec(), cover.sequence.0)));
                    prop_assert!(cover.start <= &*probe && &*probe < cover.end);
                    let touching = shown.iter().skip_while(|range| range.1 <= probe);
                    let mut end = cover.start;
                    for range in touching {
                        if range.0 != end {
                            break;
                        }
                        end = &range.1;
                    }
                    prop_assert_eq!(map.reach(&probe), Some(end));
                    let mut start = cover.end;
                    for range in shown.iter().rev().skip_while(|range| range.0 > probe) {
                        if range.1 != start {
                            break;
                        }
                        start = &range.0;
                    }
                    prop_assert_eq!(map.reach_back(&probe), Some(start));
                }
                Stretch::Kept { start, end } => {
                    let before = shown.iter().rev().find(|range| range.1 <= probe).map_or(&[][..], |range| &range.1);
                    let after = shown.iter().find(|range| range.0 > probe).map(|range| range.0.as_slice());
                    prop_assert_eq!((start, end), (before, after));
                    prop_assert_eq!((map.reach(&probe), map.reach_back(&probe)), (None, None));
                }
            }
        }
        // All nodes are counted, and none is when nobody holds any.
        let last = map.clone();
        prop_assert_eq!(map.bytes() == 0, shown.is_empty() && states.is_empty());
        drop((states, map));
        let rest = last.bytes();
        let mut copy = RangeMap::default();
        last.for_each(None, |cover| copy.set(cover.start, cover.end, cover.sequence));
        prop_assert!(rest <= copy.bytes() * 6 + 2048, "{} for {}", rest, copy.bytes());
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// A commit that deletes these ranges.
    Delete(Vec<(u16, u16)>),
    /// A commit that deletes none.
    Other,
    /// Commits become visible up to here.
    Show(prop::sample::Index),
    Snapshot,
    Release(prop::sample::Index),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let range = (0_u16..30, 1_u16..20).prop_map(|(start, len)| (start, (start + len).min(30)));
    let act = prop_oneof![
        8 => prop::collection::vec(range, 1..3).prop_map(Act::Delete),
        2 => Just(Act::Other),
        4 => any::<prop::sample::Index>().prop_map(Act::Show),
        2 => Just(Act::Snapshot),
        2 => any::<prop::sample::Index>().prop_map(Act::Release),
    ];
    prop::collection::vec(act, 1..60)
}

proptest! {
    #![proptest_config(crate::tier::cases(256))]
    #[test]
    fn no_reader_now_or_later_misses_a_state_that_was_dropped(acts in acts()) {
        let mut versions = RangeVersions::default();
        // The newest deletion of each key after each commit.
        let mut history: Vec<Naive> = vec![vec![None; 30]];
        let (mut visible, mut snapshots): (u64, Vec<u64>) = (0, Vec::new());
        for act in acts {
            let applied = history.len() as u64 - 1;
            match act {
                Act::Delete(ranges) => {
                    let mut naive = history.last().unwrap().clone();
                    let mut deleted = RangeMap::default();
                    for (start, end) in ranges {
                        deleted.set(&key(start), &key(end), Sequence::ZERO);
                        naive[usize::from(start)..usize::from(end)].fill(Some(applied + 1));
                    }
                    let live = || LiveSnapshots::new(snapshots.iter().copied().map(Sequence), Sequence(visible));
                    versions = versions.after(&deleted, Sequence(applied + 1), live);
                    history.push(naive);
                }
                Act::Other => history.push(history.last().unwrap().clone()),
                Act::Show(index) => visible += index.index((applied - visible) as usize + 1) as u64,
                Act::Snapshot => snapshots.push(visible),
                Act::Release(index) if !snapshots.is_empty() => {
                    snapshots.swap_remove(index.index(snapshots.len()));
                }
                Act::Release(_) => {}
            }
            let list = versions.list();
            let nothing = RangeMap::default();
            let readers = snapshots.iter().copied().chain(visible..history.len() as u64);
            for at in readers {
                let map = versions.at(Sequence(at)).unwrap_or(&nothing);
                matches(map, &history[at as usize]);
                for (number, expected) in history[at as usize].iter().enumerate() {
                    let found = list.covering(&key(number as u16), Sequence(at)).map(|sequence| sequence.0);
                    prop_assert_eq!(found, *expected, "key {} at {}", number, at);
                }
            }
        }
    }
}

/// Nodes looked at or copied by a call.
fn nodes_of<T>(call: impl FnOnce() -> T) -> u64 {
    let before = NODES.get();
    call();
    NODES.get() - before
}

fn wide(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// How ranges lie to each other: range `number` of `count`.
type Pattern = fn(u32, u32) -> (u32, u32);

const PATTERNS: [(&str, Pattern); 7] = [
    ("disjoint", |number, _| (number * 4, number * 4 + 2)),
    ("scattered", |number, count| {
        let number = number.wrapping_mul(0x9e37_79b1) % count.next_power_of_two();
        (number * 4, number * 4 + 2)
    }),
    ("adjacent", |number, _| (number, number + 1)),
    ("growing", |number, _| (0, number + 1)),
    ("shrinking", |number, count| (0, count - number)),
    ("the same", |_, _| (0, 9)),
    ("all after many", |number, count| if number < count / 2 { (number * 4, number * 4 + 2) } else { (0, u32::MAX) }),
];

/// Ranges deleted one by one, each visible before the next; a reader stays at the middle one.
fn deleted(pattern: Pattern, count: u32) -> RangeVersions {
    let mut versions = RangeVersions::default();
    for number in 0..count {
        let sequence = u64::from(number) + 1;
        let (start, end) = pattern(number, count);
        let mut one = RangeMap::default();
        one.set(&wide(start), &wide(end), Sequence::ZERO);
        let reader = Sequence(u64::from(count / 2)).min(Sequence(sequence - 1));
        versions = versions.after(&one, Sequence(sequence), || LiveSnapshots::new([reader], Sequence(sequence - 1)));
    }
    versions
}

#[test]
fn deleting_ranges_costs_the_logarithm_of_how_many_there_are() {
    for (name, pattern) in PATTERNS {
        for count in [2_000, 32_000] {
            let nodes = nodes_of(|| deleted(pattern, count));
            assert!(nodes <= u64::from(count) * 24, "{name}: {nodes} nodes for {count} ranges");
        }
        let versions = deleted(pattern, 32_000);
        let nodes = nodes_of(|| {
            for number in 0..1000 {
                versions.at(Sequence::MAX).unwrap().covering(&wide(number * 100));
            }
        });
        assert!(nodes <= 1000 * 6, "{name}: {nodes} nodes for 1000 reads");
        // Each list is walked over once, and each bound is met once.
        let nodes = nodes_of(|| versions.list());
        assert!(nodes <= 32_000 * 6, "{name}: {nodes} steps to list 32000 ranges");
    }
}

#[test]
fn states_take_memory_for_the_readers_there_are_and_not_for_the_deletions_there_were() {
    for (name, pattern) in PATTERNS {
        let bytes = |count| deleted(pattern, count).bytes();
        let most = if ["growing", "the same"].contains(&name) { 20_000 } else { 32_000 * 200 };
        assert!(bytes(32_000) <= most, "{name}: {} bytes", bytes(32_000));
    }
}

#[test]
fn the_end_of_ranges_that_touch_is_found_without_walking_over_them() {
    let versions = deleted(|number, _| (number, number + 1), 32_000);
    let map = versions.at(Sequence::MAX).unwrap();
    let mut reached = Vec::new();
    let nodes = nodes_of(|| {
        for number in (0..32_000).step_by(320) {
            reached.push((map.reach(&wide(number)), map.reach_back(&wide(number))));
        }
    });
    let (first, last) = (wide(0), wide(32_000));
    assert!(reached.iter().all(|ends| *ends == (Some(last.as_slice()), Some(first.as_slice()))));
    assert!(nodes <= 100 * 24, "{nodes} nodes for 200 ends");
    let list = versions.list();
    let nodes = nodes_of(|| {
        for number in (0..32_000).step_by(320) {
            assert_eq!(list.reach(&wide(number), Sequence::MAX), Some(last.as_slice()));
        }
    });
    assert!(nodes <= 100 * 20, "{nodes} fragments for 100 ends");
}
