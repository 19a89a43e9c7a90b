//! Segments against the list of entries they were made of, in every setting; and against damage.

use std::collections::BTreeMap;

use entidb_storage::{Backend, OpenMode, SeededRandom};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::cursor::SegmentCursor;
use super::*;
use crate::crypto::testing::encrypted_keys;
use crate::error::{Damage, Error, Result};
use crate::format::{DatabaseId, EntryKind, FileNumber, Sequence};
use crate::iterator::sorted::{Entry, Sorted};
use crate::iterator::{EntryCursor, Found, Span};
use crate::options::{Compression, ZonePolicy};
use crate::range_tombstone::RangeTombstones;
use crate::verify::{VerifyLevel, VerifyReport};
use crate::version::SegmentMeta;

/// A context on files in memory.
pub(crate) fn context(encrypted: bool, cache_bytes: u64) -> Arc<SegmentContext> {
    let backend = Backend::memory();
    backend.directory.create_folder("seg").unwrap();
    let id = DatabaseId([7; 16]);
    let keys = if encrypted { encrypted_keys(id) } else { Keys::plain(id) };
    Arc::new(SegmentContext {
        directory: Arc::clone(&backend.directory),
        keys: Arc::new(keys),
        random: Arc::new(SeededRandom::new(3)),
        open_files: OpenFiles::new(4, backend.directory.as_ref()),
        cache: BlockCache::new(cache_bytes),
        removals: Arc::default(),
    })
}

pub(crate) fn write(
    context: &Arc<SegmentContext>,
    number: u64,
    policy: ZonePolicy,
    entries: &[Entry],
    tombstones: &RangeTombstones,
) -> SegmentMeta {
    let mut writer = SegmentWriter::create(context, FileNumber(number), policy).unwrap();
    for entry in entries {
        writer.add(&entry.key, entry.sequence, entry.kind, &entry.value).unwrap();
    }
    writer.set_tombstones(tombstones.clone());
    let meta = writer.finish(0, number).unwrap();
    context.directory.flush_names("seg").unwrap();
    meta
}

fn open(context: &Arc<SegmentContext>, meta: &SegmentMeta) -> Arc<Segment> {
    Arc::new(Segment::new(meta.clone(), Arc::clone(context)))
}

/// Sorted entries: few keys with many versions, or many keys, some sharing long prefixes.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let key = prop_oneof![
        (0_u8..5).prop_map(|number| vec![9, number]),
        prop::collection::vec(0_u8..3, 0..9).prop_map(|mut tail| {
            let mut key = vec![9, 1, 2, 3, 4, 5, 6, 7, 8];
            key.append(&mut tail);
            key
        }),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|mut tail| {
            tail.insert(0, 9);
            tail
        }),
    ];
    let kind = prop_oneof![3 => Just(EntryKind::Put), 1 => Just(EntryKind::Delete), 1 => Just(EntryKind::Add)];
    let value = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        2 => (any::<u8>(), 0_usize..300).prop_map(|(byte, len)| vec![byte; len]),
        1 => prop::collection::vec(any::<u8>(), 500..3000),
    ];
    prop::collection::vec((key, 0_u64..1 << 40, kind, value), 1..120).prop_map(|list| {
        let by_place: BTreeMap<(Vec<u8>, std::cmp::Reverse<u64>), Entry> = list
            .into_iter()
            .map(|(key, sequence, kind, value)| {
                let value = if kind == EntryKind::Delete { Vec::new() } else { value };
                ((key.clone(), std::cmp::Reverse(sequence)), Entry::new(&key, sequence, kind, &value))
            })
            .collect();
        by_place.into_values().collect()
    })
}

fn policy() -> impl Strategy<Value = ZonePolicy> {
    (any::<bool>(), prop_oneof![Just(512_u32), Just(2048), Just(8192), Just(200_000)], any::<bool>()).prop_map(
        |(point_index, block_bytes, compress)| ZonePolicy {
            point_index,
            block_bytes,
            compression: if compress { Compression::Lz4 } else { Compression::None },
            expires: false,
        },
    )
}

fn same(cursor: &dyn EntryCursor, model: &dyn EntryCursor) {
    assert_eq!(cursor.is_valid(), model.is_valid());
    assert_eq!(cursor.key(), model.key());
    assert_eq!(cursor.sequence(), model.sequence());
    assert_eq!(cursor.kind(), model.kind());
    assert_eq!(cursor.value(), model.value());
    assert_eq!(cursor.pin_value().as_bytes(), model.value());
}

