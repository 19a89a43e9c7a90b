//! Options that a database is opened with do what they say.
//!
//! Always: what is measured is sizes and counts, not time. Does not know: names and bounds, which `options::named` tests.

#![expect(clippy::unwrap_used, reason = "tests panic")]

use std::time::{Duration, Instant};

use entidb_core::{Compression, Database, Durability, Options, doc};

fn filled(options: Options) -> Database {
    let db = Database::open_memory_with(Options { durability: Durability::None, ..options }).unwrap();
    let notes = db.collection("notes").unwrap();
    for n in 0..200 {
        notes.put(&doc! { "n": n, "text": "the same again ".repeat(60) }).unwrap();
    }
    db
}

#[test]
#[expect(clippy::disallowed_methods, reason = "background work is waited for")]
fn a_checkpoint_is_made_when_the_log_has_its_bytes_and_never_when_these_are_zero() {
    let db = filled(Options { checkpoint_bytes: 64 << 10, ..Options::default() });
    let until = Instant::now() + Duration::from_secs(60);
    while db.stats().unwrap().engine.segments == 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(db.stats().unwrap().engine.segments > 0, "{:?}", db.stats());
    let never = filled(Options { checkpoint_bytes: 0, ..Options::default() });
    assert_eq!(never.stats().unwrap().engine.segments, 0);
    never.checkpoint().unwrap();
    assert!(never.stats().unwrap().engine.segments > 0);
}

#[test]
fn blocks_are_compressed_as_the_options_say() {
    let size = |compression| {
        let db = filled(Options { compression, ..Options::default() });
        db.checkpoint().unwrap();
        let stats = db.stats().unwrap();
        (db.collection("notes").unwrap().count().unwrap(), stats.engine.segment_bytes)
    };
    let ((all, small), (as_many, plain)) = (size(Compression::Lz4), size(Compression::None));
    assert_eq!((all, as_many), (200, 200));
    assert!(small * 3 < plain, "{small} {plain}");
}
