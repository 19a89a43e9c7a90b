//! Cases on writing at the end.
//!
//! Always: parts come out joined and in order, and appends never overlap. Does not know: names.

use std::sync::{Arc, Barrier};

use super::{bytes_of, kind, put};
use crate::{Backend, ErrorKind, OpenMode};

pub(super) fn append_says_where_it_wrote(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    assert_eq!(file.append(&[b"abc"]).unwrap(), 0);
    assert_eq!(file.append(&[b"de"]).unwrap(), 3);
    assert_eq!(file.len().unwrap(), 5);
}

pub(super) fn append_joins_its_parts(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    file.append(&[b"a", b"", b"bc", &[0; 3], b"d", b""]).unwrap();
    assert_eq!(bytes_of(&backend, "a"), b"abc\0\0\0d");
}

pub(super) fn append_of_nothing_says_the_end(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Write).unwrap();
    assert_eq!(file.append(&[]).unwrap(), 3);
    assert_eq!(file.append(&[b"", b""]).unwrap(), 3);
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn append_takes_thousands_of_parts(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    let parts: Vec<Vec<u8>> = (0..5000_u32).map(|turn| turn.to_le_bytes().to_vec()).collect();
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    assert_eq!(file.append(&slices).unwrap(), 0);
    assert_eq!(bytes_of(&backend, "a"), parts.concat());
}

pub(super) fn append_goes_behind_a_far_write(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    file.append(&[b"a"]).unwrap();
    file.write_all_at(10, b"k").unwrap();
    assert_eq!(file.append(&[b"l"]).unwrap(), 11);
    assert_eq!(bytes_of(&backend, "a"), b"a\0\0\0\0\0\0\0\0\0kl");
}

pub(super) fn append_follows_set_len(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    file.append(&[b"abcdef"]).unwrap();
    file.set_len(2).unwrap();
    assert_eq!(file.append(&[b"Z"]).unwrap(), 2);
    file.set_len(5).unwrap();
    assert_eq!(file.append(&[b"!"]).unwrap(), 5);
    assert_eq!(bytes_of(&backend, "a"), b"abZ\0\0!");
}

pub(super) fn append_through_a_reader_is_refused(make: &dyn Fn() -> Backend) {
    let backend = make();
    put(&backend, "a", b"abc");
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    assert_eq!(kind(file.append(&[b"d"])), ErrorKind::ReadOnly);
    assert_eq!(bytes_of(&backend, "a"), b"abc");
}

pub(super) fn appends_of_many_threads_do_not_overlap(make: &dyn Fn() -> Backend) {
    const TURNS: u16 = 600;
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    // Together, or the first would be done before the last has started.
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let (file, start) = (Arc::clone(&file), &start);
            scope.spawn(move || {
                start.wait();
                for turn in 0..TURNS {
                    file.append(&[&[thread], &turn.to_le_bytes(), &[thread ^ 0xff]]).unwrap();
                }
            });
        }
    });
    let bytes = bytes_of(&backend, "a");
    assert_eq!(bytes.len(), 4 * usize::from(TURNS) * 4);
    let mut next = [0_u16; 4];
    for record in bytes.chunks_exact(4) {
        let [thread, low, high, check] = record.try_into().unwrap();
        assert_eq!(check, thread ^ 0xff, "two appends were mixed");
        let expected: &mut u16 = next.get_mut(usize::from(thread)).unwrap();
        assert_eq!(u16::from_le_bytes([low, high]), *expected, "appends of one thread keep their order");
        *expected += 1;
    }
}
