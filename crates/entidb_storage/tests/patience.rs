//! `read_exact_at` and `write_all_at` on a file that does as little as it may.
//!
//! Always: each seed replays. Does not know: real devices.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test asserts by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use entidb_storage::{Backend, Error, ErrorKind, File, OpenMode, Operation, Result, SeededRandom};

/// A file that reads and writes short and lets signals through, as the contract allows.
struct Reluctant {
    file: Arc<dyn File>,
    random: SeededRandom,
    interruptions: AtomicU32,
    shorts: AtomicU32,
    /// After this many calls that moved bytes, `fails_with`.
    calls_left: AtomicU32,
    fails_with: ErrorKind,
}

impl Reluctant {
    fn new(file: Arc<dyn File>, seed: u64) -> Self {
        Self {
            file,
            random: SeededRandom::new(seed),
            interruptions: AtomicU32::new(0),
            shorts: AtomicU32::new(0),
            calls_left: AtomicU32::new(u32::MAX),
            fails_with: ErrorKind::Device { os_code: Some(5) },
        }
    }

    fn failing(file: Arc<dyn File>, calls_left: u32, fails_with: ErrorKind) -> Self {
        Self { calls_left: AtomicU32::new(calls_left), fails_with, ..Self::new(file, 1) }
    }

    /// How many of `len` bytes to move in this call.
    fn portion(&self, operation: Operation, len: usize) -> Result<usize> {
        if self.random.below(3) == 0 {
            self.interruptions.fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(operation, self.path(), ErrorKind::Interrupted));
        }
        if self.calls_left.load(Ordering::Relaxed) == 0 {
            return Err(Error::new(operation, self.path(), self.fails_with.clone()));
        }
        self.calls_left.fetch_sub(1, Ordering::Relaxed);
        let portion = len.min(usize::try_from(self.random.below(7)).unwrap() + 1);
        self.shorts.fetch_add(u32::from(portion < len), Ordering::Relaxed);
        Ok(portion)
    }
}

impl File for Reluctant {
    fn path(&self) -> &str {
        self.file.path()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let portion = self.portion(Operation::Read, buffer.len())?;
        self.file.read_at(offset, &mut buffer[..portion])
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        let portion = self.portion(Operation::Write, bytes.len())?;
        self.file.write_at(offset, &bytes[..portion])
    }
    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        self.file.append(parts)
    }
    fn len(&self) -> Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.file.set_len(len)
    }
    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.file.preallocate(offset, len)
    }
    fn flush_data(&self) -> Result<()> {
        self.file.flush_data()
    }
    fn flush_all(&self) -> Result<()> {
        self.file.flush_all()
    }
}

fn memory_file() -> Arc<dyn File> {
    Backend::memory().directory.open("a", OpenMode::CreateNew).unwrap()
}

#[test]
fn short_calls_and_signals_lose_no_byte() {
    for seed in 0..200 {
        let file = Reluctant::new(memory_file(), seed);
        let sizes = SeededRandom::new(seed);
        let mut model = Vec::new();
        for _ in 0..20 {
            let offset = usize::try_from(sizes.below(300)).unwrap();
            let piece: Vec<u8> = (0..sizes.below(200)).map(|_| sizes.next_u64().to_le_bytes()[0]).collect();
            file.write_all_at(offset as u64, &piece).unwrap();
            if !piece.is_empty() {
                model.resize(model.len().max(offset + piece.len()), 0);
                model[offset..offset + piece.len()].copy_from_slice(&piece);
            }
        }
        let mut found = vec![0; model.len()];
        file.read_exact_at(0, &mut found).unwrap();
        assert!(found == model, "seed {seed}");
        assert!(file.interruptions.into_inner() > 0 && file.shorts.into_inner() > 0, "seed {seed} tested nothing");
    }
}

#[test]
fn an_end_met_by_short_reads_is_counted_right() {
    for seed in 0..50 {
        let inner = memory_file();
        inner.write_all_at(0, &[7; 50]).unwrap();
        let error = Reluctant::new(inner, seed).read_exact_at(20, &mut [0; 100]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnexpectedEnd { wanted: 100, found: 30 }, "seed {seed}");
    }
}

#[test]
fn a_failure_in_the_middle_is_told_and_not_tried_again() {
    for calls in 0..5 {
        let inner = memory_file();
        inner.write_all_at(0, &[7; 100]).unwrap();
        let kind = ErrorKind::Device { os_code: Some(5) };
        let file = Reluctant::failing(Arc::clone(&inner), calls, kind.clone());
        assert_eq!(file.read_exact_at(0, &mut [0; 100]).unwrap_err().kind, kind);
        let file = Reluctant::failing(inner, calls, ErrorKind::NoSpace);
        assert_eq!(file.write_all_at(0, &[8; 100]).unwrap_err().kind, ErrorKind::NoSpace);
    }
}

/// A file that takes nothing.
struct Full(Arc<dyn File>);

impl File for Full {
    fn path(&self) -> &str {
        self.0.path()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.0.read_at(offset, buffer)
    }
    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> Result<usize> {
        Ok(0)
    }
    fn append(&self, parts: &[&[u8]]) -> Result<u64> {
        self.0.append(parts)
    }
    fn len(&self) -> Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.0.set_len(len)
    }
    fn preallocate(&self, offset: u64, len: u64) -> Result<()> {
        self.0.preallocate(offset, len)
    }
    fn flush_data(&self) -> Result<()> {
        self.0.flush_data()
    }
    fn flush_all(&self) -> Result<()> {
        self.0.flush_all()
    }
}

#[test]
fn a_device_that_takes_nothing_is_not_asked_for_ever() {
    let error = Full(memory_file()).write_all_at(9, b"abc").unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::WroteNothing, Some(9)));
}
