//! What a commit costs in writes and flushes, and how many share them.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test asserts by panicking and slows a device down"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entidb_engine::{Durability, Engine, Options};
use entidb_storage::{Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result as StorageResult};

#[derive(Default)]
struct Counts {
    writes: AtomicU64,
    flushes: AtomicU64,
    others: AtomicU64,
    flush_micros: AtomicU64,
}

/// Counts what reaches the files beneath it, and may make flushes as slow as a disk's.
struct Counting {
    inner: Arc<dyn Directory>,
    counts: Arc<Counts>,
}

struct CountingFile {
    inner: Arc<dyn File>,
    counts: Arc<Counts>,
}

impl Directory for Counting {
    fn location(&self) -> &str {
        self.inner.location()
    }
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }
    fn open(&self, name: &str, mode: OpenMode) -> StorageResult<Arc<dyn File>> {
        self.counts.others.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(CountingFile { inner: self.inner.open(name, mode)?, counts: Arc::clone(&self.counts) }))
    }
    fn create_folder(&self, name: &str) -> StorageResult<()> {
        self.inner.create_folder(name)
    }
    fn remove(&self, name: &str) -> StorageResult<()> {
        self.counts.others.fetch_add(1, Ordering::Relaxed);
        self.inner.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> StorageResult<()> {
        self.inner.rename(from, to)
    }
    fn hard_link(&self, from: &str, to: &str) -> StorageResult<()> {
        self.inner.hard_link(from, to)
    }
    fn list(&self, folder: &str) -> StorageResult<Vec<Entry>> {
        self.inner.list(folder)
    }
    fn flush_names(&self, folder: &str) -> StorageResult<()> {
        self.counts.others.fetch_add(1, Ordering::Relaxed);
        self.inner.flush_names(folder)
    }
    fn lock(&self, name: &str, kind: LockKind) -> StorageResult<Box<dyn Lock>> {
        self.inner.lock(name, kind)
    }
    fn free_bytes(&self) -> StorageResult<u64> {
        self.inner.free_bytes()
    }
}

impl File for CountingFile {
    fn path(&self) -> &str {
        self.inner.path()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> StorageResult<usize> {
        self.inner.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> StorageResult<usize> {
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.write_at(offset, bytes)
    }
    fn append(&self, parts: &[&[u8]]) -> StorageResult<u64> {
        self.counts.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.append(parts)
    }
    fn len(&self) -> StorageResult<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> StorageResult<()> {
        self.counts.others.fetch_add(1, Ordering::Relaxed);
        self.inner.set_len(len)
    }
    fn preallocate(&self, offset: u64, len: u64) -> StorageResult<()> {
        self.counts.others.fetch_add(1, Ordering::Relaxed);
        self.inner.preallocate(offset, len)
    }
    fn flush_data(&self) -> StorageResult<()> {
        self.counts.flushes.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(self.counts.flush_micros.load(Ordering::Relaxed)));
        self.inner.flush_data()
    }
    fn flush_all(&self) -> StorageResult<()> {
        self.counts.others.fetch_add(1, Ordering::Relaxed);
        self.inner.flush_all()
    }
}

fn counting() -> (Engine, Arc<Counts>) {
    let mut backend = Backend::memory();
    let counts = Arc::new(Counts::default());
    backend.directory = Arc::new(Counting { inner: Arc::clone(&backend.directory), counts: Arc::clone(&counts) });
    let options = Options { background: false, ..Options::default() };
    (Engine::open(backend, options).unwrap(), counts)
}

fn commit(engine: &Engine, key: &[u8], durability: Durability) {
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(key, &[5; 100]).unwrap();
    transaction.commit_with(durability).unwrap();
}

#[test]
fn a_durable_commit_is_one_write_and_one_flush_and_nothing_else() {
    let (engine, counts) = counting();
    let read = || {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&counts.writes), load(&counts.flushes), load(&counts.others))
    };
    let (writes, flushes, others) = read();
    for number in 0..100_u8 {
        commit(&engine, &[1, number], Durability::Durable);
    }
    assert_eq!(read(), (writes + 100, flushes + 100, others));
}

#[test]
fn commits_without_durability_cost_no_flush() {
    let (engine, counts) = counting();
    let (writes, flushes) = (counts.writes.load(Ordering::Relaxed), counts.flushes.load(Ordering::Relaxed));
    for number in 0..100_u8 {
        commit(&engine, &[1, number], Durability::None);
    }
    assert_eq!(counts.writes.load(Ordering::Relaxed), writes);
    for number in 0..100_u8 {
        commit(&engine, &[2, number], Durability::Grouped { interval_ms: 60_000 });
    }
    assert!(counts.writes.load(Ordering::Relaxed) <= writes + 100);
    assert_eq!(counts.flushes.load(Ordering::Relaxed), flushes);
}

#[test]
fn writers_who_wait_at_the_same_time_share_a_flush() {
    let (engine, counts) = counting();
    counts.flush_micros.store(2_000, Ordering::Relaxed);
    let flushes = counts.flushes.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let engine = engine.clone();
            scope.spawn(move || {
                (0..50_u8).for_each(|number| commit(&engine, &[1, thread, number], Durability::Durable))
            });
        }
    });
    let flushes = counts.flushes.load(Ordering::Relaxed) - flushes;
    assert!(flushes * 3 <= 400, "{flushes} flushes for 400 commits");
    assert_eq!(engine.durable_sequence(), engine.last_sequence());
}

#[test]
fn a_grouped_commit_is_flushed_when_its_interval_is_over() {
    let engine = Engine::open(Backend::memory(), Options::default()).unwrap();
    // The thread has found nothing to do and rests.
    std::thread::sleep(Duration::from_millis(100));
    commit(&engine, b"k", Durability::Grouped { interval_ms: 5 });
    let waited = (0..400).take_while(|_| {
        std::thread::sleep(Duration::from_millis(1));
        engine.durable_sequence() < engine.last_sequence()
    });
    let waited = waited.count();
    assert!(waited < 300, "flushed after {waited} ms or more");
}