/// Steps of a walk: what to do, near which entry, and how.
type Walk = Vec<(u8, prop::sample::Index, bool)>;

fn walk() -> impl Strategy<Value = Walk> {
    prop::collection::vec((0_u8..9, any::<prop::sample::Index>(), any::<bool>()), 0..80)
}

/// Moves both the same way, and finds both in the same place.
fn stroll(cursor: &mut SegmentCursor, model: &mut Sorted, entries: &[Entry], walk: &Walk) {
    for (step, index, shorten) in walk {
        let mut key = entries[index.index(entries.len())].key.clone();
        match step {
            0 => key.push(0),
            1 => drop(key.pop()),
            _ => {}
        }
        match (step, model.is_valid()) {
            (0..=1, _) => {
                cursor.seek(&key).unwrap();
                model.seek(&key).unwrap();
            }
            (2, _) => {
                cursor.aim(&key);
                cursor.land(&key).unwrap();
                model.seek(&key).unwrap();
            }
            (3, _) => {
                cursor.seek_before(&key).unwrap();
                model.seek_before(&key).unwrap();
            }
            (_, true) if *shorten => {
                cursor.previous().unwrap();
                model.previous().unwrap();
            }
            (_, true) => {
                cursor.next().unwrap();
                model.next().unwrap();
            }
            _ => {}
        }
        same(cursor, model);
    }
}

proptest! {
    #![proptest_config(crate::tier::cases(40))]
    #[test]
    fn a_segment_that_is_cut_shows_nothing_before_the_cut(
        entries in entries(),
        at in any::<prop::sample::Index>(),
        longer in any::<bool>(),
        policy in policy(),
        walk in walk(),
    ) {
        let context = context(false, 1 << 20);
        let tombstones = RangeTombstones::default().with(&[9, 1], &[9, 200], Sequence(77));
        let meta = write(&context, 5, policy, &entries, &tombstones);
        let mut cut = entries[at.index(entries.len())].key.clone();
        if longer && cut < meta.largest.to_vec() {
            cut.push(0);
        }
        let segment = open(&context, &meta.cut_at(&cut));
        prop_assert_eq!(segment.range_tombstones().unwrap().as_ref(), &tombstones.clipped(&cut, None));
        let rest: Vec<Entry> = entries.iter().filter(|entry| entry.key >= cut).cloned().collect();
        let mut cursor = SegmentCursor::new(Arc::clone(&segment));
        let mut model = Sorted::new(rest.clone());
        cursor.seek_first().unwrap();
        model.seek_first().unwrap();
        for _ in 0..rest.len() {
            same(&cursor, &model);
            cursor.next().unwrap();
            model.next().unwrap();
        }
        cursor.seek_last().unwrap();
        model.seek_last().unwrap();
        for _ in 0..rest.len() {
            same(&cursor, &model);
            cursor.previous().unwrap();
            model.previous().unwrap();
        }
        same(&cursor, &model);
        stroll(&mut cursor, &mut model, &entries, &walk);
        let report = segment.verify(VerifyLevel::Full).unwrap();
        prop_assert!(report.is_clean(), "{:?}", report.problems);
    }

    #[test]
    fn a_segment_holds_what_was_written_whichever_way_it_is_read(
        entries in entries(),
        policy in policy(),
        encrypted in any::<bool>(),
        cache_bytes in prop_oneof![Just(0_u64), Just(3000), Just(1 << 30)],
        walk in walk(),
    ) {
        let context = context(encrypted, cache_bytes);
        let tombstones = RangeTombstones::default().with(&[9, 1], &[9, 200], Sequence(77));
        let meta = write(&context, 5, policy, &entries, &tombstones);
        prop_assert_eq!(meta.entry_count, entries.len() as u64);
        prop_assert!(entries.iter().all(|entry| meta.covers(&entry.key)));
        let segment = open(&context, &meta);
        prop_assert_eq!(segment.range_tombstones().unwrap().as_ref(), &tombstones);

        let mut cursor = SegmentCursor::new(Arc::clone(&segment));
        let mut model = Sorted::new(entries.clone());
        cursor.seek_first().unwrap();
        model.seek_first().unwrap();
        for _ in 0..entries.len() {
            same(&cursor, &model);
            cursor.next().unwrap();
            model.next().unwrap();
        }
        same(&cursor, &model);
        cursor.seek_last().unwrap();
        model.seek_last().unwrap();
        for _ in 0..entries.len() {
            same(&cursor, &model);
            cursor.previous().unwrap();
            model.previous().unwrap();
        }
        same(&cursor, &model);
        stroll(&mut cursor, &mut model, &entries, &walk);

        let report = segment.verify(VerifyLevel::Full).unwrap();
        prop_assert!(report.is_clean(), "{:?}", report.problems);
        prop_assert_eq!(report.entries, entries.len() as u64);
        for entry in &entries {
            for at in [entry.sequence, Sequence(entry.sequence.0.saturating_sub(1)), Sequence::MAX] {
                let hash = xxh3_64(&entry.key);
                let found = segment.get(&entry.key, hash, at).unwrap();
                let likely = segment.fetch_block(&entry.key, hash);
                segment.fetch_entry(&entry.key, likely);
                let together = segment.get_likely(&entry.key, hash, likely, at).unwrap();
                let seen = |found: &Found| (found.sequence, found.kind, found.value.to_vec());
                prop_assert_eq!(together.as_ref().map(seen), found.as_ref().map(seen));
                let expected = entries.iter().find(|other| other.key == entry.key && other.sequence <= at);
                prop_assert_eq!(found.as_ref().map(|found| found.sequence), expected.map(|entry| entry.sequence));
                prop_assert_eq!(found.as_ref().map(|found| found.kind), expected.map(|entry| entry.kind));
                prop_assert_eq!(found.map(|found| found.value.to_vec()), expected.map(|entry| entry.value.clone()));
            }
            let mut absent = entry.key.clone();
            absent.push(77);
            let is_there = entries.iter().any(|other| other.key == absent);
            let hash = xxh3_64(&absent);
            prop_assert_eq!(segment.get(&absent, hash, Sequence::MAX).unwrap().is_some(), is_there);
            let likely = segment.fetch_block(&absent, hash);
            prop_assert_eq!(segment.get_likely(&absent, hash, likely, Sequence::MAX).unwrap().is_some(), is_there);
        }
        prop_assert!(context.cache.bytes() <= cache_bytes.max(1));
        prop_assert_eq!(segment.approximate_count(&Span::all()).unwrap(), entries.len() as u64);
        let half = Span::new(entries[entries.len() / 2].key.clone(), None);
        prop_assert!((1..=entries.len() as u64).contains(&segment.approximate_count(&half).unwrap()));
    }
}

