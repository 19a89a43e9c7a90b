//! Cases on reading and writing bytes.
//!
//! Always: a file behaves as a vector of bytes that is never interrupted for good. Does not know: names, lengths set
//! outright.

use super::{bytes_of, kind, put};
use crate::{Advice, Backend, ErrorKind, OpenMode, SeededRandom};

pub(super) fn bytes_read_back_as_written(make: &dyn Fn() -> Backend) {
    let backend = make();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    put(&backend, "a", &bytes);
    assert_eq!(bytes_of(&backend, "a"), bytes);
}

pub(super) fn reading_past_the_end_finds_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    for offset in [3, 4, 4096, 1 << 40, i64::MAX as u64, 1 << 63, u64::MAX] {
        let mut buffer = [7; 4];
        assert_eq!(file.read_at(offset, &mut buffer).unwrap(), 0, "at {offset}");
        assert_eq!(buffer, [7; 4], "a read of nothing touches nothing");
    }
}

pub(super) fn reading_across_the_end_is_short(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    let mut buffer = [7; 8];
    let count = file.read_at(1, &mut buffer).unwrap();
    assert!(count == 1 || count == 2, "a read may be short but not empty before the end");
    assert!(b"bc".starts_with(buffer.get(..count).unwrap()));
}

pub(super) fn an_exact_read_past_the_end_says_how_much_there_was(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    let error = file.read_exact_at(1, &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnexpectedEnd { wanted: 8, found: 2 });
    let error = file.read_exact_at(100, &mut [0; 1]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnexpectedEnd { wanted: 1, found: 0 });
}

pub(super) fn an_empty_read_is_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    for offset in [0, 1, 3, 1000, u64::MAX] {
        assert_eq!(file.read_at(offset, &mut []).unwrap(), 0);
        file.read_exact_at(offset, &mut []).unwrap();
    }
}

pub(super) fn an_empty_write_changes_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    for offset in [0, 3, 1000] {
        assert_eq!(file.write_at(offset, &[]).unwrap(), 0);
        file.write_all_at(offset, &[]).unwrap();
    }
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn a_write_in_the_middle_leaves_the_rest(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abcdefgh");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.write_all_at(2, b"XYZ").unwrap();
    file.write_all_at(7, b"!?").unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"abXYZfg!?");
}

pub(super) fn a_gap_reads_as_zeros(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"ab");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.write_all_at(700_000, b"z").unwrap();
    let bytes = bytes_of(&backend, "a");
    assert_eq!(bytes.len(), 700_001);
    assert!(bytes.starts_with(b"ab") && bytes.ends_with(b"z"));
    assert!(bytes.get(2..700_000).unwrap().iter().all(|byte| *byte == 0));
}

pub(super) fn small_pieces_make_a_large_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    let mut expected = Vec::new();
    for turn in 0..3000_u32 {
        let piece = turn.to_le_bytes().repeat(60);
        file.write_all_at(expected.len() as u64, &piece).unwrap();
        expected.extend_from_slice(&piece);
    }
    assert_eq!(bytes_of(&backend, "a"), expected);
}

pub(super) fn random_writes_agree_with_a_plain_vector(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    let random = SeededRandom::new(0x5eed);
    let mut model: Vec<u8> = Vec::new();
    for turn in 0..400 {
        let offset = usize::try_from(random.below(600_000)).unwrap();
        let len = usize::try_from(random.below(9_000)).unwrap();
        let value = random.next_u64().to_le_bytes()[0];
        match random.below(8) {
            0 => {
                file.set_len(offset as u64).unwrap();
                model.resize(offset, 0);
            }
            1 => {
                let start = file.append(&[&vec![value; len], b"end"]).unwrap();
                assert_eq!(start, model.len() as u64, "turn {turn} of seed 0x5eed");
                model.resize(model.len() + len, value);
                model.extend_from_slice(b"end");
            }
            2..=4 => {
                file.write_all_at(offset as u64, &vec![value; len]).unwrap();
                if len > 0 {
                    model.resize(model.len().max(offset + len), 0);
                    model.get_mut(offset..offset + len).unwrap().fill(value);
                }
            }
            _ => {
                let mut found = vec![0; len.min(model.len().saturating_sub(offset))];
                file.read_exact_at(offset as u64, &mut found).unwrap();
                let expected = model.get(offset..offset + found.len()).unwrap_or_default();
                assert!(found == expected, "turn {turn} of seed 0x5eed");
            }
        }
        assert_eq!(file.len().unwrap(), model.len() as u64, "turn {turn} of seed 0x5eed");
    }
    assert!(bytes_of(&backend, "a") == model, "seed 0x5eed");
}

pub(super) fn a_read_may_start_at_any_offset(make: &dyn Fn() -> Backend) {
    let backend = make();
    let bytes: Vec<u8> = (0..5000_u32).flat_map(u32::to_le_bytes).collect();
    put(&backend, "a", &bytes);
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    for offset in [0, 1, 511, 512, 513, 4095, 4096, 4097, 19_990] {
        let mut found = [0; 10];
        file.read_exact_at(offset as u64, &mut found).unwrap();
        assert_eq!(Some(&found[..]), bytes.get(offset..offset + 10), "at {offset}");
    }
}

pub(super) fn a_write_at_an_impossible_offset_is_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    for offset in [i64::MAX as u64, i64::MAX as u64 - 1, 1 << 63, u64::MAX, u64::MAX - 1] {
        let error = file.write_all_at(offset, b"xyz").unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoSpace, "at {offset}");
    }
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn flushes_succeed_and_change_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.flush_data().unwrap();
    file.flush_all().unwrap();
    file.write_all_at(3, b"d").unwrap();
    file.flush_all().unwrap();
    file.flush_data().unwrap();
    file.flush_data().unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"abcd");
}

pub(super) fn hints_change_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    for (offset, len) in [(0, 0), (0, 3), (1, 1 << 40), (u64::MAX, u64::MAX), (100, 0)] {
        for advice in [Advice::Sequential, Advice::Random, Advice::WillNeed, Advice::DontNeed] {
            file.advise(offset, len, advice);
        }
        file.start_writeback(offset, len).unwrap();
    }
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn a_reader_sees_what_a_writer_wrote(make: &dyn Fn() -> Backend) {
    let backend = make();
    let writer = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    let reader = backend.directory.open("a", OpenMode::Read).unwrap();
    assert_eq!(reader.len().unwrap(), 0);
    writer.write_all_at(0, b"seen without a flush").unwrap();
    let mut found = [0; 20];
    reader.read_exact_at(0, &mut found).unwrap();
    assert_eq!(&found, b"seen without a flush");
    writer.set_len(4).unwrap();
    assert_eq!(reader.len().unwrap(), 4);
    assert_eq!(kind(reader.read_exact_at(4, &mut [0])), ErrorKind::UnexpectedEnd { wanted: 1, found: 0 });
}
