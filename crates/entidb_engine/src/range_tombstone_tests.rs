//! Range tombstones against a list of ranges looked through one by one.

use proptest::prelude::*;

use super::*;

fn key(number: u8) -> Vec<u8> {
    vec![b'k', number]
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
        let merged = RangeTombstones::merged(&lists);
        prop_assert_eq!(&one_by_one, &merged);
        for pair in merged.fragments().windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
        }
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
            }
        }
        // Only the keys of the model exist, so a stretch is covered when each of them is; a gap between them is not seen.
        let at = Sequence(20);
        if let Some(sequence) = merged.covering_all(&key(low), &key(high), at) {
            let least = (low..=high).map(|number| naive(&ranges, number, at.0)).min().flatten();
            prop_assert_eq!(Some(sequence.0), least);
        }
    }
}

#[test]
fn a_stretch_with_a_gap_is_not_covered_whole() {
    let list = RangeTombstones::default().with(b"a", b"c", Sequence(5)).with(b"d", b"f", Sequence(9));
    assert_eq!(list.covering_all(b"a", b"b", Sequence::MAX), Some(Sequence(5)));
    assert_eq!(list.covering_all(b"a", b"c", Sequence::MAX), None);
    assert_eq!(list.covering_all(b"b", b"e", Sequence::MAX), None);
    assert_eq!(list.with(b"c", b"d", Sequence(7)).covering_all(b"b", b"e", Sequence::MAX), Some(Sequence(5)));
}

#[test]
fn a_fragment_over_zones_is_cut_where_they_end() {
    let list = RangeTombstones::default().with(b"", &[3, 7], Sequence(5)).with(&[0xfe, 1], &[0xff, 2], Sequence(6));
    let cut = list.cut_at_zones();
    let starts: Vec<&[u8]> = cut.fragments().iter().map(|fragment| &*fragment.start).collect();
    assert_eq!(starts, [&[][..], &[1], &[2], &[3], &[0xfe, 1], &[0xff]]);
    assert_eq!(cut.retained(|fragment| Ok::<_, ()>(fragment.sequences.to_vec())), Ok(list));
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