/// Reads everything there is, or the first error.
fn read_all(segment: &Arc<Segment>) -> Result<Vec<Entry>> {
    segment.range_tombstones()?;
    let mut all = Vec::new();
    let mut cursor = SegmentCursor::new(Arc::clone(segment));
    cursor.seek_first()?;
    while cursor.is_valid() {
        let entry = Entry {
            key: cursor.key().to_vec(),
            sequence: cursor.sequence(),
            kind: cursor.kind(),
            value: cursor.value().to_vec(),
        };
        let found = segment.get(&entry.key, xxh3_64(&entry.key), entry.sequence)?;
        assert_eq!(found.map(|found| found.value.to_vec()).as_ref(), Some(&entry.value));
        all.push(entry);
        cursor.next()?;
    }
    Ok(all)
}

fn sample() -> Vec<Entry> {
    sample_of(48)
}

fn sample_of(count: u32) -> Vec<Entry> {
    (0..count)
        .map(|number| {
            let key = [&[9_u8][..], &(number / 2).to_be_bytes()].concat();
            Entry::new(&key, 500 - u64::from(number), EntryKind::Put, &vec![number as u8; number as usize % 40])
        })
        .collect()
}

#[test]
fn every_changed_byte_is_found_with_its_file_and_no_answer_is_wrong() {
    for (encrypted, compression) in
        [(false, Compression::None), (false, Compression::Lz4), (true, Compression::None), (true, Compression::Lz4)]
    {
        let context = context(encrypted, 1 << 20);
        let entries = sample();
        let tombstones = RangeTombstones::default().with(&[9, 1], &[9, 2], Sequence(3));
        let policy = ZonePolicy { point_index: true, block_bytes: 512, compression, expires: false };
        let meta = write(&context, 5, policy, &entries, &tombstones);
        let file = context.directory.open("seg/5", OpenMode::Write).unwrap();
        assert_eq!(read_all(&open(&context, &meta)).unwrap(), entries);
        // Opening an encrypted file costs more here than reading it; every third byte is as telling.
        for offset in (0..meta.bytes).step_by(if encrypted { 3 } else { 1 }) {
            let mut byte = [0];
            file.read_exact_at(offset, &mut byte).unwrap();
            file.write_all_at(offset, &[byte[0] ^ (1 << (offset % 8))]).unwrap();
            let error = read_all(&open(&context, &meta)).unwrap_err();
            match &error {
                Error::Corrupt { file, offset: at, damage, .. } => {
                    assert_eq!(file, "seg/5");
                    assert!(*at <= offset, "{error} for byte {offset}");
                    assert_eq!(*damage, Damage::Damaged, "{error} for byte {offset}");
                }
                other => panic!("byte {offset}: {other:?}"),
            }
            let report = open(&context, &meta).verify(VerifyLevel::Full).unwrap();
            let listed = |problem: &Error| matches!(problem, Error::Corrupt { file, offset: at, .. } if file == "seg/5" && *at <= offset);
            assert!(!report.is_clean() && report.problems.iter().all(listed), "{report:?} for byte {offset}");
            file.write_all_at(offset, &byte).unwrap();
        }
        assert_eq!(read_all(&open(&context, &meta)).unwrap(), entries);
        // A file of another length, and none at all.
        for len in [0, 1, 127, 128, meta.bytes / 2, meta.bytes - 1, meta.bytes + 1] {
            file.set_len(len).unwrap();
            let error = read_all(&open(&context, &meta)).unwrap_err();
            assert!(matches!(error, Error::Corrupt { damage: Damage::Damaged, .. }), "{error}");
            file.set_len(meta.bytes).unwrap();
        }
        context.directory.remove("seg/5").unwrap();
        let error = read_all(&open(&context, &meta)).unwrap_err();
        assert!(matches!(error, Error::Corrupt { damage: Damage::Missing, .. }), "{error}");
    }
}

