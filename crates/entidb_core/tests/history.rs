//! The feed tells which entities a commit changed; documents are found in the entities and in the history.
//!
//! Always: what a reader is told is exact for as long as the commit is kept. Does not know: random histories (`histories`).

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use entidb_core::{
    Change, ChangeKind, Collection, Database, EntityId, ErrorCode, Expression, Options, Sequence, Since, Value,
    VerifyLevel, decode, doc,
};
use entidb_engine::{Direction, Engine};
use entidb_storage::{Backend, SeededRandom};

fn id(number: u64) -> EntityId {
    EntityId::from_bytes(u128::from(number).to_be_bytes())
}

fn put(c: &Collection, number: u64, n: i64) {
    c.put_at(id(number), &doc! { "n": n }).unwrap();
}

fn fill(c: &Collection, numbers: std::ops::Range<u64>) {
    for number in numbers {
        put(c, number, number as i64);
    }
}

/// How many keys a zone has.
fn keys(backend: &Backend, zone: u8) -> usize {
    let engine =
        Engine::open(backend.clone(), entidb_engine::Options { read_only: true, ..Default::default() }).unwrap();
    let mut found = engine.snapshot().unwrap().range(&[zone][..]..&[zone + 1][..], Direction::Forward).unwrap();
    let mut count = 0;
    while found.advance().unwrap() {
        count += 1;
    }
    engine.close().unwrap();
    count
}

const ENTITY: u8 = 2;
const FEED: u8 = 0x0a;
const HISTORY: u8 = 0x0b;

fn n(document: &[u8]) -> i64 {
    let Value::Map(map) = decode(document).unwrap() else { return -1 };
    map.get("n").and_then(Value::as_i64).unwrap_or(-1)
}

/// A change in short: what happened to which entity, with the documents after and before.
fn short(change: &Change) -> (ChangeKind, u64, Option<i64>, Option<i64>) {
    let number = u128::from_be_bytes(*change.id.as_bytes()) as u64;
    let after = (change.kind.is_entity() && !change.payload.is_empty()).then(|| n(&change.payload));
    (change.kind, number, after, change.before.as_deref().map(n))
}

fn all(db: &Database, since: impl Into<Since>) -> Vec<(Sequence, Vec<Change>)> {
    let mut feed = db.changes(since).unwrap().with_before();
    let mut commits: Vec<(Sequence, Vec<Change>)> = Vec::new();
    while let Some(batch) = feed.next_batch(Duration::ZERO).unwrap() {
        match commits.last_mut().filter(|(sequence, _)| *sequence == batch.sequence) {
            Some((_, changes)) => changes.extend(batch.changes),
            None => commits.push((batch.sequence, batch.changes)),
        }
    }
    commits
}

fn verified(db: &Database) {
    let report = db.verify(VerifyLevel::Full).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
}

use ChangeKind::{CollectionCreated, CollectionDropped, Delete, Insert, Update};

#[test]
fn a_document_that_is_inserted_is_stored_once_and_one_that_is_replaced_twice() {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let c = db.collection("c").unwrap();
    fill(&c, 0..10);
    db.close().unwrap();
    assert_eq!((keys(&backend, ENTITY), keys(&backend, FEED), keys(&backend, HISTORY)), (10, 10, 0));
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let c = db.collection("c").unwrap();
    put(&c, 3, 30);
    put(&c, 3, 31);
    c.delete(id(4)).unwrap();
    db.close().unwrap();
    assert_eq!((keys(&backend, ENTITY), keys(&backend, FEED), keys(&backend, HISTORY)), (9, 13, 3));
}

#[test]
fn nothing_is_written_where_no_feed_is_kept() {
    let backend = Backend::memory();
    let options = || Options { feed_commits_max: 0, ..Options::default() };
    let db = Database::open_on(backend.clone(), options()).unwrap();
    let c = db.collection("c").unwrap();
    fill(&c, 0..40);
    put(&c, 3, 30);
    c.delete(id(4)).unwrap();
    assert_eq!(c.find(Expression::all()).delete().unwrap(), 39);
    db.drop_collection("c").unwrap();
    verified(&db);
    db.close().unwrap();
    assert_eq!((keys(&backend, ENTITY), keys(&backend, FEED), keys(&backend, HISTORY)), (0, 0, 0));
}

