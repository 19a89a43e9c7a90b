//! Cases on many threads and many handles, and on what a backend holds besides files.
//!
//! Always: no torn value is ever read where a lock or an order forbids it. Does not know: how a backend locks inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{bytes_of, names_in, put};
use crate::{Backend, ErrorKind, OpenMode, SeededRandom};

pub(super) fn many_readers_read_at_once(make: &dyn Fn() -> Backend) {
    let backend = make();
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    put(&backend, "a", &bytes);
    let file = backend.directory.open("a", OpenMode::Read).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (file, bytes) = (Arc::clone(&file), &bytes);
            scope.spawn(move || {
                let random = SeededRandom::new(seed);
                for _ in 0..300 {
                    let offset = usize::try_from(random.below(390_000)).unwrap();
                    let mut found = vec![0; usize::try_from(random.below(9_000)).unwrap() + 1];
                    file.read_exact_at(offset as u64, &mut found).unwrap();
                    assert!(bytes.get(offset..offset + found.len()) == Some(&found[..]));
                }
            });
        }
    });
}

pub(super) fn readers_beside_a_writer_see_whole_writes_that_were_there(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    let (written, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..500_u64 {
                file.write_all_at(number * 8, &number.to_le_bytes()).unwrap();
                written.store(number + 1, Ordering::Release);
            }
            done.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let count = written.load(Ordering::Acquire);
                    if let Some(last) = count.checked_sub(1) {
                        let mut found = [0; 8];
                        file.read_exact_at(last * 8, &mut found).unwrap();
                        assert_eq!(u64::from_le_bytes(found), last);
                    }
                }
            });
        }
    });
}

pub(super) fn many_threads_make_different_files(make: &dyn Fn() -> Backend) {
    let backend = make();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let backend = &backend;
            scope.spawn(move || {
                for turn in 0..10 {
                    put(backend, &format!("{thread}-{turn}"), format!("{thread}.{turn}").as_bytes());
                }
            });
        }
    });
    assert_eq!(names_in(&backend, "").len(), 40);
    assert_eq!(bytes_of(&backend, "3-7"), b"3.7");
}

pub(super) fn one_of_many_threads_makes_a_new_file(make: &dyn Fn() -> Backend) {
    let backend = make();
    for turn in 0..20 {
        let name = format!("{turn}");
        let winners = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| match backend.directory.open(&name, OpenMode::CreateNew) {
                    Ok(_) => {
                        winners.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => assert_eq!(error.kind, ErrorKind::AlreadyExists),
                });
            }
        });
        assert_eq!(winners.load(Ordering::SeqCst), 1);
    }
}

pub(super) fn two_backends_are_strangers(make: &dyn Fn() -> Backend) {
    let (one, two) = (make(), make());
    put(&one, "a", b"one");
    assert!(names_in(&two, "").is_empty());
    put(&two, "a", b"two");
    assert_eq!(bytes_of(&one, "a"), b"one");
}

pub(super) fn handles_outlive_the_backend(make: &dyn Fn() -> Backend) {
    let backend = make();
    let file = backend.directory.open("a", OpenMode::CreateNew).unwrap();
    drop(backend);
    file.write_all_at(0, b"abc").unwrap();
    file.flush_data().unwrap();
    assert_eq!(file.len().unwrap(), 3);
}

pub(super) fn free_bytes_are_known_or_unsupported(make: &dyn Fn() -> Backend) {
    match make().directory.free_bytes() {
        Ok(bytes) => assert!(bytes > 0, "the cases need room"),
        Err(error) => assert_eq!(error.kind, ErrorKind::Unsupported),
    }
}

pub(super) fn the_clock_does_not_go_back(make: &dyn Fn() -> Backend) {
    let backend = make();
    let mut last = backend.clock.monotonic_nanos();
    for _ in 0..1000 {
        let now = backend.clock.monotonic_nanos();
        assert!(now >= last);
        last = now;
    }
    let _any_moment = backend.clock.wall_micros();
}

pub(super) fn random_bytes_differ(make: &dyn Fn() -> Backend) {
    let backend = make();
    let (mut one, mut two) = ([0; 32], [0; 32]);
    backend.random.fill(&mut one).unwrap();
    backend.random.fill(&mut two).unwrap();
    assert_ne!(one, two);
    assert_ne!(one, [0; 32]);
    backend.random.fill(&mut []).unwrap();
}