#[test]
fn verify_lists_every_damaged_unit_and_goes_on() {
    for encrypted in [false, true] {
        let context = context(encrypted, 0);
        let policy = ZonePolicy { point_index: true, block_bytes: 512, compression: Compression::None, expires: false };
        let meta = write(&context, 5, policy, &sample_of(160), &RangeTombstones::default());
        let segment = open(&context, &meta);
        let index = &segment.opened().unwrap().index;
        assert!(index.len() > 3);
        let file = context.directory.open("seg/5", OpenMode::Write).unwrap();
        let mut damaged = Vec::new();
        for block in [0, 2] {
            let place = index.place(block).unwrap();
            file.write_all_at(place.offset + 40, &[0xAB; 3]).unwrap();
            damaged.push(place.offset);
        }
        let offsets = |report: &VerifyReport| -> Vec<u64> {
            let offset = |problem: &Error| match problem {
                Error::Corrupt { offset, damage: Damage::Damaged, .. } => *offset,
                other => panic!("{other:?}"),
            };
            report.problems.iter().map(offset).collect()
        };
        let report = segment.verify(VerifyLevel::Full).unwrap();
        assert_eq!(offsets(&report), damaged);
        assert_eq!(report.units as usize, 3 + index.len() - 2);
        assert!(segment.verify(VerifyLevel::Quick).unwrap().is_clean());
        // With the index gone too, the blocks are still looked at, frame by frame.
        let place = segment.opened().unwrap().footer.index;
        file.write_all_at(place.offset + 14, &[0xAB]).unwrap();
        let report = segment.verify(VerifyLevel::Full).unwrap();
        assert_eq!(offsets(&report), [vec![place.offset], damaged].concat());
        assert_eq!(report.units as usize, index.len() - 2 + 1);
        assert_eq!(offsets(&segment.verify(VerifyLevel::Quick).unwrap()), [place.offset]);
    }
}

#[test]
fn another_segment_under_the_same_name_is_not_taken_for_the_one_listed() {
    let one = context(false, 0);
    let policy = ZonePolicy::default();
    let meta = write(&one, 5, policy, &sample(), &RangeTombstones::default());
    one.directory.remove("seg/5").unwrap();
    let mut other = sample();
    other[3].value = b"X".repeat(other[3].value.len());
    let again = write(&one, 5, policy, &other, &RangeTombstones::default());
    assert_eq!(again.bytes, meta.bytes);
    let error = read_all(&open(&one, &meta)).unwrap_err();
    assert!(matches!(error, Error::Corrupt { damage: Damage::Tampered, .. }), "{error}");
}

