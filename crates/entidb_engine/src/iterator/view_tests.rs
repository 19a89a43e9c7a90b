//! Merge and view against maps built entry by entry.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::point::PointRead;
use super::super::sorted::{Entry, Sorted, in_order};
use super::*;
use crate::iterator::{Found, KeyRange};
use crate::range_tombstone::RangeTombstones;
use crate::transaction::Direction;

/// One commit of a random history.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Put(u8, u8),
    Delete(u8),
    Add(u8, i8),
    DeleteRange(u8, u8),
}

/// Keys below 32 mostly hold values, the others counters; now and then an addition meets a value that is no counter.
fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_u8..32, any::<u8>()).prop_map(|(key, value)| Act::Put(key, value)),
        2 => (0_u8..40).prop_map(Act::Delete),
        2 => (32_u8..40, any::<i8>()).prop_map(|(key, delta)| Act::Add(key, delta)),
        1 => (28_u8..34, any::<i8>()).prop_map(|(key, delta)| Act::Add(key, delta)),
        1 => (0_u8..40, 0_u8..40).prop_map(|(start, end)| Act::DeleteRange(start, end)),
    ]
}

/// Few keys written often, so that one has far more versions than are walked.
fn hot_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (4_u8..6, any::<u8>()).prop_map(|(key, value)| Act::Put(key, value)),
        2 => prop::sample::select(vec![4_u8, 5, 33]).prop_map(Act::Delete),
        10 => any::<i8>().prop_map(|delta| Act::Add(33, delta)),
        2 => any::<i8>().prop_map(|delta| Act::Add(5, delta)),
        1 => (3_u8..7, 4_u8..40).prop_map(|(start, end)| Act::DeleteRange(start, end)),
    ]
}

fn history() -> impl Strategy<Value = Vec<Act>> {
    prop_oneof![prop::collection::vec(act(), 1..120), prop::collection::vec(hot_act(), 1..250)]
}

fn key(number: u8) -> Vec<u8> {
    // Keys of unequal lengths, some a prefix of others.
    let mut key = vec![b'z', number / 4];
    key.extend(std::iter::repeat_n(b'x', usize::from(number % 4)));
    key
}

/// What reading each key gives: a value, or `None` for the error of an addition to a value that is no counter.
type State = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Of a length from 0 to 8, so that one in nine is a counter.
fn value(seed: u8) -> Vec<u8> {
    vec![seed; usize::from(seed % 9)]
}

fn apply(state: &mut State, act: &Act) {
    match act {
        Act::Put(number, seed) => {
            state.insert(key(*number), Some(value(*seed)));
        }
        Act::Delete(number) => {
            state.remove(&key(*number));
        }
        Act::Add(number, delta) => {
            let zero = Some(vec![0; 8]);
            let base = state.get(&key(*number)).unwrap_or(&zero).as_ref().and_then(|base| counter_from(base).ok());
            let sum = base.map(|base| base.wrapping_add(i64::from(*delta)).to_le_bytes().to_vec());
            state.insert(key(*number), sum);
        }
        Act::DeleteRange(start, end) => {
            let (start, end) = (key(*start), key(*end));
            state.retain(|key, _| !(*key >= start && *key < end));
        }
    }
}

/// The history cut into sources, newest first, with the states after each commit.
fn sources_of(history: &[Act], cuts: &[usize]) -> (Vec<(Vec<Entry>, RangeTombstones)>, Vec<State>) {
    let mut sources = vec![(Vec::new(), RangeTombstones::default())];
    let mut states = vec![State::new()];
    for (index, act) in history.iter().enumerate() {
        if cuts.contains(&index) {
            sources.push((Vec::new(), RangeTombstones::default()));
        }
        let sequence = index as u64 + 1;
        let (entries, tombstones) = sources.last_mut().unwrap();
        match act {
            Act::Put(number, seed) => {
                entries.push(Entry::new(&key(*number), sequence, EntryKind::Put, &value(*seed)));
            }
            Act::Delete(number) => entries.push(Entry::new(&key(*number), sequence, EntryKind::Delete, &[])),
            Act::Add(number, delta) => {
                let delta = i64::from(*delta).to_le_bytes();
                entries.push(Entry::new(&key(*number), sequence, EntryKind::Add, &delta));
            }
            Act::DeleteRange(start, end) => {
                *tombstones = tombstones.with(&key(*start), &key(*end), Sequence(sequence));
            }
        }
        let mut state = states.last().unwrap().clone();
        apply(&mut state, act);
        states.push(state);
    }
    sources.reverse();
    (sources, states)
}

