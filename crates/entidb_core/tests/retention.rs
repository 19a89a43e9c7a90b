//! How long the feed and the history are kept, by bytes and by age, and that the limits hold however commits are made.
//!
//! Always: what is counted is commits that a reader is given. Does not know: what they hold (`history`, `past`).

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]
#![expect(clippy::disallowed_methods, reason = "commits are made by several threads")]

use std::sync::Arc;
use std::time::Duration;

use entidb_core::{Collection, Database, EntityId, Expression, Options, Since, doc};
use entidb_storage::{Backend, Call, ManualClock, Operation, Watcher};

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

/// How many commits a reader is given.
fn kept(db: &Database) -> usize {
    let mut feed = db.changes(Since::Oldest).unwrap();
    let mut commits = 0;
    while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
        commits += usize::from(batch.ends_commit());
    }
    commits
}

fn fill(c: &Collection, numbers: std::ops::Range<u64>, text: &str) {
    let documents: Vec<_> = numbers.map(|n| doc! { "n": n, "text": text }).collect();
    c.put_many(&documents).unwrap();
}

/// A disk that takes its time, so that commits meet while they wait for it.
struct Slow;

impl Watcher for Slow {
    fn before(&self, call: &Call<'_>) -> entidb_storage::Result<()> {
        if matches!(call.operation, Operation::FlushData | Operation::FlushAll) {
            Backend::memory().threads.sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// The lock for writing is given back before a commit waits for the disk. Each commit that came in that time began to count
/// from the bytes before the first of them, and what the others took was forgotten.
#[test]
fn the_bytes_of_commits_that_wait_for_the_disk_together_all_count() {
    let options = Options { feed_bytes_max: 40_000, ..Options::default() };
    let db = Database::open_on(Backend::memory().watched(Arc::new(Slow)), options).unwrap();
    let text = "x".repeat(1000);
    db.collection("c").unwrap().put_at(id(0), &doc! { "text": text.as_str() }).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (db, text) = (db.clone(), text.clone());
            std::thread::spawn(move || {
                let c = db.collection("c").unwrap();
                for n in 0..30 {
                    c.put_at(id(thread), &doc! { "n": n, "text": text.as_str() }).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // 240 commits of a bit more than a thousand bytes. The watermark follows with each sixteenth of the limit.
    let kept = kept(&db);
    assert!((30..=44).contains(&kept), "{kept} commits of a thousand bytes are kept in 40,000 bytes");
}

/// The entities of a collection that is emptied or dropped stay as history, and were not counted: they took any room.
#[test]
fn what_goes_with_its_collection_counts_as_history() {
    for drops in [false, true] {
        let options = Options { feed_bytes_max: 1_000_000, ..Options::default() };
        let db = Database::open_memory_with(options).unwrap();
        let text = "x".repeat(1000);
        // Each round leaves 300,000 bytes.
        for _ in 0..20 {
            let c = db.collection("c").unwrap();
            fill(&c, 0..300, &text);
            if drops {
                db.drop_collection("c").unwrap();
            } else {
                c.find(Expression::all()).delete().unwrap();
            }
        }
        db.compact().unwrap();
        let bytes = db.stats().unwrap().engine.segment_entries;
        // Of each round kept there are 300 entities, with the four rounds that fit and the one that is over.
        assert!(bytes < 6 * 320, "{bytes} entries are left of 20 rounds, drops: {drops}");
        let kept = kept(&db);
        assert!((6..=16).contains(&kept), "{kept} commits are kept, drops: {drops}");
        assert!(db.verify(entidb_core::VerifyLevel::Full).unwrap().is_ok());
    }
}

/// A savepoint that takes the emptying back takes its bytes back too.
#[test]
fn what_was_taken_back_does_not_count() {
    let options = Options { feed_bytes_max: 1_000_000, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let text = "x".repeat(1000);
    let c = db.collection("c").unwrap();
    fill(&c, 0..300, &text);
    for n in 0..20 {
        let tx = db.begin_write().unwrap();
        let savepoint = tx.savepoint().unwrap();
        tx.drop_collection("c").unwrap();
        tx.rollback_to(savepoint).unwrap();
        tx.collection("c").unwrap().put_at(id(1), &doc! { "n": n }).unwrap();
        tx.commit().unwrap();
    }
    assert_eq!(kept(&db), 21);
}

/// A commit made while the clock was wrong is not old for a long time. It kept everything behind it.
#[test]
fn a_commit_of_a_clock_that_ran_ahead_keeps_nothing_behind_it() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000_000));
    let backend = Backend { clock: clock.clone(), ..Backend::memory() };
    let options = Options { feed_age_ms_max: 60_000, ..Options::default() };
    let db = Database::open_on(backend, options).unwrap();
    let c = db.collection("c").unwrap();
    for n in 0..300_u64 {
        if n == 10 || n == 11 {
            // For a moment, a year ahead.
            clock.set_wall_micros(1_731_000_000_000_000);
        }
        c.put_at(id(1), &doc! { "n": n }).unwrap();
        if n == 11 {
            clock.set_wall_micros(1_700_000_011_000_000);
        }
        clock.advance(Duration::from_secs(1));
    }
    let kept = kept(&db);
    assert!((60..=70).contains(&kept), "{kept} commits are kept of a minute with one a second");
}

/// Set back by an hour, the clock keeps what was committed before for that hour more, and not for ever.
#[test]
fn a_clock_that_was_set_back_keeps_what_it_has_to() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000_000));
    let backend = Backend { clock: clock.clone(), ..Backend::memory() };
    let options = Options { feed_age_ms_max: 60_000, ..Options::default() };
    let db = Database::open_on(backend, options).unwrap();
    let c = db.collection("c").unwrap();
    for n in 0..400_u64 {
        if n == 30 {
            clock.set_wall_micros(1_699_996_400_000_000);
        }
        c.put_at(id(1), &doc! { "n": n }).unwrap();
        clock.advance(Duration::from_secs(1));
    }
    let kept = kept(&db);
    assert!((60..=70).contains(&kept), "{kept} commits are kept of a minute with one a second");
}