#[test]
fn a_failing_device_is_an_error_of_the_storage_and_the_next_use_tries_again() {
    let context = context(false, 1 << 20);
    let meta = write(&context, 5, ZonePolicy::default(), &sample(), &RangeTombstones::default());
    let segment = open(&context, &meta);
    // Not there, then there again: nothing of the first failure sticks to the segment.
    context.directory.rename("seg/5", "seg/6").unwrap();
    assert!(segment.get(&sample()[0].key, xxh3_64(&sample()[0].key), Sequence::MAX).is_err());
    context.directory.rename("seg/6", "seg/5").unwrap();
    assert_eq!(read_all(&segment).unwrap(), sample());
}

#[test]
fn the_cache_keeps_to_its_budget_and_what_is_read_often_stays() {
    let context = context(false, 80_000);
    let entries: Vec<Entry> = (0..4000_u32)
        .map(|number| {
            Entry::new(&[&[9_u8][..], &number.to_be_bytes()].concat(), 1, EntryKind::Put, &[number as u8; 60])
        })
        .collect();
    let policy = ZonePolicy { point_index: true, block_bytes: 1024, compression: Compression::None, expires: false };
    let meta = write(&context, 5, policy, &entries, &RangeTombstones::default());
    let segment = open(&context, &meta);
    let get = |entry: &Entry| segment.get(&entry.key, xxh3_64(&entry.key), Sequence::MAX).unwrap().unwrap();
    let mut misses = 0;
    // About one of each block: what was read once goes before what is read at every step.
    for (step, entry) in entries.iter().step_by(13).enumerate() {
        let before = context.cache.misses();
        get(&entries[7]);
        misses += context.cache.misses() - before;
        get(entry);
        let used = context.cache.memory().stats();
        assert!(context.cache.bytes() <= used.blocks && used.total() <= 80_000, "{used:?} after {step}");
    }
    // Before anything is known about a block, the oldest goes; that can happen once.
    assert!(misses <= 2, "the block read at every step was driven out {misses} times");
    let before = context.cache.misses();
    let mut cursor = SegmentCursor::new(Arc::clone(&segment));
    cursor.seek_first().unwrap();
    while cursor.is_valid() {
        cursor.next().unwrap();
    }
    assert!(context.cache.misses() > before);
    let before = context.cache.misses();
    get(&entries[7]);
    assert_eq!(context.cache.misses(), before, "a scan drove out a block in use");
    assert!(context.cache.memory().stats().indexes > 6000, "the indexes count against the budget");
    drop((cursor, segment));
    let indexes = context.cache.memory().used(crate::memory::Use::Indexes);
    assert!(context.cache.bytes() == 0 && indexes <= 32_768, "{indexes} bytes of indexes are left");
}

#[test]
fn a_cache_that_is_never_full_forgets_the_segments_that_are_gone() {
    let context = context(false, 1 << 30);
    let meta = write(
        &context,
        5,
        ZonePolicy { block_bytes: 512, ..ZonePolicy::default() },
        &sample(),
        &RangeTombstones::default(),
    );
    let mut read = 0;
    while read < 5000 {
        let segment = open(&context, &meta);
        for entry in sample() {
            segment.get(&entry.key, xxh3_64(&entry.key), Sequence::MAX).unwrap();
        }
        read += segment.opened().unwrap().index.len();
        assert!(context.cache.frames() <= 512, "{} frames after {read} blocks", context.cache.frames());
    }
}

#[test]
fn entries_out_of_order_are_a_defect_not_a_segment() {
    let context = context(false, 0);
    let mut writer = SegmentWriter::create(&context, FileNumber(1), ZonePolicy::default()).unwrap();
    writer.add(b"b", Sequence(5), EntryKind::Put, b"").unwrap();
    assert!(matches!(writer.add(b"b", Sequence(5), EntryKind::Put, b""), Err(Error::Internal { .. })));
    assert!(matches!(writer.add(b"a", Sequence(9), EntryKind::Put, b""), Err(Error::Internal { .. })));
    writer.add(b"b", Sequence(4), EntryKind::Put, b"").unwrap();
    let empty = SegmentWriter::create(&context, FileNumber(2), ZonePolicy::default()).unwrap();
    assert!(matches!(empty.finish(0, 0), Err(Error::Internal { .. })));
}