fn view_of(sources: &[(Vec<Entry>, RangeTombstones)], at: u64, range: Span) -> View<Sorted> {
    let mut view = View::new(Sequence(at), range);
    for (entries, tombstones) in sources {
        let deleted = Some(Deleted::List(Arc::new(tombstones.clone())));
        view.push(ViewSource { cursor: Sorted::new(entries.clone()), deleted });
    }
    view
}

fn here(view: &View<Sorted>) -> Option<(Vec<u8>, Vec<u8>)> {
    assert_eq!(view.value(), view.pin_value().as_bytes());
    view.is_valid().then(|| (view.key().to_vec(), view.value().to_vec()))
}

fn pair((key, value): (&Vec<u8>, &Option<Vec<u8>>)) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.clone(), value.clone())
}

/// What a walk shows, and whether it ended in an error.
type Walked = (Vec<(Vec<u8>, Vec<u8>)>, bool);

fn walked(view: &mut View<Sorted>, direction: Direction) -> Walked {
    let mut shown = Vec::new();
    let mut moved = match direction {
        Direction::Forward => view.seek_first(),
        Direction::Reverse => view.seek_last(),
    };
    while let (Ok(()), Some(entry)) = (&moved, here(view)) {
        shown.push(entry);
        moved = match direction {
            Direction::Forward => view.next(),
            Direction::Reverse => view.previous(),
        };
    }
    (shown, moved.is_err())
}

/// What a walk over this much of a state is to show.
fn model_walk<'a>(state: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>) -> Walked {
    let mut shown = Vec::new();
    for (key, value) in state {
        let Some(value) = value else { return (shown, true) };
        shown.push((key.clone(), value.clone()));
    }
    (shown, false)
}

proptest! {
    #![proptest_config(crate::tier::cases(256))]
    #[test]
    fn a_view_shows_the_state_after_its_commit_both_ways(
        history in history(),
        cuts in prop::collection::vec(1_usize..120, 0..12),
        bounds in (0_u8..44, 0_u8..44, any::<bool>(), any::<bool>()),
        walk in prop::collection::vec((0_u8..6, 0_u8..42), 0..40),
        at_index in any::<prop::sample::Index>(),
    ) {
        let (sources, states) = sources_of(&history, &cuts);
        let at = at_index.index(states.len());
        let range = Span::from(&KeyRange {
            start: if bounds.2 { Bound::Included(key(bounds.0)) } else { Bound::Unbounded },
            end: if bounds.3 { Bound::Excluded(key(bounds.1)) } else { Bound::Unbounded },
        });
        let state: State = states[at].iter().filter(|(key, _)| range.contains(key)).map(pair).collect();
        let fresh = || view_of(&sources, at as u64, range.clone());
        prop_assert_eq!(walked(&mut fresh(), Direction::Forward), model_walk(state.iter()));
        prop_assert_eq!(walked(&mut fresh(), Direction::Reverse), model_walk(state.iter().rev()));

        let mut view = fresh();
        let mut expected: Option<(Vec<u8>, Option<Vec<u8>>)> = None;
        for (step, number) in walk {
            let sought = key(number);
            let moved;
            match step {
                0 | 1 if expected.is_some() => {
                    let from = expected.as_ref().unwrap().0.clone();
                    if step == 0 {
                        moved = view.next();
                        expected = state.range::<Vec<u8>, _>((Bound::Excluded(&from), Bound::Unbounded)).next().map(pair);
                    } else {
                        moved = view.previous();
                        expected = state.range(..from).next_back().map(pair);
                    }
                }
                2 => {
                    moved = view.seek_first();
                    expected = state.iter().next().map(pair);
                }
                3 => {
                    moved = view.seek_last();
                    expected = state.iter().next_back().map(pair);
                }
                4 => {
                    moved = view.seek(&sought);
                    expected = state.range(sought..).next().map(pair);
                }
                _ => {
                    moved = view.seek_before(&sought);
                    expected = state.range(..sought).next_back().map(pair);
                }
            }
            if expected.as_ref().is_some_and(|(_, value)| value.is_none()) {
                prop_assert!(moved.is_err());
                (view, expected) = (fresh(), None);
                continue;
            }
            moved.unwrap();
            let shown = here(&view).map(|(key, value)| (key, Some(value)));
            prop_assert_eq!(&shown, &expected);
        }
    }

    #[test]
    fn reading_a_key_through_its_sources_gives_what_the_state_has(
        history in prop::collection::vec(act(), 1..100),
        cuts in prop::collection::vec(1_usize..100, 0..8),
    ) {
        let (sources, states) = sources_of(&history, &cuts);
        for (at, state) in states.iter().enumerate() {
            for number in 0..40 {
                let wanted = key(number);
                let mut read = PointRead::new(Sequence(at as u64));
                let mut failed = false;
                for (entries, tombstones) in &sources {
                    let newest = |at: Sequence| {
                        let versions = entries.iter().filter(|entry| entry.key == wanted && entry.sequence <= at);
                        Ok(versions.max_by_key(|entry| entry.sequence).map(|entry| Found {
                            sequence: entry.sequence,
                            kind: entry.kind,
                            value: Value::owned(entry.value.as_slice()),
                        }))
                    };
                    match read.visit(tombstones.covering(&wanted, Sequence(at as u64)), newest) {
                        Ok(false) => {}
                        Ok(true) => break,
                        Err(_) => {
                            failed = true;
                            break;
                        }
                    }
                }
                let found = if failed { Some(None) } else { read.finish().unwrap().map(|value| Some(value.to_vec())) };
                prop_assert_eq!(found.as_ref(), state.get(&wanted));
            }
        }
    }

    #[test]
    fn a_merge_is_its_sources_sorted_whichever_way_it_is_walked(
        sources in prop::collection::vec(prop::collection::vec((0_u8..12, 0_u64..6), 0..20), 0..14),
        walk in prop::collection::vec((0_u8..9, 0_u8..12), 0..60),
    ) {
        let lists: Vec<Vec<Entry>> = sources
            .iter()
            .enumerate()
            .map(|(source, list)| {
                let entry = |(number, round): &(u8, u64)| {
                    Entry::new(&key(*number), round * 100 + source as u64, EntryKind::Put, &[source as u8])
                };
                let mut list: Vec<Entry> = list.iter().map(entry).collect();
                list.sort_by(|a, b| crate::iterator::entry_order(&a.key, a.sequence, &b.key, b.sequence));
                list.dedup();
                list
            })
            .collect();
        let all = in_order(lists.iter().flatten().cloned().collect());
        let mut merge = Merge::new(lists.into_iter().map(Sorted::new));
        let mut place: Option<usize> = None;
        for (step, number) in walk {
            let sought = key(number);
            let before = all.partition_point(|entry| entry.key < sought);
            match step {
                0 => { merge.seek_first().unwrap(); place = Some(0) }
                1 => { merge.seek_last().unwrap(); place = all.len().checked_sub(1) }
                2 => { merge.seek(&sought).unwrap(); place = Some(before) }
                3 => { merge.seek_before(&sought).unwrap(); place = before.checked_sub(1) }
                8 => if let Some(from) = place {
                    merge.next_key().unwrap();
                    place = Some(all.partition_point(|entry| entry.key <= all[from].key));
                }
                _ => if let Some(from) = place {
                    if step % 2 == 0 { merge.next().unwrap(); place = Some(from + 1) }
                    else { merge.previous().unwrap(); place = from.checked_sub(1) }
                }
            }
            place = place.filter(|place| *place < all.len());
            prop_assert_eq!(merge.is_valid(), place.is_some());
            if let Some(entry) = place.map(|place| &all[place]) {
                prop_assert_eq!(merge.key(), entry.key.as_slice());
                prop_assert_eq!(merge.sequence(), entry.sequence);
                prop_assert_eq!(merge.value(), entry.value.as_slice());
            } else {
                place = None;
            }
        }
    }
}

