//! Entries of zones that expire go once their commits are before the watermark. Does not know: what readers still need, which
//! `entidb_testkit::expiry` compares with a model.

#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};

use entidb_engine::{Direction, Durability, Engine, Options, Sequence, Snapshot, ZonePolicies, ZonePolicy};
use entidb_storage::Backend;

const MARK: &[u8] = b"m/mark";

/// Backups beside a writer.
const COPIES: u64 = 400;

fn options() -> Options {
    let kept = ZonePolicy { expires: true, block_bytes: 512, ..ZonePolicy::default() };
    Options {
        memtable_bytes: 16 << 10,
        zones: ZonePolicies::default().with(b'h', kept).watermark_at(MARK),
        ..Options::default()
    }
}

fn open(backend: Backend) -> Engine {
    Engine::open(backend, options()).unwrap()
}

/// The keys of a zone that a snapshot shows.
fn keys(snapshot: &Snapshot, zone: u8) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut iter = snapshot.range(&[zone][..]..&[zone + 1][..], Direction::Forward).unwrap();
    while iter.advance().unwrap() {
        found.push(iter.key().to_vec());
    }
    found
}

/// A key of the zone that expires, with the commit that writes it at its end.
fn key(name: u64, sequence: Sequence) -> Vec<u8> {
    [format!("h/{name:03}/").as_bytes(), &sequence.0.to_be_bytes()].concat()
}

#[test]
fn what_expired_takes_no_room_after_a_while() {
    let engine = open(Backend::memory());
    let value = vec![7; 300];
    // 60 commits are kept of 3,000, over keys in which old and new lie side by side.
    for number in 0..3_000_u64 {
        let mut tx = engine.begin_write().unwrap();
        let at = tx.next_sequence();
        for part in 0..4 {
            tx.put(&key(number * 7 % 200 + part, at), &value).unwrap();
        }
        tx.put(MARK, &at.0.saturating_sub(60).to_be_bytes()).unwrap();
        tx.commit().unwrap();
    }
    engine.checkpoint().unwrap();
    // Nobody asks for a merge.
    while engine.maintain(100).unwrap() {}
    let stats = engine.stats();
    assert!(stats.entries_expired > 3_000, "{}", stats.entries_expired);
    // What is kept are 240 entries, what is there may be a few times that.
    assert!(keys(&engine.snapshot().unwrap(), b'h').len() < 3_000, "{}", stats.segment_bytes);
    engine.compact().unwrap();
    let left = keys(&engine.snapshot().unwrap(), b'h');
    assert!(left.len() <= 61 * 4, "{} are left", left.len());
}

#[test]
fn segments_that_expired_whole_go_unread() {
    let engine = open(Backend::memory());
    for number in 0..600_u64 {
        let mut tx = engine.begin_write().unwrap();
        let at = tx.next_sequence();
        tx.put(&[b"h/", &at.0.to_be_bytes()[..]].concat(), &[7; 500]).unwrap();
        tx.put(MARK, &(number / 100 * 100).to_be_bytes()).unwrap();
        tx.commit().unwrap();
    }
    engine.checkpoint().unwrap();
    while engine.maintain(100).unwrap() {}
    assert!(keys(&engine.snapshot().unwrap(), b'h').len() <= 220, "{}", keys(&engine.snapshot().unwrap(), b'h').len());
}

#[test]
fn own_changes_are_those_of_single_keys_in_their_order() {
    let engine = open(Backend::memory());
    for many in [false, true] {
        let mut tx = engine.begin_write().unwrap();
        tx.put(b"k/1", b"base").unwrap();
        tx.commit().unwrap();
        let mut tx = engine.begin_write().unwrap();
        let bulk = if many { 3_000 } else { 0 };
        for number in 0..bulk {
            tx.put(format!("z/{number:05}").as_bytes(), &[1; 100]).unwrap();
        }
        tx.put(b"k/3", b"three").unwrap();
        tx.delete(b"k/2").unwrap();
        tx.delete_range(b"k/0", b"k/2").unwrap();
        tx.put(b"l/1", b"beyond").unwrap();
        let mut own = tx.own_changes(b"k/", b"l/");
        assert!(own.key().is_empty());
        assert!(own.advance().unwrap());
        assert_eq!((own.key(), own.value()), (&b"k/2"[..], None));
        assert!(own.advance().unwrap());
        assert_eq!((own.key(), own.value()), (&b"k/3"[..], Some(&b"three"[..])));
        assert!(!own.advance().unwrap() && !own.advance().unwrap());
        assert!(own.key().is_empty() && own.value().is_none());
    }
}

/// What merges drop is judged by a watermark. It was one that the log had and segments had not: a backup, which copies segments
/// alone, got the older watermark and not what that promises.
#[test]
fn a_copy_has_what_its_watermark_promises() {
    let engine = open(Backend::memory());
    let (stop, mut lost) = (AtomicBool::new(false), None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0_u64.. {
                let mut tx = engine.begin_write().unwrap();
                let at = tx.next_sequence();
                for part in 0..4 {
                    tx.put(&key(number * 7 % 200 + part, at), &[7; 300]).unwrap();
                }
                tx.put(MARK, &at.0.saturating_sub(60).max(1).to_be_bytes()).unwrap();
                tx.commit_with(Durability::None).unwrap();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..COPIES {
            let copy = Backend::memory();
            engine.backup(&copy).unwrap();
            let copy = open(copy).snapshot().unwrap();
            let at = copy.sequence();
            let mark =
                copy.get(MARK).unwrap().map_or(1, |mark| u64::from_be_bytes(mark.as_bytes().try_into().unwrap()));
            let found = keys(&copy, b'h');
            let of = |sequence: u64| found.iter().filter(|key| key.ends_with(&sequence.to_be_bytes())).count();
            if let Some(sequence) = (mark..=at.0).find(|sequence| of(*sequence) != 4) {
                lost = Some(format!("{} entries of commit {sequence} in a copy at {at}, from {mark} on", of(sequence)));
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(lost, None);
}
