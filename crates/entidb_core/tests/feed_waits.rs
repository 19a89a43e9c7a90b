//! A reader of the feed that waits wakes with the commit it waits for, and uses no time of the processor until then.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test is about real threads")]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use entidb_core::{Database, ErrorCode, Options, Since, doc};
use entidb_storage::{Backend, Clock};

/// Far beyond what a loaded machine needs, and well below how long the readers here wait.
const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(600);

/// A clock that counts the questions, and does something at one of those the reader's thread asks.
struct Watched {
    inner: Arc<dyn Clock>,
    asked: AtomicU64,
    planned: Mutex<Option<Planned>>,
}

struct Planned {
    reader: ThreadId,
    questions_before: u64,
    run: Box<dyn FnOnce() + Send>,
}

impl Watched {
    fn new(backend: &mut Backend) -> Arc<Self> {
        let clock =
            Arc::new(Self { inner: Arc::clone(&backend.clock), asked: AtomicU64::new(0), planned: Mutex::new(None) });
        backend.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        clock
    }

    /// What is planned for this question, if it is the reader's.
    fn due(&self) -> Option<Planned> {
        let mut planned = self.planned.lock().unwrap();
        let plan = planned.as_mut().filter(|plan| plan.reader == thread::current().id())?;
        match plan.questions_before.checked_sub(1) {
            Some(left) => {
                plan.questions_before = left;
                None
            }
            None => planned.take(),
        }
    }
}

impl Clock for Watched {
    fn monotonic_nanos(&self) -> u64 {
        self.asked.fetch_add(1, Relaxed);
        if let Some(plan) = self.due() {
            (plan.run)();
        }
        self.inner.monotonic_nanos()
    }

    fn wall_micros(&self) -> i64 {
        self.inner.wall_micros()
    }
}

/// The newest commit was looked up after the poll that found nothing: a commit between the two was taken for known, and
/// the reader slept on it. Here the commit comes at each place where the reader looks at the clock.
#[test]
fn a_commit_at_any_moment_of_a_wait_wakes_the_reader() {
    for questions_before in 0..3 {
        let mut backend = Backend::memory();
        let clock = Watched::new(&mut backend);
        let db = Database::open_on(backend, Options::default()).unwrap();
        db.create_collection("notes").unwrap();
        let (sender, got) = mpsc::channel();
        let thread_db = db.clone();
        thread::spawn(move || {
            let mut feed = thread_db.changes(Since::Now).unwrap();
            let run = move || {
                // From another thread, as the reader may hold a lock of the log here.
                let put = move || thread_db.collection("notes").unwrap().put(&doc! { "n": 1 }).map(drop);
                let putting = thread::spawn(put);
                if questions_before < 2 {
                    putting.join().unwrap().unwrap();
                }
            };
            let reader = thread::current().id();
            *clock.planned.lock().unwrap() = Some(Planned { reader, questions_before, run: Box::new(run) });
            sender.send(feed.next_batch(LONG))
        });
        let batch = got.recv_timeout(SOON).expect("the reader sleeps on a commit").unwrap();
        assert!(batch.is_some(), "{questions_before}");
        db.close().unwrap();
    }
}

fn read_only() -> (Database, Arc<Watched>) {
    let mut backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    db.create_collection("notes").unwrap();
    db.close().unwrap();
    let clock = Watched::new(&mut backend);
    (Database::open_on(backend, Options { read_only: true, ..Options::default() }).unwrap(), clock)
}

/// A database open to read only has no log to wait on: the wait came back at once, and was begun again until its time was
/// over.
#[test]
fn a_wait_on_a_read_only_database_does_not_spin() {
    let (db, clock) = read_only();
    let mut feed = db.changes(Since::Now).unwrap();
    let before = clock.asked.load(Relaxed);
    assert_eq!(feed.next_batch(Duration::from_millis(200)).unwrap(), None);
    let asked = clock.asked.load(Relaxed) - before;
    assert!(asked < 20, "the reader looked at the clock {asked} times");
}

#[test]
fn closing_a_database_ends_the_wait_of_its_readers() {
    for (db, _clock) in [read_only(), (Database::open_memory().unwrap(), read_only().1)] {
        let mut feed = db.changes(Since::Now).unwrap();
        let (sender, got) = mpsc::channel();
        thread::spawn(move || sender.send(feed.next_batch(LONG)));
        thread::sleep(Duration::from_millis(50));
        db.close().unwrap();
        assert_eq!(got.recv_timeout(SOON).unwrap().unwrap_err().code(), ErrorCode::Closed);
    }
}