/// A source that fails at its third entry.
struct Failing(Sorted, u32);

impl EntryCursor for Failing {
    fn seek_first(&mut self) -> Result<()> {
        self.0.seek_first()
    }
    fn seek_last(&mut self) -> Result<()> {
        self.0.seek_last()
    }
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.0.seek(key)
    }
    fn seek_before(&mut self, key: &[u8]) -> Result<()> {
        self.0.seek_before(key)
    }
    fn next(&mut self) -> Result<()> {
        self.1 += 1;
        if self.1 == 2 {
            return Err(Error::damaged("seg/1", 7, "a checksum is wrong"));
        }
        self.0.next()
    }
    fn previous(&mut self) -> Result<()> {
        self.0.previous()
    }
    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }
    fn key(&self) -> &[u8] {
        self.0.key()
    }
    fn sequence(&self) -> Sequence {
        self.0.sequence()
    }
    fn kind(&self) -> EntryKind {
        self.0.kind()
    }
    fn value(&self) -> &[u8] {
        self.0.value()
    }
}

#[test]
fn a_view_that_failed_once_keeps_failing() {
    let entries = (0..9).map(|number| Entry::new(&key(number), 1, EntryKind::Put, b"v")).collect();
    let mut view = View::new(Sequence(5), Span::all());
    view.push(ViewSource { cursor: Failing(Sorted::new(entries), 0), deleted: None });
    view.seek_first().unwrap();
    view.next().unwrap();
    for _ in 0..3 {
        assert!(matches!(view.next(), Err(Error::Corrupt { offset: 7, .. })));
        assert!(!view.is_valid());
        assert!(view.seek_first().is_err());
    }
}
