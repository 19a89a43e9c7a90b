//! Bytes that somebody made on purpose: every decoder answers or refuses, and never panics.

use proptest::prelude::*;

use super::block::Block;
use super::index::{BlockIndex, BlockIndexBuilder};
use super::point_index::{PointIndex, PointIndexBuilder};
use crate::format::block::BlockBuilder;
use crate::format::segment_footer::{SegmentFooter, UnitFrame};
use crate::format::{EntryKind, Reader, Sequence};
use crate::memory::{Memory, PageBuffer, Pages};
use crate::range_tombstone::RangeTombstones;
use crate::version::VersionEdit;

/// A buffer that begins with these bytes.
fn buffer(bytes: &[u8]) -> PageBuffer {
    let mut buffer = Pages::new().take(bytes.len()).unwrap();
    buffer[..bytes.len()].copy_from_slice(bytes);
    buffer
}

/// Asks a block everything there is to ask.
fn use_block(bytes: &[u8]) {
    let Ok(block) = Block::new(buffer(bytes), 0..bytes.len()) else { return };
    let mut key = Vec::new();
    for ordinal in 0..block.count() + 1 {
        let Ok(place) = block.entry(ordinal) else { continue };
        let _ = block.key_into(ordinal, &place, &mut key);
        let _ = block.key_is(ordinal, &place, &key);
        let _ = block.key_is(ordinal, &place, b"kk");
        let _ = block.value(&place).len();
        let _ = block.seek(&key);
    }
    for sought in [&b""[..], b"k", b"kk5", b"zzz", &[0xff; 30]] {
        let _ = block.seek(sought);
    }
}

fn use_everything(bytes: &[u8]) {
    use_block(bytes);
    let _ =
        RangeTombstones::decode(bytes).map(|list| list.stretch(b"k", Sequence(9)) == list.stretch(b"kk", Sequence(9)));
    for count in [0, 1, 3, usize::MAX] {
        if let Some(index) = BlockIndex::decode(bytes, 128, count) {
            let _ = (index.find(b"k5"), index.place(0), index.place(usize::MAX - 1), index.separator(1));
        }
    }
    if let Some(points) = PointIndex::decode(bytes, buffer(bytes)) {
        for hash in [0, 1, 77, u64::MAX] {
            let _ = points.probe(hash, |_| Ok::<Option<()>, ()>(None));
        }
    }
    let _ = SegmentFooter::decode(bytes);
    let _ = UnitFrame::decode(bytes);
    let _ = VersionEdit::decode(&mut Reader::new(bytes));
}

fn honest(per_entry: bool, count: u32) -> Vec<u8> {
    let mut builder = BlockBuilder::new(per_entry);
    for number in 0..count {
        let key = format!("kk{:04}", number / 2);
        builder.add(key.as_bytes(), Sequence(u64::from(count - number)), EntryKind::Put, &[7; 9]);
    }
    let mut bytes = Vec::new();
    builder.finish(&mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(crate::tier::cases(2000))]
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        use_everything(&bytes);
    }

    #[test]
    fn changed_blocks_never_panic(
        per_entry in any::<bool>(),
        count in 1_u32..60,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = honest(per_entry, count);
        use_block(&bytes[..cut.index(bytes.len())]);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        use_block(&bytes);
    }

    #[test]
    fn changed_indexes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut index = BlockIndexBuilder::default();
        index.start(b"kk0");
        index.add(500, b"kk1", Some(b"kk3"));
        index.add(500, b"kk7", None);
        let mut points = PointIndexBuilder::new(&Memory::new(1 << 30));
        for number in 0..20 {
            points.add(number << 40 | number, number as usize);
        }
        points.end_block(20).unwrap();
        let (points, len) = points.finish().unwrap().unwrap();
        for mut bytes in [index.finish(), points[..len].to_vec()] {
            for (index, byte) in &changes {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            use_everything(&bytes);
        }
    }
}

#[test]
fn a_block_of_lengths_near_the_largest_number_is_refused() {
    let good = honest(true, 3);
    for at in 16..good.len() {
        let mut bytes = good.clone();
        bytes.splice(at..at + 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        use_block(&bytes);
    }
}
