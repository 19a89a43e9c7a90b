//! Cases on lengths set outright and room taken ahead.
//!
//! Always: what was never written reads as zeros. Does not know: names.

use super::{bytes_of, kind, put};
use crate::{Backend, ErrorKind, OpenMode};

pub(super) fn set_len_cuts(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abcdef");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.set_len(2).unwrap();
    assert_eq!(file.len().unwrap(), 2);
    assert_eq!(bytes_of(&backend, "a"), b"ab");
    file.set_len(0).unwrap();
    assert!(file.is_empty().unwrap());
}

pub(super) fn set_len_grows_with_zeros(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"ab");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.set_len(300_000).unwrap();
    let bytes = bytes_of(&backend, "a");
    assert_eq!(bytes.len(), 300_000);
    assert!(bytes.starts_with(b"ab\0") && bytes.iter().skip(2).all(|byte| *byte == 0));
}

pub(super) fn bytes_cut_off_do_not_come_back(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", &[0xEE; 600_000]);
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    for cut in [300_001, 10] {
        file.set_len(cut).unwrap();
        file.set_len(600_000).unwrap();
        let bytes = bytes_of(&backend, "a");
        let cut = usize::try_from(cut).unwrap();
        assert!(bytes.iter().take(cut).all(|byte| *byte == 0xEE));
        assert!(bytes.iter().skip(cut).all(|byte| *byte == 0), "old bytes came back behind {cut}");
    }
}

pub(super) fn set_len_beyond_any_file_is_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    for len in [1 << 63, u64::MAX] {
        assert_eq!(kind(file.set_len(len)), ErrorKind::NoSpace);
    }
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn preallocate_grows_with_zeros(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    file.preallocate(0, 200_001).unwrap();
    assert_eq!(bytes_of(&backend, "a"), vec![0; 200_001]);
}

pub(super) fn preallocate_overwrites_with_zeros(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", &[1; 100]);
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.preallocate(10, 20).unwrap();
    let mut expected = vec![1; 100];
    expected.get_mut(10..30).unwrap().fill(0);
    assert_eq!(bytes_of(&backend, "a"), expected);
}

pub(super) fn preallocate_leaves_the_rest(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.preallocate(3, 5).unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"abc\0\0\0\0\0");
    file.write_all_at(3, b"de").unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"abcde\0\0\0");
}

pub(super) fn preallocate_nothing_changes_nothing(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    file.preallocate(0, 0).unwrap();
    file.preallocate(1000, 0).unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn preallocate_beyond_any_file_is_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    for (offset, len) in [(u64::MAX, 1), (1, u64::MAX), (i64::MAX as u64, 1), (1 << 63, 1 << 63)] {
        assert_eq!(kind(file.preallocate(offset, len)), ErrorKind::NoSpace);
    }
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn a_far_byte_makes_a_long_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    // Past 32 bits: an offset that is cut to fewer shows itself here.
    let far = (1_u64 << 32) + 5;
    file.write_all_at(far, b"far").unwrap();
    assert_eq!(file.len().unwrap(), far + 3);
    let mut found = [9; 4];
    file.read_exact_at(far - 1, &mut found).unwrap();
    assert_eq!(&found, b"\0far");
    file.read_exact_at(5, &mut found).unwrap();
    assert_eq!(found, [0; 4], "the byte did not land at the low half of its offset");
    assert_eq!(file.append(&[b"!"]).unwrap(), far + 3);
}