#[test]
fn a_commit_tells_the_difference_it_made_and_not_the_way_there() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    fill(&c, 0..5);
    let start = db.position().unwrap();
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    // Changed twice, removed, removed and put again, come and gone, come and changed.
    put(&within, 0, 100);
    put(&within, 0, 101);
    within.delete(id(1)).unwrap();
    within.delete(id(2)).unwrap();
    put(&within, 2, 102);
    put(&within, 8, 8);
    within.delete(id(8)).unwrap();
    put(&within, 9, 9);
    put(&within, 9, 90);
    // Taken back.
    let savepoint = tx.savepoint().unwrap();
    put(&within, 3, 103);
    put(&within, 7, 7);
    within.delete(id(0)).unwrap();
    tx.rollback_to(savepoint).unwrap();
    tx.commit().unwrap();
    let commits = all(&db, start);
    let told: Vec<_> = commits.iter().flat_map(|(_, changes)| changes.iter().map(short)).collect();
    let wanted = [
        (Update, 0, Some(101), Some(0)),
        (Delete, 1, None, Some(1)),
        (Update, 2, Some(102), Some(2)),
        (Insert, 9, Some(90), None),
    ];
    assert_eq!((commits.len(), told.as_slice()), (1, &wanted[..]));
    // A transaction that comes to nothing tells nothing.
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    put(&within, 20, 1);
    within.delete(id(20)).unwrap();
    let sequence = tx.commit().unwrap();
    assert!(all(&db, start).iter().all(|(found, _)| *found != sequence));
    verified(&db);
}

#[test]
fn documents_of_every_commit_are_found_whatever_became_of_them() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    let start = db.position().unwrap();
    fill(&c, 0..3);
    put(&c, 1, 10);
    c.delete(id(1)).unwrap();
    put(&c, 1, 11);
    put(&c, 1, 12);
    db.checkpoint().unwrap();
    put(&c, 1, 13);
    db.compact().unwrap();
    let told: Vec<_> = all(&db, start).iter().flat_map(|(_, changes)| changes.iter().map(short)).skip(1).collect();
    let wanted = [
        (Insert, 0, Some(0), None),
        (Insert, 1, Some(1), None),
        (Insert, 2, Some(2), None),
        (Update, 1, Some(10), Some(1)),
        (Delete, 1, None, Some(10)),
        (Insert, 1, Some(11), None),
        (Update, 1, Some(12), Some(11)),
        (Update, 1, Some(13), Some(12)),
    ];
    assert_eq!(told, wanted);
}

