//! Log files are made of log files that are done with: what that saves, and that nothing of their former life is seen.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use entidb_engine::{Durability, Engine, KeyRange, KeySource, Options, VerifyLevel};
use entidb_storage::simulated::{Personality, Simulation};
use entidb_storage::{Abilities, Backend, Directory, Entry, File, Lock, LockKind, OpenMode, Result as StorageResult};

/// Bytes on their way to log files.
#[derive(Default)]
struct Bytes {
    written: AtomicU64,
    zeroed: AtomicU64,
}

struct Counting {
    inner: Arc<dyn Directory>,
    bytes: Arc<Bytes>,
    rename: bool,
}

struct CountingFile {
    inner: Arc<dyn File>,
    bytes: Arc<Bytes>,
}

impl Directory for Counting {
    fn location(&self) -> &str {
        self.inner.location()
    }
    fn abilities(&self) -> Abilities {
        Abilities { rename: self.rename, ..self.inner.abilities() }
    }
    fn open(&self, name: &str, mode: OpenMode) -> StorageResult<Arc<dyn File>> {
        let inner = self.inner.open(name, mode)?;
        Ok(if name.starts_with("wal/") {
            Arc::new(CountingFile { inner, bytes: Arc::clone(&self.bytes) })
        } else {
            inner
        })
    }
    fn create_folder(&self, name: &str) -> StorageResult<()> {
        self.inner.create_folder(name)
    }
    fn remove(&self, name: &str) -> StorageResult<()> {
        self.inner.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> StorageResult<()> {
        assert!(self.rename, "a storage without rename is asked for one");
        self.inner.rename(from, to)
    }
    fn hard_link(&self, from: &str, to: &str) -> StorageResult<()> {
        self.inner.hard_link(from, to)
    }
    fn list(&self, folder: &str) -> StorageResult<Vec<Entry>> {
        self.inner.list(folder)
    }
    fn flush_names(&self, folder: &str) -> StorageResult<()> {
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
        self.bytes.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.inner.write_at(offset, bytes)
    }
    fn append(&self, parts: &[&[u8]]) -> StorageResult<u64> {
        self.inner.append(parts)
    }
    fn len(&self) -> StorageResult<u64> {
        self.inner.len()
    }
    fn set_len(&self, len: u64) -> StorageResult<()> {
        self.inner.set_len(len)
    }
    fn preallocate(&self, offset: u64, len: u64) -> StorageResult<()> {
        self.bytes.zeroed.fetch_add(len, Ordering::Relaxed);
        self.inner.preallocate(offset, len)
    }
    fn flush_data(&self) -> StorageResult<()> {
        self.inner.flush_data()
    }
    fn flush_all(&self) -> StorageResult<()> {
        self.inner.flush_all()
    }
}

/// A database whose log files end soon, with its counts.
fn counting(rename: bool, options: Options) -> (Engine, Backend, Arc<Bytes>) {
    let mut backend = Backend::memory();
    let bytes = Arc::new(Bytes::default());
    let inner = Arc::clone(&backend.directory);
    backend.directory = Arc::new(Counting { inner, bytes: Arc::clone(&bytes), rename });
    (Engine::open(backend.clone(), options).unwrap(), backend, bytes)
}

fn small() -> Options {
    Options { background: false, memtable_bytes: 1 << 20, ..Options::default() }
}

/// Commits `rounds` transactions of about 64 KB.
fn load(engine: &Engine, rounds: u32) {
    for round in 0..rounds {
        let mut transaction = engine.begin_write().unwrap();
        for number in 0..64_u32 {
            let key = [b"k".as_slice(), &(round * 64 + number).to_be_bytes()].concat();
            transaction.put(&key, &[7; 1000]).unwrap();
        }
        transaction.commit_with(Durability::Durable).unwrap();
    }
}

fn count(engine: &Engine) -> u64 {
    engine.snapshot().unwrap().approximate_count(KeyRange::all()).unwrap()
}

#[test]
fn a_long_load_writes_the_log_once_and_not_twice() {
    let zeroed = |rename: bool| {
        let (engine, _, bytes) = counting(rename, small());
        load(&engine, 500);
        engine.close().unwrap();
        (bytes.written.load(Ordering::Relaxed), bytes.zeroed.load(Ordering::Relaxed))
    };
    let (written, fresh) = zeroed(false);
    let (_, recycled) = zeroed(true);
    println!(
        "{written} bytes of log; zero-written: {fresh} when every file is new, {recycled} when files are recycled"
    );
    assert!(written > 32_000_000 && fresh >= written, "{written} {fresh}");
    assert!(recycled < written / 4, "{recycled} of {written}");
}

#[test]
fn nothing_of_the_former_life_of_a_log_file_is_replayed_or_counted() {
    for key in [None, Some(KeySource::raw([3; 32]))] {
        let encrypted = key.is_some();
        let options = || Options { key: encrypted.then(|| KeySource::raw([3; 32])), ..small() };
        let (engine, backend, bytes) = counting(true, Options { key, ..small() });
        load(&engine, 192);
        let zeroed = bytes.zeroed.load(Ordering::Relaxed);
        for round in 192..224 {
            load(&engine, 1);
            assert!(engine.verify(VerifyLevel::Full).unwrap().problems.is_empty(), "round {round}");
        }
        assert_eq!(bytes.zeroed.load(Ordering::Relaxed), zeroed, "by now every file is a recycled one");
        let before = (count(&engine), engine.last_sequence());
        drop(engine);
        let engine = Engine::open(backend, options()).unwrap();
        let report = engine.open_report();
        assert!(!report.clean && report.bytes_dropped == 0, "{report:?}");
        assert_eq!((count(&engine), report.last_sequence), before);
    }
}

#[test]
fn a_torn_end_in_a_recycled_file_is_dropped_and_counted() {
    let (engine, backend, _) = counting(true, small());
    load(&engine, 96);
    let files = || -> Vec<(String, Vec<u8>)> {
        let list = backend.directory.list("wal").unwrap();
        let read = |entry: Entry| {
            let path = format!("wal/{}", entry.name);
            let file = backend.directory.open(&path, OpenMode::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(0, &mut bytes).unwrap();
            (path, bytes)
        };
        list.into_iter().map(read).collect()
    };
    let before = files();
    let mut transaction = engine.begin_write().unwrap();
    transaction.put(b"torn", &[9; 5000]).unwrap();
    transaction.commit().unwrap();
    let last = engine.last_sequence();
    let after = files();
    drop(engine);
    // Which file a name stands for may have changed with the commit; the file it went to kept its name.
    let pairs = after.iter().filter_map(|(path, other)| {
        let (_, one) = before.iter().find(|(before, _)| before == path)?;
        Some((path, one, other))
    });
    let (path, one, other) = pairs.into_iter().find(|(_, one, other)| one != other).unwrap();
    let first = one.iter().zip(other).position(|(a, b)| a != b).unwrap();
    // The second half of the unit is again what it was before: bytes of the file's former life.
    let torn = first + 2500;
    backend.directory.open(path, OpenMode::Write).unwrap().write_all_at(torn as u64, &one[torn..]).unwrap();
    let engine = Engine::open(backend, Options::default()).unwrap();
    let report = engine.open_report();
    assert_eq!(report.last_sequence.0, last.0 - 1);
    assert!((5000..6000).contains(&report.bytes_dropped), "{report:?}");
    assert!(!engine.snapshot().unwrap().exists(b"torn").unwrap());
}

#[test]
fn a_close_and_a_checkpoint_leave_no_spent_file() {
    let world = Simulation::new(Personality::PosixStrict, 1);
    let backend = world.backend();
    let engine = Engine::open(backend.clone(), small()).unwrap();
    load(&engine, 64);
    engine.checkpoint().unwrap();
    let list = || backend.directory.list("wal").unwrap();
    let bytes: u64 = list()
        .into_iter()
        .map(|entry| backend.directory.open(&format!("wal/{}", entry.name), OpenMode::Read).unwrap().len().unwrap())
        .sum();
    assert!(bytes <= 4 * 256 * 1024, "{bytes} bytes of log after a checkpoint");
    engine.close().unwrap();
    assert_eq!(list().len(), 1);
}
