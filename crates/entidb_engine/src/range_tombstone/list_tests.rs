//! Range tombstones against a list of ranges looked through one by one.

use proptest::prelude::*;

use super::super::Sweep;
use super::*;

fn key(number: u8) -> Vec<u8> {
    vec![b'k', number]
}

/// The first key of a stretch and the first after it.
fn bounds_of(stretch: &Stretch<'_>) -> (Vec<u8>, Option<Vec<u8>>) {
    match stretch {
        Stretch::Deleted(cover) => (cover.start.to_vec(), Some(cover.end.to_vec())),
        Stretch::Kept { start, end } => (start.to_vec(), end.map(<[u8]>::to_vec)),
    }
}

fn naive(ranges: &[(u8, u8, u64)], at_key: u8, at: u64) -> Option<u64> {
    ranges.iter().filter(|(s, e, q)| (*s..*e).contains(&at_key) && *q <= at).map(|(_, _, q)| *q).max()
}

proptest! {
    #![proptest_config(crate::tier::cases(256))]
    #[test]
    fn covering_is_what_a_walk_over_all_ranges_finds(
        ranges in prop::collection::vec((0_u8..40, 0_u8..40, 1_u64..30), 0..25),
        clip in (0_u8..40, 0_u8..40),
    ) {
        let mut one_by_one = RangeTombstones::default();
        let mut lists = Vec::new();
        for (start, end, sequence) in &ranges {
            one_by_one = one_by_one.with(&key(*start), &key(*end), Sequence(*sequence));
            lists.push(RangeTombstones::default().with(&key(*start), &key(*end), Sequence(*sequence)));
        }
        let merged = RangeTombstones::merged(lists.into_iter().map(Arc::new));
        prop_assert_eq!(&one_by_one, &merged);
        let fragments: Vec<Fragment<'_>> = merged.fragments().collect();
        for pair in fragments.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
            prop_assert!(pair[0].end < pair[1].start || pair[0].sequences != pair[1].sequences);
        }
        let sequences = || fragments.iter().flat_map(|fragment| fragment.sequences).copied();
        prop_assert_eq!(merged.sequence_range(), sequences().min().zip(sequences().max()));
        let mut bytes = Vec::new();
        merged.encode(&mut bytes);
        let decoded = RangeTombstones::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Some(&merged));
        for cut in 0..bytes.len() {
            prop_assert_eq!(RangeTombstones::decode(&bytes[..cut]), None);
        }
        let (low, high) = (clip.0.min(clip.1), clip.0.max(clip.1));
        let clipped = merged.clipped(&key(low), Some(&key(high)));
        for number in 0..41 {
            for at in [0, 5, 15, 29, u64::MAX] {
                let expected = naive(&ranges, number, at);
                let found = merged.covering(&key(number), Sequence(at)).map(|sequence| sequence.0);
                prop_assert_eq!(found, expected);
                let inside = (low..high).contains(&number);
                let found = clipped.covering(&key(number), Sequence(at)).map(|sequence| sequence.0);
                prop_assert_eq!(found, expected.filter(|_| inside));
                let stretch = merged.stretch(&key(number), Sequence(at));
                let (first, after) = bounds_of(&stretch);
                prop_assert!(first <= key(number) && after.as_ref().is_none_or(|after| *after > key(number)));
                let within = |other: &u8| first <= key(*other) && after.as_ref().is_none_or(|after| key(*other) < *after);
                for other in (0..41).filter(within) {
                    prop_assert_eq!(naive(&ranges, other, at), expected);
                }
                // From where a jump ends nothing is said, but every key it passes over is deleted.
                let (reached, back) = (merged.reach(&key(number), Sequence(at)), merged.reach_back(&key(number), Sequence(at)));
                prop_assert_eq!((reached.is_some(), back.is_some()), (expected.is_some(), expected.is_some()));
                let jumped = |other: &u8| reached > Some(&key(*other)) && back <= Some(&key(*other));
                prop_assert!((0..41).filter(jumped).all(|other| naive(&ranges, other, at).is_some()));
                if at == u64::MAX && expected.is_some() {
                    // Who sees all jumps as far as can be; one key beyond is not deleted.
                    let end = (number..41).find(|other| naive(&ranges, *other, at).is_none()).unwrap_or(41);
                    prop_assert_eq!(reached.map(<[u8]>::to_vec), Some(key(end)));
                    let start = (0..=number).rev().take_while(|other| naive(&ranges, *other, at).is_some()).last();
                    prop_assert_eq!(back.map(<[u8]>::to_vec), start.map(key));
                }
            }
        }
        // Only the keys of the model exist, so a stretch is covered when each of them is.
        for at in [Sequence(20), Sequence::MAX] {
            let least = (low..=high).map(|number| naive(&ranges, number, at.0)).min().flatten();
            for than in 0..30 {
                let end = merged.covered_from(&key(low), &key(high), at, Sequence(than));
                let covers = end.is_some_and(|end| *end > *key(high));
                prop_assert_eq!(covers, least > Some(than), "{:?} {}", least, than);
            }
        }
    }
}

#[test]
fn a_stretch_with_a_gap_is_not_covered_whole() {
    let list = RangeTombstones::default().with(b"a", b"c", Sequence(5)).with(b"d", b"f", Sequence(9));
    let end = |list: &RangeTombstones, first: &[u8], last: &[u8], than| {
        list.covered_from(first, last, Sequence::MAX, Sequence(than)).map(<[u8]>::to_vec)
    };
    assert_eq!(end(&list, b"a", b"b", 4), Some(b"c".to_vec()));
    assert_eq!(end(&list, b"a", b"b", 5), None);
    assert_eq!(end(&list, b"a", b"c", 4), None);
    assert_eq!(end(&list, b"b", b"e", 4), None);
    assert_eq!(end(&list, b"d", b"x", 4), Some(b"f".to_vec()), "it may go on in another list");
    let whole = list.with(b"c", b"d", Sequence(7));
    assert_eq!(end(&whole, b"b", b"e", 4), Some(b"f".to_vec()));
    assert_eq!(end(&whole, b"b", b"e", 5), None);
    assert_eq!(end(&whole, b"c", b"e", 6), Some(b"f".to_vec()));
}

#[test]
fn a_fragment_over_zones_is_cut_where_they_end() {
    let list = RangeTombstones::default().with(b"", &[3, 7], Sequence(5)).with(&[0xfe, 1], &[0xff, 2], Sequence(6));
    let list = Arc::new(list);
    let source: Box<dyn Iterator<Item = Result<_, ()>> + Send> = Box::new(std::iter::once(Ok(Arc::clone(&list))));
    let mut sweep = Sweep::new([source]);
    let mut starts = Vec::new();
    while sweep.advance() == Ok(true) {
        starts.push(sweep.fragment().start.to_vec());
    }
    assert_eq!(starts, [&[][..], &[1], &[2], &[3], &[0xfe, 1], &[0xff]]);
    assert_eq!(RangeTombstones::merged([Arc::clone(&list)]), *list);
}

#[test]
fn lists_that_we_would_not_write_are_refused() {
    let backwards = {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, 1);
        put_bytes(&mut bytes, b"z");
        put_bytes(&mut bytes, b"a");
        put_varint(&mut bytes, 1);
        put_varint(&mut bytes, 3);
        bytes
    };
    assert_eq!(RangeTombstones::decode(&backwards), None);
    assert_eq!(RangeTombstones::decode(&[0xff, 0xff, 0xff, 0x7f]), None);
    assert_eq!(RangeTombstones::decode(&[0, 0]), None);
}