/// What is deleted at once, or goes with its collection, is still told to a reader who comes later.
#[test]
fn a_collection_that_is_emptied_or_dropped_is_told_as_long_as_it_is_kept() {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    let c = db.collection("c").unwrap();
    let start = db.position().unwrap();
    fill(&c, 0..40);
    put(&c, 5, 50);
    let tx = db.begin_write().unwrap();
    let within = tx.collection("c").unwrap();
    put(&within, 6, 60);
    within.delete(id(7)).unwrap();
    put(&within, 99, 99);
    assert_eq!(within.find(Expression::all()).delete().unwrap(), 40);
    put(&within, 6, 61);
    put(&within, 77, 77);
    tx.commit().unwrap();
    assert_eq!((c.count().unwrap(), c.iter().unwrap().count()), (2, 2));
    verified(&db);
    let cleared = db.last_sequence();
    fill(&c, 200..230);
    db.drop_collection("c").unwrap();
    fill(&db.collection("c").unwrap(), 0..3);
    verified(&db);
    db.checkpoint().unwrap();
    let commits = all(&db, start);
    let told: Vec<_> = commits.iter().flat_map(|(_, changes)| changes.iter().map(short)).collect();
    let (before, rest) = told.split_at(1 + 41);
    assert_eq!(before[0].0, CollectionCreated);
    assert!((0..40).all(|number| before[1 + number as usize] == (Insert, number, Some(number as i64), None)));
    let (clear, rest) = rest.split_at(40 + 2);
    let mut deleted: Vec<_> = clear.iter().filter(|change| change.0 == Delete).cloned().collect();
    deleted.sort_by_key(|change| change.1);
    let was = |number: u64| if number == 5 { 50 } else { number as i64 };
    let wanted: Vec<_> = (0..40).map(|number| (Delete, number, None, Some(was(number)))).collect();
    assert_eq!(deleted, wanted);
    assert_eq!(clear[40..], [(Insert, 6, Some(61), None), (Insert, 77, Some(77), None)]);
    assert!(rest[..30].iter().all(|change| change.0 == Insert && change.2.is_some()));
    assert_eq!((rest[30].0, rest[31].0, rest.len()), (CollectionDropped, CollectionCreated, 30 + 2 + 3));

    // Once that is trimmed, nothing of it is left.
    db.trim_changes(cleared).unwrap();
    verified(&db);
    db.compact().unwrap();
    assert_eq!(all(&db, Since::Oldest).len(), 34);
    db.trim_changes(db.last_sequence()).unwrap();
    db.compact().unwrap();
    verified(&db);
    db.close().unwrap();
    assert_eq!((keys(&backend, ENTITY), keys(&backend, FEED), keys(&backend, HISTORY)), (3, 0, 0));
}

/// A reader that stopped inside a commit goes on there, also among the deletes of a collection that was emptied.
#[test]
fn a_position_inside_a_commit_leads_to_the_change_that_comes_next() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    let text = "x".repeat(30_000);
    let documents: Vec<_> = (0..100).map(|n| doc! { "n": n, "text": text.as_str() }).collect();
    let start = db.position().unwrap();
    c.put_many(&documents).unwrap();
    c.find(Expression::all()).delete().unwrap();
    let whole = all(&db, start);
    assert_eq!(whole.iter().map(|(_, changes)| changes.len()).collect::<Vec<_>>(), [101, 100]);
    let (mut position, mut commits, mut batches) = (start, Vec::<(Sequence, Vec<Change>)>::new(), 0);
    while let Some(batch) = db.changes(position).unwrap().with_before().next_batch(Duration::ZERO).unwrap() {
        // What is kept is the text.
        position = batch.position.to_string().parse().unwrap();
        batches += 1;
        match commits.last_mut().filter(|(sequence, _)| *sequence == batch.sequence) {
            Some((_, changes)) => changes.extend(batch.changes),
            None => commits.push((batch.sequence, batch.changes)),
        }
    }
    assert!(batches > 5, "{batches} batches");
    assert!(commits == whole, "another story");
}

#[test]
fn commits_are_told_with_their_time() {
    let db = Database::open_memory().unwrap();
    db.create_collection("c").unwrap();
    let batch = db.changes(Since::Oldest).unwrap().next_batch(Duration::ZERO).unwrap().unwrap();
    assert!(batch.time_micros > 1_700_000_000_000_000, "{}", batch.time_micros);
}

#[test]
fn bytes_and_age_bound_what_is_kept() {
    let options = Options { feed_bytes_max: 20_000, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    let text = "x".repeat(1000);
    for _ in 0..200 {
        c.put_at(id(1), &doc! { "n": 1, "text": text.as_str() }).unwrap();
    }
    let kept = all(&db, Since::Oldest).len();
    assert!((18..=22).contains(&kept), "{kept} commits of a thousand bytes are kept");
    verified(&db);

    let options = Options { feed_age_ms_max: 60, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    let first = db.position().unwrap();
    fill(&c, 0..10);
    Backend::memory().threads.sleep(Duration::from_millis(150));
    fill(&c, 10..11);
    let kept = all(&db, Since::Oldest).len();
    assert!(kept <= 2, "{kept} commits are kept");
    assert_eq!(db.changes(first).map(drop).unwrap_err().code(), ErrorCode::Gap);
}

/// A thousand commits of every sort, each read again as it was, by id, in order and by query.
#[test]
fn each_of_a_thousand_earlier_commits_reads_as_it_was() {
    let random = SeededRandom::new(11);
    let options = Options { memtable_bytes: 32 << 10, ..Options::default() };
    let db = Database::open_memory_with(options).unwrap();
    let c = db.collection("c").unwrap();
    let mut now: BTreeMap<u64, i64> = BTreeMap::new();
    let mut then = Vec::new();
    let mut versions: Vec<(i64, u64, Option<u64>)> = Vec::new();
    for step in 0..1_000_i64 {
        let number = random.below(30);
        match random.below(100) {
            0 => {
                assert_eq!(c.find(Expression::all()).delete().unwrap(), now.len() as u64);
                now.clear();
            }
            1 => {
                db.checkpoint().unwrap();
            }
            2..30 => {
                c.delete(id(number)).unwrap();
                now.remove(&number);
            }
            _ => {
                put(&c, number, step);
                now.insert(number, step);
            }
        }
        let at = db.last_sequence().0;
        let known = versions.last().filter(|version| version.2.is_none()).map(|version| version.0);
        if known != now.get(&7).copied() {
            if let Some(last) = versions.last_mut().filter(|version| version.2.is_none()) {
                last.2 = Some(at);
            }
            versions.extend(now.get(&7).map(|n| (*n, at, None)));
        }
        then.push((db.last_sequence(), now.clone()));
    }
    db.compact().unwrap();
    for (at, wanted) in &then {
        let past = db.begin_read_at(*at).unwrap();
        assert_eq!(past.sequence().unwrap(), *at);
        let c = past.collection("c").unwrap();
        let pair = |entity: entidb_core::Result<entidb_core::Entity>| {
            let entity = entity.unwrap();
            assert!(entity.version() <= at.0);
            (u128::from_be_bytes(*entity.id_bytes()) as u64, n(entity.bytes()))
        };
        assert_eq!(c.iter().unwrap().map(pair).collect::<BTreeMap<_, _>>(), *wanted, "at {at}");
        assert_eq!(c.count().unwrap(), wanted.len() as u64);
        let large = wanted.values().filter(|n| **n > 500).count();
        assert_eq!(c.find(entidb_core::field("n").gt(500)).list().unwrap().len(), large);
        assert_eq!(c.get(id(7)).unwrap().map(|entity| n(entity.bytes())), wanted.get(&7).copied());
    }
    let c = db.collection("c").unwrap();
    for (at, wanted) in then.iter().step_by(37) {
        assert_eq!(c.get_as_of(id(7), *at).unwrap().map(|entity| n(entity.bytes())), wanted.get(&7).copied());
    }
    let told = c.history(id(7)).unwrap().map(|version| {
        let version = version.unwrap();
        (n(version.entity.bytes()), version.entity.version(), version.until.map(|until| until.0))
    });
    assert_eq!(told.collect::<Vec<_>>(), versions);
    // Read on from each of them, and from a commit between.
    for (place, (_, version, _)) in versions.iter().enumerate() {
        for (after, skipped) in [(*version, place + 1), (version - 1, place)] {
            let rest =
                c.history(id(7)).unwrap().after(Sequence(after)).map(|version| n(version.unwrap().entity.bytes()));
            let wanted: Vec<_> = versions[skipped..].iter().map(|version| version.0).collect();
            assert_eq!(rest.collect::<Vec<_>>(), wanted, "after {after}");
        }
    }
}

#[test]
fn an_earlier_commit_that_is_not_kept_or_was_never_made_is_refused() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    fill(&c, 0..3);
    let then = db.last_sequence();
    put(&c, 1, 10);
    put(&c, 1, 11);
    let reader = db.begin_read_at(then).unwrap();
    db.trim_changes(Sequence(then.0 + 1)).unwrap();
    db.compact().unwrap();
    assert_eq!(db.begin_read_at(then).map(drop).unwrap_err().code(), ErrorCode::SnapshotExpired);
    assert_eq!(c.get_as_of(id(1), then).unwrap_err().code(), ErrorCode::SnapshotExpired);
    // What was begun before goes on.
    assert_eq!(reader.collection("c").unwrap().get(id(1)).unwrap().map(|it| n(it.bytes())), Some(1));
    let next = db.begin_read_at(Sequence(then.0 + 1)).unwrap();
    assert_eq!(next.collection("c").unwrap().get(id(1)).unwrap().map(|it| n(it.bytes())), Some(10));
    let future = db.begin_read_at(Sequence(1000)).map(drop).unwrap_err();
    assert_eq!(future.code(), ErrorCode::InvalidArgument);
    // Changing the past is refused as changing any read is.
    let past = next.collection("c").unwrap();
    assert_eq!(past.put(&doc! { "n": 1 }).unwrap_err().code(), ErrorCode::ReadOnly);
    let off = Database::open_memory_with(Options { feed_commits_max: 0, ..Options::default() }).unwrap();
    let c = off.collection("c").unwrap();
    put(&c, 1, 1);
    let then = off.last_sequence();
    put(&c, 1, 2);
    assert_eq!(off.begin_read_at(then).map(drop).unwrap_err().code(), ErrorCode::Unsupported);
    assert_eq!(c.history(id(1)).map(drop).unwrap_err().code(), ErrorCode::Unsupported);
}

/// A handle of a name that no collection has now. It answered that nothing had been there, for every commit, also for those
/// that are not kept or were never made.
#[test]
fn a_name_that_is_free_now_means_the_collection_that_had_it_then() {
    let db = Database::open_memory().unwrap();
    let c = db.collection("c").unwrap();
    fill(&c, 0..3);
    let then = db.last_sequence();
    db.drop_collection("c").unwrap();
    let dropped = db.last_sequence();
    let by_name = db.collection("c").unwrap();
    assert_eq!(by_name.get_as_of(id(1), then).unwrap().map(|it| n(it.bytes())), Some(1));
    assert!(by_name.get_as_of(id(1), dropped).unwrap().is_none());
    let past = db.begin_read_at(then).unwrap().collection("c").unwrap();
    assert_eq!(past.get(id(1)).unwrap().map(|it| n(it.bytes())), Some(1));
    let future = by_name.get_as_of(id(1), Sequence(1000)).unwrap_err();
    assert_eq!(future.code(), ErrorCode::InvalidArgument);
    // Reading the past binds no handle: it becomes the collection that is made next.
    fill(&by_name, 5..6);
    assert_eq!(by_name.count().unwrap(), 1);
    assert!(by_name.get_as_of(id(1), then).unwrap().is_none());
    db.trim_changes(dropped).unwrap();
    let free = db.collection("free").unwrap();
    assert_eq!(free.get_as_of(id(1), then).unwrap_err().code(), ErrorCode::SnapshotExpired);
}

/// Emptying what was empty before the transaction gave the collection another place, and the feed nothing to tell: what the
/// transaction had put there stayed for ever.
#[test]
fn what_a_transaction_puts_and_clears_leaves_nothing() {
    let backend = Backend::memory();
    let db = Database::open_on(backend.clone(), Options::default()).unwrap();
    db.create_collection("scratch").unwrap();
    for _ in 0..5 {
        let tx = db.begin_write().unwrap();
        let scratch = tx.collection("scratch").unwrap();
        fill(&scratch, 0..100);
        assert_eq!(scratch.find(Expression::all()).delete().unwrap(), 100);
        tx.commit().unwrap();
    }
    verified(&db);
    db.trim_changes(db.last_sequence()).unwrap();
    db.compact().unwrap();
    db.close().unwrap();
    assert_eq!((keys(&backend, ENTITY), keys(&backend, HISTORY)), (0, 0));
}
